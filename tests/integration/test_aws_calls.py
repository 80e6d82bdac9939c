"""Which calls to AWS one image costs, by name and in order: they are most of its time and price."""

from dataclasses import replace

import pytest

from pixian_s3 import retry
from tests.integration.servers import Answer, refusal
from tests.integration.world import World

ACQUIRE, NOTE, RELEASE = "UpdateItem", "UpdateItem", "UpdateItem"
HEAD_RESULT, GET_REPORT, HEAD_REPORT = "HeadObject", "GetObject", "HeadObject"
GET_SOURCE = "GetObject"
COUNT_THROTTLE = ADD_CREDITS = RESERVE = "UpdateItem"

FREE = Answer(headers={"X-Credits-Charged": "0"})


@pytest.fixture
def warm(world: World) -> World:
    """A lane that has its configuration and its credentials."""
    world.process(world.upload("warm.jpg"))
    world.pixian.calls.clear()
    return world


def calls(world: World, body: bytes | None = None) -> list[str]:
    job = world.upload(body=body)
    world.aws_calls.clear()
    world.process(job)
    return world.aws_calls


PROCESSED = [ACQUIRE, HEAD_RESULT, GET_REPORT, GET_SOURCE, NOTE, "PutObject", RELEASE]


def test_a_processed_image_takes_seven_in_test_mode(warm: World) -> None:
    warm.pixian.answers = [FREE]
    assert calls(warm) == PROCESSED


def test_one_that_was_charged_takes_one_more_for_the_sum(warm: World) -> None:
    assert calls(warm) == [*PROCESSED[:-1], ADD_CREDITS, RELEASE]


def test_with_a_budget_it_takes_another_one_before_the_call(world: World) -> None:
    world.configure(budget={"credits_per_day": 10})
    world.process(world.upload("warm.jpg"))
    assert calls(world) == [*PROCESSED[:3], RESERVE, *PROCESSED[3:]]


def test_a_throttled_image_takes_seven(warm: World) -> None:
    # Given a lane that has just counted a throttle for the pace
    warm.pixian.answers = [refusal(429), refusal(429)]
    warm.process(warm.upload("b.jpg"))
    expected = [ACQUIRE, HEAD_RESULT, GET_REPORT, GET_SOURCE, NOTE, "SendMessage", RELEASE]
    assert calls(warm) == expected


def test_the_first_throttle_of_a_lane_in_half_a_minute_is_counted_besides(warm: World) -> None:
    warm.pixian.answers = [refusal(429)]
    assert calls(warm)[-2:] == [RELEASE, COUNT_THROTTLE]


def test_an_image_that_pixian_rejects_takes_eight(warm: World) -> None:
    warm.pixian.answers = [refusal(400)]
    assert calls(warm) == [
        ACQUIRE,
        HEAD_RESULT,
        GET_REPORT,
        GET_SOURCE,
        NOTE,
        HEAD_REPORT,
        "PutObject",
        RELEASE,
    ]


def test_an_image_that_is_rejected_without_a_call_takes_seven(warm: World) -> None:
    assert calls(warm, b"no image") == [
        ACQUIRE,
        HEAD_RESULT,
        GET_REPORT,
        GET_SOURCE,
        HEAD_REPORT,
        "PutObject",
        RELEASE,
    ]


@pytest.mark.parametrize("body", [None, b"no image"])
def test_a_repeated_image_or_rejection_takes_two(warm: World, body: bytes | None) -> None:
    job = warm.upload(body=body)
    warm.process(job)
    warm.aws_calls.clear()
    warm.process(job)
    assert warm.aws_calls == [ACQUIRE, RELEASE]


def test_a_cold_lane_takes_three_more_and_two_for_each_prefix(world: World) -> None:
    job = world.upload()
    world.aws_calls.clear()
    world.process(job)
    cold = {"StartConfigurationSession", "GetLatestConfiguration", "GetSecretValue"}
    can_it_write = {"CreateMultipartUpload", "AbortMultipartUpload"}
    assert cold | can_it_write <= set(world.aws_calls)
    assert len(world.aws_calls) == 8 + 3 + 2


def test_an_image_that_is_given_up_takes_twelve(warm: World) -> None:
    warm.pixian.answers = [refusal(503)]
    job = replace(warm.upload(), failures=retry.MAX_FAILURES)
    warm.aws_calls.clear()
    warm.process(job)
    assert warm.aws_calls == [
        ACQUIRE,
        HEAD_RESULT,
        GET_REPORT,
        GET_SOURCE,
        NOTE,
        HEAD_RESULT,
        GET_REPORT,
        HEAD_REPORT,
        "PutObject",
        NOTE,
        "SendMessage",
        RELEASE,
    ]
