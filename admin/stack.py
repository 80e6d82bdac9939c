"""A deployed stack: how to reach it and what it consists of."""

import json
from argparse import ArgumentParser
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, Self
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from admin.errors import UserError

STACK_FILE = Path(__file__).parent.parent / ".local/stack.json"
"""Exists while `make local` runs."""


class Stack(Protocol):
    """A stack on this machine or in AWS; `outputs` are the template's, by name."""

    @property
    def stack_name(self) -> str:
        """The stack's name."""

    @property
    def outputs(self) -> Mapping[str, str]:
        """The template's outputs."""

    def client(self, service: str) -> Any:  # noqa: ANN401 - each service has a type of its own
        """A boto3 client that reaches it."""


@dataclass(frozen=True)
class LocalStack:
    """A stack on this machine, as `.local/stack.json` describes it."""

    endpoint_url: str
    ca_bundle: str
    region: str
    stack_name: str
    pixian_endpoint: str
    aws_access_key_id: str
    aws_secret_access_key: str
    outputs: dict[str, str]

    @classmethod
    def load(cls, path: Path) -> Self:
        """From a file that `save` wrote."""
        return cls(**json.loads(path.read_text()))

    def save(self, path: Path) -> None:
        """Replace the file in one step, so that no reader sees a part of it."""
        unfinished = path.with_suffix(".tmp")
        unfinished.write_text(json.dumps(asdict(self), indent=2) + "\n")
        unfinished.replace(path)

    def client(self, service: str) -> Any:  # noqa: ANN401 - as in Stack
        """A client with the rights of the account's root user."""
        return boto3.client(  # type: ignore[call-overload]
            service,
            endpoint_url=self.endpoint_url,
            verify=self.ca_bundle,
            region_name=self.region,
            aws_access_key_id=self.aws_access_key_id,
            aws_secret_access_key=self.aws_secret_access_key,
        )


@dataclass(frozen=True)
class AwsStack:
    """A stack in the AWS account and region that the environment selects."""

    stack_name: str
    outputs: dict[str, str]

    @classmethod
    def find(cls, name: str) -> Self:
        """Look a stack up by its name.

        Raises:
            UserError: there is no such stack, or AWS didn't answer.
        """
        try:
            [found] = boto3.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
        except (ClientError, BotoCoreError) as error:
            raise UserError(
                f"Can't find the stack {name}: {error}\n"
                "Check its name, your AWS credentials and the region, for example with "
                "AWS_PROFILE=default and REGION=eu-central-1."
            ) from error
        # A stack whose creation failed has none.
        outputs = {
            output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])
        }
        return cls(found["StackName"], outputs)

    def client(self, service: str) -> Any:  # noqa: ANN401 - as in Stack
        """A client with the credentials from the environment."""
        return boto3.client(service)  # type: ignore[call-overload]


def prices_are_real(pixian_endpoint: str) -> bool:
    """Whether the credits mean anything: the fake Pixian, on this machine, makes up its prices."""
    return urlsplit(pixian_endpoint).hostname not in {"127.0.0.1", "::1", "localhost"}


def running_here(path: Path) -> LocalStack | None:
    """The stack that a file describes, if it answers."""
    if not path.exists():
        return None
    stack = LocalStack.load(path)
    try:
        stack.client("sts").get_caller_identity()
    except (ClientError, BotoCoreError, OSError):
        return None
    return stack


def add_stack_option(parser: ArgumentParser) -> None:
    """Add --stack, whose value `chosen` takes."""
    parser.add_argument(
        "--stack",
        metavar="NAME",
        help="a stack in AWS; by default, the one that `make local` runs (make: STACK=NAME)",
    )


def chosen(name: str | None) -> Stack:
    """The stack in AWS with this name; without a name, the one that runs on this machine.

    Raises:
        UserError: there is none.
    """
    if name:
        try:
            return AwsStack.find(name)
        except UserError as error:
            if running_here(STACK_FILE):
                raise UserError(f"{error} To use the local stack, leave STACK= out.") from error
            raise
    if stack := running_here(STACK_FILE):
        return stack
    raise UserError(
        "No stack is running on this machine. Start one with `make local`, or name a stack in AWS: "
        "STACK=pixian-s3."
    )
