"""No permission of the functions is spare: without any one of them something stops that matters."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.e2e import scenarios as s
from tests.e2e.conftest import World
from tests.e2e.direct import CRASHED, Direct, directly, the_schedule
from tests.e2e.grants import FUNCTIONS, PROCESSING, Grants

SOURCES, RESULTS, REPORTS = "InputBucket/*", "OutputBucket/*", "OutputBucket/*.error.json"
SECRET, CONFIGURATION, CLAIMS = "CredentialsSecret", "ConfigurationProfile", "LeaseTable"


@dataclass(frozen=True)
class Case:
    """An action on a resource, and a scenario that comes to another ending without it.

    `of` is the role or managed policy that allows it.
    """

    action: str
    on: str
    scenario: s.Scenario
    without: str
    of: str = PROCESSING

    def __str__(self) -> str:
        return f"{self.of} {self.action} {self.on} {self.scenario.__name__}"


@dataclass(frozen=True)
class Unchecked:
    """What AWS asks for but the local AWS doesn't, and where AWS says so."""

    actions: tuple[str, ...]
    on: str
    scenario: s.Scenario
    source: str
    of: str = PROCESSING

    def __str__(self) -> str:
        return f"{self.of} {'+'.join(self.actions)} {self.on} {self.scenario.__name__}"


STARTING = s.an_image_to_a_function_just_started
PACING = s.a_look_that_sets_both_limits
NEEDED = [
    Case("s3:GetObjectVersion", SOURCES, s.an_image, "blocked"),
    Case("s3:GetObject", SOURCES, s.an_image_without_a_version, "blocked"),
    Case("s3:GetObjectVersionTagging", SOURCES, s.a_tagged_image, "blocked"),
    Case("s3:GetObjectTagging", SOURCES, s.a_tagged_image_without_a_version, "blocked"),
    Case("s3:GetObject", RESULTS, s.an_image, "blocked"),
    Case("s3:PutObject", RESULTS, s.an_image, "blocked"),
    Case("s3:DeleteObject", REPORTS, s.an_image_in_place_of_a_bad_file, "blocked"),
    Case("secretsmanager:GetSecretValue", SECRET, STARTING, "blocked"),
    Case("dynamodb:GetItem", CLAIMS, s.an_image, "postponed"),
    Case("dynamodb:PutItem", CLAIMS, s.an_image, "postponed"),
    # A claim that can't be kept would have the image paid for again once it runs out. Until then,
    # it keeps the image waiting, as does one that can't be given back.
    Case("dynamodb:UpdateItem", CLAIMS, s.an_image_again_without_its_result, "postponed"),
    Case("dynamodb:DeleteItem", CLAIMS, s.a_throttled_image_again, "postponed"),
    Case("sqs:SendMessage", "RetryQueue", s.a_throttled_image, CRASHED),
    Case("sqs:SendMessage", "DeadLetterQueue", s.an_image_whose_every_try_crashed, CRASHED),
    Case("sqs:GetQueueAttributes", "RetryQueue", PACING, CRASHED, of="PaceRole"),
    Case("dynamodb:GetItem", CLAIMS, PACING, CRASHED, of="PaceRole"),
    Case("dynamodb:UpdateItem", CLAIMS, PACING, CRASHED, of="PaceRole"),
    Case("lambda:PutFunctionConcurrency", "UploadFunction", PACING, CRASHED, of="PaceRole"),
]

AWS = "https://docs.aws.amazon.com/"
S3_ACTIONS = AWS + "AmazonS3/latest/userguide/using-with-s3-policy-actions.html"
APPCONFIG_ACTIONS = AWS + "service-authorization/latest/reference/list_awsappconfig.html"
LAMBDA_ACTIONS = AWS + "service-authorization/latest/reference/list_awslambda.html"
LOGGING = AWS + "lambda/latest/dg/monitoring-cloudwatchlogs.html"
POLLING = AWS + "lambda/latest/dg/services-sqs-configure.html"
MAP = ("lambda:UpdateEventSourceMapping",)
WRITE = ("logs:CreateLogStream", "logs:PutLogEvents")
RECEIVE = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
CONFIGURE = ("appconfig:StartConfigurationSession", "appconfig:GetLatestConfiguration")

UNCHECKED_HERE = [
    # MiniStack asks for nothing where a configuration is read.
    Unchecked(CONFIGURE, CONFIGURATION, STARTING, APPCONFIG_ACTIONS),
    # Who may not list is answered 403 in place of 404 for what is absent, and the image would be
    # blocked. MiniStack says 404 to everybody.
    Unchecked(("s3:ListBucket",), "OutputBucket", s.an_image, S3_ACTIONS),
    # A PutObject that brings tags, and a CopyObject of what has tags, need more than what MiniStack
    # asks for, PutObject and GetObject.
    Unchecked(("s3:PutObjectTagging",), RESULTS, s.a_tagged_image, S3_ACTIONS),
    Unchecked(("s3:GetObjectTagging",), RESULTS, s.a_tagged_image_again, S3_ACTIONS),
    # MiniStack knows no action for a change of an event source mapping, and lets everybody do it.
    Unchecked(MAP, "RetryFunctionRetries", PACING, LAMBDA_ACTIONS, of="PaceRole"),
    # Lambda does these with the function's role, MiniStack with none.
    Unchecked(WRITE, "UploadLog:*", s.a_story_of_an_upload, LOGGING, of="UploadRole"),
    Unchecked(WRITE, "RetryLog:*", s.a_story_of_a_retry, LOGGING, of="RetryRole"),
    Unchecked(WRITE, "PaceLog:*", s.a_line_of_a_look, LOGGING, of="PaceRole"),
    Unchecked(RECEIVE, "RetryQueue", s.a_message_in_the_queue, POLLING, of="RetryRole"),
]
CASES = [(case.of, case.action, case.on) for case in NEEDED] + [
    (case.of, action, case.on) for case in UNCHECKED_HERE for action in case.actions
]


@pytest.fixture(scope="module")
def grants(shared: World) -> Grants:
    return Grants(shared.stack)


@pytest.fixture(scope="module")
def quiet(shared: World) -> Iterator[Direct]:
    with directly(shared) as direct:
        yield direct


@pytest.fixture
def direct(quiet: Direct) -> Direct:
    quiet.world.control("POST", "reset")
    quiet.unblock()
    return quiet


def test_there_is_a_case_for_every_permission(grants: Grants) -> None:
    allowed = Counter((grant.of, grant.action, grant.on) for grant in grants.all())
    assert allowed == Counter(CASES)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_has_no_permission_twice(grants: Grants, function: str) -> None:
    """Taking away one of two would prove nothing."""
    had = Counter((grant.action, grant.on) for grant in grants.of_function(function))
    assert set(had.values()) == {1}


def test_the_schedule_may_call_the_pace_function_and_nothing_else(
    shared: World, grants: Grants
) -> None:
    """Read only: the local AWS calls a schedule's target without a look at its role."""
    role = the_schedule(shared)["Target"]["RoleArn"]
    allowed = [(grant.action, grant.on) for grant in grants.of_role(role)]
    assert allowed == [("lambda:InvokeFunction", "PaceFunction")]


@pytest.mark.parametrize(
    "scenario", dict.fromkeys(case.scenario for case in NEEDED), ids=lambda s: s.__name__
)
def test_with_every_permission_nothing_stops(direct: Direct, scenario: s.Scenario) -> None:
    assert scenario(direct) == s.ENDINGS[scenario]


@pytest.mark.parametrize("case", NEEDED, ids=str)
def test_without_it_something_stops(direct: Direct, grants: Grants, case: Case) -> None:
    with grants.without(case.on, case.action, of=case.of):
        assert case.scenario(direct) == case.without


@pytest.mark.parametrize("case", UNCHECKED_HERE, ids=str)
def test_the_local_aws_goes_on_without(direct: Direct, grants: Grants, case: Unchecked) -> None:
    """When this fails, the local AWS has learnt to ask for it: move the case to NEEDED."""
    with grants.without(case.on, *case.actions, of=case.of):
        assert case.scenario(direct) == s.ENDINGS[case.scenario]


def test_what_was_taken_is_back(direct: Direct, grants: Grants) -> None:
    test_there_is_a_case_for_every_permission(grants)
    assert s.an_image(direct) == "processed"
