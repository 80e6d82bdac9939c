"""Try Pixian's API ID and secret, and store them in the stack's secret: `make credentials`."""

import argparse
import getpass
import json
import os
import re
import sys
from dataclasses import dataclass

import urllib3

from admin.cloudformation import describe, values
from admin.errors import NeedsAnswer, UserError, run
from admin.sample import picture
from admin.stack import Stack, add_stack_option, chosen
from admin.terminal import confirm
from pixian_s3.errors import Blocked
from pixian_s3.pixian.credentials import Credentials, parse
from pixian_s3.pixian.endpoint import remove_background_url
from pixian_s3.pixian.redaction import redacted

ID, SECRET = "PIXIAN_API_ID", "PIXIAN_API_SECRET"
"""The environment variables that answer for a person."""

_SECONDS = 180
_MAX_MESSAGE = 300
_ADVICE = {
    401: "Copy both again from your account at pixian.ai.",
    402: "Pixian knows them, but your account has no usable credits.",
    403: "Check at pixian.ai that your account may use the API.",
    404: "Check the stack's parameter PixianEndpoint.",
    429: "Pixian is busy. Try again later.",
}


@dataclass(frozen=True)
class Trial:
    """How a test call ended.

    Attributes:
        accepted: Whether Pixian made a cutout with these credentials.
        message: What happened, and what to do if it isn't good. Without the secret.
    """

    accepted: bool
    message: str


def ask() -> Credentials:
    """The credentials in the environment, or else those that a person enters, without echo.

    Raises:
        NeedsAnswer: They aren't in the environment, and there is no terminal.
        UserError: They can't be credentials.
    """
    api_id, api_secret = os.environ.get(ID, ""), os.environ.get(SECRET, "")
    if not (api_id and api_secret):
        if not sys.stdin.isatty():
            raise NeedsAnswer(
                "This command asks for Pixian's API ID and secret, so it needs a terminal. Without "
                f"one, set {ID} and {SECRET} in its environment. Nothing was changed."
            )
        print("From your account at https://pixian.ai/api. What you enter or paste isn't shown.")
        try:
            api_id = getpass.getpass("API ID: ").strip()
            api_secret = getpass.getpass("API secret: ").strip()
        except EOFError:
            raise UserError("\nNothing was changed.") from None
    try:
        return parse(json.dumps({"api_id": api_id, "api_secret": api_secret}))
    except Blocked:
        raise UserError(
            "The API ID or the API secret is empty or contains spaces or special characters. Copy "
            "both again from your Pixian account. Nothing was changed."
        ) from None


def tried(credentials: Credentials, endpoint: str) -> Trial:
    """Make one call in test mode, which is free.

    Args:
        credentials: The API ID and secret.
        endpoint: The stack's parameter PixianEndpoint.
    """
    fields: dict[str, str | tuple[str, bytes, str]] = {
        "test": "true",
        "image": ("test.png", picture(), "image/png"),
    }
    login = f"{credentials.api_id}:{credentials.api_secret}"
    try:
        answer = urllib3.request(
            "POST",
            remove_background_url(endpoint),
            fields=fields,
            headers=urllib3.make_headers(basic_auth=login),
            redirect=False,
            retries=False,
            timeout=urllib3.Timeout(connect=10, read=_SECONDS),
        )
    except (urllib3.exceptions.HTTPError, OSError) as error:
        reason = redacted(str(error), credentials.secrets())
        return Trial(accepted=False, message=f"{endpoint} can't be reached: {reason}")
    if answer.status == 200 and answer.headers.get("Content-Type", "").startswith("image/"):
        return Trial(
            accepted=True, message="Pixian accepts them: a test call, which is free, worked."
        )
    said = _message(answer.data, credentials)
    parts = [f"Pixian answered {answer.status}{said}.", _ADVICE.get(answer.status, "")]
    return Trial(accepted=False, message=" ".join(filter(None, parts)))


def _message(body: bytes, credentials: Credentials) -> str:
    """What Pixian's JSON says, as `: message`; empty if it says nothing."""
    try:
        message = str(json.loads(body)["error"]["message"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""
    # Redact before shortening: a part of a secret would not be recognised.
    text = re.sub(r"\s+", " ", redacted(message, credentials.secrets()))
    return f": {text[:_MAX_MESSAGE].rstrip(' .')}"


def store(credentials: Credentials, stack: Stack) -> None:
    """Put them into the stack's secret."""
    secret = {"api_id": credentials.api_id, "api_secret": credentials.api_secret}
    stack.client("secretsmanager").put_secret_value(
        SecretId=stack.outputs["CredentialsSecretArn"], SecretString=json.dumps(secret)
    )


def set_credentials(stack: Stack, *, yes: bool) -> None:
    """Ask for credentials, try them, and store them.

    Args:
        stack: Where to.
        yes: Whether to store them even if Pixian doesn't accept them.
    """
    endpoint = values(describe(stack.client("cloudformation"), stack.stack_name))["PixianEndpoint"]
    credentials = ask()
    print(f"Trying them at {endpoint} …", flush=True)
    trial = tried(credentials, endpoint)
    print(trial.message)
    if not trial.accepted:
        confirm("Store them all the same?", yes=yes)
    store(credentials, stack)
    print(
        f"Stored them in the secret of the stack {stack.stack_name}. Images that were waiting for "
        "them are processed within six minutes."
    )


def main() -> None:
    """Ask for the credentials of the chosen stack."""
    parser = argparse.ArgumentParser(
        prog="python -m admin.credentials",
        usage="%(prog)s [--yes] [--stack NAME]\n       make credentials [STACK=NAME] [YES=1]",
        description="Ask for Pixian's API ID and secret, try them with a free test call, and store "
        f"them. Scripts set {ID} and {SECRET} in the environment instead.",
    )
    parser.add_argument("--yes", action="store_true", help="store them even if Pixian refuses them")
    add_stack_option(parser)
    given = parser.parse_args()
    set_credentials(chosen(given.stack), yes=given.yes)


if __name__ == "__main__":
    run(main)
