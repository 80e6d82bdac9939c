"""What can go wrong with an image, and what follows from it.

PixianS3Error
├── TryLater                 the image goes to the retry queue
│   ├── Throttled            429: too many calls at a time
│   ├── Unavailable          5xx or connection trouble; `maybe_charged` if the outcome is unknown
│   ├── Claimed              another invocation is at work on the same image
│   └── Blocked              not the image's fault: credentials, credits, permissions, configuration
│       └── Unauthorized     401: the secret may have been rotated since it was cached
├── Skipped                  there is nothing to do for this image
│   └── AlreadyDone          because its result is there
├── Rejected                 never again: the image is at fault, and an error report says why
├── InvalidConfiguration     a document that can't be used, with every fault in it
└── UnreadableMessage        a message of the retry queue that no version of this program wrote
"""

from dataclasses import dataclass


class PixianS3Error(Exception):
    """Base of all errors of this program.

    Attributes:
        maybe_charged: whether a credit may have been spent although there is no result.
    """

    maybe_charged = False


class TryLater(PixianS3Error):
    """The image can't be processed now.

    Args:
        message: what happened, for the log and for a report.
        retry_after: seconds that the service asked to wait; 0 where it asked for none.
        status: the HTTP status behind it, if any.
    """

    def __init__(self, message: str, *, retry_after: int = 0, status: int | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.status = status


class Throttled(TryLater):
    """Pixian answered 429."""


class Unavailable(TryLater):
    """Pixian or a part of AWS didn't do its work.

    Args:
        message: what happened.
        maybe_charged: as in `PixianS3Error`.
        retry_after, status: as in `TryLater`.
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


class Claimed(TryLater):
    """Another invocation holds the claim on this image."""


class Blocked(TryLater):
    """No image can be processed until a person fixes something.

    Args:
        message, retry_after, status: as in `TryLater`.
        for_all: whether it was seen to concern all images; a lane then tries no other one for a
            minute.
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


class Skipped(PixianS3Error):
    """Nothing to do: not for us, disabled, or done already."""


class AlreadyDone(Skipped):
    """The result of this very version and these parameters exists."""


class Rejected(PixianS3Error):
    """This image will never be processed as it is.

    Args:
        message: why, in words that a photographer understands.
        status: Pixian's HTTP status, if it was Pixian that refused.
        code: Pixian's own error code, if it sent one.
    """

    def __init__(self, message: str, *, status: int | None = None, code: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class UnreadableMessage(PixianS3Error):
    """A message that holds no job."""


@dataclass(frozen=True)
class Fault:
    """One fault in a configuration document: where it is and what to do about it."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class InvalidConfiguration(PixianS3Error):
    """A configuration document that can't be used."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.faults = faults
