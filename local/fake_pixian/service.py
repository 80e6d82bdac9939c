"""The state of one stand-in, shared by its routes."""

import hmac
import threading
from dataclasses import dataclass, field
from decimal import Decimal

import onnxruntime

from local.fake_pixian.credits import Account
from local.fake_pixian.faults import Faults
from local.fake_pixian.ledger import Ledger
from local.fake_pixian.settings import Settings


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
