"""What happened to one image in one try: the facts behind its log line, metrics and report."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pixian_s3.job import Job


class Outcome(StrEnum):
    """How a try ended."""

    PROCESSED = "processed"
    SKIPPED = "skipped"
    REJECTED = "rejected"
    POSTPONED = "postponed"
    BLOCKED = "blocked"
    EXHAUSTED = "exhausted"


@dataclass
class Story:
    """Written as the image goes through the steps of `process`.

    Attributes:
        job: as it was tried.
        outcome: None until it is known.
        reason: of any outcome but a result.
        prefix: the configured prefix that the key fell under.
        parameters: as sent to Pixian.
        input_type, input_size, input_bytes: of the source; size is (width, height) in pixels.
        result_key, result_bytes: of the result.
        headers: of Pixian's answer.
        status: Pixian's HTTP status, where it refused.
        pixian_seconds: from the call to the last byte of the answer.
        throttled: whether that is why a try was postponed.
        lane_wait_seconds: that this lane waits after it before its next request.
        counted_calls: earlier calls of unknown outcome that were counted.
        uncounted_calls: notes of those that this try made or found, and will have counted.
        answered_call: note of the call that was paid for and brought to an ending.
        delay_seconds: until the next try.
    """

    job: Job
    outcome: Outcome | None = None
    reason: str | None = None
    prefix: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    input_type: str | None = None
    input_size: tuple[int, int] | None = None
    input_bytes: int | None = None
    result_key: str | None = None
    result_bytes: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int | None = None
    pixian_seconds: float | None = None
    throttled: bool = False
    lane_wait_seconds: int = 0
    counted_calls: int = 0
    uncounted_calls: set[str] = field(default_factory=set)
    answered_call: str | None = None
    delay_seconds: int | None = None

    @property
    def unknown_calls(self) -> int:
        """All calls after which nobody knows whether a credit was spent."""
        return self.counted_calls + len(self.uncounted_calls)

    def found_calls(self, counted: int, uncounted: Iterable[str]) -> None:
        """Take over what is known of the calls of earlier tries."""
        self.counted_calls = counted
        self.uncounted_calls |= set(uncounted)

    def end(self, outcome: Outcome, reason: str | None = None) -> None:
        """Note how the try ended."""
        self.outcome = outcome
        self.reason = reason
