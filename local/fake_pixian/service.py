"""The state of one stand-in, shared by its routes."""

import hmac
import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from decimal import Decimal

import onnxruntime

from local.fake_pixian.errors import ApiError
from local.fake_pixian.faults import Faults

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


# Invented, and uneven on purpose: a client must read the headers, not compute.
PER_IMAGE = Decimal("0.212")
PER_MEGAPIXEL = Decimal("0.0371")
STEP = Decimal("0.0001")


def price(pixels: int) -> Decimal:
    """Give the credits for an image of so many pixels after `max_pixels`."""
    return (PER_IMAGE + PER_MEGAPIXEL * pixels / 1_000_000).quantize(STEP)


class Account:
    """A balance that many calls draw on at once."""

    def __init__(self, credits_: Decimal) -> None:
        self._balance = credits_
        self._lock = threading.Lock()

    @property
    def balance(self) -> Decimal:
        """The credits left."""
        return self._balance

    @balance.setter
    def balance(self, credits_: Decimal) -> None:
        with self._lock:
            self._balance = credits_

    def charge(self, cost: Decimal) -> None:
        """Take the cost, or raise a 402 and take nothing."""
        with self._lock:
            if self._balance < cost:
                raise ApiError(402)
            self._balance -= cost


@dataclass(frozen=True, kw_only=True)
class Settings:
    """`concurrency_limit` None is no limit."""

    concurrency_limit: int | None = None
    latency_seconds: float = 0


@dataclass(kw_only=True)
class Service:
    """Everything that outlives a request."""

    api_id: str
    api_secret: str = field(repr=False)
    credits: Decimal
    ca_bundle: str | None
    model: onnxruntime.InferenceSession
    ledger: Ledger = field(default_factory=Ledger)
    faults: Faults = field(default_factory=Faults)
    settings: Settings = field(default_factory=Settings)
    stopping: threading.Event = field(default_factory=threading.Event)
    account: Account = field(init=False)

    def __post_init__(self) -> None:
        self.account = Account(self.credits)

    def knows(self, api_id: str, api_secret: str) -> bool:
        """Compare the credentials."""
        return hmac.compare_digest(
            f"{api_id}:{api_secret}".encode(), f"{self.api_id}:{self.api_secret}".encode()
        )

    def wait(self, seconds: float) -> None:
        """Sleep, but not past the end of the server."""
        if seconds:
            self.stopping.wait(seconds)

    def reset(self) -> None:
        """Go back to the state at the start."""
        self.ledger.clear()
        self.faults.clear()
        self.settings = Settings()
        self.account.balance = self.credits
