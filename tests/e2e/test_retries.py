"""A throttled image is retried, each time later than the time before."""

from itertools import pairwise

from tests.e2e.conftest import World, picture


def test_a_throttled_image_waits_five_seconds_longer_each_time(deployed: World) -> None:
    # Given a service that throttles an image twice
    deployed.fault(status=429, match={"filename": "throttled.png"}, times=2)
    # When it is uploaded
    ending = deployed.ending("throttled.png", picture(9))
    # Then it has its result in the end
    assert ending.key == "throttled.png"
    # And the second wait is longer than the first
    calls = deployed.calls("throttled.png")
    assert [call["status"] for call in calls] == [429, 429, 200]
    waits = [later["arrived_at"] - earlier["arrived_at"] for earlier, later in pairwise(calls)]
    assert waits[0] >= 5
    assert waits[1] >= 10
