"""What nobody but an administrator may do, each as one call that would do it.

In the arguments `{Name}` stands for an output of the stack, or for something of somebody else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Temptation:
    """A call to a service; `harmless` if an administrator may make it to see that it works."""

    service: str
    action: str
    arguments: Mapping[str, Any]
    harmless: bool = True

    def __str__(self) -> str:
        about = " ".join(str(value) for value in self.arguments.values())
        return f"{self.service}:{self.action} {about[:60]}"

    def filled(self, names: Mapping[str, str]) -> dict[str, Any]:
        """The arguments with the names in their places."""
        return {name: _filled(value, names) for name, value in self.arguments.items()}


def _filled(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _filled(inner, names) for name, inner in value.items()}
    if isinstance(value, str) and value.startswith("{") and value[1:-1] in names:
        return names[value[1:-1]]
    return value


class Service:
    """Makes temptations of one service, with arguments that its calls have in common."""

    def __init__(self, name: str, **common: Any) -> None:
        self._name = name
        self._common = common

    def try_(self, action: str, **arguments: Any) -> Temptation:
        return Temptation(self._name, action, self._common | arguments)

    def only_try(self, action: str, **arguments: Any) -> Temptation:
        """What would do harm if an administrator did it."""
        return Temptation(self._name, action, self._common | arguments, harmless=False)


SCRATCH = "p/disabled/scratch.png"
NAMED, ITEM = {"Key": SCRATCH}, {"id": {"S": "x"}}
DOCUMENT = (
    '{"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}'
)

s3 = Service("s3")
other = Service("s3", Bucket="{OtherBucket}")
sources = Service("s3", Bucket="{InputBucket}")
results = Service("s3", Bucket="{OutputBucket}")
secrets = Service("secretsmanager")
credentials = Service("secretsmanager", SecretId="{CredentialsSecretArn}")
appconfig = Service(
    "appconfig",
    ApplicationId="{ConfigurationApplication}",
    ConfigurationProfileId="{ConfigurationProfile}",
)
retries = Service("sqs", QueueUrl="{RetryQueueUrl}")
letters = Service("sqs", QueueUrl="{DeadLetterQueueUrl}")
messages = Service("sqs", QueueUrl="{OtherQueue}")
claims = Service("dynamodb", TableName="{LeaseTable}")
table = Service("dynamodb", TableName="{OtherTable}")
lambda_ = Service("lambda")
upload = Service("lambda", FunctionName="{UploadFunction}")
retry = Service("lambda", FunctionName="{RetryFunction}")
pace = Service("lambda", FunctionName="{PaceFunction}")
schedule = Service("scheduler", Name="{PaceSchedule}")
iam = Service("iam")
role = Service("iam", RoleName="{UploadRole}")
sts = Service("sts", RoleSessionName="mine")
logs = Service("logs")
log = Service("logs", logGroupName="{UploadLog}")


def _of_a_bucket(bucket: Service) -> list[Temptation]:
    return [
        bucket.try_("list_object_versions"),
        bucket.try_("delete_object", Key=SCRATCH + ".old"),
        bucket.try_("delete_object_tagging", **NAMED),
        bucket.try_("get_bucket_policy"),
        bucket.only_try("put_bucket_policy", Policy=DOCUMENT),
        bucket.only_try("delete_bucket_policy"),
        bucket.try_("put_bucket_versioning", VersioningConfiguration={"Status": "Enabled"}),
        bucket.only_try("put_bucket_notification_configuration", NotificationConfiguration={}),
        bucket.only_try("delete_bucket"),
    ]


TEMPTATIONS = [
    s3.try_("list_buckets"),
    other.try_("list_objects_v2"),
    other.try_("get_object", **NAMED),
    other.try_("put_object", Body="", **NAMED),
    other.try_("delete_object", Key=SCRATCH + ".old"),
    sources.try_("list_objects_v2"),
    *_of_a_bucket(sources),
    *_of_a_bucket(results),
    sources.only_try("delete_object", VersionId="{InputVersion}", **NAMED),
    results.only_try("delete_object", VersionId="{OutputVersion}", **NAMED),
    results.try_("get_object", VersionId="{OutputVersion}", **NAMED),
    secrets.try_("list_secrets"),
    secrets.try_("get_secret_value", SecretId="{OtherSecret}"),
    credentials.try_("describe_secret"),
    credentials.only_try("put_secret_value", SecretString="{}"),
    credentials.only_try("delete_secret"),
    Service("appconfig").try_("list_applications"),
    appconfig.try_(
        "create_hosted_configuration_version",
        Content='{"defaults": {"test": false}}',
        ContentType="application/json",
    ),
    appconfig.only_try(
        "start_deployment",
        EnvironmentId="{ConfigurationEnvironment}",
        ConfigurationVersion="1",
        DeploymentStrategyId="{ConfigurationStrategy}",
    ),
    Service("sqs").try_("list_queues"),
    letters.try_("receive_message"),
    letters.only_try("purge_queue"),
    letters.only_try("delete_queue"),
    retries.only_try("purge_queue"),
    retries.only_try("delete_queue"),
    retries.try_("set_queue_attributes", Attributes={"VisibilityTimeout": "1800"}),
    messages.try_("send_message", MessageBody="x"),
    messages.try_("receive_message"),
    Service("dynamodb").try_("list_tables"),
    claims.try_("scan"),
    claims.try_(
        "query", KeyConditionExpression="id = :id", ExpressionAttributeValues={":id": ITEM["id"]}
    ),
    claims.only_try("delete_table"),
    table.try_("get_item", Key=ITEM),
    table.try_("put_item", Item=ITEM),
    table.try_("delete_item", Key=ITEM),
    upload.try_("invoke", Payload='{"Records": []}'),
    upload.try_("get_function"),
    upload.only_try("update_function_code", S3Bucket="{OutputBucket}", S3Key="code.zip"),
    upload.only_try("update_function_configuration", Handler="mine.handler"),
    upload.only_try("delete_function"),
    retry.only_try("put_function_concurrency", ReservedConcurrentExecutions=1),
    pace.try_("invoke", Payload="{}"),
    pace.only_try("update_function_code", S3Bucket="{OutputBucket}", S3Key="code.zip"),
    pace.only_try("update_function_configuration", Handler="mine.handler"),
    schedule.try_("get_schedule"),
    schedule.only_try(
        "update_schedule",
        ScheduleExpression="rate(1 day)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": "{PaceRoleArn}", "RoleArn": "{ScheduleRoleArn}"},
    ),
    schedule.only_try("delete_schedule"),
    lambda_.only_try(
        "create_function",
        FunctionName="mine",
        Runtime="python3.13",
        Handler="mine.handler",
        Role="{UploadRoleArn}",
        Code={"S3Bucket": "{OutputBucket}", "S3Key": "code.zip"},
    ),
    iam.try_("list_roles"),
    iam.only_try("create_user", UserName="mine"),
    role.try_("attach_role_policy", PolicyArn="{ProcessPolicyArn}"),
    role.only_try("put_role_policy", PolicyName="mine", PolicyDocument=DOCUMENT),
    sts.only_try("assume_role", RoleArn="{RetryRoleArn}"),
    sts.try_("assume_role", RoleArn="{OtherRoleArn}"),
    logs.try_("describe_log_groups"),
    log.try_("filter_log_events"),
    log.only_try("delete_log_group"),
    Service("cloudformation").try_("describe_stacks"),
]

# Only RetryFunction's own queue is polled for it.
POLLING = [retries.try_("receive_message")]

# What PaceFunction alone may. It may change the retry queue's event source mapping, too, but the
# local AWS lets everybody do that (test_privileges.py).
PACING = [upload.try_("put_function_concurrency", ReservedConcurrentExecutions=3)]

# What everybody may but PaceFunction.
COLLECTING = [results.try_("get_object", **NAMED)]

# What all functions may, and no uploader.
REMEMBERING = [
    claims.try_("get_item", Key=ITEM),
    claims.try_("update_item", Key=ITEM),
]

# What the functions that process images may, and neither PaceFunction nor an uploader.
PROCESSING = [
    sources.try_("get_object", **NAMED),
    results.try_("list_objects_v2"),
    results.try_("put_object", Body="", **NAMED),
    results.try_("put_object", Key=SCRATCH + ".error.json", Body=""),
    results.try_("delete_object", Key=SCRATCH + ".error.json"),
    credentials.try_("get_secret_value"),
    retries.only_try("send_message", MessageBody="{}"),
    letters.only_try("send_message", MessageBody="{}"),
    claims.try_("put_item", Item=ITEM),
    claims.try_("delete_item", Key=ITEM),
]
