"""`result.margin`: one to four lengths in px or %, in CSS order."""

import math
import re
from typing import NamedTuple

LENGTH = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)(px|%)")


class Length(NamedTuple):
    """A number and its unit, `px` or `%`."""

    number: float
    unit: str

    def of(self, whole: int) -> int:
        """Give whole pixels, halves rounded up; `whole` is what 100 % would be."""
        return math.floor(self.number * (whole / 100 if self.unit == "%" else 1) + 0.5)


class Edges(NamedTuple):
    """Pixels on each side."""

    top: int
    right: int
    bottom: int
    left: int


class Margin(NamedTuple):
    """A length for each side."""

    top: Length
    right: Length
    bottom: Length
    left: Length

    def edges(self, width: int, height: int) -> Edges:
        """Resolve to pixels.

        The API page does not say what a percentage is of. Assumed: of the width for left and
        right, of the height for top and bottom; of the target size where one is given, else of
        the result before the margin.
        """
        return Edges(
            self.top.of(height), self.right.of(width), self.bottom.of(height), self.left.of(width)
        )


def read_margin(text: str) -> Margin:
    """Read lengths with one space between; ValueError says what is wrong."""
    lengths = [_length(word) for word in text.split(" ")]
    match lengths:
        case [every]:
            return Margin(every, every, every, every)
        case [upright, across]:
            return Margin(upright, across, upright, across)
        case [top, across, bottom]:
            return Margin(top, across, bottom, across)
        case [top, right, bottom, left]:
            return Margin(top, right, bottom, left)
    raise ValueError("takes one to four lengths")


def _length(word: str) -> Length:
    read = LENGTH.fullmatch(word)
    if not read:
        raise ValueError("takes one to four lengths such as 10px or 2.5%, one space between")
    return Length(float(read[1]), read[2])
