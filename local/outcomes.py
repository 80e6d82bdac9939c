"""What became of uploaded images: their results and error reports in the output bucket."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from admin.stack import Stack

_POLL_SECONDS = 0.3


@dataclass(frozen=True)
class Uploaded:
    """An object in the input bucket.

    Its etag identifies the content, so that an existing result of the same content is found too.
    """

    key: str
    etag: str


@dataclass(frozen=True)
class Output:
    """A result with its metadata, or an error report.

    Attributes:
        key: In the output bucket.
        metadata: The metadata of a result; empty for a report.
        report: The content of a report; None for a result.
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
    uploads: list[Uploaded],
    stack: Stack,
    patience_seconds: float,
    on_poll: Callable[[], object] = lambda: None,
) -> Iterator[tuple[Uploaded, Output]]:
    """Yield the result or report of each upload as it appears.

    Stops when all are there, or when none has appeared for `patience_seconds`.

    Args:
        uploads: What to wait for.
        stack: Where to look.
        patience_seconds: Between two outputs.
        on_poll: Called before each look at the bucket; an exception ends the wait.
    """
    s3 = stack.client("s3")
    pending = {(quote(upload.key), upload.etag): upload for upload in uploads}
    seen: set[tuple[str, str]] = set()
    deadline = time.monotonic() + patience_seconds
    while pending and time.monotonic() < deadline:
        on_poll()
        for output in _new_outputs(s3, stack.outputs["OutputBucket"], seen):
            if upload := pending.pop(output.made_from, None):
                deadline = time.monotonic() + patience_seconds
                yield upload, output
        time.sleep(_POLL_SECONDS)


def _new_outputs(s3: Any, bucket: str, seen: set[tuple[str, str]]) -> Iterator[Output]:  # noqa: ANN401 - see Stack.client
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for found in page.get("Contents", []):
            identity = (found["Key"], found["ETag"])
            if identity not in seen:
                seen.add(identity)
                yield _output(s3, bucket, found["Key"])


def _output(s3: Any, bucket: str, key: str) -> Output:  # noqa: ANN401 - see Stack.client
    # A sidecar has no metadata, so it never matches an upload.
    if key.endswith(".error.json"):
        report = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        return Output(key, {}, report)
    return Output(key, s3.head_object(Bucket=bucket, Key=key)["Metadata"], None)
