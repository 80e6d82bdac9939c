"""IAM on the deployed stack: each role may do its own work, and is refused what others do.

Which actions a role has on which resources, tests/unit/test_template.py says in full. This shows
that the policies mean it: the local AWS enforces them, here and in all other tests of this folder.
"""

import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from admin.stack import LocalStack
from tests.e2e.conftest import World
from tests.template import TABLE

OPERATIONS = Path(__file__).parents[2] / "docs/operations.md"
REFUSED = {"AccessDenied", "AccessDeniedException"}
KEY = "p/disabled/probe.png"
OLD = "p/disabled/old"
OTHERS = "somebody-elses"

type Call = tuple[str, str, dict[str, Any]]

TEST_RESULTS = {f"delete a test result *{suffix}" for suffix in (".png", ".jpg")} | {
    f"delete the sidecar of a test result *{suffix}" for suffix in (".png.json", ".jpg.json")
}
PROCESSING = TEST_RESULTS | {
    "read an image",
    "read the tags of an image",
    "list the results",
    "read a result",
    "write a result",
    "tag a result",
    "begin a multipart upload of a result",
    "abort a multipart upload of a result",
    "delete a report",
    "read the credentials",
    "note something",
    "send a dead letter",
}
MAY = {
    "UploadFunction": PROCESSING,
    "RetryFunction": PROCESSING | {"receive a retry"},
    "PaceFunction": {
        "note something",
        "set the pace",
        "read the credentials",
        "put an event",
        "read metrics",
    },
    "uploader": {"upload an image", "read a result"},
}

# Runs under a function's role, which nobody but Lambda may assume.
PROBE = """
import boto3
from botocore.exceptions import ClientError

def ask(service, action, arguments):
    try:
        getattr(boto3.client(service), action)(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "allowed"

def handler(calls, context):
    return {name: ask(*call) for name, call in calls.items()}
"""


def calls(world: World) -> dict[str, Call]:
    """By what they do: the calls that everybody is asked to try, none of which does harm."""
    outputs = world.stack.outputs
    source = {"Bucket": outputs["InputBucket"], "Key": KEY}
    result = {"Bucket": outputs["OutputBucket"], "Key": KEY}
    report = result | {"Key": KEY + ".error.json"}
    secret = {"SecretId": outputs["CredentialsSecretArn"]}
    upload = {"FunctionName": outputs["UploadFunction"]}
    retries = {"QueueUrl": outputs["RetryQueueUrl"]}
    letters = {"QueueUrl": outputs["DeadLetterQueueUrl"]}
    table = {"TableName": outputs[TABLE]}
    s3 = world.client("s3")
    begun = [s3.create_multipart_upload(**each)["UploadId"] for each in (source, result)]
    # Overwritten just now, so that the version can be spared.
    version = s3.put_object(**result, Body=b"")["VersionId"]
    s3.put_object(**result, Body=b"")
    return {
        "upload an image": ("s3", "put_object", source | {"Body": ""}),
        "read an image": ("s3", "get_object", source),
        "read the tags of an image": ("s3", "get_object_tagging", source),
        "delete an image": ("s3", "delete_object", source | {"Key": OLD + ".png"}),
        "abort a multipart upload of an image": _abort(source, begun[0]),
        "list the images": ("s3", "list_objects_v2", {"Bucket": source["Bucket"]}),
        "list the results": ("s3", "list_objects_v2", {"Bucket": result["Bucket"]}),
        "write a result": ("s3", "put_object", result | {"Body": ""}),
        "begin a multipart upload of a result": ("s3", "create_multipart_upload", result),
        "abort a multipart upload of a result": _abort(result, begun[1]),
        "tag a result": ("s3", "put_object_tagging", result | {"Tagging": {"TagSet": []}}),
        "read a result": ("s3", "get_object", result),
        **{
            name: ("s3", "delete_object", result | {"Key": OLD + name.partition("*")[2]})
            for name in TEST_RESULTS
        },
        "delete another result": ("s3", "delete_object", result | {"Key": OLD + ".webp"}),
        "destroy a version of a result": (
            "s3",
            "delete_object",
            result | {"VersionId": version},
        ),
        "delete a report": ("s3", "delete_object", report),
        "read the bucket's policy": ("s3", "get_bucket_policy", {"Bucket": result["Bucket"]}),
        "write elsewhere": ("s3", "put_object", {"Bucket": OTHERS, "Key": KEY, "Body": ""}),
        "read the credentials": ("secretsmanager", "get_secret_value", secret),
        "look at the secret": ("secretsmanager", "describe_secret", secret),
        "note something": (
            "dynamodb",
            "update_item",
            table | {"Key": {"id": {"S": "probe"}}},
        ),
        "read the whole table": ("dynamodb", "scan", table),
        "receive a retry": ("sqs", "receive_message", retries),
        "send a dead letter": ("sqs", "send_message", letters | {"MessageBody": "probe"}),
        "receive a dead letter": ("sqs", "receive_message", letters),
        "set the pace": (
            "lambda",
            "put_function_concurrency",
            upload | {"ReservedConcurrentExecutions": 3},
        ),
        "put an event": ("events", "put_events", {"Entries": [_event()]}),
        "put an event elsewhere": (
            "events",
            "put_events",
            {"Entries": [_event() | {"EventBusName": OTHERS}]},
        ),
        "read metrics": (
            "cloudwatch",
            "get_metric_data",
            {"MetricDataQueries": [], "StartTime": 0, "EndTime": 60},
        ),
        "look at alarms": ("cloudwatch", "describe_alarms", {}),
        "look at a function": ("lambda", "get_function", upload),
        "read the configuration": ("appconfig", "list_applications", {}),
        "read a log": ("logs", "filter_log_events", {"logGroupName": outputs["UploadLog"]}),
        "look at the roles": ("iam", "list_roles", {}),
        "look at the stack": ("cloudformation", "describe_stacks", {}),
    }


def _abort(where: Mapping[str, str], upload_id: str) -> Call:
    return "s3", "abort_multipart_upload", {**where, "UploadId": upload_id}


def _event() -> dict[str, str]:
    return {"Source": "probe", "DetailType": "Probe", "Detail": "{}"}


@pytest.fixture(scope="module")
def world(shared: World) -> Iterator[World]:
    """With something to read, and a bucket that is somebody else's."""
    shared.client("s3").create_bucket(Bucket=OTHERS)
    shared.client("events").create_event_bus(Name=OTHERS)
    for bucket in ("InputBucket", "OutputBucket"):
        shared.client("s3").put_object(Bucket=shared.stack.outputs[bucket], Key=KEY, Body=b"")
    yield shared
    shared.client("sqs").purge_queue(QueueUrl=shared.stack.outputs["DeadLetterQueueUrl"])


def test_an_administrator_may_do_all_of_it(world: World) -> None:
    """So what is refused to others is refused for who they are."""
    tried = calls(world)
    answers = {name: asked(world.client(call[0]), call) for name, call in tried.items()}
    assert answers == dict.fromkeys(tried, "allowed")


@pytest.mark.parametrize("who", MAY)
def test_each_may_do_its_own_work_and_no_more(world: World, who: str) -> None:
    tried = calls(world)
    answers = _as_uploader(world, tried) if who == "uploader" else probe(world, who, tried)
    assert {name for name, answer in answers.items() if answer == "allowed"} == MAY[who]
    # And nothing failed for another reason than that it was refused.
    assert set(answers.values()) <= {"allowed"} | REFUSED


def probe(world: World, function: str, tried: Mapping[str, Call]) -> dict[str, str]:
    """The answers to calls that are made with the role of a function."""
    functions = world.client("lambda")
    found = functions.get_function_configuration(FunctionName=world.stack.outputs[function])
    name = f"probe-{function}"
    functions.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Handler="probe.handler",
        Role=found["Role"],
        Code={"ZipFile": _zipped(PROBE)},
        Timeout=60,
    )
    functions.get_waiter("function_active_v2").wait(FunctionName=name)
    answer = functions.invoke(FunctionName=name, Payload=json.dumps(tried))["Payload"].read()
    functions.delete_function(FunctionName=name)
    return dict(json.loads(answer))


def _as_uploader(world: World, tried: Mapping[str, Call]) -> dict[str, str]:
    """A user with the policy that the documentation gives for uploaders."""
    # The only policy on that page.
    [policy] = re.findall('```json\n({[^`]*"Statement".*?)```', OPERATIONS.read_text(), re.DOTALL)
    for output in ("InputBucket", "OutputBucket"):
        policy = policy.replace(f"<{output}>", world.stack.outputs[output])
    stack = as_user(world, "uploader", policy)
    return {name: asked(stack.client(call[0]), call) for name, call in tried.items()}


def as_user(world: World, name: str, policy: str) -> LocalStack:
    """The stack as a new user sees it, who has this policy."""
    iam, who = world.client("iam"), {"UserName": name}
    iam.create_user(**who)
    iam.put_user_policy(**who, PolicyName="only", PolicyDocument=policy)
    key = iam.create_access_key(**who)["AccessKey"]
    return replace(
        world.stack,
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )


def asked(client: Any, call: Call) -> str:
    """The answer to a call: "allowed", or the error's code."""
    try:
        getattr(client, call[1])(**call[2])
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "allowed"


def _zipped(source: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("probe.py", source)
    return file.getvalue()
