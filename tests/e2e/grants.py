"""What the functions' roles are allowed, as IAM has it, and each bit taken away for a while."""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from admin.stack import LocalStack

FUNCTIONS = ("UploadFunction", "RetryFunction", "PaceFunction")

# What both functions that process images have, and no other.
PROCESSING = "ProcessPolicy"

# A document must hold something.
_NOTHING = {"Effect": "Deny", "Action": "iam:*", "Resource": "*"}


@dataclass(frozen=True)
class Policy:
    """A policy document: a managed policy's, by its ARN, or a role's own one, by its name."""

    name: str
    role: str | None = None


@dataclass(frozen=True)
class Grant:
    """One action on one resource.

    In the template, `on` is the name of the resource, and `of` that of the role or managed policy.
    """

    action: str
    on: str
    of: str
    resource: str
    policy: Policy


class Grants:
    """Those of the functions' roles in a deployed stack."""

    def __init__(self, stack: LocalStack) -> None:
        self._stack = stack
        self._iam = stack.client("iam")
        self._names = _template_names(stack)

    def all(self) -> list[Grant]:
        """Every one; what several roles have from one policy is there once."""
        roles = [self._role(function) for function in FUNCTIONS]
        policies = {policy for role in roles for policy in self._policies(role)}
        return [grant for policy in policies for grant in self._grants(policy)]

    def of_function(self, function: str) -> list[Grant]:
        """Those of one function."""
        return self.of_role(self._role(function))

    def of_role(self, role: str) -> list[Grant]:
        """Those of one role, by its name or ARN."""
        policies = self._policies(role.rpartition("/")[2])
        return [grant for policy in policies for grant in self._grants(policy)]

    def _role(self, function: str) -> str:
        name = self._stack.outputs[function]
        found = self._stack.client("lambda").get_function_configuration(FunctionName=name)
        return str(found["Role"]).rpartition("/")[2]

    @contextmanager
    def without(self, on: str, *actions: str, of: str = PROCESSING) -> Iterator[None]:
        """Take actions on a resource away; they are back when the context ends."""
        with ExitStack() as taken:
            for grant in self.all():
                if (grant.of, grant.on) == (of, on) and grant.action in actions:
                    taken.enter_context(self._without(grant))
            yield

    @contextmanager
    def _without(self, grant: Grant) -> Iterator[None]:
        document = self._read(grant.policy)
        self._write(grant.policy, _less(document, grant))
        try:
            yield
        finally:
            self._write(grant.policy, document)

    def _policies(self, role: str) -> Iterator[Policy]:
        attached = self._iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
        yield from (Policy(policy["PolicyArn"]) for policy in attached)
        own = self._iam.list_role_policies(RoleName=role)["PolicyNames"]
        yield from (Policy(name, role) for name in own)

    def _grants(self, policy: Policy) -> Iterator[Grant]:
        of = self._names[policy.role or policy.name]
        for statement in self._read(policy)["Statement"]:
            # Nothing else is looked at here.
            assert statement.keys() <= {"Sid", "Effect", "Action", "Resource"}
            assert statement["Effect"] == "Allow"
            for action in _listed(statement["Action"]):
                for resource in _listed(statement["Resource"]):
                    yield Grant(action, self._named(resource), of, resource, policy)

    def _named(self, resource: str) -> str:
        """From the resource's last known name on."""
        physical = max(
            (name for name in self._names if name in resource),
            key=lambda name: (len(name), resource.index(name)),
        )
        # Secrets Manager puts six characters behind a secret's name.
        rest = re.sub("^-[A-Za-z0-9]{6}$", "", resource.partition(physical)[2])
        return self._names[physical] + rest

    def _read(self, policy: Policy) -> dict[str, Any]:
        if policy.role:
            found = self._iam.get_role_policy(RoleName=policy.role, PolicyName=policy.name)
            return dict(found["PolicyDocument"])
        found = self._iam.get_policy_version(
            PolicyArn=policy.name, VersionId=self._version(policy)
        )["PolicyVersion"]
        return dict(found["Document"])

    def _write(self, policy: Policy, document: dict[str, Any]) -> None:
        text = json.dumps(document)
        if policy.role:
            self._iam.put_role_policy(
                RoleName=policy.role, PolicyName=policy.name, PolicyDocument=text
            )
            return
        # Always a new version, as MiniStack can't go back to one; IAM keeps no more than five.
        former = self._version(policy)
        self._iam.create_policy_version(
            PolicyArn=policy.name, PolicyDocument=text, SetAsDefault=True
        )
        self._iam.delete_policy_version(PolicyArn=policy.name, VersionId=former)

    def _version(self, policy: Policy) -> str:
        return str(self._iam.get_policy(PolicyArn=policy.name)["Policy"]["DefaultVersionId"])


def _less(document: dict[str, Any], grant: Grant) -> dict[str, Any]:
    statements = [part for whole in document["Statement"] for part in _without(whole, grant)]
    return document | {"Statement": statements or [_NOTHING]}


def _without(statement: dict[str, Any], grant: Grant) -> Iterator[dict[str, Any]]:
    actions, resources = _listed(statement["Action"]), _listed(statement["Resource"])
    if grant.action not in actions or grant.resource not in resources:
        yield statement
        return
    other_actions = [action for action in actions if action != grant.action]
    other_resources = [resource for resource in resources if resource != grant.resource]
    allow = {"Effect": "Allow"}
    if other_actions:
        yield allow | {"Action": other_actions, "Resource": resources}
    if other_resources:
        yield allow | {"Action": grant.action, "Resource": other_resources}


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _template_names(stack: LocalStack) -> dict[str, str]:
    """By what the resources are called where they are deployed; of a queue that is a URL's end."""
    found = stack.client("cloudformation").describe_stack_resources(StackName=stack.stack_name)
    return {
        re.sub("^https.*/", "", resource["PhysicalResourceId"]): resource["LogicalResourceId"]
        for resource in found["StackResources"]
    }
