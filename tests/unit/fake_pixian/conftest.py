from collections.abc import Iterator

import pytest

from local.fake_pixian import StandIn
from tests.unit.fake_pixian.client import Client


@pytest.fixture(scope="module")
def stand_in() -> Iterator[StandIn]:
    with StandIn() as stand_in:
        yield stand_in


@pytest.fixture
def client(stand_in: StandIn) -> Iterator[Client]:
    client = Client(stand_in)
    yield client
    assert client.control("POST", "reset").status_code == 204
