"""The JSON beside a result: what Pixian said about it, in names and numbers."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from pixian_s3.story import Story

_BOX = ("top", "left", "width", "height")
_SIZE = ("width", "height")


def sidecar(story: Story, now: float) -> dict[str, Any]:
    """What is written as `<result>.json`; sizes and boxes in pixels, times in seconds.

    What the service didn't say, or said in another form, is null.
    """
    job, headers = story.job, story.headers
    return {
        "source": {
            "bucket": job.bucket,
            "key": job.key,
            "version_id": job.version_id,
            "etag": job.etag,
            "type": story.input_type,
            "bytes": story.input_bytes,
        },
        "result": {"key": story.result_key, "bytes": story.result_bytes},
        "input_orientation": _number(headers.get("X-Input-Orientation", "")),
        "input_size": _numbers(headers, "X-Input-Size", _SIZE),
        "result_size": _numbers(headers, "X-Result-Size", _SIZE),
        "input_foreground": _numbers(headers, "X-Input-Foreground", _BOX),
        "result_foreground": _numbers(headers, "X-Result-Foreground", _BOX),
        "credits": {
            "charged": _decimal(headers.get("X-Credits-Charged", "")),
            "calculated": _decimal(headers.get("X-Credits-Calculated", "")),
        },
        "parameters": dict(story.parameters),
        "seconds": {
            "pixian": story.pixian_seconds,
            "end_to_end": now - job.event_time if job.event_time else None,
        },
        "attempts": job.failures + 1,
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
