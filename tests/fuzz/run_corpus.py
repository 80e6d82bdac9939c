"""Sends the corpus through the upload function and says what became of it.

python -m tests.fuzz.run_corpus [--seed N] [--count 2000]
"""

import argparse
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import batched
from multiprocessing.connection import Connection

from tests.builders import fresh_seed
from tests.fuzz.corpus import Case, plan
from tests.fuzz.cost import peak_mb
from tests.fuzz.service import services
from tests.fuzz.stack import Ending, stack

MAX_PEAK_MB = 1500
"""The function has 1769 MB; the rest is for what Lambda itself needs."""

MAX_SECONDS = 20
"""The most processor time that a file may take. Only the command looks at it, because it depends on
the machine."""

_PROCESSES = 2
_BATCH = 125


@dataclass(frozen=True)
class Batch:
    """Some of the corpus' files, by their numbers."""

    seed: int
    count: int
    numbers: tuple[int, ...]

    def cases(self) -> list[tuple[int, Case]]:
        """The files, generated in each process that asks."""
        everything = plan(self.seed, self.count)
        return [(number, everything[number]) for number in self.numbers]


@dataclass(frozen=True)
class Ended:
    """How one file ended, its processor time, and the peak of its process's memory until then."""

    number: int
    kind: str
    name: str
    ending: Ending
    said: str
    seconds: float = 0
    peak_mb: int = 0


def run(seed: int, count: int, *, by_kind: bool = True) -> list[Ended]:
    """Every file of a corpus to its ending, in child processes: few, unless sorted by kind."""
    split = _by_kind(plan(seed, count)) if by_kind else _evenly(count)
    shares = [Batch(seed, count, numbers) for numbers in split]
    with services() as urls, ThreadPoolExecutor(_PROCESSES) as threads:
        return [ended for share in threads.map(partial(_run, urls=urls), shares) for ended in share]


def _evenly(count: int) -> Iterator[tuple[int, ...]]:
    for first in range(_PROCESSES):
        yield tuple(range(first, count, _PROCESSES))


def _by_kind(cases: list[Case]) -> Iterator[tuple[int, ...]]:
    """Batches of one kind each, so that the memory of a process tells about its kind."""
    for kind in dict.fromkeys(case.kind for case in cases):
        numbers = (number for number, case in enumerate(cases) if case.kind == kind)
        yield from batched(numbers, _BATCH, strict=False)


def _run(batch: Batch, urls: tuple[str, str]) -> list[Ended]:
    """A batch; a file that ends its process has crashed, and the others go on in a new one."""
    ended = [*_in_child(batch, urls)]
    if left := batch.numbers[len(ended) :]:
        ((number, fatal),) = replace(batch, numbers=left[:1]).cases()
        crash = Ended(number, fatal.kind, fatal.name, Ending.CRASHED, "The process ended.")
        return [*ended, crash, *_run(replace(batch, numbers=left[1:]), urls)]
    return ended


def _in_child(batch: Batch, urls: tuple[str, str]) -> Iterator[Ended]:
    if not batch.numbers:
        return
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(batch, urls, sender))
    child.start()
    sender.close()
    try:
        for _ in batch.numbers:
            yield receiver.recv()
    except EOFError:
        return
    finally:
        child.join()


def _child(batch: Batch, urls: tuple[str, str], sender: Connection) -> None:
    with stack(*urls) as function:
        for number, case in batch.cases():
            with _hushed():
                body = case.make()
                started = time.process_time()
                ending, said = function.drop(case.key, body)
            seconds = time.process_time() - started
            sender.send(Ended(number, case.kind, case.name, ending, said, seconds, peak_mb()))


@contextmanager
def _hushed() -> Iterator[None]:
    """Without the libraries' complaints about the files, which they write past Python."""
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


def table(ended: list[Ended]) -> str:
    """A line for each kind of file, and one for all."""
    kinds = list(dict.fromkeys(each.kind for each in sorted(ended, key=lambda each: each.number)))
    head = ["", "files", *Ending, "peak MB", "slowest s"]
    rows = [head, *(_row(kind, (e for e in ended if e.kind == kind)) for kind in kinds)]
    return "\n".join(
        row[0].ljust(18) + "".join(f"  {cell:>{len(name)}}" for cell, name in _cells(row, head))
        for row in [*rows, _row("all", ended)]
    )


def _cells(row: list[str], head: list[str]) -> Iterable[tuple[str, str]]:
    return zip(row[1:], head[1:], strict=True)


def _row(kind: str, ended: Iterable[Ended]) -> list[str]:
    ended = list(ended)
    endings = Counter(each.ending for each in ended)
    counts = [len(ended), *(endings[ending] for ending in Ending)]
    slowest = max(each.seconds for each in ended)
    return [kind, *map(str, counts), str(max(e.peak_mb for e in ended)), f"{slowest:.1f}"]


def faults(ended: list[Ended]) -> list[str]:
    """What must not be, in words."""
    bad = [each for each in ended if each.ending in {Ending.CRASHED, Ending.NONE}]
    said = [f"{each.kind}: {each.name}: {each.ending}: {each.said}" for each in bad]
    peak = max(each.peak_mb for each in ended)
    return [*said, f"{peak} MB are too much"] if peak >= MAX_PEAK_MB else said


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description="Send bad files through the upload function.")
    parser.add_argument("--seed", type=int, default=fresh_seed())
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--all", action="store_true", help="print every file's ending, too")
    arguments = parser.parse_args()
    print(f"SEED={arguments.seed}", flush=True)
    ended = run(arguments.seed, arguments.count)
    if arguments.all:
        print(*ended, sep="\n")
    print(table(ended))
    slowest = max(ended, key=lambda each: each.seconds)
    largest = max(ended, key=lambda each: each.peak_mb)
    print(f"slowest: {slowest.kind}, {slowest.name}: {slowest.seconds:.1f} s")
    print(f"largest: {largest.kind}, {largest.name}: {largest.peak_mb} MB")
    bad = faults(ended)
    if slowest.seconds > MAX_SECONDS:
        bad.append(f"{slowest.seconds:.0f} s are too long")
    sys.exit("\n".join(bad) or None)


if __name__ == "__main__":
    main()
