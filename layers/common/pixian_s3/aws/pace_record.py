"""The pace's own item in the table: throttles counted where they happen, and the last decision."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from pixian_s3.pace import Lanes, Pace

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

ID = "pace"
VERSION = 1


@dataclass(frozen=True)
class Setting:
    """The limits that Lambda has.

    Attributes:
        lanes: of both functions.
        reserved: whether the account could reserve UploadFunction's.
        set_at: seconds since the epoch.
    """

    lanes: Lanes
    reserved: bool
    set_at: float


@dataclass(frozen=True)
class Remembered:
    """What the item holds.

    Attributes:
        pace: the last decision; None if there is none.
        setting: None while it is being changed, and if a change didn't come to its end.
        throttles: all that were ever counted.
    """

    pace: Pace | None
    setting: Setting | None
    throttles: int


class PaceRecord:
    """One item that the functions add to and PaceFunction reads.

    It has no expiration: as long as there is a stack, there is a pace.
    """

    def __init__(self, dynamodb: "DynamoDBClient", table_name: str) -> None:
        self._dynamodb = dynamodb
        self._at: dict[str, Any] = {"TableName": table_name, "Key": {"id": {"S": ID}}}

    def count_throttle(self) -> None:
        """Count one time that Pixian took no image: a 429, or a lane that found itself blocked.

        If that fails, the pace may rise too early; the lane that was throttled waits all the same.
        """
        with suppress(ClientError, BotoCoreError):
            self._dynamodb.update_item(
                **self._at,
                UpdateExpression="ADD throttles :one",
                ExpressionAttributeValues={":one": {"N": "1"}},
            )

    def read(self) -> Remembered:
        """The last decision, and the throttles counted up to now.

        Raises:
            ClientError, BotoCoreError: the table can't be reached.
        """
        item = self._dynamodb.get_item(**self._at, ConsistentRead=True).get("Item", {})
        throttles = int(item.get("throttles", {}).get("N", 0))
        return Remembered(_read(_pace, item), _read(_setting, item), throttles)

    def begin_setting(self) -> str:
        """Note that the limits are about to be changed, in case this doesn't come to its end.

        Returns:
            What `write` needs to know that nobody else has begun since.

        Raises:
            ClientError, BotoCoreError: the table can't be reached.
        """
        change = uuid4().hex
        self._dynamodb.update_item(
            **self._at,
            UpdateExpression="SET setting = :change REMOVE set_at",
            ExpressionAttributeValues={":change": {"S": change}},
        )
        return change

    def write(self, pace: Pace) -> None:
        """Keep a decision for the next look.

        Raises:
            ClientError, BotoCoreError: the table can't be reached.
        """
        values: dict[str, AttributeValueTypeDef] = {
            "version": {"N": str(VERSION)},
            "lanes": {"N": str(pace.lanes)},
            "backlog": {"BOOL": pace.backlog},
            "throttles_seen": {"N": str(pace.throttles)},
            "looked_at": {"N": str(pace.looked_at)},
            "quiet_since": {"N": str(pace.quiet_since)},
            "backlog_at": {"N": str(pace.backlog_at)},
        }
        self._set(values)

    def write_setting(self, setting: Setting, change: str) -> None:
        """Keep what was set; if somebody else has begun to set meanwhile, the next look sets again.

        Args:
            setting: the limits.
            change: what `begin_setting` returned.

        Raises:
            ClientError, BotoCoreError: the table can't be reached.
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

    def _set(self, values: "dict[str, AttributeValueTypeDef]", change: str | None = None) -> None:
        """Set attributes; with `change`, only while that is the last one that was begun."""
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


# Of a later version, too: fields that are unknown here are ignored, missing ones have defaults. An
# item that can't be read is as good as none.


def _read[T](read: Callable[[dict[str, Any]], T], item: dict[str, Any]) -> T | None:
    try:
        return read(item)
    except (KeyError, ValueError):
        return None


def _pace(item: dict[str, Any]) -> Pace:
    looked_at = float(item["looked_at"]["N"])
    return Pace(
        lanes=int(item["lanes"]["N"]),
        backlog=bool(item.get("backlog", {}).get("BOOL", False)),
        throttles=int(item.get("throttles_seen", {}).get("N", 0)),
        looked_at=looked_at,
        quiet_since=float(item.get("quiet_since", {}).get("N", looked_at)),
        backlog_at=float(item.get("backlog_at", {}).get("N", looked_at)),
    )


def _setting(item: dict[str, Any]) -> Setting:
    return Setting(
        lanes=Lanes(int(item["upload_lanes"]["N"]), int(item["retry_lanes"]["N"])),
        reserved=bool(item.get("reserved", {}).get("BOOL", True)),
        set_at=float(item["set_at"]["N"]),
    )
