"""One image to process: where it is, which version of it, and what was tried so far.

A job arrives in an S3 event, in a message of our own, or in the envelope in which Lambda hands on
an event that UploadFunction could not finish.
"""

import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Self
from urllib.parse import unquote_plus


@dataclass(frozen=True)
class Job:
    """One version of one object in the input bucket.

    Attributes:
        bucket: the input bucket.
        key: decoded, as the uploader wrote it.
        etag: without quotes.
        version_id: None in a bucket without versions.
        sequencer: orders the events of one key (see `is_newer`); empty if S3 sent none.
        event_time: when the object was dropped, in seconds since the epoch.
        failures: tries in a row that ended in 429, 5xx or connection trouble.
        forgiven: calls of unknown outcome that a person knew of when sending the job round again.
        blocked_since: when it first found all images blocked, in seconds since the epoch.
    """

    bucket: str
    key: str
    etag: str
    version_id: str | None
    sequencer: str
    event_time: float
    failures: int = 0
    forgiven: int = 0
    blocked_since: float | None = None

    @property
    def drop(self) -> str:
        """What tells this drop of its key from others of the same key."""
        return self.version_id or f"{self.etag}#{self.sequencer}"

    def failed(self) -> Self:
        """The job after one more failure."""
        return replace(self, failures=self.failures + 1, blocked_since=None)

    def blocked(self, now: float) -> Self:
        """The job after finding all images blocked; that uses up no attempt."""
        return replace(self, blocked_since=self.blocked_since or now)

    def afresh(self, unknown_calls: int) -> Self:
        """The job with all its attempts before it, for a person to send round again."""
        return replace(
            self, failures=0, forgiven=max(self.forgiven, unknown_calls), blocked_since=None
        )

    def to_message(self) -> str:
        """As the body of an SQS message."""
        return json.dumps(asdict(self))


def jobs_from_s3_event(event: dict[str, Any]) -> list[Job]:
    """One job a record; S3 encodes the keys in its notifications like a form does."""
    return [_from_record(record) for record in event.get("Records", [])]


def jobs_from_message(body: str) -> list[Job]:
    """The jobs in a message of the retry queue: one of ours, or an event that Lambda handed on."""
    message = json.loads(body)
    if "requestPayload" in message:
        return jobs_from_s3_event(message["requestPayload"])
    return [Job(**message)]


def is_newer(sequencer: str, than: str) -> bool:
    """Whether one event of a key came after another.

    Sequencers are hexadecimal numbers of differing length: S3's documentation has them compared as
    text, the shorter padded with zeros on its left.
    """
    width = max(len(sequencer), len(than))
    return sequencer.rjust(width, "0").upper() > than.rjust(width, "0").upper()


def _from_record(record: dict[str, Any]) -> Job:
    s3 = record["s3"]
    return Job(
        bucket=s3["bucket"]["name"],
        key=unquote_plus(s3["object"]["key"]),
        etag=s3["object"].get("eTag", "").strip('"'),
        version_id=s3["object"].get("versionId"),
        sequencer=s3["object"].get("sequencer", ""),
        event_time=datetime.fromisoformat(record["eventTime"]).timestamp(),
    )
