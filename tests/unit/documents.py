"""Valid configuration documents of any kind, for property tests."""

import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from hypothesis import strategies as st

from pixian_s3.attempt import MAX_CREDITS
from pixian_s3.config.document import BUDGET, Configuration
from pixian_s3.config.parameters import (
    PIPELINE,
    PIXIAN,
    Boolean,
    Choice,
    Integer,
    Kind,
    Text,
    is_plain,
)

_NULLED_FOR_DELTA_PNG = {
    "background.color": None,
    "result.crop_to_foreground": None,
    "result.margin": None,
    "result.target_size": None,
    "result.vertical_alignment": None,
}


def _values(kind: Kind) -> st.SearchStrategy[Any]:
    match kind:
        case Boolean():
            return st.booleans()
        case Integer(minimum, maximum):
            return st.integers(minimum, maximum)
        case Choice(words):
            return st.sampled_from([word for word in words if word != "delta_png"])
        case Text(pattern):
            return st.from_regex(re.compile(pattern, re.ASCII), fullmatch=True).filter(is_plain)
    raise NotImplementedError(kind)


_OPTIONAL = {row.name: st.none() | _values(row.kind) for row in PIXIAN}
_PIPELINE = st.fixed_dictionaries(
    {},
    optional={
        # It has an effect only with a delta PNG.
        row.name: st.none() | _values(row.kind)
        for row in PIPELINE
        if row.name != "delta_png"
    },
)
_DEFAULTS = st.fixed_dictionaries({}, optional=_OPTIONAL | {"pipeline": _PIPELINE})


def _effective(layer: dict[str, Any]) -> dict[str, Any]:
    """The layer with what its modifiers need to have an effect."""
    needed = {}
    if layer.get("result.vertical_alignment"):
        needed["result.target_size"] = "100 100"
    if layer.get("output.jpeg_quality"):
        needed["output.format"] = "jpeg"
    return layer | needed


_PREFIX = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
_PREFIXES = st.dictionaries(_PREFIX, _DEFAULTS.map(_effective), max_size=4)
_DELTA = {"\u0394": _NULLED_FOR_DELTA_PNG | {"output.format": "delta_png"}}

_AMOUNTS = st.none() | st.integers(0, MAX_CREDITS) | st.floats(0, 1e6)
_BUDGET = st.fixed_dictionaries({}, optional=dict.fromkeys(BUDGET, _AMOUNTS))

DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "defaults": _DEFAULTS,
        "prefixes": _PREFIXES | st.just(_DELTA),
        "budget": _BUDGET,
        "paused": st.booleans(),
    },
)


def document_of(configuration: Configuration) -> dict[str, Any]:
    """The document that a configuration was parsed from, but for what is empty in it."""
    prefixes = {prefix: _nested(layer) for prefix, layer in configuration.prefixes.items()}
    limits = asdict(configuration.budget).items()
    return {
        "defaults": _nested(configuration.defaults),
        "prefixes": prefixes,
        "budget": {name: float(most) for name, most in limits if most is not None},
        "paused": configuration.paused,
    }


def _nested(layer: Mapping[str, Any]) -> dict[str, Any]:
    own = {n.removeprefix("pipeline."): v for n, v in layer.items() if n.startswith("pipeline.")}
    plain = {name: value for name, value in layer.items() if not name.startswith("pipeline.")}
    return plain | {"pipeline": own}
