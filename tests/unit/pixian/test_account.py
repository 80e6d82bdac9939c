"""What the balance is taken from, and that nothing odd gets further than a message."""

import base64
import gzip
from collections.abc import Iterator
from decimal import Decimal

import pytest
from flask import Flask, Response, request

from pixian_s3.errors import Unavailable
from pixian_s3.pixian.account import TOTAL_SECONDS, account_url, credits_left
from pixian_s3.pixian.credentials import Credentials
from tests.builders import nobody
from tests.integration.servers import serve

WHO = Credentials("me", "s3cr3t-of-the-tests")
SENT = base64.b64encode(b"me:s3cr3t-of-the-tests").decode()


class Account:
    """A service on loopback that answers each request with `answer`."""

    def __init__(self) -> None:
        self.url = ""
        self.answer: Response | str = ""
        self.asked: list[tuple[str, str | None]] = []

    def app(self) -> Flask:
        app = Flask("account")

        @app.route("/<path:path>")
        def _any(path: str) -> Response | str:
            self.asked.append((path, request.headers.get("Authorization")))
            return self.answer

        return app


@pytest.fixture
def account() -> Iterator[Account]:
    account = Account()
    with serve(account.app()) as account.url:
        yield account


def problem(endpoint: str, **more: object) -> str:
    with pytest.raises(Unavailable) as raised:
        credits_left(endpoint, WHO, **more)  # type: ignore[arg-type]
    return str(raised.value)


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("https://api.pixian.ai", "https://api.pixian.ai/api/v2/account"),
        ("https://api.pixian.ai/", "https://api.pixian.ai/api/v2/account"),
        ("https://proxy/pixian/v2/remove-background", "https://proxy/pixian/v2/account"),
    ],
)
def test_the_account_is_beside_remove_background(endpoint: str, url: str) -> None:
    assert account_url(endpoint) == url


@pytest.mark.parametrize(
    ("text", "credits_"), [("12.3456", "12.3456"), ("7", "7"), ("0", "0"), ("1e3", "1000")]
)
def test_the_credits_are_read_to_four_places(account: Account, text: str, credits_: str) -> None:
    account.answer = '{"creditPack": "x", "state": "active", "credits": ' + text + "}"
    assert credits_left(account.url, WHO) == Decimal(credits_)
    assert account.asked == [("api/v2/account", f"Basic {SENT}")]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<!doctype html><title>Hello</title>",
        "null",
        "[1]",
        "{}",
        '{"credits": null}',
        '{"credits": true}',
        '{"credits": "12"}',
        '{"credits": {}}',
        '{"credits": -1}',
        '{"credits": -0.01}',
        '{"credits": NaN}',
        '{"credits": Infinity}',
        '{"credits": 1e999999}',
        '{"credits": ' + "9" * 5000 + "}",
        "[" * 60_000,
        "\x00",
        '{"credits": 1' + " " * 70_000 + "}",
    ],
)
def test_another_answer_is_no_balance(account: Account, body: str) -> None:
    account.answer = body
    assert problem(account.url).startswith(("Pixian's answer is", "In Pixian's answer, "))


def test_text_that_is_not_utf_8_is_no_balance(account: Account) -> None:
    account.answer = Response(b'{"credits": "\xff"}')
    assert problem(account.url) == "Pixian's answer isn't JSON with the credits."


@pytest.mark.parametrize("status", [204, 301, 401, 404, 429, 500, 503])
def test_another_status_is_no_balance(account: Account, status: int) -> None:
    account.answer = Response(f'{{"credits": 1, "me": "{SENT}"}}', status, {"Location": "/else"})
    assert problem(account.url) == f"Pixian answered {status}."
    # And nobody else is asked, nor told the credentials.
    assert len(account.asked) == 1


def test_where_nobody_answers_there_is_no_balance() -> None:
    with nobody() as url:
        assert problem(url) == "The request failed: Connection refused."


@pytest.mark.parametrize("endpoint", ["https://", "http://[", "http://a b"])
def test_where_the_endpoint_is_no_address_there_is_no_balance(endpoint: str) -> None:
    assert problem(endpoint).startswith("The request failed: ")


def test_an_answer_that_comes_too_late_is_no_balance(account: Account) -> None:
    account.answer = '{"credits": 1}'
    moments = iter([0.0])
    assert problem(account.url, monotonic=lambda: next(moments, TOTAL_SECONDS)) == (
        "The request failed: The answer arrived too slowly."
    )


def test_no_answer_is_waited_for_longer_than_five_seconds() -> None:
    assert TOTAL_SECONDS <= 5


def test_a_packed_answer_is_not_unpacked(account: Account) -> None:
    account.answer = Response(
        gzip.compress(b'{"credits": 1}'), headers={"Content-Encoding": "gzip"}
    )
    assert problem(account.url) == "Pixian's answer isn't JSON with the credits."


@pytest.mark.parametrize("text", ["0." + "1234567890" * 20, "1e-400"])
def test_the_credits_have_no_more_digits_than_can_be_stored(account: Account, text: str) -> None:
    account.answer = '{"credits": ' + text + "}"
    assert str(credits_left(account.url, WHO)) in {"0.1235", "0.0000"}
