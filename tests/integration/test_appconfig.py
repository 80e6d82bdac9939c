"""The configuration in force while AppConfig comes and goes."""

from dataclasses import dataclass, field

import boto3
import pytest
from aws_lambda_powertools.utilities.parameters import AppConfigProvider
from botocore.config import Config

from pixian_s3.aws.appconfig import MAX_AGE_SECONDS, LiveConfiguration
from pixian_s3.errors import Blocked
from tests.clock import PowertoolsClock
from tests.integration.servers import FakeAppConfig

OTHER = '{"defaults": {"max_pixels": 100}}'
BAD = '{"defaults": {"max_pixels": 1}}'


@dataclass
class Subject:
    """The live configuration, what it warned of, and its surroundings."""

    live: LiveConfiguration
    service: FakeAppConfig
    clock: PowertoolsClock
    warnings: list[str] = field(default_factory=list)

    def form(self) -> dict[str, str]:
        return self.live.current().settings_for("a.jpg").form

    def expire(self) -> None:
        self.clock.pass_seconds(MAX_AGE_SECONDS + 1)


@pytest.fixture
def subject(
    no_aws_account: None,  # noqa: ARG001 - it sets the environment
    appconfig: FakeAppConfig,
    powertools_clock: PowertoolsClock,
) -> Subject:
    once = Config(retries={"mode": "standard", "total_max_attempts": 1})
    client = boto3.client("appconfigdata", endpoint_url=appconfig.url, config=once)
    warnings: list[str] = []

    def new_provider() -> AppConfigProvider:
        return AppConfigProvider(environment="live", application="app", boto3_client=client)

    live = LiveConfiguration(new_provider, "parameters", warnings.append)
    return Subject(live, appconfig, powertools_clock, warnings)


def test_the_document_is_parsed(subject: Subject) -> None:
    assert subject.form() == {"test": "true"}


def test_for_a_minute_appconfig_isnt_asked_again(subject: Subject) -> None:
    subject.form()
    subject.clock.pass_seconds(59)
    subject.form()
    assert subject.service.polls == 1


def test_after_a_minute_a_new_document_is_used(subject: Subject) -> None:
    subject.form()
    subject.service.document = OTHER
    subject.expire()
    assert subject.form() == {"max_pixels": "100"}


def test_a_document_that_stays_the_same_stays_in_use(subject: Subject) -> None:
    subject.form()
    subject.expire()
    assert subject.form() == {"test": "true"}
    assert subject.service.sessions == 1


def test_the_last_good_document_survives_an_outage(subject: Subject) -> None:
    subject.form()
    subject.service.away = True
    subject.expire()
    assert subject.form() == {"test": "true"}
    assert "The last valid configuration is used" in subject.warnings[0]


def test_the_last_good_document_survives_a_bad_one(subject: Subject) -> None:
    subject.form()
    subject.service.document = BAD
    subject.expire()
    assert subject.form() == {"test": "true"}
    assert "defaults.max_pixels" in subject.warnings[0]


def test_a_bad_document_that_was_fixed_is_used(subject: Subject) -> None:
    subject.form()
    for document in (BAD, OTHER):
        subject.service.document = document
        subject.expire()
        subject.form()
    assert subject.form() == {"max_pixels": "100"}


def test_after_a_failure_a_new_session_begins(subject: Subject) -> None:
    # Given a session that has expired
    subject.form()
    subject.service.expire_sessions()
    subject.service.document = OTHER
    # When it is found out
    subject.expire()
    assert subject.form() == {"test": "true"}
    # Then the next read begins another and sees what is new
    assert subject.form() == {"max_pixels": "100"}
    assert subject.service.sessions == 2


def test_with_none_ever_all_images_are_blocked(subject: Subject) -> None:
    subject.service.away = True
    with pytest.raises(Blocked, match="no valid configuration"):
        subject.live.current()


def test_a_first_document_that_is_bad_blocks_and_says_why(subject: Subject) -> None:
    subject.service.document = BAD
    with pytest.raises(Blocked, match=r"defaults\.max_pixels"):
        subject.live.current()


def test_once_appconfig_is_back_work_goes_on(subject: Subject) -> None:
    subject.service.away = True
    with pytest.raises(Blocked):
        subject.live.current()
    subject.service.away = False
    assert subject.form() == {"test": "true"}
