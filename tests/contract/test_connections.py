"""Connections that break, and whether a credit may be gone."""

import io
from collections.abc import Iterator
from typing import Any, override

import pytest
import requests
from requests.adapters import BaseAdapter

from pixian_s3.errors import Throttled, Unavailable
from pixian_s3.pixian.client import MAX_IDLE_SECONDS, Pixian
from pixian_s3.pixian.credentials import Credentials
from pixian_s3.pixian.inputs import Upload
from tests.builders import NOON, nobody, picture
from tests.contract.conftest import Service
from tests.contract.serving import QuietHandler, served

BIG = 8 << 20


def call(service: Service, client: Pixian, size: int = 0) -> Unavailable:
    """Send a file for the error that it ends in."""
    body = picture() + bytes(size)
    upload = Upload(io.BytesIO(body), "a.png", "image/png")
    with pytest.raises(Unavailable) as error:
        client.remove_background(upload, {"test": "true"}, io.BytesIO(), service.credentials)
    return error.value


@pytest.mark.parametrize(
    "fault", [{"cut": "after_request"}, {"cut": "mid_body"}, {"truncate": True}]
)
def test_an_answer_cut_short_may_have_cost_and_is_not_asked_for_again(
    service: Service, fault: dict[str, Any]
) -> None:
    service.fault(**fault)
    assert call(service, service.client).maybe_charged is True
    assert len(service.calls()) == 1
    # And the next call succeeds.
    with service.cutout() as cutout:
        assert cutout.answer.bytes > 0


def test_a_connection_cut_while_sending_cost_nothing(service: Service) -> None:
    # More than the kernel's buffers take, or all would be sent before the cut is noticed.
    service.fault(cut="before_body")
    assert call(service, service.client, BIG).maybe_charged is False


@pytest.mark.parametrize("fault", [{"truncate": True}, {"cut": "mid_body"}])
def test_an_error_cut_short_still_says_what_to_do(
    service: Service, fault: dict[str, object]
) -> None:
    service.fault(status=429, headers={"Retry-After": "7"}, **fault)
    with pytest.raises(Throttled) as error:
        service.fails()
    assert error.value.retry_after == 7


@pytest.mark.parametrize("size", [0, BIG])
def test_where_nothing_listens_nothing_is_charged(service: Service, size: int) -> None:
    with nobody() as endpoint:
        client = Pixian(endpoint, service.session)
        assert call(service, client, size).maybe_charged is False


class Failing(BaseAdapter):
    """A network that takes a request, whole or not at all, and then fails."""

    def __init__(self, error: Exception, *, takes_it: bool) -> None:
        super().__init__()
        self._error = error
        self._takes_it = takes_it

    @override
    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        while self._takes_it and request.body.read(1 << 16):  # type: ignore[union-attr]
            pass
        raise self._error

    @override
    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("error", "takes_it", "maybe_charged"),
    [
        (requests.ReadTimeout("slow"), True, True),
        (requests.ConnectTimeout("slow"), False, False),
        (requests.exceptions.SSLError("wrong certificate"), False, False),
        pytest.param(
            requests.exceptions.SSLError("bad record"),
            True,
            True,
        ),
    ],
)
def test_only_what_was_sent_whole_may_have_cost(
    service: Service,
    error: Exception,
    takes_it: bool,  # noqa: FBT001
    maybe_charged: bool,  # noqa: FBT001
) -> None:
    service.session.mount("http://", Failing(error, takes_it=takes_it))
    assert call(service, service.client).maybe_charged is maybe_charged


class Freezing(QuietHandler):
    """Answers each connection once, and takes what comes next without an answer.

    So does a NAT gateway that has forgotten a connection, when the client has been frozen.
    """

    protocol_version = "HTTP/1.1"
    connections = 0
    requests = 0

    def setup(self) -> None:
        super().setup()
        type(self).connections += 1
        self.answered = False

    def do_POST(self) -> None:  # noqa: N802 - http.server looks for this name
        self.rfile.read(int(self.headers["Content-Length"]))
        type(self).requests += 1
        if self.answered:
            self.close_connection = True
            return
        self.answered = True
        body = picture()
        self.send_response(200)
        self.send_header("Content-Type", "image/png")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def freezing() -> Iterator[str]:
    Freezing.connections = Freezing.requests = 0
    with served(Freezing) as address:
        yield address


def twice(address: str, idle_seconds: float) -> None:
    """Two calls with so much time between them."""
    now = NOON
    with requests.Session() as session:
        client = Pixian(address, session, now=lambda: now)
        for _ in range(2):
            upload = Upload(io.BytesIO(picture()), "a.png", "image/png")
            client.remove_background(upload, {}, io.BytesIO(), Credentials("me", "secret"))
            now += idle_seconds


def test_a_connection_that_was_idle_for_long_is_not_used_again(freezing: str) -> None:
    twice(freezing, MAX_IDLE_SECONDS + 1)
    assert (Freezing.connections, Freezing.requests) == (2, 2)


def test_one_that_was_idle_for_a_moment_is(freezing: str) -> None:
    # Which this server shows by failing: the call is sent, and may have been charged.
    with pytest.raises(Unavailable) as error:
        twice(freezing, MAX_IDLE_SECONDS - 1)
    assert error.value.maybe_charged
    assert (Freezing.connections, Freezing.requests) == (1, 2)
