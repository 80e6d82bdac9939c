"""Decide how many lanes may call Pixian in parallel, and how the functions share them.

A lane is one Lambda execution environment, which makes one call at a time. Pixian asks batch users
to start with at most 5 parallel requests and to add one every 5 minutes. During a backlog one lane
is reserved for fresh uploads, which would otherwise wait behind the whole retry queue.

A backlog that lasts is a batch. `follow` decides when it begins and when it has finished.
"""

from dataclasses import dataclass, replace
from decimal import Decimal

IDLE_SECONDS = 300
"""After this time without a backlog the ramp starts over."""

TOLERANCE_SECONDS = 10
"""A step of the ramp may come this much early, because the schedule isn't exact to the second."""

LATE_SHARE = 0.2
"""The share of the ramp interval by which a step that was late may shorten the next interval."""

SHORTEST_SECONDS = 30
"""The shortest time between two observations; an earlier one is a duplicate and is ignored."""

FEWEST_RETRY_LANES = 2
"""The lowest MaximumConcurrency that SQS allows."""

FEWEST_LANES = FEWEST_RETRY_LANES + 1
"""The lowest value of StartConcurrency and MaxConcurrency: UploadFunction needs one, too."""

EMPTY_SECONDS = 180
"""A batch has finished when the retry queue was empty for so long, delayed messages included. SQS's
counts are estimates, and it says that they may be a minute old."""

LASTING_SECONDS = 120
"""A shorter backlog is no batch: a few images that were throttled, for example."""

CLAIM_SECONDS = 90
"""So long one run alone may announce a batch; PaceFunction's timeout is shorter."""


@dataclass(frozen=True)
class Limits:
    """The limits that the template's parameters set.

    Attributes:
        start: Lanes at the beginning of the ramp, and the minimum; at least 3.
        most: Lanes at the end of the ramp; raised to `start` if it is lower.
        ramp_seconds: The time between two steps up.
    """

    start: int
    most: int
    ramp_seconds: float


@dataclass(frozen=True)
class Observation:
    """What PaceFunction observes once a minute.

    Attributes:
        backlog: Messages in the retry queue that could be received now.
        throttles: The total number of throttles counted so far (`aws/throttles.py`).
        now: Seconds since the epoch.
        others: Messages in the retry queue that are delayed or in flight.
    """

    backlog: int
    throttles: int
    now: float
    others: int = 0


@dataclass(frozen=True)
class Pace:
    """A decision, with the state that the next decision needs.

    All times are in seconds since the epoch.

    Attributes:
        lanes: Lanes that may call in parallel.
        backlog: Whether there is a backlog, or was one less than `IDLE_SECONDS` ago.
        throttles: The total number of throttles counted at the observation.
        observed_at: The time of the observation.
        quiet_since: The start of the current period with a backlog but without a 429 or a step up.
        backlog_at: The last time that a backlog was observed.
    """

    lanes: int
    backlog: bool
    throttles: int
    observed_at: float
    quiet_since: float
    backlog_at: float


@dataclass(frozen=True)
class Batch:
    """A backlog from its first message to its last. Times are in seconds since the epoch.

    Attributes:
        since: The first observation of a backlog.
        until: The last observation of any message in the retry queue.
        largest: The largest backlog observed.
        credits: The credits that its first month had cost when it began.
        finished: Whether it has finished and is to be announced; it doesn't change any more.
        claimed_at: When a run of PaceFunction began to announce it; None if none did.
    """

    since: float
    until: float
    largest: int
    credits: Decimal = Decimal(0)
    finished: bool = False
    claimed_at: float | None = None

    @property
    def seconds(self) -> float:
        """How long it lasted so far."""
        return self.until - self.since

    def is_due(self, now: float) -> bool:
        """Whether to announce it now: it has finished, and no other run is announcing it."""
        return self.finished and (self.claimed_at is None or now - self.claimed_at >= CLAIM_SECONDS)


@dataclass(frozen=True)
class Lanes:
    """The numbers of lanes of UploadFunction and RetryFunction."""

    upload: int
    retry: int


def decide(last: Pace | None, seen: Observation, limits: Limits) -> Pace:
    """Decide the pace from now on.

    Adds a lane after `ramp_seconds` of backlog without a 429, removes one after a 429, and returns
    to `limits.start` when the backlog is over.

    Args:
        last: The previous decision; None for the first one.
        seen: The current observation.
        limits: The stack's limits.
    """
    if last is None:
        return _first(seen, limits)
    if 0 <= seen.now - last.observed_at < SHORTEST_SECONDS:
        return replace(last, lanes=_within(last.lanes, limits))
    waiting, throttled = seen.backlog > 0, seen.throttles > last.throttles
    steady = waiting and last.backlog and not throttled
    backlog_at = seen.now if waiting else last.backlog_at
    is_over = not last.backlog or _is_due(seen.now - backlog_at, IDLE_SECONDS)
    pace = Pace(
        lanes=_within(last.lanes, limits),
        backlog=waiting or not is_over,
        throttles=seen.throttles,
        observed_at=seen.now,
        quiet_since=last.quiet_since if steady else seen.now,
        backlog_at=backlog_at,
    )
    if not pace.backlog:
        return replace(pace, lanes=limits.start)
    if throttled:
        return replace(pace, lanes=_within(pace.lanes - 1, limits))
    if steady and _is_due(seen.now - pace.quiet_since, limits.ramp_seconds):
        return _stepped_up(pace, limits)
    return pace


def split(pace: Pace) -> Lanes:
    """Share the lanes between the functions.

    During a backlog the retry queue gets all lanes but one, which is kept for fresh uploads.
    """
    retry = pace.lanes - 1 if pace.backlog else FEWEST_RETRY_LANES
    return Lanes(upload=pace.lanes - retry, retry=retry)


def follow(batch: Batch | None, seen: Observation) -> Batch | None:
    """Follow a batch to its end, or begin one.

    Args:
        batch: The batch so far; None if there is none.
        seen: The current observation.

    Returns:
        The batch; None if there is none, or if it was too short to be one.
    """
    if batch is None:
        return Batch(seen.now, seen.now, seen.backlog) if seen.backlog else None
    if batch.finished:
        return batch
    if seen.backlog or seen.others:
        until, largest = max(batch.until, seen.now), max(batch.largest, seen.backlog)
        return replace(batch, until=until, largest=largest)
    if not _is_due(seen.now - batch.until, EMPTY_SECONDS):
        return batch
    return replace(batch, finished=True) if _is_due(batch.seconds, LASTING_SECONDS) else None


def _first(seen: Observation, limits: Limits) -> Pace:
    return Pace(
        lanes=limits.start,
        backlog=seen.backlog > 0,
        throttles=seen.throttles,
        observed_at=seen.now,
        quiet_since=seen.now,
        backlog_at=seen.now,
    )


def _stepped_up(pace: Pace, limits: Limits) -> Pace:
    # Count from the time when the step was due, so that late observations don't slow the ramp down.
    # Go back only so far: after missed observations the steps are not made up for.
    due = pace.quiet_since + limits.ramp_seconds
    quiet_since = max(due, pace.observed_at - LATE_SHARE * limits.ramp_seconds)
    return replace(pace, lanes=_within(pace.lanes + 1, limits), quiet_since=quiet_since)


def _is_due(passed: float, seconds: float) -> bool:
    return passed >= seconds - TOLERANCE_SECONDS


def _within(lanes: int, limits: Limits) -> int:
    return max(limits.start, min(lanes, limits.most))
