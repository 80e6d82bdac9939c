"""The program with its services in this process: each call can fail, and every invocation stop."""

import io
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Literal, cast, override
from unittest.mock import patch
from urllib.parse import quote

import boto3
import requests
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.parameters import base
from botocore.exceptions import ClientError, ReadTimeoutError
from PIL import Image

from admin.redrive import DeadLetters, Wanted
from pixian_s3 import wiring
from pixian_s3.attempt import Attempt, Outcome
from pixian_s3.aws.telemetry import Telemetry
from pixian_s3.job import jobs_from_message
from pixian_s3.pixian.client import Pixian
from pixian_s3.process import Processor
from pixian_s3.retry import MAX_RECEIPTS
from tests.builders import NOON
from tests.integration.world import INPUT, OUTPUT, load_function
from tests.stateful.invocation import Context, Invocation, Killed, Stop
from tests.stateful.ledger import REPORT, Charge, DeadLetter, Ledger, Stored, Upload
from tests.stateful.memory import S3, DynamoDB, refusal
from tests.stateful.services import (
    REPLIES,
    SIZE,
    AppConfig,
    Message,
    Queues,
    Reply,
    Secrets,
    Transport,
)

if TYPE_CHECKING:
    from admin.stack import Stack

SECONDS = {"upload": 300, "retry": 900}
"""The functions' timeouts."""

HIDDEN_SECONDS = 5400
"""The queue's visibility timeout."""

TRIES = 3
"""How often Lambda runs an event whose function fails."""

DAY = 24 * 3600
FORGOTTEN_SECONDS = 15 * DAY

OF_OUTPUT = {
    f"{verb} {what}"
    for verb in ("get", "head", "put", "delete", "create", "abort")
    for what in ("result", "report", "sidecar")
}
"""The points that need the output bucket."""

type Kind = Literal["refused", "lost", "denied", "late", "gone"]


@dataclass(frozen=True)
class Fault:
    """What happens at a point: `kind` is a `Kind`, or at "pixian" a name in REPLIES.

    `lasting`: until it is repaired, otherwise once.
    """

    kind: str
    lasting: bool


@dataclass
class Event:
    """An S3 event that waits for UploadFunction."""

    uploads: list[Upload]
    tries: int = 0

    def content(self) -> dict[str, Any]:
        return {"Records": [_record(upload) for upload in self.uploads]}


type Waiting = Event | Message


class _Clock:
    """Stands in for `datetime` where Powertools asks for the time."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._now())  # noqa: DTZ006 - Powertools compares naive times


class _Tap:
    """A client whose calls go through `call`."""

    def __init__(self, service: str, client: Any, call: Callable[..., Any]) -> None:
        self._service = service
        self._client = client
        self._call = call

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        if name in {"exceptions", "meta", "generate_presigned_url"}:
            return method
        return partial(self._call, self._service, name, method)


class _Recorder(Telemetry):
    """Tells the world instead of writing lines."""

    def __init__(self, world: "World") -> None:
        super().__init__(Logger("model", stream=io.StringIO()), "model", lambda: world.now)
        self._world = world

    @override
    def warn(self, message: str) -> None: ...

    @contextmanager
    @override
    def logging_crashes(self, what: str) -> Iterator[None]:
        yield

    @override
    def calls_cut_short(self, calls: int, key: str) -> None:
        self._world.cut_short(calls)

    @override
    def unreadable(self, message_id: str, reason: str) -> None:
        self._world.say(f"  unreadable: {reason}")

    @override
    def log_attempt(self, attempt: Attempt) -> None:
        self._world.attempted(attempt)


@cache
def _functions() -> Mapping[str, Any]:
    functions = {name: load_function(name) for name in ("upload", "retry")}
    for function in functions.values():
        function.processor = lambda context: context.processor  # type: ignore[attr-defined]
    return functions


class World:
    """One stack with everything in it, made anew for each example."""

    def __init__(self) -> None:
        self.now = NOON
        self.ledger = Ledger()
        self.steps: list[str] = []
        self.violations: list[str] = []
        self.waiting: list[Waiting] = []
        self.paused: list[Invocation] = []
        self.faults: dict[str, Fault] = {}
        self.late: list[tuple[str, Callable[[], Any], Callable[[Any], None]]] = []
        self.letters: list[str] = []
        self._running: Invocation | None = None
        self._sequencers = itertools.count(1)
        self._calls = itertools.count(1)
        self._appconfig = AppConfig()
        self._serving = "{}"
        self._s3 = S3()
        self._dynamodb = DynamoDB()
        self._telemetry = _Recorder(self)
        self.lanes: list[Processor] = []

    def say(self, text: str) -> None:
        self.steps.append(text)

    def wrong(self, text: str) -> None:
        self.violations.append(text)
        self.say(f"  !! {text}")

    # ---- the program ----------------------------------------------------------------------------

    def _client(self, service: str, **_: object) -> Any:
        clients = {
            "s3": self._s3,
            "dynamodb": self._dynamodb,
            "sqs": Queues(self._send_retry, self._send_dead, self.letters),
            "secretsmanager": Secrets(),
            "appconfigdata": self._appconfig,
        }
        return _Tap(service, clients[service], self._call)

    def _new_lane(self) -> Processor:
        environment = wiring.Environment(
            input_prefix="",
            output_bucket=OUTPUT,
            retry_queue_url="retries",
            dead_letter_queue_url="dead",
            lease_table="leases",
            credentials_secret_arn="arn",
            appconfig_application="app",
            appconfig_environment="live",
            appconfig_profile="parameters",
            pixian_endpoint="https://pixian.test",
            powertools_service_name="model",
        )
        session = requests.Session()
        session.trust_env = False
        with patch.object(wiring, "_telemetry", lambda _: self._telemetry):
            built = wiring.build(environment)
        pixian = Pixian("https://pixian.test", session, now=lambda: self.now)
        session.mount(
            "https://", Transport(self._answer, self._calls)
        )  # instead of the client's own
        return replace(
            built,
            pixian=pixian,
            telemetry=self._telemetry,
            now=lambda: self.now,
            sleep=self._sleep,
        )

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Within it, the program's clients and clocks are this world's."""
        with (
            patch.object(boto3, "client", self._client),
            patch.object(base, "datetime", _Clock(lambda: self.now)),
        ):
            yield

    def _sleep(self, seconds: float) -> None:
        self._invocation.require_alive()
        self.now += seconds

    @property
    def _invocation(self) -> Invocation:
        assert self._running is not None
        return self._running

    def lane(self, number: int) -> int:
        """A lane that isn't busy."""
        free = set(range(len(self.lanes) + 1)) - {each.lane for each in self.paused}
        chosen = sorted(free)[number % len(free)]
        if chosen == len(self.lanes):
            self.lanes.append(self._new_lane())
        return chosen

    def restart(self, number: int) -> None:
        """A new execution environment, with nothing cached."""
        lane = self.lane(number)
        self.lanes[lane] = self._new_lane()

    # ---- uploads and deliveries -----------------------------------------------------------------

    def upload(self, key: str, content: str) -> Upload:
        """Put a file into the input bucket."""
        body = file(content)
        put = self._s3.put_object(Bucket=INPUT, Key=key, Body=body)
        uploads = self.ledger.uploads.setdefault(key, [])
        upload = Upload(
            key,
            len(uploads) + 1,
            content,
            put["VersionId"],
            put["ETag"].strip('"'),
            f"{next(self._sequencers):X}",
            self.now,
        )
        uploads.append(upload)
        self.say(f"upload {content} as {upload}")
        return upload

    def known(self) -> list[Upload]:
        return [upload for uploads in self.ledger.uploads.values() for upload in uploads]

    def notify(self, *uploads: Upload) -> None:
        self.waiting.append(Event(list(uploads)))

    def delete_source(self, upload: Upload) -> None:
        self._s3.delete_object(Bucket=INPUT, Key=upload.key, VersionId=upload.version_id)

    def deliver(self, item: Waiting, lane: int, stop: Stop | None, *, again: bool = False) -> None:
        """Deliver one event or message; with `again`, a duplicate of it waits as well."""
        self.waiting.remove(item)
        if again:
            self.waiting.append(replace(item))
        if isinstance(item, Message):
            self.now = max(self.now, item.due)
        function = "upload" if isinstance(item, Event) else "retry"
        deadline = self.now + SECONDS[function]
        processor = replace(self.lanes[lane], seconds_left=lambda: deadline - self.now)
        context = Context(processor, lambda: deadline - self.now)
        name = f"{self.about(item)} at lane {lane}"
        failed = list[bool]()

        def body() -> None:
            if isinstance(item, Event):
                _functions()["upload"].handler(item.content(), context)
            else:
                answer = _functions()["retry"].handler(_batch(item), context)
                failed.append(bool(answer["batchItemFailures"]))

        def ended(error: BaseException | None) -> None:
            if error is not None and not isinstance(error, Killed):
                self.say(f"  {name} failed: {_told(error)}")
            if error is not None or any(failed):
                self._return(item)

        invocation = Invocation(body, ended, lambda: self.now, deadline, lane, name)
        self.say(f"deliver {name}")
        self.run(invocation, stop)

    def run(self, invocation: Invocation, stop: Stop | None) -> None:
        """Let an invocation go on, until it stops or ends."""
        if invocation in self.paused:
            self.paused.remove(invocation)
        self._running = invocation
        invocation.run(stop)
        self._running = None
        if invocation.running:
            self.paused.append(invocation)
            self.say(f"  it is paused {invocation.where}")
        elif invocation.dead:
            self.say(f"  {invocation.name} was killed {invocation.where}")

    def kill(self, invocation: Invocation) -> None:
        invocation.dead = True
        self.run(invocation, None)

    def _return(self, item: Waiting) -> None:
        """Give an item back to its queue after its delivery failed."""
        if isinstance(item, Message):
            item.receipts += 1
            item.due = self.now + HIDDEN_SECONDS
            self.waiting.append(item)
        else:
            item.tries += 1
            self.waiting.append(item)
            if item.tries >= TRIES:
                self.forward(item)

    def forward(self, event: Event) -> None:
        """Move an event to the retry queue, as Lambda does on failure or after a minute."""
        self.waiting.remove(event)
        body = json.dumps({"requestPayload": event.content()})
        self.waiting.append(Message(body, self.now))

    def about(self, item: Waiting) -> str:
        """The item in words."""
        if isinstance(item, Event):
            return "event of " + ", ".join(map(str, item.uploads))
        uploads = self._uploads_in(item.body)
        return f"message of {', '.join(map(str, uploads))} (receipt {item.receipts + 1})"

    def _uploads_in(self, body: str) -> list[Upload]:
        found = [self.ledger.by_version(job.version_id) for job in jobs_from_message(body)]
        return [each for each in found if each]

    def redrive(self) -> None:
        """Redrive the dead-letter queue with the operator's command."""
        for letter in self.ledger.dead:
            letter.upload.redrives += 1
            letter.upload.closed = False
        self.ledger.dead.clear()
        outputs = {"DeadLetterQueueUrl": "dead", "RetryQueueUrl": "retries"}
        client = Queues(self._queue, self._send_dead, self.letters)
        with DeadLetters(cast("Stack", _Stack(outputs, client))) as letters:
            number = len(list(letters.receive()))
            assert letters.send(Wanted()) == number

    def _queue(self, body: str, delay: int) -> None:
        self.waiting.append(Message(body, self.now + delay))

    def _send_retry(self, body: str, delay: int) -> None:
        self._queue(body, delay)

    def _send_dead(self, body: str) -> None:
        self.letters.append(body)
        for upload in self._uploads_in(body):
            self.ledger.dead.append(DeadLetter(body, upload, self.ledger.tick))
            upload.ended_at = upload.ended_at or self.ledger.tick

    # ---- calls ----------------------------------------------------------------------------------

    def _call(self, service: str, name: str, method: Callable[..., Any], **given: Any) -> Any:
        """One call of the program: its boundaries, its fault, and what it changed."""
        point = _point(service, name, given)
        what = f"{point} {given.get('Key', '') if service == 's3' else ''}".strip()
        if hasattr(given.get("Body"), "read"):
            given["Body"] = given["Body"].read()
        self._invocation.boundary(f"before {what}")
        self.ledger.tick += 1
        fault = self._take_fault(point)
        if fault:
            self._refuse(fault, point, what, partial(method, **given), given)
        found = method(**given)
        self._observe(point, given, found)
        if fault == "lost":
            self.say(f"  {what}: executed, but its answer is lost")
            raise ReadTimeoutError(endpoint_url=service)
        self._invocation.boundary(f"after {what}")
        return found

    def _take_fault(self, point: str) -> str | None:
        fault = self.faults.get(point)
        if fault and not fault.lasting:
            del self.faults[point]
        if "output" in self.faults and point in OF_OUTPUT:
            return "gone"
        if point == "create result" and self._is_denied("put result"):
            return "denied"  # it takes the same permission
        return fault.kind if fault else None

    def _is_denied(self, point: str) -> bool:
        fault = self.faults.get(point)
        return fault is not None and fault.lasting and fault.kind == "denied"

    def _refuse(
        self, kind: str, point: str, what: str, execute: Callable[[], Any], given: dict[str, Any]
    ) -> None:
        """Raise the error of a call that isn't executed, or not now."""
        if kind == "late" and self._can_come_late(point, given):
            self.say(f"  {what}: times out, but is executed later")
            self.late.append((what, execute, partial(self._observe, point, given)))
            raise ReadTimeoutError(endpoint_url=what)
        if kind in {"lost", "late"}:
            return
        codes = {"denied": "AccessDenied", "gone": "NoSuchBucket", "refused": "SlowDown"}
        code = codes[kind]
        if point == "put result" and kind in {"denied", "gone"}:
            self._note_denied()
        if kind == "gone" and point.startswith("head"):
            code = "404"
        self.say(f"  {what}: {code}")
        if point in {"acquire", "note", "release", "count"}:
            code = "ThrottlingException"
        raise ClientError(refusal(code), what)

    def _can_come_late(self, point: str, given: dict[str, Any]) -> bool:
        """S3 can't protect an object that doesn't exist yet from a request that comes late."""
        return point.startswith("delete") or (
            point == "put result" and given["Key"] in self.ledger.output
        )

    def _note_denied(self) -> None:
        """With a lasting fault, at most one charge per upload may be at risk."""
        upload, charge = self._invocation.source, self._invocation.charge
        lasting = "output" in self.faults or self._is_denied("put result")
        if not (lasting and upload and charge) or charge in upload.denied:
            return
        upload.denied.append(charge)
        if len(upload.denied) > 1:
            self.wrong(f"{upload} was paid again although its result can't be stored")

    def land(self) -> None:
        """Execute the requests that came late."""
        late, self.late[:] = list(self.late), []
        for what, execute, observe in late:
            try:
                found = execute()
            except ClientError as error:
                self.say(f"  {what} came late: {error.response['Error']['Code']}")
            else:
                self.ledger.tick += 1
                self.say(f"  {what} came late")
                observe(found)

    def _observe(self, point: str, given: dict[str, Any], found: Any) -> None:
        key = str(given.get("Key"))
        match point:
            case "acquire":
                item = found.get("Attributes", {})
                fields = [item.get(name, {}).get("S", "") for name in ("source", "upload")]
                self._invocation.found = (fields[0], fields[1])
            case "get source":
                self._invocation.source = self.ledger.by_version(given.get("VersionId"))
            case "put result":
                self._note_result(given)
            case "put sidecar":
                about = json.loads(given["Body"])
                upload = self.ledger.by_version(about["source"]["version_id"])
                told = (about["source"]["version_id"], about["result"]["key"])
                self.ledger.output[key] = Stored(
                    "sidecar", upload, self.ledger.tick, about=(*told, about["result"]["bytes"])
                )
            case "put report":
                self._note_report(given)
            case "delete report" | "delete result" | "delete sidecar":
                self.ledger.output.pop(key, None)

    def _note_result(self, given: dict[str, Any]) -> None:
        key, metadata = given["Key"], given["Metadata"]
        upload = self.ledger.by_version(metadata.get("source-version-id"))
        assert upload is not None
        assert metadata["source-key"] == quote(upload.key)
        before = self.ledger.output.get(key)
        if before and (before.upload is None or before.upload.key != upload.key):
            owner = before.upload or "a user"
            self.wrong(f"the result of {upload} replaces {key} of {owner}")
        elif before and before.upload and before.upload.number > upload.number:
            self.wrong(f"the result of {upload} replaces that of {before.upload}")
        self.ledger.output[key] = Stored(
            "result",
            upload,
            self.ledger.tick,
            len(given["Body"]),
        )
        upload.ended_at = upload.ended_at or self.ledger.tick
        if self._running and self._running.charge:
            self._running.charge.settled = True

    def _note_report(self, given: dict[str, Any]) -> None:
        report = json.loads(given["Body"])
        upload = self.ledger.by_version(report["source"]["version_id"])
        assert upload is not None
        if given["Metadata"]["source-version-id"] != upload.version_id:
            self.wrong(f"the metadata and the text of {given['Key']} tell of different uploads")
        self.ledger.output[given["Key"]] = Stored("report", upload, self.ledger.tick)
        upload.ended_at = upload.ended_at or self.ledger.tick

    def _answer(self, form: Mapping[str, Any]) -> Reply:
        """What Pixian does with a call."""
        invocation = self._invocation
        invocation.boundary("before pixian")
        self.ledger.tick += 1
        reply = REPLIES[self._take_fault("pixian") or "asked"]
        if reply.body == "misfit" and form.get("output.format") != "delta_png":
            reply = REPLIES["asked"]
        upload = invocation.source
        assert upload is not None
        cost = " and charges" if reply.charged else ""
        self.say(f"  Pixian answers {upload} with {reply.status}, {reply.body}{cost}")
        if reply.charged:
            if upload.closed and not upload.taken:
                self.wrong(f"{upload} had ended, and is paid for again")
            texts = ((name, text) for name, text in form.items() if isinstance(text, str))
            invocation.charge = Charge(frozenset(texts))
            upload.charges.append(invocation.charge)
        invocation.boundary("after pixian")
        return reply

    # ---- what the program tells -----------------------------------------------------------------

    def cut_short(self, calls: int) -> None:
        if self._invocation.dead or not calls:
            return
        upload = self.ledger.by_version(self._invocation.found[1])
        if upload:
            upload.counted += calls
        self.say(f"  {calls} calls for {upload} were cut short")

    def attempted(self, attempt: Attempt) -> None:
        invocation = self._invocation
        upload = self.ledger.by_version(attempt.job.version_id)
        if invocation.dead or upload is None:
            return
        counted = " (maybe charged)" if attempt.maybe_charged else ""
        self.say(f"  {upload} {attempt.outcome}{counted}: {attempt.reason or attempt.result_key}")
        upload.counted += attempt.maybe_charged
        if attempt.answer and not attempt.maybe_charged and invocation.charge:
            invocation.charge.settled = True
        if attempt.outcome is Outcome.SKIPPED and "enabled" in str(attempt.reason):
            upload.disabled = True

    # ---- operators, users and time --------------------------------------------------------------

    def publish(self, document: str, *, serves: bool = True) -> None:
        """Publish a configuration; `repair` replaces one that doesn't serve: invalid, or paused."""
        self._appconfig.document = document
        self.ledger.sidecars = self.ledger.sidecars and '"sidecar": false' not in document
        self._serving = document if serves else self._serving

    def repair(self) -> None:
        """End all faults."""
        self.faults.clear()
        self.publish(self._serving)
        for uploads in self.ledger.uploads.values():
            for upload in uploads:
                upload.denied.clear()

    def user_puts(self, key: str) -> None:
        """A user puts an object of their own into the output bucket."""
        self._s3.put_object(Bucket=OUTPUT, Key=key, Body=b"mine")
        self.ledger.output[key] = Stored("foreign", None, self.ledger.tick)

    def user_deletes(self, key: str) -> None:
        """A user deletes a result with its sidecar, a report, or their own object."""
        gone = self.ledger.output.pop(key)
        self.ledger.output.pop(key + ".json", None)
        for each in (key, key + ".json"):
            self._s3.delete_object(Bucket=OUTPUT, Key=each)
        if gone.upload:
            for upload in self.ledger.uploads[gone.upload.key]:
                upload.taken = upload.taken or upload.etag == gone.upload.etag

    def expire(self) -> None:
        """Do what DynamoDB's time to live and the dead-letter queue's retention do."""
        for key, item in list(self._dynamodb.items.items()):
            if "expiration" in item and int(item["expiration"]["N"]) < self.now:
                del self._dynamodb.items[key]

    def settle(self) -> None:
        """Repair everything and deliver everything, then judge."""
        self.repair()
        self.say("settle")
        while self.paused:
            self.run(self.paused[0], None)
        self.now += 1 + max(SECONDS.values())
        limit = 20 + 10 * len(self.waiting)
        while self.waiting and limit:
            limit -= 1
            self.deliver(min(self.waiting, key=self._due), self.lane(0), None)
        self.land()
        if self.waiting:
            self.wrong(f"{self.about(self.waiting[0])} has no end")
        for fault in self.ledger.faults():
            self.wrong(fault)
        self.ledger.close()

    def _due(self, item: Waiting) -> float:
        return item.due if isinstance(item, Message) else self.now

    def close(self) -> None:
        """End the threads of what is paused."""
        while self.paused:
            self.kill(self.paused[0])


@dataclass(frozen=True)
class _Stack:
    outputs: Mapping[str, str]
    sqs: Queues

    def client(self, _: str) -> Queues:
        return self.sqs


@cache
def file(content: str) -> bytes:
    """The content of an upload: a picture of that colour, or nothing that is an image."""
    if content == "broken":
        return b"no image"
    into = io.BytesIO()
    Image.new("RGB", SIZE, content).save(into, "PNG")
    return into.getvalue()


def _record(upload: Upload) -> dict[str, Any]:
    return {
        "eventTime": datetime.fromtimestamp(upload.time).astimezone().isoformat(),
        "s3": {
            "bucket": {"name": INPUT},
            "object": {
                "key": quote(upload.key),
                "eTag": upload.etag,
                "versionId": upload.version_id,
                "sequencer": upload.sequencer,
            },
        },
    }


def _batch(message: Message) -> dict[str, Any]:
    attributes = {"ApproximateReceiveCount": str(message.receipts + 1)}
    record = {"messageId": "1", "body": message.body, "attributes": attributes}
    return {"Records": [record | {"eventSource": "aws:sqs"}]}


def _point(service: str, name: str, given: Mapping[str, Any]) -> str:
    """What a call is for, in two words."""
    if service == "s3":
        verb = name.partition("_")[0]
        return f"{verb} {_kind(given['Key']) if given['Bucket'] == OUTPUT else 'source'}"
    if service == "dynamodb":
        if given["Key"]["id"]["S"] == "pace":
            return "count"
        if given.get("ReturnValues"):
            return "acquire"
        return "release" if "REMOVE" in given["UpdateExpression"] else "note"
    if service == "sqs":
        return "send dead letter" if given["QueueUrl"] == "dead" else "send"
    return {"secretsmanager": "secret", "appconfigdata": "appconfig"}[service]


def _kind(key: str) -> str:
    if key.endswith(REPORT):
        return "report"
    if key.endswith(".json"):
        return "sidecar"
    return "result"


def _told(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(map(_told, error.exceptions))
    return f"{type(error).__name__}: {error}"


def starve(message: Message) -> None:
    """Let a message be received so often, without room for it, that it is given up next."""
    message.receipts = max(message.receipts, MAX_RECEIPTS)
