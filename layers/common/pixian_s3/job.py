"""The job of processing one image: where it is, its version, and the attempts so far.

A job arrives in an event of S3, or in a message: one of our own, the record that Lambda sends to
UploadFunction's on-failure destination, or an event that EventBridge couldn't deliver. S3 notifies
the function itself about a bucket of the stack, and EventBridge about one that exists.

Messages outlive deployments: unknown fields are ignored, and missing ones have defaults.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from types import NoneType
from typing import Any, Self
from urllib.parse import unquote_plus

from pixian_s3.errors import UnreadableMessage

MESSAGE_VERSION = 4
"""The version of the messages written here. Version 1 has no `version` field. Up to version 3,
`calls_before_redrive` or `forgiven`, a number of calls, shows that a job was redriven."""


@dataclass(frozen=True)
class Job:
    """One version of one object in the input bucket.

    Attributes:
        bucket: The input bucket.
        key: The decoded key, as it was uploaded.
        etag: The ETag without quotes; empty if only the version is known.
        version_id: The object's version; None in a bucket without versioning.
        sequencer: Orders the events of one key (see `is_newer`); empty if S3 sent none.
        event_time: When the object was uploaded, in seconds since the epoch; 0 if unknown.
        failures: Attempts in a row that failed with 429, 5xx or connection trouble.
        redrives: How often it was redriven from the dead-letter queue, once the message is
            processed.
        blocked_since: When the job was first blocked, in seconds since the epoch.
        again: Not empty if an operator wants an upload that ended processed again; what ended in
            the same request isn't. `make backfill` sets it with REPORTS=1 and TESTS=1.
    """

    bucket: str
    key: str
    etag: str = ""
    version_id: str | None = None
    sequencer: str = ""
    event_time: float = 0.0
    failures: int = 0
    redrives: int = 0
    blocked_since: float | None = None
    again: str = ""

    @property
    def upload_id(self) -> str:
        """Identifies this upload among all uploads of the key, and a request to repeat it."""
        upload = self.version_id or f"{self.etag}#{self.sequencer}"
        return f"{upload}#{self.again}" if self.again else upload

    def failed(self) -> Self:
        """The job after one more failure."""
        return replace(self, failures=self.failures + 1, blocked_since=None)

    def blocked(self, now: float) -> Self:
        """The job after it was blocked, which doesn't count as a failure."""
        return replace(self, blocked_since=self.blocked_since or now)

    def dead_letter(self) -> Self:
        """The job to send to the dead-letter queue; a redrive gives it all its attempts again."""
        return replace(self, failures=0, redrives=self.redrives + 1, blocked_since=None)

    def to_message(self, reason: str = "") -> str:
        """The body of an SQS message with this job.

        Args:
            reason: Why the image was given up, in a dead letter. It isn't a part of the job.
        """
        why = {"reason": reason} if reason else {}
        return json.dumps({"version": MESSAGE_VERSION, **asdict(self), **why})


def jobs_from_s3_event(event: Mapping[str, Any]) -> list[Job]:
    """The jobs in an S3 notification, one for each record, or in an event of EventBridge.

    Raises:
        UnreadableMessage: It is neither.
    """
    try:
        if event.get("detail-type") == "Object Created":
            return [_from_detail(event)]
        if event.get("Event") == "s3:TestEvent":
            return []
        records = event["Records"]
        if not isinstance(records, list):
            raise TypeError
        return [_from_record(record) for record in records]
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        # Omit the error's own text, which may quote the event.
        raise UnreadableMessage(f"It isn't an S3 event ({type(error).__name__}).") from None


def jobs_from_message(body: str) -> list[Job]:
    """The jobs in a message of the retry queue.

    It is a job of ours, or an event that Lambda or EventBridge forwarded.

    Raises:
        UnreadableMessage: It is neither.
    """
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        raise UnreadableMessage("It isn't JSON.") from None
    if not isinstance(message, dict):
        raise UnreadableMessage("It isn't a JSON object.")
    if "requestPayload" in message:
        return jobs_from_s3_event(message["requestPayload"])
    if "detail-type" in message:
        return jobs_from_s3_event(message)
    return [_checked(message)]


def is_newer(sequencer: str, than: str) -> bool:
    """Whether one event of a key came after another; False if that one has no sequencer.

    Sequencers are hexadecimal numbers of different lengths. As S3's documentation specifies, pad
    the shorter one with zeros on the left, then compare them as text.
    """
    width = max(len(sequencer), len(than))
    return than != "" and sequencer.rjust(width, "0").upper() > than.rjust(width, "0").upper()


def is_later(sequencer: str, time: float, than: Job) -> bool:
    """Whether an upload of a job's key came after the job's.

    Sequencers decide. A job of `make backfill` has none; then the times do, if they are known and
    differ by more than S3's event and its listing may for one upload.

    Args:
        sequencer: The upload's sequencer; empty if it isn't known.
        time: When it was uploaded, in seconds since the epoch; 0 if that isn't known.
        than: The job.
    """
    if sequencer and than.sequencer:
        return is_newer(sequencer, than.sequencer)
    known = time and than.event_time
    return bool(known) and time > than.event_time + _ONE_UPLOAD_SECONDS


_ONE_UPLOAD_SECONDS = 2

_LATEST = 2.5e11
"""Seconds since the epoch, near the latest date of `datetime`; rules out infinity and NaN."""

_TYPES: dict[str, tuple[type, ...]] = {
    "bucket": (str,),
    "key": (str,),
    "etag": (str,),
    "version_id": (str, NoneType),
    "sequencer": (str,),
    "event_time": (int, float),
    "failures": (int,),
    "redrives": (int,),
    "blocked_since": (int, float, NoneType),
    "again": (str,),
}


def _checked(message: Mapping[str, Any]) -> Job:
    if message.get("calls_before_redrive") or message.get("forgiven"):
        message = {"redrives": 1, **message}
    known = {field.name: message[field.name] for field in fields(Job) if field.name in message}
    wrong = [name for name, value in known.items() if not _is_good(name, value)]
    if wrong:
        raise UnreadableMessage(f"These fields have an invalid value: {', '.join(wrong)}.")
    if not (known.get("bucket") and known.get("key")):
        raise UnreadableMessage("It has no bucket or no key.")
    if not (known.get("version_id") or known.get("etag")):
        # Without either, this upload could be confused with one that is done.
        raise UnreadableMessage("It has neither a version ID nor an ETag.")
    return Job(**known)


def _is_good(name: str, value: object) -> bool:
    if isinstance(value, float) and not 0 <= value <= _LATEST:
        return False
    return isinstance(value, _TYPES[name])


def _from_record(record: dict[str, Any]) -> Job:
    """The job in a record of an S3 notification, which form-encodes the key."""
    s3 = record["s3"]
    return _uploaded(
        record["eventTime"],
        bucket=s3["bucket"]["name"],
        key=unquote_plus(s3["object"]["key"]),
        etag=s3["object"].get("eTag", ""),
        version_id=s3["object"].get("versionId"),
        sequencer=s3["object"].get("sequencer", ""),
    )


def _from_detail(event: Mapping[str, Any]) -> Job:
    """The job in an event of EventBridge, which has the key as it is."""
    # Not with Powertools' class, which decodes the key: a "+" in it would be lost.
    detail = event["detail"]
    return _uploaded(
        event["time"],
        bucket=detail["bucket"]["name"],
        key=detail["object"]["key"],
        etag=detail["object"].get("etag", ""),
        version_id=detail["object"].get("version-id"),
        sequencer=detail["object"].get("sequencer", ""),
    )


def _uploaded(time: str, **known: Any) -> Job:  # noqa: ANN401 - `_checked` checks them
    # "null" is the version of all uploads while versioning is suspended.
    version_id = None if known["version_id"] == "null" else known["version_id"]
    event_time = datetime.fromisoformat(time).timestamp()
    about = {"etag": known["etag"].strip('"'), "version_id": version_id, "event_time": event_time}
    return _checked(known | about)
