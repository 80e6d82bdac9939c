"""What became of an image, and whether that may be."""

import io
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from PIL import Image

from tests.fault_injection.aws import REPORT
from tests.fault_injection.deployment import LANES

_LAST_BYTES = (b"IEND\xaeB`\x82", b"\xff\xd9")
"""Of a PNG and of a JPEG."""


class Ending(StrEnum):
    """How an image may end; a report may go with a dead letter."""

    RESULT = "results"
    REPORT = "reports"
    DEAD_LETTER = "dead letters"


class Wrong(StrEnum):
    """What must not be."""

    LOST = "lost"
    CHARGED_TWICE = "charged twice"
    STUCK = "stuck"
    PACE = "wrong pace"


@dataclass(frozen=True)
class Version:
    """One drop of the file; `dropped_at` in seconds since the epoch."""

    version_id: str
    etag: str
    sha256: str
    dropped_at: float


@dataclass(frozen=True)
class Spent:
    """On one version: calls that were charged, and how many of them the program told of.

    `in_vain`: a newer version came, so that a call for this one may rightly be without a result.
    """

    version: Version
    charges: int
    counted: float
    has_result: bool
    in_vain: bool = False

    @property
    def uncounted(self) -> float:
        """Charges that nobody was told of and that there is no result for."""
        return max(0, self.charges - self.counted - (self.has_result or self.in_vain))


@dataclass(frozen=True)
class Written:
    """An object of the output bucket; `at` in seconds since the epoch."""

    key: str
    metadata: Mapping[str, str]
    body: bytes
    at: float

    @property
    def version_id(self) -> str | None:
        """Of the file that it was made from."""
        return self.metadata.get("source-version-id")


@dataclass(frozen=True)
class Found:
    """What there is when nothing is in progress any more.

    Attributes:
        newest: version of the key.
        written: the objects in the output bucket whose keys belong to the source.
        ended_at: when the first ending of the newest version was written, if any was.
        dead: the versions of the dead letters.
        beside: suffixes of what has to stand beside a result.
        lanes: of the upload and of the retry function, during the backlog, and the most that there
            were at a time; if PaceFunction was struck.
        most_in_vain: how many credits may be lost, counted or not.
    """

    newest: Version
    written: list[Written]
    ended_at: float | None
    dead: list[str]
    spent: list[Spent]
    quiet: bool
    beside: tuple[str, ...] = ()
    lanes: tuple[int | None, int | None, int] | None = None
    most_in_vain: float = math.inf


@dataclass(frozen=True)
class Verdict:
    """On one run; `recovery_seconds` from the drop to the ending."""

    endings: frozenset[Ending]
    wrong: tuple[tuple[Wrong, str], ...]
    counted: float
    recovery_seconds: float


def judge(found: Found) -> Verdict:
    """What it comes to."""
    reports = [each for each in found.written if each.key.endswith(REPORT)]
    results = [each for each in found.written if not each.key.endswith((REPORT, ".json"))]
    is_dead = found.newest.version_id in found.dead
    endings = _endings(results, reports, is_dead=is_dead)
    began = found.newest.dropped_at
    recovery = 0 if found.ended_at is None else max(0, found.ended_at - began)
    wrong = tuple(_wrong(found, results, reports, is_dead=is_dead))
    counted = sum(spent.counted for spent in found.spent)
    return Verdict(endings, wrong, counted, recovery)


def _endings(results: list[Written], reports: list[Written], *, is_dead: bool) -> frozenset[Ending]:
    there = {Ending.RESULT: results, Ending.REPORT: reports, Ending.DEAD_LETTER: is_dead}
    return frozenset(ending for ending, some in there.items() if some)


def _wrong(
    found: Found, results: list[Written], reports: list[Written], *, is_dead: bool
) -> Iterable[tuple[Wrong, str]]:
    if not found.quiet:
        yield Wrong.STUCK, "it is still under way"
    elif reason := _lost(found, results, reports, is_dead=is_dead):
        yield Wrong.LOST, reason
    if found.lanes not in {None, (1, LANES - 1, LANES)}:
        yield Wrong.PACE, f"the lanes are {found.lanes}"
    for spent in found.spent:
        if spent.uncounted:
            yield Wrong.CHARGED_TWICE, f"{spent.charges} charges, {spent.counted:g} counted"
        if spent.charges - spent.has_result > found.most_in_vain:
            yield Wrong.CHARGED_TWICE, f"{spent.charges} charges, although the fault lasted"


def _lost(
    found: Found, results: list[Written], reports: list[Written], *, is_dead: bool
) -> str | None:
    match results, reports:
        case [], []:
            # What SQS itself gave up is a message to send on, as promised.
            return None if is_dead else "nothing is there"
        case [result], []:
            return "a result and a dead letter" if is_dead else _of_result(result, found)
        case [], [report]:
            # A dead letter may stand beside the report of a file that it was to replace.
            same = report.version_id == found.newest.version_id
            return None if is_dead or same else "the report of another version"
        case _:
            return f"{len(results)} results and {len(reports)} reports"


def _of_result(result: Written, found: Found) -> str | None:
    there = {each.key: each.body for each in found.written}
    if missing := [suffix for suffix in found.beside if result.key + suffix not in there]:
        return f"a result without its {', '.join(missing)}"
    for suffix in found.beside:
        if json.loads(there[result.key + suffix])["source"]["version_id"] != result.version_id:
            return f"a result with the {suffix} of another version"
    if result.metadata.get("source-etag") != found.newest.etag:
        return "the result of another file"
    # Two uploads of the same content share a result, whichever of them it was made from.
    return _broken(result.body)


def _broken(body: bytes) -> str | None:
    # Pillow doesn't miss the last bytes.
    if not body.endswith(_LAST_BYTES):
        return "a result without its end"
    try:
        with Image.open(io.BytesIO(body)) as image:
            image.load()
    except Exception as error:  # whatever it is, nobody can look at it
        return f"a broken result: {error}"
    return None
