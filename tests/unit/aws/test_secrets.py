"""The secret: read, refused, rotated, never shown."""

import json
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3
import pytest
from aws_lambda_powertools.utilities.parameters import SecretsProvider

from pixian_s3.aws.secrets import MAX_AGE_SECONDS, Secret
from pixian_s3.errors import Blocked
from pixian_s3.pixian.credentials import PLACEHOLDER, Credentials, parse
from tests.clock import PowertoolsClock

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

HIDDEN = "correct-horse"
GOOD = json.dumps({"api_id": "me", "api_secret": HIDDEN})


@dataclass
class Subject:
    credentials: Secret[Credentials]
    client: "SecretsManagerClient"
    clock: PowertoolsClock

    def put(self, text: str) -> None:
        self.client.put_secret_value(SecretId="pixian", SecretString=text)


@pytest.fixture
def subject(aws: None, powertools_clock: PowertoolsClock) -> Iterator[Subject]:  # noqa: ARG001
    client = boto3.client("secretsmanager")
    arn = client.create_secret(Name="pixian", SecretString=GOOD)["ARN"]
    secret = Secret(lambda: SecretsProvider(boto3_client=client), arn, parse)
    yield Subject(secret, client, powertools_clock)
    client.close()


def test_the_secret_holds_id_and_secret(subject: Subject) -> None:
    assert subject.credentials.get() == Credentials("me", HIDDEN)


def test_for_five_minutes_they_are_kept(subject: Subject) -> None:
    subject.credentials.get()
    subject.put('{"api_id": "me", "api_secret": "rotated"}')
    subject.clock.pass_seconds(MAX_AGE_SECONDS - 1)
    assert subject.credentials.get().api_secret == HIDDEN


def test_then_they_are_read_again(subject: Subject) -> None:
    subject.credentials.get()
    subject.put('{"api_id": "me", "api_secret": "rotated"}')
    subject.clock.pass_seconds(MAX_AGE_SECONDS + 1)
    assert subject.credentials.get().api_secret == "rotated"


def test_fresh_ones_replace_those_that_are_kept(subject: Subject) -> None:
    subject.credentials.get()
    subject.put('{"api_id": "me", "api_secret": "rotated"}')
    assert subject.credentials.get(fresh=True).api_secret == "rotated"
    assert subject.credentials.get().api_secret == "rotated"


@pytest.mark.parametrize(
    ("api_id", "api_secret"),
    [(PLACEHOLDER, PLACEHOLDER), ("me", PLACEHOLDER), (PLACEHOLDER, HIDDEN)],
)
def test_a_placeholder_blocks_until_filled_in(
    subject: Subject, api_id: str, api_secret: str
) -> None:
    subject.put(json.dumps({"api_id": api_id, "api_secret": api_secret}))
    with pytest.raises(Blocked, match="still a placeholder"):
        subject.credentials.get()


MALFORMED = [
    HIDDEN,
    f'{{"api_id": "me", "api_secret": "{HIDDEN}"',
    f'["me", "{HIDDEN}"]',
    f'"{HIDDEN}"',
    f'{{"api_secret": "{HIDDEN}"}}',
    "null",
]


@pytest.mark.parametrize("text", MALFORMED)
def test_a_malformed_secret_blocks_and_says_what_it_should_be(subject: Subject, text: str) -> None:
    subject.put(text)
    with pytest.raises(Blocked, match="must be JSON like"):
        subject.credentials.get()


@pytest.mark.parametrize(
    "secret",
    [{"api_id": "me", "api_secret": None}, {"api_id": "", "api_secret": "x"}]
    + [{"api_id": "me", "api_secret": HIDDEN + end} for end in ("…", "\n")],
)
def test_values_that_cant_be_sent_block(subject: Subject, secret: dict[str, object]) -> None:
    subject.put(json.dumps(secret))
    with pytest.raises(Blocked):
        subject.credentials.get()


def test_a_secret_that_is_gone_blocks(subject: Subject) -> None:
    subject.client.delete_secret(SecretId="pixian", ForceDeleteWithoutRecovery=True)
    with pytest.raises(Blocked, match="can't be read"):
        subject.credentials.get()


@pytest.mark.parametrize("text", MALFORMED)
def test_no_error_shows_the_secret(subject: Subject, text: str) -> None:
    subject.put(text)
    with pytest.raises(Blocked) as refusal:
        subject.credentials.get()
    assert HIDDEN not in "".join(traceback.format_exception(refusal.value)) + repr(refusal.value)
    # What a JSON error carries, `doc`, is the secret.
    assert refusal.value.__cause__ is None
    assert refusal.value.__suppress_context__


def test_printing_credentials_doesnt_show_the_secret(subject: Subject) -> None:
    credentials = subject.credentials.get()
    assert HIDDEN not in f"{credentials} {credentials!r}"
