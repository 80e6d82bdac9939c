"""Which runs a seed plans: every cell of point and kind, each run with variants of its own."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from tests.fault_injection.points import PIXIAN, Kind, Point

LEFT_OUT = {
    (Point.EVENT, Kind.TRUNCATED): "Lambda hands on a document that it has parsed, or none.",
    (Point.CONNECT, Kind.THROTTLE): "A connection isn't throttled but refused: an exception.",
    (Point.CONNECT, Kind.TRUNCATED): "There is no answer yet of which a part could come.",
} | {
    (Point.WAIT, kind): "Nothing is called while a lane waits: only its function can end."
    for kind in Kind
    if kind is not Kind.KILLED
}
# A lasting denial concerns all writes; a passing one of a single call is an exception.
LEFT_OUT |= {
    (point, kind): "Only storing is denied for long, and nothing else happens there."
    for point, kind in itertools.product(Point, Kind)
    if (point is Point.STORING) != (kind is Kind.DENIED)
}
CELLS = [cell for cell in itertools.product(Point, Kind) if cell not in LEFT_OUT]

HELD = {Kind.KILLED, Kind.DUPLICATE, Kind.REORDER}
"""Kinds that happen while the function waits at the point."""

PREFIXES: dict[str, dict[str, object]] = {
    "png/": {},
    "jpeg/": {"background.color": "#FFFFFF"},
    "delta/": {"output.format": "delta_png"},
    "sidecar/": {"pipeline": {"sidecar": True}},
    "tags/": {"pipeline": {"copy_tags": True}},
}
DOCUMENT = {"defaults": {"test": False}, "prefixes": PREFIXES}


class Scene(StrEnum):
    """What happens to the image besides."""

    PLAIN = "plain"
    THROTTLED = "throttled first"
    NO_IMAGE = "no image"
    REFUSED = "refused by Pixian"
    MENDED = "mended after a report"


class Start(StrEnum):
    """What the function remembers."""

    COLD = "nothing"
    BUSY = "everything"
    IDLE = "what has expired"


@dataclass(frozen=True)
class Fault:
    """What goes wrong.

    Attributes:
        times: how often.
        skip: how many calls at the point are well before it.
        after: the call is done, and the trouble is with its answer.
        detail: which of several faults of its kind.
        late_seconds: before a duplicate comes; 0 for meanwhile.
    """

    point: Point
    kind: Kind
    times: int = 1
    skip: int = 0
    after: bool = False
    detail: int = 0
    late_seconds: int = 0


@dataclass(frozen=True)
class Run:
    """One image's way through one fault, or two.

    Attributes:
        number: repeats it, together with the seed.
        waits: the image comes by the retry queue.
        throttles: calls that Pixian answers with 429, if the scene is so.
    """

    seed: int
    number: int
    fault: Fault
    scene: Scene
    prefix: str
    start: Start
    waits: bool
    throttles: int
    other: Fault | None

    def __str__(self) -> str:
        parts = [
            f"{self.fault.point}: {self.fault.kind}",
            *(f"{name} {value}" for name, value in _details(self.fault)),
            str(self.scene),
            f"{self.prefix}",
            f"it knows {self.start}",
            "from the queue" if self.waits else "from the upload",
            *([f"and {self.other.point}: {self.other.kind}"] if self.other else []),
        ]
        return ", ".join(parts)


def _details(fault: Fault) -> Iterator[tuple[str, object]]:
    for name in ("times", "skip", "after", "detail", "late_seconds"):
        yield name, getattr(fault, name)


def plan(seed: int, count: int) -> list[Run]:
    """So many runs, as evenly over all cells as the number allows."""
    return [_run(seed, number) for number in range(count)]


def _run(seed: int, number: int) -> Run:
    chance = Random(f"{seed} {number}")  # noqa: S311 - nothing is kept secret by it
    # In another order each round, so that a small number is no list of the first points.
    cells = CELLS.copy()
    Random(f"{seed} {number // len(CELLS)}").shuffle(cells)  # noqa: S311
    point, kind = cells[number % len(cells)]
    scene = chance.choice(_SCENES.get(point, tuple(Scene)))
    prefix = chance.choice(tuple(PREFIXES))
    start = chance.choice(_STARTS.get(point, tuple(Start)))
    throttles = chance.randint(1, 3) if scene is Scene.THROTTLED else 0
    detail = chance.randrange(1000)
    fault = Fault(
        point,
        kind,
        times=1 if kind in {Kind.DUPLICATE, Kind.REORDER} else chance.choice(_times(point, kind)),
        skip=chance.randint(0, _most_skipped(point, scene, prefix, start, throttles)),
        after=chance.random() < _AFTER,
        detail=detail,
        late_seconds=chance.choice(_LATE_SECONDS) if kind is Kind.DUPLICATE else 0,
    )
    other = _other(chance, point) if chance.random() < _WITH_ANOTHER else None
    # The event itself is what is deleted from the queue, and what the backlog consists of.
    from_queue = chance.random() < _FROM_QUEUE
    waits = from_queue or deletes_message(fault) or point is Point.PACE
    return Run(seed, number, fault, scene, prefix, start, waits, throttles, other)


_AFTER = 0.5
_WITH_ANOTHER = 0.25
_FROM_QUEUE = 0.4
_NEVER_OTHER = {Point.EVENT, Point.CONNECT, Point.WAIT, Point.PACE}
_LATE_SECONDS = (0, 0, 0, 45, 1200, 3 * 3600)
_WITH_CALL = (Scene.PLAIN, Scene.PLAIN, Scene.THROTTLED, Scene.REFUSED, Scene.MENDED)
_SCENES = {
    Point.SECRET: _WITH_CALL,
    Point.CHECK: _WITH_CALL,
    Point.STORING: (Scene.PLAIN, Scene.THROTTLED, Scene.MENDED),
    Point.CONNECT: _WITH_CALL,
    Point.SENT: _WITH_CALL,
    Point.BODY: _WITH_CALL,
    Point.RESULT: (Scene.PLAIN, Scene.THROTTLED, Scene.MENDED),
    Point.REPORT: (Scene.NO_IMAGE, Scene.REFUSED),
    Point.QUEUE: (Scene.THROTTLED,),
    Point.THROTTLES: (Scene.THROTTLED,),
    Point.WAIT: (Scene.THROTTLED,),
    Point.DELETE: (Scene.MENDED,),
}
_STARTS = {
    Point.CONFIGURATION: (Start.COLD, Start.IDLE),
    Point.SECRET: (Start.COLD, Start.IDLE),
    Point.CHECK: (Start.COLD,),
}
_SPARING_DETAILS = [detail for detail in range(0, 1000, 2) if detail % 8 != 6]
"""Without those that have Pixian answer 400, after which the first fault could not strike."""
_SIMPLE = (Kind.EXCEPTION, Kind.THROTTLE, Kind.TIMEOUT, Kind.RESET, Kind.TRUNCATED, Kind.SLOW)


def deletes_message(fault: Fault) -> bool:
    """Of the two deletions, that of the message and not that of the report."""
    return fault.point is Point.DELETE and fault.detail % 2 == 1


def _times(point: Point, kind: Kind) -> tuple[int, ...]:
    if point is Point.WAIT:
        return (1, 1, 2)
    if kind is Kind.KILLED:
        return (1, 1, 2, 4, 7)
    if kind is Kind.DENIED:
        return (1, 2, 5, 40)
    if point in PIXIAN:
        return (1, 1, 2, 4)
    if point is Point.EVENT:
        return (1, 2, 3, 8)
    # The SDK tries five times: 11 are two tries of the function that fail and one that doesn't.
    return (1, 3, 5, 11)


def _most_skipped(point: Point, scene: Scene, prefix: str, start: Start, throttles: int) -> int:
    """How many calls there are at the point, besides one."""
    more = {
        Point.CONFIGURATION: int(start is Start.COLD),
        Point.HEAD: int(scene in {Scene.NO_IMAGE, Scene.REFUSED, Scene.MENDED}),
        Point.LEASE: 1 if scene is Scene.NO_IMAGE else 2,
        Point.SOURCE: 1 + int(prefix == "tags/"),
        Point.RESULT: int(prefix == "sidecar/"),
        Point.SENT: throttles,
        Point.BODY: throttles,
        Point.QUEUE: throttles - 1,
        Point.PACE: 1,
    }
    return more.get(point, 0)


def _other(chance: Random, not_at: Point) -> Fault:
    at = [each for each in Point if each not in _NEVER_OTHER | {not_at}]
    point, kind = chance.choice(at), chance.choice(_SIMPLE)
    # Several lost answers would end it as a dead letter before the first fault can strike.
    times = 1 if point in PIXIAN else chance.choice((1, 5))
    return Fault(point, kind, times, detail=chance.choice(_SPARING_DETAILS))
