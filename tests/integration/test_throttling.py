"""What a lane does after 429, and after it found that all images are blocked."""

import heapq
import json
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError

from pixian_s3 import retry
from pixian_s3.aws.pace_record import PaceRecord
from pixian_s3.job import Job
from pixian_s3.lane import BLOCKED_SECONDS, COUNT_SECONDS, Lane
from pixian_s3.pixian.client import Pixian
from pixian_s3.process import Processor
from tests.builders import picture
from tests.integration.servers import refusal
from tests.integration.world import World

PAYMENT_REQUIRED = refusal(402)


# ---- 429 ----------------------------------------------------------------------------------------


def test_the_lane_waits_after_its_image_went_back_and_its_lease_was_released(world: World) -> None:
    world.pixian.answers = [refusal(429)]
    job, seen = world.upload(), []

    def sleep(seconds: float) -> None:
        # Another lane could take the image now.
        replace(world.processor, lane=Lane()).process(world.waiting()[0][0])
        seen.append((seconds, world.output_keys()))

    replace(world.processor, sleep=sleep).process(job)
    assert seen == [(5, ["shoes/a.png"])]


def test_the_wait_is_logged_and_counted(world: World) -> None:
    world.pixian.answers = [refusal(429), refusal(429)]
    world.process(world.upload("a.jpg"))
    log = world.process(world.upload("b.jpg"))
    assert log.total("LaneWait") == log.facts()["lane_wait_seconds"] == 10


def test_the_image_keeps_its_own_delay(world: World) -> None:
    # Given a lane that was throttled three times
    world.pixian.answers = [refusal(429)] * 3
    for name in "abc":
        world.process(world.upload(name))
    # Then each image waits for its own first failure
    assert [seconds for _, seconds in world.waiting()] == [5, 5, 5]


@pytest.mark.parametrize(("left", "waited"), [(300, 5), (8, 3), (2, 0)])
def test_a_lane_never_waits_past_the_end_of_its_invocation(
    world: World, left: float, waited: int
) -> None:
    # Given a 429 when so much time is left, of which sending the image back takes none
    waits: list[float] = []
    world.pixian.answers = [refusal(429)]
    world.processor = replace(
        world.processor,
        seconds_left=lambda: left if world.processor.lane.throttles else 300,
        sleep=waits.append,
    )
    log = world.process(world.upload())
    assert log.facts().get("lane_wait_seconds", 0) == waited
    assert waits == [waited]


def test_time_that_passes_in_sending_the_image_back_is_none_to_wait_in(world: World) -> None:
    waits: list[float] = []
    world.pixian.answers = [refusal(429)]
    world.processor = replace(
        world.processor,
        sleep=waits.append,
        # The queue took all but 10 s of the time that was left.
        seconds_left=lambda: 10 if world.waiting() else 300,
    )
    world.processor.lane.throttles = 9
    world.process(world.upload())
    assert waits == [10 - retry.RETURNING_SECONDS]


def test_a_lane_waits_also_if_its_image_cannot_go_back(world: World) -> None:
    world.pixian.answers = [refusal(429)]
    job, began = world.upload(), world.now
    world.sqs.delete_queue(QueueUrl=world.environment.retry_queue_url)
    with pytest.raises(Exception, match="queue"):
        world.process(job)
    assert world.now - began == 5


def test_a_throttle_is_counted_for_the_pace_at_most_every_half_minute(world: World) -> None:
    counted: list[int] = []
    pace = PaceRecord(world.dynamodb, world.environment.lease_table)
    # The last one blocks the lane: nobody is ready for more images.
    for answer in (refusal(503), refusal(429), refusal(429), PAYMENT_REQUIRED):
        world.pixian.answers = [answer]
        world.process(world.upload(f"{len(counted)}.jpg"))
        counted.append(pace.read().throttles)
        world.now += COUNT_SECONDS / 2
    assert counted == [0, 1, 1, 2]


# ---- Several lanes and a service that takes few at a time ---------------------------------------


@dataclass
class Environment:
    """One execution environment with a clock of its own."""

    now: float
    processor: Processor


class Fleet:
    """Lanes that take jobs from one queue, each call in simulated time.

    The lane whose clock is earliest acts next, so what it sees of the others is in order.
    """

    def __init__(self, world: World, lanes: int, limit: int, *, waiting: bool) -> None:
        self._world = world
        self._limit = limit
        self._ends: list[float] = []
        self.lanes = [self._lane(waiting=waiting) for _ in range(lanes)]
        self.refusals = 0

    def _lane(self, *, waiting: bool) -> Environment:
        session = requests.Session()
        lane = Environment(self._world.now, self._world.processor)

        def sleep(seconds: float) -> None:
            lane.now += seconds * waiting

        lane.processor = replace(
            self._world.processor,
            lane=Lane(),
            now=lambda: lane.now,
            sleep=sleep,
            pixian=Pixian(self._world.pixian.url, session, now=lambda: lane.now),
        )
        return lane

    def _answer(self, lane: Environment) -> None:
        self._ends = [end for end in self._ends if end > lane.now]
        if len(self._ends) >= self._limit:
            self.refusals += 1
            self._world.pixian.answers = [refusal(429)]
            return
        lane.now += 1
        self._ends.append(lane.now)

    def run(self, jobs: list[Job]) -> float:
        """Until all are done; the seconds that it took."""
        began = self._world.now
        queue = [(began, number, job) for number, job in enumerate(jobs)]
        sent = 0
        while queue:
            lane = min(self.lanes, key=lambda each: each.now)
            lane.now = max(lane.now, queue[0][0])
            if lane is not min(self.lanes, key=lambda each: each.now):
                continue
            _, _, job = heapq.heappop(queue)
            self._world.pixian.meanwhile = lambda lane=lane: self._answer(lane)  # type: ignore[misc]
            at = lane.now
            lane.processor.process(job)
            for again, delay in self._world.waiting()[sent:]:
                sent += 1
                heapq.heappush(queue, (at + delay, 1000 + sent, again))
        return max(lane.now for lane in self.lanes) - began


IMAGES, LANES = 6, 3


def run_fleet(world: World, *, waiting: bool) -> tuple[float, int]:
    jobs = [world.upload(f"{number}.png", picture((number + 1, 9))) for number in range(IMAGES)]
    fleet = Fleet(world, lanes=LANES, limit=1, waiting=waiting)
    seconds = fleet.run(jobs)
    assert len(world.output_keys()) == len(jobs)
    assert len(world.pixian.calls) == len(jobs) + fleet.refusals
    for lane in fleet.lanes:
        lane.processor.pixian._session.close()
    return seconds, fleet.refusals


def test_lanes_that_wait_are_refused_far_less_often_and_are_done_sooner(world: World) -> None:
    # Given a service that takes one image of a second at a time, and more lanes
    seconds, refusals = run_fleet(world, waiting=True)
    # Then they don't flood it
    assert refusals <= IMAGES
    assert seconds < 3 * IMAGES


def test_without_waiting_lanes_flood_it(world: World) -> None:
    """What the test before this one would see if the lanes didn't wait."""
    seconds, refusals = run_fleet(world, waiting=False)
    assert refusals > 2 * IMAGES
    assert seconds > 10 * IMAGES


# ---- Blocked ------------------------------------------------------------------------------------


def test_a_blocked_lane_reads_and_sends_nothing_for_a_minute(world: World) -> None:
    world.pixian.answers = [PAYMENT_REQUIRED]
    jobs = [world.upload(f"{number}.jpg") for number in range(3)]
    world.process(jobs[0])
    world.aws_calls.clear()
    world.now += BLOCKED_SECONDS - 1
    for job in jobs[1:]:
        log = world.process(job)
    assert world.aws_calls == ["SendMessage", "SendMessage"]
    assert len(world.pixian.calls) == 1
    assert "Pixian answered 402" in log.facts()["reason"]
    assert [(job.failures, seconds) for job, seconds in world.waiting()] == [(0, 300)] * 3


def test_without_credits_images_make_one_call_a_minute_and_go_on_by_themselves(
    world: World,
) -> None:
    # Given images that come back every five minutes
    queue = [
        (world.now, world.upload(f"{number}.png", picture((number + 1, 9)))) for number in range(5)
    ]
    sent, times = 0, list[float]()
    world.pixian.meanwhile = lambda: times.append(world.now)
    credits_at = world.now + 3600
    # When credits are back after an hour
    while queue:
        at, job = queue.pop(0)
        world.now = max(world.now, at) + 0.1
        world.pixian.answers = [PAYMENT_REQUIRED] if world.now < credits_at else []
        world.process(job)
        for again, delay in world.waiting()[sent:]:
            sent += 1
            queue.append((world.now + delay, again))
    # Then there was at most one call a minute before, and all have their results soon after
    refused = [time for time in times if time < credits_at]
    assert len(refused) >= 10
    assert min(b - a for a, b in pairwise(refused)) >= BLOCKED_SECONDS
    assert len(world.output_keys()) == 5
    assert world.now <= credits_at + retry.BLOCKED_DELAY_SECONDS + BLOCKED_SECONDS


@pytest.mark.parametrize("status", [404, 405, 410])
def test_an_endpoint_that_is_not_there_is_not_the_images_fault(world: World, status: int) -> None:
    world.pixian.answers = [refusal(status)]
    log = world.process(world.upload())
    assert log.facts()["outcome"] == "blocked"
    assert "PixianEndpoint" in log.facts()["reason"]
    assert world.output_keys() == []


def test_without_credentials_no_source_is_read(world: World) -> None:
    placeholder = json.dumps({"api_id": "REPLACE_ME", "api_secret": "REPLACE_ME"})
    world.secretsmanager.put_secret_value(SecretId="pixian", SecretString=placeholder)
    job = world.upload()
    world.process(job)
    assert (world.aws_calls.count("GetObject"), world.output_keys()) == (1, [])  # the report
    # The next image of the lane doesn't even look for them.
    world.process(job)
    assert world.aws_calls.count("GetSecretValue") == 2


def test_one_source_that_may_not_be_read_does_not_block_the_others(
    world: World,
) -> None:
    bad, good = world.upload("bad.jpg"), world.upload("good.jpg")

    def forbid(params: dict[str, Any], **_: object) -> None:
        if params["Key"] == "bad.jpg":
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "No."}}, "GetObject")

    client = world.processor.buckets._s3
    client.meta.events.register("before-parameter-build.s3.GetObject", forbid)
    assert world.process(bad).facts()["outcome"] == "blocked"
    assert world.process(good).facts()["outcome"] == "processed"


def test_one_key_that_may_not_be_written_does_not_block_the_others(
    world: World,
) -> None:
    bad, good = world.upload("locked/bad.jpg"), world.upload("good.jpg")

    def forbid(params: dict[str, Any], **_: object) -> None:
        if params["Key"].startswith("locked/"):
            raise ClientError({"Error": {"Code": "403", "Message": "Forbidden"}}, "HeadObject")

    client = world.processor.buckets._s3
    client.meta.events.register("before-parameter-build.s3.HeadObject", forbid)
    assert world.process(bad).facts()["outcome"] == "blocked"
    assert world.process(good).facts()["outcome"] == "processed"


def test_a_folder_marker_is_skipped_by_a_blocked_lane_too(world: World) -> None:
    world.pixian.answers = [PAYMENT_REQUIRED]
    world.process(world.upload("a.jpg"))
    assert world.process(world.upload("folder/")).facts()["outcome"] == "skipped"


def test_an_image_that_waited_too_long_is_looked_for_before_a_blocked_lane_gives_it_up(
    world: World,
) -> None:
    # Given an image that has its result, though its job is still in the queue
    job = world.upload("a.jpg")
    world.process(job)
    # When a blocked lane takes it after four days
    world.pixian.answers = [PAYMENT_REQUIRED]
    world.process(world.upload("b.jpg"))
    waited = replace(job, blocked_since=world.now - retry.MAX_BLOCKED_SECONDS - 1)
    world.process(waited)
    # Then it isn't given up
    assert (world.output_keys(), world.dead_letters()) == (["a.png"], [])


def test_one_that_has_none_is_given_up_without_a_call(world: World) -> None:
    world.pixian.answers = [PAYMENT_REQUIRED]
    world.process(world.upload("a.jpg"))
    job = world.upload("b.jpg")
    world.process(replace(job, blocked_since=world.now - retry.MAX_BLOCKED_SECONDS - 1))
    assert world.dead_letters() == [job.dead_letter()]
    assert len(world.pixian.calls) == 1
