"""Each refusal over HTTP, in Pixian's JSON, and free of charge."""

import base64
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from local.fake_pixian.server import API_SECRET
from tests.unit.fake_pixian.client import CAT, PATH, Client, error

UPLOAD = {"image": ("a.png", CAT)}


@pytest.mark.parametrize("auth", [None, ("standin", "wrong"), ("wrong", API_SECRET), ("", "")])
def test_wrong_credentials(client: Client, auth: tuple[str, str] | None) -> None:
    response = client.post(files=UPLOAD, auth=auth)
    assert (response.status_code, error(response)["code"]) == (401, 4010)


RIGHT = base64.b64encode(f"standin:{API_SECRET}".encode()).decode()


@pytest.mark.parametrize("header", [f"Bearer {RIGHT}", "Basic ???", "x"])
def test_other_authorization(client: Client, header: str) -> None:
    response = client.post(files=UPLOAD, auth=None, headers={"Authorization": header})
    assert response.status_code == 401


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"files": UPLOAD, "data": {"surprise": "1"}}, "surprise: unknown field"),
        ({"files": UPLOAD, "data": {"test": ["true", "true"]}}, "test: repeated field"),
        ({"files": UPLOAD, "data": {"output.jpeg_quality": "101"}}, "output.jpeg_quality: "),
        ({"files": UPLOAD, "data": {"result.margin": "2"}}, "result.margin: "),
        ({"files": UPLOAD, "params": {"test": "true"}}, "Parameters belong in the body"),
        ({"files": UPLOAD | {"mask": ("b.png", CAT)}}, "mask: not a file field"),
        ({"files": {"image.base64": ("a", CAT)}}, "image.base64: not a file field"),
        ({"files": {"test": (None, "true")}}, "Exactly one of"),
        ({"data": {"test": "true"}}, "Exactly one of"),
        ({"data": {"image": "a.png"}}, "image: must be a file part"),
        ({"files": [("image", ("a.png", CAT))] * 2}, "Exactly one of"),
        ({"files": UPLOAD, "data": {"image.base64": "aGk="}}, "Exactly one of"),
        ({"data": {"image.base64": "aGk=", "image.url": "http://127.0.0.1/"}}, "Exactly one of"),
        ({"data": {"image.base64": "not base64!"}}, "image.base64: not base64"),
        ({"data": {"image.base64": "aGk"}}, "image.base64: not base64"),
        ({"data": {"image.base64": "é"}}, "image.base64: not base64"),
        ({"data": {"image.base64": "A" * (1024 * 1024 + 4)}}, "image.base64: longer than 1 MB"),
        ({"data": b"--x", "headers": {"Content-Type": "multipart/form-data"}}, "Exactly one of"),
    ],
)
def test_bad_requests(client: Client, arguments: dict[str, Any], message: str) -> None:
    details = error(client.post(**arguments))
    assert (details["status"], details["code"]) == (400, 4000)
    assert details["message"].startswith(message)
    assert client.balance() == "1000"


@pytest.mark.parametrize(
    "arguments",
    [
        {"files": {"image": ("a.png", b"no image")}},
        {"files": {"image": ("a.png", b"")}},
        {"files": {"image": ("a.png", CAT[:-2000])}},
        {"data": {"image.base64": base64.b64encode(b"no image").decode()}},
    ],
    ids=["text", "empty", "truncated", "base64"],
)
def test_unreadable_images(client: Client, arguments: dict[str, Any]) -> None:
    assert error(client.post(**arguments)) == {
        "status": 400,
        "code": 1006,
        "message": "Failed to read the supplied image.",
    }


def test_the_largest_base64_is_taken(client: Client) -> None:
    text = base64.b64encode(CAT + bytes(1024 * 1024 * 3 // 4 - len(CAT))).decode()
    assert len(text) == 1024 * 1024
    assert client.post(data={"image.base64": text}).status_code == 200


@pytest.mark.parametrize("kind", ["application/json", "image/png", "text/plain", ""])
def test_other_content_types(client: Client, kind: str) -> None:
    response = client.post(data=CAT, headers={"Content-Type": kind})
    assert (response.status_code, error(response)["code"]) == (415, 4150)


def test_a_body_over_100_mb(client: Client) -> None:
    host = urlsplit(client.stand_in.url)
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: {host.netloc}\r\nContent-Length: {100 * 1024**2 + 1}\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
    )
    with socket.create_connection((str(host.hostname), int(host.port or 0)), 30) as connection:
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_no_credits(client: Client) -> None:
    client.control("PUT", "settings", {"credits": "0.1"})
    response = client.cut_out(image=CAT)
    assert (response.status_code, error(response)["code"]) == (402, 4020)
    assert client.balance() == "0.1"


def test_a_test_needs_no_credits(client: Client) -> None:
    client.control("PUT", "settings", {"credits": "0"})
    assert client.cut_out({"test": "true"}, image=CAT).status_code == 200


@pytest.mark.parametrize(("method", "path", "status"), [("GET", PATH, 405), ("GET", "/no", 404)])
def test_other_routes(client: Client, method: str, path: str, status: int) -> None:
    response = requests.request(method, client.stand_in.url + path, timeout=30)
    assert error(response)["status"] == status
