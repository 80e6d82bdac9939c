"""The fault proxy in front of an application: it does to the nth call what it was told."""

import io
import json
import math
import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Never

from local.fake_pixian.faults import SeveredError
from tests.fault_injection.points import Point
from tests.fault_injection.virtual_time import passing

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

type Action = Callable[["Exchange"], Iterable[bytes]]
type Headers = list[tuple[str, str]]


@dataclass
class Strike:
    """One action at one point, for `times` calls there after the first `skip`."""

    point: Point
    act: Action
    skip: int = 0
    times: int = 1
    struck: int = 0

    def takes(self, points: set[Point]) -> bool:
        """Whether this call is one of them."""
        if self.point not in points or self.struck == self.times:
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.struck += 1
        return True


@dataclass(frozen=True)
class Reply:
    """An answer that was held back."""

    status: str
    headers: Headers
    body: bytes

    def raw(self) -> bytes:
        """As it would go over the connection."""
        lines = [f"HTTP/1.1 {self.status}", *(f"{name}: {value}" for name, value in self.headers)]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


@dataclass
class Gate:
    """Lets every call through that no strike takes.

    Attributes:
        points: which points a call is at.
        seconds: that any call takes.
        on_call: told of each call before anything is done.
    """

    app: "WSGIApplication"
    points: Callable[["WSGIEnvironment"], set[Point]]
    seconds: float
    on_call: Callable[[], None] = lambda: None
    strikes: list[Strike] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, environ: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
        """As WSGI has it."""
        self.on_call()
        exchange = Exchange(self, environ, start)
        points = self.points(environ)
        with self.lock:
            strike = next((each for each in self.strikes if each.takes(points)), None)
        return strike.act(exchange) if strike else exchange.forward()


class Exchange:
    """One call, at which an action can be taken."""

    def __init__(self, gate: Gate, environ: "WSGIEnvironment", start: "StartResponse") -> None:
        self.environ = environ
        self._gate = gate
        self._start = start
        self._socket: socket.socket = environ["werkzeug.socket"]

    def forward(self) -> Iterable[bytes]:
        """As if there were no gate."""
        self.read()
        with self._gate.lock:
            return self._gate.app(self.environ, self._start_late)

    def _start_late(self, status: str, headers: Headers, exc_info: Any = None) -> Any:
        self.silence(self._gate.seconds)
        return self._start(status, headers, exc_info)

    def read(self) -> None:
        """Take in the whole call, so that the caller has sent everything."""
        body(self.environ)

    def execute(self) -> Reply:
        """Have it done, and keep what is said about it."""
        self.read()
        begun: list[tuple[str, Headers]] = []
        written: list[bytes] = []

        def start(status: str, headers: Headers, _: Any = None) -> Any:
            begun.append((status, headers))
            # WSGI's write(): an application that is to hang up halfway uses it.
            return written.append

        with self._gate.lock:
            iterated = self._gate.app(self.environ, start)
            body = b"".join([*written, *iterated])
        ((status, headers),) = begun
        return Reply(status, headers, body)

    def send(self, reply: Reply) -> Iterable[bytes]:
        """Let an answer go."""
        self._start_late(reply.status, reply.headers)
        return [reply.body]

    def send_halves(self, reply: Reply, between: Callable[[], None]) -> Iterable[bytes]:
        """Let an answer go, with something happening when half of its body is through."""
        half = len(reply.body) // 2
        write = self._start_late(reply.status, reply.headers)
        write(reply.body[:half])
        between()
        write(reply.body[half:])
        return []

    def silence(self, seconds: float) -> None:
        """Say nothing for so long, by the caller's clock."""
        if seconds:
            self._socket.sendall(passing(seconds))

    def pause(self, seconds: float) -> None:
        """The same; for ever, if it is infinite."""
        self.silence(seconds)
        if math.isinf(seconds):
            raise SeveredError

    def break_off(self, raw: bytes) -> Never:
        """Say this much, and hang up."""
        self._socket.sendall(raw)
        self._socket.shutdown(socket.SHUT_WR)
        raise SeveredError


def body(environ: "WSGIEnvironment") -> bytes:
    """All of a call's body; the application finds it as if nobody had read it."""
    stream = environ["wsgi.input"]
    if not isinstance(stream, io.BytesIO):
        # Without an end of its own the stream would wait for the next call.
        ends = environ.get("wsgi.input_terminated")
        size = -1 if ends else int(environ.get("CONTENT_LENGTH") or 0)
        stream = environ["wsgi.input"] = io.BytesIO(stream.read(size))
    return stream.getvalue()


def refusal(service: str, status: int, code: str) -> Reply:
    """An error as this service of AWS says it."""
    text = f"A fault: {code}"
    if service == "s3":
        body = f"<Error><Code>{code}</Code><Message>{text}</Message></Error>".encode()
        kind = "application/xml"
    else:
        body = json.dumps({"__type": code, "message": text}).encode()
        kind = "application/json"
    length = str(len(body))
    headers = [("Content-Type", kind), ("Content-Length", length), ("x-amzn-ErrorType", code)]
    return Reply(f"{status} Fault", headers, body)
