"""Generate parts of the docs and of the template from the code: `make reference`.

These are the tables in docs/configuration.md and docs/assumptions.md, and in template.yaml the
JSON schema that AppConfig validates configurations with and the dashboard (tools/dashboard.py).
"""

import json
import re
from pathlib import Path

from pixian_s3.config.parameters import PIPELINE, PIXIAN, Parameter
from pixian_s3.config.schema import document_schema
from tests.contract.assumptions import ASSUMPTIONS, PROGRAM, Assumption
from tools import dashboard

_ROOT = Path(__file__).parent.parent
CONFIGURATION = _ROOT / "docs/configuration.md"
ASSUMED = _ROOT / "docs/assumptions.md"
TEMPLATE = _ROOT / "template.yaml"
_SCHEMA = re.compile(r"(?<=          Content: \|-\n)(?:            .*\n)+")
_DASHBOARD = re.compile(r"(?<=      DashboardBody: !Sub\n        - \|-\n)(?:          .*\n)+")


def with_parameters(document: str) -> str:
    """docs/configuration.md with its tables brought up to date."""
    tables = f"{_parameters(PIXIAN)}\nUnder `pipeline`:\n\n{_parameters(PIPELINE)}"
    return _between("parameters", tables, document)


def with_assumptions(document: str) -> str:
    """docs/assumptions.md with its table brought up to date."""
    lines = ["| what is assumed | where | how it is checked | the stand-in |", "|---|---|---|---|"]
    lines += map(_assumption, ASSUMPTIONS)
    return _between("assumptions", "\n".join(lines) + "\n", document)


def with_template(template: str) -> str:
    """The template with its validator and its dashboard brought up to date."""
    # One line per parameter, as in the table.
    text = re.sub(
        r' ?("[\w.]+": {"(?:anyOf|type": "object", "add))', r"\n\1", json.dumps(document_schema())
    )
    template = _SCHEMA.sub(lambda _: _indented(text, 12), template)
    return _DASHBOARD.sub(lambda _: _indented(dashboard.body(), 10), template)


def _indented(text: str, columns: int) -> str:
    return "".join(f"{' ' * columns}{line}\n" for line in text.splitlines())


def _between(name: str, text: str, document: str) -> str:
    marked = re.compile(rf"(?<=<!-- {name} -->\n).*(?=<!-- /{name} -->)", re.DOTALL)
    return marked.sub(lambda _: text, document)


def _parameters(rows: tuple[Parameter, ...]) -> str:
    lines = ["| name | value | default | what it does |", "|---|---|---|---|"]
    lines += [f"| `{r.name}` | {r.kind.form} | {_default(r)} | {r.description} |" for r in rows]
    return "\n".join(lines) + "\n"


def _default(row: Parameter) -> str:
    return "none" if row.default is None else f"`{json.dumps(row.default)}`"


def _assumption(assumption: Assumption) -> str:
    where = "<br>".join(f"`{place.removeprefix(PROGRAM)}`" for place in assumption.where)
    how = assumption.check.__doc__ if assumption.check else f"Not: {assumption.unchecked}"
    does = assumption.stand_in_differs or ("the same" if assumption.check else "not asked")
    return f"| {assumption.says} | {where} | {how} | {does} |"


GENERATED = {
    CONFIGURATION: with_parameters,
    ASSUMED: with_assumptions,
    TEMPLATE: with_template,
}
"""Each file, with the function that brings its text up to date."""


if __name__ == "__main__":
    for file, updated in GENERATED.items():
        file.write_text(updated(file.read_text()))
