"""Plays the matrix of faults and says what became of the images.

python -m tests.fault_injection [--seed N] [--count N] [--only NUMBER]
"""

import argparse
import multiprocessing
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from types import FrameType
from typing import cast

from tqdm import tqdm

from tests.builders import fresh_seed
from tests.fault_injection.plan import CELLS, Run, plan
from tests.fault_injection.play import Record
from tests.fault_injection.table import failures, table
from tests.fault_injection.world import world

COUNT = 10 * len(CELLS)
PROCESSES = 2


def play(runs: list[Run], sabotage: Callable[[], None] | None = None) -> Iterator[Record]:
    """One after the other, in this process.

    Args:
        runs: in any order; none knows of another.
        sabotage: does away with a part of the program, in the functions' processes.
    """
    with world(sabotage) as stack:
        for run in runs:
            yield stack.play(run)


def play_all(
    runs: list[Run], sabotage: Callable[[], None] | None = None, processes: int = PROCESSES
) -> Iterator[Record]:
    """Some at a time, in processes of their own, in whatever order they end; see `play`."""
    context = multiprocessing.get_context("spawn")
    children = {}
    for first in range(min(processes, len(runs))):
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_share, args=(runs[first::processes], sabotage, sender))
        process.start()
        sender.close()
        children[receiver] = process
    open_ = list(children)
    try:
        while open_:
            ready = cast(list[Connection], wait(open_))
            for receiver in ready:
                try:
                    yield receiver.recv()
                except EOFError:
                    open_.remove(receiver)
    except BaseException:
        for process in children.values():
            process.terminate()
        raise
    finally:
        for process in children.values():
            process.join()


def _share(runs: list[Run], sabotage: Callable[[], None] | None, sender: Connection) -> None:
    signal.signal(signal.SIGTERM, _leave)
    for record in play(runs, sabotage):
        told = record.happened if failures([record]) else []
        sender.send(replace(record, happened=told))
    sender.close()


def _leave(number: int, _: FrameType | None) -> None:
    """Have all contexts end, and with them the functions' processes."""
    sys.exit(128 + number)


def main() -> None:
    """Play what the command line asks for."""
    parser = argparse.ArgumentParser(description="Play every fault at every step.")
    parser.add_argument(
        "--seed", type=int, default=fresh_seed(), help="repeats a matrix; a fresh one by default"
    )
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--only", type=int, help="one run's number; its log is printed, too")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, _leave)
    print(f"SEED={arguments.seed}")
    sys.exit(_only(arguments) if arguments.only is not None else _all(arguments))


def _only(arguments: argparse.Namespace) -> str | None:
    run = plan(arguments.seed, arguments.only + 1)[-1]
    (record,) = play([run])
    print(run, *record.happened, sep="\n")
    return _said([record])


def _all(arguments: argparse.Namespace) -> str | None:
    runs = plan(arguments.seed, arguments.count)
    records = list(tqdm(play_all(runs), total=len(runs), disable=None))
    if len(records) < len(runs):
        return f"{len(runs) - len(records)} runs weren't played"
    return _said(records)


def _said(records: list[Record]) -> str | None:
    print(table(records))
    return "\n".join(failures(records)) or None


if __name__ == "__main__":
    main()
