"""Throttled and failing calls come again, each later than the one before."""

from itertools import pairwise

import pytest

from tests.e2e.conftest import World, picture

FAILURES = {"throttled.png": (429, 3), "failing.png": (500, 4)}


@pytest.fixture(scope="module")
def after_failures(shared: World) -> World:
    """The world after images whose first calls failed came through all the same."""
    shared.control("POST", "reset")
    for name, (status, times) in FAILURES.items():
        shared.fault(match={"filename": name}, status=status, times=times)
    shared.endings(*(shared.drop(name, picture(len(name))) for name in FAILURES))
    return shared


@pytest.mark.parametrize("name", FAILURES)
def test_waits_grow_by_five_seconds(after_failures: World, name: str) -> None:
    status, times = FAILURES[name]
    calls = after_failures.calls(name)
    assert [call["status"] for call in calls] == [status] * times + [200]
    waits = [later["arrived_at"] - earlier["arrived_at"] for earlier, later in pairwise(calls)]
    for n, wait in enumerate(waits, start=1):
        assert wait >= 5 * n


def test_after_a_success_the_next_image_starts_at_five_again(after_failures: World) -> None:
    # Given that a success followed the failures, one more failure
    after_failures.fault(match={"filename": "next.png"}, status=429)
    # When another image is dropped
    after_failures.endings(after_failures.drop("next.png", picture(9)))
    # Then it was told to wait for five seconds, says the log once the lane has waited, too
    after_failures.wait_for_story("next.png", "postponed")
    [delay] = [
        story["next_try_in_seconds"]
        for story in after_failures.stories("next.png")
        if "next_try_in_seconds" in story
    ]
    assert delay == 5
