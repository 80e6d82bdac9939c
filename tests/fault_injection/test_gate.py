"""Each action at a gate, as a client of it sees it."""

from collections.abc import Callable, Iterator
from functools import partial
from http.client import IncompleteRead
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
import requests
from flask import Flask

from local.fake_pixian.server import Handler
from tests.builders import picture
from tests.fault_injection import actions
from tests.fault_injection.deployment import CREDENTIALS
from tests.fault_injection.gate import Gate, Strike
from tests.fault_injection.plan import Fault
from tests.fault_injection.points import Kind, Point
from tests.fault_injection.standin import Pixian, pixian
from tests.integration.servers import serve

BODY = b"done as it was asked"


class Server:
    """Counts what it did; the gate before it lets no time pass, which urllib couldn't read."""

    def __init__(self) -> None:
        self.done = 0
        self.gate = Gate(self._app(), lambda _: {Point.SOURCE}, 0)
        self.url = ""

    def _app(self) -> Flask:
        app = Flask("application")

        @app.get("/dropped/a.jpg")
        def _get() -> bytes:
            self.done += 1
            return BODY

        return app

    def strike(self, act: Callable[..., Any], fault: Fault) -> Strike:
        strike = Strike(fault.point, partial(act, fault), fault.skip, fault.times)
        self.gate.strikes.append(strike)
        return strike

    def get(self) -> bytes:
        with urlopen(f"{self.url}/dropped/a.jpg", timeout=10) as answer:  # noqa: S310 - our own
            body = answer.read()
            assert isinstance(body, bytes)
            return body


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    with serve(server.gate, Handler) as server.url:
        yield server


def test_without_a_strike_all_is_well(server: Server) -> None:
    assert server.get() == BODY


def test_only_the_calls_that_were_planned_are_struck(server: Server) -> None:
    strike = server.strike(actions.refuse, Fault(Point.SOURCE, Kind.THROTTLE, times=2, skip=1))
    assert server.get() == BODY
    for _ in range(2):
        with pytest.raises(HTTPError, match="503"):
            server.get()
    assert server.get() == BODY
    assert strike.struck == 2


def test_a_call_at_another_point_is_not_struck(server: Server) -> None:
    strike = server.strike(actions.reset, Fault(Point.RESULT, Kind.RESET))
    assert server.get() == BODY
    assert strike.struck == 0


@pytest.mark.parametrize("after", [False, True])
def test_a_reset_call_was_done_or_not(server: Server, *, after: bool) -> None:
    server.strike(actions.reset, Fault(Point.SOURCE, Kind.RESET, after=after))
    with pytest.raises(ConnectionResetError):
        server.get()
    assert server.done == after


def test_a_truncated_answer_says_how_long_it_would_be(server: Server) -> None:
    server.strike(actions.truncate, Fault(Point.SOURCE, Kind.TRUNCATED))
    with pytest.raises(IncompleteRead) as cut:
        server.get()
    assert BODY.startswith(cut.value.partial)
    assert server.done == 1


@pytest.mark.parametrize("after", [False, True])
def test_something_happens_before_a_call_is_done_or_before_its_answer(
    server: Server, *, after: bool
) -> None:
    seen = []
    fault = Fault(Point.SOURCE, Kind.DUPLICATE, after=after)
    server.gate.strikes.append(
        Strike(Point.SOURCE, partial(actions.hold, fault, lambda: seen.append(server.done)))
    )
    assert server.get() == BODY
    assert (seen, server.done) == ([int(after)], 1)


@pytest.fixture(scope="module")
def stand_in() -> Iterator[Pixian]:
    with pixian() as stand_in:
        yield stand_in


@pytest.mark.parametrize("cut", ["before_body", "after_request", "mid_body"])
@pytest.mark.parametrize("point", [Point.SENT, Point.BODY])
@pytest.mark.parametrize("kind", [Kind.TIMEOUT, Kind.SLOW])
def test_a_call_that_is_cut_behind_a_silent_gate_is_reset(
    stand_in: Pixian, kind: Kind, point: Point, cut: str
) -> None:
    stand_in.reset()
    silent = partial(actions.silent, Fault(point, kind, after=True))
    stand_in.gate.strikes.append(Strike(point, silent))
    stand_in.fail(cut=cut)
    with pytest.raises(requests.ConnectionError, match="reset by peer"):
        requests.post(
            f"{stand_in.url}/api/v2/remove-background",
            files={"image": ("a.png", picture())},
            auth=(CREDENTIALS["api_id"], CREDENTIALS["api_secret"]),
            timeout=10,
        )
    (call,) = stand_in.calls()
    assert call["status"] == (200 if cut == "mid_body" else None)
    assert (call["credits_charged"] == "0") == (cut == "before_body")
