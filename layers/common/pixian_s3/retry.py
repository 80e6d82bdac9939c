"""How long images and lanes wait before the next attempt, and how many attempts there are."""

from collections.abc import Callable
from dataclasses import replace

from pixian_s3.errors import (
    Blocked,
    Conflict,
    Held,
    InProgress,
    NotFound,
    RetryLater,
    Unavailable,
)
from pixian_s3.job import Job

STEP_SECONDS = 5
"""Pixian asks for a wait of 5 s after the first 429, 10 s after the second in a row, and so on."""

MAX_DELAY_SECONDS = 900
"""The longest delay that SQS allows."""

MAX_LANE_WAIT_SECONDS = 75
"""The longest wait of a lane after a 429. The image itself doesn't wait for it."""

RETURNING_SECONDS = 5
"""The part of an invocation's time that a waiting lane leaves for the invocation to end."""

MAX_FAILURES = 100
"""Failures in a row, over about seven hours, before an image goes to the dead-letter queue."""

MAX_UNKNOWN_CALLS = 3
"""Calls of unknown outcome before an image is given up, because each may have cost a credit."""

GATEWAY_STATUSES = (502, 504)
"""The statuses with which a gateway answers for Pixian, possibly after Pixian did the work."""

MAX_GATEWAY_CALLS = 20
"""Calls answered by a gateway before an image is given up. Each may have cost a credit, but most
come from an outage, in which no image should be given up: 20 of them take over 3 hours."""

GATEWAY_STEP_SECONDS = 60
"""The delay after the first failure in a row if a gateway answered; then twice that, and so on."""

MAX_RECEIPTS = 5
"""How often a message is received if the function crashes or Lambda has no capacity for it.

The template's maxReceiveCount allows more receives, to give the image up with an error report.
"""

BLOCKED_DELAY_SECONDS = 300
"""The time between two attempts at an image that is blocked."""

MAX_BLOCKED_SECONDS = 4 * 24 * 3600
"""How long an image waits for the cause to be fixed."""

IN_PROGRESS_DELAY_SECONDS = 20
"""The time until the next attempt at an image that another invocation is working on."""

WRITE_PAUSES_SECONDS = (1, 2, 4, 8, 16, 32)
"""The pauses between attempts to write a result or a report on a call that was paid for."""

WRITE_SECONDS = 120
"""The minimum time left to attempt another write: the S3 client waits up to 20 s for an answer, and
makes five attempts."""


def delay_seconds(failures: int, retry_after: int = 0, step: int = STEP_SECONDS) -> int:
    """Seconds that an image waits after this many failures in a row; longer if the service asks."""
    return min(max(step * failures, retry_after), MAX_DELAY_SECONDS)


def lane_wait_seconds(throttles: int, retry_after: int = 0) -> int:
    """Seconds that a lane waits after this many 429s in a row.

    Pixian's rule applies to each thread: 5 s after the first 429, 10 s after the second in a row,
    and so on. An execution environment is such a thread. See `delay_seconds` for the image.
    """
    return min(max(STEP_SECONDS * throttles, retry_after), MAX_LANE_WAIT_SECONDS)


def after(error: RetryLater, job: Job, now: float) -> tuple[Job, int]:
    """The job to send to the retry queue, and its delay in seconds.

    Args:
        error: Why the attempt failed.
        job: The job of that attempt.
        now: Seconds since the epoch.
    """
    if isinstance(error, Held):
        return replace(job, blocked_since=None), MAX_DELAY_SECONDS
    if isinstance(error, Blocked):
        return job.blocked(now), BLOCKED_DELAY_SECONDS
    if isinstance(error, InProgress):
        return job, IN_PROGRESS_DELAY_SECONDS
    failed = job.failed()
    step = GATEWAY_STEP_SECONDS if error.status in GATEWAY_STATUSES else STEP_SECONDS
    return failed, delay_seconds(failed.failures, error.retry_after, step)


def too_many_calls(unknown: int, gateway: int) -> bool:
    """Whether a limit of calls that may have cost a credit without a result is reached.

    Args:
        unknown: The calls of unknown outcome since the upload or its last redrive.
        gateway: How many of them a gateway answered.
    """
    return unknown - gateway >= MAX_UNKNOWN_CALLS or gateway >= MAX_GATEWAY_CALLS


def blocked_too_long(job: Job, now: float) -> bool:
    """Whether the job has been blocked for longer than images wait."""
    return job.blocked_since is not None and now - job.blocked_since > MAX_BLOCKED_SECONDS


def why_give_up(error: RetryLater, job: Job, unknown: int, gateway: int, now: float) -> str | None:
    """Why the job must not be retried; None if it may.

    Args:
        error: Why it would be retried. It may always be if another invocation is working on it, or
            if it is held back.
        job: The job of the next attempt.
        unknown, gateway: As in `too_many_calls`.
        now: Seconds since the epoch.
    """
    if isinstance(error, InProgress | Held):
        return None
    if job.failures >= MAX_FAILURES:
        return f"it failed {job.failures} times in a row"
    if too_many_calls(unknown, gateway):
        return f"{unknown} calls ended without a result, and each may have cost a credit"
    if blocked_too_long(job, now):
        return f"it was blocked for {MAX_BLOCKED_SECONDS // 86400} days"
    return None


def retry_write(
    write: Callable[[], None],
    seconds_left: Callable[[], float],
    sleep: Callable[[float], None],
) -> None:
    """Attempt a write until it succeeds or time runs out.

    Args:
        write: Writes; each call checks again which object it replaces.
        seconds_left: Returns the seconds until Lambda ends the invocation.
        sleep: Waits for a number of seconds.

    Raises:
        Unavailable: All attempts failed.
    """
    for pause in WRITE_PAUSES_SECONDS:
        try:
            return write()
        except (Conflict, NotFound, Unavailable) as error:
            if seconds_left() < pause + WRITE_SECONDS:
                raise Unavailable(f"Writing to the output bucket failed: {error}") from error
        sleep(pause)
    try:
        return write()
    except (Conflict, NotFound) as error:
        raise Unavailable(f"Writing to the output bucket failed: {error}") from error
