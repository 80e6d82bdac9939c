"""What stands on a result: the service's headers and which source it was made from."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from urllib.parse import quote

from pixian_s3.config.document import Settings
from pixian_s3.job import Job, is_newer

MAX_METADATA_BYTES = 2048
"""S3's limit for the names and values of user metadata together."""

VERSION_ID = "source-version-id"
SEQUENCER = "source-sequencer"
SOURCE_KEY = "source-key"

_MAX_KEY_BYTES = 1024  # of it for the source's key; the rest needs less than 600

_HEADERS = (
    "Credits-Charged",
    "Credits-Calculated",
    "Input-Orientation",
    "Input-Size",
    "Result-Size",
    "Input-Foreground",
    "Result-Foreground",
)


class Verdict(Enum):
    """What an object that already has the result's key means for a job."""

    FREE = "there is no result yet, or only an older one"
    DONE = "the result is there already"
    STALE = "the result was made from a newer upload"
    COLLISION = "the key belongs to something else"


@dataclass(frozen=True)
class StoredObject:
    """An object as a HEAD request shows it; `etag` with its quotes, as conditions need it."""

    etag: str
    content_type: str
    metadata: Mapping[str, str]

    def drop(self) -> dict[str, str]:
        """Which drop of its source it was made from, as `event` has it."""
        return {name: self.metadata.get(name, "") for name in (VERSION_ID, SEQUENCER)}

    def is_newer_than(self, job: Job) -> bool:
        """Whether it was made from a newer event of the key than the job's."""
        return is_newer(self.metadata.get(SEQUENCER, ""), than=job.sequencer)

    def is_older_than(self, job: Job) -> bool:
        """Whether it was made from an older event of the key than the job's."""
        return is_newer(job.sequencer, than=self.metadata.get(SEQUENCER, ""))


def result_metadata(job: Job, settings: Settings, headers: Mapping[str, str]) -> dict[str, str]:
    """The user metadata of a result.

    Args:
        job: what was processed.
        settings: with which parameters.
        headers: of Pixian's answer; those it didn't send are left out.
    """
    said = {f"pixian-{name.lower()}": headers.get(f"X-{name}", "") for name in _HEADERS}
    source = {
        SOURCE_KEY: encoded_key(job.key),
        "source-etag": job.etag,
        "parameters": settings.digest,
    }
    return {name: value for name, value in (said | source | event(job)).items() if value}


def event(job: Job) -> dict[str, str]:
    """Which drop of the source it was, of several under one key."""
    return {VERSION_ID: job.version_id or "", SEQUENCER: job.sequencer}


def with_own(ours: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """Our metadata and what fits beside it of the source's own; ours wins where names meet."""
    merged = dict(ours)
    for name, value in own.items():
        fits = _size(merged) + len(name) + len(value) <= MAX_METADATA_BYTES
        if fits and value.isascii() and name not in merged:
            merged[name] = value
    return merged


def _size(metadata: Mapping[str, str]) -> int:
    return sum(len(name) + len(value) for name, value in metadata.items())


def encoded_key(key: str) -> str:
    """A key as metadata can hold it: percent-encoded, or its hash where that is too long."""
    encoded = quote(key)
    if len(encoded) <= _MAX_KEY_BYTES:
        return encoded
    return "sha256:" + hashlib.sha256(key.encode()).hexdigest()


def compare(existing: StoredObject | None, job: Job, settings: Settings) -> Verdict:
    """What stands at the result's key, as seen from a job."""
    if existing is None:
        return Verdict.FREE
    made_from = existing.metadata
    if made_from.get(SOURCE_KEY) != encoded_key(job.key):
        return Verdict.COLLISION
    if existing.is_newer_than(job):
        return Verdict.STALE
    same_source = made_from.get("source-etag") == job.etag
    same_parameters = made_from.get("parameters") == settings.digest
    return Verdict.DONE if same_source and same_parameters else Verdict.FREE
