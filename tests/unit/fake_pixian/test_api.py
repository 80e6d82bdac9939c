"""Who may call, in which order a call is checked, and when it waits."""

import base64
import socket
from dataclasses import dataclass, field
from decimal import Decimal
from io import BytesIO
from typing import override
from urllib.parse import urlsplit
from urllib.request import HTTPBasicAuthHandler, HTTPPasswordMgrWithDefaultRealm, build_opener

import pytest
import requests

from local.fake_pixian.cutout import load_model
from local.fake_pixian.server import API_SECRET, MODEL, create_app
from local.fake_pixian.service import Service, Settings
from tests.unit.fake_pixian.client import CAT, PATH, Client, error, site

UPLOAD = {"image": ("a.png", CAT)}
RIGHT = base64.b64encode(f"standin:{API_SECRET}".encode()).decode()


@pytest.mark.parametrize("header", [None, f"Bearer {RIGHT}", "Basic ???", "x"])
def test_anything_but_basic_credentials_gets_401(client: Client, header: str | None) -> None:
    response = client.post(files=UPLOAD, auth=None, headers={"Authorization": header})
    assert error(response)["code"] == 4010


def test_credentials_are_checked_before_the_form(client: Client) -> None:
    assert client.post(auth=("a", "b")).status_code == 401
    assert client.post(auth=("a", "b"), data={"test": "maybe"}).status_code == 401
    assert client.post().status_code == 415


def test_a_client_that_waits_to_be_asked_sends_its_credentials(client: Client) -> None:
    passwords = HTTPPasswordMgrWithDefaultRealm()
    passwords.add_password(None, client.stand_in.url, *client.auth)
    opener = build_opener(HTTPBasicAuthHandler(passwords))
    with opener.open(f"{client.stand_in.url}/api/v2/account", timeout=30) as answer:
        assert answer.status == 200


def test_a_401_that_is_ordered_asks_for_credentials_too(client: Client) -> None:
    client.fault(status=401, body={"error": "no"})
    assert client.cut_out(image=CAT).headers["WWW-Authenticate"].startswith("Basic ")


def test_the_account_requires_credentials(client: Client) -> None:
    url = client.stand_in.url + "/api/v2/account"
    assert requests.get(url, timeout=30).status_code == 401
    assert requests.get(url, auth=client.auth, timeout=30).json()["credits"] == 1000


def test_wrong_credentials_fetch_nothing_and_use_up_no_fault(client: Client) -> None:
    client.fault(status=500)
    with site() as here:
        assert client.post(data={"image.url": here.url}, auth=("a", "b")).status_code == 401
        assert here.paths == []
    assert client.cut_out().status_code == 500


def test_without_credits_only_a_test_is_answered(client: Client) -> None:
    client.control("PUT", "settings", {"credits": "0.1"})
    assert error(client.cut_out(image=CAT))["code"] == 4020
    assert client.cut_out({"test": "true"}, image=CAT).status_code == 200
    assert client.balance() == "0.1"


def test_a_body_over_100_mb(client: Client) -> None:
    host = urlsplit(client.stand_in.url)
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: {host.netloc}\r\nContent-Length: {100 * 1024**2 + 1}\r\n"
        f"Authorization: Basic {RIGHT}\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
    )
    with socket.create_connection((str(host.hostname), int(host.port or 0)), 30) as connection:
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(("method", "path", "status"), [("GET", PATH, 405), ("GET", "/no", 404)])
def test_other_routes(client: Client, method: str, path: str, status: int) -> None:
    response = requests.request(method, client.stand_in.url + path, timeout=30)
    assert error(response)["status"] == status


@dataclass(kw_only=True)
class Patient(Service):
    """Notes how long it should wait, and doesn't."""

    waits: list[float] = field(default_factory=list)

    @override
    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)


def test_the_latency_and_the_delay_of_a_fault_come_before_the_answer() -> None:
    service = Patient(
        api_id="me", api_secret="s", credits=Decimal(9), ca_bundle=None, model=load_model(MODEL)
    )
    service.settings = Settings(latency_seconds=3)
    service.faults.post({"delay_seconds": 5, "skip": 1})
    service.faults.post({"delay_seconds": 7, "cut": "before_body", "skip": 2})
    client = create_app(service).test_client()
    for _ in range(2):
        client.post(PATH, data={"image": (BytesIO(CAT), "a.png")}, auth=("me", "s"))
    with pytest.raises(ConnectionError):
        client.post(PATH)
    assert service.waits == [3, 0, 3, 5, 7]
