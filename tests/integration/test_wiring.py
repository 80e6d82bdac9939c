"""The environment, and what is made of it."""

from dataclasses import fields

import pytest

from pixian_s3 import wiring
from pixian_s3.wiring import Environment
from tests.integration.world import Context, World

NAMES = [field.name for field in fields(Environment)]
COMPLETE = {name.upper(): f"the {name}" for name in NAMES}


def test_each_field_is_the_variable_of_its_name() -> None:
    read = Environment.read(COMPLETE | {"PATH": "/bin"})
    assert {name: getattr(read, name) for name in NAMES} == {name: f"the {name}" for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_variable_is_named(name: str) -> None:
    incomplete = {key: value for key, value in COMPLETE.items() if key != name.upper()}
    with pytest.raises(KeyError, match=name.upper()):
        Environment.read(incomplete)


def test_services_are_made_once_a_process(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in world.variables().items():
        monkeypatch.setenv(name, value)
    wiring._processor.cache_clear()
    assert wiring.processor(Context()).buckets is wiring.processor(Context()).buckets
    wiring._processor.cache_clear()
