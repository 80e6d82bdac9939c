from dataclasses import fields

import pytest
import requests

from local.fake_pixian import control
from local.fake_pixian.faults import CHECKS
from local.fake_pixian.service import Call
from tests.unit.fake_pixian.client import CAT, Client, error

START = {"concurrency_limit": None, "credits": "1000", "latency_seconds": 0}


def test_every_field_is_documented() -> None:
    for name in [*CHECKS, *control.READERS, *(each.name for each in fields(Call))]:
        assert f"`{name}`" in str(control.__doc__)


def test_settings_are_read_and_changed(client: Client) -> None:
    assert client.control("GET", "settings").json() == START
    changed = client.control("PUT", "settings", {"credits": "12.50", "concurrency_limit": 5})
    assert changed.json() == START | {"credits": "12.50", "concurrency_limit": 5}
    client.control("PUT", "settings", {"latency_seconds": 0.5, "concurrency_limit": None})
    assert client.control("GET", "settings").json() == START | {
        "credits": "12.50",
        "latency_seconds": 0.5,
    }


def test_calls_and_faults_can_be_deleted(client: Client) -> None:
    client.fault(status=500, times=None)
    client.cut_out(image=CAT)
    for path, name in {"ledger": "requests", "faults": "faults"}.items():
        assert len(client.control("GET", path).json()[name]) == 1
        assert client.control("DELETE", path).status_code == 204
        assert client.control("GET", path).json() == {name: []}


def test_reset(client: Client) -> None:
    client.fault(status=500, times=None)
    client.cut_out(image=CAT)
    client.control("PUT", "settings", {"credits": "1", "concurrency_limit": 1})
    client.control("POST", "reset")
    assert client.control("GET", "settings").json() == START
    assert client.control("GET", "faults").json() == {"faults": []}
    assert client.ledger() == []


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([1], "settings must be a JSON object"),
        ({"limit": 1}, "limit: unknown field"),
        ({"concurrency_limit": -1}, "concurrency_limit: "),
        ({"concurrency_limit": True}, "concurrency_limit: "),
        ({"credits": 10}, "credits: "),
        ({"credits": "ten"}, "credits: "),
        ({"credits": "NaN"}, "credits: "),
        ({"credits": "Infinity"}, "credits: "),
        ({"latency_seconds": "1"}, "latency_seconds: "),
        ({"latency_seconds": -1}, "latency_seconds: "),
        ({"credits": "5", "latency_seconds": -1}, "latency_seconds: "),
    ],
)
def test_bad_settings_change_nothing(client: Client, document: object, message: str) -> None:
    response = client.control("PUT", "settings", document)
    assert error(response)["message"].startswith(message)
    assert client.control("GET", "settings").json() == START


def test_a_bad_fault_is_answered_with_400(client: Client) -> None:
    response = client.control("POST", "faults", {"status": 99})
    assert error(response)["message"].startswith("status: ")
    url = client.stand_in.url + "/_control/faults"
    response = requests.post(url, data="status=429", timeout=30)
    assert error(response)["message"] == "the body must be a JSON object"
    assert client.control("GET", "faults").json() == {"faults": []}
