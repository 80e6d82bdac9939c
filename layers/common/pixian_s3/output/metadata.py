"""The user metadata of results and reports, which identifies the upload they were made from."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import quote

from pixian_s3.attempt import Conversion, Source, spelled
from pixian_s3.config.document import Settings
from pixian_s3.errors import AlreadyDone, Rejected, Skipped
from pixian_s3.geometry import Size
from pixian_s3.job import Job, is_later

MAX_METADATA_BYTES = 2048
"""S3's limit for the total size of the names and values."""

_SOURCE_KEY = "source-key"
_SEQUENCER = "source-sequencer"
_VERSION_ID = "source-version-id"
_ETAG = "source-etag"
_SOURCE_SIZE = "source-size"
_CONVERTED = "source-converted"
_PARAMETERS = "parameters"
_TEST = "pixian-test"
_CHECK = "check"
_FINAL = "final"
_TIME = "source-time"
_AGAIN = "source-again"
_MAX_KEY_BYTES = 1024  # for the source's key; the other values need less than 700

_HEADERS = (
    "Credits-Charged",
    "Credits-Calculated",
    "Input-Orientation",
    "Input-Size",
    "Result-Size",
    "Input-Foreground",
    "Result-Foreground",
)
_OURS = {f"pixian-{name.lower()}" for name in _HEADERS} | {
    *(_SOURCE_KEY, _SEQUENCER, _VERSION_ID, _ETAG, _SOURCE_SIZE, _CONVERTED, _PARAMETERS),
    *(_TEST, _CHECK, _FINAL, _TIME, _AGAIN),
}
_ONE_UPLOAD_SECONDS = 60


def of_result(  # noqa: PLR0913 - the parts of a result
    job: Job,
    settings: Settings,
    headers: Mapping[str, str],
    own: Mapping[str, str],
    *,
    uploaded: Source | None = None,
    check: str = "",
) -> dict[str, str]:
    """The user metadata of a result.

    Args:
        job: The job that was processed.
        settings: Its settings.
        headers: The headers of Pixian's answer; missing ones are left out.
        own: The source's user metadata. It is copied as far as it fits if
            `pipeline.copy_metadata` is set, but not under our names.
        uploaded: The source, for its size and conversion.
        check: As in `attempt.Answer`.
    """
    said = {f"pixian-{name.lower()}": headers.get(f"X-{name}", "") for name in _HEADERS}
    source = {
        _SOURCE_KEY: _encoded(job.key),
        **_upload(job),
        _SOURCE_SIZE: spelled(uploaded.size) if uploaded else "",
        _CONVERTED: str(uploaded.converted) if uploaded and uploaded.converted else "",
        _PARAMETERS: settings.digest,
        _TEST: "true" if settings.flag("test") else "",
        _CHECK: check,
    }
    merged = {name: value for name, value in (said | source).items() if value}
    for name, value in own.items() if settings.flag("pipeline.copy_metadata") else ():
        fits = _size(merged) + len(name) + len(value) <= MAX_METADATA_BYTES
        # Also where ours is missing, the source's own would be taken for it.
        if fits and value.isascii() and name not in _OURS:
            merged[name] = value
    return merged


def source_size(metadata: Mapping[str, str]) -> Size | None:
    """The size of what a result was made from; None if it isn't known."""
    return _read_size(metadata.get(_SOURCE_SIZE, ""))


def source_converted(metadata: Mapping[str, str]) -> Conversion | None:
    """What was sent to Pixian in place of the source; None if that was sent as it is."""
    words = metadata.get(_CONVERTED, "").split()
    if len(words) != 3 or (size := _read_size(words[1])) is None:
        return None
    return Conversion(words[0], size, tuple(words[2].split(",")))


def of_sidecar(job: Job) -> dict[str, str]:
    """The user metadata of a sidecar: the source and upload that it is about."""
    return {_SOURCE_KEY: _encoded(job.key), **_upload(job)}


def is_not_sidecar(metadata: Mapping[str, str]) -> bool:
    """Whether an object at the key of a sidecar is a file of somebody else."""
    return _SOURCE_KEY not in metadata


def is_of_other_source(metadata: Mapping[str, str], job: Job) -> bool:
    """Whether a result or sidecar isn't about the job's source."""
    return metadata.get(_SOURCE_KEY) != _encoded(job.key)


def of_report(job: Job, *, final: bool) -> dict[str, str]:
    """The user metadata of an error report.

    Args:
        job: The job, whose upload it identifies.
        final: Whether the upload was rejected, so that it isn't processed again.
    """
    return {
        **_upload(job),
        _FINAL: str(final).lower(),
    }


def is_report(metadata: Mapping[str, str]) -> bool:
    """Whether an object at the key of a report is one, rather than a file of somebody else."""
    return bool(metadata.keys() & {_FINAL, _VERSION_ID, _SEQUENCER})


def is_final(metadata: Mapping[str, str]) -> bool:
    """Whether an error report says that its upload was rejected."""
    return metadata.get(_FINAL) == "true"


def is_of_upload(metadata: Mapping[str, str], job: Job) -> bool:
    """Whether a result or report of the job's source is about the job's upload.

    An upload that is to be processed again counts as another one. A job of `make backfill` knows no
    version and no sequencer; then it is the same upload if content and time are.
    """
    if metadata.get(_AGAIN, "") != job.again:
        return False
    version, sequencer = metadata.get(_VERSION_ID, ""), metadata.get(_SEQUENCER, "")
    if version and job.version_id:
        return version == job.version_id
    if metadata.get(_ETAG) != job.etag:
        return False
    if sequencer and job.sequencer:
        return sequencer == job.sequencer
    return abs(_time(metadata) - job.event_time) <= _ONE_UPLOAD_SECONDS


def is_newer_than(metadata: Mapping[str, str], job: Job) -> bool:
    """Whether an object is about a newer upload of the job's source."""
    return is_later(metadata.get(_SEQUENCER, ""), _time(metadata), than=job)


def is_not_test_of(existing: Mapping[str, str], job: Job) -> bool:
    """Whether an object is anything but a result of the job's source in test mode."""
    return existing.get(_TEST) != "true" or is_of_other_source(existing, job)


def upload_of(existing: Mapping[str, str], job: Job) -> Job:
    """The job of the upload of the same source that a result was made from."""
    return replace(
        job,
        etag=existing.get(_ETAG, ""),
        version_id=existing.get(_VERSION_ID) or None,
        sequencer=existing.get(_SEQUENCER, ""),
        event_time=float(_time(existing)),
        again=existing.get(_AGAIN, ""),
    )


def is_at_least_of_upload(existing: Mapping[str, str], job: Job) -> bool:
    """Whether a result was made from the job's upload, or from a newer one of its source."""
    if is_of_other_source(existing, job):
        return False
    return is_of_upload(existing, job) or is_newer_than(existing, job)


def is_made_with(existing: Mapping[str, str], settings: Settings) -> bool:
    """Whether a result was made with these parameters."""
    return existing.get(_PARAMETERS) == settings.digest


def is_result_of(existing: Mapping[str, str], job: Job, settings: Settings) -> bool:
    """Whether an object was made from the job's content with these parameters.

    Args:
        existing: The object's user metadata.
        job: The job.
        settings: Its settings, which include the parameters.
    """
    # A job may have no ETag if it has a version ID.
    content = {_ETAG: job.etag} if job.etag else {_VERSION_ID: job.version_id}
    made_from = {_SOURCE_KEY: _encoded(job.key)} | content
    return made_from.items() <= existing.items() and is_made_with(existing, settings)


def require_source(own: Mapping[str, str]) -> None:
    """Check that an object in the input bucket, given its user metadata, isn't a result.

    Raises:
        Skipped: It is a result of this program, here or copied from an output bucket.
    """
    if own.keys() >= {_SOURCE_KEY, _PARAMETERS}:
        raise Skipped("The file is a result of this program, so it isn't processed again.")


def require_replaceable(
    key: str, existing: Mapping[str, str] | None, job: Job, settings: Settings
) -> None:
    """Check that the result of the job may be written to a key.

    Args:
        key: A key in the output bucket.
        existing: The user metadata of the object there; None if there is no object.
        job, settings: As in `is_result_of`.

    Raises:
        AlreadyDone: The result of this upload exists, with whichever parameters, or that of another
            upload of this content with these parameters.
        Skipped: The result of a newer upload exists.
        Rejected: Another object exists there, which wasn't made from the job's source.
    """
    if existing is None:
        return
    if is_of_other_source(existing, job):
        raise Rejected(
            f"The result would overwrite {key}, which was not made from this file. Rename one of "
            "the two files, then upload it again."
        )
    if is_of_upload(existing, job):
        raise AlreadyDone("The result already exists.")
    if is_newer_than(existing, job):
        raise Skipped("The result of a newer upload already exists.")
    if is_result_of(existing, job, settings):
        raise AlreadyDone("The result already exists.")


def _upload(job: Job) -> dict[str, str]:
    about = {
        _ETAG: job.etag,
        _VERSION_ID: job.version_id or "",
        _SEQUENCER: job.sequencer,
        _TIME: str(int(job.event_time)) if job.event_time else "",
        _AGAIN: job.again,
    }
    return {name: value for name, value in about.items() if value}


def _time(metadata: Mapping[str, str]) -> int:
    """When an upload was made, in seconds since the epoch; 0 if that isn't known."""
    text = metadata.get(_TIME, "")
    return int(text) if text.isdecimal() else 0


def _read_size(text: str) -> Size | None:
    size = re.fullmatch("([0-9]{1,9})x([0-9]{1,9})", text)
    return Size(int(size[1]), int(size[2])) if size else None


def _size(metadata: Mapping[str, str]) -> int:
    return sum(len(name) + len(value) for name, value in metadata.items())


def _encoded(key: str) -> str:
    """A key encoded for use in metadata: percent-encoded, or its hash if that is too long."""
    encoded = quote(key)
    if len(encoded) <= _MAX_KEY_BYTES:
        return encoded
    return "sha256:" + hashlib.sha256(key.encode()).hexdigest()
