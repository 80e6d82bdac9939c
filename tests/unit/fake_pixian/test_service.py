"""Prices, balance, and the ledger of calls."""

import base64
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from local.fake_pixian.errors import ApiError
from local.fake_pixian.service import Account, made_up_price
from tests.unit.fake_pixian.client import CAT, Client, error, site


def test_the_made_up_price_rises_with_the_pixels() -> None:
    assert [made_up_price(n) for n in (100, 240_000)] == [Decimal("0.2120"), Decimal("0.2209")]


def test_concurrent_charges_add_up_and_the_balance_is_the_limit() -> None:
    account = Account(Decimal(5))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(account.charge, [Decimal("0.01")] * 500))
    assert account.balance == 0
    with pytest.raises(ApiError, match="No usable credits"):
        account.charge(Decimal("0.01"))


def test_refused_calls_are_recorded_and_credentials_are_not(client: Client) -> None:
    client.post(files={"image": ("a.png", CAT)}, auth=("somebody", "secretive"))
    client.post(data="x", headers={"Content-Type": "text/plain"})
    client.cut_out({"test": "maybe"})
    tested = client.cut_out({"test": "true"})
    calls = client.ledger()
    assert [call["status"] for call in calls] == [401, 415, 400, 200]
    assert {call["credits_charged"] for call in calls} == {"0"}
    assert calls[-1]["credits_calculated"] == tested.headers["X-Credits-Calculated"]
    assert all(call["arrived_at"] <= call["finished_at"] for call in calls)
    text = client.control("GET", "ledger").text
    for secret in ("somebody", "secretive", client.stand_in.api_secret):
        assert secret not in text
        assert base64.b64encode(secret.encode()).decode().rstrip("=")[:-2] not in text


@pytest.mark.parametrize("limit", [1, 2])
def test_more_calls_at_a_time_than_the_limit_get_429(client: Client, limit: int) -> None:
    client.control("PUT", "settings", {"concurrency_limit": limit})
    with site(CAT, hold=True) as here, ThreadPoolExecutor(limit) as pool:
        held = []
        for _ in range(limit):
            here.asked.clear()
            held.append(pool.submit(client.post, data={"image.url": here.url}))
            assert here.asked.wait(30)
        assert error(client.cut_out(image=CAT))["code"] == 4290
        here.released.set()
        assert [call.result().status_code for call in held] == [200] * limit
    assert client.cut_out(image=CAT).status_code == 200
    assert [call["parallel"] for call in client.ledger()] == [*range(1, limit + 2), 1]
