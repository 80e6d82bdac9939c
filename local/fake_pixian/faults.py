"""The faults that are posted, in order, each with the times that it has left."""

import itertools
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from local.fake_pixian.fault import Fault
from local.fake_pixian.fault_document import read_fault

NO_FAULT = Fault()


@dataclass
class _Posted:
    fault: Fault
    skip: int
    times: int | None

    def applies(self) -> bool:
        if self.times == 0:
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


class Faults:
    """Scripted faults; the first that matches and has times left applies, once a request."""

    def __init__(self) -> None:
        self._posted: list[_Posted] = []
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def post(self, document: object) -> str:
        """Add one and give its id; ValueError says what is wrong with it."""
        fault = read_fault(document, f"fault-{next(self._numbers)}")
        with self._lock:
            self._posted.append(_Posted(fault, fault.skip, fault.times))
        return str(fault.id)

    def at_arrival(self) -> Fault:
        """Take the fault that strikes before the body is read."""
        return self._take({}, early=True)

    def for_image(self, filename: str | None, sha256: str) -> Fault:
        """Take the fault for this image, or one that does nothing."""
        return self._take({"filename": filename, "sha256": sha256}, early=False)

    def _take(self, facts: Mapping[str, str | None], *, early: bool) -> Fault:
        with self._lock:
            for posted in self._posted:
                fault = posted.fault
                if (fault.cut == "before_body") is not early or not fault.matches(facts):
                    continue
                if posted.applies():
                    return fault
        return NO_FAULT

    def entries(self) -> list[dict[str, object]]:
        """List them; `times` and `skip` are what is left."""
        with self._lock:
            return [asdict(p.fault) | {"times": p.times, "skip": p.skip} for p in self._posted]

    def clear(self) -> None:
        """Remove all."""
        with self._lock:
            self._posted.clear()
