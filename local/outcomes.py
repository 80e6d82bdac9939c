"""How images that were dropped ended: their results and error reports in the output bucket."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from admin.stack import Stack

_POLL_SECONDS = 0.3


@dataclass(frozen=True)
class Dropped:
    """An object in the input bucket.

    Its etag says which content, so that an image whose result was there already is found too.
    """

    key: str
    etag: str


@dataclass(frozen=True)
class Ending:
    """A result with its metadata, or an error report.

    Attributes:
        key: in the output bucket.
        metadata: of a result; empty for a report.
        report: what the report says; None for a result.
    """

    key: str
    metadata: dict[str, str]
    report: dict[str, Any] | None

    @property
    def made_from(self) -> tuple[str, str]:
        """The source's key, percent-encoded, and its etag."""
        if self.report:
            source = self.report["source"]
            return quote(source["key"]), source["etag"]
        return self.metadata.get("source-key", ""), self.metadata.get("source-etag", "")


def wait_for(
    dropped: list[Dropped], stack: Stack, patience_seconds: float
) -> Iterator[tuple[Dropped, Ending]]:
    """Each image's ending, as it appears; stops when no further one came for so many seconds."""
    s3 = stack.client("s3")
    pending = {(quote(image.key), image.etag): image for image in dropped}
    seen: set[tuple[str, str]] = set()
    deadline = time.monotonic() + patience_seconds
    while pending and time.monotonic() < deadline:
        for ending in _new_endings(s3, stack.outputs["OutputBucket"], seen):
            if image := pending.pop(ending.made_from, None):
                deadline = time.monotonic() + patience_seconds
                yield image, ending
        time.sleep(_POLL_SECONDS)


def _new_endings(s3: Any, bucket: str, seen: set[tuple[str, str]]) -> Iterator[Ending]:  # noqa: ANN401 - see Stack.client
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for found in page.get("Contents", []):
            identity = (found["Key"], found["ETag"])
            if identity not in seen:
                seen.add(identity)
                yield _ending(s3, bucket, found["Key"])


def _ending(s3: Any, bucket: str, key: str) -> Ending:  # noqa: ANN401 - see Stack.client
    # A sidecar has no metadata, so it is no image's ending.
    if key.endswith(".error.json"):
        report = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        return Ending(key, {}, report)
    return Ending(key, s3.head_object(Bucket=bucket, Key=key)["Metadata"], None)
