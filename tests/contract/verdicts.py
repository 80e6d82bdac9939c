"""What became of each assumption in one run."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pytest

_WORDS = {True: "holds", False: "does not hold", None: "not checked"}


@dataclass(frozen=True)
class Verdict:
    """Whether an assumption holds, None for not checked, and what was seen or why not."""

    holds: bool | None
    seen: str


VERDICTS = pytest.StashKey[dict[str, Verdict]]()
"""By what is assumed."""


def table(verdicts: Mapping[str, Verdict]) -> Iterable[str]:
    """A line for each assumption."""
    yield "assumption | verdict | seen"
    for says, verdict in verdicts.items():
        seen = " ".join(verdict.seen.split())
        yield f"{says} | {_WORDS[verdict.holds]} | {seen}"
