"""Simulate how long a backlog takes: `make simulate`, or `python -m benchmarks.simulate --help`.

Prints a Markdown table; with --plot also Mermaid charts of the lanes and the backlog over time.
"""

import argparse
import secrets
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from tqdm import tqdm

from benchmarks.simulation.model import Case, Outcome, Simulation

_SETTLED_SECONDS = 180
"""The time after a large upload during which its own events occupy UploadFunction's lanes."""

_POINTS = 40
_RUNS = 100
_WINDOW_SECONDS = 30
_HEADINGS = (
    *("images", "lanes at most", "service", "time", "optimum", "ratio", "429", "503", "expired"),
    *("dead letters", "excess calls", "single uploads", "taken after 1 min", "longest wait"),
    *("done after 5 min", "longest until done"),
)


class Row(NamedTuple):
    """A row of the table: a description of the service, the case, and whether --plot plots it."""

    service: str
    case: Case
    plotted: bool = False


def upload(images: int, most: int = 100, *limits: tuple[float, int]) -> Case:
    """A single upload of many images, to a service with these limits."""
    return Case(((0, images),), most=most, limits=limits)


def rows() -> Iterator[Row]:
    """The table of `docs/performance.md`."""
    for power in range(2, 8):
        yield Row("", upload(10**power), plotted=power == 5)
    yield Row("", upload(100_000, 25))
    yield Row("limit 12", upload(10_000, 25, (0, 12)))
    for images in (100_000, 1_000_000, 10_000_000):
        yield Row("limit 50", upload(images, 100, (0, 50)))
    hard = upload(100_000)
    yield Row("503 from 1 h to 1 h 20 min", replace(hard, failing=((3600, 4800),)))
    falling = upload(100_000, 100, (7200, 15), (9000, 100))
    yield Row("limit 15 from 2 h to 2.5 h", falling, plotted=True)
    yield Row("PaceFunction at any second of its minute", replace(hard, jitter=59))
    stream = tuple((60.0 * minute, 120) for minute in range(180))
    yield Row("120 uploads a minute", Case(stream))


def collapses() -> Iterator[Row]:
    """Backlogs that all lanes work on from the start, with and without the wait of a lane."""
    few = Case(((0, 80),), 1, 8, 8, limits=((0, 2),), backfill=True, fresh_seconds=0)
    many = Case(((0, 10_000),), 5, 100, 100, limits=((0, 50),), backfill=True, fresh_seconds=0)
    for case in (few, many):
        yield Row("lanes wait", case)
        yield Row("lanes don't wait", replace(case, lane_waits=False))


def main() -> None:
    """Run the simulations that the arguments select."""
    arguments = _arguments()
    seed = secrets.randbelow(2**32) if arguments.seed is None else arguments.seed
    print(f"Seed {seed}, {arguments.seconds:g} s per call.\n")
    one = arguments.images or arguments.limit or arguments.most
    cases = [_chosen(arguments)] if one else list(rows())
    chosen = [row._replace(case=replace(row.case, seconds=arguments.seconds)) for row in cases]
    _table(chosen, seed)
    if not one:
        print("\n80 images of 1 s, 8 lanes and a limit of 2; 10,000 of 5 s, 100 lanes, limit 50:\n")
        _table(list(collapses()), seed, columns=10)
        _print_first_minutes(seed)
    if arguments.plot:
        for row in chosen:
            if row.plotted:
                _plot(row, _run(row.case, seed))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Simulates how long a large upload takes. Without --images, --limit and "
        "--most, prints a table of cases from 100 to 10,000,000 images; this takes about a minute."
    )
    add = parser.add_argument
    add("--images", type=_positive, help="number of images to upload at once (default: 10,000)")
    add("--seconds", type=float, default=5, help="mean duration of a call, in seconds (default: 5)")
    add(
        "--limit",
        type=_positive,
        help="calls that the service runs in parallel (default: unlimited)",
    )
    add("--most", type=_positive, help="maximum number of lanes, MaxConcurrency (default: 25)")
    add("--seed", type=int, help="random seed (default: a new one, which is printed)")
    add("--plot", action="store_true", help="also print Mermaid charts of lanes and backlog")
    arguments = parser.parse_args()
    if arguments.seconds <= 0:
        parser.error("--seconds must be more than 0")
    return arguments


def _positive(text: str) -> int:
    number = int(text.replace(",", "").replace("_", ""))
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _chosen(arguments: argparse.Namespace) -> Row:
    limits = ((0, arguments.limit),) if arguments.limit else ()
    service = f"limit {arguments.limit}" if limits else ""
    case = upload(arguments.images or 10_000, arguments.most or 25, *limits)
    return Row(service, case, plotted=True)


def _run(case: Case, seed: int) -> Outcome:
    with tqdm(total=case.images, unit=" images", leave=False, disable=None) as bar:
        return Simulation(case, seed, on_observation=lambda ended: bar.update(ended - bar.n)).run()


def _table(table: list[Row], seed: int, columns: int = len(_HEADINGS)) -> None:
    print(_line(*_HEADINGS[:columns]))
    print(_line("---:", "---:", "---", *["---:"] * (columns - 3)))
    for row in table:
        print(_line(*_measured(row, _run(row.case, seed))[:columns]), flush=True)


def _measured(row: Row, outcome: Outcome) -> list[str]:
    case, at_once = row.case, len(row.case.uploads) == 1
    comparable = at_once and outcome.processed == outcome.uploaded
    waits = [one.waited for one in outcome.taken if one.uploaded >= _SETTLED_SECONDS]
    done = [one.waited for one in outcome.finished if one.uploaded >= _SETTLED_SECONDS]
    counts = (
        *(outcome.refusals, outcome.failures, outcome.expired, outcome.given_up),
        *(outcome.excess, len(waits)),
    )
    return [
        f"{case.images:,}",
        f"{case.most}",
        row.service,
        _time(outcome.seconds),
        _time(case.optimum) if at_once else "",
        f"{case.optimum / outcome.seconds:.3f}" if comparable else "",
        *(f"{number:,}" for number in counts),
        f"{sum(wait > 60 for wait in waits):,}",
        _time(max(waits, default=0)),
        f"{sum(wait > 300 for wait in done):,}",
        _time(max(done, default=0)),
    ]


def _print_first_minutes(seed: int) -> None:
    """Print the share of single uploads that wait over a minute, by the time of the upload."""
    print(f"\nSingle uploads soon after a large one, taken after 1 min or more ({_RUNS} runs):\n")
    starts = range(0, _SETTLED_SECONDS + _WINDOW_SECONDS, _WINDOW_SECONDS)
    print(_line("images", *(f"{start}-{start + _WINDOW_SECONDS} s" for start in starts)))
    print(_line(*["---:"] * (1 + len(starts))))
    for images in (100, 1_000, 10_000):
        late: defaultdict[int, list[bool]] = defaultdict(list)
        case = replace(upload(images), fresh_seconds=60)
        for run in range(_RUNS):
            for one in Simulation(case, seed + run).run().taken:
                late[int(one.uploaded // _WINDOW_SECONDS)].append(one.waited > 60)
        windows = [late[start // _WINDOW_SECONDS] for start in starts]
        shares = (f"{sum(window) / len(window):.0%}" if window else "" for window in windows)
        print(_line(f"{images:,}", *shares), flush=True)


def _plot(row: Row, outcome: Outcome) -> None:
    """Print a chart with the lanes as a line and the backlog as bars, in percent of the images."""
    case, samples = row.case, outcome.samples
    shown = [samples[(len(samples) - 1) * point // (_POINTS - 1)] for point in range(_POINTS)]
    bars = (f"{100 * sample.backlog / case.images:.0f}" for sample in shown)
    title = f"{case.images:,} images, MaxConcurrency {case.most}"
    print(
        "\n```mermaid\nxychart-beta\n"
        f'    title "{", ".join([title, row.service]) if row.service else title}"\n'
        f'    x-axis "hours" 0 --> {samples[-1].now / 3600:.2f}\n'
        f'    y-axis "lanes (line), backlog in % (bars)" 0 --> 100\n'
        f"    bar [{', '.join(bars)}]\n"
        f"    line [{', '.join(str(sample.lanes) for sample in shown)}]\n```"
    )


def _time(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def _line(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
