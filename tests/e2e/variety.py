"""The stack with all that it can do and suffer, while Pixian quotes whatever it was sent."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.e2e import scenarios
from tests.e2e.conftest import PATIENCE_SECONDS
from tests.e2e.direct import Direct, Event
from tests.e2e.grants import Grants

INPUTS = ("", "p/url/")
OTHERS = ("paid/", "p/base64/", "p/jpeg/", "p/keep/", "p/rebuild/", "p/sidecar/", "p/disabled/")
REFUSALS = (400, 401, 402, 403, 404, 422, 429, 500, 503)


def all_of_it(direct: Direct) -> Iterator[str]:
    """Each outcome."""
    yield from (direct.upload(direct.drop(prefix)) for prefix in (*INPUTS, *OTHERS))
    yield direct.upload(direct.drop("p/own/", Tagging="owner=studio", Metadata={"sku": "4711"}))
    yield direct.upload(direct.drop(body=b"oops"))
    yield from _refusals(direct)
    yield from _broken_answers(direct)
    yield from _last_tries(direct)
    yield from _crashes(direct)
    yield scenarios.a_look_that_sets_both_limits(direct)
    yield from _with_an_unusable_secret(direct)


def _refusals(direct: Direct) -> Iterator[str]:
    for status in REFUSALS:
        for prefix in INPUTS:
            # A 401 is answered by one more call, which succeeds.
            direct.world.fault(status=status, echo=True)
            yield direct.upload(direct.drop(prefix))
            direct.unblock()
    direct.world.fault(status=401, echo=True, times=2)
    yield direct.upload(direct.drop("p/url/"))
    direct.unblock()


def _broken_answers(direct: Direct) -> Iterator[str]:
    secret = credentials(direct)["api_secret"]
    for fault in (
        {"status": 502, "body": "x" * 190 + secret},
        {"status": 200, "body": secret, "content_type": "text/html"},
        {"cut": "after_request"},
        {"cut": "mid_body"},
        {"truncate": True},
    ):
        direct.world.fault(**fault)
        yield direct.upload(direct.drop("p/url/"))


def _last_tries(direct: Direct) -> Iterator[str]:
    yield direct.retry(direct.drop(), receipts=6)
    direct.world.fault(status=500, echo=True)
    [record] = direct.drop("p/url/")["Records"]
    dropped = record["s3"]["object"]
    job = {"bucket": record["s3"]["bucket"]["name"], "key": dropped["key"], "event_time": 0}
    job |= {"etag": dropped["eTag"], "version_id": dropped["versionId"], "sequencer": "1"}
    yield direct.receive(json.dumps(job | {"failures": 99}))


def _crashes(direct: Direct) -> Iterator[str]:
    with Grants(direct.world.stack).without("RetryQueue", "sqs:SendMessage"):
        for run in (direct.upload, direct.retry):
            direct.world.fault(status=429, echo=True)
            yield run(direct.drop("p/url/"))
    yield direct.upload({"Records": [{}]})
    yield direct.receive("{}")
    _hand_over({"Records": [{}]}, direct)


def _hand_over(event: Event, direct: Direct) -> None:
    """Have Lambda put an event into the retry queue after a crash, with what it knows of it."""
    functions = direct.lambda_
    latest = {"FunctionName": direct.world.stack.outputs["UploadFunction"], "Qualifier": "$LATEST"}
    found = functions.get_function_event_invoke_config(**latest)
    kept = ("MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig")
    configured = {name: found[name] for name in kept}
    at_once = configured | {"MaximumRetryAttempts": 0}
    functions.put_function_event_invoke_config(**latest, **at_once)
    before = _waiting(direct)
    functions.invoke(**latest, InvocationType="Event", Payload=json.dumps(event))
    deadline = time.monotonic() + PATIENCE_SECONDS
    while _waiting(direct) == before:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    functions.put_function_event_invoke_config(**latest, **configured)


def _waiting(direct: Direct) -> int:
    queue = direct.world.stack.outputs["RetryQueueUrl"]
    found = direct.world.stack.client("sqs").get_queue_attributes(
        QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessages"]
    )
    return int(found["Attributes"]["ApproximateNumberOfMessages"])


def _with_an_unusable_secret(direct: Direct) -> Iterator[str]:
    with _secret(json.dumps(credentials(direct))[:-1], direct):
        direct.cool()
        yield direct.upload(direct.drop())
    direct.unblock()


@contextmanager
def _secret(text: str, direct: Direct) -> Iterator[None]:
    put = direct.world.stack.client("secretsmanager").put_secret_value
    arn = direct.world.stack.outputs["CredentialsSecretArn"]
    good = json.dumps(credentials(direct))
    put(SecretId=arn, SecretString=text)
    try:
        yield
    finally:
        put(SecretId=arn, SecretString=good)


def credentials(direct: Direct) -> dict[str, Any]:
    """What the secret holds."""
    found = direct.world.stack.client("secretsmanager").get_secret_value(
        SecretId=direct.world.stack.outputs["CredentialsSecretArn"]
    )
    return dict(json.loads(found["SecretString"]))
