"""Find the objects in the input bucket that have no ending: neither a result nor an error report.

There may be millions, so they are kept in an SQLite database, not in memory: the listings in
temporary tables, which SQLite moves to a temporary file, and what was sent in the file itself.
"""

import csv
import gzip
import io
import json
import sqlite3
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import batched
from pathlib import Path, PurePosixPath
from typing import Any, Self
from urllib.parse import unquote_plus

from admin.errors import UserError
from admin.sample import is_named_so
from pixian_s3.config.document import Configuration, Settings
from pixian_s3.errors import Rejected
from pixian_s3.job import Job
from pixian_s3.output import keys, metadata

KEPT_SECONDS = 13 * 24 * 3600
"""As long as RetryQueue keeps a message: one that was sent before that isn't waiting any more."""

_PAGE = 1000
_THREADS = 8  # for HEAD requests
_OTHER_SUFFIX = {".png": ".jpg", ".jpg": ".png"}
_SOURCE_ETAG = "source-etag"  # docs/architecture.md lists the metadata

type Metadata = Mapping[str, str]


@dataclass(frozen=True)
class Object:
    """An object as S3 lists it; `etag` has no quotes, `modified` is in seconds since the epoch."""

    key: str
    etag: str
    bytes: int
    modified: int


@dataclass(frozen=True)
class Wanted:
    """Which objects to take besides those without an ending.

    Attributes:
        reports: Those with an error report.
        tests: Those whose result was made in test mode, if their prefix isn't in test mode now.
    """

    reports: bool = False
    tests: bool = False


@dataclass(frozen=True)
class Image:
    """An object to process.

    Attributes:
        object: The object.
        prefix: The configured prefix of its settings; empty for the defaults.
        test: Whether its prefix is in test mode.
        result: The key of its result; empty if the name would be too long.
        other: The key that its result would have with the other suffix.
        report: The key of its error report.
        result_at, other_at, report_at: When these were written, in seconds since the epoch; None if
            they don't exist.
    """

    object: Object
    prefix: str
    test: bool
    result: str
    other: str
    report: str
    result_at: int | None = None
    other_at: int | None = None
    report_at: int | None = None


@dataclass(frozen=True)
class Group:
    """The images with one configured prefix and one format, such as `.jpg`."""

    prefix: str
    test: bool
    format: str
    images: int
    bytes: int


def listed(s3: Any, bucket: str, prefix: str) -> Iterator[Object]:  # noqa: ANN401 - see Stack.client
    """The objects of a bucket under a prefix."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    for page in pages:
        for each in page.get("Contents", []):
            modified = int(each["LastModified"].timestamp())
            yield Object(each["Key"], each["ETag"].strip('"'), each["Size"], modified)


def inventoried(s3: Any, manifest: str, bucket: str, prefix: str) -> Iterator[Object]:  # noqa: ANN401
    """The current objects of a bucket under a prefix, from the manifest of an S3 Inventory.

    Args:
        s3: A client.
        manifest: s3://…/manifest.json, of an inventory in the format CSV.
        bucket: The bucket that the inventory must be about.
        prefix: The beginning of the keys.

    Raises:
        UserError: It isn't such a manifest, or its files can't be read.
    """
    place, _, key = manifest.removeprefix("s3://").partition("/")
    if not (manifest.startswith("s3://") and key):
        raise UserError(f"MANIFEST={manifest}: must have the form s3://bucket/…/manifest.json.")
    try:
        document = json.loads(s3.get_object(Bucket=place, Key=key)["Body"].read())
        about, form = document["sourceBucket"], document["fileFormat"]
        columns = [name.strip() for name in document["fileSchema"].split(",")]
        files = [file["key"] for file in document["files"]]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise UserError(f"{manifest} isn't the manifest.json of an S3 Inventory.") from error
    if about != bucket:
        raise UserError(f"{manifest} is about the bucket {about}. The stack's is {bucket}.")
    needed = {"Key", "Size", "LastModifiedDate", "ETag"}
    if form != "CSV" or not needed <= set(columns):
        raise UserError(
            f"{manifest} can't be used: the inventory must be in the format CSV, with the fields "
            "Size, Last modified and ETag. Change its configuration, and wait for the next one."
        )
    for file in files:
        try:
            yield from _inventory_file(
                s3.get_object(Bucket=place, Key=file)["Body"], columns, prefix
            )
        except (OSError, EOFError, zlib.error, LookupError, ValueError) as error:
            raise UserError(f"s3://{place}/{file} can't be read: {error}") from error


def _inventory_file(body: Any, columns: list[str], prefix: str) -> Iterator[Object]:  # noqa: ANN401
    with gzip.open(body) as file:
        for values in csv.reader(io.TextIOWrapper(file, "utf-8", newline="")):
            row = dict(zip(columns, values, strict=True))
            key = unquote_plus(row["Key"])
            is_current = row.get("IsLatest") != "false" and row.get("IsDeleteMarker") != "true"
            if is_current and key.startswith(prefix):
                modified = int(datetime.fromisoformat(row["LastModifiedDate"]).timestamp())
                yield Object(key, row["ETag"].strip('"'), int(row["Size"] or 0), modified)


class Work:
    """The images to process and which of them were sent.

    Args:
        connection: To a database in which only this object writes.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        # A commit must survive the end of this process, but not that of the machine.
        connection.executescript("""
            PRAGMA journal_mode = WAL;
            PRAGMA synchronous = NORMAL;
            CREATE TABLE IF NOT EXISTS sent (
                key TEXT PRIMARY KEY, etag, result_at, report_at, at) WITHOUT ROWID;
            CREATE TEMP TABLE output (key TEXT PRIMARY KEY, modified) WITHOUT ROWID;
            CREATE TEMP TABLE image (
                key TEXT PRIMARY KEY, etag, bytes, modified, prefix, test, result, other, report,
                result_at, other_at, report_at, format) WITHOUT ROWID;
            CREATE TEMP TABLE ours (key TEXT PRIMARY KEY) WITHOUT ROWID;
            -- An image was sent and waits unless its ending has changed since.
            CREATE TEMP VIEW unsent AS SELECT * FROM image WHERE NOT EXISTS (
                SELECT 1 FROM sent WHERE sent.key = image.key AND sent.etag = image.etag
                AND sent.result_at IS image.result_at AND sent.report_at IS image.report_at);
            CREATE TEMP VIEW waiting AS SELECT image.*,
                max(coalesce(result.modified, -1) > coalesce(result_at, -1),
                    coalesce(other.modified, -1) > coalesce(other_at, -1)) AS has_result,
                coalesce(report.modified, -1) > coalesce(report_at, -1) AS has_report
                FROM image
                LEFT JOIN output AS result ON result.key = image.result
                LEFT JOIN output AS other ON other.key = image.other
                LEFT JOIN output AS report ON report.key = image.report
                WHERE image.key NOT IN (SELECT key FROM unsent);
        """)

    @classmethod
    def at(cls, path: Path) -> Self:
        """The work recorded in a file, which is created if it is missing."""
        path.parent.mkdir(parents=True, exist_ok=True)
        return cls(sqlite3.connect(path))

    def close(self) -> None:
        """Close the database; what was sent stays recorded."""
        self._db.close()

    def set_outputs(self, objects: Iterable[Object]) -> None:
        """Record what is in the output bucket now."""
        self._db.execute("DELETE FROM output")
        rows = ((each.key, each.modified) for each in objects)
        self._db.executemany("INSERT OR REPLACE INTO output VALUES (?, ?)", rows)
        self._db.commit()

    def written_at(self, key: str) -> int | None:
        """When an object in the output bucket was written; None if there is none."""
        found = self._db.execute("SELECT modified FROM output WHERE key = ?", (key,)).fetchone()
        return found[0] if found else None

    def add(self, images: Iterable[Image]) -> None:
        """Add images to process."""
        self._db.executemany(
            "INSERT OR REPLACE INTO image VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (
                    *(image.object.key, image.object.etag, image.object.bytes),
                    *(image.object.modified, image.prefix, image.test),
                    *(image.result, image.other, image.report),
                    *(image.result_at, image.other_at, image.report_at),
                    PurePosixPath(image.object.key).suffix.lower(),
                )
                for image in images
            ),
        )

    def exclude(self, ours: Iterable[str]) -> None:
        """Note keys that are the results or sidecars of others, for `drop_ours`."""
        self._db.executemany("INSERT OR IGNORE INTO ours VALUES (?)", ((key,) for key in ours))

    def drop_ours(self) -> int:
        """Remove the images that are results or sidecars of others, and return their number."""
        dropped = self._db.execute("DELETE FROM image WHERE key IN (SELECT key FROM ours)").rowcount
        self._db.commit()
        return dropped

    def forget_sent(self, before: float) -> None:
        """Forget what was sent before a time, in seconds since the epoch."""
        self._db.execute("DELETE FROM sent WHERE at < ?", (before,))
        self._db.commit()

    def mark_sent(self, images: Iterable[Image], at: float) -> None:
        """Record images as sent at a time, in seconds since the epoch."""
        rows = (
            (image.object.key, image.object.etag, image.result_at, image.report_at, at)
            for image in images
        )
        self._db.executemany("INSERT OR REPLACE INTO sent VALUES (?, ?, ?, ?, ?)", rows)
        self._db.commit()

    def last_sent_at(self) -> float:
        """When the latest one was sent, in seconds since the epoch; 0 if nothing is recorded."""
        [latest] = self._db.execute("SELECT coalesce(max(at), 0) FROM sent").fetchone()
        return float(latest)

    def counts(self) -> tuple[int, int]:
        """The numbers of images that are to be sent, and of those that were sent and wait."""
        [total] = self._db.execute("SELECT count(*) FROM image").fetchone()
        [left] = self._db.execute("SELECT count(*) FROM unsent").fetchone()
        return left, total - left

    def unsent(self, after: str, most: int) -> list[Image]:
        """The first images to send whose key comes after another one; empty at the end."""
        return self._images("WHERE key > ? ORDER BY key LIMIT ?", after, most)

    def sample(self, prefix: str, most: int) -> list[Image]:
        """Images to send with a configured prefix, chosen at random."""
        return self._images("WHERE prefix = ? ORDER BY random() LIMIT ?", prefix, most)

    def groups(self) -> list[Group]:
        """The images to send, by prefix and format; the most frequent format comes first."""
        rows = self._db.execute(
            "SELECT prefix, test, format, count(*), sum(bytes) FROM unsent "
            "GROUP BY prefix, test, format ORDER BY prefix, count(*) DESC"
        )
        return [Group(row[0], bool(row[1]), *row[2:]) for row in rows]

    def endings(self) -> tuple[int, list[str], int]:
        """How the images that were sent ended, by the output bucket's present content.

        Returns:
            The number of results, the keys of the error reports, and the number of images without
            a new one.
        """
        [total] = self._db.execute("SELECT count(*) FROM waiting").fetchone()
        [results] = self._db.execute("SELECT count(*) FROM waiting WHERE has_result").fetchone()
        reports = self._db.execute(
            "SELECT report FROM waiting WHERE has_report AND NOT has_result"
        ).fetchall()
        return results, [key for (key,) in reports], total - results - len(reports)

    def _images(self, which: str, *values: object) -> list[Image]:
        rows = self._db.execute(f"SELECT * FROM unsent {which}", values)  # noqa: S608 - a constant
        return [Image(Object(*row[:4]), row[4], bool(row[5]), *row[6:12]) for row in rows]


def find(  # noqa: PLR0913 - what they are, where their endings are, and what is wanted
    objects: Iterable[Object],
    work: Work,
    configuration: Configuration,
    head: Callable[[str], Metadata],
    wanted: Wanted,
    *,
    same_bucket: bool,
) -> Counter[str]:
    """Add the images without an ending to `work`; its outputs must have been set.

    A result or report that is older than its source may be that of an earlier upload, and a result
    with the other suffix that of earlier parameters: their metadata tell.

    Args:
        objects: The objects in the input bucket.
        work: Takes the images.
        configuration: The one in force.
        head: Returns the user metadata of an object in the output bucket; empty if it is gone.
        wanted: What else to add.
        same_bucket: Whether the input bucket is the output bucket, so that our own results and
            reports are among the objects.

    Returns:
        The number of objects that were left out, by reason.
    """
    left_out, settings_for = Counter[str](), _cached(configuration)
    with ThreadPoolExecutor(_THREADS) as pool:
        for chunk in batched(objects, _PAGE, strict=False):
            images: list[tuple[Image, Settings]] = []
            for each in chunk:
                settings = settings_for(each.key)
                if reason := _not_ours(each.key, settings, same_bucket=same_bucket):
                    left_out[reason] += 1
                    continue
                image = _image(each, settings)
                if same_bucket:
                    made = {image.result, image.other} - {each.key, ""}
                    work.exclude([*made, *map(keys.sidecar_key, made)])
                images.append((_with_times(image, work), settings))
            looks = {key for image, _ in images if (key := _look(image, wanted))}
            found = dict(zip(looks, pool.map(head, looks), strict=True))
            missing = []
            for image, settings in images:
                about = found.get(_look(image, wanted))
                if ending := _ending(image, settings, about, wanted):
                    left_out[ending] += 1
                else:
                    missing.append(image)
            work.add(missing)
    if dropped := work.drop_ours():
        left_out["made by this stack"] += dropped
    return left_out


def _cached(configuration: Configuration) -> Callable[[str], Settings]:
    """`settings_for`, which takes long for a million keys: the prefixes of a key decide."""
    known: dict[tuple[str, ...], Settings] = {}

    def settings_for(key: str) -> Settings:
        matching = tuple(prefix for prefix in configuration.prefixes if key.startswith(prefix))
        if matching not in known:
            known[matching] = configuration.settings_for(key)
        return known[matching]

    return settings_for


def _not_ours(key: str, settings: Settings, *, same_bucket: bool) -> str:
    if keys.why_not_an_image(key):
        return "folder markers" if key.endswith("/") else "added by Windows or macOS (Thumbs.db, …)"
    if is_named_so(key):
        return "uploaded by `make check-stack`"
    if not settings.flag("pipeline.enabled"):
        return "under a disabled prefix"
    if settings.flag("pipeline.paused"):
        return "under a paused prefix (`make resume`, then run this again)"
    if same_bucket and key.endswith(keys.REPORT_SUFFIX):
        return "made by this stack"
    return ""


def _image(each: Object, settings: Settings) -> Image:
    suffix = settings.result_suffix
    try:
        result = keys.result_key(each.key, suffix, settings)
        other = keys.result_key(each.key, _OTHER_SUFFIX[suffix], settings)
    except Rejected:
        result = other = ""
    report = keys.report_key(each.key)
    return Image(each, settings.prefix, settings.flag("test"), result, other, report)


def _with_times(image: Image, work: Work) -> Image:
    return replace(
        image,
        result_at=work.written_at(image.result),
        other_at=work.written_at(image.other),
        report_at=work.written_at(image.report),
    )


def _look(image: Image, wanted: Wanted) -> str:
    """The key whose metadata decide whether an image has an ending; empty if none do."""
    uploaded = image.object.modified
    if image.result_at is not None:
        made_live = wanted.tests and not image.test
        return image.result if made_live or uploaded > image.result_at else ""
    if image.other_at is not None:
        return image.other
    if image.report_at is not None and uploaded > image.report_at and not wanted.reports:
        return image.report
    return ""


def _ending(image: Image, settings: Settings, about: Metadata | None, wanted: Wanted) -> str:
    """Which ending an image has; empty if none. `about` has the metadata that `_look` names."""
    each, has_report = image.object, image.report_at is not None
    result, report = "with a result", "with an error report (REPORTS=1 takes them, too)"
    if image.result_at is not None:
        if about is None:
            return result
        if wanted.tests and not image.test and _is_test(about):
            return ""
        is_same = each.modified <= image.result_at or about.get(_SOURCE_ETAG) == each.etag
        return result if is_same else ""
    if image.other_at is not None and about is not None:
        job = Job("", each.key, each.etag)
        if metadata.is_result_of(about, job, settings):
            return result
        about = None
    if wanted.reports or not has_report:
        return ""
    return report if about is None or about.get(_SOURCE_ETAG) == each.etag else ""


def _is_test(result: Metadata) -> bool:
    """Whether a result was made in test mode; older ones have only the price that Pixian named."""
    return result.get("pixian-test") == "true" or "pixian-credits-calculated" in result
