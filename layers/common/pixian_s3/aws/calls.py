"""The notes of calls to Pixian: what is known of them if a process doesn't live to tell.

A call is noted before it is made, and its note removed once its outcome is known. What remains
after the deadline of the function that made it was cut short, and may have cost a credit: it is
counted once, and from then on among those that were.
"""

import hashlib
import math
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from pixian_s3.errors import Unavailable
from pixian_s3.job import Job

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

VERSION = 1
"""Of the items that are written here."""

KEPT_SECONDS = 14 * 24 * 3600
"""SQS keeps a message no longer than 14 days."""


@dataclass(frozen=True)
class Notes:
    """The calls for one drop whose outcome isn't known.

    Attributes:
        counted: how many were counted in the past.
        open: the notes of the others.
    """

    counted: int
    open: frozenset[str]

    def in_flight(self, now: float) -> bool:
        """Whether one of them may be under way at this moment, in another invocation."""
        return any(_deadline(note) > now for note in self.open)


class Calls:
    """Notes of calls in one DynamoDB table.

    Sets, not numbers: whatever the client has to repeat leaves the same behind.
    """

    def __init__(self, dynamodb: "DynamoDBClient", table_name: str) -> None:
        self._dynamodb = dynamodb
        self._table_name = table_name

    def look(self, job: Job) -> Notes:
        """What is known of the calls for a job's drop, whatever their parameters were.

        Raises:
            Unavailable: the table can't be reached.
        """
        try:
            found = self._dynamodb.get_item(
                TableName=self._table_name, Key={"id": {"S": _id(job)}}, ConsistentRead=True
            )
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"The claim table can't be used: {error}") from error
        item = found.get("Item", {})
        return Notes(
            counted=len(item.get("counted", {}).get("SS", ())),
            open=frozenset(item.get("open", {}).get("SS", ())),
        )

    def begin(self, job: Job, deadline: float, now: float) -> str:
        """Note a call that is about to be made by a function that ends at the deadline.

        Raises:
            Unavailable: the table can't be reached, so the call may not be made.
        """
        note = f"{math.ceil(deadline)}#{uuid4().hex}"
        try:
            self._update(job, "ADD #open :notes", [note], now)
        except (ClientError, BotoCoreError) as error:
            # It may be there although the table's answer was lost.
            self.settle(job, note)
            raise Unavailable(f"The claim table can't be used: {error}") from error
        return note

    def settle(self, job: Job, note: str) -> None:
        """Remove the note of a call whose outcome is known.

        Where that fails, the call will count as one of unknown outcome. That may cost a try, but no
        credit.
        """
        with suppress(ClientError, BotoCoreError):
            self._update(job, "DELETE #open :notes", [note])

    def count(self, job: Job, notes: Iterable[str], now: float) -> None:
        """Remember that calls were counted; where that fails, they will be once more."""
        with suppress(ClientError, BotoCoreError):
            self._update(job, "DELETE #open :notes ADD counted :notes", list(notes), now)

    def _update(self, job: Job, change: str, notes: list[str], now: float | None = None) -> None:
        names = {"#open": "open"}
        values: dict[str, AttributeValueTypeDef] = {":notes": {"SS": notes}}
        if now is not None:
            change += " SET expiration = :until, #version = :version"
            names["#version"] = "version"
            values[":until"] = {"N": str(int(now) + KEPT_SECONDS)}
            values[":version"] = {"N": str(VERSION)}
        self._dynamodb.update_item(
            TableName=self._table_name,
            Key={"id": {"S": _id(job)}},
            UpdateExpression=change,
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=values,
        )


def _deadline(note: str) -> int:
    return int(note.partition("#")[0])


def _id(job: Job) -> str:
    drop = "\n".join((job.bucket, job.key, job.drop))
    return f"calls#{hashlib.sha256(drop.encode()).hexdigest()}"
