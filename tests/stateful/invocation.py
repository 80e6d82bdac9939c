"""One invocation of a function, which can be stopped between any two of its calls."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, override

from aws_lambda_powertools.utilities.typing import LambdaContext

from pixian_s3.process import Processor
from tests.stateful.ledger import Charge, Upload


class Killed(BaseException):
    """The execution environment ended; nothing that the program does from now on has an effect."""


@dataclass(frozen=True)
class Stop:
    """Where an invocation stops, such as "before put result" or "after pixian".

    Each call has two boundaries, one before it is sent and one after it was executed.
    """

    how: Literal["pause", "kill"]
    where: str


class Context(LambdaContext):
    """Lambda's context; the function's `processor` is replaced by one that returns `processor`."""

    def __init__(self, processor: Processor, seconds_left: Callable[[], float]) -> None:
        self.processor = processor
        self._seconds_left = seconds_left

    @override
    def get_remaining_time_in_millis(self) -> int:  # type: ignore[override]
        return int(1000 * self._seconds_left())


@dataclass
class Invocation:
    """A function's run, in a thread of its own if it is to be paused. Only one runs at a time.

    Attributes:
        body: The function.
        ended: Takes the error that it raised, or None.
        now: Seconds since the epoch.
        deadline: When Lambda kills it.
        source: The upload that it downloaded last.
        charge: The last charge that it caused.
        found: The source and the upload in the lease that it acquired last.
    """

    body: Callable[[], None]
    ended: Callable[[BaseException | None], None]
    now: Callable[[], float]
    deadline: float
    lane: int
    name: str
    source: Upload | None = None
    charge: Charge | None = None
    found: tuple[str, str] = ("", "")
    dead: bool = False
    running: bool = True
    where: str = "the start"
    _stop: Stop | None = None

    _go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    _stopped: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    _thread: threading.Thread | None = None

    def run(self, stop: Stop | None) -> None:
        """Run it to its end or its stop, and return then."""
        self._stop = stop
        if self._thread is None and not (stop and stop.how == "pause"):
            return self._run()  # starting a thread takes longer than most invocations
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()
        else:
            self._go.release()
        self._stopped.acquire()
        if not self.running:
            self._thread.join()
        return None

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            self.body()
        except BaseException as raised:  # a kill is one
            error = raised
        self.running = False
        self.ended(error)
        self._stopped.release()

    def require_alive(self) -> None:
        """Raise Killed if it was killed or its time is over."""
        self.dead = self.dead or self.now() >= self.deadline
        if self.dead:
            raise Killed

    def boundary(self, where: str) -> None:
        """Pass the boundary of a call, or stop here."""
        self.require_alive()
        self.where = where
        if self._stop and where.startswith(self._stop.where):
            if self._stop.how == "kill":
                self.dead = True
            else:
                self._stopped.release()
                self._go.acquire()
            self.require_alive()
