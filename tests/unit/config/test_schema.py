"""The schema that AppConfig checks documents by."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from jsonschema import Draft4Validator

from pixian_s3.config.document import parse
from pixian_s3.config.schema import MAX_SCHEMA_CHARACTERS, document_schema
from pixian_s3.errors import InvalidConfiguration
from tests.unit.documents import DOCUMENTS

VALIDATOR = Draft4Validator(document_schema())


def test_it_is_a_schema_that_appconfig_takes() -> None:
    Draft4Validator.check_schema(document_schema())
    assert len(json.dumps(document_schema())) <= MAX_SCHEMA_CHARACTERS


def test_its_patterns_need_no_particular_engine() -> None:
    # AppConfig doesn't say which one it has. One without lookaround would refuse any document.
    patterns = re.findall(r'"pattern": "((?:[^"\\]|\\.)*)"', json.dumps(document_schema()))
    assert len(patterns) >= 4
    assert not [pattern for pattern in patterns if re.search(r"\(\?(?!:)|\\\\[1-9bBAZ]", pattern)]


@given(DOCUMENTS)
def test_valid_documents_are_valid_by_it(document: dict[str, Any]) -> None:
    VALIDATOR.validate(document)


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"default": {}},
        {"defaults": {"tst": True}},
        {"defaults": {"test": "true"}},
        {"defaults": {"max_pixels": 99}},
        {"defaults": {"max_pixels": True}},
        {"defaults": {"background.color": "FFFFFF"}},
        {"defaults": {"result.margin": "5"}},
        {"defaults": {"pipeline.enabled": True}},
        {"defaults": {"pipeline": {"result_key": "{path}{stem}"}}},
        {"defaults": {"pipeline": {"result_key": "{path}{suffix}"}}},
        {"defaults": {"pipeline": {"result_key": "{stem}{stem"}}},
        {"defaults": {"pipeline": {"result_key": "{nothing}{stem}{suffix}"}}},
        {"prefixes": {"": {}}},
        {"paused": "yes"},
        {"budget": 500},
        {"budget": {"credits_per_week": 1}},
        {"budget": {"credits_per_day": -1}},
        {"budget": {"credits_per_day": True}},
        {"budget": {"credits_per_day": "500"}},
        {"budget": {"credits_per_month": 2e9}},
        {"prefixes": {"a/": {"output.format": "gif"}}},
    ],
)
def test_what_the_program_refuses_it_refuses_too(document: Any) -> None:
    assert not VALIDATOR.is_valid(document)
    with pytest.raises(InvalidConfiguration):
        parse(json.dumps(document))
