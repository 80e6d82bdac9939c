"""What a person should know about a configuration before it is published."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import Any

from pixian_s3.config.document import (
    Configuration,
    Settings,
    prefix_path,
    useless_modifiers,
)
from pixian_s3.errors import Fault


def changes(old: Configuration, new: Configuration) -> Iterator[str]:
    """The differences, a line for each part of the document, prefix and parameter."""
    if old.paused != new.paused:
        yield f"(stack)  paused: {_shown(old.paused)} -> {_shown(new.paused)}"
    before_budget, after_budget = asdict(old.budget), asdict(new.budget)
    for name, before in before_budget.items():
        if before != after_budget[name]:
            yield f"(stack)  budget.{name}: {_shown(before)} -> {_shown(after_budget[name])}"
    # A pause of the whole stack has its own line above.
    old, new = replace(old, paused=False), replace(new, paused=False)
    for prefix in _prefixes(old, new):
        if prefix and (prefix in old.prefixes) != (prefix in new.prefixes):
            yield f"{prefix}  {'new' if prefix in new.prefixes else 'removed'}"
        values, others = old.settings_for(prefix).values, new.settings_for(prefix).values
        for name in sorted(values.keys() | others.keys()):
            if values.get(name) != others.get(name):
                shown = f"{_shown(values.get(name))} -> {_shown(others.get(name))}"
                yield f"{named(prefix)}  {name}: {shown}"


@dataclass(frozen=True)
class Costs:
    """The prefixes for which something about credits changes; empty for the defaults.

    Attributes:
        begin: Those whose images begin to cost credits.
        stop: Those whose images cost none any more: they are made in test mode, or skipped.
        hold: Those whose images wait, and cost credits when a pause or a budget of 0 ends.
    """

    begin: tuple[str, ...]
    stop: tuple[str, ...]
    hold: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = []
        if self.begin:
            lines.append(f"These prefixes will cost credits from now on: {_listed(self.begin)}")
        if self.stop:
            lines.append(f"These prefixes cost no credits from now on: {_listed(self.stop)}")
        if self.hold:
            lines.append(
                "Images under these prefixes wait, and cost credits when they continue: "
                f"{_listed(self.hold)}"
            )
        return "\n".join(lines)


def costs(old: Configuration, new: Configuration) -> Costs:
    """Where credits begin to be spent, and where that stops.

    A prefix whose `test` no document stated so far counts as one that begins.
    """
    begin, stop, hold = list[str](), list[str](), list[str]()
    for prefix in _prefixes(old, new):
        before, after = _State.of(old, prefix), _State.of(new, prefix)
        if after.costs and not (before.costs and before.test is not None) and before != after:
            begin.append(prefix)
        elif before.costs and not after.costs:
            (hold if after.waits and not after.test else stop).append(prefix)
    return Costs(tuple(begin), tuple(stop), tuple(hold))


@dataclass(frozen=True)
class _State:
    """What decides whether images cost credits; `test` is None where the document is silent."""

    test: bool | None
    enabled: bool
    held: bool

    @classmethod
    def of(cls, configuration: Configuration, prefix: str) -> "_State":
        settings = configuration.settings_for(prefix)
        held = settings.flag("pipeline.paused") or 0 in asdict(configuration.budget).values()
        test = settings.flag("test") if "test" in settings.values else None
        return cls(test, settings.flag("pipeline.enabled"), held)

    @property
    def costs(self) -> bool:
        return self.enabled and not self.held and not self.test

    @property
    def waits(self) -> bool:
        return self.enabled and self.held


def unstated_tests(configuration: Configuration) -> Iterator[Fault]:
    """Where the document must say whether images are processed in test mode, but doesn't.

    It must, because Pixian's default is to charge.
    """
    what_to_write = 'write "test": true (free, with a watermark) or "test": false (costs credits)'
    if configuration.defaults.get("test") is None:
        yield Fault("defaults.test", f"isn't set, so images would cost credits; {what_to_write}")
    for prefix, given in configuration.prefixes.items():
        if given.get("test", True) is None:
            path = f"{prefix_path(prefix)}.test"
            yield Fault(path, f"is null, so images would cost credits; {what_to_write}")


def warnings(configuration: Configuration) -> Iterator[Fault]:
    """What is valid, but probably not meant."""
    for prefix in configuration.prefixes:
        if prefix.startswith("/"):
            reason = "matches no ordinary upload, because keys don't begin with /; remove it"
            yield Fault(prefix_path(prefix), reason)
        elif not prefix.endswith("/"):
            yield Fault(
                prefix_path(prefix),
                f"also matches {_also_matched(configuration, prefix)}; "
                f"to match one folder only, write {json.dumps(prefix + '/')}",
            )
    yield from _useless_defaults(configuration)


def _also_matched(configuration: Configuration, prefix: str) -> str:
    """What a prefix without a slash matches besides its folder; configured prefixes, if any."""
    others = [
        other
        for other in configuration.prefixes
        if other.startswith(prefix) and not other.startswith(prefix + "/") and other != prefix
    ]
    return _listed(tuple(others)) or f"keys like {prefix}2/a.jpg"


def _useless_defaults(configuration: Configuration) -> Iterator[Fault]:
    """Values in `defaults` that have no effect on any key."""
    given, path = configuration.defaults, "defaults"
    for fault in useless_modifiers(path, given, configuration.settings_for("")):
        name = fault.path.removeprefix(f"{path}.")
        inheriting = [
            configuration.settings_for(prefix)
            for prefix in configuration.prefixes
            if _inherits(configuration, prefix, name)
        ]
        if all(_is_useless(name, given[name], settings) for settings in inheriting):
            yield fault


def _inherits(configuration: Configuration, prefix: str, name: str) -> bool:
    layers = configuration.prefixes.items()
    return not any(name in layer for other, layer in layers if prefix.startswith(other))


def _is_useless(name: str, value: Any, settings: Settings) -> bool:  # noqa: ANN401 - see Value
    return any(useless_modifiers("", {name: value}, settings))


def named(prefix: str) -> str:
    """A prefix, as shown to a person."""
    return prefix or "(defaults)"


def _listed(prefixes: tuple[str, ...]) -> str:
    return ", ".join(map(named, prefixes))


def _prefixes(old: Configuration, new: Configuration) -> list[str]:
    return sorted({"", *old.prefixes, *new.prefixes})


def _shown(value: object) -> str:
    if value is None:
        return "not set"
    return str(value) if isinstance(value, Decimal) else json.dumps(value)
