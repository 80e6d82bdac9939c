"""Text for a terminal: keys and reasons on one line, and lengths of time."""

import re

KEY_COLUMNS = 40

# Line breaks, what a terminal takes for commands, and what is invisible or reverses the direction
# of writing.
_CONTROL_CHARACTERS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)


def escaped(text: str) -> str:
    """Text with line breaks and other control characters escaped."""
    return _CONTROL_CHARACTERS.sub(lambda found: _escape(found[0]), text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()


def shortened(text: str, columns: int = KEY_COLUMNS) -> str:
    """A key on one line, with `…` in the middle if it is long."""
    text = escaped(text)
    if len(text) <= columns:
        return text
    half = (columns - 1) // 2
    return f"{text[: columns - 1 - half]}…{text[-half:]}"


def column(key: str) -> str:
    """A key in a column of its own."""
    return f"{shortened(key):{KEY_COLUMNS}}"


def counted(number: int, what: str = "image") -> str:
    """A number of things, such as "1 image" or "2 images"."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def span(seconds: float) -> str:
    """A length of time in its two largest units."""
    seconds = max(0, round(seconds))
    if seconds < 60:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes // (24 * 60)} d {minutes // 60 % 24} h"
