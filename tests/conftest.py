"""What the tests of every kind share."""

import os
from collections.abc import Iterator
from functools import cache

import boto3
import pytest
from aws_lambda_powertools.utilities.parameters import base
from hypothesis import HealthCheck, settings
from moto import mock_aws

from tests.clock import PowertoolsClock

# No example may fail for being slow, nor leave anything behind. The first one to hold text waits
# for a table of all characters, which takes seconds on a busy machine.
settings.register_profile(
    "patient",
    deadline=None,
    database=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("patient")


@pytest.fixture
def no_aws_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dummy credentials and a region; nothing of this machine's own AWS settings."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@cache
def _session() -> boto3.Session:
    """One session for all tests: each new one would read the models of the services again."""
    return boto3.Session("testing", "testing", region_name="eu-central-1")


@pytest.fixture
def boto3_session(
    no_aws_account: None,  # noqa: ARG001 - it sets the environment
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What `boto3.client` makes its clients with."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", _session())


@pytest.fixture
def aws(boto3_session: None) -> Iterator[None]:  # noqa: ARG001 - it sets the session
    """AWS in memory."""
    with mock_aws(config={"core": {"reset_boto3_session": False}}):
        yield


@pytest.fixture
def powertools_clock(monkeypatch: pytest.MonkeyPatch) -> PowertoolsClock:
    """The clock by which Powertools' parameters expire."""
    clock = PowertoolsClock()
    monkeypatch.setattr(base, "datetime", clock)
    return clock
