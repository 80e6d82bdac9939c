"""The parts of the template that the functions touch, made in a local AWS."""

import json
import os
from typing import TYPE_CHECKING

import boto3

from pixian_s3.wiring import Environment, PaceEnvironment
from tests.template import properties

if TYPE_CHECKING:
    from mypy_boto3_s3.literals import BucketLocationConstraintType
    from mypy_boto3_sqs.literals import QueueAttributeNameType

    type Attributes = dict[QueueAttributeNameType, str]

INPUT = "dropped"
OUTPUT = "cut-out"
REGION: "BucketLocationConstraintType" = "eu-central-1"
ACCOUNT = "123456789012"
RETRIES = "retries"
DEAD = "dead"
LANES = 5
CREDENTIALS = {"api_id": "standin", "api_secret": "standin-secret"}
VARIABLES = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


def deploy(url: str, pixian_url: str) -> tuple[Environment, PaceEnvironment]:
    """Make what the template has, as far as the functions touch it.

    Args:
        url: of AWS.
        pixian_url: where the functions find Pixian.
    """
    _buckets(url)
    table = properties("LeaseTable")
    shape = ("BillingMode", "AttributeDefinitions", "KeySchema")
    boto3.client("dynamodb", endpoint_url=url).create_table(
        TableName="leases", **{name: table[name] for name in shape}
    )
    secret = boto3.client("secretsmanager", endpoint_url=url).create_secret(
        Name="pixian", SecretString=json.dumps(CREDENTIALS)
    )
    dead, retries = _queues(url)
    environment = Environment(
        input_prefix="",
        output_bucket=OUTPUT,
        retry_queue_url=retries,
        dead_letter_queue_url=dead,
        lease_table="leases",
        credentials_secret_arn=secret["ARN"],
        appconfig_application="app",
        appconfig_environment="live",
        appconfig_profile="parameters",
        pixian_endpoint=pixian_url,
        powertools_service_name="matrix",
    )
    pace_environment = PaceEnvironment(
        retry_queue_url=retries,
        dead_letter_queue_url=dead,
        lease_table="leases",
        credentials_secret_arn=secret["ARN"],
        pixian_endpoint=pixian_url,
        upload_function="upload",
        retry_mapping="fa123456-14a1-4fd2-9fec-83de64ad683d",
        start_concurrency=str(LANES),
        max_concurrency=str(LANES),
        ramp_minutes="5",
        powertools_service_name="matrix",
    )
    return environment, pace_environment


def _buckets(url: str) -> None:
    s3 = boto3.client("s3", endpoint_url=url)
    for bucket, resource in ((INPUT, "InputBucket"), (OUTPUT, "OutputBucket")):
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_bucket_versioning(
            Bucket=bucket, VersioningConfiguration=properties(resource)["VersioningConfiguration"]
        )


def _queues(url: str) -> tuple[str, str]:
    """The addresses of the dead-letter queue and of the retry queue."""
    sqs = boto3.client("sqs", endpoint_url=url)
    kept: Attributes = {
        "MessageRetentionPeriod": str(properties("DeadLetterQueue")["MessageRetentionPeriod"])
    }
    dead = sqs.create_queue(QueueName=DEAD, Attributes=kept)["QueueUrl"]
    about = properties("RetryQueue")
    policy = {
        "deadLetterTargetArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{DEAD}",
        "maxReceiveCount": about["RedrivePolicy"]["maxReceiveCount"],
    }
    attributes: Attributes = {
        "VisibilityTimeout": str(about["VisibilityTimeout"]),
        "MessageRetentionPeriod": str(about["MessageRetentionPeriod"]),
        "RedrivePolicy": json.dumps(policy),
    }
    return dead, sqs.create_queue(QueueName=RETRIES, Attributes=attributes)["QueueUrl"]
