"""Time that passes only when a test says so."""

from datetime import datetime, timedelta


class PowertoolsClock:
    """Stands in for `datetime` where Powertools asks for the time."""

    def __init__(self) -> None:
        self._now = datetime(2026, 1, 1)  # noqa: DTZ001 - Powertools compares naive times

    def now(self) -> datetime:
        return self._now

    def pass_seconds(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
