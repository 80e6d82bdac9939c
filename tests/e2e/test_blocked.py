"""Without credits each lane makes one call, and the images go on once there are some."""

from collections.abc import Iterator

import pytest

from tests.e2e.conftest import World
from tests.e2e.direct import Direct, directly
from tests.e2e.written import messages_in

IMAGES = 3


@pytest.fixture
def direct(deployed: World) -> Iterator[Direct]:
    with directly(deployed) as direct:
        yield direct


def test_a_lane_makes_one_call_without_credits_and_goes_on_with_them(direct: Direct) -> None:
    # Given a service that wants to be paid
    direct.world.fault(status=402, times=2 * IMAGES)
    # When several images come to both functions
    for run in (direct.upload, direct.retry):
        assert [run(direct.drop()) for _ in range(IMAGES)] == ["blocked"] * IMAGES
    # Then each function made a single call
    assert len(calls(direct)) == 2
    # And when it has been paid, and the lanes try again
    direct.world.control("POST", "reset")
    direct.unblock()
    waiting = [message["Body"] for message in messages_in("RetryQueue", direct.world.stack)]
    assert [direct.receive(body) for body in waiting] == ["processed"] * 2 * IMAGES
    # Then each image is processed by one call
    assert [call["status"] for call in calls(direct)] == [200] * 2 * IMAGES


def calls(direct: Direct) -> list[dict[str, object]]:
    return list(direct.world.control("GET", "ledger")["requests"])
