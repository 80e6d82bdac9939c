"""Which events a pattern of EventBridge selects, for the operators that ours use."""

from collections.abc import Mapping
from typing import Any


def matches(pattern: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    """Whether a rule with this pattern takes an event.

    All fields of the pattern must match, and of a field's list one value or operator.
    """
    return all(_field(expected, event.get(name)) for name, expected in pattern.items())


def _field(expected: Any, actual: Any) -> bool:
    if isinstance(expected, Mapping):
        return isinstance(actual, Mapping) and matches(expected, actual)
    return any(_value(each, actual) for each in expected)


def _value(expected: Any, actual: Any) -> bool:
    match expected:
        case {"prefix": str(start)}:
            return isinstance(actual, str) and actual.startswith(start)
        case {"suffix": str(end)}:
            return isinstance(actual, str) and actual.endswith(end)
        case {"anything-but": {"suffix": str(end)}}:
            return isinstance(actual, str) and not actual.endswith(end)
        case dict():
            raise AssertionError(f"The operator {expected} isn't known here.")
        case _:
            return bool(expected == actual)
