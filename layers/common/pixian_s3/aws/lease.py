"""The lease on a result key: one DynamoDB item that decides who works on it.

Only the holder of its lease calls Pixian for a result key and writes to it. The item also remembers
the latest upload that was recorded for the key, whether that upload came to its end, and how many
calls were made for it whose outcome nobody knows. docs/architecture.md has its states.

A call is noted here before it is made. If the function is killed, the note remains, and the next
holder finds a call that has to be reported as one that may have cost a credit.
"""

import math
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from pixian_s3.errors import InProgress, Unavailable
from pixian_s3.job import Job, is_newer

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

VERSION = 1
"""Of the items written here."""

_LONGEST_INVOCATION_SECONDS = 900
"""Lambda's own limit."""

KEPT_SECONDS = 14 * 24 * 3600
"""SQS keeps a message for 14 days at most, so no upload is retried for longer."""


@dataclass(frozen=True)
class Record:
    """What a lease remembers of the latest upload for its result key.

    Attributes:
        source: key of the source.
        upload: the job's `upload_id`.
        sequencer: of the upload's event; comparable within one source only.
        digest: of the parameters.
        done: whether the upload came to its end, be that a result or a rejection.
        unknown: calls to Pixian whose outcome isn't known.
        told: how many of them were reported as MaybeCharged.
    """

    source: str = ""
    upload: str = ""
    sequencer: str = ""
    digest: str = ""
    done: bool = False
    unknown: int = 0
    told: int = 0

    @property
    def untold(self) -> int:
        """Calls of killed attempts that nobody has reported yet."""
        return self.unknown - self.told

    def is_newer_than(self, job: Job) -> bool:
        """Whether a newer upload of the job's source was recorded."""
        return self.source == job.key and is_newer(self.sequencer, than=job.sequencer)

    def has_done(self, job: Job, digest: str) -> bool:
        """Whether this very upload came to its end with these parameters."""
        recorded = (self.source, self.upload, self.digest)
        return self.done and recorded == (job.key, job.upload_id, digest)

    def ended(self, job: Job) -> Self:
        """The record after this upload came to its end; unchanged if it is about another one."""
        is_about_it = (self.source, self.upload) == (job.key, job.upload_id)
        return replace(self, done=True) if is_about_it else self

    def of(self, job: Job, digest: str) -> Self:
        """The record of this upload: what is known of it already, or that nothing is."""
        if (self.source, self.upload) != (job.key, job.upload_id):
            return replace(
                self,
                source=job.key,
                upload=job.upload_id,
                sequencer=job.sequencer,
                digest=digest,
                done=False,
                unknown=0,
                told=0,
            )
        return replace(self, digest=digest, done=self.done and self.digest == digest)


@dataclass(frozen=True)
class Lease:
    """A lease that is held.

    Attributes:
        result_key: in the output bucket.
        holder: identifies the invocation that holds it.
        record: as found when it was acquired.
    """

    result_key: str
    holder: str
    record: Record


class Leases:
    """Leases in one DynamoDB table.

    Every write sets whole values on the condition that the writer is the holder, so that repeating
    one whose answer was lost changes nothing.
    """

    def __init__(self, dynamodb: "DynamoDBClient", table_name: str) -> None:
        self._dynamodb = dynamodb
        self._table_name = table_name

    def acquire(self, result_key: str, now: float, seconds_left: float) -> Lease:
        """Take the lease on a result key, unless another invocation holds it.

        Args:
            result_key: in the output bucket.
            now: seconds since the epoch.
            seconds_left: until Lambda ends the invocation. A lease that isn't released expires
                then.

        Raises:
            InProgress: another invocation holds it.
            Unavailable: the table can't be used.
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
            raise Unavailable(f"The lease table is unavailable: {error}") from error
        return Lease(result_key, holder, _read(found.get("Attributes", {})))

    def note_call(self, lease: Lease, record: Record) -> Record:
        """Write a record with one more call of unknown outcome, and return it.

        Raises:
            InProgress: the lease expired, and another invocation has taken it.
            Unavailable: the table can't be used, so the call may not be made.
        """
        noted = replace(record, unknown=record.unknown + 1)
        try:
            self._write(lease, noted, "")
        except self._dynamodb.exceptions.ConditionalCheckFailedException as error:
            raise InProgress(f"Another invocation took over {lease.result_key}.") from error
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"The lease table is unavailable: {error}") from error
        return noted

    def release(self, lease: Lease | None, record: Record) -> None:
        """Write a record, and let others take the lease, if there is one.

        If this fails, others wait until the lease expires, and find the record as it was before.
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
    """Fields of a later version are ignored; those that are missing have defaults."""
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
