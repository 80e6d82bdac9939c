"""Secrets in text that others wrote."""

import base64
import html
import json
from urllib.parse import quote

import pytest

from pixian_s3.pixian.credentials import Credentials
from pixian_s3.pixian.inputs import Url
from pixian_s3.pixian.redaction import redacted

SECRET = 'p+ss/w"rd='
CREDENTIALS = Credentials("me", SECRET)
BASIC = base64.b64encode(f"me:{SECRET}".encode()).decode()
QUERY = "X-Amz-Credential=ASIAEXAMPLEEXAMPLE%2F20261123&X-Amz-Signature=0123456789abcdef"
ADDRESS = f"https://s3.example/a.jpg?{QUERY}"


@pytest.mark.parametrize(
    "quoted",
    [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe="").lower(),
        json.dumps(SECRET)[1:-1],
        base64.b64encode(SECRET.encode()).decode(),
        f"Basic {BASIC}",
        BASIC.rstrip("="),
        quote(BASIC, safe=""),
        BASIC.replace("/", "\\/"),
        r"p\u002Bss\u002Fw\u0022rd\u003D",
        html.escape(SECRET),
        base64.urlsafe_b64encode(SECRET.encode()).decode(),
    ],
)
def test_no_form_of_the_secret_is_left(quoted: str) -> None:
    left = redacted(f"no {quoted} here", CREDENTIALS.secrets())
    assert left.replace("Basic ", "").replace("%3D", "").replace("=", "") == "no … here"


@pytest.mark.parametrize(
    "quoted", [ADDRESS, quote(ADDRESS), quote(ADDRESS, safe=""), html.escape(ADDRESS)]
)
def test_a_signed_address_loses_all_that_signs_it(quoted: str) -> None:
    assert "X-Amz" not in redacted(f"can't fetch {quoted}", Url(ADDRESS).secrets())


def test_an_address_taken_apart_loses_its_values() -> None:
    left = redacted(ADDRESS.replace("&", " and "), Url(ADDRESS).secrets())
    assert left == "https://s3.example/a.jpg?X-Amz-Credential=… and X-Amz-Signature=…"


def test_without_secrets_a_text_stays_as_it_is() -> None:
    assert redacted("as it is", []) == "as it is"
