"""Text for a terminal."""

import pytest

from admin.text import escaped, shortened, span


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3599, "1 h 0 min"),
        (7500, "2 h 5 min"),
        (864_000, "10 d 0 h"),
    ],
)
def test_a_length_of_time_has_two_units(seconds: float, text: str) -> None:
    assert span(seconds) == text


@pytest.mark.parametrize(
    ("key", "short"),
    [
        ("a.jpg", "a.jpg"),
        ("a\n\x1bü.jpg", r"a\n\x1bü.jpg"),
        ("x" * 1000 + ".jpg", "x" * 20 + "…" + "x" * 15 + ".jpg"),
    ],
)
def test_a_key_takes_one_short_line(key: str, short: str) -> None:
    assert shortened(key) == short


def test_control_characters_are_escaped_and_letters_are_not() -> None:
    assert all(escaped(chr(code)).isascii() for code in range(0x20))
    for code in (
        0x7F,
        0x85,
        0x9B,
        0x2028,
        0x2029,
        0x202E,
        0x2066,
        0x61C,
        0x200B,
        0xFEFF,
        0xE0041,
        0xD800,
    ):
        assert escaped(chr(code)) == chr(code).encode("unicode_escape").decode()
    # Persian writes a non-joiner within words, and emoji are joined.
    assert escaped("é 日本 👩\u200d🚀 \u200c") == "é 日本 👩\u200d🚀 \u200c"
