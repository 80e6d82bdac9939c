"""The secret and signed addresses are nowhere in what the functions wrote."""

import base64
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
import requests

from tests.e2e.conftest import World, picture
from tests.template import TABLE

CRASHED = "crashed"
SIGNED = ("X-Amz-Signature", "X-Amz-Credential", "X-Amz-Security-Token", "AWSAccessKeyId=")
"""Parts of every presigned address, of either version of signatures."""

# Every place that the functions may write to, with something known to be there.
KNOWN = {
    "log": '"outcome":"processed"',
    "answer": "errorMessage",
    "object": "what_now",
    "object's headers": "source-key",
    "object's tags": "studio",
    "message in RetryQueue": "blocked_since",
    "message in DeadLetterQueue": "failures",
    "item": "expiration",
}


@dataclass
class Direct:
    """Calls the functions one image at a time, while nothing else does.

    Attributes:
        answers: what they gave back to Lambda, which puts it into the envelope of a failed event.
    """

    world: World
    answers: list[str] = field(default_factory=list)

    def event(self, key: str, body: bytes | None = None, **more: Any) -> dict[str, Any]:
        """Put an image into the input bucket; the event that S3 makes of it."""
        bucket = self.world.stack.outputs["InputBucket"]
        body = picture(len(key)) if body is None else body
        put = self.world.client("s3").put_object(Bucket=bucket, Key=key, Body=body, **more)
        uploaded = {
            "key": quote_plus(key),
            "eTag": put["ETag"].strip('"'),
            "versionId": put["VersionId"],
            "sequencer": f"{time.time_ns():X}",
        }
        about = {"bucket": {"name": bucket}, "object": uploaded}
        return {"Records": [{"eventTime": "2026-11-23T12:00:00Z", "s3": about}]}

    def upload(self, key: str, body: bytes | None = None, **more: Any) -> str:
        return self._outcome("UploadFunction", self.event(key, body, **more))

    def receive(self, message: object) -> str:
        record = {
            "messageId": "1",
            "eventSource": "aws:sqs",
            "attributes": {"ApproximateReceiveCount": "1"},
            "body": json.dumps(message),
        }
        return self._outcome("RetryFunction", {"Records": [record]})

    def start_anew(self, function: str) -> None:
        """Have a function begin with an empty memory, so that it forgets that it is blocked."""
        named = {"FunctionName": self.world.stack.outputs[function]}
        functions = self.world.client("lambda")
        timeout = functions.get_function_configuration(**named)["Timeout"]
        # Any update does it, in MiniStack only of what shapes the process.
        functions.update_function_configuration(**named, Timeout=timeout)
        functions.get_waiter("function_updated_v2").wait(**named)

    def _outcome(self, function: str, event: dict[str, Any]) -> str:
        """What the function logs of the last attempt, else its last message; or CRASHED."""
        done = self.world.client("lambda").invoke(
            FunctionName=self.world.stack.outputs[function],
            Payload=json.dumps(event),
            LogType="Tail",
        )
        answer = done["Payload"].read().decode()
        self.answers.append(answer)
        if "FunctionError" in done or "itemIdentifier" in answer:
            return CRASHED
        lines = base64.b64decode(done["LogResult"]).decode().splitlines()
        log = [record for record in map(json.loads, lines) if "message" in record]
        return str(log[-1]["image"]["outcome"] if "image" in log[-1] else log[-1]["message"])


def all_outcomes(direct: Direct, secret: str) -> Iterator[tuple[str, str]]:
    """Each outcome beside the expected one, while Pixian quotes all that it was sent."""
    fault = direct.world.fault
    own: dict[str, Any] = {"Tagging": "owner=studio", "Metadata": {"sku": "4711"}}
    yield direct.upload("p/url/plain.png"), "processed"
    yield direct.upload("p/own/tagged.png", **own), "processed"
    yield direct.upload("p/sidecar/two.png"), "processed"
    yield direct.upload("p/disabled/none.png"), "skipped"
    yield direct.upload("p/url/bad.png", b"oops"), "rejected"
    for status, outcome in ((400, "rejected"), (500, "postponed")):
        fault(status=status, echo=True)
        yield direct.upload(f"p/url/echo-{status}.png"), outcome
    broken: dict[str, dict[str, Any]] = {
        "proxy": {"status": 502, "body": "x" * 190 + secret},
        "page": {"status": 200, "body": secret, "content_type": "text/html"},
        "cut": {"cut": "after_request"},
    }
    for name, how in broken.items():
        fault(**how)
        yield direct.upload(f"p/url/{name}.png"), "postponed"
    # The last of many attempts
    fault(status=500, echo=True)
    [record] = direct.event("p/url/last.png")["Records"]
    about, bucket = record["s3"]["object"], record["s3"]["bucket"]["name"]
    job = {"bucket": bucket, "key": "p/url/last.png", "etag": about["eTag"], "event_time": 0}
    job |= {"version_id": about["versionId"], "sequencer": "1", "failures": 99}
    yield direct.receive(job), "exhausted"
    # A crash while the error is at hand
    with no_queue(direct.world):
        fault(status=500, echo=True)
        yield direct.upload("p/url/crash.png"), CRASHED
    yield direct.receive({}), "unreadable message"
    fault(status=402, echo=True)
    yield direct.upload("p/url/unpaid.png"), "blocked"


@contextmanager
def no_queue(world: World) -> Iterator[None]:
    """UploadFunction may send nothing to the retry queue."""
    function = world.stack.outputs["UploadFunction"]
    found = world.client("lambda").get_function_configuration(FunctionName=function)
    policy = {"RoleName": found["Role"].rpartition("/")[2], "PolicyName": "no-queue"}
    deny = {"Effect": "Deny", "Action": "sqs:SendMessage", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    world.client("iam").put_role_policy(**policy, PolicyDocument=document)
    try:
        yield
    finally:
        world.client("iam").delete_role_policy(**policy)


@contextmanager
def no_notifications(world: World) -> Iterator[None]:
    """An upload starts no function."""
    s3, bucket = world.client("s3"), {"Bucket": world.stack.outputs["InputBucket"]}
    configured = s3.get_bucket_notification_configuration(**bucket)
    configured.pop("ResponseMetadata")
    s3.put_bucket_notification_configuration(**bucket, NotificationConfiguration={})
    try:
        yield
    finally:
        s3.put_bucket_notification_configuration(**bucket, NotificationConfiguration=configured)


def everything(world: World) -> Iterator[tuple[str, str]]:
    """All that the functions wrote, and the kind of place where it is."""
    logs = world.client("logs").get_paginator("filter_log_events")
    for group in ("UploadLog", "RetryLog", "PaceLog"):
        for page in logs.paginate(logGroupName=world.stack.outputs[group]):
            yield from (("log", event["message"]) for event in page["events"])
    s3, bucket = world.client("s3"), world.stack.outputs["OutputBucket"]
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for version in page.get("Versions", []):
            which = {"Bucket": bucket, "Key": version["Key"], "VersionId": version["VersionId"]}
            stored = s3.get_object(**which)
            yield "object", stored["Body"].read().decode(errors="replace")
            yield "object's headers", repr([version["Key"], stored["ResponseMetadata"]])
            # MiniStack knows no tags of an older version.
            if version["IsLatest"]:
                yield "object's tags", repr(s3.get_object_tagging(**which)["TagSet"])
    for queue in ("RetryQueue", "DeadLetterQueue"):
        yield f"message in {queue}", messages_in(queue, world)
    scan = world.client("dynamodb").get_paginator("scan")
    for page in scan.paginate(TableName=world.stack.outputs[TABLE]):
        yield "item", repr(page["Items"])


def messages_in(queue: str, world: World) -> str:
    """Also those that wait or are being worked on, which SQS itself wouldn't give out."""
    url = f"{world.stack.endpoint_url}/_ministack/sqs/messages"
    query = {"QueueUrl": world.stack.outputs[f"{queue}Url"]}
    return requests.get(url, params=query, verify=world.stack.ca_bundle, timeout=10).text


@dataclass(frozen=True)
class Aftermath:
    """What came of it: each outcome with the expected one, all that was written, the secret."""

    outcomes: list[tuple[str, str]]
    written: list[tuple[str, str]]
    api_id: str
    api_secret: str

    def places_of(self, text: str) -> set[str]:
        """Where it is, if anywhere; case doesn't count."""
        return {place for place, what in self.written if text.lower() in what.lower()}


@pytest.fixture(scope="module")
def aftermath(shared: World) -> Aftermath:
    shared.control("POST", "reset")
    secret = shared.client("secretsmanager").get_secret_value(
        SecretId=shared.stack.outputs["CredentialsSecretArn"]
    )
    credentials = json.loads(secret["SecretString"])
    direct = Direct(shared)
    with no_notifications(shared), shared.retries_paused():
        outcomes = list(all_outcomes(direct, credentials["api_secret"]))
        written = [*everything(shared), *(("answer", answer) for answer in direct.answers)]
    direct.start_anew("UploadFunction")
    letters = shared.stack.outputs["DeadLetterQueueUrl"]
    shared.client("sqs").purge_queue(QueueUrl=letters)
    return Aftermath(outcomes, written, **credentials)


def test_every_outcome_was_seen(aftermath: Aftermath) -> None:
    assert [seen for seen, _ in aftermath.outcomes] == [wanted for _, wanted in aftermath.outcomes]


@pytest.mark.parametrize("place", KNOWN)
def test_every_place_was_looked_into(aftermath: Aftermath, place: str) -> None:
    assert place in aftermath.places_of(KNOWN[place])


def test_answers_that_quoted_the_request_were_reported(aftermath: Aftermath) -> None:
    """So the secret and the signed address were on their way."""
    for answered in ("Pixian answered 400", "Pixian answered 500"):
        assert aftermath.places_of(answered) >= {"log", "object"}


def test_no_form_of_the_secret_was_written(aftermath: Aftermath) -> None:
    secret, basic = aftermath.api_secret, f"{aftermath.api_id}:{aftermath.api_secret}"
    plain = {secret, json.dumps(secret)[1:-1]} | {
        encode(text.encode()).decode().rstrip("=")
        for text in (secret, basic)
        for encode in (base64.b64encode, base64.urlsafe_b64encode)
    }
    for form in plain | {way(text) for text in plain for way in (quote, quote_plus)}:
        assert not aftermath.places_of(form)


@pytest.mark.parametrize("part", SIGNED)
def test_no_signed_address_was_written(aftermath: Aftermath, part: str) -> None:
    for form in (part, quote(part, safe="")):
        assert not aftermath.places_of(form)
