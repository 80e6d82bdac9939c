"""A function's code in a process of its own, where time passes as it is told."""

import errno
import os
import random
import runpy
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Never
from urllib.parse import urlsplit

import time_machine
from aws_lambda_powertools.utilities.typing import LambdaContext

from pixian_s3.pixian.client import CONNECT_TIMEOUT_SECONDS
from tests.fault_injection.virtual_time import heed

if TYPE_CHECKING:
    from ctypes import Array, c_double

FUNCTIONS = Path(__file__).parents[2] / "functions"
TIMED_OUT = 124
"""The exit code of a process that Lambda would have ended."""

NOW, CONNECTS_STRUCK, WAITS_KILLED = 0, 1, 2
"""Positions in the memory that is shared with the parent process."""

_SLOW_CONNECT_SECONDS = CONNECT_TIMEOUT_SECONDS - 1
_CONNECT_ERRORS: dict[str, OSError] = {
    "refused": ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"),
    "unreachable": OSError(errno.ENETUNREACH, "Network is unreachable"),
    "no name": socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"),
    "timeout": TimeoutError("timed out"),
}


@dataclass(frozen=True)
class Invocation:
    """One call of a handler.

    Attributes:
        seconds: until it is ended.
        trouble: with the function itself: raises, hangs or killed; or none.
        connects: what becomes of each connection to Pixian that is tried; the rest are well.
        killed_waiting: whether it is killed when it waits for the first time, as a lane does.
    """

    event: dict[str, Any]
    seconds: float
    seed: int
    trouble: str = ""
    connects: tuple[str, ...] = ()
    killed_waiting: bool = False


@dataclass(frozen=True)
class Answered:
    """What a handler returned, or the exception that it raised."""

    result: Any = None
    error: str | None = None


class _Time:
    """This process's clock."""

    def __init__(self, shared: "Array[c_double]") -> None:
        self._shared = shared
        self._traveller = time_machine.travel(shared[NOW], tick=False).start()
        self.deadline = 0.0
        self.killed_waiting = False
        time.sleep = self._sleep  # type: ignore[assignment]

    def _sleep(self, seconds: float) -> None:
        if self.killed_waiting:
            self._shared[WAITS_KILLED] += 1
            os.kill(os.getpid(), signal.SIGKILL)
        self.pass_seconds(seconds)

    def pass_seconds(self, seconds: float) -> None:
        """Let time pass; an invocation doesn't outlive its deadline."""
        now = min(self._shared[NOW] + seconds, self.deadline)
        self.move_to(now)
        if now >= self.deadline:
            sys.stdout.flush()
            os._exit(TIMED_OUT)

    def move_to(self, now: float) -> None:
        self._shared[NOW] = now
        self._traveller.move_to(now)


class _Context(LambdaContext):
    def __init__(self, deadline: float) -> None:
        self._deadline = deadline

    def get_remaining_time_in_millis(self) -> int:  # type: ignore[override]
        return int(1000 * (self._deadline - time.time()))


@dataclass(frozen=True)
class Beginning:
    """How a process begins.

    Attributes:
        function: the directory of its handler.
        variables: of its environment.
        log: the file that it writes to.
        sabotage: does away with a part of the program, to see whether that is noticed.
    """

    function: str
    variables: dict[str, str]
    log: Path
    sabotage: Callable[[], None] | None = None


def serve(beginning: Beginning, shared: "Array[c_double]", calls: Connection) -> None:
    """Handle one event after another until nobody sends any; be it in `multiprocessing`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update(beginning.variables)
    # Line by line, so that what was written before a kill is there.
    sys.stdout = beginning.log.open("a", buffering=1)
    clock = _Time(shared)
    heed(clock.pass_seconds)
    connects = _Connects(beginning.variables["PIXIAN_ENDPOINT"], shared, clock)
    if beginning.sabotage:
        beginning.sabotage()
    handler = runpy.run_path(str(FUNCTIONS / beginning.function / "app.py"))["handler"]
    while True:
        try:
            invocation, now = calls.recv()
        except EOFError:
            return
        clock.deadline = now + invocation.seconds
        clock.killed_waiting = invocation.killed_waiting
        clock.move_to(now)
        random.seed(invocation.seed)
        connects.planned = list(invocation.connects)
        calls.send(_handle(handler, invocation, clock))


def _handle(handler: Callable[..., Any], invocation: Invocation, clock: _Time) -> Answered:
    if invocation.trouble in _TROUBLES:
        _TROUBLES[invocation.trouble](clock)
    try:
        return Answered(handler(invocation.event, _Context(clock.deadline)))
    except Exception as error:
        return Answered(error=f"{type(error).__name__}: {error}")


def _raises(_: _Time) -> Never:
    # As a process does that ends before its handler is called.
    os._exit(1)


def _hangs(clock: _Time) -> None:
    clock.pass_seconds(float("inf"))


def _killed(_: _Time) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


_TROUBLES: dict[str, Callable[[_Time], None]] = {
    "raises": _raises,
    "hangs": _hangs,
    "killed": _killed,
}


class _Connects:
    """What becomes of connections to Pixian before a byte is sent."""

    def __init__(self, endpoint: str, shared: "Array[c_double]", clock: _Time) -> None:
        self.planned: list[str] = []
        self._shared, self._clock = shared, clock
        port, connect = urlsplit(endpoint).port, socket.socket.connect

        def struck(self_: socket.socket, address: Any) -> None:
            if address[1] == port and self.planned:
                self._strike(self.planned.pop(0))
            connect(self_, address)

        socket.socket.connect = struck  # type: ignore[assignment, method-assign]

    def _strike(self, what: str) -> None:
        self._shared[CONNECTS_STRUCK] += 1
        if what == "timeout":
            self._clock.pass_seconds(CONNECT_TIMEOUT_SECONDS)
        if error := _CONNECT_ERRORS.get(what):
            raise error
        self._clock.pass_seconds(_SLOW_CONNECT_SECONDS)
