"""Calls to AWS in somebody's name, each answered by "allowed" or the error's code."""

import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from botocore.exceptions import ClientError

from admin.stack import LocalStack
from tests.e2e.conftest import World
from tests.e2e.temptations import SCRATCH, Temptation

ALLOWED = "allowed"
REFUSED = {"AccessDenied", "AccessDeniedException"}

type Call = Callable[[Temptation], str]

# Runs in a function of its own under a function's role, as nobody but Lambda may assume it.
PROBE = """
import boto3
from botocore.exceptions import ClientError

def handler(event, context):
    client = boto3.client(event["service"])
    try:
        getattr(client, event["action"])(**event["arguments"])
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "allowed"
"""


@contextmanager
def with_the_role_of(function: str, world: World, names: Mapping[str, str]) -> Iterator[Call]:
    functions = world.stack.client("lambda")
    name = f"probe-{function}"
    functions.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Handler="probe.handler",
        Role=names[function.replace("Function", "RoleArn")],
        Code={"ZipFile": _zipped(PROBE)},
        Timeout=30,
    )
    functions.get_waiter("function_active_v2").wait(FunctionName=name)

    def call(tried: Temptation) -> str:
        event = {
            "service": tried.service,
            "action": tried.action,
            "arguments": tried.filled(names),
        }
        answer = functions.invoke(FunctionName=name, Payload=json.dumps(event))
        return str(json.loads(answer["Payload"].read()))

    yield call
    functions.delete_function(FunctionName=name)


def with_the_keys_of(stack: LocalStack, names: Mapping[str, str]) -> Call:
    def call(tried: Temptation) -> str:
        try:
            getattr(stack.client(tried.service), tried.action)(**tried.filled(names))
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return ALLOWED

    return call


def things(world: World) -> dict[str, str]:
    """By the names in temptations: the stack's outputs, its roles, and what is somebody else's."""
    client = world.stack.client
    outputs = world.stack.outputs
    client("s3").create_bucket(Bucket="somebody-elses")
    versions = {
        bucket: client("s3")
        .put_object(Bucket=bucket, Key=SCRATCH, Body=b"scratch")
        .get("VersionId")
        for bucket in (outputs["InputBucket"], outputs["OutputBucket"], "somebody-elses")
    }
    client("dynamodb").create_table(
        TableName="somebody-elses",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    trust = {"Effect": "Allow", "Principal": {"AWS": "000000000000"}, "Action": "sts:AssumeRole"}
    role = client("iam").create_role(
        RoleName="somebody-elses",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": trust}),
    )
    secret = client("secretsmanager").create_secret(Name="somebody-elses", SecretString="{}")
    return outputs | {
        "InputVersion": versions[outputs["InputBucket"]],
        "OutputVersion": versions[outputs["OutputBucket"]],
        "OtherBucket": "somebody-elses",
        "OtherTable": "somebody-elses",
        "OtherQueue": client("sqs").create_queue(QueueName="somebody-elses")["QueueUrl"],
        "OtherSecret": secret["ARN"],
        "OtherRoleArn": role["Role"]["Arn"],
        **_roles(world),
    }


def _roles(world: World) -> dict[str, str]:
    found = world.stack.client("cloudformation").describe_stack_resources(
        StackName=world.stack.stack_name
    )["StackResources"]
    names = {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in found}
    get = world.stack.client("iam").get_role
    return {
        "UploadRole": names["UploadRole"],
        "ProcessPolicyArn": names["ProcessPolicy"],
        "PaceSchedule": names["PaceSchedule"],
    } | {
        f"{role}Arn": get(RoleName=names[role])["Role"]["Arn"]
        for role in ("UploadRole", "RetryRole", "PaceRole", "ScheduleRole")
    }


def _zipped(source: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("probe.py", source)
    return file.getvalue()
