"""Fetch results, error reports and originals from a stack's buckets."""

import json
import re
import threading
from collections.abc import Container, Generator, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from itertools import batched
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

from botocore.exceptions import ClientError

from admin.look import pictures
from admin.look.records import (
    Found,
    Picture,
    Record,
    is_report,
    of_report,
    of_result,
    with_settings,
    without_sidecars,
)
from admin.stack import Stack
from pixian_s3.config.document import Configuration
from pixian_s3.errors import Rejected
from pixian_s3.geometry import Size
from pixian_s3.output.keys import sidecar_key

KINDS = ("after", "before", "preview", "small")
"""The folders of a page, each of which is emptied before it is written."""

_WORKERS = 8
_NAME_BYTES = 80
_NOWHERE = {"", ".", ".."}
_UNNAMED = "The name of the original was too long to be noted."
_GONE = "The original no longer exists, or was replaced."
_SAID = {
    "NoSuchKey": _GONE,
    "NoSuchVersion": _GONE,
    "404": _GONE,
    "AccessDenied": "It no longer exists, or your AWS credentials may not read it.",
    "InvalidObjectState": "This file is archived.",
}


def newest(
    stack: Stack, configuration: Configuration, prefix: str, last: int, *, failed: bool
) -> list[Record]:
    """The newest results and error reports, newest first.

    Args:
        stack: Where to look.
        configuration: The one in force; it tells where the results of a prefix are.
        prefix: What the keys of the originals begin with.
        last: How many at most.
        failed: Whether to leave out results.
    """
    objects = listing(stack, "" if _renames_folders(configuration) else prefix)
    wanted = [each for each in without_sidecars(objects) if is_report(each.key) or not failed]
    keys, found = {each.key for each in objects}, list[Record]()
    # Others may keep objects in the bucket, so how many to look at isn't known in advance.
    for some in batched(wanted, max(last, _WORKERS), strict=False):
        records = described(stack, configuration, some, keys)
        found += [record for record in records if record.source.startswith(prefix)]
        if len(found) >= last:
            break
    return found[:last]


def described(
    stack: Stack,
    configuration: Configuration,
    objects: Iterable[Found],
    keys: Container[str],
) -> list[Record]:
    """The records of objects in the output bucket, without those that aren't this program's.

    Args:
        stack: Where the objects are.
        configuration: The one in force.
        objects: The objects.
        keys: All keys in the bucket, to tell which results have a sidecar.
    """
    s3, outputs = stack.client("s3"), stack.outputs

    def describe(found: Found) -> Record | None:
        has_sidecar = sidecar_key(found.key) in keys
        try:
            record = _described(s3, outputs, found, has_sidecar=has_sidecar)
        except ClientError as error:
            if _status(error) == 404:
                return None  # it was removed since it was listed
            raise
        return record and with_settings(record, configuration)

    with ThreadPoolExecutor(_WORKERS) as pool:
        return [record for record in pool.map(describe, objects) if record]


def _renames_folders(configuration: Configuration) -> bool:
    """Whether a configured prefix has results elsewhere than under the path of their originals."""
    templates = [
        configuration.settings_for(prefix).text("pipeline.result_key")
        for prefix in ("", *configuration.prefixes)
    ]
    return not all(template.startswith("{path}") for template in templates)


def listing(stack: Stack, prefix: str = "") -> list[Found]:
    """The objects in the output bucket whose keys begin with a prefix."""
    pages = stack.client("s3").get_paginator("list_objects_v2")
    return [
        Found(each["Key"], each["LastModified"], each["Size"])
        for page in pages.paginate(Bucket=stack.outputs["OutputBucket"], Prefix=prefix)
        for each in page.get("Contents", [])
    ]


def _described(
    s3: Any,  # noqa: ANN401 - see Stack.client
    outputs: Mapping[str, str],
    found: Found,
    *,
    has_sidecar: bool,
) -> Record | None:
    bucket = outputs["OutputBucket"]
    if is_report(found.key):
        got = s3.get_object(Bucket=bucket, Key=found.key)
        return of_report(found, _json(got["Body"].read()), got["Metadata"])
    metadata = s3.head_object(Bucket=bucket, Key=found.key)["Metadata"]
    record = of_result(found, metadata)
    if not record:
        return None
    sidecar = None
    if has_sidecar:
        got = s3.get_object(Bucket=bucket, Key=sidecar_key(found.key))
        sidecar = _json(got["Body"].read())
        record = of_result(found, metadata, sidecar) or record
    if record.seconds is None and (head := _source_head(s3, outputs["InputBucket"], record)):
        record = of_result(found, metadata, sidecar, head["LastModified"]) or record
    return record


def _json(text: bytes) -> Any:  # noqa: ANN401 - JSON
    try:
        return json.loads(text)
    except ValueError:
        return None


def _source_head(s3: Any, bucket: str, record: Record) -> Any:  # noqa: ANN401 - see Stack.client
    """The head of a record's original; None if that upload is no longer there."""
    if not record.source:
        return None
    try:
        head = s3.head_object(Bucket=bucket, Key=record.source, **_version(record))
    except ClientError as error:
        if _status(error) in {400, 403, 404, 405}:
            return None
        raise
    return head if _is_upload(record, head) else None


def _status(error: ClientError) -> int:
    return error.response["ResponseMetadata"]["HTTPStatusCode"]


def _is_upload(record: Record, answer: Mapping[str, Any]) -> bool:
    """Whether S3's answer is about the record's upload, and not a later one of the same key."""
    return bool(record.version) or record.etag in {"", answer["ETag"].strip('"')}


def _version(record: Record) -> dict[str, str]:
    return {"VersionId": record.version} if record.version else {}


class Folder:
    """Gives each object a file of its own in the folder of a page."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._taken = set[str]()

    def file(self, kind: str, key: str) -> Path:
        """A file for a key, in a folder that exists; a key can't lead out of the folder.

        Args:
            kind: The folder in this one.
            key: The key, whose parts become folders where that is possible.
        """
        names = [_safe(name) for name in key.split("/") if name not in _NOWHERE]
        file = self.path.joinpath(kind, *names)
        # Keys may differ in upper and lower case only, or be what is a folder in another one.
        taken = {str(each).lower() for each in (file, *file.parents)} & self._taken
        if taken or file.is_dir() or not names:
            file = self.path / kind / f"other-{len(self._taken)}{file.suffix}"
        self._taken.add(str(file).lower())
        file.parent.mkdir(parents=True, exist_ok=True)
        return file

    def url(self, file: Path) -> str:
        """A file in the folder, as the page refers to it."""
        return quote(file.relative_to(self.path).as_posix())


def _safe(name: str) -> str:
    """A name that every file system takes, and that isn't hidden."""
    plain = re.sub(r"[^\w.() +-]", "_", name).strip(" ").lstrip(".") or "_"
    if len(plain.encode()) <= _NAME_BYTES:
        return plain
    return f"{plain[:20]}~{plain[-15:]}"


class _NotFetchedError(Exception):
    """Says why a picture isn't shown."""


class _Downloads:
    """Downloads objects in parallel, up to a limit in all.

    Args:
        s3: The client.
        pool: Downloads them.
        parts: The folder for what was downloaded.
        limit_bytes: How much to download.
    """

    def __init__(self, s3: Any, pool: ThreadPoolExecutor, parts: Path, limit_bytes: int) -> None:  # noqa: ANN401 - see Stack.client
        self._s3 = s3
        self._pool = pool
        self._parts = parts
        self._started = 0
        self._limit = self._left = limit_bytes
        self._lock = threading.Lock()

    def start(self, bucket: str, key: str, upload: Record | None = None) -> Future[Path]:
        """Begin to download an object; of the input bucket, the one that a record is about."""
        self._started += 1
        file = self._parts / str(self._started)
        return self._pool.submit(self._download, bucket, key, file, upload)

    def _download(self, bucket: str, key: str, file: Path, upload: Record | None) -> Path:
        version = _version(upload) if upload else {}
        try:
            got = self._s3.get_object(Bucket=bucket, Key=key, **version)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            raise _NotFetchedError(_SAID.get(code, f"S3 answered {code}.")) from error
        with closing(got["Body"]) as body:
            if upload and not _is_upload(upload, got):
                raise _NotFetchedError(_GONE)
            self._take(got["ContentLength"])
            with file.open("wb") as target:
                for chunk in body.iter_chunks(1 << 20):
                    target.write(chunk)
        return file

    def _take(self, size: int) -> None:
        with self._lock:
            if size > self._left:
                raise _NotFetchedError(
                    f"Not downloaded: with it, the pictures would exceed "
                    f"MEGABYTES={self._limit // 1_000_000}."
                )
            self._left -= size


def with_pictures(
    records: Sequence[Record], stack: Stack, folder: Folder, limit_bytes: int
) -> Generator[Record]:
    """Download the pictures of records into a folder, and yield the records that name them.

    Args:
        records: What to show. The first ones are downloaded first.
        stack: Where the pictures are.
        folder: Where to put them.
        limit_bytes: How much to download at most; what would exceed it is left out.
    """
    source, output = stack.outputs["InputBucket"], stack.outputs["OutputBucket"]
    pool = ThreadPoolExecutor(_WORKERS)
    with TemporaryDirectory(dir=folder.path, prefix=".downloads-") as parts:
        try:
            downloads = _Downloads(stack.client("s3"), pool, Path(parts), limit_bytes)
            started = [
                (
                    downloads.start(output, record.result) if record.result else None,
                    downloads.start(source, record.source, record) if record.source else None,
                )
                for record in records
            ]
            for record, (result, original) in zip(records, started, strict=True):
                after = _shown(folder, "after", record.result or "", result) if result else ""
                before = _shown(folder, "before", record.source, original) if original else _UNNAMED
                yield _with(record, before, after)
        finally:
            pool.shutdown(cancel_futures=True)


def _with(record: Record, before: Picture | str, after: Picture | str) -> Record:
    return replace(
        record,
        before=before if isinstance(before, Picture) else None,
        before_missing=before if isinstance(before, str) else "",
        after=after if isinstance(after, Picture) else None,
        after_missing=after if isinstance(after, str) else "",
    )


def _shown(folder: Folder, side: str, key: str, download: Future[Path]) -> Picture | str:
    """A downloaded picture, or why it isn't shown.

    Args:
        folder: The folder of the page.
        side: "before" or "after".
        key: The picture's key.
        download: The downloaded file.
    """

    def place(kind: str, suffixes: Sequence[str]) -> Path:
        name = key if key.lower().endswith(tuple(suffixes)) else key + suffixes[0]
        return folder.file(f"{kind}/{side}" if kind else side, name)

    try:
        made = pictures.shown(download.result(), place)
    except (_NotFetchedError, Rejected) as error:
        return str(error)
    return Picture(
        folder.url(made.thumbnail),
        folder.url(made.full),
        Size(*made.size),
        made.format if made.is_preview else None,
    )
