"""What the functions' roles must not do, tried with the roles themselves."""

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.conftest import World

# Runs in a function of its own under the role, as nobody but Lambda may assume it.
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


@pytest.fixture(scope="module", params=["UploadFunction", "RetryFunction"])
def probe(request: pytest.FixtureRequest, shared: World) -> Iterator[Any]:
    """Calls AWS with the role of a function; returns "allowed" or the error's code."""
    functions = shared.stack.client("lambda")
    role = functions.get_function_configuration(FunctionName=shared.stack.outputs[request.param])[
        "Role"
    ]
    name = f"probe-{request.param}"
    functions.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Handler="probe.handler",
        Role=role,
        Code={"ZipFile": _zipped(PROBE)},
        Timeout=30,
    )
    functions.get_waiter("function_active_v2").wait(FunctionName=name)

    def call(service: str, action: str, **arguments: str) -> str:
        event = {"service": service, "action": action, "arguments": arguments}
        answer = functions.invoke(FunctionName=name, Payload=json.dumps(event))
        return str(json.loads(answer["Payload"].read()))

    yield call
    functions.delete_function(FunctionName=name)


def test_may_write_results(probe: Any, shared: World) -> None:
    """The probe itself works: without this, every refusal below could be its own fault."""
    bucket = shared.stack.outputs["OutputBucket"]
    assert probe("s3", "put_object", Bucket=bucket, Key="probe", Body="") == "allowed"


@pytest.mark.parametrize(
    ("action", "arguments"),
    [
        ("list_objects_v2", {}),
        ("put_object", {"Key": "a.png", "Body": ""}),
        ("delete_object", {"Key": "a.png"}),
    ],
)
def test_may_not_list_or_change_the_input_bucket(
    probe: Any, shared: World, action: str, arguments: dict[str, str]
) -> None:
    bucket = shared.stack.outputs["InputBucket"]
    assert probe("s3", action, Bucket=bucket, **arguments) == "AccessDenied"


def test_may_delete_reports_and_nothing_else(probe: Any, shared: World) -> None:
    bucket = shared.stack.outputs["OutputBucket"]
    assert probe("s3", "delete_object", Bucket=bucket, Key="a.png.error.json") == "allowed"
    assert probe("s3", "delete_object", Bucket=bucket, Key="a.png") == "AccessDenied"


def test_may_not_read_other_buckets(probe: Any, shared: World) -> None:
    shared.stack.client("s3").create_bucket(Bucket="somebody-elses")
    assert probe("s3", "get_object", Bucket="somebody-elses", Key="a.png") == "AccessDenied"


def test_may_not_change_the_credentials(probe: Any, shared: World) -> None:
    secret = shared.stack.outputs["CredentialsSecretArn"]
    code = probe("secretsmanager", "put_secret_value", SecretId=secret, SecretString="{}")
    assert code == "AccessDeniedException"


def _zipped(source: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("probe.py", source)
    return file.getvalue()
