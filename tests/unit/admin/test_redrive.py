"""What `make redrive` lists, asks and sends."""

import io
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import boto3
import pytest

from admin import redrive, status
from admin.errors import NeedsAnswer, UserError
from pixian_s3.aws.queues import Queues as OfProgram
from pixian_s3.aws.spending import Spending
from pixian_s3.config.document import parse
from pixian_s3.job import Job
from tests.integration.world import make_lease_table

THROTTLED = "Pixian answered 429: Busy. This image isn't retried any more."
FAILED = "Pixian answered 500: Broken. This image isn't retried any more."


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

    def bury(self, key: str, reason: str = FAILED) -> None:
        """Send a dead letter as the program does."""
        urls = (self.outputs["RetryQueueUrl"], self.outputs["DeadLetterQueueUrl"])
        program = OfProgram(lambda: self.client("sqs"), *urls)
        program.send_dead_letter(Job("in", key, "1", redrives=1), reason)

    def fill(self, *bodies: str) -> None:
        for body in bodies:
            self.client("sqs").send_message(
                QueueUrl=self.outputs["DeadLetterQueueUrl"], MessageBody=body
            )

    def sent(self) -> list[str]:
        """The keys in the retry queue, each message received once."""
        return [json.loads(body)["key"] for body in self._bodies("RetryQueueUrl")]

    def left(self) -> list[str]:
        """The bodies in the dead-letter queue that can be received."""
        return self._bodies("DeadLetterQueueUrl")

    def _bodies(self, name: str) -> list[str]:
        found = list[str]()
        while (
            messages := self.client("sqs")
            .receive_message(QueueUrl=self.outputs[name], MaxNumberOfMessages=10)
            .get("Messages")
        ):
            found += [message["Body"] for message in messages]
        return found


type Run = Callable[..., str]


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
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    return stack


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def command(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["redrive", *arguments])
        redrive.main()
        return capsys.readouterr().out

    return command


def test_it_lists_key_cause_and_age(queues: Queues, run: Run) -> None:
    queues.bury("shoes/a.jpg")
    said = run("--dry-run").splitlines()
    assert said[0].split(maxsplit=3) == ["0", "s", "shoes/a.jpg", FAILED]
    assert said[2:] == ["By cause:", f"         1  {FAILED}", "", "Nothing was sent."]


def test_a_list_takes_nothing_from_the_queue(queues: Queues, run: Run) -> None:
    queues.bury("shoes/a.jpg")
    queues.fill("no job")
    run("--dry-run")
    assert (queues.sent(), len(queues.left())) == ([], 2)


@pytest.mark.parametrize(("document", "said"), [
    ({"paused": True}, "All images are paused, so these wait until `make resume`.\n"),
    ({"budget": {"credits_per_day": 10}}, "The budget is spent, so images that cost credits wait"),
    ({"budget": {"credits_per_day": 11}}, ""),
])  # fmt: skip
def test_it_says_what_holds_images_back_before_it_asks(
    queues: Queues,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    document: dict[str, Any],
    said: str,
) -> None:
    make_lease_table(boto3.client("dynamodb"))
    queues.outputs["LeaseTable"] = "leases"
    Spending(boto3.client("dynamodb"), "leases").settle(None, Decimal(10), time.time())
    monkeypatch.setattr(status, "in_force", lambda _: parse(json.dumps(document)))
    queues.bury("shoes/a.jpg")
    asked = run("--yes").partition("or have their result already.\n")[2]
    assert asked.startswith(said or "Sent 1 message")


def test_it_asks_before_it_sends(
    queues: Queues, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    queues.bury("shoes/a.jpg")
    with pytest.raises(NeedsAnswer, match=r"Send 1 message to RetryQueue\?"):
        run()
    assert "shoes/a.jpg" in capsys.readouterr().out
    assert (queues.sent(), len(queues.left())) == ([], 1)


def test_it_sends_all_that_can_be_read_and_leaves_the_rest(queues: Queues, run: Run) -> None:
    keys = [f"{number}.jpg" for number in range(25)]
    for key in keys:
        queues.bury(key)
    queues.fill("no\x1bjob".replace("\x1b", "\\"))
    said = run("--yes")
    assert "Sent 25 messages to RetryQueue." in said
    assert "Can't be read, and left in the dead-letter queue: 1 message." in said
    assert sorted(queues.sent()) == sorted(keys)
    assert queues.left() == ["no\\job"]


def test_a_prefix_selects_and_the_others_can_be_received_at_once(queues: Queues, run: Run) -> None:
    for key in ("shoes/a.jpg", "hats/b.jpg"):
        queues.bury(key)
    assert "hats" not in run("--prefix", "shoes/", "--yes")
    assert queues.sent() == ["shoes/a.jpg"]
    assert [json.loads(body)["key"] for body in queues.left()] == ["hats/b.jpg"]


def test_a_part_of_the_cause_selects(queues: Queues, run: Run) -> None:
    queues.bury("a.jpg", THROTTLED)
    queues.bury("b.jpg", FAILED)
    run("--reason", "answered 429: BUSY", "--yes")
    assert queues.sent() == ["a.jpg"]


def test_it_says_that_nothing_matches(queues: Queues, run: Run) -> None:
    queues.bury("shoes/a.jpg")
    assert run("--prefix", "sheos/", "--reason", "x") == (
        "No message to redrive matches PREFIX=sheos/ and REASON=x; the queue has 1 message.\n"
    )


@pytest.mark.usefixtures("queues")
def test_it_says_that_the_queue_is_empty(run: Run) -> None:
    assert run() == "No messages to redrive.\n"


def test_ctrl_c_releases_what_was_received(
    queues: Queues, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    queues.bury("a.jpg")

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(redrive, "confirm", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run()
    assert len(queues.left()) == 1


def test_a_message_that_sqs_moved_crashed() -> None:
    body = Job("in", "a.jpg", "1").to_message("an older reason")
    letter = redrive._letter(
        {
            "MessageId": "1",
            "ReceiptHandle": "2",
            "Body": body,
            "Attributes": {"SentTimestamp": "1000", "DeadLetterQueueSourceArn": "arn:retries"},
        }
    )
    assert (letter.cause, letter.sent_at) == (redrive.CRASHED, 1)


def test_an_upload_event_that_sqs_moved_says_how_its_function_crashed() -> None:
    body = json.dumps({
        "requestContext": {"condition": "RetriesExhausted"},
        "requestPayload": {"Records": []},
        "responsePayload": {"errorType": "Sandbox.Timedout", "errorMessage": "RequestId: 7 …"},
    })  # fmt: skip
    moved = redrive.Letter("1", "2", body, 0, moved=True)
    assert moved.cause == f"{redrive.CRASHED} UploadFunction: Sandbox.Timedout."


def test_a_message_of_an_older_version_has_no_cause(queues: Queues, run: Run) -> None:
    queues.fill('{"bucket": "in", "key": "a.jpg", "etag": "1"}')
    assert redrive.NOT_RECORDED in run("--dry-run")


def test_a_second_command_says_that_another_one_is_running(queues: Queues, run: Run) -> None:
    queues.bury("a.jpg")
    with redrive.DeadLetters(queues) as first:
        assert len(list(first.receive())) == 1
        said = run("--yes")
        assert "1 message can't be listed now: another `make redrive` is using them" in said
        assert first.send(redrive.Wanted()) == 1
    assert queues.sent() == ["a.jpg"]


def test_what_the_retry_queue_refuses_stays(queues: Queues, run: Run) -> None:
    queues.bury("a.jpg")
    client = queues.client("sqs")
    with pytest.MonkeyPatch.context() as refusing:
        refusing.setattr(client, "send_message_batch", lambda **_: {"Failed": [{"Id": "0"}]})
        others = Queues.client
        refusing.setattr(
            Queues, "client", lambda self, name: client if name == "sqs" else others(self, name)
        )
        with pytest.raises(UserError, match=r"SQS refused 1 message\. They stay"):
            run("--yes")
    assert len(queues.left()) == 1


def letter(number: int, cause: str = FAILED, **changes: str) -> redrive.Letter:
    body = changes.get("body") or Job("in", f"{number}.photo.jpg", "1").to_message(cause)
    return redrive.Letter(str(number), "", body, 0, moved=False)


def test_a_long_list_is_cut_and_counted_by_cause(capsys: pytest.CaptureFixture[str]) -> None:
    listing = redrive.Listing(redrive.Wanted(), now=3600)
    for number in range(1200):
        listing.add(letter(number, f"s3://in/{number}.photo.jpg couldn't be read."))
    for number in range(60):
        listing.add(letter(number, body="no job"))
    listing.print_totals()
    said = capsys.readouterr().out
    assert "… and 1,150 more\n" in said
    assert "… and 10 more that can't be read\n" in said
    assert "     1,200  s3://in/… couldn't be read.\n" in said
    assert len(said.splitlines()) < 120


def test_any_number_of_causes_takes_little_memory(capsys: pytest.CaptureFixture[str]) -> None:
    listing = redrive.Listing(redrive.Wanted(), now=3600)
    for number in range(3000):
        listing.add(letter(number, f"Cause {number}."))
    listing.print_totals()
    assert len(listing._causes) <= 1001
    assert capsys.readouterr().out.splitlines()[-1].split(maxsplit=1)[1] == redrive.OTHERS


def test_a_reason_does_not_command_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    listing = redrive.Listing(redrive.Wanted(), now=time.time())
    listing.add(letter(1, "a\n\x1b]0;title\x07"))
    listing.add(letter(2, body="\x1b[2J\n"))
    listing.print_totals()
    assert all(line.isprintable() for line in capsys.readouterr().out.splitlines())


def test_large_messages_are_sent_in_small_batches() -> None:
    large = [letter(number, "x" * 90_000) for number in range(5)]
    assert [len(batch) for batch in redrive._batches(large)] == [2, 2, 1]
    assert [len(batch) for batch in redrive._batches(map(letter, range(25)))] == [10, 10, 5]
