"""What is checked before a deployment begins."""

import json
import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import boto3
import pytest

from admin import preflight
from admin.cloudformation import Described
from admin.errors import UserError
from admin.preflight import Target, current, find_target, notes, problems, require_no_redirection
from tests.template import ROOT, TEMPLATE, properties
from tests.unit.admin.stacks import REGION, FakeCloudFormation, client_error, event

NAME = "pixian-s3"
ACCOUNT = "123456789012"
USER = f"arn:aws:iam::{ACCOUNT}:user/ann"
STACK = {"StackStatus": "UPDATE_COMPLETE", "Description": "pixian-s3: upload an image …"}


@dataclass
class Iam:
    """What a principal may not do, and which it was."""

    denied: tuple[str, ...] = ()
    refusal: Exception | None = None
    asked: set[str] = field(default_factory=set)

    def get_role(self, *, RoleName: str) -> dict[str, Any]:  # noqa: N803
        return {"Role": {"Arn": f"arn:aws:iam::{ACCOUNT}:role/path/{RoleName}"}}

    def simulate_principal_policy(
        self,
        *,
        PolicySourceArn: str,  # noqa: N803
        ActionNames: list[str],  # noqa: N803
        **_: object,
    ) -> dict[str, Any]:
        if self.refusal:
            raise self.refusal
        self.asked.add(PolicySourceArn)
        return {
            "EvaluationResults": [
                {
                    "EvalActionName": action,
                    "EvalDecision": "implicitDeny" if action in self.denied else "allowed",
                }
                for action in ActionNames
            ]
        }


@dataclass
class Lambda:
    total: int = 1000
    unreserved: int = 1000

    def get_account_settings(self) -> dict[str, Any]:
        limits = {
            "ConcurrentExecutions": self.total,
            "UnreservedConcurrentExecutions": self.unreserved,
        }
        return {"AccountLimit": limits}


@dataclass
class Account:
    """The services of an account, for `Target.client`."""

    cloudformation: FakeCloudFormation = field(default_factory=FakeCloudFormation)
    iam: Iam = field(default_factory=Iam)
    functions: Lambda = field(default_factory=Lambda)

    def client(self, service: str) -> Any:
        mine = {"cloudformation": self.cloudformation, "iam": self.iam, "lambda": self.functions}
        return mine.get(service) or boto3.client(service)  # type: ignore[call-overload]


@pytest.fixture
def account(
    aws: None,  # noqa: ARG001 - it sets the environment
    monkeypatch: pytest.MonkeyPatch,
) -> Account:
    account = Account()
    monkeypatch.setattr(Target, "client", lambda _, service: account.client(service))
    return account


def target(caller: str = USER) -> Target:
    return Target(NAME, REGION, ACCOUNT, caller)


def told(stack: Described | None, **values: str) -> str:
    return "\n".join(problems(target(), stack, values))


def noted(stack: Described | None = None, *, caller: str = USER, most: int = 25) -> str:
    return "\n".join(notes(target(caller), stack, {"MaxConcurrency": str(most)}))


def test_a_local_stack_left_in_the_environment_is_refused() -> None:
    require_no_redirection({"AWS_PROFILE": "me"})
    with pytest.raises(UserError, match="unset AWS_ENDPOINT_URL AWS_ENDPOINT_URL_S3"):
        require_no_redirection({"AWS_ENDPOINT_URL": "https://127.0.0.1", "AWS_ENDPOINT_URL_S3": ""})


@pytest.mark.usefixtures("no_aws_account")
def test_it_says_how_to_set_a_region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(UserError, match="make deploy REGION=eu-central-1"):
        find_target(NAME, "")


@pytest.mark.usefixtures("no_aws_account")
def test_it_says_how_to_set_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    with pytest.raises(UserError, match="Set AWS_PROFILE"):
        find_target(NAME, "")


@pytest.mark.usefixtures("aws")
def test_account_and_region_come_from_the_environment() -> None:
    found = find_target(NAME, "eu-west-1")
    assert (found.account, found.region) == (ACCOUNT, REGION)


@pytest.mark.usefixtures("aws")
def test_the_region_of_the_last_deployment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert find_target(NAME, "eu-west-1").region == "eu-west-1"


@pytest.mark.parametrize("name", ["Pixian", "9lives", "a_b", "ends-", "x" * 29, "ä", ""])
def test_a_name_that_no_bucket_could_have_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="can't be the name of the stack"):
        find_target(name, REGION)


def test_the_longest_name_leaves_room_for_the_longest_region() -> None:
    longest = Target("x" * 28, "ap-southeast-1", ACCOUNT, USER)
    assert max(len(bucket) for bucket in longest.buckets.values()) == 63


def test_a_new_stack_has_no_problems(account: Account) -> None:
    assert current(target()) is None
    account.cloudformation.described = STACK | {"StackStatus": "REVIEW_IN_PROGRESS"}
    assert current(target()) is None
    assert told(None) == ""


def test_a_stack_that_may_not_be_read_is_told(account: Account) -> None:
    account.cloudformation.refusal = client_error("AccessDenied", "not authorized")
    with pytest.raises(UserError, match=r"not authorized(?s:.*)docs/deploying.md"):
        current(target())


@pytest.mark.usefixtures("account")
def test_a_bucket_that_a_deleted_stack_left_is_told() -> None:
    bucket = target().buckets["ExistingInputBucket"]
    boto3.client("s3").create_bucket(
        Bucket=bucket,
        CreateBucketConfiguration={"LocationConstraint": REGION},  # type: ignore[typeddict-item]
    )
    assert told(None).startswith(f"The bucket {bucket} exists already")
    assert told(None, ExistingInputBucket="mine") == ""
    assert told(STACK) == ""


def test_the_names_of_the_buckets_are_those_of_the_template() -> None:
    parameters = {
        "${AWS::StackName}": NAME,
        "${AWS::AccountId}": ACCOUNT,
        "${AWS::Region}": REGION,
    }
    names = [properties(bucket)["BucketName"]["Sub"] for bucket in ("InputBucket", "OutputBucket")]
    for parameter, value in parameters.items():
        names = [name.replace(parameter, value) for name in names]
    assert list(target().buckets.values()) == names


@pytest.mark.parametrize(
    ("status", "what"),
    [
        ("ROLLBACK_COMPLETE", "make delete STACK=pixian-s3"),
        ("ROLLBACK_FAILED", "make delete STACK=pixian-s3"),
        ("CREATE_FAILED", "make delete STACK=pixian-s3"),
        ("DELETE_FAILED", "make delete STACK=pixian-s3"),
        ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback --stack-name pixian-s3"),
        ("UPDATE_IN_PROGRESS", "Wait until that is done"),
        ("DELETE_IN_PROGRESS", "Wait until that is done"),
    ],
)
def test_a_stack_in_a_failed_state_is_told_with_its_cause(
    account: Account, status: str, what: str
) -> None:
    account.cloudformation.events = [
        event("Other", "CREATE_FAILED", "Resource creation cancelled"),
        event("InputBucket", "CREATE_FAILED", "it already exists"),
        event(NAME, "CREATE_IN_PROGRESS", "User Initiated", stack=True),
    ]
    problem = told(STACK | {"StackStatus": status})
    assert what in problem
    assert status.endswith("_IN_PROGRESS") or "\n  InputBucket: it already exists" in problem
    assert "cancelled" not in problem


@pytest.mark.usefixtures("account")
def test_a_stack_of_another_program_is_refused() -> None:
    assert "another program's" in told(STACK | {"Description": "A shop"})
    assert told(STACK | {"Description": TEMPLATE["Description"]}) == ""


@pytest.mark.usefixtures("account")
def test_nothing_is_noted_where_all_is_well() -> None:
    assert noted() == ""


def test_an_update_that_was_undone_is_noted(account: Account) -> None:
    account.cloudformation.events = [event("PaceRole", "UPDATE_FAILED", "Access denied")]
    noticed = noted(STACK | {"StackStatus": "UPDATE_ROLLBACK_COMPLETE"})
    assert noticed == "The last update failed and was undone.\n  PaceRole: Access denied"


def test_an_account_with_a_low_limit_is_noted(account: Account) -> None:
    account.functions = Lambda(10, 10)
    assert 'PARAMETERS="MaxConcurrency=7"' in noted()


def test_an_account_that_cannot_reserve_is_noted_before_the_first_deployment(
    account: Account,
) -> None:
    account.functions = Lambda(120, 120)
    assert "can't reserve 25" in noted()
    assert noted(STACK) == ""


def test_missing_permissions_are_noted(account: Account) -> None:
    account.iam.denied = ("sqs:CreateQueue", "iam:CreateRole")
    assert "fail: iam:CreateRole, sqs:CreateQueue. docs/deploying.md has a policy" in noted()
    assert account.iam.asked == {USER}


def test_the_permissions_of_a_session_are_those_of_its_role(account: Account) -> None:
    assert noted(caller=f"arn:aws:sts::{ACCOUNT}:assumed-role/deployer/ann") == ""
    assert account.iam.asked == {f"arn:aws:iam::{ACCOUNT}:role/path/deployer"}


def test_permissions_that_cannot_be_checked_are_noted(account: Account) -> None:
    account.iam.refusal = client_error("AccessDenied")
    assert "couldn't be checked (AccessDenied)" in noted()
    assert noted(caller=f"arn:aws:iam::{ACCOUNT}:root") == ""


def test_the_documented_policy_has_the_permissions_that_are_checked() -> None:
    guide = (ROOT / preflight.GUIDE).read_text()
    statements = policy(guide)["Statement"]
    for resource, actions in preflight.PERMISSIONS.items():
        for action in actions:
            assert any(allows(each, action, target().fill(resource)) for each in statements), action


def policy(guide: str) -> Any:
    """The policy in the guide, with the names of this test."""
    [found] = re.findall(r"```json\n(\{\n  \"Version\".*?)```", guide, re.DOTALL)
    for placeholder, value in {"<account>": ACCOUNT, "<region>": REGION, "<stack>": NAME}.items():
        found = found.replace(placeholder, value)
    return json.loads(found)


def allows(statement: Any, action: str, resource: str) -> bool:
    actions, resources = statement["Action"], statement["Resource"]
    listed = [actions] if isinstance(actions, str) else actions
    places = [resources] if isinstance(resources, str) else resources
    return any(fnmatchcase(action, each) for each in listed) and any(
        fnmatchcase(resource, each) for each in places
    )
