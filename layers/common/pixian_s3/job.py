"""One image to process: where it is, which version of it, and what was tried so far.

A job arrives in an S3 event, in a message of our own, or in the envelope in which Lambda hands on
an event that UploadFunction could not finish.

Messages outlive deployments: a reader ignores fields that it doesn't know and has defaults for
those that are missing.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from types import NoneType
from typing import Any, Self
from urllib.parse import unquote_plus

from pixian_s3.errors import UnreadableMessage

MESSAGE_VERSION = 3
"""Of the messages written here. Version 1 has no `version`; up to version 2,
`calls_before_redrive` was named `forgiven`."""


@dataclass(frozen=True)
class Job:
    """One version of one object in the input bucket.

    Attributes:
        bucket: the input bucket.
        key: decoded, as the uploader wrote it.
        etag: without quotes; empty if only the version is known.
        version_id: None in a bucket without versions.
        sequencer: orders the events of one key (see `is_newer`); empty if S3 sent none.
        event_time: when the object was uploaded, in seconds since the epoch; 0 if unknown.
        failures: attempts in a row that ended in 429, 5xx or connection trouble.
        calls_before_redrive: calls of unknown outcome that were known when the job was redriven;
            they don't count against the limit of such calls.
        blocked_since: when it was first found blocked, in seconds since the epoch.
    """

    bucket: str
    key: str
    etag: str = ""
    version_id: str | None = None
    sequencer: str = ""
    event_time: float = 0.0
    failures: int = 0
    calls_before_redrive: int = 0
    blocked_since: float | None = None

    @property
    def upload_id(self) -> str:
        """Identifies this upload among all uploads of the key."""
        return self.version_id or f"{self.etag}#{self.sequencer}"

    def failed(self) -> Self:
        """The job after one more failure."""
        return replace(self, failures=self.failures + 1, blocked_since=None)

    def blocked(self, now: float) -> Self:
        """The job after it was found blocked, which uses up no attempt."""
        return replace(self, blocked_since=self.blocked_since or now)

    def reset_for_redrive(self, unknown_calls: int) -> Self:
        """The job as it goes to the dead-letter queue: a redrive gives it all its attempts again.

        Args:
            unknown_calls: made for it so far.
        """
        return replace(
            self,
            failures=0,
            calls_before_redrive=max(self.calls_before_redrive, unknown_calls),
            blocked_since=None,
        )

    def to_message(self) -> str:
        """As the body of an SQS message."""
        return json.dumps({"version": MESSAGE_VERSION, **asdict(self)})


def jobs_from_s3_event(event: Mapping[str, Any]) -> list[Job]:
    """One job for each record; S3 encodes the keys in its notifications like a form does.

    Raises:
        UnreadableMessage: it isn't an event of S3.
    """
    try:
        if event.get("Event") == "s3:TestEvent":
            return []
        records = event["Records"]
        if not isinstance(records, list):
            raise TypeError
        return [_from_record(record) for record in records]
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        # The error's own text may quote the event.
        raise UnreadableMessage(f"It isn't an S3 event ({type(error).__name__}).") from None


def jobs_from_message(body: str) -> list[Job]:
    """The jobs in a message of the retry queue: one of ours, or an event that Lambda handed on.

    Raises:
        UnreadableMessage: it is neither.
    """
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        raise UnreadableMessage("It isn't JSON.") from None
    if not isinstance(message, dict):
        raise UnreadableMessage("It isn't a JSON object.")
    if "requestPayload" in message:
        return jobs_from_s3_event(message["requestPayload"])
    return [_checked(message)]


def is_newer(sequencer: str, than: str) -> bool:
    """Whether one event of a key came after another.

    Sequencers are hexadecimal numbers of differing length: S3's documentation has them compared as
    text, the shorter padded with zeros on its left.
    """
    width = max(len(sequencer), len(than))
    return sequencer.rjust(width, "0").upper() > than.rjust(width, "0").upper()


_LATEST = 2.5e11
"""Seconds since the epoch that a date can still be made of; neither infinity nor no number is."""

_TYPES: dict[str, tuple[type, ...]] = {
    "bucket": (str,),
    "key": (str,),
    "etag": (str,),
    "version_id": (str, NoneType),
    "sequencer": (str,),
    "event_time": (int, float),
    "failures": (int,),
    "calls_before_redrive": (int,),
    "blocked_since": (int, float, NoneType),
}


def _checked(message: Mapping[str, Any]) -> Job:
    if "forgiven" in message:
        message = {"calls_before_redrive": message["forgiven"], **message}
    known = {field.name: message[field.name] for field in fields(Job) if field.name in message}
    wrong = [name for name, value in known.items() if not _is_good(name, value)]
    if wrong:
        raise UnreadableMessage(f"These fields don't have the type of a job's: {', '.join(wrong)}.")
    if not (known.get("bucket") and known.get("key")):
        raise UnreadableMessage("It names no bucket or no key.")
    if not (known.get("version_id") or known.get("etag")):
        # Neither identifies the upload, so it could be confused with one that is done.
        raise UnreadableMessage("It names neither a version nor an ETag.")
    return Job(**known)


def _is_good(name: str, value: object) -> bool:
    if isinstance(value, float) and not 0 <= value <= _LATEST:
        return False
    return isinstance(value, _TYPES[name])


def _from_record(record: dict[str, Any]) -> Job:
    s3 = record["s3"]
    return _checked(
        {
            "bucket": s3["bucket"]["name"],
            "key": unquote_plus(s3["object"]["key"]),
            "etag": s3["object"].get("eTag", "").strip('"'),
            "version_id": s3["object"].get("versionId"),
            "sequencer": s3["object"].get("sequencer", ""),
            "event_time": datetime.fromisoformat(record["eventTime"]).timestamp(),
        }
    )
