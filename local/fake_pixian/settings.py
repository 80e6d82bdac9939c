"""How the service behaves while no fault strikes."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any

LONGEST_LATENCY = 3600


@dataclass(frozen=True, kw_only=True)
class Settings:
    """`concurrency_limit` None is no limit."""

    concurrency_limit: int | None = None
    latency_seconds: float = 0


@dataclass(frozen=True, kw_only=True)
class Change:
    """Settings as they shall be, and a balance where one was put."""

    settings: Settings
    credits: Decimal | None


def read_change(document: object, settings: Settings) -> Change:
    """Check what was put; ValueError says what is wrong."""
    if not isinstance(document, dict):
        raise ValueError("settings are a JSON object")
    values: dict[str, Any] = {}
    for name, value in document.items():
        if name not in READERS:
            raise ValueError(f"{name}: unknown field; there are {', '.join(READERS)}")
        values[name] = READERS[name](value)
    balance = values.pop("credits", None)
    return Change(settings=replace(settings, **values), credits=balance)


def _limit(value: object) -> int | None:
    if value is None or (type(value) is int and value >= 0):
        return value
    raise ValueError("concurrency_limit: takes a whole number from 0, or null")


def _credits(value: object) -> Decimal:
    try:
        balance = Decimal(value) if isinstance(value, str) else Decimal("NaN")
    except InvalidOperation:
        balance = Decimal("NaN")
    if not balance.is_finite():
        raise ValueError("credits: takes a decimal as a string")
    return balance


def _latency(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        value = -1
    if not 0 <= value <= LONGEST_LATENCY:
        raise ValueError(f"latency_seconds: takes seconds from 0 to {LONGEST_LATENCY}")
    return value


READERS: dict[str, Callable[[object], object]] = {
    "concurrency_limit": _limit,
    "credits": _credits,
    "latency_seconds": _latency,
}
