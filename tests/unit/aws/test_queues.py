"""Messages to both queues."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.exceptions import ClientError

from pixian_s3.aws.queues import Queues
from pixian_s3.job import jobs_from_message
from tests.builders import NOON, make_job

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


@dataclass
class Subject:
    queue: Queues
    client: "SQSClient"
    url: str
    dead_letter_url: str

    def received(self, url: str) -> list[str]:
        answer = self.client.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        return [message["Body"] for message in answer.get("Messages", [])]

    def delayed(self) -> int:
        asked = self.client.get_queue_attributes(QueueUrl=self.url, AttributeNames=["All"])
        return int(asked["Attributes"]["ApproximateNumberOfMessagesDelayed"])


@pytest.fixture
def subject(aws: None) -> Iterator[Subject]:  # noqa: ARG001 - it must be there first
    client = boto3.client("sqs")
    url = client.create_queue(QueueName="retries")["QueueUrl"]
    dead = client.create_queue(QueueName="dead")["QueueUrl"]
    yield Subject(Queues(lambda: client, url, dead), client, url, dead)
    client.close()


def test_a_job_comes_back_as_it_went(subject: Subject) -> None:
    job = make_job("é+ %.jpg", failures=3, redrives=1, blocked_since=NOON)
    subject.queue.send(job, 0)
    (body,) = subject.received(subject.url)
    assert jobs_from_message(body) == [job]


@pytest.mark.parametrize("seconds", [5, 900])
def test_a_job_waits(subject: Subject, seconds: int) -> None:
    subject.queue.send(make_job(), seconds)
    assert (subject.delayed(), subject.received(subject.url)) == (1, [])


def test_sqs_takes_no_more_than_900_seconds(subject: Subject) -> None:
    with pytest.raises(ClientError, match="DelaySeconds"):
        subject.queue.send(make_job(), 901)


def test_a_dead_letter_can_be_redriven(subject: Subject) -> None:
    subject.queue.send_dead_letter(make_job(redrives=1), "Why \x1b é")
    (body,) = subject.received(subject.dead_letter_url)
    assert jobs_from_message(body) == [make_job(redrives=1)]
    assert json.loads(body)["reason"] == "Why \x1b é"
