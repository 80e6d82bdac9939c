"""What `make redrive` tells."""

import sys
from dataclasses import dataclass
from typing import Any

import boto3
import pytest

from admin import redrive

JOB = '{"bucket": "in", "key": "shoes/a.jpg", "etag": "1"}'


def _dont_wait(params: dict[str, Any], **_: object) -> None:
    params["WaitTimeSeconds"] = 0


@dataclass
class Queues:
    outputs: dict[str, str]
    stack_name: str = "pixian-s3"

    def client(self, service: str) -> Any:
        client = boto3.client(service)  # type: ignore[call-overload]
        client.meta.events.register("before-parameter-build.sqs.ReceiveMessage", _dont_wait)
        return client

    def fill(self, *bodies: str) -> None:
        for body in bodies:
            self.client("sqs").send_message(
                QueueUrl=self.outputs["DeadLetterQueueUrl"], MessageBody=body
            )


@pytest.fixture
def queues(
    aws: None,  # noqa: ARG001 - it sets the environment
    monkeypatch: pytest.MonkeyPatch,
) -> Queues:
    create = boto3.client("sqs").create_queue
    stack = Queues(
        {
            name: create(QueueName=name)["QueueUrl"]
            for name in ("DeadLetterQueueUrl", "RetryQueueUrl")
        }
    )
    monkeypatch.setattr(redrive, "chosen", lambda _: stack)
    monkeypatch.setattr(sys, "argv", ["redrive"])
    return stack


def test_it_names_what_it_redrives(queues: Queues, capsys: pytest.CaptureFixture[str]) -> None:
    queues.fill(JOB, JOB.replace("a.jpg", "b.jpg"))
    redrive.main()
    assert capsys.readouterr().out == (
        "Redriving 'shoes/a.jpg'\nRedriving 'shoes/b.jpg'\nRedrove 2 messages.\n"
    )


def test_it_names_what_it_cannot_read(queues: Queues, capsys: pytest.CaptureFixture[str]) -> None:
    queues.fill("no job")
    redrive.main()
    first, *rest = capsys.readouterr().out.splitlines()
    assert first.endswith("; it stays in the dead-letter queue.")
    assert rest == [
        "No messages to redrive.",
        "Left 1 message in the dead-letter queue. See the SQS console.",
    ]


@pytest.mark.usefixtures("queues")
def test_it_says_that_the_queue_is_empty(capsys: pytest.CaptureFixture[str]) -> None:
    redrive.main()
    assert capsys.readouterr().out == "No messages to redrive.\n"
