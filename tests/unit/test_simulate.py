"""What holds in the simulation of the pace for any seed; a test's id ends with the one it had."""

import secrets
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from benchmarks import simulate
from benchmarks.simulation.assumptions import ASSUMPTIONS
from benchmarks.simulation.model import Case, Pixian, Simulation
from pixian_s3.errors import RetryLater, Throttled

DAY = 86400.0


@pytest.fixture(params=[secrets.randbelow(2**32) for _ in range(4)])
def seed(request: pytest.FixtureRequest) -> int:
    return int(request.param)


class Watched(Pixian):
    """Notes each call: its time, the calls running with it, and how it was answered."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[float, int]] = []
        self.answers: list[RetryLater | None] = []

    def call(self, lane: int, now: float) -> RetryLater | None:
        error = super().call(lane, now)
        self.calls.append((now, self.running))
        self.answers.append(error)
        return error


def random_case(seed: int) -> Case:
    """A small one, in which anything may happen."""
    chance = Random(seed)  # noqa: S311 - protects nothing
    begin = chance.uniform(0, 900)
    return Case(
        uploads=((0, chance.randint(1, 800)), (chance.uniform(0, 2000), chance.randint(1, 400))),
        seconds=chance.choice([1, 5, 20]),
        start=chance.randint(3, 12),
        most=chance.randint(3, 30),
        limits=((0, chance.randint(1, 20)), (chance.uniform(60, 900), chance.randint(1, 20))),
        failing=((begin, begin + chance.uniform(0, 900)),),
        fresh_seconds=60,
        lane_waits=chance.random() < 0.7,
        backfill=chance.random() < 0.5,
        jitter=chance.choice([0, 5, 59]),
    )


def test_every_image_ends_exactly_once(seed: int) -> None:
    case, pixian = random_case(seed), Watched()
    outcome = Simulation(case, seed, pixian).run()
    assert outcome.processed + outcome.expired + outcome.given_up == outcome.uploaded
    assert outcome.uploaded >= case.images
    assert pixian.answers.count(None) == outcome.processed
    assert sum(isinstance(error, Throttled) for error in pixian.answers) == outcome.refusals
    assert pixian.running == 0


def test_what_fails_a_hundred_times_in_a_row_is_given_up(seed: int) -> None:
    outcome = Simulation(Case(((0, 20),), failing=((0, DAY),), fresh_seconds=0), seed).run()
    assert (outcome.given_up, outcome.processed) == (20, 0)
    assert outcome.failures == 20 * 100


def test_calls_at_a_time_never_exceed_the_ramp(seed: int) -> None:
    chance, pixian = Random(seed), Watched()  # noqa: S311
    start, most = chance.randint(3, 8), chance.randint(8, 20)
    case = Case(((0, 4000),), 3, start, most, ramp_seconds=60, backfill=True, fresh_seconds=20)
    outcome = Simulation(case, seed, pixian).run()
    for now, calls in pixian.calls:
        # The observation before the first call saw the backlog, and a step may be 10 s early.
        assert calls <= min(most, start + int((now + 70) / 60))
    assert max(calls for _, calls in pixian.calls) == most
    assert outcome.excess <= 0


def test_lanes_stop_when_the_service_takes_fewer(seed: int) -> None:
    case = Case(((0, 20_000),), 3, 3, 20, ramp_seconds=60, backfill=True, fresh_seconds=0)
    case = replace(case, limits=((0, 20), (1500, 3), (2700, 20)))
    outcome = Simulation(case, seed).run()
    lanes = [sample.lanes for sample in outcome.samples]
    assert max(lanes[:25]) == 20
    assert min(lanes[25:50]) < 14
    # The last call of a lane may outlast the observation that removed it.
    assert outcome.excess <= 1


def test_the_ramp_starts_over_after_five_minutes_without_a_backlog(seed: int) -> None:
    outcome = Simulation(Case(((0, 3000), (4000, 3000))), seed).run()
    before = [sample.lanes for sample in outcome.samples if sample.now < 4000]
    after = [sample.lanes for sample in outcome.samples if sample.now >= 4000]
    for lanes in (before, after):
        assert max(lanes) > 7
        assert lanes[-1] == 5


def test_waiting_lanes_prevent_the_collapse(seed: int) -> None:
    waiting, impatient, *_ = simulate.collapses()
    with_waits = Simulation(waiting.case, seed).run()
    without = Simulation(impatient.case, seed).run()
    assert with_waits.refusals * 5 < without.refusals
    assert with_waits.seconds * 2 < without.seconds


def test_it_is_about_as_fast_as_required_and_no_faster_than_possible(seed: int) -> None:
    case = Case(((0, 10_000),), most=100)
    outcome = Simulation(case, seed).run()
    assert 0.85 <= case.optimum / outcome.seconds <= 1
    settled = [one.waited for one in outcome.taken if one.uploaded > 240]
    # One in some ten thousand finds others in the lane at each of its attempts.
    assert sum(waited > 60 for waited in settled) <= 1


@pytest.mark.parametrize(
    ("case", "seconds"),
    [
        (Case(((0, 100),)), 100),
        (Case(((0, 660),)), 600),
        (Case(((0, 660),), most=5), 660),
        (Case(((0, 100),), limits=((0, 2),)), 250),
        (Case(((0, 100),), failing=((50, 80),)), 130),
        (Case(((0, 100),), limits=((20, 1), (30, 100))), 108),
    ],
)
def test_the_optimum_is_what_paper_and_pencil_say(case: Case, seconds: float) -> None:
    assert case.optimum == pytest.approx(seconds)


def test_a_seed_repeats_what_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--images=1,000", "--limit=4", "--seconds=2", "--most=9", "--seed=7", "--plot")
    monkeypatch.setattr("sys.argv", ["simulate", *arguments])
    simulate.main()
    first = capsys.readouterr().out
    simulate.main()
    assert capsys.readouterr().out == first
    assert first.startswith("Seed 7, 2 s per call.\n")
    assert "\n| 1,000 | 9 | limit 4 | " in first
    assert "```mermaid\nxychart-beta\n" in first


def test_the_page_lists_every_assumption() -> None:
    page = (Path(__file__).parents[2] / "docs/performance.md").read_text()
    for what, source in ASSUMPTIONS:
        assert f"| {what} | {source} |" in page
