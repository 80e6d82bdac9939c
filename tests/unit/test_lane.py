"""What a lane remembers between images."""

import pytest

from pixian_s3.errors import Blocked, Throttled, Unavailable
from pixian_s3.lane import BLOCKED_SECONDS, Lane
from tests.builders import NOON


def test_a_lane_waits_longer_after_each_throttle_in_a_row() -> None:
    lane = Lane()
    waits = [lane.failed(Throttled("429"), NOON) for _ in range(17)]
    assert waits == [*range(5, 80, 5), 75, 75]


def test_any_success_resets_it() -> None:
    lane = Lane()
    for _ in range(3):
        lane.failed(Throttled("429"), NOON)
    lane.succeeded()
    assert lane.failed(Throttled("429"), NOON) == 5


def test_another_failure_neither_resets_it_nor_waits() -> None:
    lane = Lane()
    lane.failed(Throttled("429"), NOON)
    assert lane.failed(Unavailable("503"), NOON) == 0
    assert lane.failed(Throttled("429"), NOON) == 10


@pytest.mark.parametrize(("retry_after", "seconds"), [(3, 5), (30, 30), (3600, 75)])
def test_it_waits_as_long_as_pixian_asks_up_to_a_limit(retry_after: int, seconds: int) -> None:
    assert Lane().failed(Throttled("429", retry_after=retry_after), NOON) == seconds


def test_a_blocked_lane_says_so_for_a_minute() -> None:
    lane = Lane()
    lane.require_open(NOON)
    lane.failed(Blocked("Pixian answered 402.", status=402), NOON)
    with pytest.raises(Blocked, match="answered 402") as caught:
        lane.require_open(NOON + BLOCKED_SECONDS - 1)
    assert (caught.value.status, caught.value.for_all) == (402, False)


def test_saying_so_does_not_prolong_it() -> None:
    lane = Lane()
    lane.failed(Blocked("402"), NOON)
    with pytest.raises(Blocked) as caught:
        lane.require_open(NOON + 30)
    lane.failed(caught.value, NOON + 30)
    lane.require_open(NOON + BLOCKED_SECONDS)


def test_a_success_opens_it() -> None:
    lane = Lane()
    lane.failed(Blocked("402"), NOON)
    lane.succeeded()
    lane.require_open(NOON + 1)


def test_one_image_that_is_blocked_does_not_block_the_lane() -> None:
    lane = Lane()
    lane.failed(Blocked("The source may not be read.", for_all=False), NOON)
    lane.require_open(NOON + 1)


def test_a_clock_that_was_put_back_does_not_block_it_for_longer() -> None:
    lane = Lane()
    lane.failed(Blocked("402"), NOON)
    lane.require_open(NOON - 3600)
