"""What the dashboard and the alarms show is what the program emits, in a run with every outcome."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from pixian_s3 import wiring
from pixian_s3.attempt import Outcome
from pixian_s3.aws.concurrency import Concurrency
from pixian_s3.aws.metrics import NAMESPACE
from pixian_s3.aws.telemetry import Telemetry
from pixian_s3.batch import process_all, send_unreadable
from pixian_s3.errors import UnreadableMessage
from pixian_s3.job import Job
from pixian_s3.lane import Lane
from pixian_s3.pace import Lanes
from pixian_s3.pacing import set_pace
from pixian_s3.retry import MAX_FAILURES
from tests.integration.log import read_log
from tests.integration.servers import Answer, refusal
from tests.integration.world import World
from tests.template import RESOURCES, ROOT, properties, resolve

type Metric = tuple[str, str, frozenset[tuple[str, str]]]

STACK = "${AWS::StackName}"
PREFIXES = [f"shop-{number}/" for number in range(20)]
# What AWS says it publishes for a queue, a function and a rule.
OF_AWS = {
    "AWS/SQS": {
        "QueueName": {
            "ApproximateNumberOfMessagesVisible",
            "ApproximateNumberOfMessagesDelayed",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateAgeOfOldestMessage",
        }
    },
    "AWS/Lambda": {
        "FunctionName": {
            "Errors",
            "Duration",
            "ConcurrentExecutions",
            "DestinationDeliveryFailures",
            "AsyncEventsDropped",
        }
    },
    "AWS/Events": {"RuleName": {"InvocationsFailedToBeSentToDlq"}},
}
KINDS = {
    "QueueName": "AWS::SQS::Queue",
    "FunctionName": "AWS::Serverless::Function",
    "RuleName": "AWS::Events::Rule",
}
HTML = Answer(body=b"<html>", content_type="text/html")
"""A success without a picture, which may have been charged."""


# ---- A run of the program -----------------------------------------------------------------------


class Refuses(Concurrency):
    """A Lambda whose account can't reserve anything."""

    def __init__(self) -> None:
        pass

    def set(self, lanes: Lanes) -> str:  # noqa: ARG002
        return "No room."


def attempt(world: World, job: Job, *answers: Answer) -> None:
    """Process a job in a fresh lane."""
    world.pixian.answers = list(answers)
    world.processor = replace(world.processor, lane=Lane())
    process_all([job], world.processor)


def run_every_outcome(world: World, prefix: str) -> None:
    """Let images of a prefix end in every way."""

    def uploaded(name: str, body: bytes | None = None) -> Job:
        return world.upload(f"{prefix}{name}", body)

    attempt(world, uploaded("processed.jpg"))
    attempt(world, replace(uploaded("x.jpg"), key=prefix))  # a folder marker is skipped
    attempt(world, uploaded("rejected.jpg", b"no image"))
    attempt(world, uploaded("throttled.jpg"), refusal(429))
    attempt(world, uploaded("blocked.jpg"), refusal(402))
    attempt(world, replace(uploaded("exhausted.jpg"), failures=MAX_FAILURES - 1), refusal(503))
    attempt(world, uploaded("maybe.jpg"), HTML)
    attempt(world, uploaded("pausing/paused.jpg"))


def run_pace(world: World) -> None:
    """Let PaceFunction run once, in an account that can't reserve concurrency."""
    environment = world.environment
    pacing = wiring.build_pacing(
        wiring.PaceEnvironment(
            retry_queue_url=environment.retry_queue_url,
            dead_letter_queue_url=environment.dead_letter_queue_url,
            lease_table=environment.lease_table,
            credentials_secret_arn=environment.credentials_secret_arn,
            pixian_endpoint=environment.pixian_endpoint,
            upload_function="upload",
            retry_mapping="mapping",
            start_concurrency="5",
            max_concurrency="25",
            ramp_minutes="5",
            powertools_service_name=environment.powertools_service_name,
        )
    )
    set_pace(
        replace(
            pacing,
            concurrency=Refuses(),
            credits_left=lambda: Decimal(12),
            telemetry=world.processor.telemetry,
            now=lambda: world.now,
        )
    )


def crash(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an image crash its function."""

    def fail(*_: object) -> None:
        raise MemoryError

    job = world.upload("crashed.jpg")
    with monkeypatch.context() as patched:
        patched.setattr(Telemetry, "log_attempt", fail)
        with pytest.raises(MemoryError):
            attempt(world, job)


@pytest.fixture
def prefixes() -> list[str]:
    """The configured prefixes."""
    return PREFIXES[:1]


@pytest.fixture
def emitted(
    world: World,
    prefixes: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> set[Metric]:
    """All metrics of a stack in which everything happened, under each prefix."""
    # Nothing is recorded for the prefixes that are paused.
    paused = {f"{prefix}pausing/": {"pipeline": {"paused": True}} for prefix in prefixes}
    world.configure(prefixes={prefix: {} for prefix in prefixes} | paused)
    for prefix in prefixes:
        run_every_outcome(world, prefix)
    crash(world, monkeypatch)
    send_unreadable("no job", "1", UnreadableMessage("It has no job."), world.processor)
    run_pace(world)
    service = world.environment.powertools_service_name
    log = read_log(capsys.readouterr().out)
    outcomes = {line["image"]["outcome"] for line in log.lines if "image" in line}
    assert outcomes == set(Outcome)
    return {
        (directive["Namespace"], metric["Name"], dimensions(line, names, service))
        for line in log.metrics
        for directive in line["_aws"]["CloudWatchMetrics"]
        for names in directive["Dimensions"]
        for metric in directive["Metrics"]
    }


def dimensions(line: dict[str, Any], names: list[str], service: str) -> frozenset[tuple[str, str]]:
    values = {name: line[name] for name in names}
    return frozenset(values.items() - {("service", service)} | {("service", STACK)})


# ---- The dashboard, as the template has it ------------------------------------------------------


def dashboard() -> dict[str, Any]:
    """The body, with references to resources as they are, and all alarms."""
    text, variables = properties("Dashboard")["DashboardBody"]["Sub"]
    for name, value in variables.items():
        given = {"LowCreditsThreshold": "1", "ExistingInputBucket": "shop"}
        text = text.replace(f"${{{name}}}", resolve(value, given)["Sub"])
    found = json.loads(text.replace("${!", "${"))
    assert isinstance(found, dict)
    return found


def lines(kind: str = "metric") -> Iterator[tuple[str, list[Any]]]:
    """Each metric or expression, with its widget's title."""
    for widget in dashboard()["widgets"]:
        if widget["type"] == kind:
            for line in widget["properties"]["metrics"]:
                yield widget["properties"]["title"], line


def shown() -> Iterator[tuple[str, Metric]]:
    """Each metric on the dashboard, with its widget's title; a search has any value as `*`."""
    for title, line in lines():
        *names, options = line
        if names:
            namespace, name, *pairs = names
            yield title, (namespace, name, frozenset(zip(pairs[::2], pairs[1::2], strict=True)))
        elif "SEARCH" in options["expression"]:
            found = re.fullmatch(
                r"SEARCH\('\{(\w+),service,prefix\} MetricName=\"(\w+)\" service=\"(.+)\"',"
                r" 'Sum', \d+\)",
                options["expression"],
            )
            assert found, options
            assert options["label"] == "${PROP('Dim.prefix')}"
            of_any = frozenset({("service", found[3]), ("prefix", "*")})
            yield title, (found[1], found[2], of_any)


def alarmed() -> Iterator[tuple[str, Metric]]:
    """What each alarm watches."""
    for alarm, thing in RESOURCES.items():
        if thing["Type"] == "AWS::CloudWatch::Alarm":
            about = thing["Properties"]
            pairs = ((each["Name"], reference(each["Value"])) for each in about["Dimensions"])
            yield alarm, (about["Namespace"], about["MetricName"], frozenset(pairs))


def reference(value: dict[str, str]) -> str:
    [text] = value.values()
    return f"${{{text}}}"


# ---- They agree ---------------------------------------------------------------------------------


def test_every_metric_that_is_shown_or_watched_is_emitted(emitted: set[Metric]) -> None:
    known = emitted | {
        (namespace, name, frozenset((key, "*" if key == "prefix" else value) for key, value in has))
        for namespace, name, has in emitted
    }
    ours = [each for each in (*shown(), *alarmed()) if each[1][0] == NAMESPACE]
    assert len(ours) > 20
    assert not [each for each in ours if each[1] not in known]


def test_every_metric_of_aws_is_one_of_a_resource_of_the_stack() -> None:
    theirs = [each for each in (*shown(), *alarmed()) if each[1][0] != NAMESPACE]
    assert len(theirs) > 10
    for about, (namespace, name, pairs) in theirs:
        [(dimension, value)] = pairs
        assert name in OF_AWS[namespace][dimension], about
        found = re.fullmatch(r"\$\{(\w+)(\.QueueName)?\}", value)
        assert found, about
        assert RESOURCES[found[1]]["Type"] == KINDS[dimension], about
        assert (found[2] is not None) == (dimension == "QueueName"), about


def test_every_metric_that_is_emitted_is_shown_or_only_of_use_in_a_report(
    emitted: set[Metric],
) -> None:
    names = {name for _, name, _ in emitted}
    on_it = {name for _, (_, name, _) in shown()}
    # SQS's own number of messages is newer than Backlog; the others are for sums over months.
    assert names - on_it == {"Backlog", "CreditsCalculated", "InputBytes", "ResultBytes"}


def test_an_expression_uses_lines_of_its_widget() -> None:
    for widget in dashboard()["widgets"]:
        options = [line[-1] for line in widget["properties"].get("metrics", [])]
        ids = [each["id"] for each in options if "id" in each]
        assert len(set(ids)) == len(ids)
        sums = [each.get("expression", "") for each in options]
        used = {
            name for text in sums if "SEARCH" not in text for name in re.findall(r"[a-z]\w*", text)
        }
        hidden = {each["id"] for each in options if each.get("visible") is False}
        assert hidden <= used <= set(ids)


def test_the_dashboard_shows_all_alarms() -> None:
    [alarms] = [each for each in dashboard()["widgets"] if each["type"] == "alarm"]
    arns = {f"${{{alarm}.Arn}}" for alarm, _ in alarmed()}
    assert set(alarms["properties"]["alarms"]) == arns
    assert len(alarms["properties"]["alarms"]) == len(arns)


def test_without_the_optional_alarms_the_dashboard_has_none_of_them() -> None:
    text, variables = properties("Dashboard")["DashboardBody"]["Sub"]
    for name, value in variables.items():
        text = text.replace(f"${{{name}}}", resolve(value, {"LowCreditsThreshold": "0"}))
    [alarms] = [each for each in json.loads(text)["widgets"] if each["type"] == "alarm"]
    assert len(alarms["properties"]["alarms"]) == len(list(alarmed())) - len(variables)


def test_the_failures_are_those_of_both_logs() -> None:
    [log] = [each for each in dashboard()["widgets"] if each["type"] == "log"]
    query = log["properties"]["query"]
    assert re.findall(r"SOURCE '\$\{(\w+)\}'", query) == ["UploadLog", "RetryLog"]
    [outcomes] = re.findall(r"image.outcome in (\[.+?\])", query)
    assert {Outcome(each) for each in json.loads(outcomes)} == {
        Outcome.REJECTED,
        Outcome.EXHAUSTED,
        Outcome.BLOCKED,
    }


def test_every_row_fills_the_grid_and_says_what_it_tells() -> None:
    widgets = dashboard()["widgets"]
    rows: dict[int, list[dict[str, Any]]] = {}
    for widget in widgets:
        rows.setdefault(widget["y"], []).append(widget)
    y = 0
    for texts, parts in zip(*[iter(rows.values())] * 2, strict=True):
        [text] = texts
        assert (text["type"], text["width"], text["y"]) == ("text", 24, y)
        assert len(text["properties"]["markdown"]) > 100
        [height] = {part["height"] for part in parts}
        assert [part["x"] for part in parts] == [
            sum(each["width"] for each in parts[:place]) for place in range(len(parts))
        ]
        assert sum(part["width"] for part in parts) == 24
        y += text["height"] + height
    assert y == max(each["y"] + each["height"] for each in widgets)


# ---- What the metrics cost ----------------------------------------------------------------------


@pytest.mark.parametrize("prefixes", [PREFIXES])
def test_operations_say_how_many_metrics_twenty_prefixes_take_and_what_they_cost(
    emitted: set[Metric], prefixes: list[str]
) -> None:
    by_prefix = {each for each in emitted if len(each[2]) == 2}
    # Two for each prefix.
    assert len(by_prefix) == 2 * len(prefixes)
    for_the_stack = len(emitted) - len(by_prefix)
    assert (
        f"A stack with 20 prefixes in which everything happens has {len(emitted)} metrics, "
        f"{for_the_stack} for the stack and 2 for each prefix, which cost "
        f"${0.3 * len(emitted):.2f} a month at most."
    ) in operations()
    assert f"${0.3 * for_the_stack:.2f}, and ${0.3 * 2:.2f} for each prefix" in operations()


def operations() -> str:
    return " ".join((ROOT / "docs/operations.md").read_text().split())


def test_operations_say_what_alarms_and_dashboard_cost() -> None:
    optional = [alarm for alarm, _ in alarmed() if "Condition" in RESOURCES[alarm]]
    always = len(list(alarmed())) - len(optional)
    assert (
        f"| alarms | {always} · $0.10; {len(optional)} more are optional | {0.1 * always:.2f} |"
    ) in operations()
    found = {metric for _, metric in shown()}
    searched = {each for each in found if ("prefix", "*") in each[2]}
    assert f"It has {len(found - searched)}, and {len(searched)} for each prefix" in operations()
