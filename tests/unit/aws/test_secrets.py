"""The secret: read, cached, rotated."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3
import pytest
from aws_lambda_powertools.utilities.parameters import SecretsProvider

from pixian_s3.aws.secrets import MAX_AGE_SECONDS, Secret
from pixian_s3.errors import Blocked
from pixian_s3.pixian.credentials import Credentials, parse
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


def test_invalid_ones_block_until_they_are_corrected(subject: Subject) -> None:
    subject.put("not JSON")
    for fresh in (False, True):
        with pytest.raises(Blocked, match="must be JSON like"):
            subject.credentials.get(fresh=fresh)
    subject.put(GOOD)
    assert subject.credentials.get().api_secret == HIDDEN


def test_a_secret_that_is_gone_blocks(subject: Subject) -> None:
    subject.client.delete_secret(SecretId="pixian", ForceDeleteWithoutRecovery=True)
    with pytest.raises(Blocked, match="can't be read"):
        subject.credentials.get()
