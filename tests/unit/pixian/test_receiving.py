"""How long a connection waits for the next part of an answer."""

import socket
from collections.abc import Iterator

import pytest
from requests import Request

from pixian_s3.pixian.receiving import Adapter, receiving_within

READ_TIMEOUT = 180


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.settimeout(READ_TIMEOUT)
    with ours, theirs:
        yield ours, theirs


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    ("seconds_left", "waits"), [(20, 20), (READ_TIMEOUT + 20, READ_TIMEOUT), (0.001, 0.001)]
)
def test_each_read_waits_for_the_read_timeout_or_the_time_left(
    pair: tuple[socket.socket, socket.socket], scheme: str, seconds_left: float, waits: float
) -> None:
    ours, theirs = pair
    theirs.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    request = Request("POST", f"{scheme}://pixian.test/").prepare()
    pool = Adapter().get_connection_with_tls_context(request, verify=True)
    with receiving_within(lambda: seconds_left):
        response = pool.ConnectionCls.response_class(ours)  # type: ignore[attr-defined]
        response.begin()
    assert ours.gettimeout() == waits
    response.close()


def test_each_call_has_a_deadline_of_its_own(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    request = Request("POST", "http://pixian.test/").prepare()
    pool = Adapter().get_connection_with_tls_context(request, verify=True)
    for seconds_left in (10, 20):
        theirs.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        with receiving_within(lambda: seconds_left):  # noqa: B023 - read in this block only
            response = pool.ConnectionCls.response_class(ours)  # type: ignore[attr-defined]
            response.begin()
            response.close()
        assert ours.gettimeout() == seconds_left
        ours.settimeout(READ_TIMEOUT)
