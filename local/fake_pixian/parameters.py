"""The fields other than the image: syntax, ranges, defaults."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from local.fake_pixian.errors import FieldError

LENGTH = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)(px|%)")


class Size(NamedTuple):
    """Pixels, in the order of the X-*-Size headers."""

    width: int
    height: int

    @property
    def pixels(self) -> int:
        """Width times height."""
        return self.width * self.height


class Length(NamedTuple):
    """A number and its unit, `px` or `%`."""

    number: float
    unit: str

    def of(self, whole: int) -> int:
        """Convert to whole pixels, halves rounded up; `whole` is 100 %, in pixels."""
        return math.floor(self.number * (whole / 100 if self.unit == "%" else 1) + 0.5)


class Edges(NamedTuple):
    """Pixels on each side."""

    top: int
    right: int
    bottom: int
    left: int


class Margin(NamedTuple):
    """`result.margin`: a length for each side."""

    top: Length
    right: Length
    bottom: Length
    left: Length

    def edges(self, width: int, height: int) -> Edges:
        """Convert to pixels.

        The API page doesn't say what a percentage refers to. Assumed: to the width for left and
        right and to the height for top and bottom; those of the target size if there is one,
        otherwise those of the result without its margin.
        """
        return Edges(
            self.top.of(height), self.right.of(width), self.bottom.of(height), self.left.of(width)
        )


def read_margin(text: str) -> Margin:
    """Parse one to four lengths in the order of CSS; ValueError says what is wrong."""
    lengths = [_length(word) for word in re.split(" +", text)]
    match lengths:
        case [every]:
            return Margin(every, every, every, every)
        case [upright, across]:
            return Margin(upright, across, upright, across)
        case [top, across, bottom]:
            return Margin(top, across, bottom, across)
        case [top, right, bottom, left]:
            return Margin(top, right, bottom, left)
    raise ValueError("must be one to four lengths")


def _length(word: str) -> Length:
    read = LENGTH.fullmatch(word)
    if not read:
        raise ValueError("must be one to four lengths such as 10px or 2.5%, spaces between them")
    return Length(float(read[1]), read[2])


type Reader = Callable[[str], object]


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """A request's parameters, validated."""

    test: bool = False
    max_pixels: int = 25_000_000
    background: tuple[int, int, int] | None = None
    crop_to_foreground: bool = False
    margin: Margin = read_margin("0px")  # noqa: RUF009 - a NamedTuple, immutable
    target_size: Size | None = None
    vertical_alignment: Literal["top", "middle", "bottom"] = "middle"
    output_format: Literal["auto", "png", "jpeg", "delta_png"] = "auto"
    jpeg_quality: int = 75


def read_parameters(fields: Mapping[str, list[str]]) -> Parameters:
    """Validate every field; the FieldError names the first that is wrong."""
    values: dict[str, Any] = {}
    for name, texts in fields.items():
        if name not in FIELDS:
            raise FieldError(name, "unknown field")
        attribute, reader = FIELDS[name]
        match given(texts):
            case []:
                pass
            case [text]:
                values[attribute] = _read(name, reader, text)
            case _:
                raise FieldError(name, "repeated field")
    return Parameters(**values)


def given(texts: list[str]) -> list[str]:
    """Those that aren't empty: a form sends an empty field for what its user left out."""
    return [text for text in texts if text]


def _read(name: str, reader: Reader, text: str) -> object:
    try:
        return reader(text)
    except ValueError as error:
        raise FieldError(name, str(error)) from error


def _one_of(*words: str) -> Reader:
    def read(text: str) -> str:
        if text not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return text

    return read


def _boolean(text: str) -> bool:
    # Python clients send True and False.
    return _one_of("true", "false")(text.lower()) == "true"


def _integer(least: int, most: int) -> Reader:
    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
            raise ValueError(f"must be an integer from {least} to {most}")
        return int(text)

    return read


def _color(text: str) -> tuple[int, ...]:
    if not re.fullmatch(r"#[0-9A-Fa-f]{6}", text):
        raise ValueError("must be #RRGGBB")
    return tuple(bytes.fromhex(text[1:]))


def _size(text: str) -> Size:
    if not re.fullmatch(r"[1-9][0-9]{0,5} [1-9][0-9]{0,5}", text):
        raise ValueError("must be width and height in pixels, such as 1920 1080")
    width, height = text.split(" ")
    return Size(int(width), int(height))


FIELDS: dict[str, tuple[str, Reader]] = {
    "test": ("test", _boolean),
    "max_pixels": ("max_pixels", _integer(100, 25_000_000)),
    "background.color": ("background", _color),
    "result.crop_to_foreground": ("crop_to_foreground", _boolean),
    "result.margin": ("margin", read_margin),
    "result.target_size": ("target_size", _size),
    "result.vertical_alignment": ("vertical_alignment", _one_of("top", "middle", "bottom")),
    "output.format": ("output_format", _one_of("auto", "png", "jpeg", "delta_png")),
    "output.jpeg_quality": ("jpeg_quality", _integer(1, 100)),
}
