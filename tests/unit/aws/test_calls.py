"""The notes of calls, at the table."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3
import pytest

from pixian_s3.aws.calls import Calls, Notes
from pixian_s3.errors import Unavailable
from tests.builders import NOON, make_job
from tests.integration.world import make_claim_table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

JOB = make_job()
DEADLINE = NOON + 300


@dataclass
class Subject:
    calls: Calls
    client: "DynamoDBClient"

    def begin(self) -> str:
        return self.calls.begin(JOB, DEADLINE, NOON)


@pytest.fixture
def subject(aws: None) -> Iterator[Subject]:  # noqa: ARG001 - it must be there first
    client = boto3.client("dynamodb")
    make_claim_table(client)
    yield Subject(Calls(client, "claims"), client)
    client.close()


def test_at_first_there_is_none(subject: Subject) -> None:
    assert subject.calls.look(JOB) == Notes(0, frozenset())


def test_a_call_may_be_under_way_until_its_function_ends(subject: Subject) -> None:
    subject.begin()
    notes = subject.calls.look(JOB)
    assert notes.in_flight(DEADLINE - 1)
    assert not notes.in_flight(DEADLINE)


def test_a_settled_call_leaves_nothing(subject: Subject) -> None:
    kept, settled = subject.begin(), subject.begin()
    subject.calls.settle(JOB, settled)
    assert subject.calls.look(JOB) == Notes(0, frozenset({kept}))


def test_a_counted_call_is_neither_open_nor_forgotten(subject: Subject) -> None:
    counted, left = subject.begin(), subject.begin()
    # Twice, as by a client that had no answer.
    for _ in range(2):
        subject.calls.count(JOB, [counted], NOON)
    assert subject.calls.look(JOB) == Notes(1, frozenset({left}))


def test_each_drop_has_its_own(subject: Subject) -> None:
    subject.begin()
    for other in (make_job("b.jpg"), make_job(version_id="other"), make_job(bucket="other")):
        assert subject.calls.look(other) == Notes(0, frozenset())


def test_notes_are_kept_as_long_as_a_message_lives(subject: Subject) -> None:
    subject.begin()
    (item,) = subject.client.scan(TableName="claims")["Items"]
    assert float(item["expiration"]["N"]) == NOON + 14 * 24 * 3600


def test_without_the_table_no_call_may_be_made(subject: Subject) -> None:
    subject.client.delete_table(TableName="claims")
    with pytest.raises(Unavailable, match="claim table"):
        subject.begin()
    with pytest.raises(Unavailable, match="claim table"):
        subject.calls.look(JOB)


def test_what_is_known_of_a_call_counts_though_it_cant_be_noted(subject: Subject) -> None:
    note = subject.begin()
    subject.client.delete_table(TableName="claims")
    subject.calls.settle(JOB, note)
    subject.calls.count(JOB, [note], NOON)


def test_notes_of_a_later_version_are_read(subject: Subject) -> None:
    note = subject.begin()
    [item] = subject.client.scan(TableName="claims")["Items"]
    assert item["version"] == {"N": "1"}
    later = {**item, "version": {"N": "99"}, "unheard_of": {"S": "x"}}
    subject.client.put_item(TableName="claims", Item=later)
    assert subject.calls.look(JOB) == Notes(0, frozenset({note}))
