"""Claims: the work is done once, and its own ending counts."""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import boto3
import pytest

from pixian_s3.errors import Claimed, Rejected, Skipped, Throttled, Unavailable
from pixian_s3.job import Job
from pixian_s3.ledger import RESERVED_SECONDS, Ledger
from tests.builders import NOON, make_job, make_settings
from tests.unit.world import Context

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

JOB = make_job()
SETTINGS = make_settings()


@dataclass
class Subject:
    ledger: Ledger
    client: "DynamoDBClient"
    worked: int = 0

    def work(self) -> None:
        self.worked += 1

    def noted_call(self, job: Job = JOB) -> AbstractContextManager[int]:
        return self.ledger.noted_call(job, SETTINGS, NOON)

    def remove_table(self) -> None:
        self.client.delete_table(TableName="claims")


@pytest.fixture
def subject(aws: None) -> Iterator[Subject]:  # noqa: ARG001 - it must be there first
    client = boto3.client("dynamodb")
    client.create_table(
        TableName="claims",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    ledger = Ledger(client, "claims")
    ledger.register(Context())
    yield Subject(ledger, client)
    client.close()


def test_the_work_is_done(subject: Subject) -> None:
    subject.ledger.once(JOB, SETTINGS, subject.work)
    assert subject.worked == 1


def test_the_second_time_it_is_done_already(subject: Subject) -> None:
    subject.ledger.once(JOB, SETTINGS, subject.work)
    with pytest.raises(Skipped):
        subject.ledger.once(JOB, SETTINGS, subject.work)
    assert subject.worked == 1


def test_another_try_of_the_same_image_is_the_same_work(subject: Subject) -> None:
    subject.ledger.once(JOB, SETTINGS, subject.work)
    with pytest.raises(Skipped):
        subject.ledger.once(make_job(failures=3, sequencer="FF"), SETTINGS, subject.work)


@pytest.mark.parametrize(
    "other",
    [
        {"key": "b.jpg"},
        {"bucket": "other"},
        {"version_id": "2"},
    ],
)
def test_another_image_is_other_work(subject: Subject, other: dict[str, str]) -> None:
    subject.ledger.once(JOB, SETTINGS, subject.work)
    subject.ledger.once(make_job(**other), SETTINGS, subject.work)
    assert subject.worked == 2


def test_without_versions_other_content_is_other_work(subject: Subject) -> None:
    for etag in ("one", "other", "one"):
        with contextlib.suppress(Skipped):
            subject.ledger.once(make_job(version_id=None, etag=etag), SETTINGS, subject.work)
    assert subject.worked == 2


def test_other_parameters_are_other_work(subject: Subject) -> None:
    subject.ledger.once(JOB, SETTINGS, subject.work)
    subject.ledger.once(JOB, make_settings(defaults={"test": True}), subject.work)
    assert subject.worked == 2


@pytest.mark.parametrize("error", [Rejected("no"), Unavailable("away"), ZeroDivisionError()])
def test_work_that_fails_gives_the_claim_back(subject: Subject, error: Exception) -> None:
    with pytest.raises(type(error)):
        subject.ledger.once(JOB, SETTINGS, failing(error))
    subject.ledger.once(JOB, SETTINGS, subject.work)
    assert subject.worked == 1


def failing(error: Exception) -> Callable[[], None]:
    def work() -> None:
        raise error

    return work


def test_while_one_is_at_it_others_find_it_claimed(subject: Subject) -> None:
    def meanwhile() -> None:
        with pytest.raises(Claimed):
            subject.ledger.once(JOB, SETTINGS, subject.work)

    subject.ledger.once(JOB, SETTINGS, meanwhile)
    assert subject.worked == 0


def test_a_claim_runs_out_with_the_function_s_deadline(subject: Subject) -> None:
    # Given a claim that a process took with it
    class Spent(Context):
        @staticmethod
        def get_remaining_time_in_millis() -> int:
            return -1000

    subject.ledger.register(Spent())

    class Killed(BaseException):
        pass

    def die() -> None:
        raise Killed

    with pytest.raises(Killed):
        subject.ledger.once(JOB, SETTINGS, die)
    # Then the work is free again
    subject.ledger.once(JOB, SETTINGS, subject.work)
    assert subject.worked == 1


def test_without_the_table_nothing_is_done(subject: Subject) -> None:
    subject.remove_table()
    with pytest.raises(Unavailable, match="claim table") as refusal:
        subject.ledger.once(JOB, SETTINGS, subject.work)
    assert (subject.worked, refusal.value.maybe_charged) == (0, False)


def test_work_that_is_done_counts_though_the_table_went_away(subject: Subject) -> None:
    subject.ledger.once(JOB, SETTINGS, subject.remove_table)


def test_work_that_failed_counts_though_the_table_went_away(subject: Subject) -> None:
    def fail() -> None:
        subject.remove_table()
        raise Rejected("too small")

    with pytest.raises(Rejected, match="too small"):
        subject.ledger.once(JOB, SETTINGS, fail)


def test_a_claim_is_kept_as_long_as_a_message_lives(subject: Subject) -> None:
    subject.ledger.once(JOB, SETTINGS, subject.work)
    (item,) = subject.client.scan(TableName="claims")["Items"]
    assert item["status"] == {"S": "COMPLETED"}
    assert {"expiration", "id"} <= set(item)


def test_a_result_is_reserved_for_one_source(subject: Subject) -> None:
    # Given a reservation
    subject.ledger.reserve("a.png", replace(JOB, key="a.jpg"), now=1000)
    # When another source wants the same result, then it has to wait
    with pytest.raises(Claimed, match=r"a\.png"):
        subject.ledger.reserve("a.png", replace(JOB, key="a.gif"), now=1001)


def test_a_reservation_is_renewed_by_its_own_source(subject: Subject) -> None:
    subject.ledger.reserve("a.png", JOB, now=1000)
    subject.ledger.reserve("a.png", JOB, now=1001)


def test_a_reservation_runs_out(subject: Subject) -> None:
    subject.ledger.reserve("a.png", replace(JOB, key="a.jpg"), now=1000)
    subject.ledger.reserve("a.png", replace(JOB, key="a.gif"), now=1001 + RESERVED_SECONDS)


def test_without_the_table_nothing_is_reserved(subject: Subject) -> None:
    subject.remove_table()
    with pytest.raises(Unavailable):
        subject.ledger.reserve("a.png", JOB, now=1000)


def test_without_the_table_no_call_is_made(subject: Subject) -> None:
    subject.remove_table()
    with pytest.raises(Unavailable), subject.noted_call():
        subject.work()
    assert subject.worked == 0


def test_earlier_calls_are_told_until_they_are_known_to_have_cost_nothing(subject: Subject) -> None:
    earlier = []
    for error in (Unavailable("cut", maybe_charged=True), Throttled("429"), ZeroDivisionError()):
        with contextlib.suppress(type(error)), subject.noted_call() as number:
            earlier.append(number)
            raise error
    with subject.noted_call() as number:
        assert [*earlier, number] == [0, 1, 1, 2]


def test_calls_of_other_images_are_not_told(subject: Subject) -> None:
    with subject.noted_call(), subject.noted_call(make_job("b.jpg")) as earlier:
        assert earlier == 0


def test_an_error_passes_though_its_note_cant_be_removed(subject: Subject) -> None:
    def call() -> None:
        with subject.noted_call():
            subject.remove_table()
            raise Throttled("429")

    with pytest.raises(Throttled):
        call()
