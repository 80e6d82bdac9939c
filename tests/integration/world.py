"""The whole program, connected to AWS in memory, Pixian on loopback and a clock that stands."""

import importlib.util
import itertools
import json
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import requests
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from pixian_s3 import wiring
from pixian_s3.aws.telemetry import Telemetry
from pixian_s3.job import Job, jobs_from_message
from pixian_s3.pixian.client import Pixian
from pixian_s3.process import Processor
from tests.builders import NOON, picture
from tests.integration.log import CurrentStdout, Log, read_log
from tests.integration.servers import FakeAppConfig, FakePixian

if TYPE_CHECKING:
    from botocore.model import OperationModel
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient

ROOT = Path(__file__).parents[2]
INPUT = "input"
OUTPUT = "output"
SECRET = "s3cr3t-of-the-tests"

_SENDING = "before-parameter-build.sqs.SendMessage"
_CALLING = "before-call"
INVOCATION_SECONDS = 300

_numbers = itertools.count(1)


def make_lease_table(client: "DynamoDBClient") -> None:
    """A table named `leases`, with the key that the template gives it."""
    client.create_table(
        TableName="leases",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )


@cache
def _clients() -> "tuple[S3Client, SQSClient, DynamoDBClient, SecretsManagerClient]":
    """The tests' own clients, the same for all tests: they are slow to make."""
    return (
        boto3.client("s3"),
        boto3.client("sqs"),
        boto3.client("dynamodb"),
        boto3.client("secretsmanager"),
    )


def load_function(function: str) -> ModuleType:
    """Load a function's app.py as Lambda does: by its path."""
    path = ROOT / "functions" / function / "app.py"
    spec = importlib.util.spec_from_file_location(f"{function}_app", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Context(LambdaContext):
    """An invocation that has just begun."""

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        return 1000 * INVOCATION_SECONDS


class World:
    def __init__(
        self, pixian: FakePixian, appconfig: FakeAppConfig, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.pixian = pixian
        self.appconfig = appconfig
        self.now = NOON
        self._sent: list[dict[str, Any]] = []
        self.aws_calls: list[str] = []
        self.s3, self.sqs, self.dynamodb, self.secretsmanager = _clients()
        self._listen()
        self._capsys = capsys
        self._sequencers = itertools.count(1)
        self._session = requests.Session()
        self._make_buckets()
        self.environment = self._make_environment()
        self.processor = self._connect()

    def _listen(self) -> None:
        # A message can't be received before its delay is over, so look at it on its way.
        self._aws = boto3.DEFAULT_SESSION or boto3.Session()
        boto3.DEFAULT_SESSION = self._aws
        self._aws.events.register(_SENDING, self._note)
        self._aws.events.register(_CALLING, self._note_call)

    def _note_call(self, model: "OperationModel", **_: object) -> None:
        self.aws_calls.append(model.name)

    def _note(self, params: dict[str, Any], **_: object) -> None:
        self._sent.append(dict(params))

    def close(self) -> None:
        self._aws.events.unregister(_SENDING, self._note)
        self._aws.events.unregister(_CALLING, self._note_call)
        self._session.close()

    def _make_buckets(self) -> None:
        for bucket in (INPUT, OUTPUT):
            self.s3.create_bucket(
                Bucket=bucket,
                CreateBucketConfiguration={"LocationConstraint": "eu-central-1"},
            )
            self.s3.put_bucket_versioning(
                Bucket=bucket, VersioningConfiguration={"Status": "Enabled"}
            )

    def _make_environment(self) -> wiring.Environment:
        make_lease_table(self.dynamodb)
        secret = self.secretsmanager.create_secret(
            Name="pixian", SecretString=json.dumps({"api_id": "me", "api_secret": SECRET})
        )
        return wiring.Environment(
            input_prefix="",
            output_bucket=OUTPUT,
            retry_queue_url=self.sqs.create_queue(QueueName="retries")["QueueUrl"],
            dead_letter_queue_url=self.sqs.create_queue(QueueName="dead")["QueueUrl"],
            lease_table="leases",
            credentials_secret_arn=secret["ARN"],
            appconfig_application="app",
            appconfig_environment="live",
            appconfig_profile="parameters",
            pixian_endpoint=self.pixian.url,
            # Powertools keeps one logger a name, with its first output.
            powertools_service_name=f"stack-{next(_numbers)}",
        )

    def _connect(self) -> Processor:
        service = self.environment.powertools_service_name
        logger = Logger(service=service, stream=CurrentStdout())
        return replace(
            wiring.build(self.environment),
            pixian=Pixian(self.pixian.url, self._session),
            telemetry=Telemetry(logger, service, lambda: self.now),
            now=lambda: self.now,
            seconds_left=lambda: INVOCATION_SECONDS,
            sleep=self._pass,
        )

    def _pass(self, seconds: float) -> None:
        self.now += seconds

    def pass_deadline(self) -> None:
        """Let the time of every invocation so far be over."""
        self.now += INVOCATION_SECONDS + 1

    def variables(self) -> dict[str, str]:
        """The environment variables that the template would set."""
        return {name.upper(): value for name, value in asdict(self.environment).items()}

    def configure(self, **document: Any) -> None:
        self.appconfig.document = json.dumps(document)

    def upload(self, key: str = "shoes/a.jpg", body: bytes | None = None) -> Job:
        """Put a file into the input bucket and give the job that its event makes."""
        put = self.s3.put_object(Bucket=INPUT, Key=key, Body=body or picture())
        sequencer = f"{next(self._sequencers):018X}"
        etag = put["ETag"].strip('"')
        return Job(INPUT, key, etag, put["VersionId"], sequencer, self.now - 2)

    def process(self, job: Job) -> Log:
        self.processor.process(job)
        return self.log()

    def log(self) -> Log:
        """What was written to standard output since the last look."""
        return read_log(self._capsys.readouterr().out)

    def output_keys(self) -> list[str]:
        listed = self.s3.list_objects_v2(Bucket=OUTPUT)
        return [entry["Key"] for entry in listed.get("Contents", [])]

    def output(self, key: str) -> bytes:
        return self.s3.get_object(Bucket=OUTPUT, Key=key)["Body"].read()

    def metadata(self, key: str) -> dict[str, str]:
        return self.s3.head_object(Bucket=OUTPUT, Key=key)["Metadata"]

    def report(self, key: str = "shoes/a.jpg") -> dict[str, Any]:
        report = json.loads(self.output(key + ".error.json"))
        assert isinstance(report, dict)
        return report

    def waiting(self) -> list[tuple[Job, int]]:
        """The jobs sent to the retry queue, with the seconds that each waits there."""
        return [
            (jobs_from_message(sent["MessageBody"])[0], sent["DelaySeconds"])
            for sent in self._sent
            if sent["QueueUrl"] == self.environment.retry_queue_url
        ]

    def dead_letters(self) -> list[Job]:
        """The jobs in the dead-letter queue."""
        received = self.sqs.receive_message(
            QueueUrl=self.environment.dead_letter_queue_url, MaxNumberOfMessages=10
        )
        return [jobs_from_message(message["Body"])[0] for message in received.get("Messages", [])]
