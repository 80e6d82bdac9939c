"""What the template promises and a local AWS doesn't enforce."""

import hashlib
import inspect
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest

from pixian_s3 import retry
from pixian_s3.aws import metrics, telemetry
from pixian_s3.aws.lease import KEPT_SECONDS
from pixian_s3.aws.s3 import MAX_SOURCE_BYTES
from pixian_s3.config.document import parse
from pixian_s3.pace import FEWEST_LANES, FEWEST_RETRY_LANES
from pixian_s3.pacing import BALANCE_SECONDS
from pixian_s3.pixian import credentials
from pixian_s3.pixian.client import call_seconds
from pixian_s3.wiring import Environment, PaceEnvironment
from tests.patterns import matches
from tests.template import (
    GLOBALS,
    RESOURCES,
    ROOT,
    TABLE,
    TEMPLATE,
    TEXT,
    holds,
    properties,
    resolve,
    resolved,
)

BUCKETS = ["InputBucket", "OutputBucket"]
PROCESSING = ["UploadFunction", "RetryFunction"]
FUNCTIONS = [*PROCESSING, "PaceFunction"]
QUEUES = ["RetryQueue", "DeadLetterQueue"]
OF_EMAIL = {"AlarmTopic", "AlarmTopicPolicy", "AlarmSubscription"}


# ---- Time: how long messages, functions and records live ----------------------------------------


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


def test_items_outlive_messages() -> None:
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


@pytest.mark.parametrize("prefix", ["", "photos/"])
def test_uploads_of_every_kind_are_taken(prefix: str) -> None:
    (notified,) = resolved(InputPrefix=prefix)["InputBucket"]["Properties"][
        "NotificationConfiguration"
    ]["LambdaConfigurations"]
    rules = {"S3Key": {"Rules": [{"Name": "prefix", "Value": prefix}]}}
    assert notified == {
        "Event": "s3:ObjectCreated:*",
        "Function": {"GetAtt": "UploadFunction.Arn"},
    } | ({"Filter": rules} if prefix else {})


@pytest.mark.parametrize("existing", ["", "shop"])
def test_only_the_input_bucket_may_call_a_function(existing: str) -> None:
    resources = resolved(ExistingInputBucket=existing)
    (permission,) = [r for r in resources.values() if r["Type"] == "AWS::Lambda::Permission"]
    called_by = permission["Properties"]
    assert called_by["FunctionName"] == {"Ref": "UploadFunction"}
    if existing:
        assert called_by["Principal"] == "events.amazonaws.com"
        assert called_by["SourceArn"] == {"GetAtt": "UploadRule.Arn"}
    else:
        assert called_by["Principal"] == "s3.amazonaws.com"
        assert called_by["SourceAccount"] == {"Ref": "AWS::AccountId"}
        name = properties("InputBucket")["BucketName"]["Sub"]
        assert called_by["SourceArn"] == {"Sub": f"arn:${{AWS::Partition}}:s3:::{name}"}
    # SAM would make another for an event of these kinds.
    events = [e for name in FUNCTIONS for e in properties(name).get("Events", {}).values()]
    assert {event["Type"] for event in events} == {"SQS"}


def test_a_stack_creates_its_buckets_or_takes_those_that_exist() -> None:
    of_input = {"InputBucket", "InputBucketPolicy", "UploadPermission"}
    of_existing = {"UploadRule", "UploadRulePermission", "RetryQueuePolicy", "LostRuleEventsAlarm"}
    of_output = {"OutputBucket", "OutputBucketPolicy"}
    created = resolved().keys()
    assert RESOURCES.keys() - created == of_existing | OF_EMAIL
    taken = resolved(ExistingInputBucket="shop").keys()
    assert (created - taken, taken - created) == (of_input, of_existing)
    assert created - resolved(ExistingOutputBucket="shop").keys() == of_output


@pytest.mark.parametrize("output", ["InputBucket", "OutputBucket"])
def test_an_output_names_the_bucket_that_is_used(output: str) -> None:
    value = TEMPLATE["Outputs"][output]["Value"]
    assert resolve(value, {}) == {"Ref": output}
    assert resolve(value, {f"Existing{output}": "shop"}) == "shop"


@pytest.mark.parametrize("name", ["ExistingInputBucket", "ExistingOutputBucket"])
def test_an_existing_bucket_is_named_without_a_scheme(name: str) -> None:
    for bucket in ("", "shop", "shop.example-photos.2026"):
        assert is_allowed(name, bucket)
    for wrong in ("s3://shop", "shop/photos", "Shop", "arn:aws:s3:::shop", "ab", "shop*"):
        assert not is_allowed(name, wrong)


def test_the_input_prefix_means_the_same_in_a_notification_and_in_a_rule() -> None:
    # S3 expects other characters encoded in the filter of a notification.
    for prefix in ("", "photos/", "a_b-c.d!(e)/"):
        assert is_allowed("InputPrefix", prefix)
    for odd in ("my photos/", "été/", "a+b/", "50%/", "*", "a'b", "x" * 256):
        assert not is_allowed("InputPrefix", odd)


def test_a_key_is_named_by_its_arn() -> None:
    key = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    assert is_allowed("BucketKmsKeyArns", key)
    assert is_allowed("BucketKmsKeyArns", "")
    for wrong in (
        "*",
        "arn:aws:kms:eu-central-1:123456789012:key/*",
        key.replace("key/", "alias/"),
    ):
        assert not is_allowed("BucketKmsKeyArns", wrong)


@pytest.mark.parametrize("prefix", ["", "photos/"])
def test_uploads_to_an_existing_bucket_come_from_eventbridge(prefix: str) -> None:
    rule = rule_of(prefix)
    created = json.loads((ROOT / "events/eventbridge-object-created.json").read_text())
    created["detail"]["bucket"]["name"] = "shop"
    created["detail"]["object"]["key"] = f"{prefix}a b+c.jpg"
    for reason in ("PutObject", "POST Object", "CopyObject", "CompleteMultipartUpload"):
        created["detail"]["reason"] = reason
        assert matches(rule["EventPattern"], created)
    assert not matches(rule["EventPattern"], created | {"detail-type": "Object Deleted"})
    assert not matches(rule["EventPattern"], created | {"source": "shop"})
    created["detail"]["object"]["key"] = "photo.jpg"
    assert matches(rule["EventPattern"], created) == (prefix == "")
    created["detail"]["bucket"]["name"] = "shop-2"
    assert not matches(rule["EventPattern"], created)


def test_an_upload_that_eventbridge_cant_deliver_goes_to_the_retry_queue() -> None:
    (target,) = rule_of("")["Targets"]
    assert target["Arn"] == {"GetAtt": "UploadFunction.Arn"}
    assert target["DeadLetterConfig"] == {"Arn": {"GetAtt": "RetryQueue.Arn"}}
    # The same time as in UploadFunction's own queue.
    invoked = properties("UploadFunction")["EventInvokeConfig"]
    age = target["RetryPolicy"]["MaximumEventAgeInSeconds"]
    assert age == invoked["MaximumEventAgeInSeconds"]
    alarm = properties("LostRuleEventsAlarm")
    assert alarm["MetricName"] == "InvocationsFailedToBeSentToDlq"
    assert alarm["Dimensions"] == [{"Name": "RuleName", "Value": {"Ref": "UploadRule"}}]


def test_only_the_rule_may_send_to_the_retry_queue_from_outside() -> None:
    policy = properties("RetryQueuePolicy")
    assert policy["Queues"] == [{"Ref": "RetryQueue"}]
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement == {
        "Sid": "TakeUndeliveredUploads",
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": {"GetAtt": "RetryQueue.Arn"},
        "Condition": {"ArnEquals": {"aws:SourceArn": {"GetAtt": "UploadRule.Arn"}}},
    }


@pytest.mark.parametrize(
    ("input_bucket", "output_bucket", "prefix", "is_refused"),
    [
        ("", "", "", False),
        ("shop", "", "", False),
        ("", "shop", "", False),
        ("shop", "results", "", False),
        ("shop", "shop", "photos/", False),
        ("shop", "shop", "", True),
    ],
)
def test_one_bucket_without_an_input_prefix_is_refused(
    input_bucket: str, output_bucket: str, prefix: str, *, is_refused: bool
) -> None:
    given = {
        "ExistingInputBucket": input_bucket,
        "ExistingOutputBucket": output_bucket,
        "InputPrefix": prefix,
    }
    (rule,) = TEMPLATE["Rules"].values()
    is_kept = all(holds(each["Assert"], given) for each in rule["Assertions"])
    assert (holds(rule["RuleCondition"], given) and not is_kept) == is_refused


def test_results_in_a_bucket_of_the_stack_are_told_to_eventbridge() -> None:
    notified = properties("OutputBucket")["NotificationConfiguration"]
    assert notified == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}


def test_the_pace_begins_and_rises_as_pixian_asks() -> None:
    names = ("StartConcurrency", "MaxConcurrency", "RampMinutes")
    start, most, ramp = (TEMPLATE["Parameters"][name] for name in names)
    assert (start["Default"], most["Default"], ramp["Default"]) == (5, 25, 5)
    assert start["MinValue"] == most["MinValue"] == FEWEST_LANES
    assert ramp["MinValue"] == 1


def test_nothing_is_reserved_so_that_no_account_is_too_small_to_deploy() -> None:
    assert "ReservedConcurrentExecutions" not in TEXT


def test_the_pace_is_set_every_minute() -> None:
    schedule = properties("PaceSchedule")
    assert schedule["ScheduleExpression"] == "rate(1 minute)"
    assert schedule["Target"]["Arn"] == {"GetAtt": "PaceFunction.Arn"}


def test_nothing_replaces_the_published_documents() -> None:
    # If this fails, what changed would publish the first document again on every running stack, or
    # replace what all documents belong to: the parameters published since would be gone. Put the
    # change into documents; if it really has to be here, say so in the CHANGELOG.
    profile = properties("ConfigurationProfile")
    replacing = [
        *map(properties, ("FirstConfiguration", "FirstConfigurationDeployment", "AtOnce")),
        [profile[name] for name in ("ApplicationId", "LocationUri", "Type")],
        properties("ConfigurationEnvironment")["ApplicationId"],
    ]
    text = json.dumps(replacing, sort_keys=True)
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "4b858495770738c5"


@pytest.mark.parametrize("kept", [*BUCKETS, *(f"{bucket}Policy" for bucket in BUCKETS)])
def test_pictures_and_what_guards_them_outlive_the_stack(kept: str) -> None:
    assert RESOURCES[kept]["DeletionPolicy"] in {"Retain", "RetainExceptOnCreate"}
    assert RESOURCES[kept]["UpdateReplacePolicy"] == "Retain"


@pytest.mark.parametrize("bucket", BUCKETS)
def test_buckets_are_reached_over_tls_only(bucket: str) -> None:
    (policy,) = [
        resource["Properties"]
        for resource in RESOURCES.values()
        if resource["Type"] == "AWS::S3::BucketPolicy"
        and resource["Properties"]["Bucket"] == {"Ref": bucket}
    ]
    # And nothing lets anybody in from outside.
    (deny,) = policy["PolicyDocument"]["Statement"]
    assert deny["Effect"] == "Deny"
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


def rule_of(prefix: str) -> dict[str, Any]:
    resources = resolved(ExistingInputBucket="shop", InputPrefix=prefix)
    rule = resources["UploadRule"]["Properties"]
    assert isinstance(rule, dict)
    return rule


def is_allowed(parameter: str, value: str) -> bool:
    # CloudFormation matches the whole value, and each one of a list.
    pattern = TEMPLATE["Parameters"][parameter]["AllowedPattern"]
    return re.fullmatch(pattern, value) is not None


def endpoint_is_allowed(endpoint: str) -> bool:
    return is_allowed("PixianEndpoint", endpoint)


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
ALARMS = [name for name, thing in RESOURCES.items() if thing["Type"] == "AWS::CloudWatch::Alarm"]


@pytest.mark.parametrize("alarm", ALARMS)
def test_no_news_is_no_alarm(alarm: str) -> None:
    assert properties(alarm)["TreatMissingData"] == "notBreaching"


@pytest.mark.parametrize(
    "alarm", ["BlockedAlarm", "MaybeChargedAlarm", "MessageCrashesAlarm", "LowCreditsAlarm"]
)
def test_an_alarm_watches_a_metric_that_the_program_writes(alarm: str) -> None:
    watched = properties(alarm)
    source = inspect.getsource(telemetry) + inspect.getsource(metrics)
    assert watched["Namespace"] == metrics.NAMESPACE
    assert f'"{watched["MetricName"]}"' in source
    assert watched["Dimensions"] == [{"Name": "service", "Value": {"Ref": "AWS::StackName"}}]


def test_low_credits_are_watched_only_below_a_threshold_that_somebody_set() -> None:
    assert TEMPLATE["Parameters"]["LowCreditsThreshold"]["Default"] == 0
    assert RESOURCES["LowCreditsAlarm"]["Condition"] == "WatchesCredits"
    [[threshold, none]] = [
        each["Equals"] for each in TEMPLATE["Conditions"]["WatchesCredits"]["Not"]
    ]
    assert (threshold, none) == ({"Ref": "LowCreditsThreshold"}, 0)
    watched = properties("LowCreditsAlarm")
    assert watched["Threshold"] == threshold
    # The fewest of an hour, and below the threshold only.
    assert (watched["Statistic"], watched["ComparisonOperator"]) == ("Minimum", "LessThanThreshold")


def test_an_hour_without_a_balance_doesnt_end_the_alarm_on_low_credits() -> None:
    # PaceFunction asks every 60 to 61 minutes.
    watched = properties("LowCreditsAlarm")
    assert watched["Period"] == BALANCE_SECONDS
    assert (watched["EvaluationPeriods"], watched["DatapointsToAlarm"]) == (2, 1)


NOBODY = "DroppedEventsAlarm"
"""It asks nobody for anything, so it notifies nobody."""


@pytest.mark.parametrize("alarm", [alarm for alarm in ALARMS if alarm != NOBODY])
@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, []),
        ({"AlarmEmail": "me@example.org"}, ["AlarmTopic"]),
        ({"AlarmTopicArn": "arn:aws:sns:eu-central-1:1:mine"}, ["AlarmTopicArn"]),
        ({"AlarmEmail": "a@b.c", "AlarmTopicArn": "arn"}, ["AlarmTopicArn", "AlarmTopic"]),
    ],
)
def test_an_alarm_tells_when_it_begins_and_when_it_ends(
    alarm: str, given: dict[str, str], told: list[str]
) -> None:
    about = resolve(RESOURCES[alarm], given)["Properties"]
    assert about["AlarmActions"] == [{"Ref": name} for name in told]
    assert about["OKActions"] == about["AlarmActions"]


def test_one_alarm_tells_nobody() -> None:
    assert not {"AlarmActions", "OKActions"} & properties(NOBODY).keys()


@pytest.mark.parametrize("alarm", ALARMS)
def test_an_alarm_says_what_to_do(alarm: str) -> None:
    text = properties(alarm)["AlarmDescription"]
    text = text if isinstance(text, str) else text["Sub"]
    assert re.search(r"\b(Fix|Search|See|Buy|Increase|No action|Run `make \w+ STACK=)", text)
    # CloudWatch refuses more than 1,024 characters.
    assert len(text) < 900


def test_alarms_by_e_mail_come_from_a_topic_that_only_this_accounts_alarms_may_use() -> None:
    resources = resolved(AlarmEmail="me@example.org")
    assert resources.keys() - resolved().keys() == OF_EMAIL
    subscription = resources["AlarmSubscription"]["Properties"]
    assert subscription == {
        "TopicArn": {"Ref": "AlarmTopic"},
        "Protocol": "email",
        "Endpoint": {"Ref": "AlarmEmail"},
    }
    # CloudWatch can't publish to a topic that is encrypted with the key of SNS.
    assert "Properties" not in resources["AlarmTopic"]
    policy = resources["AlarmTopicPolicy"]["Properties"]
    assert policy["Topics"] == [{"Ref": "AlarmTopic"}]
    (statement,) = policy["PolicyDocument"]["Statement"]
    alarms = "arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}:alarm:*"
    assert statement == {
        "Sid": "NotifyOfAlarms",
        "Effect": "Allow",
        "Principal": {"Service": "cloudwatch.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": {"Ref": "AlarmTopic"},
        "Condition": {
            "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}},
            "ArnLike": {"aws:SourceArn": {"Sub": alarms}},
        },
    }


def test_an_e_mail_address_is_one() -> None:
    for address in ("", "me@example.org", "a.b+c@mail.example.co.uk"):
        assert is_allowed("AlarmEmail", address)
    for wrong in ("me", "me@example", "me@example.org, you@example.org", 'a"b@example.org', " "):
        assert not is_allowed("AlarmEmail", wrong)


def test_the_alarm_on_blocked_images_doesnt_end_between_two_attempts() -> None:
    # An image that is blocked comes back after 5 minutes, with a spent budget after 15, each time
    # up to two minutes late. Between two of them CloudWatch has no data.
    watched = properties("BlockedAlarm")
    longest = max(retry.BLOCKED_DELAY_SECONDS, retry.MAX_DELAY_SECONDS) + 120
    # The first and the last of the periods may have the two attempts.
    assert watched["Period"] * watched["EvaluationPeriods"] > longest
    # One blocked image is enough.
    assert (watched["DatapointsToAlarm"], watched["Threshold"]) == (1, 0)


# ---- Storage: what is deleted by itself ---------------------------------------------------------


def rules(bucket: str, **given: str) -> dict[str, dict[str, Any]]:
    """The lifecycle rules of a bucket that the stack creates."""
    found = resolved(**({"KeepSourcesDays": "0"} | given))[bucket]["Properties"]
    every = found["LifecycleConfiguration"]["Rules"]
    assert {rule["Status"] for rule in every} == {"Enabled"}
    return {rule["Id"]: rule for rule in every}


@pytest.mark.parametrize("bucket", BUCKETS)
def test_unfinished_uploads_and_old_versions_are_deleted(bucket: str) -> None:
    found = rules(bucket)
    assert found.keys() == {"abort-unfinished-uploads", "expire-old-versions"}
    unfinished, old = found.values()
    assert unfinished["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    assert old["NoncurrentVersionExpiration"] == {"NoncurrentDays": {"Ref": "KeepOldVersionsDays"}}
    assert old["ExpiredObjectDeleteMarker"] is True
    # Nothing that somebody sees in the bucket goes away.
    assert not [rule for rule in found.values() if "ExpirationInDays" in rule or "Prefix" in rule]


@pytest.mark.parametrize("prefix", ["", "photos/"])
def test_sources_are_deleted_if_somebody_wants_that(prefix: str) -> None:
    rule = rules("InputBucket", KeepSourcesDays="90", InputPrefix=prefix)["expire-sources"]
    assert rule["ExpirationInDays"] == {"Ref": "KeepSourcesDays"}
    # Only what is processed.
    assert rule.get("Prefix") == (prefix or None)
    assert "expire-sources" not in rules("OutputBucket", KeepSourcesDays="90")


def test_by_default_old_versions_are_kept_for_thirty_days_and_sources_for_ever() -> None:
    versions, sources = (
        TEMPLATE["Parameters"][name] for name in ("KeepOldVersionsDays", "KeepSourcesDays")
    )
    assert (versions["Default"], versions["MinValue"]) == (30, 1)
    assert (sources["Default"], sources["MinValue"]) == (0, 0)


def test_layers_are_named_by_the_stack_and_dont_pile_up() -> None:
    layers = {
        name: thing["Properties"]
        for name, thing in RESOURCES.items()
        if thing["Type"] == "AWS::Serverless::LayerVersion"
    }
    assert {name: layer["LayerName"]["Sub"] for name, layer in layers.items()} == {
        "DependenciesLayer": "${AWS::StackName}-dependencies",
        "CommonLayer": "${AWS::StackName}-common",
    }
    assert {layer["RetentionPolicy"] for layer in layers.values()} == {"Delete"}


def test_the_dashboard_is_found_by_its_output() -> None:
    url = TEMPLATE["Outputs"]["DashboardUrl"]["Value"]["Sub"]
    assert url.endswith("?region=${AWS::Region}#dashboards/dashboard/${Dashboard}")
    # The name is one for all regions.
    assert properties("Dashboard")["DashboardName"] == {"Sub": "${AWS::StackName}-${AWS::Region}"}


@pytest.mark.parametrize("alarm", ALARMS)
def test_operations_say_what_to_do_about_an_alarm(alarm: str) -> None:
    assert f"`{alarm}`" in OPERATIONS.read_text()


# ---- Permissions: who may do what, in full ------------------------------------------------------

TEST_RESULTS = [f"OutputBucket/*.{suffix}" for suffix in ("png", "jpg", "png.json", "jpg.json")]
PROCESSING_AN_IMAGE = {
    "InputBucket/*": "s3:GetObject s3:GetObjectVersion s3:GetObjectTagging"
    " s3:GetObjectVersionTagging",
    "OutputBucket": "s3:ListBucket",
    "OutputBucket/*": "s3:GetObject s3:PutObject s3:PutObjectTagging s3:AbortMultipartUpload",
    "OutputBucket/*.error.json": "s3:DeleteObject",
    **dict.fromkeys(TEST_RESULTS, "s3:DeleteObject"),
    "CredentialsSecret": "secretsmanager:GetSecretValue",
    "ConfigurationProfile": "appconfig:StartConfigurationSession appconfig:GetLatestConfiguration",
    TABLE: "dynamodb:UpdateItem",
    "RetryQueue": "sqs:SendMessage",
    "DeadLetterQueue": "sqs:SendMessage",
}
WRITE_LOG = "logs:CreateLogStream logs:PutLogEvents"
RECEIVE = " sqs:ReceiveMessage sqs:DeleteMessage sqs:GetQueueAttributes"
PERMISSIONS = {
    "UploadRole": PROCESSING_AN_IMAGE | {"UploadLog": WRITE_LOG},
    "RetryRole": PROCESSING_AN_IMAGE
    | {"RetryLog": WRITE_LOG, "RetryQueue": PROCESSING_AN_IMAGE["RetryQueue"] + RECEIVE},
    "PaceRole": {
        "RetryQueue": "sqs:GetQueueAttributes",
        TABLE: "dynamodb:GetItem dynamodb:UpdateItem",
        "UploadFunction": "lambda:PutFunctionConcurrency",
        "RetryFunctionRetries": "lambda:UpdateEventSourceMapping",
        "CredentialsSecret": "secretsmanager:GetSecretValue",
        "event-bus/default": "events:PutEvents",
        # CloudWatch can't limit it to some metrics.
        "*": "cloudwatch:GetMetricData",
        "PaceLog": WRITE_LOG,
    },
    "ScheduleRole": {"PaceFunction": "lambda:InvokeFunction"},
}
KEYS = {"BucketKmsKeyArns": "kms:Decrypt kms:GenerateDataKey"}
_BUCKETS = {properties(bucket)["BucketName"]["Sub"]: bucket for bucket in BUCKETS}
EXISTING = {"ExistingInputBucket": "shop", "ExistingOutputBucket": "results"}
KEY = "arn:aws:kms:eu-central-1:123456789012:key/1"


@pytest.mark.parametrize("given", [{}, {"BucketKmsKeyArns": KEY}, EXISTING], ids=str)
@pytest.mark.parametrize("role", PERMISSIONS)
def test_a_role_has_these_permissions_and_no_other(role: str, given: dict[str, str]) -> None:
    processes = PERMISSIONS[role].keys() >= PROCESSING_AN_IMAGE.keys()
    has_keys = processes and "BucketKmsKeyArns" in given
    permissions = PERMISSIONS[role] | (KEYS if has_keys else {})
    # An existing bucket may hold the originals, too.
    kept = TEST_RESULTS if "ExistingOutputBucket" in given else []
    wanted = [
        (on, action)
        for on, actions in permissions.items()
        for action in actions.split()
        if on not in kept
    ]
    # Once each: of two statements that allow the same, one is spare.
    assert Counter(_permissions(role, given)) == Counter(wanted)


def test_the_keys_of_buckets_are_used_through_s3_only() -> None:
    statements = _resolved_policy({"BucketKmsKeyArns": KEY})
    (statement,) = [each for each in statements if "Condition" in each]
    assert statement["Sid"] == "UseKeysOfBuckets"
    through_s3 = {"Sub": "s3.${AWS::Region}.amazonaws.com"}
    assert statement["Condition"] == {"StringEquals": {"kms:ViaService": through_s3}}


def _resolved_policy(given: dict[str, str]) -> list[dict[str, Any]]:
    policy = resolved(**given)["ProcessPolicy"]["Properties"]["PolicyDocument"]
    return list(policy["Statement"])


def test_there_are_no_permissions_but_those_of_the_roles() -> None:
    managed = {"ProcessPolicy"}
    iam = {name for name, each in RESOURCES.items() if each["Type"].startswith("AWS::IAM::")}
    assert iam == PERMISSIONS.keys() | managed
    attached = {
        policy["Ref"]
        for role in PERMISSIONS
        for policy in properties(role).get("ManagedPolicyArns", [])
    }
    assert attached == managed
    assert not [name for name in FUNCTIONS if "Policies" in properties(name)]
    kinds = {each["Type"].split("::")[-1] for each in RESOURCES.values()}
    found = {kind for kind in kinds if "Policy" in kind}
    assert found == {"ManagedPolicy", "BucketPolicy", "QueuePolicy", "TopicPolicy"}


def test_each_function_has_a_role_of_its_own_and_so_has_the_schedule() -> None:
    roles = [properties(name)["Role"] for name in FUNCTIONS]
    roles.append(properties("PaceSchedule")["Target"]["RoleArn"])
    assert roles == [{"GetAtt": f"{role}.Arn"} for role in PERMISSIONS]


def _permissions(role: str, given: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Each resource that a role is allowed something on, by its name, and the action."""
    resources = resolved(**given)
    about = resources[role]["Properties"]
    policies = about.get("Policies", [])
    attached = [resources[each["Ref"]]["Properties"] for each in about.get("ManagedPolicyArns", [])]
    for policy in (*policies, *attached):
        for statement in policy["PolicyDocument"]["Statement"]:
            allowed = {"Sid", "Effect", "Action", "Resource"}
            limits = {"Condition"} if statement.get("Sid") == "UseKeysOfBuckets" else set()
            assert statement.keys() == allowed | limits or statement.keys() == allowed - {"Sid"}
            assert statement["Effect"] == "Allow"
            for resource in _listed(statement["Resource"]):
                for action in _listed(statement["Action"]):
                    yield _named(resource), action


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


DEFAULT_BUS = "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:event-bus/default"


def _named(resource: dict[str, Any] | str) -> str:
    """The resource by its name in the template, with what follows it in an ARN."""
    if isinstance(resource, str):
        return resource
    if resource == {"Sub": DEFAULT_BUS}:
        return "event-bus/default"
    [(how, text)] = resource.items()
    if how == "Ref":
        assert text in KEYS
        return str(text)
    if how == "Sub" and isinstance(text, list):
        start, bucket, rest = text[0].partition("${Bucket}")
        assert (start, bucket) == ("arn:${AWS::Partition}:s3:::", "${Bucket}")
        return f"{_bucket(text[1]['Bucket'])}{rest}"
    if how == "GetAtt":
        name, _, attribute = str(text).partition(".")
        assert attribute in {"Arn", "Id"}
        return name
    # Any other that is spelled out ends with the name of the one resource.
    named = re.fullmatch(r"arn:\$\{AWS::Partition\}:[^*\s]+[:/]\$\{(\w+)\}(/\*[.\w]+)?", text)
    assert named, text
    return named[1] + (named[2] or "")


def _bucket(name: object) -> str:
    """A bucket that is named by its output, by its name or by the parameter that gives it."""
    existing = {value: parameter.removeprefix("Existing") for parameter, value in EXISTING.items()}
    if isinstance(name, str):
        return existing[name]
    assert isinstance(name, dict)
    [(how, text)] = name.items()
    return str(text if how == "Ref" else _BUCKETS[text])
