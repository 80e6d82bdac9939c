"""Every remove-background request, in the order of arrival."""

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from decimal import Decimal

type Texts = dict[str, str | list[str]]


@dataclass(kw_only=True)
class Call:
    """One request; filled in as it goes. Times are epoch seconds."""

    id: str
    arrived_at: float
    parallel: int
    finished_at: float | None = None
    filename: str | None = None
    sha256: str | None = None
    input: str | None = None
    parameters: Texts | None = None
    test: bool = False
    status: int | None = None
    fault: str | None = None
    credits_charged: Decimal = Decimal(0)
    credits_calculated: Decimal = Decimal(0)

    def entry(self) -> dict[str, object]:
        """Give what the ledger shows, decimals as strings."""
        return {k: str(v) if isinstance(v, Decimal) else v for k, v in asdict(self).items()}


class Ledger:
    """The calls so far, and how many are in progress."""

    def __init__(self) -> None:
        self._calls: list[Call] = []
        self._numbers = itertools.count(1)
        self._in_progress = 0
        self._lock = threading.Lock()

    @contextmanager
    def call(self) -> Iterator[Call]:
        """Enter a request for as long as it is worked on."""
        with self._lock:
            self._in_progress += 1
            number = str(next(self._numbers))
            call = Call(id=number, arrived_at=time.time(), parallel=self._in_progress)
            self._calls.append(call)
        try:
            yield call
        finally:
            with self._lock:
                self._in_progress -= 1
                call.finished_at = time.time()

    def entries(self) -> list[dict[str, object]]:
        """Give all calls, also those in progress."""
        with self._lock:
            return [call.entry() for call in self._calls]

    def clear(self) -> None:
        """Forget the calls so far."""
        with self._lock:
            self._calls.clear()
