"""Pixian's stand-in behind a gate, its faults ordered over `/_control`."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import requests

from local.fake_pixian.cutout import load_model
from local.fake_pixian.server import MODEL, Handler, create_app
from local.fake_pixian.service import Service
from tests.fault_injection.deployment import CREDENTIALS
from tests.fault_injection.gate import Gate
from tests.fault_injection.points import PIXIAN, Point
from tests.integration.servers import serve

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_SECONDS = 1.5


@dataclass(frozen=True)
class Pixian:
    """The stand-in.

    Attributes:
        gate: before all that the functions call.
        url: of the gate.
    """

    gate: Gate
    url: str
    _control: str

    def fail(self, **fault: Any) -> None:
        """Order a fault."""
        requests.post(f"{self._control}/faults", json=fault, timeout=10).raise_for_status()

    def struck(self, order: dict[str, Any]) -> int:
        """How many calls the faults struck that were ordered so."""
        faults = requests.get(f"{self._control}/faults", timeout=10).json()["faults"]
        ids = {fault["id"] for fault in faults if order.items() <= fault.items()}
        return sum(call["fault"] in ids for call in self.calls())

    def calls(self) -> list[dict[str, Any]]:
        """The ledger."""
        found = requests.get(f"{self._control}/ledger", timeout=10).json()["requests"]
        assert isinstance(found, list)
        return found

    def reset(self) -> None:
        """Without faults, and with an empty ledger."""
        requests.post(f"{self._control}/reset", timeout=10).raise_for_status()


@contextmanager
def pixian() -> Iterator[Pixian]:
    """It serves as long as the context lasts."""
    service = Service(
        api_id=CREDENTIALS["api_id"],
        api_secret=CREDENTIALS["api_secret"],
        credits=Decimal(1_000_000),
        ca_bundle=None,
        model=load_model(MODEL),
    )
    app = create_app(service)
    gate = Gate(app, points, _SECONDS)
    with serve(app, Handler) as past, serve(gate, Handler) as url:
        yield Pixian(gate, url, f"{past}/_control")


def points(_: "WSGIEnvironment") -> set[Point]:
    """A call to Pixian is at all of its points, one after the other."""
    return set(PIXIAN)
