"""What is written down, what is charged, how many at once."""

import base64
import hashlib
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from tests.unit.fake_pixian.client import CAT, COFFEE, Client, error, site


def test_an_entry(client: Client) -> None:
    fields = {"background.color": "#FFFFFF", "result.margin": "1px"}
    response = client.cut_out(fields, name="shoes/è ñ.jpg")
    [entry] = client.ledger()
    assert entry.pop("arrived_at") < entry.pop("finished_at")
    assert int(entry.pop("id")) > 0
    assert entry == {
        "filename": "shoes/è ñ.jpg",
        "sha256": hashlib.sha256(COFFEE).hexdigest(),
        "input": "upload",
        "parameters": fields,
        "test": False,
        "status": 200,
        "fault": None,
        "credits_charged": response.headers["X-Credits-Charged"],
        "credits_calculated": response.headers["X-Credits-Charged"],
        "parallel": 1,
    }


def test_a_test_and_an_error_cost_nothing(client: Client) -> None:
    calculated = client.cut_out({"test": "true"}).headers["X-Credits-Calculated"]
    client.cut_out({"test": "maybe"})
    tested, failed = client.ledger()
    assert (tested["test"], tested["credits_charged"]) == (True, "0")
    assert tested["credits_calculated"] == calculated
    assert (failed["status"], failed["credits_charged"]) == (400, "0")
    assert failed["parameters"] == {"test": "maybe"}


def test_requests_stand_in_order_of_arrival_until_deleted(client: Client) -> None:
    for name in ("a", "b", "c"):
        client.cut_out({"bad": "1"}, image=CAT, name=name)
    assert [entry["filename"] for entry in client.ledger()] == ["a", "b", "c"]
    assert client.control("DELETE", "ledger").status_code == 204
    assert client.ledger() == []


def test_refused_ones_are_there_too_and_never_the_credentials(client: Client) -> None:
    client.post(files={"image": ("a.png", CAT)}, auth=("somebody", "secretive"))
    client.post(data="x", headers={"Content-Type": "text/plain"})
    client.cut_out({"test": "true"})
    assert [entry["status"] for entry in client.ledger()] == [401, 415, 200]
    text = client.control("GET", "ledger").text
    for secret in ("somebody", "secretive", client.stand_in.api_secret):
        assert secret not in text
        assert base64.b64encode(secret.encode()).decode().rstrip("=")[:-2] not in text


def test_the_balance_falls_by_what_is_charged_however_many_at_once(client: Client) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: client.cut_out(image=CAT), range(5)))
    charged = [Decimal(entry["credits_charged"]) for entry in client.ledger()]
    assert len(charged) == 5
    assert Decimal(client.balance()) == 1000 - sum(charged)


def test_a_larger_image_costs_more_and_max_pixels_saves(client: Client) -> None:
    costs = [
        Decimal(client.cut_out(fields).headers["X-Credits-Charged"])
        for fields in ({"max_pixels": "100"}, {})
    ]
    assert costs == sorted(set(costs))


@pytest.mark.parametrize("limit", [1, 2])
def test_more_parallel_calls_than_the_limit_get_429(client: Client, limit: int) -> None:
    client.control("PUT", "settings", {"concurrency_limit": limit})
    with site(CAT, hold=True) as here, ThreadPoolExecutor(limit) as pool:
        held = []
        for _ in range(limit):
            here.asked.clear()
            held.append(pool.submit(client.post, data={"image.url": here.url}))
            assert here.asked.wait(30)
        response = client.cut_out(image=CAT)
        assert (response.status_code, error(response)["code"]) == (429, 4290)
        here.released.set()
        assert [call.result().status_code for call in held] == [200] * limit
    assert client.cut_out(image=CAT).status_code == 200
    assert [entry["parallel"] for entry in client.ledger()] == [*range(1, limit + 2), 1]


def test_a_limit_of_none(client: Client) -> None:
    client.control("PUT", "settings", {"concurrency_limit": 0})
    assert client.cut_out(image=CAT).status_code == 429
    client.control("PUT", "settings", {"concurrency_limit": None})
    assert client.cut_out(image=CAT).status_code == 200
