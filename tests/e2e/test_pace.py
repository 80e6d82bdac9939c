"""The pace on the deployed stack: what PaceFunction sets, and how it is called."""

import json
from collections.abc import Iterator

import pytest

from pixian_s3.pace import IDLE_SECONDS
from tests.e2e.conftest import World, lanes
from tests.e2e.direct import Direct, directly, the_schedule


@pytest.fixture(scope="module")
def quiet(shared: World) -> Iterator[Direct]:
    with directly(shared) as direct:
        yield direct
        purge(direct)
        direct.forget_pace()
        direct.look()


@pytest.fixture
def direct(quiet: Direct) -> Direct:
    """After a look without a backlog."""
    purge(quiet)
    quiet.forget_pace()
    quiet.look()
    return quiet


def purge(direct: Direct) -> None:
    direct.world.stack.client("sqs").purge_queue(
        QueueUrl=direct.world.stack.outputs["RetryQueueUrl"]
    )


def test_the_lanes_are_limited_as_soon_as_the_stack_is_deployed(shared: World) -> None:
    assert shared.first_lanes == (3, 2)


def test_every_minute_the_schedule_calls_the_pace_function(shared: World) -> None:
    schedule = the_schedule(shared)
    found = shared.stack.client("lambda").get_function_configuration(
        FunctionName=shared.stack.outputs["PaceFunction"]
    )
    assert (schedule["State"], schedule["ScheduleExpression"]) == ("ENABLED", "rate(1 minute)")
    assert schedule["Target"]["Arn"] == found["FunctionArn"]


def test_a_backlog_gives_the_retry_function_all_lanes_but_one_until_it_is_over(
    direct: Direct,
) -> None:
    # Given a backlog of two messages
    for number in range(2):
        direct.world.stack.client("sqs").send_message(
            QueueUrl=direct.world.stack.outputs["RetryQueueUrl"],
            MessageBody=json.dumps({"number": number}),
        )
    # When PaceFunction looks
    told = direct.look()
    # Then all lanes but one are the retry function's
    assert lanes(direct.world.stack) == (1, 4)
    assert told == {
        "LanesAllowed": 5,
        "UploadLanes": 1,
        "RetryLanes": 4,
        "Backlog": 2,
        "reserved": True,
    }
    # And once it has been gone for a while, they are as before
    purge(direct)
    direct.look(after_seconds=IDLE_SECONDS)
    assert lanes(direct.world.stack) == (3, 2)


def test_a_throttled_image_is_counted_for_the_pace(direct: Direct) -> None:
    direct.world.control("POST", "reset")
    direct.world.fault(status=429)
    direct.upload(direct.drop())
    assert direct.pace_item()["throttles"] == {"N": "1"}
