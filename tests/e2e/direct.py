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
PACED = "paced"
UNREADABLE = "unreadable message"
_numbers = itertools.count(1)

type Event = dict[str, Any]


class Direct:
    """What the functions make of an upload: the outcome that they log, or CRASHED.

    Attributes:
        blocked: functions that said so last; they would go on saying so for a minute.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.lambda_ = world.stack.client("lambda")
        self.blocked: set[str] = set()
        self._table = world.stack.client("dynamodb")
        self._pace: dict[str, Any] = {
            "TableName": world.stack.outputs["LeaseTable"],
            "Key": {"id": {"S": "pace"}},
        }

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
        return self.receive(json.dumps({"requestPayload": event}), receipts=receipts)

    def receive(self, body: str, *, receipts: int = 1) -> str:
        """A message that has been received so often."""
        record = {
            "messageId": "1",
            "eventSource": "aws:sqs",
            "attributes": {"ApproximateReceiveCount": str(receipts)},
            "body": body,
        }
        return self._outcome("RetryFunction", {"Records": [record]})

    def cool(self, function: str = "UploadFunction") -> None:
        """Have a function begin with an empty memory."""
        self.blocked.discard(function)
        name = self.world.stack.outputs[function]
        found = self.lambda_.get_function_configuration(FunctionName=name)
        # Any update does it, in MiniStack only of what shapes the process.
        self.lambda_.update_function_configuration(FunctionName=name, Timeout=found["Timeout"])
        self.lambda_.get_waiter("function_updated_v2").wait(FunctionName=name)

    def unblock(self) -> None:
        """Have those functions try images again that said of all that they are blocked."""
        for function in tuple(self.blocked):
            self.cool(function)

    def look(self, *, after_seconds: float = 60) -> dict[str, Any] | None:
        """What PaceFunction says that it decided; None if it crashed.

        Args:
            after_seconds: that seem to have passed since the last look.
        """
        self._age_pace(after_seconds)
        log = self._log("PaceFunction", {})
        return None if log is None else next(line["pace"] for line in log if "pace" in line)

    def forget_pace(self) -> None:
        """Have the next look be the first: it sets both limits."""
        self._table.delete_item(**self._pace)

    def pace_item(self) -> dict[str, Any]:
        """What the table holds of the pace."""
        return dict(self._table.get_item(**self._pace, ConsistentRead=True).get("Item", {}))

    def _age_pace(self, seconds: float) -> None:
        item = self.pace_item()
        times = {"looked_at", "quiet_since", "backlog_at"} & item.keys()
        aged = {name: {"N": str(float(item[name]["N"]) - seconds)} for name in times}
        if aged:
            self._table.put_item(TableName=self._pace["TableName"], Item=item | aged)

    def _outcome(self, function: str, event: Event) -> str:
        log = self._log(function, event)
        if log is None:
            return CRASHED
        stories = [line for line in log if "image" in line]
        outcome = stories[-1]["image"]["outcome"] if stories else log[-1]["message"]
        self.blocked.discard(function)
        if outcome == "blocked":
            self.blocked.add(function)
        return str(outcome)

    def _log(self, function: str, event: Event) -> list[dict[str, Any]] | None:
        """The log lines of an invocation, without metrics; None if it crashed."""
        done = self.lambda_.invoke(
            FunctionName=self.world.stack.outputs[function],
            Payload=json.dumps(event),
            LogType="Tail",
        )
        answer = json.loads(done["Payload"].read())
        if "FunctionError" in done or (answer or {}).get("batchItemFailures"):
            return None
        log = base64.b64decode(done["LogResult"]).decode().splitlines()
        lines = [json.loads(line) for line in log if line.startswith("{")]
        return [line for line in lines if "message" in line]


@contextmanager
def directly(world: World) -> Iterator[Direct]:
    """No drop, no message and no schedule starts a function, until the context ends."""
    with _no_notifications(world), no_polling(world), _no_schedule(world):
        direct = Direct(world)
        try:
            yield direct
        finally:
            direct.unblock()
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
def _no_schedule(world: World) -> Iterator[None]:
    scheduler, schedule = world.stack.client("scheduler"), the_schedule(world)
    names = ("Name", "ScheduleExpression", "FlexibleTimeWindow", "Target", "Description")
    kept = {name: schedule[name] for name in names}
    scheduler.update_schedule(**kept, State="DISABLED")
    try:
        yield
    finally:
        scheduler.update_schedule(**kept, State="ENABLED")


def the_schedule(world: World) -> dict[str, Any]:
    """All about the stack's only one."""
    scheduler = world.stack.client("scheduler")
    [found] = scheduler.list_schedules()["Schedules"]
    return dict(scheduler.get_schedule(Name=found["Name"]))


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
