"""A call that would outlive the function is given up while there is time to say so."""

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from tempfile import TemporaryFile

import pytest
import requests

from pixian_s3.errors import Rejected, Unavailable
from pixian_s3.pixian import client
from pixian_s3.pixian.client import (
    CONNECT_TIMEOUT_SECONDS,
    READ_TIMEOUT_SECONDS,
    SLOWEST_BYTES_PER_SECOND,
    WRITING_SECONDS,
    Pixian,
    call_seconds,
)
from pixian_s3.pixian.credentials import Credentials
from pixian_s3.pixian.inputs import Upload
from tests.builders import picture
from tests.contract.conftest import Service
from tests.contract.serving import QuietHandler, served

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


class Slow(QuietHandler):
    """Begins an answer, and goes on with a byte now and then until it is released."""

    status = 200
    length: str | None = "1000000"
    pause = 0.01
    released = threading.Event()

    def do_POST(self) -> None:  # noqa: N802 - http.server looks for this name
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.status)
        self.send_header("Content-Type", "image/png")
        if self.length:
            self.send_header("Content-Length", self.length)
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(b"x")
            while not self.released.wait(self.pause):
                self.wfile.write(b"x")


class EndsWithItsConnection(Slow):
    length = None


class Failing(Slow):
    status = 500


class Stalling(Slow):
    pause = 30


def give_up(session: requests.Session, address: str, left: float) -> Unavailable:
    upload = Upload(io.BytesIO(picture()), "a.png", "image/png")
    seconds_left = running_out(ENOUGH + 1, left)
    credentials = Credentials("me", "secret")
    pixian = Pixian(address, session)
    with pytest.raises(Unavailable) as caught:
        pixian.remove_background(upload, {}, io.BytesIO(), credentials, seconds_left)
    return caught.value


@pytest.mark.parametrize(
    ("service", "maybe_charged"), [(Slow, True), (EndsWithItsConnection, True), (Failing, False)]
)
def test_an_answer_that_trickles_is_given_up_and_an_error_cost_nothing(
    service: type[Slow], *, maybe_charged: bool
) -> None:
    Slow.released.clear()
    with requests.Session() as session, served(service) as address:
        error = give_up(session, address, WRITING_SECONDS - 1)
        Slow.released.set()
    assert "too slowly" in str(error)
    assert error.maybe_charged == maybe_charged


def test_an_answer_that_stalls_ends_with_the_read_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "READ_TIMEOUT_SECONDS", 0.2)
    Slow.released.clear()
    with requests.Session() as session, served(Stalling) as address:
        error = give_up(session, address, WRITING_SECONDS + 1)
        Slow.released.set()
    assert str(error) == "The call to Pixian failed: timed out."
    assert error.maybe_charged
