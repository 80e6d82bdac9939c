"""What happened to one image in one attempt: the facts behind its log line and metrics."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pixian_s3.job import Job


class Outcome(StrEnum):
    """How an attempt ended."""

    PROCESSED = "processed"
    SKIPPED = "skipped"
    REJECTED = "rejected"
    POSTPONED = "postponed"
    BLOCKED = "blocked"
    EXHAUSTED = "exhausted"


@dataclass(frozen=True)
class Input:
    """A source image: `size` is (width, height) in pixels."""

    mime_type: str
    size: tuple[int, int]
    bytes: int


@dataclass(frozen=True)
class Answer:
    """What came back from Pixian.

    Attributes:
        headers: those that hold numbers; looked up without regard to case.
        seconds: from the call to the last byte.
        bytes: of the image as it is stored.
    """

    headers: Mapping[str, str]
    seconds: float
    bytes: int


@dataclass(frozen=True)
class Attempt:
    """Built when the attempt is over; nothing reads it to decide anything.

    Attributes:
        job: as it was tried.
        outcome: how it ended.
        reason: of every outcome but `PROCESSED`.
        prefix: the configured prefix that the key matched.
        parameters: as sent to Pixian.
        input: the source, as far as it was read.
        answer: None if there was no image in it.
        result_key: of the result.
        status: Pixian's HTTP status, if it refused.
        maybe_charged: whether this attempt's call may have cost a credit without a result.
        delay_seconds: until the next attempt.
        lane_wait_seconds: that this lane waits before its next request.
    """

    job: Job
    outcome: Outcome
    reason: str | None = None
    prefix: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    input: Input | None = None
    answer: Answer | None = None
    result_key: str = ""
    status: int | None = None
    maybe_charged: bool = False
    delay_seconds: int | None = None
    lane_wait_seconds: int = 0
