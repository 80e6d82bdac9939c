"""The dashboard of a stack: one table of rows, from which `make reference` writes the template's.

Names of the stack's own things are those of the template (`${RetryQueue.QueueName}`).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from pixian_s3.attempt import Outcome
from pixian_s3.aws.metrics import COUNTERS, NAMESPACE

WIDTH = 24
"""CloudWatch's grid has so many columns."""

MINUTE, FIVE_MINUTES, HOUR, DAY = 60, 300, 3600, 86400

ALARMS = (
    "DeadLettersAlarm",
    "BlockedAlarm",
    "MaybeChargedAlarm",
    "CrashesAlarm",
    "MessageCrashesAlarm",
    "RetryErrorsAlarm",
    "PaceErrorsAlarm",
    "RetryQueueAgeAlarm",
    "UndeliveredEventsAlarm",
    "DroppedEventsAlarm",
)
CONDITIONAL_ALARMS = ("LowCreditsAlarm", "LostRuleEventsAlarm")
"""Variables that the template fills with a comma and the ARN, if the stack has the alarm."""

_ALARMS_HERE = "ALARMS"


@dataclass(frozen=True)
class Line:
    """A metric, or an expression over the others of its widget.

    Attributes:
        label: What the legend says.
        metric: Namespace, name, and names and values of the dimensions; none for an expression.
        stat: The statistic.
        options: Others of CloudWatch's: `id`, `visible`, `expression`, `yAxis`.
    """

    label: str
    metric: tuple[str, ...] = ()
    stat: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    def hidden(self, id_: str) -> Self:
        """The line as a variable of an expression, and not drawn."""
        return replace(self, options={"id": id_, "visible": False})

    def body(self) -> list[Any]:
        """As CloudWatch writes it."""
        stat = {"stat": self.stat} if self.stat else {}
        return [*self.metric, {"label": self.label, **stat, **self.options}]


def _ours(name: str, label: str, stat: str = "Sum") -> Line:
    return Line(label, (NAMESPACE, name, "service", "${AWS::StackName}"), stat)


def _outcome(outcome: Outcome, label: str) -> Line:
    return _ours(COUNTERS[outcome], label)


def _queue(queue: str, name: str, label: str, stat: str) -> Line:
    return Line(label, ("AWS/SQS", name, "QueueName", f"${{{queue}.QueueName}}"), stat)


def _function(function: str, name: str, stat: str) -> Line:
    return Line(function, ("AWS/Lambda", name, "FunctionName", f"${{{function}}}"), stat)


def _functions(name: str, stat: str) -> list[Line]:
    functions = ("UploadFunction", "RetryFunction", "PaceFunction")
    return [_function(each, name, stat) for each in functions]


def _expression(id_: str, label: str, text: str) -> Line:
    return Line(label, options={"id": id_, "expression": text})


def _by_prefix(name: str, period: int) -> Line:
    """One line for each prefix, whichever there are."""
    schema = f"{{{NAMESPACE},service,prefix}}"
    search = f'{schema} MetricName="{name}" service="${{AWS::StackName}}"'
    return _expression("each", "${!PROP('Dim.prefix')}", f"SEARCH('{search}', 'Sum', {period})")


@dataclass(frozen=True)
class Widget:
    """A part of a row.

    Attributes:
        title: What it shows.
        width: In columns.
        lines: For a graph or numbers.
        period: In seconds; None for the whole time that the dashboard shows.
        numbers: Whether to show the newest values instead of a graph.
        stacked: Whether the graph's values add up.
        start: The beginning of the time shown, if it isn't the dashboard's.
        query: For CloudWatch Logs Insights, instead of lines.
        alarms: Whether it shows the alarms, instead of lines.
    """

    title: str
    width: int
    lines: Sequence[Line] = ()
    period: int | None = FIVE_MINUTES
    numbers: bool = False
    stacked: bool = False
    start: str = ""
    query: str = ""
    alarms: bool = False

    def body(self) -> dict[str, Any]:
        """Its type and properties, as CloudWatch writes them."""
        if self.alarms:
            return {"type": "alarm", "properties": {"title": self.title, "alarms": _ALARMS_HERE}}
        here = {"title": self.title, "region": "${AWS::Region}"}
        if self.query:
            return {"type": "log", "properties": here | {"view": "table", "query": self.query}}
        time = {"period": self.period} if self.period else {"setPeriodToTimeRange": True}
        return {
            "type": "metric",
            "properties": here
            | {"view": "singleValue" if self.numbers else "timeSeries"}
            | ({"stacked": True} if self.stacked else {})
            | ({"start": self.start} if self.start else {})
            | time
            | {"metrics": [line.body() for line in self.lines]},
        }


@dataclass(frozen=True)
class Row:
    """Some text, and widgets below it, whose widths add up to `WIDTH`. Heights are in rows."""

    text: str
    widgets: Sequence[Widget]
    text_height: int = 2
    height: int = 6


_WAITING = [
    _queue("RetryQueue", f"ApproximateNumberOfMessages{state}", label, "Average")
    for state, label in (
        ("Visible", "waiting"),
        ("Delayed", "delayed"),
        ("NotVisible", "in progress"),
    )
]
_USED = [
    replace(_function(function, "ConcurrentExecutions", "Maximum"), label=label)
    for function, label in (
        ("UploadFunction", "used for new uploads"),
        ("RetryFunction", "used for RetryQueue"),
    )
]
_OUTCOMES = [
    _outcome(Outcome.PROCESSED, "processed"),
    _outcome(Outcome.SKIPPED, "skipped"),
    _outcome(Outcome.REJECTED, "rejected"),
    _outcome(Outcome.EXHAUSTED, "given up"),
    _outcome(Outcome.POSTPONED, "postponed"),
    _outcome(Outcome.BLOCKED, "blocked"),
    _outcome(Outcome.PAUSED, "paused"),
]
_PROCESSED, _REJECTED, _GIVEN_UP = _OUTCOMES[0], *_OUTCOMES[2:4]


def _percentiles(name: str) -> list[Line]:
    return [_ours(name, stat, stat) for stat in ("p50", "p95", "p99")]


ROWS = (
    Row(
        "# ${AWS::StackName}\n"
        "**Is it working, how long still, what has it cost?** Credits and images are those of "
        "the time chosen above. The time left is that of all waiting images at the present "
        "rate; without a value, none was processed in the last minutes. CloudWatch is a few "
        "minutes late; `make status STACK=${AWS::StackName}` is exact.",
        [
            Widget("Alarms", 8, alarms=True),
            Widget(
                "Images",
                4,
                [
                    *(_PROCESSED, _REJECTED, _GIVEN_UP),
                    _ours("ResultsSuspicious", "suspicious results"),
                ],
                period=None,
                numbers=True,
            ),
            Widget(
                "How long still",
                4,
                [
                    *(line.hidden(f"w{n}") for n, line in enumerate(_WAITING)),
                    _PROCESSED.hidden("processed"),
                    # PaceFunction runs once a minute: so many minutes of this period have passed.
                    _ours("LanesAllowed", "minutes", "SampleCount").hidden("minutes"),
                    _expression("waiting", "images waiting", "w0 + w1 + w2"),
                    _expression("left", "minutes left", "waiting * minutes / processed"),
                ],
                period=2 * FIVE_MINUTES,
                numbers=True,
            ),
            Widget(
                "Cost",
                4,
                [_ours("CreditsCharged", "credits"), _ours("MaybeCharged", "maybe charged")],
                period=None,
                numbers=True,
            ),
            Widget(
                "Balance",
                4,
                [_ours("CreditsLeft", "credits left", "Minimum")],
                period=HOUR,
                numbers=True,
            ),
        ],
        text_height=3,
    ),
    Row(
        "## Images and backlog\n"
        "Attempts by outcome: an image that was postponed twice counts twice. *Blocked* "
        "images wait for somebody to fix the cause, *paused* ones for `make resume`. The "
        "backlog is what waits in RetryQueue; *dead letters* were given up. A message expires "
        "after 13 days.",
        [
            Widget("Images by outcome", 10, _OUTCOMES, stacked=True),
            Widget(
                "Backlog",
                7,
                [
                    *_WAITING,
                    _queue(
                        "DeadLetterQueue",
                        "ApproximateNumberOfMessagesVisible",
                        "dead letters",
                        "Maximum",
                    ),
                ],
            ),
            Widget(
                "Age of the oldest message (s)",
                7,
                [_queue("RetryQueue", "ApproximateAgeOfOldestMessage", "RetryQueue", "Maximum")],
            ),
        ],
    ),
    Row(
        "## Pace\n"
        "A lane sends one image at a time. PaceFunction allows more while there is a backlog, "
        "and fewer when Pixian throttles (429). Lanes that were throttled wait before their "
        "next request.",
        [
            Widget(
                "Lanes allowed and used",
                12,
                [
                    _ours("LanesAllowed", "allowed", "Maximum"),
                    _ours("UploadLanes", "allowed for new uploads", "Maximum"),
                    _ours("RetryLanes", "allowed for RetryQueue", "Maximum"),
                    *_USED,
                ],
                period=MINUTE,
            ),
            Widget(
                "Throttled requests",
                6,
                [
                    _ours("Throttled", "by Pixian (429)"),
                    _ours("ReservationsRefused", "no concurrency to reserve"),
                ],
            ),
            Widget("Time that lanes waited (s)", 6, [_ours("LaneWait", "in all")]),
        ],
    ),
    Row(
        "## Speed\n"
        "Pixian's time is that of the call, sending and receiving included. The time from "
        "upload to result also has the wait in RetryQueue.",
        [
            Widget("Pixian (ms)", 12, _percentiles("PixianLatency")),
            Widget("From upload to result (ms)", 12, _percentiles("EndToEndLatency")),
        ],
    ),
    Row(
        "## Credits of the last 30 days\n"
        "Each day is 24 hours. *Maybe charged* calls ended without a result, so nobody knows "
        "whether they cost a credit. The balance is that of the Pixian account, asked once an "
        "hour.",
        [
            Widget(
                "Credits by day",
                6,
                [_ours("CreditsCharged", "charged")],
                period=DAY,
                start="-P30D",
            ),
            *(
                Widget(
                    f"{title} by day and prefix",
                    6,
                    [_by_prefix(metric, DAY)],
                    period=DAY,
                    stacked=True,
                    start="-P30D",
                )
                for title, metric in (("Credits", "CreditsCharged"), ("Images", "ImagesProcessed"))
            ),
            Widget(
                "Balance, and calls maybe charged",
                6,
                [
                    _ours("CreditsLeft", "credits left", "Minimum"),
                    replace(_ours("MaybeCharged", "maybe charged"), options={"yAxis": "right"}),
                ],
                period=HOUR,
                start="-P30D",
            ),
        ],
    ),
    Row(
        "## Functions\n"
        "Nothing is lost when a function fails: its image is retried. `docs/operations.md` "
        "says what to do about each alarm. Functions are stopped after 900,000 ms, "
        "PaceFunction after 60,000.",
        [
            Widget(
                "Errors",
                12,
                [
                    *_functions("Errors", "Sum"),
                    _ours("Crashes", "crashed on an image"),
                    _ours("UnreadableMessages", "messages that can't be read"),
                ],
            ),
            Widget("Duration, longest (ms)", 12, _functions("Duration", "Maximum")),
        ],
    ),
    Row(
        "## The last failures\n"
        "Images that were rejected, given up or blocked in the time chosen above, newest "
        "first, with the reason and what to do. Each load of this table costs $0.005 for a GB "
        "of logs.",
        [
            Widget(
                "Failures",
                WIDTH,
                query="SOURCE '${UploadLog}' | SOURCE '${RetryLog}'"
                " | fields @timestamp, image.outcome, image.key, image.reason"
                ' | filter image.outcome in ["rejected", "exhausted", "blocked"]'
                " | sort @timestamp desc | limit 20",
            )
        ],
        height=8,
    ),
)


def widgets() -> Iterator[dict[str, Any]]:
    """All widgets with their places, as CloudWatch writes them."""
    y = 0
    for row in ROWS:
        text = {"type": "text", "properties": {"markdown": row.text, "background": "transparent"}}
        yield {"x": 0, "y": y, "width": WIDTH, "height": row.text_height, **text}
        y, x = y + row.text_height, 0
        for widget in row.widgets:
            yield {"x": x, "y": y, "width": widget.width, "height": row.height, **widget.body()}
            x += widget.width
        y += row.height


def body() -> str:
    """The dashboard, a line for each widget, with the variables that the template fills in."""
    lines = ",\n".join(map(json.dumps, widgets()))
    always = ", ".join(f'"${{{alarm}.Arn}}"' for alarm in ALARMS)
    others = "".join(f"${{{alarm}}}" for alarm in CONDITIONAL_ALARMS)
    text = lines.replace(json.dumps(_ALARMS_HERE), f"[{always}{others}]")
    return f'{{"start": "-P1D", "periodOverride": "inherit", "widgets": [\n{text}\n]}}'
