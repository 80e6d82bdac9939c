"""The configuration document as JSON Schema, for AppConfig's validator.

It uses draft 4, the version that AppConfig accepts inline. The schema checks each value on its own;
only `document.parse` finds combinations of values that have no effect.
"""

from typing import Any

from pixian_s3.attempt import MAX_CREDITS
from pixian_s3.config.document import BUDGET
from pixian_s3.config.parameters import PIPELINE, PIXIAN, Parameter

MAX_SCHEMA_CHARACTERS = 32_768
"""AppConfig's size limit for a JSON schema validator."""

_AMOUNT = {"anyOf": [{"type": "number", "minimum": 0, "maximum": MAX_CREDITS}, {"type": "null"}]}


def document_schema() -> dict[str, Any]:
    """The schema of the whole document."""
    return {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "title": "pixian-s3 configuration",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "defaults": {"$ref": "#/definitions/parameters"},
            "prefixes": {
                "type": "object",
                # Matches any prefix except the empty one.
                "patternProperties": {".": {"$ref": "#/definitions/parameters"}},
                "additionalProperties": False,
            },
            "paused": {"type": "boolean"},
            "budget": {
                "type": "object",
                "additionalProperties": False,
                "properties": dict.fromkeys(BUDGET, _AMOUNT),
            },
        },
        "definitions": {"parameters": _object(PIXIAN, pipeline=_object(PIPELINE))},
    }


def _object(rows: tuple[Parameter, ...], **more: dict[str, Any]) -> dict[str, Any]:
    properties = {row.name: _nullable(row) for row in rows}
    return {"type": "object", "additionalProperties": False, "properties": properties | more}


def _nullable(row: Parameter) -> dict[str, Any]:
    """The schema of one parameter; null resets it to its default."""
    schema = {"anyOf": [row.kind.schema, {"type": "null"}]}
    return schema if row.default is None else schema | {"default": row.default}
