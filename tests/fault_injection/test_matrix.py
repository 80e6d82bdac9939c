"""A slice of the matrix, and whether the whole would tell what is wrong."""

import re
from collections import Counter
from dataclasses import replace

import pytest

from tests.builders import fresh_seed
from tests.fault_injection.plan import CELLS, LEFT_OUT, Fault, Run, Scene, Start, plan
from tests.fault_injection.play import Record
from tests.fault_injection.points import Kind, Point
from tests.fault_injection.run_matrix import COUNT, play_all
from tests.fault_injection.sabotage import no_lease_and_no_report
from tests.fault_injection.table import failures, table

SEED = fresh_seed()
SLICE = 12
AGAIN = (3, 8)


@pytest.fixture(scope="module")
def played() -> list[Record]:
    runs = plan(SEED, SLICE)
    return list(play_all([*runs, *(runs[number] for number in AGAIN)]))


@pytest.fixture
def records(played: list[Record]) -> list[Record]:
    """One of each run."""
    return list({record.run: record for record in played}.values())


def test_every_image_has_its_ending_and_costs_once(records: list[Record]) -> None:
    assert failures(records) == []
    assert sorted(record.run.number for record in records) == list(range(SLICE))


def test_every_fault_struck(records: list[Record]) -> None:
    assert [record.run for record in records if not record.struck] == []


def test_the_table_counts_each_run_once(records: list[Record]) -> None:
    *rows, total = table(records).splitlines()[1:]
    runs = [int(re.split(r" {2,}", row)[1]) for row in [*rows, total]]
    assert sum(runs[:-1]) == runs[-1] == SLICE


def simple(number: int, fault: Fault, scene: Scene) -> Run:
    return Run(0, number, fault, scene, "png/", Start.COLD, False, 0, None)  # noqa: FBT003


def test_a_program_without_leases_and_reports_is_found_out() -> None:
    twice = simple(0, Fault(Point.SENT, Kind.DUPLICATE, after=True), Scene.PLAIN)
    lost = simple(1, Fault(Point.SOURCE, Kind.SLOW), Scene.NO_IMAGE)
    records = play_all([twice, lost], no_lease_and_no_report, processes=1)
    assert [line.partition(";")[0] for line in failures(list(records))] == [
        "charged twice: 2 charges, 0 counted",
        "lost: nothing is there",
    ]


def test_a_fault_that_never_struck_is_no_success(records: list[Record]) -> None:
    assert len(failures([replace(records[0], struck=0)])) == 1


@pytest.mark.parametrize("number", AGAIN)
def test_a_run_ends_the_same_way_again(played: list[Record], number: int) -> None:
    once, again = (record for record in played if record.run.number == number)
    assert (once.verdict, once.struck) == (again.verdict, again.struck)


def test_the_same_seed_plans_the_same_runs() -> None:
    assert plan(SEED, 200) == plan(SEED, 300)[:200]
    assert plan(SEED, 200) != plan(SEED + 1, 200)


def test_a_whole_matrix_has_every_cell_ten_times() -> None:
    cells = Counter((run.fault.point, run.fault.kind) for run in plan(SEED, COUNT))
    assert set(cells.values()) == {10}
    assert set(cells) == {(p, k) for p in Point for k in Kind} - set(LEFT_OUT) == set(CELLS)
    assert COUNT >= 1000


def test_a_whole_matrix_has_every_scene_and_every_start() -> None:
    runs = plan(SEED, COUNT)
    assert {run.scene for run in runs} == set(Scene)
    assert {run.start for run in runs} == set(Start)
    assert {run.waits for run in runs} == {False, True}
