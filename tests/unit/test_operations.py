"""docs/operations.md explains every text with which an error report can begin."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pixian_s3 import retry
from pixian_s3.batch import CRASHED
from pixian_s3.errors import Unavailable
from pixian_s3.images import delta_png, identify
from tests.builders import NOON, make_job
from tests.patterns import matches

ROOT = Path(__file__).parents[2]
PATTERNS = [
    json.loads(block)
    for block in re.findall(
        "```json\n(.*?)```", (ROOT / "docs/operations.md").read_text(), re.DOTALL
    )
    if "Object Created" in block
]
OPENINGS = tuple(
    opening.partition("…")[0]
    for row in re.findall(
        r"^\| (`[^|]*)\|", (ROOT / "docs/operations.md").read_text(), re.MULTILINE
    )
    for opening in re.findall("`([^`]+)`", row)
)
VARIABLES = {
    "DAMAGED": identify.DAMAGED,
    "UNREADABLE": identify.UNREADABLE,
    "_NO_DELTA": delta_png._NO_DELTA,
    "what": "The file",
    "said": "Pixian answered 4",
    "otherwise": identify.DAMAGED,  # a parameter; `reports` yields its arguments as well
}
"""What the variables stand for that messages are, or begin with."""


def reports(program: str) -> Iterator[str]:
    """The messages of Rejected and NotFound, with other variables left as they are."""
    for node in ast.walk(ast.parse(program)):
        if isinstance(node, ast.Call):
            if ast.unparse(node.func).endswith(("Rejected", "NotFound")):
                yield beginning(node.args[0])
            yield from (beginning(k.value) for k in node.keywords if k.arg == "otherwise")


def beginning(message: ast.expr) -> str:
    match message:
        case ast.Constant(str(text)):
            return text
        case ast.Name(name) | ast.Attribute(attr=name) if name in VARIABLES:
            return VARIABLES[name]
        case ast.FormattedValue(ast.Name("what")):
            return VARIABLES["what"]
        case ast.JoinedStr(parts):
            return "".join(map(beginning, parts))
        case ast.Call(ast.Attribute(template, "format")):
            return beginning(template)
        case _:
            return ast.unparse(message)


PROGRAM = (ROOT / "layers/common/pixian_s3").rglob("*.py")
REPORTS = sorted({report for file in PROGRAM for report in reports(file.read_text())})


@pytest.mark.parametrize("report", [*REPORTS, CRASHED])
def test_a_report_is_explained(report: str) -> None:
    assert report.startswith(OPENINGS)


@pytest.mark.parametrize("message", ['"The file is odd."', 'f"The {file} is odd."', 'f"{file}"'])
def test_one_that_is_not_explained_is_found(message: str) -> None:
    (report,) = reports(f"raise errors.Rejected({message})")
    assert not report.startswith(OPENINGS)


@pytest.mark.parametrize(
    ("spent", "unknown", "gateway"),
    [
        ({"failures": retry.MAX_FAILURES}, 0, 0),
        ({}, retry.MAX_UNKNOWN_CALLS, 0),
        ({}, retry.MAX_GATEWAY_CALLS, retry.MAX_GATEWAY_CALLS),
        ({"blocked_since": NOON - retry.MAX_BLOCKED_SECONDS - 1}, 0, 0),
    ],
)
def test_a_dead_letter_is_explained(spent: dict[str, Any], unknown: int, gateway: int) -> None:
    why = retry.why_give_up(Unavailable("503"), make_job(**spent), unknown, gateway, NOON)
    assert why is not None
    assert any(opening in why for opening in OPENINGS)


@pytest.mark.parametrize(
    ("key", "is_result", "is_report"),
    [
        ("shoes/a.png", True, False),
        ("shoes/a.jpg", True, False),
        ("shoes/a.png.json", False, False),
        ("shoes/a.tif.error.json", False, True),
    ],
)
def test_a_rule_takes_results_and_another_takes_reports(
    key: str, *, is_result: bool, is_report: bool
) -> None:
    created = json.loads((ROOT / "events/eventbridge-object-created.json").read_text())
    created["detail"]["bucket"]["name"] = "<OutputBucket>"
    created["detail"]["object"]["key"] = key
    assert [matches(each, created) for each in PATTERNS] == [is_result, is_report]
    deleted = created | {"detail-type": "Object Deleted"}
    created["detail"]["bucket"]["name"] = "another"
    assert not any(matches(each, event) for each in PATTERNS for event in (created, deleted))
