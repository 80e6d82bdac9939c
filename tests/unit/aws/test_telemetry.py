"""One log line and one set of metrics a story."""

import pytest
from aws_lambda_powertools import Logger

from pixian_s3.aws.telemetry import Telemetry
from pixian_s3.story import Outcome, Story
from tests.builders import NOON, make_job
from tests.integration.told import CurrentStdout, Told, read_told

SERVICE = "told-stack"


def processed(**changes: object) -> Story:
    story = Story(
        make_job(failures=1),
        Outcome.PROCESSED,
        prefix="shoes/",
        parameters={"test": "true"},
        input_type="image/jpeg",
        input_size=(40, 30),
        input_bytes=1000,
        result_key="shoes/a.png",
        result_bytes=500,
        headers={"X-Credits-Charged": "0.25", "X-Credits-Calculated": "1.5"},
        pixian_seconds=1.5,
    )
    for name, value in changes.items():
        setattr(story, name, value)
    return story


@pytest.fixture
def capture(capsys: pytest.CaptureFixture[str]) -> pytest.CaptureFixture[str]:
    capsys.readouterr()
    return capsys


def tell(story: Story, capture: pytest.CaptureFixture[str]) -> Told:
    logger = Logger(service=SERVICE, stream=CurrentStdout())
    Telemetry(logger, SERVICE, lambda: NOON + 4).tell(story)
    return read_told(capture.readouterr().out)


def test_the_metrics_are_in_the_embedded_format(capture: pytest.CaptureFixture[str]) -> None:
    (line,) = tell(processed(), capture).metrics
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "PixianS3"
    # By prefix, and over all prefixes for the alarms
    sets = [set(names) for names in directive["Dimensions"]]
    assert sets == [{"service", "prefix"}, {"service"}]
    assert (line["service"], line["prefix"]) == (SERVICE, "shoes/")


def test_a_result_has_all_its_measures(capture: pytest.CaptureFixture[str]) -> None:
    told = tell(processed(), capture)
    assert {name: told.total(name) for name in told.counted()} == {
        "ImagesProcessed": 1,
        "CreditsCharged": 0.25,
        "CreditsCalculated": 1.5,
        "PixianLatency": 1500,
        "EndToEndLatency": 4000,
        "InputBytes": 1000,
        "ResultBytes": 500,
    }


@pytest.mark.parametrize(
    ("outcome", "name"),
    [
        (Outcome.SKIPPED, "ImagesSkipped"),
        (Outcome.REJECTED, "ImagesRejected"),
        (Outcome.POSTPONED, "RetriesScheduled"),
        (Outcome.BLOCKED, "Blocked"),
        (Outcome.EXHAUSTED, "RetriesExhausted"),
    ],
)
def test_each_other_ending_is_counted_once(
    capture: pytest.CaptureFixture[str], outcome: Outcome, name: str
) -> None:
    told = tell(Story(make_job(), outcome, "why"), capture)
    assert told.counted() == {name}
    assert told.total(name) == 1


def test_throttling_is_counted(capture: pytest.CaptureFixture[str]) -> None:
    told = tell(Story(make_job(), Outcome.POSTPONED, throttled=True), capture)
    assert told.total("Throttled") == 1


def test_each_call_of_unknown_outcome_is_counted_that_was_not(
    capture: pytest.CaptureFixture[str],
) -> None:
    story = Story(make_job(), Outcome.POSTPONED, counted_calls=3, uncounted_calls={"one", "two"})
    assert tell(story, capture).total("MaybeCharged") == 2


def test_without_a_prefix_the_dimension_says_defaults(capture: pytest.CaptureFixture[str]) -> None:
    (line,) = tell(processed(prefix=""), capture).metrics
    assert line["prefix"] == "(defaults)"


@pytest.mark.parametrize("said", ["", "free", None])
def test_credits_that_are_no_number_count_nothing(
    capture: pytest.CaptureFixture[str], said: str | None
) -> None:
    headers = {} if said is None else {"X-Credits-Charged": said}
    assert tell(processed(headers=headers), capture).total("CreditsCharged") == 0


def test_two_stories_are_two_lines_each(capture: pytest.CaptureFixture[str]) -> None:
    tell(processed(), capture)
    told = tell(processed(prefix="hats/"), capture)
    assert [line["prefix"] for line in told.metrics] == ["hats/"]


def test_the_log_line_tells_the_whole_story(capture: pytest.CaptureFixture[str]) -> None:
    (line,) = tell(processed(), capture).logs
    assert (line["level"], line["message"], line["service"]) == ("INFO", "processed", SERVICE)
    assert line["image"] == {
        "outcome": "processed",
        "bucket": "dropped",
        "key": "shoes/a.jpg",
        "version_id": "version-1",
        "etag": "0123456789abcdef0123456789abcdef",
        "prefix": "shoes/",
        "parameters": {"test": "true"},
        "attempt": 2,
        "input_type": "image/jpeg",
        "input_size": [40, 30],
        "input_bytes": 1000,
        "result_key": "shoes/a.png",
        "result_bytes": 500,
        "credits_charged": "0.25",
        "credits_calculated": "1.5",
        "pixian_ms": 1500,
        "end_to_end_ms": 4000,
    }


@pytest.mark.parametrize("outcome", [Outcome.REJECTED, Outcome.BLOCKED, Outcome.EXHAUSTED])
def test_trouble_is_a_warning(capture: pytest.CaptureFixture[str], outcome: Outcome) -> None:
    (line,) = tell(Story(make_job(), outcome, "why"), capture).logs
    assert (line["level"], line["image"]["reason"]) == ("WARNING", "why")


def test_a_delay_is_told(capture: pytest.CaptureFixture[str]) -> None:
    story = Story(make_job(), Outcome.POSTPONED, "429", status=429, delay_seconds=5)
    facts = tell(story, capture).facts()
    assert (facts["status"], facts["next_try_in_seconds"]) == (429, 5)
