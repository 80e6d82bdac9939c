"""The state of a lane: how Pixian answered its last calls.

A lane is one Lambda execution environment, which handles one invocation at a time. Pixian's rules
call it a thread.
"""

from typing import TYPE_CHECKING

from pixian_s3 import retry
from pixian_s3.errors import Blocked, RetryLater, Throttled

if TYPE_CHECKING:
    from decimal import Decimal

COUNT_SECONDS = 30.0
"""A lane counts a throttle for the pace at most this often: the pace is decided once a minute, by
whether there was one."""

BLOCKED_SECONDS = 60
"""How long a lane that found all images blocked postpones others without trying them."""


class Lane:
    """The lane of this process.

    Attributes:
        throttles: The number of 429 answers since the last success.
        writable: The configured prefixes whose results can be stored, as this lane has checked.
        prices: The credits that the last image of each configured prefix cost.
    """

    def __init__(self) -> None:
        self.throttles = 0
        self.writable = set[str]()
        self.prices: dict[str, Decimal] = {}
        # Message and status only: the exception would keep its whole traceback alive.
        self._blocked: tuple[str, int | None] | None = None
        self._blocked_at = 0.0
        self._counted_at = -COUNT_SECONDS

    def succeeded(self) -> None:
        """Record that Pixian processed an image."""
        self.throttles = 0
        self._blocked = None

    def failed(self, error: RetryLater, now: float) -> int:
        """Record why an image couldn't be processed.

        Args:
            error: The reason.
            now: Seconds since the epoch.

        Returns:
            Seconds to wait before this lane makes its next call.
        """
        if isinstance(error, Blocked) and error.for_all:
            self._blocked, self._blocked_at = (str(error), error.status), now
        if not isinstance(error, Throttled):
            return 0
        self.throttles += 1
        return retry.lane_wait_seconds(self.throttles, error.retry_after)

    def require_open(self, now: float) -> None:
        """Check that this lane didn't find all images blocked less than a minute ago.

        Raises:
            Blocked: It did. This doesn't restart the minute.
        """
        if self._blocked and 0 <= now - self._blocked_at < BLOCKED_SECONDS:
            reason, status = self._blocked
            raise Blocked(reason, status=status, for_all=False)

    def counts(self, error: RetryLater | None, now: float) -> bool:
        """Whether to count a failure for the pace; if so, remember when.

        Args:
            error: Why an image couldn't be processed; None if it could.
            now: Seconds since the epoch.
        """
        not_taken = isinstance(error, Throttled) or (isinstance(error, Blocked) and error.for_all)
        if not not_taken or 0 <= now - self._counted_at < COUNT_SECONDS:
            return False
        self._counted_at = now
        return True
