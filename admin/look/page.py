"""Write the page: one HTML file that needs nothing but the pictures beside it."""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from admin.look.records import Record

MARK = "<title>pixian-s3: results</title>"
"""What tells our pages from others."""

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Heading:
    """What the page says about all images.

    Attributes:
        title: Whose results they are.
        made: When the page was made.
        prices_are_real: False with the fake Pixian, which makes its prices up.
    """

    title: str
    made: datetime
    prices_are_real: bool


def page(records: Sequence[Record], heading: Heading) -> str:
    """The page as HTML.

    Style and script are part of it, because browsers load no modules from files. Its content
    security policy lets it run only this script and load only pictures, and keeps it off the
    network.
    """
    style, script = _part("page.css"), _part("page.js")
    data = {
        "title": heading.title,
        "made": heading.made.isoformat(),
        "pricesAreReal": heading.prices_are_real,
        "records": [record.as_json() for record in records],
    }
    parts = {
        "POLICY": (
            f"default-src 'none'; img-src 'self' file:; style-src '{_hash(style)}'; "
            f"script-src '{_hash(script)}'; base-uri 'none'; form-action 'none'"
        ),
        "STYLE": style,
        "SCRIPT": script,
        "DATA": _json(data),
    }
    before, *rest = _part("page.html").split("{{")
    return before + "".join(
        parts[name] + after for name, after in (each.split("}}", 1) for each in rest)
    )


def _part(name: str) -> str:
    return (_HERE / name).read_text()


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _json(data: Any) -> str:  # noqa: ANN401 - JSON
    """JSON that is safe within a script element: no text of it can end the element."""
    text = json.dumps(data, ensure_ascii=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
