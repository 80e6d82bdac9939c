"""Read the environment and build everything else; no other module does either."""

import math
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Self

import boto3
import requests
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.parameters import AppConfigProvider, SecretsProvider
from botocore.config import Config

from pixian_s3.aws.appconfig import LiveConfiguration
from pixian_s3.aws.lease import Leases
from pixian_s3.aws.queues import Queues
from pixian_s3.aws.s3 import Buckets
from pixian_s3.aws.secrets import Secret
from pixian_s3.aws.spending import Spending
from pixian_s3.aws.telemetry import Telemetry
from pixian_s3.aws.throttles import Throttles
from pixian_s3.lane import Lane
from pixian_s3.output.loops import require_no_loop
from pixian_s3.pixian.client import Pixian
from pixian_s3.pixian.credentials import Credentials, parse
from pixian_s3.process import Processor

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_appconfigdata import AppConfigDataClient

    from pixian_s3.pacing import Pacing

_AWS = Config(
    connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 5}
)

# In older regions boto3 would presign URLs with signature version 2, which S3 refuses for new
# buckets.
_S3 = _AWS.merge(Config(signature_version="s3v4", s3={"addressing_style": "virtual"}))


class _Variables:
    """Each field holds the environment variable of the same name in upper case."""

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> Self:
        """Read the environment variables; a missing one raises KeyError."""
        names = [field.name for field in fields(cls)]  # type: ignore[arg-type]
        return cls(**{name: variables[name.upper()] for name in names})


@dataclass(frozen=True)
class Environment(_Variables):
    """The environment variables of UploadFunction and RetryFunction."""

    input_prefix: str
    output_bucket: str
    retry_queue_url: str
    dead_letter_queue_url: str
    lease_table: str
    credentials_secret_arn: str
    appconfig_application: str
    appconfig_environment: str
    appconfig_profile: str
    pixian_endpoint: str
    powertools_service_name: str


@dataclass(frozen=True)
class PaceEnvironment(_Variables):
    """The environment variables of PaceFunction."""

    retry_queue_url: str
    dead_letter_queue_url: str
    lease_table: str
    credentials_secret_arn: str
    pixian_endpoint: str
    upload_function: str
    retry_mapping: str
    start_concurrency: str
    max_concurrency: str
    ramp_minutes: str
    powertools_service_name: str


@cache
def _processor() -> Processor:
    return build(Environment.read(os.environ))


def processor(context: "LambdaContext") -> Processor:
    """The processor for one invocation; all invocations of this process share its clients."""
    return replace(_processor(), seconds_left=lambda: context.get_remaining_time_in_millis() / 1000)


def build(environment: Environment) -> Processor:
    """Build a processor."""
    telemetry = _telemetry(environment.powertools_service_name)
    dynamodb = boto3.client("dynamodb", config=_AWS)
    return Processor(
        configuration=_configuration(environment, telemetry),
        secret=_secret(environment),
        lane=Lane(),
        leases=Leases(dynamodb, environment.lease_table),
        throttles=Throttles(dynamodb, environment.lease_table),
        spending=Spending(dynamodb, environment.lease_table),
        pixian=Pixian(environment.pixian_endpoint, requests.Session()),
        queues=Queues(
            lambda: boto3.client("sqs", config=_AWS),
            environment.retry_queue_url,
            environment.dead_letter_queue_url,
        ),
        buckets=Buckets(boto3.client("s3", config=_S3), environment.output_bucket),
        telemetry=telemetry,
        require_no_loop=partial(
            require_no_loop,
            output_bucket=environment.output_bucket,
            input_prefix=environment.input_prefix,
        ),
        now=time.time,
        seconds_left=lambda: math.inf,  # until an invocation begins
        sleep=time.sleep,
    )


@cache
def pacing() -> "Pacing":
    """The dependencies of PaceFunction, shared by all invocations of this process."""
    return build_pacing(PaceEnvironment.read(os.environ))


def build_pacing(environment: PaceEnvironment) -> "Pacing":
    """Build the dependencies of PaceFunction."""
    # Imported here, so that the functions that process images start faster.
    from pixian_s3.aws.concurrency import Concurrency  # noqa: PLC0415
    from pixian_s3.aws.events import Events  # noqa: PLC0415
    from pixian_s3.aws.metrics import attempts_by_minute  # noqa: PLC0415
    from pixian_s3.aws.pace_record import PaceRecord  # noqa: PLC0415
    from pixian_s3.pace import Limits  # noqa: PLC0415
    from pixian_s3.pacing import Pacing  # noqa: PLC0415
    from pixian_s3.pixian.account import credits_left  # noqa: PLC0415

    service, secret = environment.powertools_service_name, _secret(environment)
    dynamodb = boto3.client("dynamodb", config=_AWS)
    return Pacing(
        limits=Limits(
            start=int(float(environment.start_concurrency)),
            most=int(float(environment.max_concurrency)),
            ramp_seconds=60 * float(environment.ramp_minutes),
        ),
        record=PaceRecord(dynamodb, environment.lease_table),
        queues=Queues(
            lambda: boto3.client("sqs", config=_AWS),
            environment.retry_queue_url,
            environment.dead_letter_queue_url,
        ),
        concurrency=Concurrency(
            boto3.client("lambda", config=_AWS),
            environment.upload_function,
            environment.retry_mapping,
        ),
        spending=Spending(dynamodb, environment.lease_table),
        events=Events(lambda: boto3.client("events", config=_AWS)),
        telemetry=_telemetry(service),
        service=service,
        attempts=lambda since, until: attempts_by_minute(
            boto3.client("cloudwatch", config=_AWS), service, since, until
        ),
        credits_left=lambda: credits_left(environment.pixian_endpoint, secret.get(fresh=True)),
        now=time.time,
    )


def _secret(environment: Environment | PaceEnvironment) -> Secret[Credentials]:
    return Secret(
        lambda: SecretsProvider(boto3_client=boto3.client("secretsmanager", config=_AWS)),
        environment.credentials_secret_arn,
        parse,
    )


def _telemetry(service: str) -> Telemetry:
    return Telemetry(Logger(service=service), service, time.time)


def _configuration(environment: Environment, telemetry: Telemetry) -> LiveConfiguration:
    @cache
    def appconfigdata() -> "AppConfigDataClient":
        return boto3.client("appconfigdata", config=_AWS)

    def new_provider() -> AppConfigProvider:
        return AppConfigProvider(
            environment=environment.appconfig_environment,
            application=environment.appconfig_application,
            boto3_client=appconfigdata(),
        )

    return LiveConfiguration(new_provider, environment.appconfig_profile, telemetry.warn)
