"""What CloudFormation knows of a stack, by its name."""

from collections.abc import Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

type Described = Mapping[str, Any]
"""A stack as DescribeStacks returns it."""


def describe(cloudformation: Any, name: str) -> Described | None:  # noqa: ANN401 - see Stack.client
    """A stack; None if there is none of this name.

    Raises:
        ClientError: AWS answered with another error.
    """
    try:
        [found] = cloudformation.describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    return dict(found)


def values(described: Described | None) -> dict[str, str]:
    """The values of a stack's parameters; none without a stack."""
    given = (described or {}).get("Parameters", [])
    return {each["ParameterKey"]: each["ParameterValue"] for each in given}


def failures(cloudformation: Any, name: str) -> Iterator[str]:  # noqa: ANN401 - see Stack.client
    """Why a stack's last operation failed, as `resource: reason`, the first failure first."""
    found = list[str]()
    for page in cloudformation.get_paginator("describe_stack_events").paginate(StackName=name):
        for event in page["StackEvents"]:
            reason = event.get("ResourceStatusReason", "")
            status = event.get("ResourceStatus", "")
            if status.endswith("_FAILED") and "cancelled" not in reason:
                found.append(f"{event['LogicalResourceId']}: {reason}")
            is_stack = event["PhysicalResourceId"] == event["StackId"]
            if is_stack and reason == "User Initiated":
                yield from reversed(found)
                return
    yield from reversed(found)


def buckets(cloudformation: Any, name: str) -> dict[str, str]:  # noqa: ANN401 - see Stack.client
    """The buckets that a stack created, by their logical ID; not those that it was given."""
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=name)
    return {
        each["LogicalResourceId"]: each["PhysicalResourceId"]
        for page in pages
        for each in page["StackResourceSummaries"]
        if each["ResourceType"] == "AWS::S3::Bucket" and each.get("PhysicalResourceId")
    }
