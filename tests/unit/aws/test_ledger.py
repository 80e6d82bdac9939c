"""Claims: the work is done once, and its own ending counts."""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import boto3
import pytest

from pixian_s3.aws.ledger import Ledger
from pixian_s3.errors import Claimed, Rejected, Skipped, Unavailable
from pixian_s3.job import Job
from tests.builders import NOON, make_job, make_settings
from tests.integration.world import Context, Spent, make_claim_table

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

    def reserved(self, job: Job) -> AbstractContextManager[None]:
        return self.ledger.reserved("a.png", job, until=NOON + 300, now=NOON)

    def remove_table(self) -> None:
        self.client.delete_table(TableName="claims")


@pytest.fixture
def subject(aws: None) -> Iterator[Subject]:  # noqa: ARG001 - it must be there first
    client = boto3.client("dynamodb")
    make_claim_table(client)
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


def test_without_versions_each_drop_is_other_work(subject: Subject) -> None:
    for etag, sequencer in (("one", "1"), ("other", "2"), ("one", "3"), ("one", "3")):
        drop = make_job(version_id=None, etag=etag, sequencer=sequencer)
        with contextlib.suppress(Skipped):
            subject.ledger.once(drop, SETTINGS, subject.work)
    assert subject.worked == 3


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


def test_a_result_is_reserved_for_one_drop(subject: Subject) -> None:
    with subject.reserved(JOB):
        # When another source, or another version of the same, wants the same result
        for other in (make_job("a.gif"), replace(JOB, version_id="other")):
            # Then it has to wait
            with pytest.raises(Claimed, match=r"a\.png"), subject.reserved(other):
                subject.work()
    assert subject.worked == 0


def test_a_reservation_is_shared_by_events_of_one_drop(subject: Subject) -> None:
    with subject.reserved(JOB), subject.reserved(JOB):
        subject.work()
    assert subject.worked == 1


def test_a_reservation_ends_with_the_work(subject: Subject) -> None:
    with subject.reserved(JOB):
        subject.work()
    with subject.reserved(make_job("a.gif")):
        subject.work()
    assert subject.worked == 2


def test_a_reservation_ends_with_the_function_at_the_latest(subject: Subject) -> None:
    with (
        subject.ledger.reserved("a.png", JOB, until=NOON, now=NOON - 300),
        subject.ledger.reserved("a.png", make_job("a.gif"), until=NOON + 301, now=NOON + 1),
    ):
        subject.work()
    assert subject.worked == 1


def test_who_lost_a_reservation_leaves_the_next_one_alone(subject: Subject) -> None:
    with subject.ledger.reserved("a.png", JOB, until=NOON, now=NOON - 300):
        other = subject.ledger.reserved("a.png", make_job("a.gif"), until=NOON + 301, now=NOON + 1)
        other.__enter__()
    with pytest.raises(Claimed), subject.reserved(JOB):
        subject.work()


def test_without_the_table_nothing_is_reserved(subject: Subject) -> None:
    subject.remove_table()
    with pytest.raises(Unavailable), subject.reserved(JOB):
        subject.work()
    assert subject.worked == 0
