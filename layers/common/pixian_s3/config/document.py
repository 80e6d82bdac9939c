"""Which parameters hold for which key: the configuration document, checked and looked up.

```json
{"defaults": {"test": true},
 "prefixes": {"products/": {"background.color": "#FFFFFF"},
              "drafts/": {"pipeline": {"enabled": false}}}}
```
For a key, `defaults` is overlaid by each prefix that it begins with, from the shortest to the
longest. `null` takes a value back to the service's default.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pixian_s3.config.parameters import PIPELINE, PIXIAN, Parameter, Value, form_value, is_plain
from pixian_s3.errors import Fault, InvalidConfiguration

type Layer = Mapping[str, Value | None]

# Pipeline parameters stand in an object of their own in the document, and behind this in a layer.
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
class Settings:
    """What holds for one key.

    Attributes:
        prefix: the longest prefix in the document that the key begins with; empty for none.
        values: every value that the document sets, by name.
    """

    prefix: str
    values: Mapping[str, Value]

    @property
    def form(self) -> dict[str, str]:
        """The fields to send to Pixian, without the image."""
        return {
            name: form_value(value)
            for name, value in sorted(self.values.items())
            if not name.startswith(_PIPELINE_PREFIX)
        }

    @property
    def digest(self) -> str:
        """Equal for two settings if a result made with one is as good as one made with the other.

        That is so for equal parameters of Pixian, a value being the same as its absence where it is
        the default; of our own only what becomes of a delta PNG changes a result.
        """
        shaping = {
            name: value
            for name, value in self.values.items()
            if value != _TABLE[name].default and not name.startswith(_PIPELINE_PREFIX)
        }
        if self.is_delta_png:
            shaping |= {"pipeline.delta_png": self.text("pipeline.delta_png")}
        canonical = json.dumps(shaping, sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    @property
    def is_delta_png(self) -> bool:
        """Whether Pixian is asked for a delta PNG."""
        return self.get("output.format") == "delta_png"

    @property
    def result_suffix(self) -> str:
        """The suffix of the file that Pixian sends back for these values."""
        output = self.get("output.format")
        if output == "auto":
            output = "jpeg" if self.get("background.color") else "png"
        return ".jpg" if output == "jpeg" else ".png"

    def get(self, name: str) -> Value | None:
        """The value that holds: the document's, else the default."""
        return self.values.get(name, _TABLE[name].default)

    def flag(self, name: str) -> bool:
        """The value of a parameter that is true or false."""
        return bool(self.get(name))

    def text(self, name: str) -> str:
        """The value of a parameter that is text."""
        return str(self.get(name))

    def number(self, name: str) -> int:
        """The value of a parameter that is a whole number."""
        return int(self.get(name) or 0)


NO_SETTINGS = Settings("", MappingProxyType({}))
"""Where the configuration isn't known."""


@dataclass(frozen=True)
class Configuration:
    """A document without fault."""

    defaults: Layer
    prefixes: Mapping[str, Layer]

    def settings_for(self, key: str) -> Settings:
        """What holds for a key."""
        matching = sorted((p for p in self.prefixes if key.startswith(p)), key=len)
        values = dict(self.defaults)
        for prefix in matching:
            values |= self.prefixes[prefix]
        set_values = {name: value for name, value in values.items() if value is not None}
        return Settings(matching[-1] if matching else "", MappingProxyType(set_values))


def parse(text: str | bytes) -> Configuration:
    """The configuration in a JSON document.

    Raises:
        InvalidConfiguration: with every fault found.
    """
    try:
        document = json.loads(text, object_pairs_hook=_unambiguous)
    except (ValueError, RecursionError) as error:
        raise InvalidConfiguration(
            [Fault("document", f"can't be read as JSON: {error}")]
        ) from error
    faults = list(_document_faults(document)) or list(_ineffective(document))
    if faults:
        raise InvalidConfiguration(faults)
    return _build(document)


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON takes the last of two equal names in silence; whoever wrote both meant one."""
    names = [name for name, _ in pairs]
    if twice := {name for name in names if names.count(name) > 1}:
        raise InvalidConfiguration([Fault(name, "stands twice here") for name in sorted(twice)])
    return dict(pairs)


def _build(document: dict[str, Any]) -> Configuration:
    prefixes = {prefix: _flatten(layer) for prefix, layer in document.get("prefixes", {}).items()}
    return Configuration(_flatten(document.get("defaults", {})), MappingProxyType(prefixes))


def _flatten(layer: dict[str, Any]) -> Layer:
    own = layer.get("pipeline", {})
    plain = {name: value for name, value in layer.items() if name != "pipeline"}
    return plain | {_PIPELINE_PREFIX + name: value for name, value in own.items()}


def _document_faults(document: object) -> Iterator[Fault]:
    if not isinstance(document, dict):
        yield Fault("document", 'must be an object like {"defaults": {}, "prefixes": {}}')
        return
    for name in document.keys() - {"defaults", "prefixes"}:
        yield Fault(name, "is unknown here; a document has defaults and prefixes")
    yield from _layer_faults("defaults", document.get("defaults", {}))
    prefixes = document.get("prefixes", {})
    if not isinstance(prefixes, dict):
        yield Fault("prefixes", "must be an object of prefix to parameters")
        return
    for prefix, layer in prefixes.items():
        path = _prefix_path(prefix)
        if not prefix or not is_plain(prefix):
            yield Fault(path, "must be plain text and not empty; defaults are for all keys")
        yield from _layer_faults(path, layer)


def _layer_faults(path: str, layer: object) -> Iterator[Fault]:
    if not isinstance(layer, dict) or not isinstance(layer.get("pipeline", {}), dict):
        yield Fault(path, "must be an object of parameter to value, and pipeline one within it")
        return
    for name in layer:
        if name.startswith(_PIPELINE_PREFIX):
            yield Fault(f"{path}.{name}", 'stands in an object of its own: "pipeline": {…}')
    for name, value in _flatten(layer).items():
        row = _TABLE.get(name)
        if row is None:
            yield Fault(f"{path}.{name}", "is not a parameter; docs/configuration.md lists them")
        elif value is not None and not row.kind.accepts(value):
            yield Fault(f"{path}.{name}", f"must be {row.kind.form}, not {json.dumps(value)}")


def _ineffective(document: dict[str, Any]) -> Iterator[Fault]:
    """Values without effect, in what holds for each layer's own keys."""
    configuration = _build(document)
    yield from _ignored_by_delta_png("defaults", configuration.settings_for(""))
    for prefix, layer in configuration.prefixes.items():
        settings = configuration.settings_for(prefix)
        yield from _ignored_by_delta_png(_prefix_path(prefix), settings)
        yield from _useless_modifiers(_prefix_path(prefix), layer, settings)


def _ignored_by_delta_png(path: str, settings: Settings) -> Iterator[Fault]:
    if not settings.is_delta_png:
        return
    for name in _IGNORED_BY_DELTA_PNG:
        if settings.get(name) != _TABLE[name].default:
            yield Fault(
                f"{path}.{name}",
                "has no effect with output.format delta_png; take one of them out, "
                "or set it to null here if it is inherited",
            )


def _useless_modifiers(path: str, layer: Layer, settings: Settings) -> Iterator[Fault]:
    """Values that only modify another; in defaults they may be meant for the prefixes below."""
    if layer.get("result.vertical_alignment") and not settings.get("result.target_size"):
        yield Fault(f"{path}.result.vertical_alignment", "has no effect without result.target_size")
    if layer.get("output.jpeg_quality") and settings.result_suffix != ".jpg":
        yield Fault(f"{path}.output.jpeg_quality", "has no effect on a png result")
    if layer.get("pipeline.delta_png") and not settings.is_delta_png:
        yield Fault(f"{path}.pipeline.delta_png", "has no effect without output.format delta_png")


def _prefix_path(prefix: str) -> str:
    return f"prefixes[{json.dumps(prefix)}]"
