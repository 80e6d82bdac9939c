"""The record of one attempt to process an image, for its log line and metrics."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from pixian_s3.job import Job

MAX_CREDITS = 1_000_000_000
"""More than any image costs or any budget allows. A higher number is an error."""


class Outcome(StrEnum):
    """How an attempt ended."""

    PROCESSED = "processed"
    SKIPPED = "skipped"
    REJECTED = "rejected"
    POSTPONED = "postponed"
    BLOCKED = "blocked"
    PAUSED = "paused"
    EXHAUSTED = "exhausted"


@dataclass(frozen=True)
class Conversion:
    """What was sent to Pixian in place of a source.

    Attributes:
        mime_type: The type of the file that was sent.
        size: Its width and height in pixels, as shown.
        reasons: Why the source wasn't sent: `format`, if Pixian doesn't take its type; `pixels`, if
            it has more than Pixian processes; `max_pixels`, if Pixian would have shrunk it to
            that, so that its delta PNG would fit no other image.
    """

    mime_type: str
    size: tuple[int, int]
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.mime_type} {spelled(self.size)} {','.join(self.reasons)}"


@dataclass(frozen=True)
class Source:
    """What was uploaded.

    Attributes:
        mime_type: Its type, by its content.
        size: Width and height in pixels, as shown: with its orientation applied.
        bytes: The size of the file.
        converted: What was sent in its place; None if it was sent as it is.
    """

    mime_type: str
    size: tuple[int, int]
    bytes: int
    converted: Conversion | None = None


def signs_in(check: str) -> tuple[str, ...]:
    """The signs of trouble in a text as `Answer.check` is."""
    return tuple(sign for sign in check.split(",") if sign not in {"", "ok"})


def spelled(size: tuple[int, int]) -> str:
    """A width and height as in logs and metadata, such as 6000x4000."""
    width, height = size
    return f"{width}x{height}"


@dataclass(frozen=True)
class Answer:
    """The measurements of Pixian's answer.

    Attributes:
        headers: The headers that consist of numbers; names are case-insensitive.
        seconds: The time from the call to the last byte.
        bytes: The size of the image as it is stored.
        check: The signs of trouble in it, separated by commas; "ok" if there are none, empty if it
            wasn't checked.
    """

    headers: Mapping[str, str]
    seconds: float
    bytes: int
    check: str = ""

    def credits(self, which: str) -> Decimal:
        """The credits in a header, "Charged" or "Calculated"; 0 if it is missing or implausible."""
        try:
            number = Decimal(self.headers.get(f"X-Credits-{which}", "0"))
        except InvalidOperation:
            return Decimal(0)
        return number if number.is_finite() and 0 <= number < MAX_CREDITS else Decimal(0)


@dataclass(frozen=True)
class Attempt:
    """A finished attempt. It is only logged and counted; no decision depends on it.

    Attributes:
        job: The job as it was processed.
        outcome: How the attempt ended.
        reason: Why; None if the outcome is `PROCESSED`.
        prefix: The configured prefix that matches the key.
        configuration: The version of the configuration document.
        parameters: Pixian's parameters for the key.
        source: The source; None if it wasn't read.
        answer: Pixian's answer; None if it contained no image.
        result_key: The key of the result.
        status: The HTTP status of Pixian's answer, if the call failed because of it.
        maybe_charged: Whether this attempt's call may have cost a credit without a result.
        delay_seconds: The time until the next attempt.
        lane_wait_seconds: How long this lane waits before its next request.
    """

    job: Job
    outcome: Outcome
    reason: str | None = None
    prefix: str = ""
    configuration: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    source: Source | None = None
    answer: Answer | None = None
    result_key: str = ""
    status: int | None = None
    maybe_charged: bool = False
    delay_seconds: int | None = None
    lane_wait_seconds: int = 0
