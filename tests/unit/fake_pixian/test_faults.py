"""Which fault applies and what it does; the contract shows what a client makes of it."""

import socket
from urllib.parse import urlsplit

import pytest
import requests

from local.fake_pixian.faults import NO_FAULT, Fault, Faults, read_fault
from tests.unit.fake_pixian.client import COFFEE, PATH, Client, error, site

PRICE = "0.2209"
AFTER_ONE = "999.7791"


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "a fault must be a JSON object"),
        ({"stauts": 429}, "stauts: unknown field"),
        ({"status": "429"}, "status: "),
        ({"status": 99}, "status: "),
        ({"status": 200}, "status: below 400 requires a body"),
        ({"body": "x"}, "body: requires a status"),
        ({"skip": -1}, "skip: "),
        ({"match": {"name": "a"}}, "match: "),
        ({"headers": {"A": "b\r\nC: d"}}, "headers: "),
        ({"headers": {"content-length": "1"}}, "headers: "),
        ({"delay_seconds": -1}, "delay_seconds: "),
        ({"cut": "early"}, "cut: "),
        ({"cut": "mid_body", "truncate": True}, "cut and truncate"),
        ({"echo": True}, "echo: requires a status"),
        ({"cut": "before_body", "match": {"filename": "a"}}, "cut before_body can't have a match"),
        ({"charge": None}, "charge: "),
    ],
)
def test_bad_faults(document: object, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        read_fault(document, "fault-1")


def taken(faults: Faults, *filenames: str) -> list[int | None]:
    return [faults.for_image(filename, "0a").status for filename in filenames]


def test_skip_and_times_count_what_matches() -> None:
    faults = Faults()
    faults.post({"status": 429, "skip": 1, "times": 2, "match": {"filename": "è.jpg"}})
    seen = taken(faults, "è.jpg", "other", "è.jpg", "è.jpg", "è.jpg")
    assert seen == [None, None, 429, 429, None]
    assert [(left["skip"], left["times"]) for left in faults.entries()] == [(0, 0)]


def test_the_first_that_applies_leaves_the_others_alone() -> None:
    faults = Faults()
    for document in ({"status": 429}, {"status": 500, "skip": 1}, {"status": 503, "times": None}):
        faults.post(document)
    assert taken(faults, *"abcd") == [429, 503, 500, 503]


@pytest.mark.parametrize(
    ("match", "applies"),
    [
        ({}, True),
        ({"filename": "a"}, True),
        ({"sha256": "0a"}, True),
        ({"filename": "a", "sha256": "0a"}, True),
        ({"filename": "a", "sha256": "0b"}, False),
    ],
)
def test_all_of_match_has_to_be_so(match: dict[str, str], applies: bool) -> None:  # noqa: FBT001
    faults = Faults()
    faults.post({"status": 429, "match": match})
    assert (faults.for_image("a", "0a") is not NO_FAULT) == applies


def test_a_cut_before_the_body_applies_at_arrival_only() -> None:
    faults = Faults()
    faults.post({"cut": "before_body"})
    assert faults.for_image("a", "0a") is NO_FAULT
    assert faults.at_arrival().cut == "before_body"
    assert faults.at_arrival() is NO_FAULT


@pytest.mark.parametrize(
    ("fault", "charges"),
    [
        (Fault(), True),
        (Fault(status=200, body=""), True),
        (Fault(status=500), False),
        (Fault(status=500, cut="mid_body"), True),
        (Fault(truncate=True), True),
        (Fault(status=500, charge=True), True),
        (Fault(cut="after_request", charge=False), False),
    ],
)
def test_what_is_charged(fault: Fault, charges: bool) -> None:  # noqa: FBT001
    assert fault.charges == charges
    assert fault.replaces == (fault.status is not None and not charges)


def test_an_echo_quotes_the_credentials_and_the_address(client: Client) -> None:
    client.fault(status=400, echo=True)
    with site() as here:
        response = client.post(data={"image.url": here.url})
    message = error(response)["message"]
    for quoted in (response.request.headers["Authorization"], client.auth[1], here.url):
        assert quoted in message


# ---- delivery -------------------------------------------------------------------------------


def raw(client: Client) -> bytes:
    """Send a whole request and read to the end; ConnectionResetError if it is reset."""
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


@pytest.mark.parametrize("cut", ["before_body", "after_request", "mid_body"])
def test_a_cut_resets_the_connection(client: Client, cut: str) -> None:
    number = client.fault(cut=cut)
    with pytest.raises(ConnectionError):
        raw(client)
    [entry] = client.ledger()
    assert entry["fault"] == number
    assert entry["status"] == (200 if cut == "mid_body" else None)
    assert (entry["sha256"] is None) == (cut == "before_body")
    assert entry["credits_charged"] == ("0" if cut == "before_body" else PRICE)
    assert client.balance() == ("1000" if cut == "before_body" else AFTER_ONE)


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


def test_truncation_closes_the_connection_in_order(client: Client) -> None:
    client.fault(truncate=True)
    head, _, body = raw(client).partition(b"\r\n\r\n")
    declared = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    assert len(body) == declared // 2
    assert client.balance() == AFTER_ONE
