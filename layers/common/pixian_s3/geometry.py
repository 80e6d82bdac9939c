"""Sizes and boxes in a picture, and how Pixian's headers state them."""

from typing import NamedTuple


class Size(NamedTuple):
    """In pixels."""

    width: int
    height: int


class Box(NamedTuple):
    """A rectangle in pixels, in the order of Pixian's headers."""

    top: int
    left: int
    width: int
    height: int

    def gaps(self, size: Size) -> tuple[int, int, int, int]:
        """The distances from the sides of a picture, in the order of CSS."""
        right, bottom = self.left + self.width, self.top + self.height
        return self.top, size.width - right, size.height - bottom, self.left


def size_in(text: str) -> Size | None:
    """The size in a header; None if it has another form."""
    numbers = _numbers(text)
    return Size(*numbers) if len(numbers) == 2 else None


def box_in(text: str) -> Box | None:
    """The box in a header; None if it has another form."""
    numbers = _numbers(text)
    return Box(*numbers) if len(numbers) == 4 else None


def _numbers(text: str) -> list[int]:
    words = text.split()
    plain = text.isascii() and all(map(str.isdecimal, words))
    return [int(word) for word in words] if plain else []
