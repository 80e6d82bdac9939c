"""`image.url` reaches this machine only, within bounds."""

from pathlib import Path

import pytest

from local.fake_pixian import StandIn, form
from local.fake_pixian.errors import FieldError
from local.fake_pixian.form import fetch
from tests.unit.fake_pixian.certificate import server_context
from tests.unit.fake_pixian.client import COFFEE, Client, error, site


def test_it_fetches() -> None:
    with site() as here:
        assert fetch(f"{here.url}/a%20b.png?x=1", None) == COFFEE
        assert here.paths == ["/a%20b.png?x=1"]


def test_tls_is_verified_with_the_bundle(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    with site(tls=server_context(bundle)) as here:
        assert fetch(here.url, str(bundle)) == COFFEE
        with pytest.raises(FieldError, match="SSLError"):
            fetch(here.url, None)


def test_the_stand_in_takes_the_bundle(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    with site(tls=server_context(bundle)) as here, StandIn(ca_bundle=str(bundle)) as stand_in:
        assert Client(stand_in).post(data={"image.url": here.url}).status_code == 200


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/a.png",
        "https://10.0.0.1/a.png",
        "http://169.254.169.254/latest",
        "http://0.0.0.0/",
        "http://127.0.0.1@example.com/",
        "http://localhost.example.com/",
        "http:///a.png",
    ],
)
def test_other_hosts_are_refused(url: str) -> None:
    with pytest.raises(FieldError, match=r"image\.url: this server fetches only from loopback"):
        fetch(url, None)


@pytest.mark.parametrize("url", ["", "a.png", "ftp://127.0.0.1/a", "file:///etc/passwd", "data:,x"])
def test_other_schemes_are_refused(url: str) -> None:
    with pytest.raises(FieldError, match=r"image\.url: must be http or https"):
        fetch(url, None)


@pytest.mark.parametrize("url", ["http://[::1/a", "http://127.0.0.1:port/"])
def test_no_url(url: str) -> None:
    with pytest.raises(FieldError, match=r"image\.url: not a URL"):
        fetch(url, None)


@pytest.mark.parametrize(("path", "status"), [("gone", 404), ("moved", 302)])
def test_only_200_counts(path: str, status: int) -> None:
    with site() as here, pytest.raises(FieldError, match=str(status)):
        fetch(f"{here.url}/{path}", None)


def test_nobody_there() -> None:
    with site() as here:
        pass
    with pytest.raises(FieldError, match="ConnectionError"):
        fetch(here.url, None)


def test_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(form, "MAX_BYTES", 1000)
    with site() as here, pytest.raises(FieldError, match="too large"):
        fetch(here.url, None)


def test_a_failed_fetch_is_a_400(client: Client) -> None:
    with site() as here:
        response = client.post(data={"image.url": f"{here.url}/gone"})
    assert error(response)["message"] == "image.url: answered with status 404"


def test_an_empty_url_is_a_400(client: Client) -> None:
    assert error(client.post(data={"image.url": ""}))["status"] == 400


def test_nothing_is_fetched_for_a_stranger(client: Client) -> None:
    with site() as here:
        assert client.post(data={"image.url": here.url}, auth=("a", "b")).status_code == 401
        assert here.paths == []
