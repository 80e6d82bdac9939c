"""Receive an answer before a deadline, however slowly it arrives.

A timeout of `http.client` is for one read from the socket, so a service that sends a byte now and
then holds a call for as long as it likes: in the status line, the headers, the body or its
trailers. Here, all reads from the socket go through `_Reader`, which looks at the time first.
"""

import io
import math
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from http.client import HTTPResponse
from typing import Any, override

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import ConnectionPool
from urllib3.response import BaseHTTPResponse

# The session and its connections outlive a call, and nothing that requests passes on to a
# connection can carry the deadline of one call.
_seconds_left: ContextVar[Callable[[], float]] = ContextVar("seconds_left")


@contextmanager
def receiving_within(seconds_left: Callable[[], float]) -> Iterator[None]:
    """Answers that an `Adapter` receives in this block raise `TimeoutError` when time is up.

    Args:
        seconds_left: Returns the seconds left for receiving. Each read from the socket waits no
            longer than that, nor longer than the request's read timeout.
    """
    token = _seconds_left.set(seconds_left)
    try:
        yield
    finally:
        _seconds_left.reset(token)


class Adapter(HTTPAdapter):
    """Connections for a `requests.Session` that heed `receiving_within` and follow no redirect."""

    @override
    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> ConnectionPool:
        pool = super().get_connection_with_tls_context(*args, **options)
        of_kind = _TlsConnection if pool.scheme == "https" else _Connection
        pool.ConnectionCls = of_kind  # type: ignore[attr-defined]
        return pool

    @override
    def build_response(
        self, req: requests.PreparedRequest, resp: BaseHTTPResponse
    ) -> requests.Response:
        response = super().build_response(req, resp)
        # Even with `allow_redirects=False`, requests parses the target, which may raise any
        # ValueError, and reads the whole body into memory.
        response.headers.pop("Location", None)
        return response


class _Reader(io.RawIOBase):
    """A socket's file that looks at the time before each read."""

    def __init__(
        self, file: io.RawIOBase, sock: socket.socket, seconds_left: Callable[[], float]
    ) -> None:
        super().__init__()
        self._file = file
        self._sock = sock
        self._seconds_left = seconds_left
        self._read_timeout = sock.gettimeout() or math.inf

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Any) -> int | None:
        left = self._seconds_left()
        if left <= 0:
            raise TimeoutError("The answer arrived too slowly.")
        self._sock.settimeout(min(self._read_timeout, left))
        return self._file.readinto(buffer)

    @override
    def close(self) -> None:
        self._file.close()
        super().close()


class _Response(HTTPResponse):
    def __init__(
        self,
        sock: socket.socket,
        debuglevel: int = 0,
        method: str | None = None,
        url: str | None = None,
    ) -> None:
        super().__init__(sock, debuglevel, method, url)
        if seconds_left := _seconds_left.get(None):
            self.fp = io.BufferedReader(_Reader(self.fp.detach(), sock, seconds_left))

    @override
    def begin(self) -> None:
        super().begin()
        # http.client skips 100 only, and takes another informational answer, such as 103, for the
        # final one. The final one would then be taken for the answer to the next request.
        while self.status < 200:
            self.headers = None  # type: ignore[assignment] # otherwise, it has begun
            super().begin()


class _Connection(HTTPConnection):
    response_class = _Response


class _TlsConnection(HTTPSConnection):
    response_class = _Response
