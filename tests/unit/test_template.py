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

from pixian_s3 import retry
from pixian_s3.aws import telemetry
from pixian_s3.aws.lease import KEPT_SECONDS
from pixian_s3.aws.s3 import MAX_SOURCE_BYTES
from pixian_s3.config.document import parse
from pixian_s3.pace import FEWEST_LANES, FEWEST_RETRY_LANES
from pixian_s3.pixian import credentials
from pixian_s3.pixian.client import call_seconds
from pixian_s3.wiring import Environment, PaceEnvironment
from tests.template import GLOBALS, RESOURCES, ROOT, TEMPLATE, TEXT, properties

BUCKETS = ["InputBucket", "OutputBucket"]
PROCESSING = ["UploadFunction", "RetryFunction"]
FUNCTIONS = [*PROCESSING, "PaceFunction"]
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


def test_the_largest_image_gets_through_at_two_megabytes_a_second() -> None:
    reading = MAX_SOURCE_BYTES / (2 << 20)
    assert GLOBALS["Timeout"] >= reading + call_seconds(MAX_SOURCE_BYTES) + 60


def test_messages_are_kept_and_dead_letters_for_a_day_longer() -> None:
    # SQS counts from the first send, also for what it moves to the dead-letter queue itself.
    days = [properties(queue)["MessageRetentionPeriod"] / (24 * 3600) for queue in QUEUES]
    assert days == [13, 14]


def test_an_alarm_leaves_a_week_before_a_message_expires() -> None:
    left = properties("RetryQueue")["MessageRetentionPeriod"]
    assert left - properties("RetryQueueAgeAlarm")["Threshold"] == 7 * 24 * 3600


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
    assert source["ScalingConfig"] == {"MaximumConcurrency": FEWEST_RETRY_LANES}


def test_an_upload_that_cant_be_finished_goes_to_the_retry_queue() -> None:
    invoked = properties("UploadFunction")["EventInvokeConfig"]
    assert invoked["MaximumEventAgeInSeconds"] == 60
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


def test_the_pace_begins_and_rises_as_pixian_asks() -> None:
    names = ("StartConcurrency", "MaxConcurrency", "RampMinutes")
    start, most, ramp = (TEMPLATE["Parameters"][name] for name in names)
    assert (start["Default"], most["Default"], ramp["Default"]) == (5, 25, 5)
    assert start["MinValue"] == most["MinValue"] == FEWEST_LANES
    assert ramp["MinValue"] == 1
    assert "Contact Pixian" in most["Description"]


def test_nothing_is_reserved_so_that_no_account_is_too_small_to_deploy() -> None:
    assert "ReservedConcurrentExecutions" not in TEXT


def test_the_pace_is_set_every_minute() -> None:
    schedule = properties("PaceSchedule")
    assert schedule["ScheduleExpression"] == "rate(1 minute)"
    assert schedule["Target"]["Arn"] == {"GetAtt": "PaceFunction.Arn"}


def test_the_first_document_is_never_deployed_again() -> None:
    # A change of any of these makes another version or deploys this one once more (AWS::AppConfig::
    # Deployment replaces itself): the parameters that were published since would be gone. Put what
    # must change into documents; if it really has to be here, say so in the CHANGELOG.
    names = ("FirstConfiguration", "FirstConfigurationDeployment", "AtOnce")
    assert {name: properties(name) for name in names} == {
        "FirstConfiguration": {
            "ApplicationId": {"Ref": "ConfigurationApplication"},
            "ConfigurationProfileId": {"Ref": "ConfigurationProfile"},
            "ContentType": "application/json",
            "Content": '{"defaults": {"test": true}}',
        },
        "FirstConfigurationDeployment": {
            "ApplicationId": {"Ref": "ConfigurationApplication"},
            "EnvironmentId": {"Ref": "ConfigurationEnvironment"},
            "ConfigurationProfileId": {"Ref": "ConfigurationProfile"},
            "ConfigurationVersion": {"Ref": "FirstConfiguration"},
            "DeploymentStrategyId": {"Ref": "AtOnce"},
        },
        "AtOnce": {
            "Name": {"Sub": "${AWS::StackName}-at-once"},
            "DeploymentDurationInMinutes": 0,
            "FinalBakeTimeInMinutes": 0,
            "GrowthFactor": 100,
            "ReplicateTo": "NONE",
        },
    }


def test_what_the_first_document_belongs_to_is_never_replaced() -> None:
    # Of these properties a change replaces the resource, and with it all documents.
    profile = properties("ConfigurationProfile")
    replacing = ("ApplicationId", "LocationUri", "Type")
    assert [profile[name] for name in replacing] == [
        {"Ref": "ConfigurationApplication"},
        "hosted",
        "AWS.Freeform",
    ]
    environment = properties("ConfigurationEnvironment")["ApplicationId"]
    assert environment == {"Ref": "ConfigurationApplication"}


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
    first = parse(properties("FirstConfiguration")["Content"])
    assert first.settings_for("a.jpg").form["test"] == "true"


def test_the_variables_are_those_that_the_program_reads() -> None:
    read = {field.name.upper() for field in fields(Environment)}
    assert set(GLOBALS["Environment"]["Variables"]) == read
    assert not [name for name in PROCESSING if "Environment" in properties(name)]
    # PaceFunction has its own besides.
    read_by_pace = {field.name.upper() for field in fields(PaceEnvironment)}
    assert set(properties("PaceFunction")["Environment"]["Variables"]) == read_by_pace - read


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
    assert len(ALARMS) == 10


@pytest.mark.parametrize("alarm", ALARMS)
def test_no_news_is_no_alarm(alarm: str) -> None:
    assert properties(alarm)["TreatMissingData"] == "notBreaching"


@pytest.mark.parametrize("alarm", ["BlockedAlarm", "MaybeChargedAlarm", "MessageCrashesAlarm"])
def test_an_alarm_watches_a_metric_that_the_program_writes(alarm: str) -> None:
    watched = properties(alarm)
    source = inspect.getsource(telemetry)
    assert watched["Namespace"] == telemetry.NAMESPACE
    assert f'"{watched["MetricName"]}"' in source
    assert watched["Dimensions"] == [{"Name": "service", "Value": {"Ref": "AWS::StackName"}}]


def test_every_alarm_notifies_but_the_one_that_asks_nobody_for_anything() -> None:
    silent = {alarm for alarm in ALARMS if "AlarmActions" not in properties(alarm)}
    assert silent == {"DroppedEventsAlarm"}


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
