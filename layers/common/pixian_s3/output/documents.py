"""The JSON documents in the output bucket: the error report, and the sidecar of a result."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from pixian_s3.attempt import Answer, Input
from pixian_s3.config.document import Settings
from pixian_s3.errors import NotFound, PixianS3Error, Rejected
from pixian_s3.job import Job
from pixian_s3.output import keys

REPORT_VERSION = 1
"""The version of error reports. Fields may be added without a new version."""

_BOX = ("top", "left", "width", "height")
_SIZE = ("width", "height")


def error_report(job: Job, error: PixianS3Error, parameters: Mapping[str, str]) -> dict[str, Any]:
    """The error report on an image that has no result.

    Args:
        job: The job of the last attempt.
        error: The reason.
        parameters: Pixian's parameters for the key; empty if they aren't known.
    """
    return {
        "error": str(error),
        "what_now": _what_now(error),
        "pixian": {"status": error.status, "code": error.code}
        if isinstance(error, Rejected) and error.status
        else None,
        "source": _source(job)
        | {
            "uploaded_at": datetime.fromtimestamp(job.event_time, UTC).isoformat()
            if job.event_time
            else None
        },
        "parameters": dict(parameters),
        "attempts": job.failures + 1,
        "version": REPORT_VERSION,
    }


def _what_now(error: PixianS3Error) -> str:
    if isinstance(error, Rejected):
        return "Fix the file or the configuration, then upload the file again."
    if isinstance(error, NotFound):
        return "Upload the file again if you still need its cutout."
    return (
        "The image is in the dead-letter queue. Ask the person who runs this service to redrive "
        "it, or upload the file again."
    )


def sidecar(  # noqa: PLR0913, PLR0917 - each is one part of the document
    job: Job, settings: Settings, source: Input, result_key: str, answer: Answer, now: float
) -> tuple[str, dict[str, Any]] | None:
    """The key and content of a result's sidecar; None if the settings don't request one.

    Sizes and boxes are in pixels, times in seconds. A value is null if Pixian didn't send it, or
    sent it in an unknown format.
    """
    if not settings.flag("pipeline.sidecar"):
        return None
    headers = answer.headers
    return keys.sidecar_key(result_key), {
        "source": _source(job) | {"type": source.mime_type, "bytes": source.bytes},
        "result": {"key": result_key, "bytes": answer.bytes},
        "input_orientation": _number(headers.get("X-Input-Orientation", "")),
        "input_size": _numbers(headers, "X-Input-Size", _SIZE),
        "result_size": _numbers(headers, "X-Result-Size", _SIZE),
        "input_foreground": _numbers(headers, "X-Input-Foreground", _BOX),
        "result_foreground": _numbers(headers, "X-Result-Foreground", _BOX),
        "credits": {
            "charged": _decimal(headers.get("X-Credits-Charged", "")),
            "calculated": _decimal(headers.get("X-Credits-Calculated", "")),
        },
        "parameters": settings.form,
        "seconds": {
            "pixian": answer.seconds,
            "end_to_end": now - job.event_time if job.event_time else None,
        },
        "attempts": job.failures + 1,
    }


def _source(job: Job) -> dict[str, Any]:
    return {
        "bucket": job.bucket,
        "key": job.key,
        "version_id": job.version_id,
        "etag": job.etag,
    }


def _numbers(
    headers: Mapping[str, str], name: str, names: tuple[str, ...]
) -> dict[str, int] | None:
    numbers = [_number(word) for word in headers.get(name, "").split()]
    if len(numbers) != len(names) or None in numbers:
        return None
    return dict(zip(names, numbers, strict=True))  # type: ignore[arg-type]


def _number(word: str) -> int | None:
    return int(word) if word.isdecimal() else None


def _decimal(word: str) -> Decimal | None:
    try:
        number = Decimal(word)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
