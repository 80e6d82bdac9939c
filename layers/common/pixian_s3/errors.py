"""What can go wrong with an image, and what follows from it.

PixianS3Error
├── RetryLater               the image goes to the retry queue
│   ├── Throttled            429: too many calls at a time
│   ├── Unavailable          5xx or connection trouble; `maybe_charged` if the outcome is unknown
│   ├── InProgress           another invocation holds the lease on the image's result key
│   └── Blocked              not the image's fault: credentials, credits, permissions, configuration
│       ├── Unauthorized     401: the secret may have been rotated since it was cached
│       └── AccessDenied     S3 denies access to one object
├── Skipped                  there is nothing to do for this image
│   └── AlreadyDone          because its result exists
├── Rejected                 never again: the image is at fault, and an error report says why
├── Exhausted                given up: error report and dead-letter queue
├── NotFound, Conflict       what S3 answered; `process` decides what follows
├── InvalidConfiguration     a configuration document with errors, all of them listed
└── UnreadableMessage        a message in the retry queue that no version of this program wrote
"""

from dataclasses import dataclass


class PixianS3Error(Exception):
    """Base of all errors of this program."""


class RetryLater(PixianS3Error):
    """The image can't be processed now.

    Args:
        message: what happened, for the log and the error report.
        retry_after: seconds that the service asked to wait; 0 if it didn't ask.
        status: the HTTP status behind it, if any.

    Attributes:
        maybe_charged: whether a credit may have been spent although there is no result.
    """

    maybe_charged = False

    def __init__(self, message: str, *, retry_after: int = 0, status: int | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.status = status


class Throttled(RetryLater):
    """Pixian answered 429."""


class Unavailable(RetryLater):
    """Pixian or an AWS service didn't do its work.

    Args:
        message, retry_after, status: as in `RetryLater`.
        maybe_charged: as in `RetryLater`.
    """

    def __init__(
        self,
        message: str,
        *,
        maybe_charged: bool = False,
        retry_after: int = 0,
        status: int | None = None,
    ) -> None:
        super().__init__(message, retry_after=retry_after, status=status)
        self.maybe_charged = maybe_charged


class InProgress(RetryLater):
    """Another invocation holds the lease on this image's result key."""


class Blocked(RetryLater):
    """The image can't be processed until somebody fixes something other than the image.

    Args:
        message, retry_after, status: as in `RetryLater`.
        for_all: whether this affects all images; the lane then tries no other one for a minute.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after: int = 0,
        status: int | None = None,
        for_all: bool = True,
    ) -> None:
        super().__init__(message, retry_after=retry_after, status=status)
        self.for_all = for_all


class Unauthorized(Blocked):
    """Pixian refused the credentials."""


class AccessDenied(Blocked):
    """S3 denies access to one object; others may be allowed.

    Args:
        message: what S3 said.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message, for_all=False)


class Skipped(PixianS3Error):
    """Nothing to do: not for us, disabled, superseded or done before."""


class AlreadyDone(Skipped):
    """The result of this content with these parameters exists."""


class Rejected(PixianS3Error):
    """This image will never be processed as it is.

    Args:
        message: why, in words that a photographer understands.
        status: Pixian's HTTP status, if Pixian refused the image.
        code: Pixian's error code, if it sent one.
    """

    def __init__(self, message: str, *, status: int | None = None, code: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class Exhausted(PixianS3Error):
    """The image isn't retried any more."""


class NotFound(PixianS3Error):
    """S3 has no such object."""


class Conflict(PixianS3Error):
    """The object in S3 isn't the expected one: it was replaced, deleted or created meanwhile."""


class UnreadableMessage(PixianS3Error):
    """A message that holds no job."""


@dataclass(frozen=True)
class Fault:
    """One error in a configuration document: where it is and how to fix it."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class InvalidConfiguration(PixianS3Error):
    """A configuration document that can't be used."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.faults = faults
