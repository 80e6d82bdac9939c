"""The attempts to process images, read from the functions' logs and printed one per line."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from admin.look.records import signs_in_words
from admin.stack import Stack
from admin.text import column, escaped, shortened

_POLL_SECONDS = 0.5
_MADE_UP = " (made-up price)"
_PRICE_COLUMNS = 31


class AttemptLog:
    """The log records of attempts; each is read once, oldest first."""

    def __init__(self, stack: Stack) -> None:
        self._logs = stack.client("logs")
        self._groups = (stack.outputs["UploadLog"], stack.outputs["RetryLog"])
        self._seen: set[tuple[str, int, str]] = set()

    def read(self) -> Iterator[dict[str, Any]]:
        """The records that were logged since the last call."""
        events = [event for group in self._groups for event in self._events(group)]
        for event in sorted(events, key=lambda event: event["timestamp"]):
            # MiniStack's log events have no ID.
            identity = (event["logStreamName"], event["timestamp"], event["message"])
            if identity not in self._seen:
                self._seen.add(identity)
                yield from _attempts(event["message"])

    def _events(self, group: str) -> list[dict[str, Any]]:
        pages = self._logs.get_paginator("filter_log_events").paginate(logGroupName=group)
        return [event for page in pages for event in page["events"]]


def follow(stack: Stack, stop: threading.Event) -> Iterator[dict[str, Any]]:
    """Read the log records of attempts until `stop` is set, and then once more."""
    log, last = AttemptLog(stack), False
    while not last:
        last = stop.wait(_POLL_SECONDS)
        yield from log.read()


class AttemptLines:
    """Formats attempts as lines that end with a running total.

    Args:
        prices: Whether prices are real; with the fake Pixian, they are marked as made up.
    """

    def __init__(self, *, prices: bool) -> None:
        self._made_up = "" if prices else _MADE_UP
        self._outcomes = Counter[str]()
        self._credits = Decimal(0)
        self._closer = 0

    def line(self, record: dict[str, Any]) -> str:
        """Format a log record, and count it."""
        image = record["image"]
        self._outcomes[image["outcome"]] += 1
        self._credits += Decimal(image.get("credits_charged") or 0)
        self._closer += bool(signs_in_words(image.get("check", "")))
        start = f"{record['timestamp'][11:19]}  {image['outcome']:9}  {column(image['key'])}"
        return "  ".join([start, *self._details(image), f"[{self._total()}]"])

    def _details(self, image: dict[str, Any]) -> Iterator[str]:
        if image["outcome"] == "processed":
            yield _times(image)
            yield f"{self._price(image):{_PRICE_COLUMNS}}"
            if signs := signs_in_words(image.get("check", "")):
                yield f"look closer: {escaped('; '.join(signs))}"
            if image["result_key"] != image["key"]:
                yield f"-> {shortened(image['result_key'])}"
        elif "reason" in image:
            yield escaped(image["reason"])
        if "next_attempt_in_seconds" in image:
            yield f"(attempt {image['attempt'] + 1} in {image['next_attempt_in_seconds']} s)"

    def _price(self, image: dict[str, Any]) -> str:
        calculated = image.get("credits_calculated")
        if image.get("test") or calculated:
            live = calculated and not self._made_up
            return f"test mode ({calculated} credits live)" if live else "test mode"
        return f"{image.get('credits_charged', '?')} credits{self._made_up}"

    def _total(self) -> str:
        total = [f"{number} {outcome}" for outcome, number in self._outcomes.items()]
        closer = [f"{self._closer} to look at closer"] if self._closer else []
        return ", ".join([*total, *closer, f"{self._credits} credits{self._made_up}"])


def _times(image: dict[str, Any]) -> str:
    total, pixian = image.get("end_to_end_ms"), image.get("pixian_ms")
    seconds = "" if total is None else f"{total / 1000:.1f} s since upload"
    at_pixian = "" if pixian is None else f"({pixian / 1000:.1f} s at Pixian)"
    return f"{seconds:>21} {at_pixian:>18}"


def _attempts(message: str) -> Iterator[dict[str, Any]]:
    try:
        record = json.loads(message)
    except ValueError:
        return
    if isinstance(record, dict) and "image" in record:
        yield record
