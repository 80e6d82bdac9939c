"""What the template promises and a local AWS doesn't enforce."""

import inspect
import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from pixian_s3 import configuration, credentials, retry, telemetry
from pixian_s3.ledger import KEPT_SECONDS
from pixian_s3.pixian import CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS
from pixian_s3.wiring import Environment
from tests.template import GLOBALS, RESOURCES, ROOT, TEMPLATE, TEXT, properties

BUCKETS = ["InputBucket", "OutputBucket"]
FUNCTIONS = ["UploadFunction", "RetryFunction"]
QUEUES = ["RetryQueue", "DeadLetterQueue"]


def listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements() -> Iterator[dict[str, Any]]:
    for resource in RESOURCES.values():
        own = resource["Properties"].get("PolicyDocument")
        inline = [policy["PolicyDocument"] for policy in resource["Properties"].get("Policies", [])]
        for document in filter(None, [own, *inline]):
            yield from listed(document["Statement"])


ALLOWED = [statement for statement in statements() if statement["Effect"] == "Allow"]


def test_a_message_is_hidden_six_times_as_long_as_a_function_may_take() -> None:
    assert properties("RetryQueue")["VisibilityTimeout"] >= 6 * GLOBALS["Timeout"]


def test_a_function_may_take_as_long_as_pixian_may() -> None:
    assert GLOBALS["Timeout"] >= CONNECT_TIMEOUT_SECONDS + READ_TIMEOUT_SECONDS + 60


@pytest.mark.parametrize("queue", QUEUES)
def test_messages_are_kept_for_fourteen_days(queue: str) -> None:
    assert properties(queue)["MessageRetentionPeriod"] == 14 * 24 * 3600


@pytest.mark.parametrize("queue", QUEUES)
def test_messages_are_encrypted(queue: str) -> None:
    assert properties(queue)["SqsManagedSseEnabled"] is True


def test_claims_outlive_messages() -> None:
    assert properties("RetryQueue")["MessageRetentionPeriod"] <= KEPT_SECONDS


def test_only_crashes_go_to_the_dead_letter_queue_by_themselves() -> None:
    redrive = properties("RetryQueue")["RedrivePolicy"]
    # The others are for giving the image up with a report.
    assert redrive["maxReceiveCount"] > 2 * retry.MAX_RECEIPTS
    assert redrive["deadLetterTargetArn"] == {"GetAtt": "DeadLetterQueue.Arn"}


def test_the_retry_function_may_send_to_its_own_queue_for_long() -> None:
    assert properties("RetryFunction")["RecursiveLoop"] == "Allow"
    assert retry.MAX_FAILURES > 16


def test_a_crashed_message_alone_comes_back() -> None:
    source = properties("RetryFunction")["Events"]["Retries"]["Properties"]
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert source["ScalingConfig"] == {"MaximumConcurrency": {"Ref": "RetryConcurrency"}}


def test_an_upload_that_cant_be_finished_goes_to_the_retry_queue() -> None:
    invoked = properties("UploadFunction")["EventInvokeConfig"]
    assert invoked["MaximumEventAgeInSeconds"] == 900
    on_failure = invoked["DestinationConfig"]["OnFailure"]
    assert on_failure == {"Type": "SQS", "Destination": {"GetAtt": "RetryQueue.Arn"}}


def test_uploads_of_every_kind_are_taken() -> None:
    (notified,) = properties("InputBucket")["NotificationConfiguration"]["LambdaConfigurations"]
    assert notified == {
        "Event": "s3:ObjectCreated:*",
        "Function": {"GetAtt": "UploadFunction.Arn"},
    }


def test_only_the_input_bucket_may_call_a_function() -> None:
    (permission,) = [r for r in RESOURCES.values() if r["Type"] == "AWS::Lambda::Permission"]
    called_by = permission["Properties"]
    assert called_by["FunctionName"] == {"Ref": "UploadFunction"}
    assert called_by["SourceAccount"] == {"Ref": "AWS::AccountId"}
    name = properties("InputBucket")["BucketName"]["Sub"]
    assert called_by["SourceArn"] == {"Sub": f"arn:${{AWS::Partition}}:s3:::{name}"}
    # SAM would make another for an event of these kinds.
    events = [e for name in FUNCTIONS for e in properties(name).get("Events", {}).values()]
    assert {event["Type"] for event in events} == {"SQS"}


def test_five_calls_at_a_time_to_begin_with() -> None:
    parameters = TEMPLATE["Parameters"]
    names = ("UploadConcurrency", "RetryConcurrency")
    assert sum(parameters[name]["Default"] for name in names) == 5


def test_there_are_permissions_to_look_at() -> None:
    assert len(ALLOWED) >= 10


@pytest.mark.parametrize("statement", ALLOWED, ids=lambda s: s.get("Sid"))
def test_every_allowed_action_is_spelt_out(statement: dict[str, Any]) -> None:
    assert "NotAction" not in statement
    assert not [action for action in listed(statement["Action"]) if "*" in action]


@pytest.mark.parametrize("statement", ALLOWED, ids=lambda s: s.get("Sid"))
def test_nothing_is_allowed_on_everything(statement: dict[str, Any]) -> None:
    assert "NotResource" not in statement
    if "AssumeRole" not in str(statement["Action"]):
        assert not [r for r in listed(statement["Resource"]) if _is_everything(r)]


@pytest.mark.parametrize("statement", ALLOWED, ids=lambda s: s.get("Sid"))
def test_nobody_is_let_in_from_outside(statement: dict[str, Any]) -> None:
    # Only the policy of a bucket or a queue names whom it allows something.
    assert not statement.keys() & {"Principal", "NotPrincipal"}


def _is_everything(resource: object) -> bool:
    text = resource if isinstance(resource, str) else str(next(iter(resource.values())))  # type: ignore[attr-defined]
    return text.strip("*:") in {"", "arn:aws:s3", "arn:${AWS::Partition}:s3"}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_has_no_permissions_but_its_role_s(function: str) -> None:
    assert "Policies" not in properties(function)
    assert set(properties(function)["Role"]) == {"GetAtt"}


@pytest.mark.parametrize("kept", [*BUCKETS, *(f"{bucket}Policy" for bucket in BUCKETS)])
def test_pictures_and_what_guards_them_outlive_the_stack(kept: str) -> None:
    assert RESOURCES[kept]["DeletionPolicy"] in {"Retain", "RetainExceptOnCreate"}
    assert RESOURCES[kept]["UpdateReplacePolicy"] == "Retain"


@pytest.mark.parametrize("bucket", BUCKETS)
def test_buckets_are_closed_to_the_public(bucket: str) -> None:
    blocked = properties(bucket)["PublicAccessBlockConfiguration"]
    assert blocked == dict.fromkeys(
        ["BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"],
        True,
    )


@pytest.mark.parametrize("bucket", BUCKETS)
def test_buckets_are_encrypted_and_keep_versions(bucket: str) -> None:
    (rule,) = properties(bucket)["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] in {"AES256", "aws:kms"}
    assert properties(bucket)["VersioningConfiguration"] == {"Status": "Enabled"}


@pytest.mark.parametrize("bucket", BUCKETS)
def test_buckets_are_reached_over_tls_only(bucket: str) -> None:
    (policy,) = [
        resource["Properties"]
        for resource in RESOURCES.values()
        if resource["Type"] == "AWS::S3::BucketPolicy"
        and resource["Properties"]["Bucket"] == {"Ref": bucket}
    ]
    (deny,) = [s for s in policy["PolicyDocument"]["Statement"] if s["Effect"] == "Deny"]
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": False}}
    assert (deny["Principal"], deny["Action"]) == ("*", "s3:*")
    assert deny["Resource"] == [{"GetAtt": f"{bucket}.Arn"}, {"Sub": f"${{{bucket}.Arn}}/*"}]


def test_the_first_secret_is_a_placeholder_to_the_program() -> None:
    secret = json.loads(properties("CredentialsSecret")["SecretString"])
    assert secret == dict.fromkeys(["api_id", "api_secret"], credentials.PLACEHOLDER)


def test_the_first_document_is_valid_and_costs_nothing() -> None:
    first = configuration.parse(properties("FirstConfiguration")["Content"])
    assert first.settings_for("a.jpg").form["test"] == "true"


def test_the_variables_are_those_that_the_program_reads() -> None:
    read = {field.name.upper() for field in fields(Environment)}
    assert set(GLOBALS["Environment"]["Variables"]) == read
    assert not [name for name in FUNCTIONS if "Environment" in properties(name)]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_logs_where_logs_end(function: str) -> None:
    log = properties(function)["LoggingConfig"]["LogGroup"]["Ref"]
    assert properties(log)["RetentionInDays"] == {"Ref": "LogRetentionDays"}


def endpoint_is_allowed(endpoint: str) -> bool:
    # CloudFormation matches the whole value.
    pattern = TEMPLATE["Parameters"]["PixianEndpoint"]["AllowedPattern"]
    return re.fullmatch(pattern, endpoint) is not None


@pytest.mark.parametrize(
    "endpoint",
    [
        TEMPLATE["Parameters"]["PixianEndpoint"]["Default"],
        "https://api.pixian.ai/api/v2/remove-background",
        "https://proxy.example:8443",
        "http://127.0.0.1:8080",
        "http://localhost:8080/",
        "http://[::1]:8080",
    ],
)
def test_the_endpoint_may_be_https_or_loopback(endpoint: str) -> None:
    assert endpoint_is_allowed(endpoint)


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "api.pixian.ai",
        "http://api.pixian.ai",
        "http://127.0.0.1.evil.example",
        "http://127.0.0.1@evil.example",
        "http://127.0.0.1:80@evil.example",
        "http://localhost.evil.example",
        "http://127x0x0x1",
        "https://a@b",
        "https://a:b@evil.example",
        "https://a b",
        " https://api.pixian.ai",
        "https://api.pixian.ai ",
        "https://api.pixian.ai\n",
        "https://api.pixian.ai?x=https://evil.example",
        "https://api.pixian.ai#x",
        "https://",
        "ftp://127.0.0.1",
        "file:///etc/passwd",
    ],
)
def test_the_endpoint_may_be_nothing_else(endpoint: str) -> None:
    assert not endpoint_is_allowed(endpoint)


OPERATIONS = ROOT / "docs/operations.md"
ALARMS = [name for name, thing in TEMPLATE["Resources"].items() if "Alarm" in thing["Type"]]


def test_there_are_alarms() -> None:
    assert len(ALARMS) == 4


@pytest.mark.parametrize("alarm", ALARMS)
def test_no_news_is_no_alarm(alarm: str) -> None:
    assert properties(alarm)["TreatMissingData"] == "notBreaching"


@pytest.mark.parametrize("alarm", ["BlockedAlarm", "MaybeChargedAlarm"])
def test_an_alarm_watches_a_metric_that_the_program_writes(alarm: str) -> None:
    watched = properties(alarm)
    source = inspect.getsource(telemetry)
    assert watched["Namespace"] == telemetry.NAMESPACE
    assert f'"{watched["MetricName"]}"' in source
    assert watched["Dimensions"] == [{"Name": "service", "Value": {"Ref": "AWS::StackName"}}]


@pytest.mark.parametrize("alarm", ALARMS)
def test_operations_say_what_to_do_about_an_alarm(alarm: str) -> None:
    assert f"`{alarm}`" in OPERATIONS.read_text()


CHECKOV = ROOT / ".tools/checkov/bin/checkov"
EXCEPTIONS = {
    (name, exception["id"]): exception["comment"]
    for name, resource in RESOURCES.items()
    for exception in resource.get("Metadata", {}).get("checkov", {}).get("skip", [])
}


@pytest.mark.parametrize("exception", EXCEPTIONS, ids="-".join)
def test_an_exception_from_the_scan_says_why(exception: tuple[str, str]) -> None:
    assert EXCEPTIONS[exception].endswith(".")


def test_the_scan_finds_what_is_excepted_and_no_more(tmp_path: Path) -> None:
    bare = tmp_path / "template.yaml"
    bare.write_text(TEXT.replace("checkov:", "excused:"))
    scan = subprocess.run(
        [CHECKOV, "--skip-download", "--framework=cloudformation", "--output=json", "--file", bare],
        env={"HOME": str(tmp_path), "CKV_SKIP_PACKAGE_UPDATE_CHECK": "true"},
        capture_output=True,
        check=False,
    )
    assert scan.returncode == 1
    failed = json.loads(scan.stdout)["results"]["failed_checks"]
    found = {(check["resource"].split(".")[-1], check["check_id"]) for check in failed}
    assert found == set(EXCEPTIONS)
