"""The calls that the vendor's page shows."""

import base64
import subprocess
from pathlib import Path
from shutil import which

import pytest
import requests

from tests.unit.fake_pixian.client import CAT, Client, opened, site

CURL = which("curl") or ""
needs_curl = pytest.mark.skipif(not CURL, reason="curl is not installed")


def curl(client: Client, *form: str, out: Path) -> bytes:
    fields = [word for field in form for word in ("-F", field)]
    user = ":".join(client.auth)
    subprocess.run(
        [CURL, "--silent", "--fail", client.endpoint, "-u", user, *fields, "-o", out], check=True
    )
    return out.read_bytes()


@needs_curl
def test_curl_uploads_a_file(client: Client, tmp_path: Path) -> None:
    (tmp_path / "èxample.png").write_bytes(CAT)
    result = curl(client, f"image=@{tmp_path}/èxample.png", out=tmp_path / "result.png")
    assert result.startswith(b"\x89PNG")
    assert client.ledger()[0]["filename"] == "èxample.png"


@needs_curl
def test_curl_names_a_url(client: Client, tmp_path: Path) -> None:
    with site() as here:
        url = f"image.url={here.url}/example.png"
        assert curl(client, url, out=tmp_path / "result.png").startswith(b"\x89PNG")


def test_python_uploads_a_file(client: Client, tmp_path: Path) -> None:
    (tmp_path / "example.png").write_bytes(CAT)
    with (tmp_path / "example.png").open("rb") as file:
        response = requests.post(
            client.endpoint, files={"image": file}, data={}, auth=client.auth, timeout=30
        )
    assert opened(response).size == (451, 300)


@pytest.mark.parametrize("files", [None, {}], ids=["urlencoded", "empty files"])
def test_python_names_a_url(client: Client, files: dict[str, str] | None) -> None:
    with site(CAT) as here:
        response = client.post(data={"image.url": f"{here.url}/example.png"}, files=files)
    assert opened(response).size == (451, 300)
    assert client.ledger()[0]["input"] == "url"


def test_a_url_travels_as_multipart(client: Client) -> None:
    with site(CAT) as here:
        response = client.post(files={"image.url": (None, f"{here.url}/example.png")})
    assert opened(response).size == (451, 300)


@pytest.mark.parametrize("how", ["data", "files"])
def test_base64(client: Client, how: str) -> None:
    text = base64.b64encode(CAT).decode()
    value = text if how == "data" else (None, text)
    response = client.post(**{how: {"image.base64": value}})
    assert opened(response).size == (451, 300)
    assert client.ledger()[0]["input"] == "base64"


def test_all_ways_give_the_same_result(client: Client) -> None:
    upload = client.cut_out(image=CAT).content
    text = client.post(data={"image.base64": base64.b64encode(CAT).decode()}).content
    with site(CAT) as here:
        url = client.post(data={"image.url": here.url}).content
    assert upload == text == url
    assert len({entry["sha256"] for entry in client.ledger()}) == 1


def test_the_account(client: Client) -> None:
    response = requests.get(client.stand_in.url + "/api/v2/account", auth=client.auth, timeout=30)
    assert set(response.json()) == {"creditPack", "state", "useBefore", "credits"}
    assert (response.json()["state"], response.json()["credits"]) == ("active", 1000)


def test_the_account_asks_for_credentials(client: Client) -> None:
    url = client.stand_in.url + "/api/v2/account"
    assert requests.get(url, timeout=30).status_code == 401
