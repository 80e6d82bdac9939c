"""What a matrix comes to, in one table."""

from collections.abc import Callable
from datetime import timedelta

from tests.fault_injection.plan import Run
from tests.fault_injection.play import Record
from tests.fault_injection.points import Point
from tests.fault_injection.verdict import Ending, Wrong

type _Column = Callable[[list[Record]], str]


def table(records: list[Record]) -> str:
    """A line for each point, and one for all."""
    of_points = [(p, [each for each in records if each.run.fault.point is p]) for p in Point]
    rows = [_row(point, of_it) for point, of_it in of_points if of_it]
    return "\n".join(_line(row) for row in [["", *_COLUMNS], *rows, _row("all", records)])


def failures(records: list[Record]) -> list[str]:
    """What must not be, in words, and how to see it again."""
    return [
        f"{wrong}: {said}; {_again(record.run)}: {record.run}"
        for record in sorted(records, key=lambda record: record.run.number)
        for wrong, said in [*record.verdict.wrong, *_never_struck(record)]
    ]


def _again(run: Run) -> str:
    return f"make faults SEED={run.seed} ONLY={run.number}"


def _never_struck(record: Record) -> list[tuple[str, str]]:
    return [] if record.struck else [("no fault", "what was planned never struck")]


def _ended(ending: Ending) -> _Column:
    return lambda records: str(sum(ending in record.verdict.endings for record in records))


def _went_wrong(wrong: Wrong) -> _Column:
    return lambda records: str(
        sum(wrong in {each for each, _ in record.verdict.wrong} for record in records)
    )


def _counted(records: list[Record]) -> str:
    return f"{sum(record.verdict.counted for record in records):g}"


def _longest(records: list[Record]) -> str:
    return str(timedelta(seconds=round(max(each.verdict.recovery_seconds for each in records))))


_COLUMNS: dict[str, _Column] = {
    "runs": lambda records: str(len(records)),
    "struck": lambda records: str(sum(record.struck > 0 for record in records)),
    **{str(ending): _ended(ending) for ending in Ending},
    "lost": _went_wrong(Wrong.LOST),
    "charged twice": _went_wrong(Wrong.CHARGED_TWICE),
    "counted": _counted,
    "stuck": _went_wrong(Wrong.STUCK),
    "wrong pace": _went_wrong(Wrong.PACE),
    "longest recovery": _longest,
}


def _row(name: str, records: list[Record]) -> list[str]:
    return [name, *(column(records) for column in _COLUMNS.values())]


def _line(row: list[str]) -> str:
    cells = zip(row[1:], _COLUMNS, strict=True)
    return row[0].ljust(15) + "".join(f"  {cell:>{len(name)}}" for cell, name in cells)
