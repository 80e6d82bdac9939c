"""Each image's story as it happens, read from the functions' logs."""

import json
import threading
from collections.abc import Iterator
from typing import Any

from admin.stack import Stack

_POLL_SECONDS = 0.5


def follow(stack: Stack, stop: threading.Event) -> Iterator[dict[str, Any]]:
    """Log records about images, oldest first, until `stop` is set; one last look comes after."""
    logs = stack.client("logs")
    groups = (stack.outputs["UploadLog"], stack.outputs["RetryLog"])
    seen: set[tuple[str, int, str]] = set()
    last = False
    while not last:
        last = stop.wait(_POLL_SECONDS)
        events = [event for group in groups for event in _events(logs, group)]
        for event in sorted(events, key=lambda event: event["timestamp"]):
            # MiniStack gives log events no id.
            identity = (event["logStreamName"], event["timestamp"], event["message"])
            if identity not in seen:
                seen.add(identity)
                yield from _stories(event["message"])


def tell(record: dict[str, Any]) -> str:
    """A story in one line."""
    image = record["image"]
    parts = [record["timestamp"][11:19], f"{image['outcome']:9}", image["key"]]
    if image["outcome"] == "processed":
        parts.append(f"-> {image['result_key']}  {_credits(image)}  {image['end_to_end_ms']} ms")
    elif "reason" in image:
        parts.append(f"- {image['reason']}")
    if "next_try_in_seconds" in image:
        parts.append(f"(try {image['attempt'] + 1} in {image['next_try_in_seconds']} s)")
    return "  ".join(parts)


def _events(logs: Any, group: str) -> list[dict[str, Any]]:  # noqa: ANN401 - see Stack.client
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
    return [event for page in pages for event in page["events"]]


def _stories(message: str) -> Iterator[dict[str, Any]]:
    try:
        record = json.loads(message)
    except ValueError:
        return
    if isinstance(record, dict) and "image" in record:
        yield record


def _credits(image: dict[str, Any]) -> str:
    charged = f"{image.get('credits_charged', '?')} credits"
    calculated = image.get("credits_calculated")
    return f"{charged} (test; would be {calculated})" if calculated else charged
