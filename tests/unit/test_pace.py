"""How many lanes there are, minute by minute."""

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixian_s3.pace import (
    CLAIM_SECONDS,
    Batch,
    Lanes,
    Limits,
    Observation,
    Pace,
    decide,
    follow,
    split,
)
from tests.builders import NOON

LIMITS = Limits(start=5, most=8, ramp_seconds=300)
BUSY = (1000, 0)
IDLE = (0, 0)
THROTTLED = (1000, 3)
MOMENTS = st.tuples(st.integers(0, 5), st.integers(0, 2), st.floats(45, 130))
LIMITED = st.builds(
    Limits, start=st.integers(3, 10), most=st.integers(3, 30), ramp_seconds=st.floats(60, 900)
)


def paces(
    minutes: Iterable[tuple[int, int]], limits: Limits = LIMITS, jitter: Iterable[float] = ()
) -> list[Pace]:
    """The decision of each minute, given its backlog and the throttles in it."""
    late, last, throttles, made = list(jitter), None, 0, list[Pace]()
    for number, (backlog, throttled) in enumerate(minutes):
        throttles += throttled
        now = NOON + 60 * number + (late.pop(0) if late else 0)
        last = decide(last, Observation(backlog, throttles, now), limits)
        made.append(last)
    return made


def lanes(minutes: Iterable[tuple[int, int]], limits: Limits = LIMITS) -> list[int]:
    return [pace.lanes for pace in paces(minutes, limits)]


def test_with_a_backlog_one_lane_is_added_every_five_minutes_up_to_the_most() -> None:
    assert lanes([BUSY] * 22) == [5] * 5 + [6] * 5 + [7] * 5 + [8] * 7


def test_the_ramp_begins_with_the_backlog() -> None:
    assert lanes([IDLE] * 4 + [BUSY] * 6) == [5] * 9 + [6]


def test_a_throttle_puts_the_next_step_off() -> None:
    assert lanes([BUSY] * 4 + [THROTTLED] + [BUSY] * 5) == [5] * 9 + [6]


def test_each_minute_with_throttles_takes_a_lane_away() -> None:
    assert lanes([BUSY] * 16 + [THROTTLED, BUSY, THROTTLED, BUSY])[15:] == [8, 7, 7, 6, 6]


def test_there_are_never_fewer_than_at_the_start() -> None:
    assert lanes([THROTTLED] * 9) == [5] * 9


def test_without_a_backlog_for_five_minutes_the_ramp_starts_again() -> None:
    assert lanes([BUSY] * 11 + [IDLE] * 5)[10:] == [7] * 5 + [5]


def test_a_backlog_that_is_back_sooner_keeps_the_lanes() -> None:
    assert lanes([BUSY] * 11 + [IDLE] * 4 + [BUSY] * 3)[10:] == [7] * 8


def test_the_lanes_stay_with_the_retry_queue_until_the_backlog_is_over() -> None:
    # Or, as a backlog comes and goes, the lanes that change sides would be too many for a while.
    made = paces([BUSY] * 2 + [IDLE] * 5 + [BUSY])
    assert [split(pace).retry for pace in made] == [4] * 6 + [2, 4]


def test_observations_a_little_early_or_late_keep_the_mean_of_the_ramp() -> None:
    jitter = [0.0, 30, -3, 2, 0, 40, 1, 3, 0, 4, 50, 0, 2, 5, -2, 20, 0]
    made = paces([BUSY] * 16, jitter=jitter)
    assert [pace.lanes for pace in made] == [5] * 5 + [6] * 5 + [7] * 5 + [8]


def test_missed_observations_are_not_made_up_for() -> None:
    first = decide(None, Observation(9, 0, NOON), LIMITS)
    late = decide(first, Observation(9, 0, NOON + 3000), LIMITS)
    soon = decide(late, Observation(9, 0, NOON + 3060), LIMITS)
    assert (late.lanes, soon.lanes) == (6, 6)


def test_a_duplicate_observation_decides_once() -> None:
    (*_, last) = paces([BUSY] * 11 + [THROTTLED])
    seen = Observation(1000, last.throttles + 3, last.observed_at + 60)
    once = decide(last, seen, LIMITS)
    assert once.lanes == last.lanes - 1
    assert decide(once, replace(seen, now=seen.now + 1, throttles=99), LIMITS) == once


def test_a_clock_that_was_put_back_stops_nothing() -> None:
    (*_, last) = paces([BUSY] * 11)
    seen = Observation(0, 0, last.observed_at - 86_400)
    again = decide(decide(last, seen, LIMITS), replace(seen, now=seen.now + 600), LIMITS)
    assert again.observed_at == seen.now + 600


def test_other_limits_are_in_effect_at_the_next_observation() -> None:
    (*_, last) = paces([BUSY] * 11)
    seen = Observation(1000, 0, last.observed_at + 60)
    assert decide(last, seen, Limits(5, 6, 300)).lanes == 6
    assert decide(last, seen, Limits(20, 30, 300)).lanes == 20


def test_fewer_at_most_than_at_the_start_are_as_many_as_at_the_start() -> None:
    assert lanes([BUSY] * 10, Limits(5, 3, 60)) == [5] * 10


@pytest.mark.parametrize(
    ("allowed", "backlog", "expected"),
    [
        (5, False, Lanes(3, 2)),
        (5, True, Lanes(1, 4)),
        (25, False, Lanes(23, 2)),
        (25, True, Lanes(1, 24)),
        (3, False, Lanes(1, 2)),
        (3, True, Lanes(1, 2)),
    ],
)
def test_the_retry_queue_has_most_lanes_during_a_backlog(
    allowed: int,
    backlog: bool,  # noqa: FBT001
    expected: Lanes,
) -> None:
    (pace,) = paces([(int(backlog), 0)], Limits(allowed, allowed, 300))
    assert split(pace) == expected


@given(st.lists(MOMENTS, max_size=60), LIMITED)
def test_the_lanes_always_stay_within_their_limits(
    moments: list[tuple[int, int, float]], limits: Limits
) -> None:
    last, throttles, now = None, 0, NOON
    for backlog, throttled, passed in moments:
        throttles, now = throttles + throttled, now + passed
        pace = decide(last, Observation(backlog, throttles, now), limits)
        assert limits.start <= pace.lanes <= max(limits.start, limits.most)
        # Never faster than Pixian asks for: one at a time.
        assert last is None or pace.lanes - last.lanes <= 1
        share = split(pace)
        assert share.upload + share.retry == pace.lanes
        assert share.upload >= 1
        assert share.retry >= 2
        last = pace


@given(st.lists(st.floats(45, 130), max_size=200), st.floats(60, 900))
def test_the_ramp_is_never_faster_than_asked_for(gaps: list[float], ramp: float) -> None:
    limits = Limits(5, 1000, ramp)
    first = last = decide(None, Observation(9, 0, NOON), limits)
    now = NOON
    for gap in gaps:
        now += gap
        last = decide(last, Observation(9, 0, now), limits)
    assert (last.lanes - first.lanes) * ramp <= now - NOON + 10


# ---- A batch: a backlog from its first message to its last --------------------------------------

DELAYED = (0, 3)
EMPTY = (0, 0)


def batch_after(*minutes: tuple[int, int], batch: Batch | None = None) -> Batch | None:
    """What `follow` makes of each minute's backlog and other messages, one after the other."""
    for number, (backlog, others) in enumerate(minutes):
        batch = follow(batch, Observation(backlog, 0, NOON + 60 * number, others))
    return batch


def test_no_backlog_is_no_batch() -> None:
    assert batch_after(EMPTY, DELAYED, EMPTY) is None


def test_a_batch_begins_with_the_first_backlog() -> None:
    assert batch_after(EMPTY, (7, 0)) == Batch(NOON + 60, NOON + 60, 7)


def test_a_batch_remembers_its_largest_backlog_and_its_last_message() -> None:
    batch = batch_after((7, 0), (90, 4), (3, 0), DELAYED, EMPTY)
    assert batch == Batch(NOON, NOON + 180, 90)


def test_a_batch_has_finished_after_three_minutes_without_any_message() -> None:
    lasted = [(9, 0)] * 3
    assert batch_after(*lasted, EMPTY, EMPTY) == Batch(NOON, NOON + 120, 9)
    finished = batch_after(*lasted, EMPTY, EMPTY, EMPTY)
    assert finished == Batch(NOON, NOON + 120, 9, finished=True)


@pytest.mark.parametrize("others", [1, 500])
def test_a_batch_goes_on_while_messages_are_delayed_or_in_flight(others: int) -> None:
    # As they are while images are blocked or paused.
    batch = batch_after(*[(9, 0)] * 3, *[(0, others)] * 60)
    assert batch
    assert not batch.finished


def test_a_backlog_that_comes_back_before_that_belongs_to_the_same_batch() -> None:
    batch = batch_after((9, 0), EMPTY, EMPTY, (5, 0))
    assert batch == Batch(NOON, NOON + 180, 9)


def test_a_short_backlog_is_no_batch() -> None:
    assert batch_after((1, 0), (1, 0), EMPTY, EMPTY, EMPTY) is None


def test_a_batch_that_ended_while_nobody_looked_ends_when_it_was_last_seen() -> None:
    batch = follow(batch_after(*[(9, 0)] * 3), Observation(0, 0, NOON + 86_400))
    assert batch == Batch(NOON, NOON + 120, 9, finished=True)


def test_a_finished_batch_stays_as_it_is_until_it_is_announced() -> None:
    finished = batch_after(*[(9, 0)] * 3, *[EMPTY] * 3)
    assert finished
    assert batch_after((80, 0), (80, 0), batch=finished) == finished


def test_a_finished_batch_is_announced_by_one_run_at_a_time() -> None:
    batch = Batch(NOON, NOON + 600, 9)
    assert not batch.is_due(NOON + 9000)
    finished = replace(batch, finished=True)
    assert finished.is_due(NOON + 800)
    claimed = replace(finished, claimed_at=NOON + 800)
    assert not claimed.is_due(NOON + 800 + CLAIM_SECONDS - 1)
    # Unless that run was killed.
    assert claimed.is_due(NOON + 800 + CLAIM_SECONDS)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=60))
def test_a_batch_never_finishes_while_there_are_messages(minutes: list[tuple[int, int]]) -> None:
    batch: Batch | None = None
    for number, (backlog, others) in enumerate(minutes):
        before = batch
        batch = follow(batch, Observation(backlog, 0, NOON + 60 * number, others))
        if batch and batch.finished and not (before and before.finished):
            assert minutes[number - 2 : number + 1] == [EMPTY] * 3
