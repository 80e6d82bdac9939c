"""The lease on a result key: one DynamoDB item, so that only one invocation at a time works on it.

Only the holder of the lease calls Pixian for a result key and writes the result. The item also
records the latest known upload for the key, whether that upload is done, and how many of its calls
have an unknown outcome. docs/architecture.md describes the states of a lease.

A call is recorded before it is made. If the function is killed during the call, the next holder
finds it in the record and reports it as one that may have cost a credit.
"""

import math
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from pixian_s3.errors import InProgress, Unavailable, plain
from pixian_s3.job import Job, is_newer

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

VERSION = 1
"""The version of the items written here."""

_LONGEST_INVOCATION_SECONDS = 900
"""Lambda's limit."""

KEPT_SECONDS = 14 * 24 * 3600
"""As long as the dead-letter queue keeps messages. Later, a result shows by its metadata."""


@dataclass(frozen=True)
class Record:
    """What a lease records about the latest upload for its result key.

    Attributes:
        source: The key of the source.
        upload: The job's `upload_id`.
        sequencer: The sequencer of the upload's event; comparable only for the same source.
        digest: The digest of the parameters.
        done: Whether the upload is done: it has its result, or was rejected.
        unknown: The number of calls to Pixian whose outcome isn't known.
        told: How many of these calls were reported in the metric MaybeCharged.
    """

    source: str = ""
    upload: str = ""
    sequencer: str = ""
    digest: str = ""
    done: bool = False
    unknown: int = 0
    told: int = 0

    @property
    def unreported(self) -> int:
        """The number of calls not reported yet, because their attempts were killed."""
        return self.unknown - self.told

    def is_newer_than(self, job: Job) -> bool:
        """Whether a newer upload of the job's source was recorded."""
        return self.source == job.key and is_newer(self.sequencer, than=job.sequencer)

    def has_done(self, job: Job, digest: str) -> bool:
        """Whether this upload is done with these parameters."""
        return self.done and self._is_about(job) and self.digest == digest

    def mark_done(self, job: Job) -> Self:
        """The record with this upload done; unchanged if it is about another upload."""
        return replace(self, done=True) if self._is_about(job) else self

    def for_upload(self, job: Job, digest: str) -> "Record":
        """The record to start work on this upload: not done, but with its calls so far."""
        if self._is_about(job):
            return replace(self, digest=digest, done=False)
        return Record(job.key, job.upload_id, job.sequencer, digest)

    def _is_about(self, job: Job) -> bool:
        return (self.source, self.upload) == (job.key, job.upload_id)


@dataclass(frozen=True)
class Lease:
    """A lease that is held.

    Attributes:
        result_key: The key of the result in the output bucket.
        holder: A unique ID of the holder.
        record: The record when the lease was acquired.
    """

    result_key: str
    holder: str
    record: Record


class Leases:
    """The leases, in one DynamoDB table.

    Each later write sets absolute values and requires that the writer is the holder, so repeating a
    write whose answer was lost changes nothing.
    """

    def __init__(self, dynamodb: "DynamoDBClient", table_name: str) -> None:
        self._dynamodb = dynamodb
        self._table_name = table_name

    def acquire(self, result_key: str, now: float, seconds_left: float) -> Lease:
        """Acquire the lease on a result key.

        Args:
            result_key: The key of the result in the output bucket.
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
                Key=_id(result_key),
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
            raise InProgress(f"Another invocation is working on {result_key}.") from error
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"The lease table is unavailable: {plain(error)}") from error
        return Lease(result_key, holder, _read(found.get("Attributes", {})))

    def note_call(self, lease: Lease, record: Record) -> Record:
        """Write a record with one more call of unknown outcome, and return it.

        Raises:
            InProgress: The lease expired, and another invocation has acquired it.
            Unavailable: The table is unavailable, so the call must not be made.
        """
        noted = replace(record, unknown=record.unknown + 1)
        try:
            self._write(lease, noted, "")
        except self._dynamodb.exceptions.ConditionalCheckFailedException as error:
            raise InProgress(f"Another invocation has taken over {lease.result_key}.") from error
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"The lease table is unavailable: {plain(error)}") from error
        return noted

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
            "digest": {"S": record.digest},
            "done": {"BOOL": record.done},
            "unknown": _number(record.unknown),
            "told": _number(record.told),
        }
        names = {f"#{name}": name for name in values}
        if release:
            names["#until"] = "until"
        self._dynamodb.update_item(
            TableName=self._table_name,
            Key=_id(lease.result_key),
            UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in values) + release,
            ConditionExpression="holder = :holder",
            ExpressionAttributeNames=names,
            ExpressionAttributeValues={
                ":holder": {"S": lease.holder},
                **{f":{name}": value for name, value in values.items()},
            },
        )


def _id(result_key: str) -> "dict[str, AttributeValueTypeDef]":
    return {"id": {"S": f"lease#{result_key}"}}


def _number(value: int) -> "AttributeValueTypeDef":
    return {"N": str(value)}


def _read(item: "dict[str, AttributeValueTypeDef]") -> Record:
    """Read an item. Unknown attributes are ignored, and missing ones have defaults."""
    return Record(
        source=_text(item, "source"),
        upload=_text(item, "upload"),
        sequencer=_text(item, "sequencer"),
        digest=_text(item, "digest"),
        done=item.get("done", {}).get("BOOL", False),
        unknown=int(item.get("unknown", {}).get("N", 0)),
        told=int(item.get("told", {}).get("N", 0)),
    )


def _text(item: "dict[str, AttributeValueTypeDef]", name: str) -> str:
    return item.get(name, {}).get("S", "")
