"""What images will cost, by what Pixian says about some of them."""

import random
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask, Response, request

from admin.quote import (
    Estimate,
    NoPrice,
    NoPrices,
    Pixian,
    Stratum,
    estimate,
    t_quantile,
)
from admin.stack import prices_are_real
from pixian_s3.pixian.credentials import Credentials
from tests.builders import fresh_seed, nobody
from tests.integration.servers import serve

CREDENTIALS = Credentials("me", "the-secret")


class Service:
    """Pixian; `statuses` are those of the next answers, `account` is the body about it."""

    def __init__(self) -> None:
        self.url = ""
        self.statuses: list[int] = []
        self.headers = {"X-Credits-Calculated": "0.25"}
        self.account: str = '{"credits": 12.3}'
        self.calls: list[dict[str, Any]] = []

    def app(self) -> Flask:
        app = Flask("pixian")

        @app.post("/api/v2/remove-background")
        def _price() -> Response:
            image = request.files["image"]
            self.calls.append(
                {
                    **request.form,
                    "image": (image.filename, image.content_type, image.read()),
                    "who": request.authorization and request.authorization.username,
                }
            )
            return Response("", self.statuses.pop(0) if self.statuses else 200, self.headers)

        @app.get("/api/v2/account")
        def _account() -> Response:
            return Response(self.account, self.statuses.pop(0) if self.statuses else 200)

        return app


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    with serve(service.app()) as service.url:
        yield service


def pixian(service: Service, waits: list[float] | None = None) -> Pixian:
    return Pixian(service.url, CREDENTIALS, sleep=([] if waits is None else waits).append)


def test_the_price_is_asked_for_in_test_mode_with_the_parameters_of_the_key(
    service: Service,
) -> None:
    form = {"max_pixels": "1000", "test": "false"}
    assert pixian(service).price("a/b é.jpg", b"picture", form).credits == Decimal("0.25")
    (call,) = service.calls
    assert call == {
        "max_pixels": "1000",
        "test": "true",
        "image": ("b é.jpg", "image/jpeg", b"picture"),
        "who": "me",
    }


def test_after_a_429_it_waits_as_pixian_asks(service: Service) -> None:
    service.statuses, waits = [429, 429], list[float]()
    assert pixian(service, waits).price("a.jpg", b"", {}).credits == Decimal("0.25")
    assert waits == [5, 10]


@pytest.mark.parametrize("status", [400, 422, 500, 503])
def test_an_image_that_pixian_refuses_has_no_price(service: Service, status: int) -> None:
    service.statuses = [status]
    with pytest.raises(NoPrice, match=str(status)):
        pixian(service).price("a.heic", b"", {})


@pytest.mark.parametrize("status", [401, 402, 403, 404])
def test_if_the_account_is_at_fault_no_more_are_asked_about(service: Service, status: int) -> None:
    service.statuses = [status]
    with pytest.raises(NoPrices, match=str(status)):
        pixian(service).price("a.jpg", b"", {})


@pytest.mark.parametrize("says", ["", "much", "NaN", "Infinity"])
def test_a_price_that_is_no_number_is_none(service: Service, says: str) -> None:
    service.headers = {"X-Credits-Calculated": says}
    with pytest.raises(NoPrice, match="X-Credits-Calculated"):
        pixian(service).price("a.jpg", b"", {})


def test_an_endpoint_where_nobody_answers_names_no_price_and_no_secret() -> None:
    with nobody() as url:
        service = Pixian(url, CREDENTIALS)
        with pytest.raises(NoPrice) as raised:
            service.price("a.jpg", b"", {})
        assert service.balance() is None
    assert CREDENTIALS.api_secret not in str(raised.value)
    assert raised.value.__cause__ is None


@pytest.mark.parametrize(
    ("says", "balance"),
    [
        ('{"credits": 12.3, "state": "active"}', Decimal("12.3")),
        ('{"credits": "12.3"}', Decimal("12.3")),
        ('{"credits": 12}', Decimal(12)),
        ('{"credits": null}', None),
        ('{"credits": true}', None),
        ('{"credits": NaN}', None),
        ("[]", None),
        ("{}", None),
        ("<html>", None),
    ],
)
def test_the_balance_is_unknown_if_the_answer_is_odd(
    service: Service, says: str, balance: Decimal | None
) -> None:
    service.account = says
    assert pixian(service).balance() == balance


def test_the_balance_is_unknown_if_the_endpoint_does_not_exist(service: Service) -> None:
    service.statuses = [404]
    assert pixian(service).balance() is None


def test_prices_of_a_service_on_this_machine_are_made_up() -> None:
    assert not prices_are_real("http://127.0.0.1:5000")
    assert not prices_are_real("http://localhost:5000/api")
    assert prices_are_real("https://api.pixian.ai")


@pytest.mark.parametrize(
    ("freedom", "quantile"),
    [(1, 12.706), (2, 4.303), (3, 3.182), (5, 2.571), (10, 2.228), (19, 2.093), (100, 1.984)],
)
def test_quantiles_are_those_of_the_tables(freedom: int, quantile: float) -> None:
    assert t_quantile(freedom) == pytest.approx(quantile, rel=0.01)


def decimals(*prices: float) -> list[Decimal]:
    return [Decimal(str(price)) for price in prices]


def test_if_every_image_was_sampled_the_sum_is_exact() -> None:
    assert estimate([Stratum(2, decimals(1, 2)), Stratum(1, decimals(4))]) == Estimate(
        Decimal("7.0"), Decimal("7.0"), Decimal("7.0")
    )


def test_the_interval_is_students() -> None:
    # By hand: 100 · 2 = 200; s² = 1; half = 4.303 · 100 · sqrt(0.97 / 3) = 244.7
    found = estimate([Stratum(100, decimals(1, 2, 3))])
    assert found == Estimate(Decimal("200.0"), Decimal("0.0"), Decimal("444.7"))


def test_one_image_of_many_tells_nothing_about_the_interval() -> None:
    assert estimate([Stratum(10, decimals(2))]) == Estimate(Decimal("20.0"), None, None)


def test_nothing_is_known_if_a_prefix_has_no_price() -> None:
    assert estimate([Stratum(10, decimals(2, 3)), Stratum(1, [])]) is None


@pytest.mark.parametrize("seed", [fresh_seed()])
def test_the_interval_holds_the_sum_as_often_as_it_says(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - not for security
    groups = [
        decimals(*(round(rng.gauss(mean, mean / 4), 4) for _ in range(number)))
        for mean, number in ((1, 60), (5, 400))
    ]
    truth, runs, inside = sum(sum(group) for group in groups), 600, 0
    for _ in range(runs):
        found = estimate([Stratum(len(group), rng.sample(group, 20)) for group in groups])
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        inside += found.low <= truth <= found.high
    # Four standard deviations of a binomial around 95 %, rounded down.
    assert 0.91 <= inside / runs <= 0.99


def test_a_balance_is_asked_for_only_where_the_account_endpoint_is_known(service: Service) -> None:
    full = f"{service.url}/api/v2/remove-background"
    assert Pixian(full, CREDENTIALS).balance() == Decimal("12.3")
    assert Pixian(f"{service.url}/proxy", CREDENTIALS).balance() is None
