"""What can go wrong with an image, and what happens then.

PixianS3Error
├── RetryLater               the image goes to the retry queue
│   ├── Throttled            429: too many parallel calls
│   ├── Unavailable          5xx or connection trouble; `maybe_charged` if the outcome is unknown
│   ├── InProgress           another invocation holds the lease on the image's result key
│   └── Blocked              something else is at fault: credentials, credits, a permission, …
│       ├── Unauthorized     401: the secret may have been rotated since it was cached
│       ├── AccessDenied     S3 or KMS denies access to one object
│       └── Held             the configuration says so: a budget that is spent
│           └── Paused       or a pause, which isn't a problem
├── Skipped                  there is nothing to do for this image
│   └── AlreadyDone          because its result exists
├── Rejected                 the image is at fault: error report, no retry
├── Exhausted                given up: error report and dead-letter queue
├── NotFound, Conflict,      what S3 answered; `process` decides what happens
│   BadRequest
├── InvalidConfiguration     a configuration document with errors, which it lists
└── UnreadableMessage        a message in the retry queue that contains no job
"""

import re
from dataclasses import dataclass


def plain(error: BaseException) -> str:
    """The message of the error behind an error, as a sentence.

    Libraries wrap errors, and put Python representations of them into their own messages, such as
    `('Connection aborted.', ConnectionResetError(104, 'Connection reset by peer'))`. This returns
    "Connection reset by peer."
    """
    while behind := error.__cause__ or (not error.__suppress_context__ and error.__context__):
        if isinstance(behind, PixianS3Error):
            break  # of an earlier call: `error` was raised while it was handled
        error = behind
    message = getattr(error, "strerror", None) or str(error).strip() or type(error).__name__
    # urllib3's "IncompleteRead(3 bytes read, 97 more expected)".
    return sentence(re.sub(r"^\w+\((.+)\)$", r"\1", message))


def sentence(text: str) -> str:
    """A text with a full stop, unless it has one."""
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


class PixianS3Error(Exception):
    """Base of all errors of this program."""


class RetryLater(PixianS3Error):
    """The image can't be processed now.

    Args:
        message: What happened, for the log and the error report.
        retry_after: The seconds that the service asked to wait; 0 if it didn't ask.
        status: The HTTP status that caused the error, if any.

    Attributes:
        maybe_charged: Whether a credit may have been spent although there is no result.
    """

    maybe_charged = False

    def __init__(self, message: str, *, retry_after: int = 0, status: int | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.status = status


class Throttled(RetryLater):
    """Pixian answered 429."""


class Unavailable(RetryLater):
    """Pixian or an AWS service failed or couldn't be reached.

    Args:
        message, retry_after, status, maybe_charged: As in `RetryLater`.
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


CONTINUES = "Waiting images are then processed automatically."
"""The end of what `Blocked` says: what happens once somebody did what it says."""


class Blocked(RetryLater):
    """The image can't be processed until an operator fixes something other than the image.

    Args:
        message: What is wrong, what to do, and that images then continue (`CONTINUES`).
        retry_after, status: As in `RetryLater`.
        for_all: Whether this affects all images; if so, the lane processes none for a minute.
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
    """S3 or KMS denies access to one object; others may be allowed.

    Args:
        message: S3's answer.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message, for_all=False)


class Held(Blocked):
    """The configuration holds this image back, for as long as an operator wants.

    Args:
        message: Why, and how that ends.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message, for_all=False)


class Paused(Held):
    """An operator paused processing."""


class Skipped(PixianS3Error):
    """There is nothing to do: a folder marker, disabled, superseded or already done."""


class AlreadyDone(Skipped):
    """The result of this content with these parameters exists."""


class Rejected(PixianS3Error):
    """This image can't be processed as it is, however often it is tried.

    Args:
        message: The reason and what to do, in words that a photographer understands.
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
    """The object doesn't exist."""


class Conflict(PixianS3Error):
    """The object in S3 isn't the expected one: it has been replaced, deleted or created."""


class BadRequest(PixianS3Error):
    """S3 refuses a request as invalid, however often it is repeated."""


class UnreadableMessage(PixianS3Error):
    """A message that contains no job."""


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
