"""Every way to fail on demand."""

import hashlib
import socket
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.unit.fake_pixian.client import CAT, COFFEE, PATH, Client, error, opened, site

PRICE = "0.2209"
AFTER_ONE = "999.7791"


def raw(client: Client) -> bytes:
    """Send a whole request and read until the connection ends; ConnectionResetError where reset."""
    prepared = requests.Request(
        "POST", client.endpoint, files={"image": COFFEE}, auth=client.auth
    ).prepare()
    host = urlsplit(client.stand_in.url)
    head = "".join(f"{name}: {value}\r\n" for name, value in prepared.headers.items())
    assert isinstance(prepared.body, bytes)
    received = b""
    with socket.create_connection((str(host.hostname), int(host.port or 0)), 30) as connection:
        connection.sendall(f"POST {PATH} HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode())
        connection.sendall(prepared.body)
        while part := connection.recv(65536):
            received += part
    return received


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 429, 500, 502, 503])
def test_a_status_speaks_as_pixian_does(client: Client, status: int) -> None:
    number = client.fault(status=status)
    response = client.cut_out()
    assert response.status_code == status
    assert error(response)["status"] == status
    [entry] = client.ledger()
    assert (entry["fault"], entry["status"]) == (number, status)
    assert client.balance() == "1000"


def test_headers_and_body(client: Client) -> None:
    client.fault(status=429, headers={"Retry-After": "7"}, body={"error": {"status": 429}})
    response = client.cut_out()
    assert response.headers["Retry-After"] == "7"
    assert response.json() == {"error": {"status": 429}}


def test_an_echo_quotes_the_credentials_and_the_address(client: Client) -> None:
    client.fault(status=400, echo=True)
    with site() as elsewhere:
        address = f"{elsewhere.url}/a.png"
        response = client.post(data={"image.url": address})
    message = error(response)["message"]
    for quoted in (response.request.headers["Authorization"], client.auth[1], address):
        assert quoted in message


@pytest.mark.parametrize("status", [200, 503])
def test_a_body_of_another_kind(client: Client, status: int) -> None:
    client.fault(status=status, body="<html>èh</html>", content_type="text/html; charset=utf-8")
    response = client.cut_out()
    assert (response.status_code, response.text) == (status, "<html>èh</html>")
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "X-Credits-Charged" not in response.headers
    assert client.balance() == (AFTER_ONE if status == 200 else "1000")


def test_extra_headers_on_a_real_answer(client: Client) -> None:
    client.fault(headers={"X-Request-Id": "1", "X-Credits-Charged": "many"})
    response = client.cut_out()
    assert opened(response).size == (600, 400)
    assert (response.headers["X-Request-Id"], response.headers["X-Credits-Charged"]) == (
        "1",
        "many",
    )


def test_times_and_skip(client: Client) -> None:
    client.fault(status=429, times=2, skip=1)
    statuses = [client.cut_out(image=CAT).status_code for _ in range(4)]
    assert statuses == [200, 429, 429, 200]
    assert client.control("GET", "faults").json()["faults"][0]["times"] == 0


def test_faults_apply_in_order_one_a_request(client: Client) -> None:
    client.fault(status=429)
    client.fault(status=500, times=None)
    assert [client.cut_out().status_code for _ in range(3)] == [429, 500, 500]
    client.control("DELETE", "faults")
    assert client.control("GET", "faults").json() == {"faults": []}
    assert client.cut_out(image=CAT).status_code == 200


@pytest.mark.parametrize(
    "match",
    [
        {"filename": "è.jpg"},
        {"sha256": hashlib.sha256(COFFEE).hexdigest()},
        {"filename": "è.jpg", "sha256": hashlib.sha256(COFFEE).hexdigest()},
    ],
)
def test_match(client: Client, match: dict[str, str]) -> None:
    client.fault(match=match, status=503)
    assert client.cut_out(image=CAT, name="b.jpg").status_code == 200
    assert client.cut_out(image=COFFEE, name="è.jpg").status_code == 503


@pytest.mark.parametrize("cut", ["before_body", "after_request", "mid_body"])
def test_a_cut_resets_the_connection(client: Client, cut: str) -> None:
    client.fault(cut=cut)
    with pytest.raises(ConnectionError):
        raw(client)
    [entry] = client.ledger()
    assert entry["status"] == (200 if cut == "mid_body" else None)
    assert (entry["filename"] is None) == (cut == "before_body")
    assert entry["credits_charged"] == ("0" if cut == "before_body" else PRICE)
    assert client.balance() == ("1000" if cut == "before_body" else AFTER_ONE)


def test_a_cut_before_the_answer_sends_nothing(client: Client) -> None:
    client.fault(cut="after_request")
    with pytest.raises(requests.ConnectionError):
        client.cut_out()


def test_a_cut_mid_body_sends_headers_and_half(client: Client) -> None:
    large = {"result.target_size": "1500 1500"}
    whole = len(client.cut_out(large).content)
    client.fault(cut="mid_body")
    parts: list[bytes] = []
    with client.post(files={"image": COFFEE}, data=large, stream=True) as response:
        assert response.status_code == 200
        assert int(response.headers["Content-Length"]) == whole
        with pytest.raises(requests.RequestException):
            parts.extend(response.iter_content(1024))
    assert 0 <= whole // 2 - sum(map(len, parts)) < 1024


def test_truncation_ends_in_order(client: Client) -> None:
    client.fault(truncate=True)
    head, _, body = raw(client).partition(b"\r\n\r\n")
    declared = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    assert len(body) == declared // 2
    assert client.balance() == AFTER_ONE


@pytest.mark.parametrize(
    ("fault", "charged"),
    [
        ({"status": 500, "charge": True}, PRICE),
        ({"status": 200, "body": "", "charge": False}, "0"),
        ({"cut": "after_request", "charge": False}, "0"),
        ({"truncate": True, "charge": False}, "0"),
        ({"headers": {"X-A": "b"}}, PRICE),
    ],
)
def test_charge_decides(client: Client, fault: dict[str, Any], charged: str) -> None:
    client.fault(**fault)
    with suppress(requests.RequestException):
        client.cut_out()
    assert client.ledger()[0]["credits_charged"] == charged


def test_a_test_is_free_whatever_happens(client: Client) -> None:
    client.fault(cut="after_request")
    with pytest.raises(requests.ConnectionError):
        client.cut_out({"test": "true"})
    assert client.balance() == "1000"


def test_a_delay_comes_before_the_answer(client: Client) -> None:
    client.fault(delay_seconds=0.01, status=500)
    client.cut_out()
    [entry] = client.ledger()
    assert entry["finished_at"] - entry["arrived_at"] >= 0.01


def test_a_stranger_uses_no_fault_up(client: Client) -> None:
    client.fault(status=500)
    assert client.post(files={"image": CAT}, auth=("a", "b")).status_code == 401
    assert client.cut_out().status_code == 500


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "a fault must be a JSON object"),
        ({"stauts": 429}, "stauts: unknown field"),
        ({"id": "x"}, "id: unknown field"),
        ({"status": "429"}, "status: "),
        ({"status": True}, "status: "),
        ({"status": 99}, "status: "),
        ({"status": 200}, "status: below 400 requires a body"),
        ({"body": "x"}, "body: requires a status"),
        ({"times": 0}, "times: "),
        ({"skip": -1}, "skip: "),
        ({"match": {"name": "a"}}, "match: "),
        ({"match": {"filename": 1}}, "match: "),
        ({"headers": {"Retry-After": 7}}, "headers: "),
        ({"headers": {"A": "b\r\nC: d"}}, "headers: "),
        ({"headers": {"content-length": "1"}}, "headers: "),
        ({"delay_seconds": -1}, "delay_seconds: "),
        ({"cut": "early"}, "cut: "),
        ({"cut": ["mid_body"]}, "cut: "),
        ({"cut": "mid_body", "truncate": True}, "cut and truncate"),
        ({"echo": True}, "echo: requires a status"),
        ({"cut": "before_body", "match": {"filename": "a"}}, "cut before_body can't have a match"),
        ({"truncate": 1}, "truncate: "),
        ({"charge": None}, "charge: "),
    ],
)
def test_bad_faults(client: Client, document: object, message: str) -> None:
    response = client.control("POST", "faults", document)
    assert error(response)["message"].startswith(message)
    assert client.control("GET", "faults").json() == {"faults": []}


def test_a_fault_that_is_no_json(client: Client) -> None:
    url = client.stand_in.url + "/_control/faults"
    response = requests.post(url, data="status=429", timeout=30)
    assert error(response)["message"] == "the body must be a JSON object"
