"""The configuration document as JSON Schema, for AppConfig's validator and for editors.

Draft 4, the one that AppConfig takes inline. It knows each value's form; which combinations have no
effect only `configuration.parse` can tell.
"""

from typing import Any

from pixian_s3.config.parameters import PIPELINE, PIXIAN, Parameter

MAX_SCHEMA_CHARACTERS = 32_768
"""AppConfig's limit for a validator."""


def document_schema() -> dict[str, Any]:
    """The schema of a whole document."""
    return {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "title": "pixian-s3 configuration",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "defaults": {"$ref": "#/definitions/parameters"},
            "prefixes": {
                "type": "object",
                # Every key that isn't empty.
                "patternProperties": {".": {"$ref": "#/definitions/parameters"}},
                "additionalProperties": False,
            },
        },
        "definitions": {"parameters": _object(PIXIAN, pipeline=_object(PIPELINE))},
    }


def _object(rows: tuple[Parameter, ...], **more: dict[str, Any]) -> dict[str, Any]:
    properties = {row.name: _nullable(row) for row in rows}
    return {"type": "object", "additionalProperties": False, "properties": properties | more}


def _nullable(row: Parameter) -> dict[str, Any]:
    """null takes a value back to its default."""
    described = {"description": row.description, "anyOf": [row.kind.schema, {"type": "null"}]}
    return described if row.default is None else described | {"default": row.default}
