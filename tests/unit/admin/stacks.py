"""A stack in memory: moto's services, and those that moto lacks."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.exceptions import ClientError

from tests.unit.admin.appconfig import FakeAppConfig

NAME = "pixian-s3"
REGION = "eu-central-1"
LOCAL = (
    "endpoint_url",
    "ca_bundle",
    "region",
    "stack_name",
    "pixian_endpoint",
    "aws_access_key_id",
    "aws_secret_access_key",
)
"""What a `LocalStack` has beside its outputs."""


def client_error(code: str, message: str = "") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "Call")


@dataclass
class FakeCloudFormation:
    """One stack, if any.

    Attributes:
        described: As in DescribeStacks; None if it doesn't exist.
        events: As in DescribeStackEvents, the newest first.
        resources: The physical IDs by logical ID and type.
        refusal: Raised in place of every answer.
    """

    described: dict[str, Any] | None = None
    events: list[dict[str, str]] = field(default_factory=list)
    resources: dict[tuple[str, str], str] = field(default_factory=dict)
    refusal: ClientError | None = None
    deleted: list[str] = field(default_factory=list)

    def describe_stacks(self, *, StackName: str) -> dict[str, Any]:  # noqa: N803
        if self.refusal:
            raise self.refusal
        if self.described is None:
            raise client_error("ValidationError", f"Stack with id {StackName} does not exist")
        return {"Stacks": [self.described]}

    def delete_stack(self, *, StackName: str) -> None:  # noqa: N803
        self.deleted.append(StackName)
        self.described = None

    def get_paginator(self, operation: str) -> "_Pages":
        if operation == "describe_stack_events":
            return _Pages({"StackEvents": self.events})
        summaries = [
            {"LogicalResourceId": logical, "ResourceType": kind, "PhysicalResourceId": physical}
            for (logical, kind), physical in self.resources.items()
        ]
        return _Pages({"StackResourceSummaries": summaries})


@dataclass
class _Pages:
    page: dict[str, Any]

    def paginate(self, **_: object) -> Iterator[dict[str, Any]]:
        yield self.page


def event(logical: str, status: str, reason: str = "", *, stack: bool = False) -> dict[str, str]:
    return {
        "StackId": "arn:stack",
        "LogicalResourceId": logical,
        "PhysicalResourceId": "arn:stack" if stack else logical,
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
    }


@dataclass
class FakeStack:
    """A deployed stack, and what a person does to it and sees of it."""

    outputs: dict[str, str]
    cloudformation: FakeCloudFormation
    appconfig: FakeAppConfig = field(default_factory=FakeAppConfig)
    stack_name: str = NAME
    others: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        mine = {
            "appconfig": self.appconfig,
            "appconfigdata": self.appconfig,
            "cloudformation": self.cloudformation,
        } | self.others
        return mine.get(service) or boto3.client(service)  # type: ignore[call-overload]

    @property
    def secret(self) -> Any:
        arn = self.outputs["CredentialsSecretArn"]
        return json.loads(
            self.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]
        )


def deployed(endpoint: str = "https://pixian.test") -> FakeStack:
    """A stack as the template leaves it; needs the fixture `aws`."""
    place = {"LocationConstraint": REGION}
    for bucket in ("photos", "cutouts"):
        boto3.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration=place)  # type: ignore[arg-type]
        boto3.client("s3").put_bucket_versioning(
            Bucket=bucket, VersioningConfiguration={"Status": "Enabled"}
        )
    secret = boto3.client("secretsmanager").create_secret(
        Name="secret", SecretString='{"api_id": "REPLACE_ME", "api_secret": "REPLACE_ME"}'
    )
    for log in ("upload-log", "retry-log"):
        boto3.client("logs").create_log_group(logGroupName=log)
        boto3.client("logs").create_log_stream(logGroupName=log, logStreamName="stream")
    outputs = FakeAppConfig.outputs | {
        "InputBucket": "photos",
        "OutputBucket": "cutouts",
        "CredentialsSecretArn": secret["ARN"],
        "UploadLog": "upload-log",
        "RetryLog": "retry-log",
        "RetryFunction": "retry-function",
    }
    for name in ("RetryQueueUrl", "DeadLetterQueueUrl"):
        outputs[name] = boto3.client("sqs").create_queue(QueueName=name)["QueueUrl"]
    described = {
        "StackName": NAME,
        "StackStatus": "CREATE_COMPLETE",
        "Description": "pixian-s3: …",
        "Parameters": [{"ParameterKey": "PixianEndpoint", "ParameterValue": endpoint}],
        "Outputs": [{"OutputKey": key, "OutputValue": each} for key, each in outputs.items()],
    }
    resources = {
        ("InputBucket", "AWS::S3::Bucket"): "photos",
        ("OutputBucket", "AWS::S3::Bucket"): "cutouts",
    }
    stack = FakeStack(outputs, FakeCloudFormation(described, resources=resources))
    stack.appconfig.deploy({"defaults": {"test": True}})
    return stack
