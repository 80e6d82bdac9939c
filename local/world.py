"""The local world: the fake Pixian, the local AWS and the stack deployed on it."""

import json
import os
import re
import shlex
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from admin.config import check, publish
from admin.errors import UserError
from admin.stack import STACK_FILE, LocalStack, prices_are_real, running_here
from local.attempts import AttemptLines, follow
from local.deployment import deploy
from local.fake_pixian import StandIn
from local.fake_pixian.server import API_ID, API_SECRET
from local.ministack import ROOT, MiniStack

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
    """Start everything and deploy the stack; stop everything when the context ends.

    Reports its progress on standard error.

    Args:
        directory: For all files that it writes.
        port: The port of the local AWS; 0 picks a free one.
        pixian: The endpoint, API ID and API secret of a service to use instead of the fake Pixian.
        configuration: A document to publish in place of the template's first one.
        parameters: Parameters of the template, each as Name=value.
    """
    directory.mkdir(parents=True, exist_ok=True)
    aws = MiniStack(directory, port=port)
    _report("Starting the local AWS …")
    with aws, _pixian(pixian, aws) as (endpoint, api_id, api_secret), _saying_that_it_stops():
        _report("Building and deploying the stack with SAM (usually 30 to 45 s) …")
        stack = deploy(aws, directory, endpoint, parameters)
        _report("Storing the credentials and the configuration …")
        _store_credentials(stack, api_id, api_secret)
        if configuration is not None:
            publish(configuration, stack)
        yield stack


@contextmanager
def _saying_that_it_stops() -> Iterator[None]:
    """Answer Ctrl-C at once, because stopping everything can take a while."""
    try:
        yield
    except KeyboardInterrupt:
        _report("\nStopping …")
        raise


@contextmanager
def _pixian(other: tuple[str, str, str] | None, aws: MiniStack) -> Iterator[tuple[str, str, str]]:
    if other:
        yield other
        return
    _report("Starting the fake Pixian …")
    with StandIn(ca_bundle=str(aws.ca_bundle)) as stand_in:
        yield stand_in.url, stand_in.api_id, stand_in.api_secret


def _report(phase: str) -> None:
    print(phase, file=sys.stderr, flush=True)


def _store_credentials(stack: LocalStack, api_id: str, api_secret: str) -> None:
    stack.client("secretsmanager").put_secret_value(
        SecretId=stack.outputs["CredentialsSecretArn"],
        SecretString=json.dumps({"api_id": api_id, "api_secret": api_secret}),
    )


def port_from_environment() -> int:
    """PORT, or the usual port of a local AWS."""
    text = os.environ.get("PORT") or _DEFAULT_PORT
    if not text.isdecimal() or not 1 <= int(text) <= _LAST_PORT:
        raise UserError(f"PORT={text}: must be a number from 1 to {_LAST_PORT}.")
    return int(text)


def pixian_from_environment() -> tuple[str, str, str] | None:
    """PIXIAN_ENDPOINT with its credentials, or None for the fake Pixian."""
    endpoint = os.environ.get("PIXIAN_ENDPOINT")
    if not endpoint:
        return None
    api_id, api_secret = os.environ.get("PIXIAN_API_ID"), os.environ.get("PIXIAN_API_SECRET")
    if urlsplit(endpoint).scheme != "http" and not (api_id and api_secret):
        raise UserError("Set PIXIAN_API_ID and PIXIAN_API_SECRET along with PIXIAN_ENDPOINT.")
    # A test server on localhost may not need credentials.
    return endpoint, api_id or "local", api_secret or "local"


def configuration_from_environment() -> bytes | None:
    """The content of the file that CONFIG names, checked; None if it isn't set."""
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
    """The template parameters in PARAMETERS: Name=value, separated by spaces."""
    given = os.environ.get("PARAMETERS", "").split()
    if wrong := [each for each in given if not re.fullmatch(r"[A-Za-z0-9]+=\S+", each)]:
        raise UserError(
            f"PARAMETERS: {wrong[0]} must have the form Name=value, as in RampMinutes=1."
        )
    return given


def exit_on_signal() -> None:
    """Handle SIGTERM like Ctrl-C, so that all processes that we started are stopped."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def main() -> None:
    """Run until Ctrl-C, printing a line for each attempt to process an image."""
    exit_on_signal()
    if running_here(STACK_FILE):
        raise UserError(
            "A stack is already running in this folder. Stop it first, or use another clone."
        )
    port, pixian = port_from_environment(), pixian_from_environment()
    document, parameters = configuration_from_environment(), parameters_from_environment()
    STACK_FILE.unlink(missing_ok=True)
    with world(
        DIRECTORY, port=port, pixian=pixian, configuration=document, parameters=parameters
    ) as stack:
        stack.save(STACK_FILE)
        try:
            _print_welcome(stack, is_fake=pixian is None)
            lines = AttemptLines(prices=prices_are_real(stack.pixian_endpoint))
            for record in follow(stack, threading.Event()):
                print(lines.line(record), flush=True)
        finally:
            STACK_FILE.unlink(missing_ok=True)


def _print_welcome(stack: LocalStack, *, is_fake: bool) -> None:
    settings = {
        "AWS_ENDPOINT_URL": stack.endpoint_url,
        "AWS_CA_BUNDLE": stack.ca_bundle,
        "AWS_ACCESS_KEY_ID": stack.aws_access_key_id,
        "AWS_SECRET_ACCESS_KEY": stack.aws_secret_access_key,
        "AWS_DEFAULT_REGION": stack.region,
    }
    prefix = " ".join(f"{name}={shlex.quote(value)}" for name, value in settings.items())
    faults = f"""
The fake Pixian takes the API id {API_ID} and the secret {API_SECRET}, which are stored. To
store them again, or wrong ones to see images blocked: make credentials

To see how images fare when Pixian fails, order faults: a 429 for the next two calls, after which an
image is processed, or three broken connections, after which the next image is given up:

  curl {stack.pixian_endpoint}/_control/faults -d '{{"status": 429, "times": 2}}'
  curl {stack.pixian_endpoint}/_control/faults -d '{{"cut": "after_request", "times": 3}}'

local/fake_pixian/control.py describes all faults and settings.
"""
    print(f"""Ready. Open another terminal in this folder:

  make demo IMAGES=photo.jpg            uploads an image, or a folder, and shows the results
  make check-stack                      follows one picture through the stack, in test mode
  make status                           shows lanes, queue, images, credits, and what blocks
  make look                             shows the newest results beside their originals
  make config FILE=config.json          changes the configuration; SHOW=1 shows the one in effect
  make pause, make resume               hold images back, and process them
  make redrive                          lists images that were given up, and processes them again
  make outputs                          prints the names of buckets, queues, functions and logs

To use the AWS CLI, put these settings in front of each command. Don't export them, or other
commands in that shell, such as make deploy, would use the local AWS too:

  {prefix} aws s3 cp photo.jpg s3://{stack.outputs["InputBucket"]}/

Cutouts appear in s3://{stack.outputs["OutputBucket"]}.
Pixian's endpoint is {stack.pixian_endpoint}.
{faults if is_fake else ""}
{STACK_FILE.relative_to(ROOT)} lists all names and URLs. Press Ctrl-C to stop everything.
All uploads and cutouts are lost then. What make demo and make look fetched stays.
""")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("Stopped.")
    except UserError as error:
        sys.exit(str(error))
