"""What one execution environment remembers between images: how Pixian answered it.

An execution environment handles one invocation at a time. It is what Pixian's rules call a thread
of work: a lane.
"""

from pixian_s3 import retry
from pixian_s3.errors import Blocked, RetryLater, Throttled

COUNT_SECONDS = 30.0
"""A lane counts a throttle for the pace at most this often: the pace is decided once a minute, by
whether there was one."""

BLOCKED_SECONDS = 60
"""A lane that found all images blocked says so for this long without trying another one."""


class Lane:
    """This process's lane.

    Attributes:
        throttles: answers of 429 since the last success.
    """

    def __init__(self) -> None:
        self.throttles = 0
        # Its words only: the error itself would keep all that its traceback refers to.
        self._blocked: tuple[str, int | None] | None = None
        self._blocked_at = 0.0
        self._counted_at = -COUNT_SECONDS

    def succeeded(self) -> None:
        """Note that Pixian took an image."""
        self.throttles = 0
        self._blocked = None

    def failed(self, error: RetryLater, now: float) -> int:
        """Note why an image couldn't be processed.

        Args:
            error: the reason.
            now: seconds since the epoch.

        Returns:
            The seconds to wait before this lane makes its next request.
        """
        if isinstance(error, Blocked) and error.for_all:
            self._blocked, self._blocked_at = (str(error), error.status), now
        if not isinstance(error, Throttled):
            return 0
        self.throttles += 1
        return retry.lane_wait_seconds(self.throttles, error.retry_after)

    def require_open(self, now: float) -> None:
        """Make sure that it is worth trying an image.

        Raises:
            Blocked: this lane found all images blocked less than a minute ago. Raising it doesn't
                restart the minute.
        """
        if self._blocked and 0 <= now - self._blocked_at < BLOCKED_SECONDS:
            reason, status = self._blocked
            raise Blocked(reason, status=status, for_all=False)

    def counts(self, error: RetryLater | None, now: float) -> bool:
        """Whether an error is to be counted for the pace: Pixian took no image, and it isn't known.

        Args:
            error: why an image couldn't be processed.
            now: seconds since the epoch.
        """
        not_taken = isinstance(error, Throttled) or (isinstance(error, Blocked) and error.for_all)
        if not not_taken or 0 <= now - self._counted_at < COUNT_SECONDS:
            return False
        self._counted_at = now
        return True
