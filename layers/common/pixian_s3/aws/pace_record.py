"""The pace's item in the table: throttles, the last decision, the current batch, the balance."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from pixian_s3.aws.throttles import ID
from pixian_s3.pace import Batch, Lanes, Pace

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

VERSION = 1


@dataclass(frozen=True)
class Setting:
    """The limits as they were set in Lambda.

    Attributes:
        lanes: The lanes of both functions.
        reserved: Whether the account could reserve concurrency for UploadFunction.
        set_at: Seconds since the epoch.
    """

    lanes: Lanes
    reserved: bool
    set_at: float


@dataclass(frozen=True)
class Balance:
    """What Pixian last said about the account. Times are in seconds since the epoch.

    Attributes:
        asked_at: When it was last asked.
        credits: The credits left, as of the last usable answer; None if there was none yet.
        credits_at: The time of that answer.
        problem: Why the last request had no usable answer; empty if it had one.
    """

    asked_at: float
    credits: Decimal | None
    credits_at: float
    problem: str


@dataclass(frozen=True)
class Remembered:
    """The content of the item.

    Attributes:
        pace: The last decision; None if there is none.
        setting: The current limits; None while they are being changed or if a change failed.
        throttles: The total number of throttles counted so far.
        batch: The current batch; None if there is none.
        batch_change: Identifies the last change of `batch`; None if there is no batch.
        balance: The account's balance; None if nobody asked for it yet.
    """

    pace: Pace | None
    setting: Setting | None
    throttles: int
    batch: Batch | None
    batch_change: str | None
    balance: Balance | None


class PaceRecord:
    """The item, which never expires: lanes count throttles, PaceFunction saves its decisions."""

    def __init__(self, dynamodb: "DynamoDBClient", table_name: str) -> None:
        self._dynamodb = dynamodb
        self._at: dict[str, Any] = {"TableName": table_name, "Key": {"id": {"S": ID}}}

    def read(self) -> Remembered:
        """Read the last decision and the number of throttles so far.

        Raises:
            ClientError, BotoCoreError: The table is unavailable.
        """
        item = self._dynamodb.get_item(**self._at, ConsistentRead=True).get("Item", {})
        throttles = int(item.get("throttles", {}).get("N", 0))
        return Remembered(
            pace=_read(_pace, item),
            setting=_read(_setting, item),
            throttles=throttles,
            batch=_read(_batch, item),
            batch_change=item.get("batch_change", {}).get("S"),
            balance=_read(_balance, item),
        )

    def begin_setting(self) -> str:
        """Record that a change of the limits has started, in case it fails halfway.

        Returns:
            The ID of the change, for `write_setting`.

        Raises:
            ClientError, BotoCoreError: The table is unavailable.
        """
        change = uuid4().hex
        self._dynamodb.update_item(
            **self._at,
            UpdateExpression="SET setting = :change REMOVE set_at",
            ExpressionAttributeValues={":change": {"S": change}},
        )
        return change

    def write(self, pace: Pace) -> None:
        """Save a decision.

        Raises:
            ClientError, BotoCoreError: The table is unavailable.
        """
        values: dict[str, AttributeValueTypeDef] = {
            "version": {"N": str(VERSION)},
            "lanes": {"N": str(pace.lanes)},
            "backlog": {"BOOL": pace.backlog},
            "throttles_seen": {"N": str(pace.throttles)},
            "looked_at": {"N": str(pace.observed_at)},
            "quiet_since": {"N": str(pace.quiet_since)},
            "backlog_at": {"N": str(pace.backlog_at)},
        }
        self._set(values)

    def write_setting(self, setting: Setting, change: str) -> None:
        """Record that a change of the limits is complete.

        If another change has started meanwhile, nobody knows which one Lambda applied last, so the
        next run sets the limits again.

        Args:
            setting: The limits.
            change: The ID that `begin_setting` returned.

        Raises:
            ClientError, BotoCoreError: The table is unavailable.
        """
        values: dict[str, AttributeValueTypeDef] = {
            "upload_lanes": {"N": str(setting.lanes.upload)},
            "retry_lanes": {"N": str(setting.lanes.retry)},
            "reserved": {"BOOL": setting.reserved},
            "set_at": {"N": str(setting.set_at)},
        }
        try:
            self._set(values, change)
        except self._dynamodb.exceptions.ConditionalCheckFailedException:
            self.begin_setting()

    def replace_batch(self, batch: Batch | None, last_change: str | None) -> str | None:
        """Save or remove the batch, unless another run of PaceFunction changed it meanwhile.

        Args:
            batch: The batch; None removes it.
            last_change: The `batch_change` that was read with the batch before.

        Returns:
            The ID of this change; None if another run was faster, and nothing was written.

        Raises:
            ClientError, BotoCoreError: The table is unavailable.
        """
        change = uuid4().hex
        values: dict[str, AttributeValueTypeDef] = {}
        if batch:
            values = {":batch": {"M": _batch_fields(batch)}, ":change": {"S": change}}
        written = self._update_if(
            # `batch` is a reserved word of DynamoDB's.
            "SET current_batch = :batch, batch_change = :change"
            if batch
            else "REMOVE current_batch, batch_change",
            "batch_change",
            {"S": last_change} if last_change else None,
            values,
        )
        return change if written else None

    def begin_balance(self, now: float, last: Balance | None) -> bool:
        """Record that the balance is asked for, before it is.

        Args:
            now: Seconds since the epoch.
            last: What was read before.

        Returns:
            False if another run of PaceFunction was faster.

        Raises:
            ClientError, BotoCoreError: The table is unavailable.
        """
        return self._update_if(
            "SET balance_asked_at = :now",
            "balance_asked_at",
            {"N": str(last.asked_at)} if last else None,
            {":now": {"N": str(now)}},
        )

    def write_balance(self, credits_left: Decimal, now: float) -> None:
        """Save the answer.

        Raises:
            ClientError, BotoCoreError: The table is unavailable.
        """
        self._set(
            {
                "credits_left": {"N": str(credits_left)},
                "credits_left_at": {"N": str(now)},
                "balance_problem": {"S": ""},
            }
        )

    def write_balance_problem(self, problem: str) -> None:
        """Save why there was no usable answer; the last one stays.

        Raises:
            ClientError, BotoCoreError: The table is unavailable.
        """
        self._set({"balance_problem": {"S": problem}})

    def _update_if(
        self,
        update: str,
        name: str,
        expected: "AttributeValueTypeDef | None",
        values: "dict[str, AttributeValueTypeDef]",
    ) -> bool:
        """Update the item if an attribute has the expected value, or is missing if that is None."""
        condition = f"attribute_not_exists({name})"
        if expected:
            condition, values = f"{name} = :expected", {**values, ":expected": expected}
        given: dict[str, Any] = {"ExpressionAttributeValues": values} if values else {}
        try:
            self._dynamodb.update_item(
                **self._at, UpdateExpression=update, ConditionExpression=condition, **given
            )
        except self._dynamodb.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def _set(self, values: "dict[str, AttributeValueTypeDef]", change: str | None = None) -> None:
        """Set attributes; with `change`, only if no other change has started since."""
        known = {f":{name}": value for name, value in values.items()}
        condition: dict[str, Any] = {}
        if change is not None:
            known[":change"] = {"S": change}
            condition["ConditionExpression"] = "setting = :change"
        self._dynamodb.update_item(
            **self._at,
            **condition,
            UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in values),
            ExpressionAttributeNames={f"#{name}": name for name in values},
            ExpressionAttributeValues=known,
        )


# The item may be from another version of this program: unknown attributes are ignored, and missing
# ones have defaults. An unreadable item counts as missing.


def _read[T](read: Callable[[dict[str, Any]], T], item: dict[str, Any]) -> T | None:
    try:
        return read(item)
    except (KeyError, ValueError):
        return None


def _pace(item: dict[str, Any]) -> Pace:
    observed_at = float(item["looked_at"]["N"])
    return Pace(
        lanes=int(item["lanes"]["N"]),
        backlog=bool(item.get("backlog", {}).get("BOOL", False)),
        throttles=int(item.get("throttles_seen", {}).get("N", 0)),
        observed_at=observed_at,
        quiet_since=float(item.get("quiet_since", {}).get("N", observed_at)),
        backlog_at=float(item.get("backlog_at", {}).get("N", observed_at)),
    )


def _setting(item: dict[str, Any]) -> Setting:
    return Setting(
        lanes=Lanes(int(item["upload_lanes"]["N"]), int(item["retry_lanes"]["N"])),
        reserved=bool(item.get("reserved", {}).get("BOOL", True)),
        set_at=float(item["set_at"]["N"]),
    )


def _batch(item: dict[str, Any]) -> Batch:
    fields = item["current_batch"]["M"]
    claimed_at = fields.get("claimed_at", {}).get("N")
    return Batch(
        since=float(fields["since"]["N"]),
        until=float(fields["until"]["N"]),
        largest=int(fields["largest"]["N"]),
        credits=Decimal(fields["credits"]["N"]),
        finished=bool(fields["finished"]["BOOL"]),
        claimed_at=None if claimed_at is None else float(claimed_at),
    )


def _batch_fields(batch: Batch) -> "dict[str, AttributeValueTypeDef]":
    fields: dict[str, AttributeValueTypeDef] = {
        "since": {"N": str(batch.since)},
        "until": {"N": str(batch.until)},
        "largest": {"N": str(batch.largest)},
        "credits": {"N": str(batch.credits)},
        "finished": {"BOOL": batch.finished},
    }
    if batch.claimed_at is not None:
        fields["claimed_at"] = {"N": str(batch.claimed_at)}
    return fields


def _balance(item: dict[str, Any]) -> Balance:
    credits_left = item.get("credits_left", {}).get("N")
    return Balance(
        asked_at=float(item["balance_asked_at"]["N"]),
        credits=None if credits_left is None else Decimal(credits_left),
        credits_at=float(item.get("credits_left_at", {}).get("N", 0)),
        problem=item.get("balance_problem", {}).get("S", ""),
    )
