"""docs/operations.md knows every report that the program writes."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pixian_s3 import retry
from pixian_s3.images import delta_png, identify
from tests.builders import NOON, make_job

ROOT = Path(__file__).parents[2]
OPERATIONS = (ROOT / "docs/operations.md").read_text()
NAMED = {
    "DAMAGED": identify.DAMAGED,
    "UNREADABLE": identify.UNREADABLE,
    "_NO_DELTA": delta_png._NO_DELTA,
}
OPENINGS = [
    re.sub(r"\\?….*", "", opening)
    for row in re.findall(r"^\| (`[^|]*)\|", OPERATIONS, re.MULTILINE)
    for opening in re.findall("`([^`]+)`", row)
]


def rejections() -> Iterator[str]:
    """The first words of each message with which the program rejects an image."""
    for file in (ROOT / "layers/common/pixian_s3").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Rejected":
                yield first_words(node.args[0])


def first_words(message: ast.expr) -> str:
    """What a message begins with, up to its first variable part."""
    match message:
        case ast.Constant(str(text)):
            return text
        case ast.JoinedStr([ast.Constant(str(text)), *_]):
            return text
        case ast.Call(ast.Attribute(template)):
            return first_words(template).partition("{")[0]
        case ast.Name(name):
            return NAMED.get(name, name)
        case ast.JoinedStr([ast.FormattedValue(ast.Name("what")), ast.Constant(str(text)), *_]):
            return f"The file{text}"
        case _:
            return ast.unparse(message)


# Messages that are made elsewhere: `said` quotes Pixian, `otherwise` is given by the callers of
# `opened`, who are all in NAMED, and `what` S3 refuses to one file alone is its source.
ELSEWHERE = {"said": "Pixian answered 4", "otherwise": identify.DAMAGED}


@pytest.mark.parametrize("words", sorted(set(rejections())))
def test_a_report_is_explained(words: str) -> None:
    message = next((made for name, made in ELSEWHERE.items() if words.startswith(name)), words)
    assert any(message.startswith(opening) or opening.startswith(message) for opening in OPENINGS)


@pytest.mark.parametrize(
    ("spent", "unknown_calls"),
    [
        ({"failures": retry.MAX_FAILURES}, 0),
        ({}, retry.MAX_UNKNOWN_CALLS),
        ({"blocked_since": NOON - retry.MAX_BLOCKED_SECONDS - 1}, 0),
    ],
)
def test_a_dead_letter_is_explained(spent: dict[str, Any], unknown_calls: int) -> None:
    why = retry.exhausted(make_job(**spent), unknown_calls, NOON)
    assert why is not None
    assert any(opening in why for opening in OPENINGS)
