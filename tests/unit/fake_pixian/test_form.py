"""The image in a request, and `image.url`, which is fetched from this machine only."""

import base64
from pathlib import Path
from typing import Any

import pytest

from local.fake_pixian import StandIn, form
from local.fake_pixian.errors import FieldError
from local.fake_pixian.form import fetch
from tests.unit.fake_pixian.certificate import server_context
from tests.unit.fake_pixian.client import CAT, COFFEE, Client, error, site

UPLOAD = {"image": ("a.png", CAT)}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"files": UPLOAD, "params": {"test": "true"}}, "Parameters belong in the body"),
        ({"files": UPLOAD | {"mask": ("b.png", CAT)}}, "mask: not a file field"),
        ({"files": {"image.base64": ("a", CAT)}}, "image.base64: not a file field"),
        ({"data": {"image": "a.png"}}, "image: must be a file part"),
        ({"files": [("image", ("a.png", CAT))] * 2}, "Exactly one of"),
        ({"data": {"image.base64": "aGk=", "image.url": "http://127.0.0.1/"}}, "Exactly one of"),
        ({"data": {"image.base64": "not base64!"}}, "image.base64: not base64"),
        ({"data": {"image.base64": "aGk"}}, "image.base64: not base64"),
        ({"data": {"image.base64": "é"}}, "image.base64: not base64"),
        ({"data": {"image.base64": "A" * (1024 * 1024 + 4)}}, "image.base64: longer than 1 MB"),
        ({"data": {"image.base64": ""}}, "Failed to read"),
        ({"data": {"image.url": ""}}, "Failed to read"),
        ({"data": b"--x", "headers": {"Content-Type": "multipart/form-data"}}, "Exactly one of"),
    ],
)
def test_bad_forms(client: Client, arguments: dict[str, Any], message: str) -> None:
    details = error(client.post(**arguments))
    assert details["status"] == 400
    assert details["message"].startswith(message)


@pytest.mark.parametrize("kind", ["application/json", "image/png", ""])
def test_other_content_types(client: Client, kind: str) -> None:
    response = client.post(data=CAT, headers={"Content-Type": kind})
    assert error(response)["code"] == 4150


def test_a_url_encoded_form_is_accepted_as_in_pixians_example(client: Client) -> None:
    text = base64.b64encode(CAT).decode()
    with site(CAT) as here:
        for fields in ({"image.url": here.url}, {"image.base64": text}):
            assert client.post(data=fields | {"test": "true"}).status_code == 200
    assert [call["input"] for call in client.ledger()] == ["url", "base64"]


def test_the_address_is_asked_for_as_it_is() -> None:
    with site() as here:
        assert fetch(f"{here.url}/a%20b.png?x=1", None) == COFFEE
        assert here.paths == ["/a%20b.png?x=1"]


def test_tls_is_verified_with_the_bundle(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    with site(tls=server_context(bundle)) as here, StandIn(ca_bundle=str(bundle)) as stand_in:
        assert Client(stand_in).post(data={"image.url": here.url}).status_code == 200
        with pytest.raises(FieldError, match="SSLError"):
            fetch(here.url, None)


LOOPBACK = r"image\.url: this server fetches only from loopback"
SCHEME = r"image\.url: must be http or https"
NO_URL = r"image\.url: not a URL"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://example.com/a.png", LOOPBACK),
        ("https://10.0.0.1/a.png", LOOPBACK),
        ("http://169.254.169.254/latest", LOOPBACK),
        ("http://0.0.0.0/", LOOPBACK),
        ("http://127.0.0.1@example.com/", LOOPBACK),
        ("http://localhost.example.com/", LOOPBACK),
        ("http:///a.png", LOOPBACK),
        ("a.png", SCHEME),
        ("ftp://127.0.0.1/a", SCHEME),
        ("file:///etc/passwd", SCHEME),
        ("data:,x", SCHEME),
        ("http://[::1/a", NO_URL),
        ("http://127.0.0.1:port/", NO_URL),
    ],
)
def test_addresses_that_are_refused(url: str, message: str) -> None:
    with pytest.raises(FieldError, match=message):
        fetch(url, None)


@pytest.mark.parametrize(("path", "status"), [("gone", 404), ("moved", 302)])
def test_only_status_200_is_accepted(path: str, status: int) -> None:
    with site() as here, pytest.raises(FieldError, match=str(status)):
        fetch(f"{here.url}/{path}", None)


def test_a_closed_port() -> None:
    with site() as here:
        pass
    with pytest.raises(FieldError, match="ConnectionError"):
        fetch(here.url, None)


def test_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(form, "MAX_BYTES", 1000)
    with site() as here, pytest.raises(FieldError, match="too large"):
        fetch(here.url, None)
