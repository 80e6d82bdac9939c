"""What outlives a request: the calls so far, the balance, the settings, the faults."""

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

# These prices are made up and have nothing to do with Pixian's: never budget with them. They are
# uneven on purpose, so that a client can't guess what X-Credits-Charged says.
MADE_UP_PRICE_PER_IMAGE = Decimal("0.212")
MADE_UP_PRICE_PER_MEGAPIXEL = Decimal("0.0371")
PRICE_STEP = Decimal("0.0001")


def made_up_price(pixels: int) -> Decimal:
    """Calculate the made-up price, in credits, of an image with this many pixels."""
    price = MADE_UP_PRICE_PER_IMAGE + MADE_UP_PRICE_PER_MEGAPIXEL * pixels / 1_000_000
    return price.quantize(PRICE_STEP)


class Account:
    """A balance that concurrent calls are charged to."""

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

    def charge(self, price: Decimal) -> None:
        """Subtract the price; a 402 if the balance doesn't cover it."""
        with self._lock:
            if self._balance < price:
                raise ApiError(402)
            self._balance -= price


@dataclass(kw_only=True)
class Call:
    """One remove-background request, filled in as it is processed.

    `control` documents the fields.
    """

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
        """Convert it for JSON, decimals to strings."""
        return {k: str(v) if isinstance(v, Decimal) else v for k, v in asdict(self).items()}


class Ledger:
    """Every call, in the order of arrival, and how many are in progress."""

    def __init__(self) -> None:
        self._calls: list[Call] = []
        self._numbers = itertools.count(1)
        self._in_progress = 0
        self._lock = threading.Lock()

    @contextmanager
    def call(self) -> Iterator[Call]:
        """Record a call while it is processed."""
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
        """List all calls, those in progress included."""
        with self._lock:
            return [call.entry() for call in self._calls]

    def clear(self) -> None:
        """Remove the calls so far."""
        with self._lock:
            self._calls.clear()


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the server behaves without a fault. `control` documents the fields."""

    concurrency_limit: int | None = None
    latency_seconds: float = 0


@dataclass(kw_only=True)
class Service:
    """The state of one server."""

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
        """Check credentials."""
        return hmac.compare_digest(
            f"{api_id}:{api_secret}".encode(), f"{self.api_id}:{self.api_secret}".encode()
        )

    def wait(self, seconds: float) -> None:
        """Sleep, but wake up when the server stops."""
        if seconds:
            self.stopping.wait(seconds)

    def reset(self) -> None:
        """Restore the state at the start."""
        self.ledger.clear()
        self.faults.clear()
        self.settings = Settings()
        self.account.balance = self.credits
