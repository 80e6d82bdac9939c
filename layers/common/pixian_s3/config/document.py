"""The configuration document: check it, and look up the parameters of a key.

```json
{"budget": {"credits_per_day": 500, "credits_per_month": 8000},
 "defaults": {"test": true},
 "prefixes": {"products/": {"background.color": "#FFFFFF"},
              "drafts/": {"pipeline": {"enabled": false}}}}
```
`budget` and `"paused": true` apply to the whole stack. A key starts with `defaults`; each prefix of
the key then overrides them, from the shortest prefix to the longest. `null` resets a value to the
default in the table of parameters.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from types import MappingProxyType
from typing import Any, cast

from pixian_s3.attempt import MAX_CREDITS
from pixian_s3.config.parameters import PIPELINE, PIXIAN, Parameter, Value, form_value, is_plain
from pixian_s3.errors import Fault, InvalidConfiguration

type ParameterSet = Mapping[str, Value | None]

# The document nests our own parameters in "pipeline"; a ParameterSet has them with this prefix.
_PIPELINE_PREFIX = "pipeline."
_TABLE: Mapping[str, Parameter] = MappingProxyType(
    {row.name: row for row in PIXIAN} | {_PIPELINE_PREFIX + row.name: row for row in PIPELINE}
)
_IGNORED_BY_DELTA_PNG = (
    "background.color",
    "result.crop_to_foreground",
    "result.margin",
    "result.target_size",
    "result.vertical_alignment",
)


@dataclass(frozen=True)
class Budget:
    """The most credits to spend on a day and in a month (UTC); None means no limit."""

    credits_per_day: Decimal | None = None
    credits_per_month: Decimal | None = None


BUDGET = tuple(field.name for field in fields(Budget))

_PARTS = ("budget", "defaults", "paused", "prefixes")
_PIXIAN_NAMES = frozenset(row.name for row in PIXIAN)
_PIPELINE_NAMES = frozenset(row.name for row in PIPELINE)
# Where a name belongs that was found at the top level of the document.
_PLACES: Mapping[str, str] = MappingProxyType(
    dict.fromkeys({"pipeline", *_PIXIAN_NAMES}, 'inside "defaults": {…} or a prefix')
    | dict.fromkeys(
        {*_PIPELINE_NAMES, *(_PIPELINE_PREFIX + name for name in _PIPELINE_NAMES)},
        'inside "pipeline": {…} of "defaults" or of a prefix',
    )
    | dict.fromkeys(BUDGET, 'inside "budget": {…}')
)


@dataclass(frozen=True)
class Settings:
    """The parameters that apply to one key.

    Attributes:
        prefix: The longest prefix in the document that matches the key; empty if none does.
        values: The values that the document sets, by name; pipeline parameters have "pipeline."
            in front.
        budget: The budget of the whole stack.
        version: The version of the document; empty if there is none.
    """

    prefix: str
    values: Mapping[str, Value]
    budget: Budget = Budget()
    version: str = field(default="", compare=False)

    @property
    def form(self) -> dict[str, str]:
        """The form fields to send to Pixian along with the image."""
        return {
            name: form_value(value)
            for name, value in sorted(self.values.items())
            if not name.startswith(_PIPELINE_PREFIX)
        }

    @property
    def digest(self) -> str:
        """A hash, 16 hexadecimal digits, of the parameters that affect the result.

        It covers Pixian's parameters; leaving out a parameter is the same as setting its default.
        Of our own parameters only `pipeline.delta_png` affects the pixels. `pipeline.copy_exif` is
        left out, because what it changes is no reason to pay for an image again.
        """
        relevant = {
            name: value
            for name, value in self.values.items()
            if value != _TABLE[name].default and not name.startswith(_PIPELINE_PREFIX)
        }
        if self.is_delta_png:
            relevant |= {"pipeline.delta_png": self.text("pipeline.delta_png")}
        canonical = json.dumps(relevant, sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    @property
    def is_delta_png(self) -> bool:
        """Whether these parameters request a delta PNG."""
        return self.get("output.format") == "delta_png"

    @property
    def result_suffix(self) -> str:
        """The suffix of the file that Pixian returns: .png or .jpg."""
        output = self.get("output.format")
        if output == "auto":
            output = "jpeg" if self.get("background.color") else "png"
        return ".jpg" if output == "jpeg" else ".png"

    def get(self, name: str) -> Value | None:
        """The value in the document, or else the default."""
        return self.values.get(name, _TABLE[name].default)

    def flag(self, name: str) -> bool:
        """The value of a Boolean parameter."""
        return bool(self.get(name))

    def text(self, name: str) -> str:
        """The value of a text parameter."""
        return str(self.get(name))

    def number(self, name: str) -> int:
        """The value of an integer parameter."""
        return int(self.get(name) or 0)


NO_SETTINGS = Settings("", MappingProxyType({}))
"""Where the configuration isn't known."""


@dataclass(frozen=True)
class Configuration:
    """A valid document.

    Attributes:
        defaults: The parameters of all keys.
        prefixes: The parameters of each prefix, which override them.
        budget: The budget.
        paused: Whether all images are held back.
        version: A hash of the text, 8 hexadecimal digits, which log lines name.
    """

    defaults: ParameterSet
    prefixes: Mapping[str, ParameterSet]
    budget: Budget = Budget()
    paused: bool = False
    version: str = field(default="", compare=False)

    def settings_for(self, key: str) -> Settings:
        """The parameters that apply to a key."""
        matching = sorted((p for p in self.prefixes if key.startswith(p)), key=len)
        values = dict(self.defaults)
        for prefix in matching:
            values |= self.prefixes[prefix]
        if self.paused:
            values |= {"pipeline.paused": True}
        set_values = {name: value for name, value in values.items() if value is not None}
        prefix = matching[-1] if matching else ""
        return Settings(prefix, MappingProxyType(set_values), self.budget, self.version)


def parse(text: str | bytes) -> Configuration:
    """Read and check a JSON document.

    Raises:
        InvalidConfiguration: The document has faults; the error lists all of them.
    """
    try:
        document = json.loads(text, object_pairs_hook=_unambiguous)
    except (ValueError, RecursionError) as error:
        raise InvalidConfiguration([Fault("document", f"is not valid JSON: {error}")]) from error
    faults = list(_document_faults(document)) or list(_ineffective(document))
    if faults:
        raise InvalidConfiguration(faults)
    return replace(_build(document), version=version_of(text))


def version_of(text: str | bytes) -> str:
    """The version of a document: AppConfig doesn't tell the functions its own number."""
    content = text.encode() if isinstance(text, str) else text
    return hashlib.sha256(content).hexdigest()[:8]


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse duplicate names, of which Python's JSON parser would silently keep the last."""
    names = [name for name, _ in pairs]
    if twice := {name for name in names if names.count(name) > 1}:
        raise InvalidConfiguration([Fault(name, "is defined twice") for name in sorted(twice)])
    return dict(pairs)


def _build(document: dict[str, Any]) -> Configuration:
    prefixes = {prefix: _flatten(given) for prefix, given in document.get("prefixes", {}).items()}
    limits = document.get("budget", {}).items()
    return Configuration(
        _flatten(document.get("defaults", {})),
        MappingProxyType(prefixes),
        # Via str, so that 0.1 is exactly a tenth.
        Budget(**{name: Decimal(str(most)) for name, most in limits if most is not None}),
        document.get("paused", False),
    )


def _flatten(given: dict[str, Any]) -> ParameterSet:
    own = given.get("pipeline", {})
    plain = {name: value for name, value in given.items() if name != "pipeline"}
    return plain | {_PIPELINE_PREFIX + name: value for name, value in own.items()}


def _document_faults(document: object) -> Iterator[Fault]:
    if not isinstance(document, dict):
        yield Fault("document", 'must be an object like {"defaults": {}, "prefixes": {}}')
        return
    for name in sorted(document.keys() - set(_PARTS)):
        yield Fault(name, _unknown_part(name))
    if not isinstance(document.get("paused", False), bool):
        yield Fault("paused", "must be true or false")
    yield from _budget_faults(document.get("budget", {}))
    yield from _parameter_faults("defaults", document.get("defaults", {}))
    prefixes = document.get("prefixes", {})
    if not isinstance(prefixes, dict):
        yield Fault("prefixes", "must be an object that maps each prefix to its parameters")
        return
    for prefix, given in prefixes.items():
        path = prefix_path(prefix)
        if not prefix or not is_plain(prefix):
            yield Fault(
                path,
                'must not be empty or contain control characters; use "defaults" for all keys',
            )
        yield from _parameter_faults(path, given)


def _budget_faults(budget: object) -> Iterator[Fault]:
    if not isinstance(budget, dict):
        yield Fault("budget", 'must be an object like {"credits_per_day": 500}')
        return
    for name, most in budget.items():
        if name not in BUDGET:
            yield Fault(f"budget.{name}", f"is unknown; a budget has only {' and '.join(BUDGET)}")
        elif most is not None and not _is_amount(most):
            yield Fault(
                f"budget.{name}", f"must be a number of credits from 0 to {MAX_CREDITS:,}, or null"
            )


def _is_amount(value: object) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and 0 <= cast(float, value) <= MAX_CREDITS


def _parameter_faults(path: str, given: object) -> Iterator[Fault]:
    if not isinstance(given, dict):
        yield Fault(path, "must be an object that maps each parameter to its value")
        return
    if not isinstance(given.get("pipeline", {}), dict):
        yield Fault(f"{path}.pipeline", "must be an object that maps each parameter to its value")
        return
    for name in given:
        if name.startswith(_PIPELINE_PREFIX):
            yield Fault(f"{path}.{name}", 'belongs inside "pipeline": {…}')
    for name, value in _flatten(given).items():
        row = _TABLE.get(name)
        if row is None:
            yield Fault(f"{path}.{name}", _unknown(name))
        elif value is not None and not row.kind.accepts(value):
            yield Fault(f"{path}.{name}", f"must be {row.kind.form}, not {json.dumps(value)}")


def _unknown_part(name: str) -> str:
    """What is wrong with a name at the top level of the document."""
    if place := _PLACES.get(name):
        return f"belongs {place}"
    if name.endswith("/"):
        return 'belongs inside "prefixes": {…}'
    if match := _close_match(name, {*_PARTS, *_PLACES}):
        where = f" {_PLACES[match]}" if match not in _PARTS else ""
        return f'is unknown; did you mean "{match}"{where}?'
    return 'is unknown; a document has only "budget", "defaults", "paused" and "prefixes"'


def _unknown(name: str) -> str:
    """What is wrong with a name among the parameters of a prefix or the defaults."""
    bare = name.removeprefix(_PIPELINE_PREFIX)
    is_nested = bare != name
    if bare in _PIPELINE_NAMES:
        return 'belongs inside "pipeline": {…}'
    if bare in _PIXIAN_NAMES:
        return 'belongs outside "pipeline": {…}'
    if bare in _PARTS:
        return "belongs at the top level of the document"
    match = _close_match(bare, {"pipeline", *_PIXIAN_NAMES, *_PIPELINE_NAMES})
    if match is None:
        return "is not a parameter; see https://pixian.ai/api for those of Pixian"
    where = ""
    if is_nested != (match in _PIPELINE_NAMES):
        where = ' outside "pipeline": {…}' if is_nested else ' inside "pipeline": {…}'
    return f'is not a parameter; did you mean "{match}"{where}?'


def _close_match(name: str, known: Iterable[str]) -> str | None:
    # Imported here, because a document in force has no errors, and functions start faster.
    from difflib import get_close_matches  # noqa: PLC0415

    return next(iter(get_close_matches(name.lower(), sorted(known), 1)), None)


def _ineffective(document: dict[str, Any]) -> Iterator[Fault]:
    """Values that have no effect on the keys that they are set for."""
    configuration = _build(document)
    yield from _ignored_by_delta_png("defaults", configuration.settings_for(""))
    for prefix, given in configuration.prefixes.items():
        settings = configuration.settings_for(prefix)
        yield from _ignored_by_delta_png(prefix_path(prefix), settings)
        yield from useless_modifiers(prefix_path(prefix), given, settings)


def _ignored_by_delta_png(path: str, settings: Settings) -> Iterator[Fault]:
    if not settings.is_delta_png:
        return
    for name in _IGNORED_BY_DELTA_PNG:
        if settings.get(name) != _TABLE[name].default:
            yield Fault(
                f"{path}.{name}",
                "has no effect if output.format is delta_png; remove one of them, "
                "or set this one to null if it is inherited",
            )


def useless_modifiers(path: str, given: ParameterSet, settings: Settings) -> Iterator[Fault]:
    """Values in `given` that need another one, which the `settings` don't have.

    In `defaults` they are allowed, because a prefix may set the other one.
    """
    if given.get("result.vertical_alignment") and not settings.get("result.target_size"):
        yield Fault(f"{path}.result.vertical_alignment", "has no effect without result.target_size")
    if given.get("output.jpeg_quality") and settings.result_suffix != ".jpg":
        yield Fault(f"{path}.output.jpeg_quality", "has no effect on a PNG result")
    if given.get("pipeline.delta_png") and not settings.is_delta_png:
        yield Fault(f"{path}.pipeline.delta_png", "has no effect unless output.format is delta_png")


def prefix_path(prefix: str) -> str:
    """How a `Fault` names a prefix."""
    return f"prefixes[{json.dumps(prefix)}]"
