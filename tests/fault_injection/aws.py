"""AWS as the functions meet it: moto behind HTTP, AppConfig's data plane, and a clock to move."""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import boto3
import time_machine
from moto.core.model_instances import reset_model_data
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.s3.models import s3_backends
from moto.sqs.models import sqs_backends

from local.fake_pixian.server import Handler
from pixian_s3.aws import throttles
from pixian_s3.wiring import Environment, PaceEnvironment
from tests.builders import NOON
from tests.fault_injection.deployment import ACCOUNT, DEAD, REGION, RETRIES, VARIABLES, deploy
from tests.fault_injection.gate import Gate, body
from tests.fault_injection.limits import Limits
from tests.fault_injection.points import Point
from tests.integration.servers import FakeAppConfig, serve

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

REPORT = ".error.json"
_SECONDS = 0.02
_METHODS = {"GET": Point.SOURCE, "HEAD": Point.HEAD, "DELETE": Point.DELETE}
_TARGETS = {
    "DynamoDB_20120810": Point.LEASE,
    "secretsmanager": Point.SECRET,
    "AmazonSQS": Point.QUEUE,
}


class Clock:
    """The time of AWS, which doesn't move by itself; seconds since the epoch."""

    def __init__(self, coordinates: time_machine.Traveller) -> None:
        self._coordinates = coordinates
        self.now = NOON

    def move_to(self, now: float) -> None:
        """Make it another time, earlier ones included."""
        self.now = now
        self._coordinates.move_to(now)

    def pass_to(self, now: float) -> None:
        """Make it this time, unless it is later already."""
        self.move_to(max(self.now, now))


@dataclass(frozen=True)
class Aws:
    """The local AWS.

    Attributes:
        gate: before all that the functions call.
        url: of the gate.
        s3, sqs, dynamodb: past the gate.
        limits: of Lambda, as PaceFunction sets them.
    """

    clock: Clock
    gate: Gate
    url: str
    s3: "S3Client"
    sqs: "SQSClient"
    dynamodb: "DynamoDBClient"
    limits: Limits
    environment: Environment
    pace_environment: PaceEnvironment

    def variables(self) -> dict[str, str]:
        """A function's environment variables."""
        named = asdict(self.environment) | asdict(self.pace_environment)
        ours = {name.upper(): value for name, value in named.items()}
        return VARIABLES | ours | {"AWS_ENDPOINT_URL": self.url}

    def clear(self) -> None:
        """Without any object or message; moto would keep them all, and grow slow over them."""
        for bucket in s3_backends[ACCOUNT]["aws"].buckets.values():
            bucket.keys.clear()
        for queue in sqs_backends[ACCOUNT][REGION].queues.values():
            queue._messages.clear()
            queue.pending_messages.clear()
            queue.deleted_messages.clear()
        reset_model_data()
        pace = {"id": {"S": throttles.ID}}
        self.dynamodb.delete_item(TableName=self.environment.lease_table, Key=pace)
        self.limits.clear()

    def dead_letters(self) -> list[str]:
        """The bodies of the messages in the dead-letter queue."""
        queue = sqs_backends[ACCOUNT][REGION].queues[DEAD]
        return [message.body for message in queue._messages]

    def next_message_at(self) -> float | None:
        """When a message of the retry queue can be received next; seconds since the epoch."""
        queue = sqs_backends[ACCOUNT][REGION].queues[RETRIES]
        times = [max(m.visible_at, m.delayed_until) for m in queue._messages]
        # moto shows it one millisecond later.
        return min(times) / 1000 + 0.001 if times else None


@contextmanager
def aws(document: dict[str, Any], pixian_url: str) -> Iterator[Aws]:
    """Everything of the template that the functions touch, with one configuration document."""
    appconfig = FakeAppConfig()
    appconfig.document = json.dumps(document)
    limits = Limits()
    app = _All(appconfig, limits)
    gate = Gate(app, points, _SECONDS)
    with ExitStack() as open_:
        open_.enter_context(patch.dict(os.environ, _without_aws() | VARIABLES, clear=True))
        clock = Clock(open_.enter_context(time_machine.travel(NOON, tick=False)))
        past = open_.enter_context(serve(app, Handler))
        url = open_.enter_context(serve(gate, Handler))
        s3, sqs = boto3.client("s3", endpoint_url=past), boto3.client("sqs", endpoint_url=past)
        dynamodb = boto3.client("dynamodb", endpoint_url=past)
        environment, pace_environment = deploy(past, pixian_url)
        yield Aws(clock, gate, url, s3, sqs, dynamodb, limits, environment, pace_environment)


class _All:
    """AppConfig at its two paths, Lambda at those of its limits, moto at all others."""

    def __init__(self, appconfig: FakeAppConfig, limits: Limits) -> None:
        self._appconfig = appconfig.app()
        self._limits = limits.app()
        self._moto = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path in {"/configurationsessions", "/configuration"}:
            return self._appconfig(environ, start)
        return (self._limits if _is_limit(path) else self._moto)(environ, start)


def _is_limit(path: str) -> bool:
    return "/event-source-mappings/" in path or path.endswith("/concurrency")


def points(environ: "WSGIEnvironment") -> set[Point]:
    """At which point of an image's way a call to AWS is made."""
    if environ["PATH_INFO"].startswith("/configuration"):
        return {Point.CONFIGURATION}
    if _is_limit(environ["PATH_INFO"]):
        return {Point.PACE}
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        counts = target.endswith(".UpdateItem") and b"ADD throttles" in body(environ)
        return {Point.THROTTLES if counts else _TARGETS[target.partition(".")[0]]}
    method = environ["REQUEST_METHOD"]
    if method == "POST":
        return {Point.CHECK, Point.STORING}
    if "uploadId=" in environ["QUERY_STRING"]:
        return set()  # the end of the check, whose failure changes nothing
    put = Point.REPORT if environ["PATH_INFO"].endswith(REPORT) else Point.RESULT
    at = _METHODS.get(method, put)
    return {at, Point.STORING} if at is Point.RESULT else {at}


def service(environ: "WSGIEnvironment") -> str:
    """Which service of AWS is called."""
    if environ["PATH_INFO"].startswith("/configuration"):
        return "appconfigdata"
    if _is_limit(environ["PATH_INFO"]):
        return "lambda"
    target: str = environ.get("HTTP_X_AMZ_TARGET", "s3")
    name = target.partition(".")[0]
    return {"DynamoDB_20120810": "dynamodb", "AmazonSQS": "sqs"}.get(name, name)


def _without_aws() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
