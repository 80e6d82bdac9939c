"""Both functions on the sample events, from the event to the bucket."""

import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote_plus

import boto3
import pytest

from pixian_s3 import wiring
from pixian_s3.retry import MAX_RECEIPTS
from tests.builders import picture
from tests.integration.log import read_log
from tests.integration.servers import refusal
from tests.integration.world import INPUT, ROOT, Context, World, load_function

upload = load_function("upload").handler
retry = load_function("retry").handler


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the functions waited; no time passes."""
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    return waited


@pytest.fixture
def stack(world: World, waits: list[float], monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:  # noqa: ARG001
    """The world, found by the functions through their environment."""
    for name, value in world.variables().items():
        monkeypatch.setenv(name, value)
    wiring._processor.cache_clear()
    yield world
    wiring._processor.cache_clear()


def uploaded(stack: World, name: str) -> dict[str, Any]:
    """A sample S3 event, its images in the input bucket."""
    return put_images(stack, json.loads((ROOT / f"events/{name}.json").read_text()))


def put_images(stack: World, event: dict[str, Any]) -> dict[str, Any]:
    for record in event["Records"]:
        thing = record["s3"]["object"]
        body = picture() if thing["size"] else b""
        put = stack.s3.put_object(Bucket=INPUT, Key=unquote_plus(thing["key"]), Body=body)
        record["s3"]["bucket"]["name"] = INPUT
        thing |= {"eTag": put["ETag"].strip('"'), "versionId": put["VersionId"]}
    return event


def batch(*bodies: str) -> dict[str, Any]:
    """The sample SQS event with other messages."""
    (sample,) = json.loads((ROOT / "events/sqs-retry.json").read_text())["Records"]
    records = [sample | {"messageId": str(i), "body": body} for i, body in enumerate(bodies)]
    return {"Records": records}


def failed(answer: dict[str, Any]) -> list[str]:
    return [item["itemIdentifier"] for item in answer["batchItemFailures"]]


def test_an_upload_becomes_a_result(stack: World) -> None:
    upload(uploaded(stack, "s3-put-encoded-key"), Context())
    assert stack.output_keys() == ["products/Müller & Söhne/été 100%+1 (2).png"]


def test_each_record_of_an_upload_becomes_a_message_of_its_own(stack: World) -> None:
    event = uploaded(stack, "s3-multi-record")
    upload(event, Context())
    assert (stack.output_keys(), stack.pixian.calls) == ([], [])
    assert [(job.key, seconds) for job, seconds in stack.waiting()] == [
        ("shoes/left.jpg", 0),
        ("shoes/right.png", 0),
        ("shoes/", 0),
    ]


def test_both_functions_wait_after_a_throttle_before_they_take_other_work(
    stack: World, waits: list[float]
) -> None:
    stack.pixian.answers = [refusal(429), refusal(429), refusal(429, retry_after="40")]
    for _ in range(2):
        upload(uploaded(stack, "s3-put-encoded-key"), Context())
    assert waits == [5, 10]
    retry(batch(stack.upload("a.jpg").to_message()), Context())
    assert waits == [5, 10, 40]
    # Any success resets it.
    retry(batch(stack.upload("b.jpg").to_message()), Context())
    stack.pixian.answers = [refusal(429)]
    retry(batch(stack.upload("c.jpg").to_message()), Context())
    assert waits == [5, 10, 40, 5]


def test_the_test_event_of_s3_does_nothing(stack: World) -> None:
    upload({"Service": "Amazon S3", "Event": "s3:TestEvent"}, Context())
    assert stack.output_keys() == []


def test_a_retry_becomes_a_result(stack: World) -> None:
    answer = retry(batch(stack.upload("shoes/a.jpg").to_message()), Context())
    assert (failed(answer), stack.output_keys()) == ([], ["shoes/a.png"])


def test_what_lambda_handed_on_becomes_a_result(stack: World) -> None:
    (record,) = json.loads((ROOT / "events/sqs-on-failure.json").read_text())["Records"]
    envelope = json.loads(record["body"])
    put_images(stack, envelope["requestPayload"])
    answer = retry(batch(json.dumps(envelope)), Context())
    assert (failed(answer), stack.output_keys()) == ([], ["shoes/left.png"])


@pytest.fixture
def created(stack: World) -> dict[str, Any]:
    """The sample event of EventBridge; its image is in a bucket that never had versions."""
    event: dict[str, Any] = json.loads(
        (ROOT / "events/eventbridge-object-created.json").read_text()
    )
    stack.s3.create_bucket(
        Bucket="shop", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    about = event["detail"]["object"]
    put = stack.s3.put_object(Bucket="shop", Key=about["key"], Body=picture())
    event["detail"]["bucket"]["name"] = "shop"
    about["etag"] = put["ETag"].strip('"')
    del about["version-id"]
    return event


def test_an_upload_to_an_existing_bucket_becomes_a_result(
    stack: World, created: dict[str, Any]
) -> None:
    upload(created, Context())
    assert stack.output_keys() == ["products/Müller & Söhne/été 100%+1 (2).png"]


def test_an_upload_that_eventbridge_could_not_deliver_becomes_a_result(
    stack: World, created: dict[str, Any]
) -> None:
    answer = retry(batch(json.dumps(created)), Context())
    assert failed(answer) == []
    assert stack.output_keys() == ["products/Müller & Söhne/été 100%+1 (2).png"]


def test_a_retry_that_is_throttled_again_is_sent_again_and_not_failed(stack: World) -> None:
    stack.pixian.answers = [refusal(429)]
    job = stack.upload().failed()
    answer = retry(batch(job.to_message()), Context())
    assert failed(answer) == []
    assert [(job.failures, seconds) for job, seconds in stack.waiting()] == [(2, 10)]


def crashing(stack: World) -> str:
    """A message whose image can't even go back to the queue."""
    stack.pixian.answers = [refusal(503)]
    boto3.client("sqs").delete_queue(QueueUrl=stack.environment.retry_queue_url)
    return stack.upload("shoes/bad.jpg").to_message()


def test_only_the_message_that_crashed_is_failed(stack: World) -> None:
    good = stack.upload("shoes/a.jpg").to_message()
    answer = retry(batch(crashing(stack), good), Context())
    assert (failed(answer), stack.output_keys()) == (["0"], ["shoes/a.png"])


def test_a_message_that_cannot_be_read_is_a_dead_letter_at_once(
    stack: World, capsys: pytest.CaptureFixture[str]
) -> None:
    good = stack.upload("shoes/a.jpg").to_message()
    answer = retry(batch("no job", good), Context())
    # The message is done, and its text is kept as it came.
    assert (failed(answer), stack.output_keys()) == ([], ["shoes/a.png"])
    (letter,) = stack.sqs.receive_message(QueueUrl=stack.environment.dead_letter_queue_url)[
        "Messages"
    ]
    assert letter["Body"] == "no job"
    log = read_log(capsys.readouterr().out)
    (line,) = [line for line in log.lines if line["message"] == "unreadable message"]
    assert (line["level"], line["message_id"]) == ("ERROR", "0")
    assert (log.total("UnreadableMessages"), log.total("Crashes")) == (1, 0)


def received(message: dict[str, Any], times: int) -> dict[str, Any]:
    """The batch as SQS delivers it for the n-th time."""
    for record in message["Records"]:
        record["attributes"] = record["attributes"] | {"ApproximateReceiveCount": str(times)}
    return message


def test_a_message_is_tried_five_times(stack: World) -> None:
    message = batch(stack.upload("shoes/a.jpg").to_message())
    assert failed(retry(received(message, MAX_RECEIPTS), Context())) == []
    assert stack.output_keys() == ["shoes/a.png"]


def test_after_five_tries_it_is_a_dead_letter_with_a_report(stack: World) -> None:
    # Given a message that was received five times before, and never finished
    job = stack.upload("shoes/a.jpg").failed()
    # When it comes again
    answer = retry(received(batch(job.to_message()), MAX_RECEIPTS + 1), Context())
    # Then it ends as a dead letter with a report, without another call
    assert failed(answer) == []
    assert "5 attempts" in stack.report()["error"]
    assert stack.dead_letters() == [job.dead_letter()]
    assert stack.pixian.calls == []


def test_of_an_event_that_crashed_whole_no_image_is_given_up_for_another(stack: World) -> None:
    # Given an event of two images that never came to its end
    envelope = json.dumps({"requestPayload": uploaded(stack, "s3-multi-record")})
    # When it comes for the sixth time
    answer = retry(received(batch(envelope), MAX_RECEIPTS + 1), Context())
    # Then each has its own attempts
    assert (failed(answer), stack.dead_letters()) == ([], [])
    assert [job.key for job, _ in stack.waiting()] == [
        "shoes/left.jpg",
        "shoes/right.png",
        "shoes/",
    ]


def test_a_batch_that_crashed_whole_is_failed_and_not_raised(
    stack: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert failed(retry(batch(crashing(stack)), Context())) == ["0"]
    log = read_log(capsys.readouterr().out)
    assert "crashed" in [line["message"] for line in log.lines]
    # Lambda's own metric knows nothing of it, as the batch came to its end.
    assert log.total("Crashes") == 1
