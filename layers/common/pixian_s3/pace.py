"""How many lanes may call Pixian at a time, and which function has them.

A lane is one execution environment of Lambda, which makes one call at a time. Pixian asks batch
users to start with at most 5 parallel requests and to add one every 5 minutes. A fresh upload would
wait behind everything that is in the retry queue, so during a backlog it keeps a lane of its own.
"""

from dataclasses import dataclass, replace

IDLE_SECONDS = 300
"""Without a backlog for so long, the backlog is over and the ramp starts from its beginning."""

TOLERANCE_SECONDS = 10
"""A schedule isn't exact to the second: what is due within this time is done at this look."""

LATE_SHARE = 0.2
"""Of the ramp's seconds: two steps are closer together by this much at most, after a late look."""

SHORTEST_SECONDS = 30
"""Between two looks. A look that comes sooner is a duplicate and decides nothing."""

FEWEST_RETRY_LANES = 2
"""The lowest MaximumConcurrency that SQS allows."""

FEWEST_LANES = FEWEST_RETRY_LANES + 1


@dataclass(frozen=True)
class Limits:
    """What the template's parameters allow.

    Attributes:
        start: lanes at the beginning, and the fewest; at least 3.
        most: lanes at the end of the ramp; fewer than `start` counts as `start`.
        ramp_seconds: from one step up to the next.
    """

    start: int
    most: int
    ramp_seconds: float


@dataclass(frozen=True)
class Look:
    """What is seen once a minute.

    Attributes:
        backlog: messages in the retry queue that could be received now.
        throttles: answers of 429 counted so far, in all.
        now: seconds since the epoch.
    """

    backlog: int
    throttles: int
    now: float


@dataclass(frozen=True)
class Pace:
    """What was decided at a look, and what the next decision needs to know of it.

    Attributes:
        lanes: that may call at a time.
        backlog: whether there is one, or has been one so lately that it may not be over.
        throttles: counted up to this look.
        looked_at: seconds since the epoch, like the following.
        quiet_since: since then there has been a backlog, without a throttle and without a step up.
        backlog_at: when a backlog was last seen.
    """

    lanes: int
    backlog: bool
    throttles: int
    looked_at: float
    quiet_since: float
    backlog_at: float


@dataclass(frozen=True)
class Lanes:
    """The lanes of UploadFunction and of RetryFunction."""

    upload: int
    retry: int


def decide(last: Pace | None, look: Look, limits: Limits) -> Pace:
    """The pace from now on.

    One lane more after `ramp_seconds` of backlog in which nobody was throttled; one fewer when
    somebody was; back to the start when the backlog is over.

    Args:
        last: what was decided at the look before; None at the first.
        look: what is seen now.
        limits: of the stack.
    """
    if last is None:
        return _first(look, limits)
    if 0 <= look.now - last.looked_at < SHORTEST_SECONDS:
        return replace(last, lanes=_within(last.lanes, limits))
    waiting, throttled = look.backlog > 0, look.throttles > last.throttles
    steady = waiting and last.backlog and not throttled
    backlog_at = look.now if waiting else last.backlog_at
    is_over = not last.backlog or _is_due(look.now - backlog_at, IDLE_SECONDS)
    seen = Pace(
        lanes=_within(last.lanes, limits),
        backlog=waiting or not is_over,
        throttles=look.throttles,
        looked_at=look.now,
        quiet_since=last.quiet_since if steady else look.now,
        backlog_at=backlog_at,
    )
    if not seen.backlog:
        return replace(seen, lanes=limits.start)
    if throttled:
        return replace(seen, lanes=_within(seen.lanes - 1, limits))
    if steady and _is_due(look.now - seen.quiet_since, limits.ramp_seconds):
        return _stepped_up(seen, limits)
    return seen


def split(pace: Pace) -> Lanes:
    """Which function has the lanes.

    With a backlog, the retry queue has all but one, which is kept for fresh uploads.
    """
    retry = pace.lanes - 1 if pace.backlog else FEWEST_RETRY_LANES
    return Lanes(upload=pace.lanes - retry, retry=retry)


def _first(look: Look, limits: Limits) -> Pace:
    return Pace(
        lanes=limits.start,
        backlog=look.backlog > 0,
        throttles=look.throttles,
        looked_at=look.now,
        quiet_since=look.now,
        backlog_at=look.now,
    )


def _stepped_up(pace: Pace, limits: Limits) -> Pace:
    # Counted from when the step was due, so that late looks don't slow the ramp down. It goes no
    # further back than this, as looks that were missed are not made up for.
    due = pace.quiet_since + limits.ramp_seconds
    quiet_since = max(due, pace.looked_at - LATE_SHARE * limits.ramp_seconds)
    return replace(pace, lanes=_within(pace.lanes + 1, limits), quiet_since=quiet_since)


def _is_due(passed: float, seconds: float) -> bool:
    return passed >= seconds - TOLERANCE_SECONDS


def _within(lanes: int, limits: Limits) -> int:
    return max(limits.start, min(lanes, limits.most))
