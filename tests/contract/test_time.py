"""A call that would outlive the function is given up while there is time to say so."""

import io
import threading
from collections.abc import Callable, Iterator

import pytest
import requests

from pixian_s3.credentials import Credentials
from pixian_s3.errors import Unavailable
from pixian_s3.inputs import Upload
from pixian_s3.pixian import CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS, WRITING_SECONDS, Pixian
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
    with service.client.remove_background(service.credentials, upload, form, seconds_left):
        pass


def test_a_call_within_its_time_goes_through(service: Service) -> None:
    call(service, running_out(ENOUGH))


def test_a_call_is_not_begun_without_time_for_its_answer(service: Service) -> None:
    with pytest.raises(Unavailable, match="too little time") as caught:
        call(service, running_out(ENOUGH - 1))
    assert not caught.value.maybe_charged


def test_waiting_for_the_answer_takes_the_time_kept_for_it(service: Service) -> None:
    call(service, running_out(ENOUGH, WRITING_SECONDS))


@pytest.fixture
def trickling() -> Iterator[str]:
    """A service that gives one byte of its answer and holds back the rest."""
    release = threading.Event()

    class Trickling(QuietHandler):
        def do_POST(self) -> None:  # noqa: N802 - http.server looks for this name
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Type", "image/png")
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"x")
            release.wait(30)

    with served(Trickling) as address:
        yield address
        release.set()


def test_an_answer_that_comes_too_slowly_is_given_up(trickling: str) -> None:
    upload = Upload(io.BytesIO(picture()), "a.png", "image/png")
    seconds_left = running_out(ENOUGH, WRITING_SECONDS - 1)
    with requests.Session() as session:
        client = Pixian(trickling, session)
        answer = client.remove_background(Credentials("me", "secret"), upload, {}, seconds_left)
        with pytest.raises(Unavailable, match="too slowly") as caught, answer:
            pass
    assert caught.value.maybe_charged
