"""How long an image, and a lane, waits before the next try, and how many tries there are."""

from collections.abc import Callable

from pixian_s3.errors import Blocked, Conflict, InProgress, NotFound, RetryLater, Unavailable
from pixian_s3.job import Job

STEP_SECONDS = 5
"""Pixian asks for 5 s after the first 429, 10 s after the second in a row, and so on."""

MAX_DELAY_SECONDS = 900
"""The longest delay that SQS takes."""

MAX_LANE_WAIT_SECONDS = 75
"""The longest that a lane waits after a 429: the image itself is back in the queue meanwhile."""

RETURNING_SECONDS = 5
"""Kept of an invocation's time for its end, when a lane waits."""

MAX_FAILURES = 100
"""Failures in a row before an image goes to the dead-letter queue; about seven hours of waiting."""

MAX_UNKNOWN_CALLS = 3
"""Calls of unknown outcome before an image goes to the dead-letter queue: each may have cost."""

MAX_RECEIPTS = 5
"""Of one message, none of which ended: the function crashed, or Lambda had no room for it.

The template's maxReceiveCount leaves more receipts, for giving the image up with a report.
"""

BLOCKED_DELAY_SECONDS = 300
"""Between two looks at whether what blocks all images has been fixed."""

MAX_BLOCKED_SECONDS = 4 * 24 * 3600
"""How long an image waits for that."""

IN_PROGRESS_DELAY_SECONDS = 20
"""Before looking again at an image that another invocation is at work on."""

WRITE_PAUSES_SECONDS = (1, 2, 4, 8, 16, 32)
"""Between tries to store a result that was paid for."""

WRITE_SECONDS = 120
"""Left before the function ends, so that there is another one: the S3 client waits up to 20 s for
an answer, and asks five times."""


def delay_seconds(failures: int, retry_after: int = 0) -> int:
    """Seconds to wait after so many failures in a row, or longer if the service asked for it."""
    return min(max(STEP_SECONDS * failures, retry_after), MAX_DELAY_SECONDS)


def lane_wait_seconds(throttles: int, retry_after: int = 0) -> int:
    """Seconds before a lane makes its next request after so many 429s in a row.

    Pixian's rule is for each thread of work: 5 s after the first, 10 s after the second in a row,
    and so on. An execution environment is such a thread. See `delay_seconds` for the image.
    """
    return min(max(STEP_SECONDS * throttles, retry_after), MAX_LANE_WAIT_SECONDS)


def after(error: RetryLater, job: Job, now: float) -> tuple[Job, int]:
    """The job as it goes back to the queue, and the seconds that it waits there.

    Args:
        error: why it goes back.
        job: as it was tried.
        now: seconds since the epoch.
    """
    if isinstance(error, Blocked):
        return job.blocked(now), BLOCKED_DELAY_SECONDS
    if isinstance(error, InProgress):
        return job, IN_PROGRESS_DELAY_SECONDS
    failed = job.failed()
    return failed, delay_seconds(failed.failures, error.retry_after)


def too_many_calls(job: Job, unknown_calls: int) -> bool:
    """Whether another call might cost once too often."""
    return unknown_calls - job.calls_before_redrive >= MAX_UNKNOWN_CALLS


def blocked_too_long(job: Job, now: float) -> bool:
    """Whether the job has waited long enough for what blocks all images to be fixed."""
    return job.blocked_since is not None and now - job.blocked_since > MAX_BLOCKED_SECONDS


def exhausted(job: Job, unknown_calls: int, now: float) -> str | None:
    """Why the job must not be tried again, or None if it may.

    Args:
        job: as it would be tried.
        unknown_calls: made for it so far, after which nobody knows whether a credit was spent.
        now: seconds since the epoch.
    """
    if job.failures >= MAX_FAILURES:
        return f"it failed {job.failures} times in a row"
    if too_many_calls(job, unknown_calls):
        return f"{unknown_calls} calls ended without a result, and each may have cost a credit"
    if blocked_too_long(job, now):
        return f"it was blocked for {MAX_BLOCKED_SECONDS // 86400} days"
    return None


def retry_write(
    write: Callable[[], None],
    seconds_left: Callable[[], float],
    sleep: Callable[[float], None],
) -> None:
    """Repeat a write while there is time: what it writes may have been paid for.

    Args:
        write: can be repeated; looks again at what it replaces.
        seconds_left: until Lambda ends the invocation.
        sleep: waits for so many seconds.

    Raises:
        Unavailable: it failed each time.
    """
    for pause in WRITE_PAUSES_SECONDS:
        try:
            return write()
        except (Conflict, NotFound, Unavailable) as error:
            if seconds_left() < pause + WRITE_SECONDS:
                raise Unavailable(f"Nothing was written: {error}") from error
        sleep(pause)
    try:
        return write()
    except (Conflict, NotFound) as error:
        raise Unavailable(f"Nothing was written: {error}") from error
