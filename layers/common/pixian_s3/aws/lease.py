"""The lease on a result: one DynamoDB item, so that only one invocation at a time works on it.

Only the holder of the lease calls Pixian for a result and writes it. The item also records the
latest known upload for the result, whether that upload is done, and how many of its calls have an
unknown outcome. docs/architecture.md describes the states of a lease.

A call is recorded before it is made. If the function is killed during the call, the next holder
finds it in the record and reports it as one that may have cost a credit.
"""

import json
import math
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, Self
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from pixian_s3.errors import InProgress, Unavailable, plain
from pixian_s3.job import Job, is_later

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

VERSION = 2
"""The version of the items written here. In version 1, the ID contains the result's suffix."""

_LONGEST_INVOCATION_SECONDS = 900
"""Lambda's limit."""

KEPT_SECONDS = 14 * 24 * 3600
"""As long as the dead-letter queue keeps messages. Later, a result shows by its metadata."""


MOST_OTHERS = 4
"""How many other sources a record remembers. They are named alike by mistake, so there are few."""


class OtherUpload(NamedTuple):
    """The latest upload of another source; as in `Record`."""

    source: str
    upload: str
    sequencer: str
    time: int
    done: bool
    given_up: bool
    redrives: int


@dataclass(frozen=True)
class Record:
    """What a lease records about the latest upload for its result.

    Attributes:
        source: The key of the source.
        upload: The job's `upload_id`.
        sequencer: The sequencer of the upload's event; comparable only for the same source.
        redrives: How often the upload was redriven from the dead-letter queue.
        time: When it was uploaded, in seconds since the epoch; 0 if that isn't known.
        suffix: The suffix of the last result of this source; empty if there is none yet. Pixian
            may choose another type than expected.
        digest: The digest of the parameters that this result was made with.
        done: Whether the upload is done: it has its result, or was rejected.
        given_up: Whether the upload was sent to the dead-letter queue since its last redrive.
        unknown: The number of calls to Pixian whose outcome isn't known.
        told: How many of these calls were reported in the metric MaybeCharged.
        gateway: How many of the unknown calls a gateway answered instead of Pixian.
        others: The latest uploads of other sources whose results would have the same key, such as
            a.gif and a.jpg.
    """

    source: str = ""
    upload: str = ""
    sequencer: str = ""
    redrives: int = 0
    time: int = 0
    suffix: str = ""
    digest: str = ""
    done: bool = False
    given_up: bool = False
    unknown: int = 0
    told: int = 0
    gateway: int = 0
    others: tuple[OtherUpload, ...] = ()

    @property
    def unreported(self) -> int:
        """The number of calls not reported yet, because their attempts were killed."""
        return self.unknown - self.told

    def is_newer_than(self, job: Job) -> bool:
        """Whether a newer upload of the job's source was recorded."""
        return any(
            upload.source == job.key and is_later(upload.sequencer, upload.time, than=job)
            for upload in self._uploads()
        )

    def has_done(self, job: Job) -> bool:
        """Whether this upload is done, with whichever parameters.

        A job of `make backfill` doesn't tell one upload of a content from another; then the output
        bucket shows whether it is done.
        """
        identified = bool(job.version_id or job.sequencer or job.again)
        about = (job.key, job.upload_id)
        return identified and any(
            upload.done and (upload.source, upload.upload) == about for upload in self._uploads()
        )

    def has_given_up(self, job: Job) -> bool:
        """Whether this job became a dead letter, so that only a redriven one may be processed."""
        about = (job.key, job.upload_id)
        return any(
            upload.redrives > job.redrives or (upload.given_up and upload.redrives == job.redrives)
            for upload in self._uploads()
            if (upload.source, upload.upload) == about
        )

    def mark_done(self, job: Job, suffix: str = "", digest: str = "") -> Self:
        """The record with this upload done; unchanged if it is about another upload.

        Args:
            job: The job.
            suffix, digest: Those of its result; empty if it was rejected.
        """
        if not self._is_about(job):
            return self
        result = (suffix, digest) if suffix else (self.suffix, self.digest)
        return replace(self, done=True, suffix=result[0], digest=result[1])

    def suffix_for(self, job: Job, digest: str) -> str:
        """The suffix of the result of this source with these parameters; empty if not known."""
        return self.suffix if (self.source, self.digest) == (job.key, digest) else ""

    def for_upload(self, job: Job) -> "Record":
        """The record to start work on this upload: not done, but with its calls so far.

        A redriven upload starts without calls.
        """
        if self._is_about(job) and self.redrives >= job.redrives:
            return replace(self, done=False)
        result = (self.suffix, self.digest) if self.source == job.key else ("", "")
        about = (job.key, job.upload_id, job.sequencer, job.redrives, int(job.event_time))
        return Record(*about, *result, others=self._others_than(job.key))

    def _uploads(self) -> "tuple[Record | OtherUpload, ...]":
        return (self, *self.others)

    def _others_than(self, source: str) -> tuple[OtherUpload, ...]:
        own = OtherUpload(
            self.source,
            self.upload,
            self.sequencer,
            self.time,
            self.done,
            self.given_up,
            self.redrives,
        )
        kept = [each for each in (own, *self.others) if each.source not in {"", source}]
        return tuple(kept[:MOST_OTHERS])

    def _is_about(self, job: Job) -> bool:
        return (self.source, self.upload) == (job.key, job.upload_id)


@dataclass(frozen=True)
class Lease:
    """A lease that is held.

    Attributes:
        result: The key of the result in the output bucket, without suffix.
        holder: A unique ID of the holder.
        record: The record when the lease was acquired.
        interrupted: Whether the last holder was killed, so that its lease expired.
    """

    result: str
    holder: str
    record: Record
    interrupted: bool = False


class Leases:
    """The leases, in one DynamoDB table.

    Each later write sets absolute values and requires that the writer is the holder, so repeating a
    write whose answer was lost changes nothing.
    """

    def __init__(self, dynamodb: "DynamoDBClient", table_name: str) -> None:
        self._dynamodb = dynamodb
        self._table_name = table_name

    def acquire(self, result: str, now: float, seconds_left: float) -> Lease:
        """Acquire the lease on a result.

        Args:
            result: The key of the result in the output bucket, without suffix: the suffix depends
                on the parameters, and on Pixian.
            now: Seconds since the epoch.
            seconds_left: Seconds until Lambda ends the invocation. The lease expires then, unless
                it is released before.

        Raises:
            InProgress: Another invocation holds it.
            Unavailable: The table is unavailable.
        """
        holder, until = uuid4().hex, now + min(seconds_left, _LONGEST_INVOCATION_SECONDS)
        try:
            found = self._dynamodb.update_item(
                TableName=self._table_name,
                Key=_id(result),
                UpdateExpression=(
                    "SET holder = :holder, #until = :until, expiration = :expiration, "
                    "#version = :version"
                ),
                ConditionExpression=(
                    "attribute_not_exists(holder) OR #until < :now OR holder = :holder"
                ),
                ExpressionAttributeNames={"#until": "until", "#version": "version"},
                ExpressionAttributeValues={
                    ":holder": {"S": holder},
                    ":until": _number(math.ceil(until)),
                    ":now": _number(int(now)),
                    ":expiration": _number(int(now) + KEPT_SECONDS),
                    ":version": _number(VERSION),
                },
                ReturnValues="ALL_OLD",
            )
        except self._dynamodb.exceptions.ConditionalCheckFailedException as error:
            raise InProgress(f"Another invocation is working on {result}.") from error
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"The lease table is unavailable: {plain(error)}") from error
        before = found.get("Attributes", {})
        # Our own name is there if this request was repeated because its answer was lost.
        interrupted = _text(before, "holder") not in {"", holder}
        return Lease(result, holder, _read(before), interrupted)

    def note(self, lease: Lease, record: Record) -> Record:
        """Write a record before what it says is done, and return it.

        Raises:
            InProgress: The lease expired, and another invocation has acquired it.
            Unavailable: The table is unavailable, so what the record says must not be done.
        """
        try:
            self._write(lease, record, "")
        except self._dynamodb.exceptions.ConditionalCheckFailedException as error:
            raise InProgress(f"Another invocation has taken over {lease.result}.") from error
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"The lease table is unavailable: {plain(error)}") from error
        return record

    def release(self, lease: Lease | None, record: Record) -> None:
        """Write a record and release the lease; do nothing if `lease` is None.

        If the write fails, the lease stays held until it expires, with its previous record.
        """
        if lease:
            with suppress(ClientError, BotoCoreError):
                self._write(lease, record, " REMOVE holder, #until")

    def _write(self, lease: Lease, record: Record, release: str) -> None:
        values: dict[str, AttributeValueTypeDef] = {
            "source": {"S": record.source},
            "upload": {"S": record.upload},
            "sequencer": {"S": record.sequencer},
            "redrives": _number(record.redrives),
            "digest": {"S": record.digest},
            "time": _number(record.time),
            "suffix": {"S": record.suffix},
            "done": {"BOOL": record.done},
            "given_up": {"BOOL": record.given_up},
            "unknown": _number(record.unknown),
            "told": _number(record.told),
            "by_gateway": _number(record.gateway),
            "others": {"S": json.dumps(record.others)},
        }
        names = {f"#{name}": name for name in values}
        if release:
            names["#until"] = "until"
        self._dynamodb.update_item(
            TableName=self._table_name,
            Key=_id(lease.result),
            UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in values) + release,
            ConditionExpression="holder = :holder",
            ExpressionAttributeNames=names,
            ExpressionAttributeValues={
                ":holder": {"S": lease.holder},
                **{f":{name}": value for name, value in values.items()},
            },
        )


def _id(result: str) -> "dict[str, AttributeValueTypeDef]":
    return {"id": {"S": f"lease#{result}"}}


def _number(value: int) -> "AttributeValueTypeDef":
    return {"N": str(value)}


def _read(item: "dict[str, AttributeValueTypeDef]") -> Record:
    """Read an item. Unknown attributes are ignored, and missing ones have defaults."""
    return Record(
        source=_text(item, "source"),
        upload=_text(item, "upload"),
        sequencer=_text(item, "sequencer"),
        redrives=_integer(item, "redrives"),
        digest=_text(item, "digest"),
        time=_integer(item, "time"),
        suffix=_text(item, "suffix"),
        done=_flag(item, "done"),
        given_up=_flag(item, "given_up"),
        unknown=_integer(item, "unknown"),
        told=_integer(item, "told"),
        gateway=_integer(item, "by_gateway"),
        others=tuple(OtherUpload(*each) for each in json.loads(_text(item, "others") or "[]")),
    )


def _text(item: "dict[str, AttributeValueTypeDef]", name: str) -> str:
    return item.get(name, {}).get("S", "")


def _integer(item: "dict[str, AttributeValueTypeDef]", name: str) -> int:
    return int(item.get(name, {}).get("N", 0))


def _flag(item: "dict[str, AttributeValueTypeDef]", name: str) -> bool:
    return item.get(name, {}).get("BOOL", False)
