"""The functions called directly, one at a time, while nothing else starts them."""

import base64
import itertools
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote_plus

from tests.e2e.conftest import World, picture

CRASHED = "crashed"
_numbers = itertools.count(1)

type Event = dict[str, Any]


class Direct:
    """What the functions make of a drop, each told as the outcome that they log, or CRASHED."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.lambda_ = world.stack.client("lambda")

    def drop(
        self, prefix: str = "", *, body: bytes | None = None, key: str = "", **more: Any
    ) -> Event:
        """Put an image into the input bucket; the event that S3 makes of it."""
        number = next(_numbers)
        key = key or f"{prefix}direct-{number}.png"
        body = picture(number) if body is None else body
        bucket = self.world.stack.outputs["InputBucket"]
        put = self.world.stack.client("s3").put_object(Bucket=bucket, Key=key, Body=body, **more)
        dropped = {
            "key": quote_plus(key),
            "eTag": put["ETag"].strip('"'),
            "versionId": put["VersionId"],
            "sequencer": f"{time.time_ns():X}",
        }
        about = {"bucket": {"name": bucket}, "object": dropped}
        return {"Records": [{"eventTime": "2026-11-23T12:00:00Z", "s3": about}]}

    def upload(self, event: Event) -> str:
        return self._outcome("UploadFunction", event)

    def retry(self, event: Event, *, receipts: int = 1) -> str:
        """As Lambda hands on an event that UploadFunction could not finish."""
        return self.receive({"requestPayload": event}, receipts=receipts)

    def receive(self, message: dict[str, Any], *, receipts: int = 1) -> str:
        """A message that has been received so often."""
        record = {
            "messageId": "1",
            "eventSource": "aws:sqs",
            "attributes": {"ApproximateReceiveCount": str(receipts)},
            "body": json.dumps(message),
        }
        return self._outcome("RetryFunction", {"Records": [record]})

    def cool(self, function: str = "UploadFunction") -> None:
        """Have a function begin with an empty memory."""
        name = self.world.stack.outputs[function]
        found = self.lambda_.get_function_configuration(FunctionName=name)
        # Any update does it, in MiniStack only of what shapes the process.
        self.lambda_.update_function_configuration(FunctionName=name, Timeout=found["Timeout"])
        self.lambda_.get_waiter("function_updated_v2").wait(FunctionName=name)

    def _outcome(self, function: str, event: Event) -> str:
        done = self.lambda_.invoke(
            FunctionName=self.world.stack.outputs[function],
            Payload=json.dumps(event),
            LogType="Tail",
        )
        answer = json.loads(done["Payload"].read())
        if "FunctionError" in done or (answer or {}).get("batchItemFailures"):
            return CRASHED
        log = base64.b64decode(done["LogResult"]).decode().splitlines()
        stories = [json.loads(line) for line in log if '"image":{' in line]
        return str(stories[-1]["image"]["outcome"])


@contextmanager
def directly(world: World) -> Iterator[Direct]:
    """Neither a drop nor a message starts a function, until the context ends."""
    with _no_notifications(world), no_polling(world):
        try:
            yield Direct(world)
        finally:
            for queue in ("RetryQueueUrl", "DeadLetterQueueUrl"):
                world.stack.client("sqs").purge_queue(QueueUrl=world.stack.outputs[queue])


@contextmanager
def _no_notifications(world: World) -> Iterator[None]:
    s3, bucket = world.stack.client("s3"), world.stack.outputs["InputBucket"]
    configured = s3.get_bucket_notification_configuration(Bucket=bucket)
    configured.pop("ResponseMetadata")
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    try:
        yield
    finally:
        s3.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration=configured
        )


@contextmanager
def no_polling(world: World) -> Iterator[None]:
    _poll(world, enabled=False)
    try:
        yield
    finally:
        _poll(world, enabled=True)


@contextmanager
def polling(world: World) -> Iterator[None]:
    _poll(world, enabled=True)
    try:
        yield
    finally:
        _poll(world, enabled=False)


def _poll(world: World, *, enabled: bool) -> None:
    functions = world.stack.client("lambda")
    [source] = functions.list_event_source_mappings(
        FunctionName=world.stack.outputs["RetryFunction"]
    )["EventSourceMappings"]
    functions.update_event_source_mapping(UUID=source["UUID"], Enabled=enabled)
