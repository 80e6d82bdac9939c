"""What is said if a stack can't be found."""

import boto3
import pytest
from botocore.exceptions import NoRegionError

from admin import stack
from admin.errors import UserError
from admin.stack import LocalStack, chosen
from tests.unit.admin.stacks import LOCAL


def _no_region(*_: object) -> None:
    raise NoRegionError


@pytest.mark.parametrize("is_local", [True, False])
def test_who_names_a_stack_in_aws_without_a_region_is_told_what_to_do(
    monkeypatch: pytest.MonkeyPatch, *, is_local: bool
) -> None:
    running = LocalStack(**dict.fromkeys(LOCAL, "x"), outputs={}) if is_local else None
    monkeypatch.setattr(stack, "running_here", lambda _: running)
    monkeypatch.setattr(boto3, "client", _no_region)
    with pytest.raises(UserError) as told:
        chosen("pixian-s3")
    assert "AWS_PROFILE=default and REGION=eu-central-1" in str(told.value)
    assert ("To use the local stack, leave STACK= out" in str(told.value)) is is_local
