"""The image in a request, and `image.url`, which is fetched from this machine only."""

import base64
import hashlib
from pathlib import Path
from typing import Any

import pytest

from local.fake_pixian import StandIn, form
from local.fake_pixian.errors import FieldError
from local.fake_pixian.form import fetch
from local.fake_pixian.parameters import FIELDS
from tests.unit.fake_pixian.certificate import server_context
from tests.unit.fake_pixian.client import CAT, COFFEE, Client, error, site

UPLOAD = {"image": ("a.png", CAT)}
TEXT = base64.b64encode(CAT).decode()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"files": UPLOAD, "data": {"test": "true"}, "params": {"test": "true"}}, "test: repeated"),
        ({"files": UPLOAD, "params": {"max_pixels": "1"}}, "max_pixels: must be"),
        ({"files": UPLOAD, "params": {"image.url": "http://127.0.0.1/"}}, "Exactly one of"),
        ({"files": UPLOAD | {"mask": ("b.png", CAT)}}, "mask: not a file field"),
        ({"files": {"image.base64": ("a", CAT)}}, "image.base64: not a file field"),
        ({"data": {"image": "a.png"}}, "image: must be a file part"),
        ({"files": [("image", ("a.png", CAT))] * 2}, "Exactly one of"),
        ({"data": {"image.base64": "aGk=", "image.url": "http://127.0.0.1/"}}, "Exactly one of"),
        ({"data": {"image.base64": "not base64!"}}, "image.base64: not base64"),
        ({"data": {"image.base64": "aGk"}}, "image.base64: not base64"),
        ({"data": {"image.base64": "-_=="}}, "image.base64: not base64"),
        ({"data": {"image.base64": "aG k="}}, "image.base64: not base64"),
        ({"data": {"image.base64": f"data:image/png;base64,{TEXT}"}}, "image.base64: not base64"),
        ({"data": {"image.url": f"data:image/png;base64,{TEXT}"}}, "image.url: must be http"),
        ({"data": {"image.base64": "é"}}, "image.base64: not base64"),
        ({"data": {"image.base64": "A" * (1024 * 1024 + 4)}}, "image.base64: longer than 1 MB"),
        ({"data": {"image.base64": "", "image.url": ""}}, "Exactly one of"),
        ({"data": {"image.base64": "\r\n"}}, "Failed to read"),
        ({"files": {"image": ("a.png", b"")}}, "Failed to read"),
        ({"files": UPLOAD, "data": {"bg.color": ""}}, "bg.color: unknown field"),
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
    with site(CAT) as here:
        for fields in ({"image.url": here.url}, {"image.base64": TEXT}):
            assert client.post(data=fields | {"test": "true"}).status_code == 200
    assert [call["input"] for call in client.ledger()] == ["url", "base64"]


def test_parameters_in_the_query_count_and_other_names_there_dont(client: Client) -> None:
    query = {"test": "true", "max_pixels": "1000", "csrfToken": "0123-abcd"}
    response = client.cut_out(image=CAT, params=query)
    width, height = map(int, response.headers["X-Result-Size"].split())
    assert width * height <= 1000
    assert response.headers["X-Credits-Charged"] == "0"
    [call] = client.ledger()
    assert (call["test"], call["parameters"]) == (True, {"test": "true", "max_pixels": "1000"})


def test_base64_may_have_line_breaks(client: Client) -> None:
    response = client.post(data={"image.base64": base64.encodebytes(CAT).replace(b"\n", b"\r\n")})
    assert response.status_code == 200
    assert client.ledger()[0]["sha256"] == hashlib.sha256(CAT).hexdigest()


def test_an_empty_field_counts_as_none(client: Client) -> None:
    names = ("image.base64", "image.url", "test", *FIELDS)
    response = client.cut_out(dict.fromkeys(names, ""), image=CAT)
    assert response.headers["Content-Type"] == "image/png"
    assert response.headers["X-Credits-Charged"] != "0"


@pytest.mark.parametrize("filename", [' filename=""', ""])
def test_a_form_in_which_no_file_was_chosen(client: Client, filename: str) -> None:
    part = f'--x\r\nContent-Disposition: form-data; name="{{}}";{filename}\r\n\r\n{{}}\r\n'
    body = part.format("image", "") + '--x\r\nContent-Disposition: form-data; name="image.base64"'
    body += f"\r\n\r\n{TEXT}\r\n--x--\r\n"
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    assert client.post(data=body, headers=kind).status_code == 200


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
