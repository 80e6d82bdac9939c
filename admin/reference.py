"""Write what follows from the table of parameters: `make reference`.

The tables in docs/configuration.md, and the JSON schema that template.yaml gives to AppConfig.
"""

import json
import re
from pathlib import Path

from pixian_s3.config.parameters import PIPELINE, PIXIAN, Parameter
from pixian_s3.config.schema import document_schema

_ROOT = Path(__file__).parent.parent
DOCUMENT = _ROOT / "docs/configuration.md"
TEMPLATE = _ROOT / "template.yaml"
_TABLES = re.compile(r"(?<=<!-- parameters -->\n).*(?=<!-- /parameters -->)", re.DOTALL)
_SCHEMA = re.compile(r"(?<=          Content: \|-\n)(?:            .*\n)+")


def with_tables(document: str) -> str:
    """The document with its tables as the code has them now."""
    tables = f"{_table(PIXIAN)}\nUnder `pipeline`:\n\n{_table(PIPELINE)}"
    return _TABLES.sub(lambda _: tables, document)


def with_schema(template: str) -> str:
    """The template with its validator as the code has it now."""
    # A line for each parameter, as in the table.
    text = re.sub(
        r'("[\w.]+": {"(?:description|type": "object", "add))',
        r"\n\1",
        json.dumps(document_schema()),
    )
    indented = "".join(f"            {line}\n" for line in text.splitlines())
    return _SCHEMA.sub(lambda _: indented, template)


def _table(rows: tuple[Parameter, ...]) -> str:
    lines = ["| name | value | default | what it does |", "|---|---|---|---|"]
    lines += [f"| `{r.name}` | {r.kind.form} | {_default(r)} | {r.description} |" for r in rows]
    return "\n".join(lines) + "\n"


def _default(row: Parameter) -> str:
    return "none" if row.default is None else f"`{json.dumps(row.default)}`"


if __name__ == "__main__":
    DOCUMENT.write_text(with_tables(DOCUMENT.read_text()))
    TEMPLATE.write_text(with_schema(TEMPLATE.read_text()))
