"""What is checked before a deployment begins."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from admin.cloudformation import Described, describe, failures
from admin.errors import UserError

GUIDE = "docs/deploying.md"

_MAX_NAME = 28
"""S3 allows 63 characters for a bucket: this name, `-output-`, the account and the region."""

_UNRESERVED = 100
"""The concurrent executions that Lambda keeps for functions without a reservation."""

_FAILED_CREATION = ("CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED")

PERMISSIONS: Mapping[str, tuple[str, ...]] = {
    "arn:{partition}:cloudformation:{region}:{account}:stack/{stack}/*": (
        "cloudformation:CreateChangeSet",
        "cloudformation:ExecuteChangeSet",
    ),
    "arn:{partition}:s3:::{stack}-input-{account}-{region}": (
        "s3:CreateBucket",
        "s3:PutBucketPolicy",
        "s3:PutBucketNotification",
        "s3:PutLifecycleConfiguration",
    ),
    "arn:{partition}:iam::{account}:role/{stack}-UploadRole-x": (
        "iam:CreateRole",
        "iam:PutRolePolicy",
        "iam:AttachRolePolicy",
    ),
    "arn:{partition}:iam::{account}:policy/{stack}-ProcessPolicy-x": ("iam:CreatePolicy",),
    "arn:{partition}:lambda:{region}:{account}:function:{stack}-UploadFunction-x": (
        "lambda:CreateFunction",
    ),
    "arn:{partition}:sqs:{region}:{account}:{stack}-RetryQueue-x": ("sqs:CreateQueue",),
    "arn:{partition}:dynamodb:{region}:{account}:table/{stack}-LeaseTable-x": (
        "dynamodb:CreateTable",
    ),
    "arn:{partition}:scheduler:{region}:{account}:schedule/default/{stack}-PaceSchedule-x": (
        "scheduler:CreateSchedule",
    ),
    "arn:{partition}:cloudwatch::{account}:dashboard/{stack}-{region}": (
        "cloudwatch:PutDashboard",
    ),
    "*": ("appconfig:CreateApplication",),
}
"""A part of what a deployment takes, by resource: enough to find a service that is missing."""


@dataclass(frozen=True)
class Target:
    """Where a stack is deployed to, and by whom; also a Stack, without its outputs.

    Attributes:
        stack_name: The stack's name.
        region: As in eu-central-1.
        account: Its ID.
        caller: The ARN of the user or the session of a role.
    """

    stack_name: str
    region: str
    account: str
    caller: str
    outputs: Mapping[str, str] = field(default_factory=dict)

    def client(self, service: str) -> Any:  # noqa: ANN401 - see Stack.client
        """A client with the credentials from the environment."""
        return boto3.client(service, region_name=self.region)  # type: ignore[call-overload]

    def fill(self, template: str) -> str:
        """An ARN with what is in braces replaced."""
        return template.format(
            partition=self.caller.split(":")[1],
            region=self.region,
            account=self.account,
            stack=self.stack_name,
        )

    @property
    def buckets(self) -> dict[str, str]:
        """The names that the template gives to the buckets, by the parameter that replaces each."""
        return {
            f"Existing{kind}Bucket": self.fill(f"{{stack}}-{kind.lower()}-{{account}}-{{region}}")
            for kind in ("Input", "Output")
        }


def require_no_redirection(environment: Mapping[str, str]) -> None:
    """Check that AWS is meant, not a local stack.

    Raises:
        UserError: A variable leads elsewhere.
    """
    if redirected := [name for name in environment if name.startswith("AWS_ENDPOINT_URL")]:
        raise UserError(
            f"{redirected[0]} is set, so this command wouldn't deploy to AWS. "
            f"Unset it first: unset {' '.join(redirected)}"
        )


def find_target(stack_name: str, remembered_region: str) -> Target:
    """The account and region that the environment selects.

    Args:
        stack_name: The stack's name.
        remembered_region: The region if the environment has none; empty for none.

    Raises:
        UserError: The name can't be used, or AWS can't be reached with these settings.
    """
    if not re.fullmatch(rf"[a-z](?:[a-z0-9-]{{0,{_MAX_NAME - 2}}}[a-z0-9])?", stack_name):
        raise UserError(
            f"{stack_name} can't be the name of the stack, because its buckets are named after it. "
            "Use lower-case letters, digits and hyphens, begin with a letter, and use at most "
            f"{_MAX_NAME} characters."
        )
    session = boto3.Session()
    region = session.region_name or remembered_region
    if not region:
        raise UserError(
            "No AWS region is set. Name one, as in `make deploy REGION=eu-central-1`, or set it "
            "for all commands: export AWS_DEFAULT_REGION=eu-central-1"
        )
    try:
        identity = boto3.client("sts", region_name=region).get_caller_identity()
    except (BotoCoreError, ClientError) as error:
        unknown = region not in session.get_available_regions("lambda")
        hint = f"\n{region} may be misspelt: it isn't among the known regions." if unknown else ""
        raise UserError(
            f"Can't use your AWS credentials: {error}{hint}\n"
            "Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. If they have "
            "expired, sign in again (aws sso login)."
        ) from error
    return Target(stack_name, region, identity["Account"], identity["Arn"])


def current(target: Target) -> Described | None:
    """The stack as it is; None if it doesn't exist yet.

    Raises:
        UserError: It may not be read.
    """
    try:
        found = describe(target.client("cloudformation"), target.stack_name)
    except ClientError as error:
        raise UserError(
            f"Can't look the stack up: {error}\n{GUIDE} lists the permissions."
        ) from error
    # A change set that was never executed leaves this behind.
    return None if found and found["StackStatus"] == "REVIEW_IN_PROGRESS" else found


def problems(target: Target, stack: Described | None, values: Mapping[str, str]) -> Iterator[str]:
    """What would make the deployment fail, and what to do.

    Args:
        target: Where to.
        stack: What is there already.
        values: Those of the template's parameters.
    """
    if stack is None:
        for parameter, bucket in target.buckets.items():
            if not values.get(parameter) and _exists(target.client("s3"), bucket):
                yield (
                    f"The bucket {bucket} exists already, perhaps of a deleted stack. Deploy under "
                    "another name (STACK=…), or empty and delete the bucket first."
                )
    elif not stack.get("Description", "").startswith("pixian-s3"):
        yield f"The stack {target.stack_name} is another program's. Choose another name: STACK=…"
    elif problem := _problem_of_state(target, stack["StackStatus"]):
        yield problem


def _problem_of_state(target: Target, status: str) -> str | None:
    name = target.stack_name
    if status in _FAILED_CREATION:
        return (
            f"The creation of the stack {name} failed ({status}).{_reasons(target)}\nFix the "
            f"cause, delete the stack with `make delete STACK={name}`, and deploy again."
        )
    if status == "DELETE_FAILED":
        return (
            f"The deletion of the stack {name} failed.{_reasons(target)}\nRun `make delete "
            f"STACK={name}`, then deploy again."
        )
    if status == "UPDATE_ROLLBACK_FAILED":
        return (
            f"An update of {name} failed, and couldn't be undone ({status}).{_reasons(target)}\n"
            "Finish that in the CloudFormation console (“Continue update rollback”), or run\n"
            f"aws cloudformation continue-update-rollback --stack-name {name}"
        )
    if status.endswith("_IN_PROGRESS"):
        return f"The stack {name} is being changed ({status}). Wait until that is done."
    return None


def _reasons(target: Target) -> str:
    found = failures(target.client("cloudformation"), target.stack_name)
    return "".join(f"\n  {reason}" for reason in found)


def _exists(s3: Any, bucket: str) -> bool:  # noqa: ANN401 - see Stack.client
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError as error:
        # It may be another account's, or in another region.
        return str(error.response.get("Error", {}).get("Code")) != "404"
    return True


def notes(target: Target, stack: Described | None, values: Mapping[str, str]) -> Iterator[str]:
    """What may make trouble, and what couldn't be checked; arguments as for `problems`."""
    if stack and stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE":
        yield f"The last update failed and was undone.{_reasons(target)}"
    yield from _limits(target, stack, int(float(values.get("MaxConcurrency", 0))))
    yield from _permissions(target)


def _limits(target: Target, stack: Described | None, wanted: int) -> Iterator[str]:
    try:
        account = target.client("lambda").get_account_settings()["AccountLimit"]
    except ClientError as error:
        yield f"Lambda's limits couldn't be checked: {error}"
        return
    total, unreserved = account["ConcurrentExecutions"], account["UnreservedConcurrentExecutions"]
    more = (
        "Ask AWS for more in the Service Quotas console, under AWS Lambda, “Concurrent executions”."
    )
    if total < wanted:
        yield (
            f"Lambda runs at most {total} functions at a time in this account and region, fewer "
            f"than MaxConcurrency, {wanted}. Images may then fail for want of capacity. Deploy "
            f'with PARAMETERS="MaxConcurrency={max(total - 3, 3)}" for now. {more}'
        )
    # A stack that exists has its reservation already.
    elif stack is None and unreserved - wanted < _UNRESERVED:
        yield (
            f"Lambda has {unreserved} unreserved concurrent executions left in this account and "
            f"region. The stack works, but can't reserve {wanted} of them for uploads. {more}"
        )


def _permissions(target: Target) -> Iterator[str]:
    """What IAM's simulation says is missing; it doesn't know all kinds of policies."""
    if target.caller.endswith(":root"):
        return
    try:
        denied = list(_denied(target))
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code")
        yield f"Your permissions couldn't be checked ({code}). {GUIDE} lists those that it takes."
        return
    if denied:
        yield (
            f"You seem to lack these permissions, so the deployment may fail: {', '.join(denied)}. "
            f"{GUIDE} has a policy with all that it takes."
        )


def _denied(target: Target) -> Iterator[str]:
    iam = target.client("iam")
    principal = target.caller
    # arn:aws:sts::123456789012:assumed-role/NAME/SESSION, without the role's path
    if ":assumed-role/" in principal:
        principal = iam.get_role(RoleName=principal.split("/")[1])["Role"]["Arn"]
    for resource, actions in PERMISSIONS.items():
        answer = iam.simulate_principal_policy(
            PolicySourceArn=principal,
            ActionNames=list(actions),
            ResourceArns=[target.fill(resource)],
        )
        for result in answer["EvaluationResults"]:
            if result["EvalDecision"] != "allowed":
                yield result["EvalActionName"]
