"""What a cut-out costs here, and the balance that pays for it."""

import threading
from decimal import Decimal

from local.fake_pixian.errors import ApiError

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
