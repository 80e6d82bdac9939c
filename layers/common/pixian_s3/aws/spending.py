"""The credits that were spent, per day and month (UTC), to keep to the budget.

One DynamoDB item for each month sums up what Pixian charged. While a call is under way, its usual
price is part of the sum, so that parallel calls can't exceed the budget together. A call of unknown
outcome stays in the sum, because it may have been charged.
"""

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import BotoCoreError, ClientError

from pixian_s3.config.document import Budget
from pixian_s3.errors import CONTINUES, Held, Unavailable, plain

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

VERSION = 1
"""The version of the items written here."""

KEPT_SECONDS = 400 * 24 * 3600
"""The sums of a year can be compared with invoices."""

LEAST = Decimal("0.0001")
"""What a call reserves if its price isn't known yet: so little that any budget has room for it."""


ASSUMED_CREDITS = Decimal(1)
"""What a call is taken to have cost, with a budget, if it may have cost something and no price is
known."""


@dataclass(frozen=True)
class Reservation:
    """Credits reserved for a call: the item and the day that they were added to."""

    month: str
    day: str
    credits: Decimal


@dataclass(frozen=True)
class Spent:
    """The credits that a day and its month have cost."""

    day: Decimal
    month: Decimal


class Spending:
    """The sums, in the table of the leases."""

    def __init__(self, dynamodb: "DynamoDBClient", table_name: str) -> None:
        self._dynamodb = dynamodb
        self._table_name = table_name

    def reserve(self, budget: Budget, price: Decimal, now: float) -> Reservation:
        """Add the price of a call to the sums, unless they would exceed the budget.

        Args:
            budget: The budget.
            price: The credits that the call is expected to cost; 0 if that isn't known.
            now: Seconds since the epoch.

        Raises:
            Held: The budget of the day or the month is spent.
            Unavailable: The table is unavailable.
        """
        reservation = _on(now, max(price, LEAST))
        conditions, values = [], {}
        for name, limit in (("month", budget.credits_per_month), ("day", budget.credits_per_day)):
            if limit is None:
                continue
            rest = limit - reservation.credits
            if rest < 0 and price:
                raise Held(
                    f"An image costs about {price:f} credits here, more than the budget "
                    f"({_limit(limit, name)}, UTC). Raise it in the configuration. {CONTINUES}"
                )
            if rest < 0:
                raise _spent(budget)
            conditions.append(f"(attribute_not_exists(#{name}) OR #{name} <= :{name})")
            values[f":{name}"] = rest
        try:
            self._add(reservation, reservation.credits, now, " AND ".join(conditions), values)
        except self._dynamodb.exceptions.ConditionalCheckFailedException as error:
            raise _spent(budget) from error
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"The lease table is unavailable: {plain(error)}") from error
        return reservation

    def settle(self, reservation: Reservation | None, charged: Decimal, now: float) -> None:
        """Replace a reservation by what was charged; without one, add that.

        If the table is unavailable, the sums keep the reservation.
        """
        at = reservation or _on(now, Decimal(0))
        if difference := charged - at.credits:
            with suppress(ClientError, BotoCoreError):
                self._add(at, difference, now)

    def spent(self, at: float) -> Spent:
        """The sums of the day and the month of a time, in seconds since the epoch.

        Raises:
            ClientError, BotoCoreError: The table is unavailable.
        """
        on = _on(at, Decimal(0))
        key = {"id": {"S": on.month}}
        item = self._dynamodb.get_item(
            TableName=self._table_name, Key=key, ConsistentRead=True
        ).get("Item", {})
        day, month = (Decimal(item.get(name, {}).get("N", "0")) for name in (on.day, "credits"))
        return Spent(day, month)

    def months(self, since: float, until: float) -> Decimal:
        """The sum of all months from that of `since` to that of `until`.

        Raises:
            ClientError, BotoCoreError: The table is unavailable.
        """
        month, last = (datetime.fromtimestamp(at, UTC).replace(day=1) for at in (since, until))
        total = Decimal(0)
        while (month.year, month.month) <= (last.year, last.month):
            total += self.spent(month.timestamp()).month
            month = (month + timedelta(days=31)).replace(day=1)
        return total

    def _add(
        self,
        to: Reservation,
        credits_: Decimal,
        now: float,
        condition: str = "",
        values: dict[str, Decimal] | None = None,
    ) -> None:
        numbers = {":credits": credits_, ":version": VERSION, **(values or {})}
        numbers[":expiration"] = int(now) + KEPT_SECONDS
        self._dynamodb.update_item(
            TableName=self._table_name,
            Key={"id": {"S": to.month}},
            UpdateExpression=(
                "SET expiration = :expiration, #version = :version "
                "ADD #month :credits, #day :credits"
            ),
            ExpressionAttributeNames={"#month": "credits", "#day": to.day, "#version": "version"},
            ExpressionAttributeValues={name: {"N": str(value)} for name, value in numbers.items()},
            **cast("Any", {"ConditionExpression": condition} if condition else {}),
        )


def _on(now: float, credits_: Decimal) -> Reservation:
    date = datetime.fromtimestamp(now, UTC)
    return Reservation(f"{date:credits#%Y-%m}", f"{date:day-%d}", credits_)


def limits_named(reason: str) -> set[str] | None:
    """The limits that a reason for holding an image back names; None if it names no budget."""
    found = re.search(r"budget \(([^)]*), UTC\)", reason)
    return set(found[1].split(", ")) if found else None


def limits(budget: Budget) -> list[str]:
    """The limits of a budget, in the words of these reasons."""
    periods = (("day", budget.credits_per_day), ("month", budget.credits_per_month))
    return [_limit(limit, period) for period, limit in periods if limit is not None]


def _limit(limit: Decimal, period: str) -> str:
    return f"{limit:f} credits per {period}"


def _spent(budget: Budget) -> Held:
    return Held(
        f"The budget ({', '.join(limits(budget))}, UTC) is spent. Raise it in the configuration, "
        f"or wait for the next day or month. {CONTINUES}"
    )
