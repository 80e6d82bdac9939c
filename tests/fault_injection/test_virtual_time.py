"""Time on a connection passes by the function's clock alone."""

import math
import socket
from collections.abc import Iterator

import pytest

from tests.fault_injection.virtual_time import heed, passing


class Clock:
    def __init__(self) -> None:
        self.passed: list[float] = []


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    # So that it is put back as it was
    monkeypatch.setattr(socket.socket, "recv_into", socket.socket.recv_into)
    heed(clock.passed.append)
    return clock


@pytest.fixture
def pair(clock: Clock) -> Iterator[tuple[socket.socket, socket.socket]]:  # noqa: ARG001 - first
    ours, theirs = socket.socketpair()
    ours.settimeout(20)
    with ours, theirs:
        yield ours, theirs


type Pair = tuple[socket.socket, socket.socket]


def test_bytes_come_through_without_the_silence_between_them(pair: Pair, clock: Clock) -> None:
    ours, theirs = pair
    theirs.sendall(passing(3) + b"one" + passing(4) + b"two")
    theirs.close()
    assert ours.makefile("rb").read() == b"onetwo"
    assert clock.passed == [3, 4]


@pytest.mark.parametrize("seconds", [20, 170, math.inf])
def test_a_silence_longer_than_the_patience_is_a_timeout(
    pair: Pair, clock: Clock, seconds: float
) -> None:
    ours, theirs = pair
    theirs.sendall(passing(seconds) + b"too late")
    with pytest.raises(TimeoutError):
        ours.makefile("rb").read()
    assert clock.passed == [20]


def test_who_has_patience_without_end_waits(pair: Pair, clock: Clock) -> None:
    ours, theirs = pair
    ours.settimeout(None)
    theirs.sendall(passing(170) + b"at last")
    theirs.close()
    assert ours.makefile("rb").read() == b"at last"
    assert clock.passed == [170]


def test_a_silence_that_comes_between_the_look_and_the_taking_is_heeded(
    pair: Pair, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = pair
    looked = socket.socket.recv

    def look(self: socket.socket, size: int, flags: int = 0) -> bytes:
        seen = looked(self, size, flags)
        if seen == b"one":
            theirs.sendall(passing(4) + b"two")
            theirs.shutdown(socket.SHUT_WR)
        return seen

    monkeypatch.setattr(socket.socket, "recv", look)
    theirs.sendall(b"one")
    assert ours.makefile("rb").read() == b"onetwo"
    assert clock.passed == [4]
