"""How an answer can fail: the fault's document, when it applies, and how it is delivered."""

from __future__ import annotations

import itertools
import json
import threading
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from flask import Response

from local.fake_pixian.errors import Answer, ApiError
from local.fake_pixian.form import URL, Form

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from _typeshed.wsgi import StartResponse, WSGIEnvironment
    from flask import Request

type Cut = Literal["before_body", "after_request", "mid_body"]

OK = 200


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What goes wrong with an answer; by default, nothing. `control` documents the fields."""

    id: str | None = None
    match: Mapping[str, str] = field(default_factory=dict)
    times: int | None = 1
    skip: int = 0
    status: int | None = None
    body: object = None
    echo: bool = False
    content_type: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_seconds: float = 0
    cut: Cut | None = None
    truncate: bool = False
    charge: bool | None = None

    @property
    def charges(self) -> bool:
        """Whether the call is charged."""
        if self.charge is not None:
            return self.charge
        return self.status in {None, OK} or bool(self.cut) or self.truncate

    @property
    def replaces(self) -> bool:
        """Whether the real answer needn't even be computed."""
        return self.status is not None and not self.charges

    def matches(self, facts: Mapping[str, str | None]) -> bool:
        """Whether the image has the `filename` and the `sha256` of the fault."""
        return all(facts.get(name) == value for name, value in self.match.items())

    def spoil(self, answer: Answer) -> Answer:
        """Replace what the fault says in an answer."""
        if self.status is not None:
            answer = self._answer(self.status)
        content_type = self.content_type or answer.content_type
        headers = {**answer.headers, **self.headers}
        return replace(answer, content_type=content_type, headers=headers)

    def _answer(self, status: int) -> Answer:
        if self.body is None:
            return ApiError(status).answer()
        if isinstance(self.body, str):
            return Answer(status=status, body=self.body.encode(), content_type="text/plain")
        return Answer(status=status, body=json.dumps(self.body).encode())


def read_fault(document: object, number: str) -> Fault:
    """Validate a posted fault; ValueError says what is wrong."""
    if not isinstance(document, dict):
        raise ValueError("a fault must be a JSON object")
    for name, value in document.items():
        if name not in CHECKS:
            raise ValueError(f"{name}: unknown field; known are {', '.join(CHECKS)}")
        good, wanted = CHECKS[name]
        if not good(value):
            raise ValueError(f"{name}: must be {wanted}")
    fault = Fault(**document, id=number)
    _check_together(fault)
    return fault


def _check_together(fault: Fault) -> None:
    if fault.cut == "before_body" and fault.match:
        raise ValueError("cut before_body can't have a match: the image is in the body")
    if fault.cut and fault.truncate:
        raise ValueError("cut and truncate can't be combined")
    if fault.body is not None and fault.status is None:
        raise ValueError("body: requires a status")
    if fault.echo and (fault.status is None or fault.status < ERRORS or fault.body is not None):
        raise ValueError("echo: requires a status of 400 or above, and no body")
    if fault.status is not None and fault.status < ERRORS and fault.body is None:
        raise ValueError("status: below 400 requires a body")


def _is_whole(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_seconds(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 0 <= value <= LONGEST_DELAY


def _is_texts(value: object, names: Collection[str]) -> bool:
    if not isinstance(value, dict) or not value.keys() <= set(names):
        return False
    return all(isinstance(text, str) and text.isprintable() for text in value.values())


def _is_headers(value: object) -> bool:
    if not isinstance(value, dict) or FRAMING & {name.lower() for name in value}:
        return False
    return _is_texts(value, value.keys())


MOST = 1_000_000
LONGEST_DELAY = 3600
ERRORS = 400
MATCHED = ("filename", "sha256")
FRAMING = {"content-length", "transfer-encoding", "content-type", "connection"}
CUTS = ("before_body", "after_request", "mid_body")

CHECKS: dict[str, tuple[Callable[[object], bool], str]] = {
    "match": (lambda v: _is_texts(v, MATCHED), "an object with filename, sha256 or both"),
    "times": (lambda v: v is None or _is_whole(v, 1, MOST), "a whole number from 1, or null"),
    "skip": (lambda v: _is_whole(v, 0, MOST), "a whole number from 0"),
    "status": (lambda v: _is_whole(v, OK, 599), "a whole number from 200 to 599"),
    "body": (lambda v: v is not None, "a string or JSON other than null"),
    "echo": (lambda v: isinstance(v, bool), "true or false"),
    "content_type": (lambda v: isinstance(v, str) and v.isprintable(), "a string"),
    "headers": (_is_headers, f"an object of strings without {', '.join(sorted(FRAMING))}"),
    "delay_seconds": (_is_seconds, f"seconds from 0 to {LONGEST_DELAY}"),
    "cut": (lambda v: v in CUTS, f"one of {', '.join(CUTS)}"),
    "truncate": (lambda v: isinstance(v, bool), "true or false"),
    "charge": (lambda v: isinstance(v, bool), "true or false"),
}


NO_FAULT = Fault()


@dataclass
class _Posted:
    """A fault, and how many requests it has yet to skip and to apply to."""

    fault: Fault
    skip: int
    times: int | None

    def applies(self) -> bool:
        if self.times == 0:
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


class Faults:
    """The posted faults, in order. The first that matches and has times left applies."""

    def __init__(self) -> None:
        self._posted: list[_Posted] = []
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def post(self, document: object) -> str:
        """Add a fault and return its id; ValueError says what is wrong with it."""
        fault = read_fault(document, f"fault-{next(self._numbers)}")
        with self._lock:
            self._posted.append(_Posted(fault, fault.skip, fault.times))
        return str(fault.id)

    def at_arrival(self) -> Fault:
        """Take the fault that applies before the body is read, or NO_FAULT."""
        return self._take({}, early=True)

    def for_image(self, filename: str | None, sha256: str) -> Fault:
        """Take the fault for this image, or NO_FAULT."""
        return self._take({"filename": filename, "sha256": sha256}, early=False)

    def _take(self, facts: Mapping[str, str | None], *, early: bool) -> Fault:
        with self._lock:
            for posted in self._posted:
                fault = posted.fault
                if (fault.cut == "before_body") is not early or not fault.matches(facts):
                    continue
                if posted.applies():
                    return fault
        return NO_FAULT

    def entries(self) -> list[dict[str, object]]:
        """List all faults; `times` and `skip` are what is left."""
        with self._lock:
            return [asdict(p.fault) | {"times": p.times, "skip": p.skip} for p in self._posted]

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._posted.clear()


def with_echo(fault: Fault, request: Request, form: Form) -> Fault:
    """If the fault has `echo`, give it an error message that quotes the request."""
    if not fault.echo or fault.status is None:
        return fault
    given = request.authorization
    quoted = [request.headers["Authorization"], (given and given.password) or ""]
    message = "Refused: " + " ".join(quoted + form.texts.get(URL, []))
    return replace(fault, body=ApiError(fault.status, message).document())


class SeveredError(ConnectionError):
    """Ends a request without an answer: the server resets the connection."""


def deliver(answer: Answer, fault: Fault) -> Response:
    """Send the answer whole, cut or truncated, as the fault says."""
    if fault.cut:
        severed = answer.fill(_SeveredResponse(answer.body))
        severed.mid_body = fault.cut == "mid_body"
        return severed
    if fault.truncate:
        half = answer.fill(Response(iter([_half(answer.body)])))
        half.headers["Content-Length"] = str(len(answer.body))
        return half
    return answer.response()


class _SeveredResponse(Response):
    mid_body = False

    # Raise here, not while the body is iterated: by then, the server would first read on until the
    # client closes the connection, while the client waits for the server.
    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if self.mid_body:
            headers = self.get_wsgi_headers(environ).to_wsgi_list()
            start_response(self.status, headers)(_half(self.get_data()))
        raise SeveredError


def _half(body: bytes) -> bytes:
    return body[: len(body) // 2]
