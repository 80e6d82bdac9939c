"""A call that would outlive the function is given up while there is time to say so."""

import io
import math
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import pytest
import requests

from pixian_s3.errors import Rejected, Unavailable
from pixian_s3.pixian import client
from pixian_s3.pixian.client import (
    CONNECT_TIMEOUT_SECONDS,
    READ_TIMEOUT_SECONDS,
    SLOWEST_BYTES_PER_SECOND,
    WRITING_SECONDS,
    Cutout,
    Pixian,
    call_seconds,
)
from pixian_s3.pixian.credentials import Credentials
from pixian_s3.pixian.inputs import Upload
from tests.builders import picture
from tests.contract.conftest import Service
from tests.contract.serving import QuietHandler, answering, served
from tests.fault_injection.virtual_time import heed, passing
from tests.unit.fake_pixian.certificate import server_context

ENOUGH = CONNECT_TIMEOUT_SECONDS + READ_TIMEOUT_SECONDS + WRITING_SECONDS


def running_out(*seconds: float) -> Callable[[], float]:
    """A function whose time left is the next of these at each look, then the last."""
    left = list(seconds)
    return lambda: left.pop(0) if len(left) > 1 else left[0]


def call(service: Service, seconds_left: Callable[[], float]) -> None:
    upload = Upload(io.BytesIO(picture()), "a.png", "image/png")
    form = {"test": "true"}
    into, credentials = io.BytesIO(), service.credentials
    service.client.remove_background(upload, form, into, credentials, seconds_left)


def test_the_time_kept_for_a_call_follows_from_what_is_left_to_send() -> None:
    assert call_seconds(0) == ENOUGH
    assert call_seconds(400 * SLOWEST_BYTES_PER_SECOND) == ENOUGH + 400


SIZE = 8 << 20


@contextmanager
def sending(rate: float) -> Iterator[tuple[Upload, Callable[[], float]]]:
    """An image on a line of so many bytes per second, and the time left as it is being read.

    There is a second more than a call is given at the slowest rate.
    """
    with TemporaryFile() as file:
        file.write(bytes(SIZE))
        began = call_seconds(SIZE) + 1
        yield Upload(file, "a.png", "image/png"), lambda: began - file.tell() / rate


class Refusing(QuietHandler):
    """Reads a request as far as it comes, and refuses the image."""

    def do_POST(self) -> None:  # noqa: N802 - http.server looks for this name
        left = int(self.headers["Content-Length"])
        while left and (chunk := self.rfile.read(min(left, 1 << 16))):
            left -= len(chunk)
        if not left:
            self.send_error(400)


def send(rate: float) -> None:
    with (
        served(Refusing) as address,
        requests.Session() as session,
        sending(rate) as (upload, seconds_left),
    ):
        credentials = Credentials("me", "secret")
        pixian = Pixian(address, session)
        pixian.remove_background(upload, {}, io.BytesIO(), credentials, seconds_left)


def test_a_line_at_twice_the_slowest_rate_gets_an_image_through() -> None:
    with pytest.raises(Rejected):
        send(2 * SLOWEST_BYTES_PER_SECOND)


def test_a_slower_line_is_given_up_before_the_image_was_sent() -> None:
    with pytest.raises(Unavailable, match="too little time") as caught:
        send(SLOWEST_BYTES_PER_SECOND / 2)
    assert not caught.value.maybe_charged


def test_a_call_within_its_time_goes_through(service: Service) -> None:
    call(service, running_out(ENOUGH + 1))


def test_a_call_is_not_begun_without_time_for_its_answer(service: Service) -> None:
    with pytest.raises(Unavailable, match="too little time") as caught:
        call(service, running_out(ENOUGH - 1))
    assert not caught.value.maybe_charged


def test_waiting_for_the_answer_takes_the_time_kept_for_it(service: Service) -> None:
    call(service, running_out(ENOUGH + 1, WRITING_SECONDS + 10))


OK = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
ALMOST_ENDLESS = 1 << 20


def receive(
    answer: Iterable[bytes],
    seconds_left: Callable[[], float],
    into: IO[bytes] | None = None,
    tls: ssl.SSLContext | None = None,
) -> Cutout:
    upload = Upload(io.BytesIO(picture()), "a.png", "image/png")
    credentials = Credentials("me", "secret")
    with requests.Session() as session, answering(answer, tls) as address:
        pixian = Pixian(address, session)
        return pixian.remove_background(upload, {}, into or io.BytesIO(), credentials, seconds_left)


def time_for_one_read() -> Callable[[], float]:
    """Enough time to send a small image and read the start of its answer."""
    return running_out(ENOUGH + 1, WRITING_SECONDS + 1, WRITING_SECONDS - 1)


@pytest.mark.parametrize(
    ("start", "rest"),
    [
        pytest.param(b"", b"HTTP/1.1 100 Continue\r\n\r\n", id="100 Continue"),
        pytest.param(b"HTTP/1.1 200 ", b"OK", id="status line"),
        pytest.param(OK + b"X-A: ", b"a", id="header"),
        pytest.param(OK, b"X-A: " + b"a" * 999 + b"\r\n", id="headers"),
        pytest.param(OK + b"Content-Length: 9999999\r\n\r\n", b"x", id="body"),
        pytest.param(OK + b"\r\n", b"x", id="body until the end of the connection"),
        pytest.param(CHUNKED, b"0", id="size of a chunk"),
        pytest.param(CHUNKED + b"1; ", b"x", id="extension of a chunk"),
        pytest.param(CHUNKED, b"1\r\nx\r\n", id="chunks"),
        pytest.param(CHUNKED + b"1\r\nx\r\n0\r\n", b"X-A: a\r\n", id="trailers"),
    ],
)
def test_whatever_part_of_an_answer_trickles_is_given_up(start: bytes, rest: bytes) -> None:
    answer = start, rest * (ALMOST_ENDLESS // len(rest))
    with pytest.raises(Unavailable, match="too slowly") as caught:
        receive(answer, time_for_one_read())
    assert caught.value.maybe_charged


def test_a_byte_of_a_header_now_and_then_doesnt_outlive_the_function(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left = 900.0

    def pass_seconds(seconds: float) -> None:
        nonlocal left
        left -= seconds

    # So that it is put back as it was
    monkeypatch.setattr(socket.socket, "recv_into", socket.socket.recv_into)
    heed(pass_seconds)
    answer = OK + b"X-A: " + (passing(100) + b"a") * 60 + b"\r\n\r\n"
    with pytest.raises(Unavailable) as caught:
        receive([answer], lambda: left)
    assert caught.value.maybe_charged
    assert left == WRITING_SECONDS


def test_an_answer_that_trickles_through_tls_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "certificate.pem"
    tls = server_context(bundle)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    answer = OK + b"X-A: ", b"a" * ALMOST_ENDLESS
    with pytest.raises(Unavailable, match="too slowly"):
        receive(answer, time_for_one_read(), tls=tls)


def test_an_error_that_trickles_is_still_that_error() -> None:
    answer = b"HTTP/1.1 500 Internal Server Error\r\n\r\n", bytes(ALMOST_ENDLESS)
    with pytest.raises(Unavailable, match="Pixian answered 500: Internal Server Error") as caught:
        receive(answer, time_for_one_read())
    assert not caught.value.maybe_charged


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"Content-Length: 7\r\n\r\na whole",
        CHUNKED + b"7\r\na whole\r\n0\r\n\r\n",
    ],
)
def test_a_whole_answer_is_kept_although_time_is_up(answer: bytes) -> None:
    into = io.BytesIO()
    cutout = receive([answer], lambda: WRITING_SECONDS - 1 if into.tell() else ENOUGH + 1, into)
    assert cutout.file.read() == b"a whole"


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """Ends the waiting of a service."""
    event = threading.Event()
    yield event
    event.set()


def test_an_answer_that_stalls_ends_with_the_read_timeout(
    monkeypatch: pytest.MonkeyPatch, released: threading.Event
) -> None:
    monkeypatch.setattr(client, "READ_TIMEOUT_SECONDS", 0.2)

    def stalling() -> Iterator[bytes]:
        yield OK
        released.wait(30)

    with pytest.raises(Unavailable) as caught:
        receive(stalling(), lambda: math.inf)
    assert str(caught.value) == "The call to Pixian failed: timed out."
    assert caught.value.maybe_charged


def test_a_service_that_stops_reading_ends_with_the_connect_timeout(
    monkeypatch: pytest.MonkeyPatch, released: threading.Event
) -> None:
    class Deaf(QuietHandler):
        def handle(self) -> None:
            released.wait(30)

    monkeypatch.setattr(client, "CONNECT_TIMEOUT_SECONDS", 0.2)
    # More than the kernel's buffers take
    upload = Upload(io.BytesIO(bytes(4 * SIZE)), "a.png", "image/png")
    with requests.Session() as session, served(Deaf) as address:
        pixian, credentials = Pixian(address, session), Credentials("me", "secret")
        with pytest.raises(Unavailable, match="timed out") as caught:
            pixian.remove_background(upload, {}, io.BytesIO(), credentials)
    assert not caught.value.maybe_charged
