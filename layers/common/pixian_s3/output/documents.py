"""The JSON documents in the output bucket: the error report, and the sidecar of a result."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from pixian_s3.attempt import Answer, Conversion, Source, signs_in
from pixian_s3.errors import NotFound, PixianS3Error, Rejected
from pixian_s3.geometry import Box, Size, box_in, size_in
from pixian_s3.job import Job
from pixian_s3.output import metadata as user_metadata

REPORT_VERSION = 1
"""The version of error reports. Fields may be added without a new version."""

API_PAGE = "https://pixian.ai/api"
"""Pixian's page on formats, limits, parameters and errors, for images that Pixian refused."""


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
        "more": API_PAGE if isinstance(error, Rejected) and error.status else None,
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
        advice = (
            "Correct the file or its parameters, as Pixian's message says."
            if error.status
            else "Do what the error says."
        )
        return f"{advice} The file isn't processed again until you upload it again."
    if isinstance(error, NotFound):
        return "Upload the file again if you still need its cutout."
    return (
        "The image is in the dead-letter queue. Ask the person who runs this service to redrive "
        "it, or upload the file again."
    )


def sidecar(  # noqa: PLR0913, PLR0917 - each is one part of the document
    job: Job,
    parameters: Mapping[str, str] | None,
    result_key: str,
    metadata: Mapping[str, str],
    source: Source | None = None,
    answer: Answer | None = None,
    now: float | None = None,
) -> dict[str, Any]:
    """The content of a result's sidecar.

    Sizes and boxes are in pixels, times in seconds. A value is null if Pixian didn't send it, or
    sent it in an unknown format.

    Args:
        job: The job.
        parameters: Pixian's parameters for the key; None if they aren't known.
        result_key: The result's key.
        metadata: The result's user metadata.
        source, answer, now: What only the attempt that stored the result knows.
    """
    return {
        "source": _source(job)
        | {"type": source.mime_type if source else None, "bytes": source.bytes if source else None},
        "result": {"key": result_key, "bytes": answer.bytes if answer else None},
        "source_size": _named(user_metadata.source_size(metadata)),
        "source_converted": _conversion(user_metadata.source_converted(metadata)),
        "input_orientation": _number(metadata.get("pixian-input-orientation", "")),
        "input_size": _named(size_in(metadata.get("pixian-input-size", ""))),
        "result_size": _named(size_in(metadata.get("pixian-result-size", ""))),
        "input_foreground": _named(box_in(metadata.get("pixian-input-foreground", ""))),
        "result_foreground": _named(box_in(metadata.get("pixian-result-foreground", ""))),
        "credits": {
            "charged": _decimal(metadata.get("pixian-credits-charged", "")),
            "calculated": _decimal(metadata.get("pixian-credits-calculated", "")),
        },
        "test": metadata.get("pixian-test") == "true",
        "check": _signs(metadata.get("check", "")),
        "parameters": dict(parameters) if parameters is not None else None,
        "seconds": {
            "pixian": answer.seconds if answer else None,
            "end_to_end": now - job.event_time if now and job.event_time else None,
        },
        "attempts": job.failures + 1,
    }


def _signs(check: str) -> list[str] | None:
    """The signs of trouble; None if the result wasn't checked."""
    return list(signs_in(check)) if check else None


def _source(job: Job) -> dict[str, Any]:
    return {
        "bucket": job.bucket,
        "key": job.key,
        "version_id": job.version_id,
        "etag": job.etag,
    }


def _conversion(converted: Conversion | None) -> dict[str, Any] | None:
    if converted is None:
        return None
    return {
        "type": converted.mime_type,
        "size": Size(*converted.size)._asdict(),
        "reasons": list(converted.reasons),
    }


def _named(found: Size | Box | None) -> dict[str, int] | None:
    return found._asdict() if found else None


def _number(word: str) -> int | None:
    return int(word) if word.isdecimal() else None


def _decimal(word: str) -> Decimal | None:
    try:
        number = Decimal(word)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
