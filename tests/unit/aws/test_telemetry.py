"""One log line and one set of metrics for each attempt."""

from dataclasses import replace

import pytest
from aws_lambda_powertools import Logger

from pixian_s3.attempt import Answer, Attempt, Conversion, Outcome, Source
from pixian_s3.aws.telemetry import Telemetry
from tests.builders import NOON, make_job
from tests.integration.log import CurrentStdout, Log, read_log

SERVICE = "stack-of-this-test"


def processed(headers: dict[str, str] | None = None, prefix: str = "shoes/") -> Attempt:
    said = {"X-Credits-Charged": "0.25", "X-Credits-Calculated": "1.5"}
    return Attempt(
        make_job(failures=1),
        Outcome.PROCESSED,
        prefix=prefix,
        parameters={"test": "true"},
        source=Source("image/jpeg", (40, 30), 1000),
        answer=Answer(said if headers is None else headers, 1.5, 500),
        result_key="shoes/a.png",
    )


@pytest.fixture
def capture(capsys: pytest.CaptureFixture[str]) -> pytest.CaptureFixture[str]:
    capsys.readouterr()
    return capsys


def written(attempt: Attempt, capture: pytest.CaptureFixture[str]) -> Log:
    logger = Logger(service=SERVICE, stream=CurrentStdout())
    Telemetry(logger, SERVICE, lambda: NOON + 4).log_attempt(attempt)
    return read_log(capture.readouterr().out)


def test_the_metrics_are_in_the_embedded_format(capture: pytest.CaptureFixture[str]) -> None:
    (line,) = written(processed(), capture).metrics
    total, by_prefix = line["_aws"]["CloudWatchMetrics"]
    assert total["Namespace"] == by_prefix["Namespace"] == "PixianS3"
    assert (total["Dimensions"], by_prefix["Dimensions"]) == (
        [["service"]],
        [["service", "prefix"]],
    )
    assert (line["service"], line["prefix"]) == (SERVICE, "shoes/")
    # CloudWatch takes a metric's values from the line's other fields.
    assert all(line[each["Name"]] for each in total["Metrics"])


def test_only_two_metrics_are_recorded_by_prefix(capture: pytest.CaptureFixture[str]) -> None:
    (line,) = written(processed(), capture).metrics
    _, by_prefix = line["_aws"]["CloudWatchMetrics"]
    assert [each["Name"] for each in by_prefix["Metrics"]] == ["ImagesProcessed", "CreditsCharged"]


@pytest.mark.parametrize("outcome", [each for each in Outcome if each != Outcome.PROCESSED])
def test_no_other_outcome_is_recorded_by_prefix(
    capture: pytest.CaptureFixture[str], outcome: Outcome
) -> None:
    (line,) = written(Attempt(make_job(), outcome, "why", prefix="shoes/"), capture).metrics
    (total,) = line["_aws"]["CloudWatchMetrics"]
    assert total["Dimensions"] == [["service"]]


def test_a_result_has_all_its_measures(capture: pytest.CaptureFixture[str]) -> None:
    log = written(processed(), capture)
    assert {name: log.total(name) for name in log.counted()} == {
        "ImagesProcessed": 1,
        "CreditsCharged": 0.25,
        "CreditsCalculated": 1.5,
        "PixianLatency": 1500,
        "EndToEndLatency": 4000,
        "InputBytes": 1000,
        "ResultBytes": 500,
    }


@pytest.mark.parametrize(
    ("check", "suspicious"), [("", 0), ("ok", 0), ("all-kept", 1), ("all-kept,small-subject", 1)]
)
def test_a_result_with_signs_of_trouble_is_counted_once_and_not_by_prefix(
    check: str, suspicious: int, capture: pytest.CaptureFixture[str]
) -> None:
    attempt = processed()
    assert attempt.answer
    log = written(replace(attempt, answer=replace(attempt.answer, check=check)), capture)
    assert log.total("ResultsSuspicious") == suspicious
    assert log.facts().get("check", "") == check
    by_prefix = {
        metric["Name"]
        for line in log.metrics
        for directive in line["_aws"]["CloudWatchMetrics"]
        if ["service", "prefix"] in directive["Dimensions"]
        for metric in directive["Metrics"]
    }
    assert by_prefix == {"ImagesProcessed", "CreditsCharged"}


@pytest.mark.parametrize(
    ("outcome", "name"),
    [
        (Outcome.SKIPPED, "ImagesSkipped"),
        (Outcome.REJECTED, "ImagesRejected"),
        (Outcome.POSTPONED, "RetriesScheduled"),
        (Outcome.BLOCKED, "Blocked"),
        (Outcome.PAUSED, "Paused"),
        (Outcome.EXHAUSTED, "RetriesExhausted"),
    ],
)
def test_each_other_outcome_is_counted_once(
    capture: pytest.CaptureFixture[str], outcome: Outcome, name: str
) -> None:
    log = written(Attempt(make_job(), outcome, "why"), capture)
    assert log.counted() == {name}
    assert log.total(name) == 1


def test_throttling_is_counted(capture: pytest.CaptureFixture[str]) -> None:
    log = written(Attempt(make_job(), Outcome.POSTPONED, status=429), capture)
    assert log.total("Throttled") == 1


def test_a_call_of_unknown_outcome_is_counted(capture: pytest.CaptureFixture[str]) -> None:
    attempt = Attempt(make_job(), Outcome.POSTPONED, maybe_charged=True)
    assert written(attempt, capture).total("MaybeCharged") == 1


@pytest.mark.parametrize("calls", [0, 2])
def test_calls_cut_short_are_counted_and_logged(
    capture: pytest.CaptureFixture[str], calls: int
) -> None:
    logger = Logger(service=SERVICE, stream=CurrentStdout())
    Telemetry(logger, SERVICE, lambda: NOON).calls_cut_short(calls, "shoes/a.jpg")
    log = read_log(capture.readouterr().out)
    assert log.total("MaybeCharged") == calls
    assert [line["key"] for line in log.lines] == ["shoes/a.jpg"] * bool(calls)


def test_without_a_prefix_the_dimension_says_defaults(capture: pytest.CaptureFixture[str]) -> None:
    (line,) = written(processed(prefix=""), capture).metrics
    assert line["prefix"] == "(defaults)"


@pytest.mark.parametrize("said", ["", "free", None, "NaN", "Infinity", "9" * 400])
def test_credits_that_are_no_number_count_nothing(
    capture: pytest.CaptureFixture[str], said: str | None
) -> None:
    headers = {} if said is None else {"X-Credits-Charged": said}
    assert written(processed(headers=headers), capture).total("CreditsCharged") == 0


def test_two_attempts_are_two_lines_each(capture: pytest.CaptureFixture[str]) -> None:
    written(processed(), capture)
    log = written(processed(prefix="hats/"), capture)
    assert [line["prefix"] for line in log.metrics] == ["hats/"]


def test_the_log_line_has_all_facts(capture: pytest.CaptureFixture[str]) -> None:
    (line,) = written(processed(), capture).lines
    assert (line["level"], line["message"], line["service"]) == ("INFO", "processed", SERVICE)
    assert line["image"] == {
        "outcome": "processed",
        "bucket": "input",
        "key": "shoes/a.jpg",
        "version_id": "version-1",
        "etag": "0123456789abcdef0123456789abcdef",
        "prefix": "shoes/",
        "parameters": {"test": "true"},
        "test": True,
        "attempt": 2,
        "source_type": "image/jpeg",
        "source_size": "40x30",
        "source_bytes": 1000,
        "result_key": "shoes/a.png",
        "result_bytes": 500,
        "credits_charged": "0.25",
        "credits_calculated": "1.5",
        "pixian_ms": 1500,
        "end_to_end_ms": 4000,
    }


def test_a_conversion_is_logged(capture: pytest.CaptureFixture[str]) -> None:
    sent = Conversion("image/jpeg", (20, 15), ("format", "pixels"))
    attempt = Attempt(
        make_job(), Outcome.PROCESSED, source=Source("image/heif", (40, 30), 1000, sent)
    )
    facts = written(attempt, capture).facts()
    assert facts["source_size"] == "40x30"
    assert facts["source_converted"] == "image/jpeg 20x15 format,pixels"


@pytest.mark.parametrize("outcome", [Outcome.REJECTED, Outcome.BLOCKED, Outcome.EXHAUSTED])
def test_trouble_is_a_warning(capture: pytest.CaptureFixture[str], outcome: Outcome) -> None:
    (line,) = written(Attempt(make_job(), outcome, "why"), capture).lines
    assert (line["level"], line["image"]["reason"]) == ("WARNING", "why")


def test_a_delay_is_logged(capture: pytest.CaptureFixture[str]) -> None:
    attempt = Attempt(make_job(), Outcome.POSTPONED, "429", status=429, delay_seconds=5)
    facts = written(attempt, capture).facts()
    assert (facts["status"], facts["next_attempt_in_seconds"]) == (429, 5)
