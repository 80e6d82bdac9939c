"""The one table of parameters: name, type, range, default and what each does.

From it come validation, the form that is sent to Pixian and the parameters' digest. Pixian's own
names, types and ranges are those of its API page, https://pixian.ai/api.
"""

import re
from dataclasses import dataclass
from typing import Any, Protocol

type Value = bool | int | str


class Kind(Protocol):
    """What a parameter's value may be."""

    @property
    def form(self) -> str:
        """In words that complete "must be …"."""

    @property
    def schema(self) -> dict[str, Any]:
        """As JSON Schema, draft 4."""

    def accepts(self, value: object) -> bool:
        """Whether a value from a JSON document may be used."""


@dataclass(frozen=True)
class Boolean:
    """`true` or `false`."""

    form: str = "true or false"

    @property
    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}

    def accepts(self, value: object) -> bool:
        return isinstance(value, bool)


@dataclass(frozen=True)
class Integer:
    """A whole number from `minimum` to `maximum`."""

    minimum: int
    maximum: int

    @property
    def form(self) -> str:
        return f"a whole number from {self.minimum} to {self.maximum}"

    @property
    def schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.minimum, "maximum": self.maximum}

    def accepts(self, value: object) -> bool:
        # bool is an int to Python, but not to whoever wrote the document.
        if isinstance(value, bool) or not isinstance(value, int):
            return False
        return self.minimum <= value <= self.maximum


@dataclass(frozen=True)
class Choice:
    """One of a few words."""

    words: tuple[str, ...]

    @property
    def form(self) -> str:
        return "one of " + ", ".join(self.words)

    @property
    def schema(self) -> dict[str, Any]:
        return {"enum": list(self.words)}

    def accepts(self, value: object) -> bool:
        return value in self.words


@dataclass(frozen=True)
class Text:
    """Text that matches `pattern` from end to end; `form` says the same to a person."""

    pattern: str
    form: str

    @property
    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^(?:{self.pattern})$"}

    def accepts(self, value: object) -> bool:
        if not isinstance(value, str) or not is_plain(value):
            return False
        return re.fullmatch(self.pattern, value, re.ASCII) is not None


@dataclass(frozen=True)
class Parameter:
    """One row of the table; `default` is what holds where it isn't given, None for nothing."""

    name: str
    kind: Kind
    default: Value | None
    description: str


_KEY_PARTS = r"(?:[^{}]|\{path\}|\{stem\}|\{source_suffix\})*"
# More digits than any result can need are a typing error.
_LENGTH = r"[0-9]{1,6}(?:\.[0-9]{1,4})?(?:px|%)"

PIXIAN: tuple[Parameter, ...] = (
    Parameter(
        "test",
        Boolean(),
        default=False,
        description="Free of charge; the result carries a watermark.",
    ),
    Parameter(
        "max_pixels",
        Integer(100, 25_000_000),
        25_000_000,
        "Inputs of more pixels (width times height) are shrunk to it before processing.",
    ),
    Parameter(
        "background.color",
        Text("#[0-9A-Fa-f]{6}", "a colour like #FFFFFF, with its #"),
        None,
        "Put behind the cut-out. Without it the background is transparent.",
    ),
    Parameter(
        "result.crop_to_foreground",
        Boolean(),
        default=False,
        description="Crop the result to what was cut out.",
    ),
    Parameter(
        "result.margin",
        Text(
            rf"{_LENGTH}(?: {_LENGTH}){{0,3}}",
            "one to four lengths in px or % in the order of CSS, like 5% or 10px 20% 5px 15%",
        ),
        "0px",
        "Added around the result; with result.target_size taken from inside it.",
    ),
    Parameter(
        "result.target_size",
        Text("[1-9][0-9]{0,4} [1-9][0-9]{0,4}", "width and height in pixels, like 1920 1080"),
        None,
        "The result is scaled to fit this size.",
    ),
    Parameter(
        "result.vertical_alignment",
        Choice(("top", "middle", "bottom")),
        "middle",
        "Where the cut-out stands in the height that result.target_size leaves over.",
    ),
    Parameter(
        "output.format",
        Choice(("auto", "png", "jpeg", "delta_png")),
        "auto",
        "auto is jpeg where background.color is set, else png.",
    ),
    Parameter("output.jpeg_quality", Integer(1, 100), 75, "Quality of a jpeg result."),
)

PIPELINE: tuple[Parameter, ...] = (
    Parameter(
        "enabled",
        Boolean(),
        default=True,
        description="Whether images with this prefix are processed at all.",
    ),
    Parameter(
        "input",
        Choice(("upload", "url", "base64")),
        "upload",
        "How Pixian gets the image: sent in the call; fetched from a presigned URL of the source; "
        "or as base64 text. What was converted has no URL and is uploaded, as is what exceeds the "
        "1 MB that Pixian takes as base64.",
    ),
    Parameter(
        "convert",
        Boolean(),
        default=True,
        description="Whether images that Pixian would refuse are converted or shrunk. If not, they "
        "are rejected.",
    ),
    Parameter(
        "delta_png",
        Choice(("rebuild", "keep")),
        "rebuild",
        "What is stored with output.format delta_png: an ordinary PNG rebuilt from it and the "
        "source, or the delta PNG as it came.",
    ),
    Parameter(
        "result_key",
        Text(
            rf"{_KEY_PARTS}\{{stem\}}{_KEY_PARTS}\{{suffix\}}",
            "made of {path}, {stem}, {source_suffix} and plain text, with {stem} in it and "
            "{suffix} at its end",
        ),
        "{path}{stem}{suffix}",
        "The result's key. For shoes/a.jpg, {path} is shoes/, {stem} is a, {source_suffix} is .jpg "
        "and {suffix} is that of the result.",
    ),
    Parameter(
        "sidecar",
        Boolean(),
        default=False,
        description="Whether <result>.json is written: sizes, boxes, credits, parameters, timings.",
    ),
    Parameter(
        "copy_metadata",
        Boolean(),
        default=False,
        description="Whether the source's own user metadata is put on the result, as far as S3's "
        "2 KB hold it.",
    ),
    Parameter(
        "copy_tags",
        Boolean(),
        default=False,
        description="Whether the source's tags are put on the result.",
    ),
)


def is_plain(text: str) -> bool:
    """Whether text can stand in a key: no control characters, and no half of a character."""
    return re.search("[\x00-\x1f\x7f\ud800-\udfff]", text) is None


def form_value(value: Value) -> str:
    """A value as it travels in a form; booleans in lower case."""
    return str(value).lower() if isinstance(value, bool) else str(value)
