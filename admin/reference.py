"""Write the table of parameters into docs/configuration.md: `make reference`."""

import json
from pathlib import Path

from pixian_s3.parameters import PIPELINE, PIXIAN, Parameter

DOCUMENT = Path(__file__).parent.parent / "docs/configuration.md"
_BEGIN, _END = "<!-- parameters -->\n", "<!-- /parameters -->\n"


def with_reference(text: str) -> str:
    """The document with its tables as the code has them now."""
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    tables = f"{_table(PIXIAN)}\nUnder `pipeline`:\n\n{_table(PIPELINE)}"
    return f"{before}{_BEGIN}{tables}{_END}{after}"


def _table(rows: tuple[Parameter, ...]) -> str:
    lines = ["| name | value | default | what it does |", "|---|---|---|---|"]
    lines += [f"| `{r.name}` | {r.kind.form} | {_default(r)} | {r.description} |" for r in rows]
    return "\n".join(lines) + "\n"


def _default(row: Parameter) -> str:
    return "none" if row.default is None else f"`{json.dumps(row.default)}`"


if __name__ == "__main__":
    DOCUMENT.write_text(with_reference(DOCUMENT.read_text()))
