"""Arrows run one way: from the functions down to decisions on plain data."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "layers/common/pixian_s3"

# From the top; a module may import from the levels below its own. Those of one level don't know
# each other, but for the ones in braces, which are one thing told in several files.
LEVELS: tuple[tuple[set[str], ...], ...] = (
    ({"wiring"},),
    (
        {"pacing"},
        {"process", "endings", "purchase", "result", "source"},
    ),
    ({"services"},),
    (
        {"appconfig"},
        {"calls"},
        {"concurrency"},
        {"images", "convert", "delta"},
        {"ledger"},
        {"pace_record"},
        {"pixian"},
        {"retry_queue"},
        {"secret"},
        {"storage"},
        {"telemetry"},
    ),
    (
        {
            *("configuration", "credentials", "errors", "inputs", "job", "lane", "metadata"),
            *("naming", "pace", "parameters", "redaction", "report", "retry", "schema"),
            *("sidecar", "story"),
        },
    ),
)
MODULES = sorted(file.stem for file in PROGRAM.glob("*.py") if file.stem != "__init__")


def level(module: str) -> int:
    return next(n for n, rooms in enumerate(LEVELS) if any(module in room for room in rooms))


def imports(file: Path) -> set[str]:
    """The modules of the program that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "pixian_s3":
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pixian_s3."):
            found.add((node.module or "").removeprefix("pixian_s3."))
    return found


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_from_below(module: str) -> None:
    own = level(module)
    room = next(room for room in LEVELS[own] if module in room)
    for other in imports(PROGRAM / f"{module}.py"):
        assert level(other) > own or other in room, f"{module} imports {other}"


@pytest.mark.parametrize("module", sorted({m for room in LEVELS[-1] for m in room}))
def test_decisions_touch_nothing_outside(module: str) -> None:
    text = (PROGRAM / f"{module}.py").read_text()
    for outside in ("boto3", "botocore", "requests", "aws_lambda_powertools", "PIL", "os.environ"):
        assert f"import {outside}" not in text
        assert f"from {outside}" not in text


def test_only_wiring_reads_the_environment() -> None:
    readers = [file.stem for file in PROGRAM.glob("*.py") if "os.environ" in file.read_text()]
    assert sorted(set(readers) - {"wiring"}) == []


@pytest.mark.parametrize("function", ["upload", "retry", "pace"])
def test_functions_know_no_adapter(function: str) -> None:
    known = imports(ROOT / f"functions/{function}/app.py")
    assert known <= {"wiring", "process", "pacing", "errors", "job", "retry"}


def test_the_stand_in_shares_no_code_with_the_program() -> None:
    for file in (ROOT / "local/pixian").glob("*.py"):
        assert "pixian_s3" not in file.read_text()
