"""The table of all parameters: name, type, range, default and description.

Validation, the JSON schema, the form sent to Pixian, the digest and the reference documentation are
all derived from it. The names, types and ranges of Pixian's parameters come from its API
documentation, https://pixian.ai/api.
"""

import re
from dataclasses import dataclass
from typing import Any, Protocol

type Value = bool | int | str


class Kind(Protocol):
    """The type of a parameter: which values it accepts."""

    @property
    def form(self) -> str:
        """A description that completes the sentence "must be …"."""

    @property
    def schema(self) -> dict[str, Any]:
        """The type as a JSON schema, draft 4."""

    def accepts(self, value: object) -> bool:
        """Whether a value read from a JSON document is valid."""


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
        # In Python a bool is an int, but in JSON true is not a number.
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
    """Text that matches `pattern` as a whole; `form` describes the pattern in words."""

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
    """One row of the table.

    Attributes:
        name: As in the document; parameters in `PIPELINE` are listed without "pipeline.".
        kind: Its type.
        default: The value used if the document sets none; None if there is no default.
        description: For the reference documentation and the schema.
    """

    name: str
    kind: Kind
    default: Value | None
    description: str


_KEY_PARTS = r"(?:[^{}]|\{path\}|\{stem\}|\{source_suffix\})*"
# Longer numbers exceed the size of any result, so they must be typing errors.
_LENGTH = r"[0-9]{1,6}(?:\.[0-9]{1,4})?(?:px|%)"

PIXIAN: tuple[Parameter, ...] = (
    Parameter(
        "test",
        Boolean(),
        default=False,
        description="Test mode: results are free of charge and have a watermark.",
    ),
    Parameter(
        "max_pixels",
        Integer(100, 25_000_000),
        25_000_000,
        "Pixian shrinks images with more pixels (width times height) to this size before "
        "processing them.",
    ),
    Parameter(
        "background.color",
        Text("#[0-9A-Fa-f]{6}", "a colour like #FFFFFF, including the #"),
        None,
        "The colour behind the cutout. If it isn't set, the background is transparent.",
    ),
    Parameter(
        "result.crop_to_foreground",
        Boolean(),
        default=False,
        description="Crops the result to the subject.",
    ),
    Parameter(
        "result.margin",
        Text(
            rf"{_LENGTH}(?: {_LENGTH}){{0,3}}",
            "one to four lengths in px or %, in CSS order, like 5% or 10px 20% 5px 15%",
        ),
        "0px",
        "The margin around the result. If result.target_size is set, the margin is part of that "
        "size.",
    ),
    Parameter(
        "result.target_size",
        Text("[1-9][0-9]{0,4} [1-9][0-9]{0,4}", "width and height in pixels, like 1920 1080"),
        None,
        "Scales the result to fit this size.",
    ),
    Parameter(
        "result.vertical_alignment",
        Choice(("top", "middle", "bottom")),
        "middle",
        "The vertical position of the cutout if it doesn't fill the height of result.target_size.",
    ),
    Parameter(
        "output.format",
        Choice(("auto", "png", "jpeg", "delta_png")),
        "auto",
        "The file format of the result. auto means jpeg if background.color is set, png otherwise.",
    ),
    Parameter("output.jpeg_quality", Integer(1, 100), 75, "The quality of a JPEG result."),
)

PIPELINE: tuple[Parameter, ...] = (
    Parameter(
        "enabled",
        Boolean(),
        default=True,
        description="Processes images; false skips them for good.",
    ),
    Parameter(
        "paused",
        Boolean(),
        default=False,
        description="Holds images back; they are processed once it is false again.",
    ),
    Parameter(
        "input",
        Choice(("upload", "url", "base64")),
        "upload",
        "How Pixian receives the image: upload sends the file, url sends a presigned URL of the "
        "source, and base64 sends the file as text. These are uploaded instead: converted "
        "images; for base64, images over 1 MB; for url, images whose key starts with a slash or "
        "has . or .. between its slashes, because HTTP clients change such URLs.",
    ),
    Parameter(
        "convert",
        Boolean(),
        default=True,
        description="Converts or shrinks images that Pixian would refuse; false rejects them.",
    ),
    Parameter(
        "delta_png",
        Choice(("rebuild", "keep")),
        "rebuild",
        "What to store if output.format is delta_png: rebuild stores an ordinary PNG, rebuilt from "
        "the delta PNG and the source; keep stores the delta PNG itself.",
    ),
    Parameter(
        "result_key",
        Text(
            rf"{_KEY_PARTS}\{{stem\}}{_KEY_PARTS}\{{suffix\}}",
            "text that contains {stem}, ends in {suffix}, and has no other placeholders except "
            "{path} and {source_suffix}",
        ),
        "{path}{stem}{suffix}",
        "The key of the result. For shoes/a.jpg, {path} is shoes/, {stem} is a and {source_suffix} "
        "is .jpg; {suffix} is the suffix of the result, such as .png.",
    ),
    Parameter(
        "sidecar",
        Boolean(),
        default=False,
        description="Writes <result>.json with sizes, bounding boxes, credits, parameters and "
        "timings.",
    ),
    Parameter(
        "copy_metadata",
        Boolean(),
        default=False,
        description="Copies the source's user metadata to the result, up to S3's limit of 2 KB.",
    ),
    Parameter(
        "copy_tags",
        Boolean(),
        default=False,
        description="Copies the source's tags to the result.",
    ),
    Parameter(
        "copy_exif",
        Choice(("none", "rights", "all")),
        "rights",
        "What of the source's EXIF data is copied to the result: rights copies the copyright, the "
        "artist and the resolution (DPI); all adds the camera's settings and descriptions, but no "
        "position, serial numbers, previews or maker's notes.",
    ),
    Parameter(
        "check",
        Boolean(),
        default=True,
        description="Looks for signs of trouble in each result, such as a background that isn't "
        "transparent, and writes them to its metadata. It costs no credits.",
    ),
    Parameter(
        "check_min_fill",
        Integer(0, 100),
        1,
        "The least part of the result, in percent, that the box around the subject should cover; "
        "less is a sign of trouble. 0 allows any.",
    ),
    Parameter(
        "check_max_half_transparent",
        Integer(0, 100),
        15,
        "The largest part of the subject, in percent and without its edges, that may be half "
        "transparent; more is a sign of trouble. 100 allows any.",
    ),
)


def is_plain(text: str) -> bool:
    """Whether text is valid in a key: no control characters and no lone surrogates."""
    return re.search("[\x00-\x1f\x7f\ud800-\udfff]", text) is None


def form_value(value: Value) -> str:
    """A value as a form field: booleans in lower case, everything else as in JSON."""
    return str(value).lower() if isinstance(value, bool) else str(value)
