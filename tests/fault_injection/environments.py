"""The execution environments of the functions: begun when one is needed, reused, killed."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from tests.fault_injection import function
from tests.fault_injection.aws import Aws
from tests.fault_injection.function import (
    CONNECTS_STRUCK,
    NOW,
    TIMED_OUT,
    WAITS_KILLED,
    Answered,
    Beginning,
    Invocation,
)
from tests.template import GLOBALS, properties

if TYPE_CHECKING:
    from ctypes import Array, c_double

_LONGEST_SECONDS = 60
"""Of real time; nothing in an invocation waits, so more is a fault of the harness."""

_context = multiprocessing.get_context("forkserver")


@dataclass(frozen=True)
class Ended:
    """One invocation: what the handler returned, or why it didn't, and what it wrote."""

    result: Any
    error: str | None
    said: str


@dataclass
class _Process:
    process: ForkServerProcess
    calls: Connection
    shared: "Array[c_double]"
    log: Path
    busy: bool = False
    read: int = 0

    def said(self) -> str:
        """What it wrote since the last look."""
        with self.log.open("rb") as log:
            log.seek(self.read)
            said = log.read()
        self.read += len(said)
        return said.decode(errors="replace")


@dataclass
class Environments:
    """All of one run.

    Attributes:
        connects: what becomes of the next connections to Pixian, in order.
        connects_struck: how many of them were tried.
        waits: how many lanes are to be killed while they wait.
        waits_killed: how many of them were.
        sabotage: what each process does before it loads its handler.
    """

    aws: Aws
    directory: Path
    sabotage: Callable[[], None] | None
    seed: int = 0
    connects: tuple[str, ...] = ()
    connects_struck: int = 0
    waits: int = 0
    waits_killed: int = 0
    _processes: list[tuple[str, _Process]] = field(default_factory=list)
    _numbers: int = 0
    _names: Iterator[str] = field(default_factory=lambda: map(str, count()))

    def begin(self, seed: int) -> None:
        """Another run."""
        self.seed, self.connects, self.connects_struck, self._numbers = seed, (), 0, 0
        self.waits = self.waits_killed = 0

    def invoke(self, name: str, event: dict[str, Any], trouble: str = "") -> Ended:
        """Call one function's handler and wait for its end."""
        process = self._free(name)
        process.busy = True
        left = self.connects[self.connects_struck :]
        self._numbers += 1
        invocation = Invocation(
            event,
            _seconds(name),
            self.seed * 1000 + self._numbers,
            trouble,
            left,
            killed_waiting=self.waits_killed < self.waits,
        )
        process.calls.send((invocation, self.aws.clock.now))
        try:
            return self._wait(name, process)
        finally:
            process.busy = False

    def _wait(self, name: str, process: _Process) -> Ended:
        try:
            if not process.calls.poll(_LONGEST_SECONDS):
                raise TimeoutError(f"{name} doesn't end: {process.said()}")
            answered = process.calls.recv()
            self.aws.clock.pass_to(process.shared[NOW])
        except (EOFError, ConnectionResetError):
            answered = Answered(error=self._died(name, process))
        self.connects_struck += int(process.shared[CONNECTS_STRUCK])
        self.waits_killed += int(process.shared[WAITS_KILLED])
        process.shared[CONNECTS_STRUCK] = process.shared[WAITS_KILLED] = 0
        return Ended(answered.result, answered.error, process.said())

    def _died(self, name: str, process: _Process) -> str:
        process.process.join()
        self._processes.remove((name, process))
        if process.process.exitcode == TIMED_OUT:
            self.aws.clock.pass_to(process.shared[NOW])
            return "timed out"
        # How far it had come by its own clock is chance; its last call is not.
        return f"ended with {process.process.exitcode}"

    def note_time(self) -> None:
        """Have AWS keep up with the functions that are at work."""
        for _, process in self._processes:
            if process.busy:
                self.aws.clock.pass_to(process.shared[NOW])

    def kill(self) -> None:
        """End the one that is at work."""
        ((_, process),) = [each for each in self._processes if each[1].busy]
        assert process.process.pid
        os.kill(process.process.pid, signal.SIGKILL)
        process.process.join()

    def _free(self, name: str) -> _Process:
        for of, process in self._processes:
            if of == name and not process.busy:
                return process
        process = self._begin(name)
        self._processes.append((name, process))
        return process

    def _begin(self, name: str) -> _Process:
        ours, theirs = _context.Pipe()
        # Without a lock, which a process that is killed would keep.
        shared = _context.RawArray("d", [self.aws.clock.now, 0.0, 0.0])
        log = Path(self.directory, next(self._names))
        log.touch()
        beginning = Beginning(name, self.aws.variables(), log, self.sabotage)
        process = _context.Process(
            target=function.serve,
            args=(beginning, shared, theirs),
            daemon=True,
        )
        process.start()
        theirs.close()
        return _Process(process, ours, shared, log)

    def close(self) -> None:
        """End all."""
        for _, process in self._processes:
            process.calls.close()
            process.process.join()
        self._processes.clear()


def _seconds(function: str) -> float:
    """That an invocation may take."""
    of_its_own = properties(f"{function.capitalize()}Function").get("Timeout")
    return float(of_its_own or GLOBALS["Timeout"])


@contextmanager
def environments(aws: Aws, sabotage: Callable[[], None] | None) -> Iterator[Environments]:
    """None at first; all are gone when the context ends."""
    _context.set_forkserver_preload(["__main__", "tests.fault_injection.preloaded"])
    with TemporaryDirectory() as directory:
        made = Environments(aws, Path(directory), sabotage)
        aws.gate.on_call = made.note_time
        try:
            yield made
        finally:
            made.close()
