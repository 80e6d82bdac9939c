"""The local world: Pixian's stand-in, the local AWS and the stack deployed on it."""

import json
import os
import re
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from admin.config import check, publish
from admin.errors import UserError
from admin.stack import STACK_FILE, LocalStack, running_here
from local.deployment import deploy
from local.fake_pixian import StandIn
from local.ministack import ROOT, MiniStack
from local.stories import follow, tell

DIRECTORY = ROOT / ".local"
_DEFAULT_PORT = "4566"
_LAST_PORT = 65_535


@contextmanager
def world(
    directory: Path,
    *,
    port: int = 0,
    pixian: tuple[str, str, str] | None = None,
    configuration: bytes | None = None,
    parameters: Sequence[str] = (),
) -> Iterator[LocalStack]:
    """Everything started and deployed; stopped again when the context ends.

    Args:
        directory: for all that it writes.
        port: of the local AWS; 0 takes a free one.
        pixian: endpoint, API id and API secret of another service than the stand-in.
        configuration: a document to publish in place of the template's first one.
        parameters: of the template, each as Name=value.
    """
    directory.mkdir(parents=True, exist_ok=True)
    aws = MiniStack(directory, port=port)
    with aws, _pixian(pixian, aws) as (endpoint, api_id, api_secret):
        stack = deploy(aws, directory, endpoint, parameters)
        _fill_in_credentials(stack, api_id, api_secret)
        if configuration is not None:
            publish(configuration, stack)
        yield stack


@contextmanager
def _pixian(other: tuple[str, str, str] | None, aws: MiniStack) -> Iterator[tuple[str, str, str]]:
    if other:
        yield other
        return
    with StandIn(ca_bundle=str(aws.ca_bundle)) as stand_in:
        yield stand_in.url, stand_in.api_id, stand_in.api_secret


def _fill_in_credentials(stack: LocalStack, api_id: str, api_secret: str) -> None:
    stack.client("secretsmanager").put_secret_value(
        SecretId=stack.outputs["CredentialsSecretArn"],
        SecretString=json.dumps({"api_id": api_id, "api_secret": api_secret}),
    )


def port_from_environment() -> int:
    """PORT, or the one that local AWS services usually have."""
    text = os.environ.get("PORT") or _DEFAULT_PORT
    if not text.isdecimal() or not 1 <= int(text) <= _LAST_PORT:
        raise UserError(f"PORT={text}: it must be a number from 1 to {_LAST_PORT}.")
    return int(text)


def pixian_from_environment() -> tuple[str, str, str] | None:
    """PIXIAN_ENDPOINT with its credentials, or None for the stand-in."""
    endpoint = os.environ.get("PIXIAN_ENDPOINT")
    if not endpoint:
        return None
    api_id, api_secret = os.environ.get("PIXIAN_API_ID"), os.environ.get("PIXIAN_API_SECRET")
    if urlsplit(endpoint).scheme != "http" and not (api_id and api_secret):
        raise UserError("PIXIAN_ENDPOINT needs PIXIAN_API_ID and PIXIAN_API_SECRET beside it.")
    # A test server on loopback may not ask for any.
    return endpoint, api_id or "local", api_secret or "local"


def configuration_from_environment() -> bytes | None:
    """The document that CONFIG names."""
    name = os.environ.get("CONFIG")
    if not name:
        return None
    try:
        document = Path(name).read_bytes()
    except OSError as error:
        raise UserError(f"CONFIG={name} can't be read: {error.strerror}.") from error
    check(document)
    return document


def parameters_from_environment() -> list[str]:
    """The template's parameters that PARAMETERS gives, as Name=value with spaces between them."""
    given = os.environ.get("PARAMETERS", "").split()
    if wrong := [each for each in given if not re.fullmatch(r"[A-Za-z0-9]+=\S+", each)]:
        raise UserError(f"PARAMETERS: {wrong[0]} isn't Name=value, as in RampMinutes=1.")
    return given


def exit_on_signal() -> None:
    """Have SIGTERM end the program as Ctrl-C does, so that what it started is stopped."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def main() -> None:
    """Run until Ctrl-C, telling each image's story."""
    exit_on_signal()
    if running_here(STACK_FILE):
        raise UserError("A stack runs here already: stop it first, or use another clone.")
    port, pixian = port_from_environment(), pixian_from_environment()
    document, parameters = configuration_from_environment(), parameters_from_environment()
    STACK_FILE.unlink(missing_ok=True)
    print("Starting Pixian's stand-in and the local AWS, then building and deploying the stack …")
    with world(
        DIRECTORY, port=port, pixian=pixian, configuration=document, parameters=parameters
    ) as stack:
        stack.save(STACK_FILE)
        try:
            _print_welcome(stack)
            for record in follow(stack, threading.Event()):
                print(tell(record), flush=True)
        finally:
            STACK_FILE.unlink(missing_ok=True)


def _print_welcome(stack: LocalStack) -> None:
    print(f"""Ready. From another terminal, in this folder:

  make demo IMAGES=photo.jpg            drops it and shows what comes back
  make config FILE=config.json          changes the parameters

or with boto3 or the AWS CLI, if you have it:

  export AWS_ENDPOINT_URL={stack.endpoint_url} AWS_CA_BUNDLE={stack.ca_bundle}
  export AWS_ACCESS_KEY_ID={stack.aws_access_key_id} AWS_SECRET_ACCESS_KEY={stack.aws_secret_access_key}
  export AWS_DEFAULT_REGION={stack.region}
  aws s3 cp photo.jpg s3://{stack.outputs["InputBucket"]}/

Cut-outs appear in s3://{stack.outputs["OutputBucket"]}. Pixian is {stack.pixian_endpoint}.
All addresses are in {STACK_FILE.relative_to(ROOT)}. Ctrl-C stops everything.
""")  # noqa: E501


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("\nStopped.")
    except UserError as error:
        sys.exit(str(error))
