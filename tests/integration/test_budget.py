"""The budget stops the spending, and a pause holds images back; both lose nothing."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import batched

import pytest
import time_machine

from pixian_s3 import retry
from pixian_s3.aws.s3 import Buckets
from pixian_s3.batch import CRASHED, process_all
from pixian_s3.errors import Unavailable
from pixian_s3.job import Job
from pixian_s3.process import Processor
from tests.builders import picture
from tests.integration.servers import Answer, refusal
from tests.integration.world import World

DAY = 24 * 3600
PRICE = 0.5


def spend(world: World, images: int, number: int = 0) -> int:
    """Upload so many images, each 0.5 credits, and return how many have a result."""
    for i in range(images):
        world.process(world.upload(f"{number}-{i}.jpg"))
    return sum(key.endswith(".png") for key in world.output_keys())


def spent(world: World) -> dict[str, Decimal]:
    """The sums in the table, by attribute."""
    items = world.dynamodb.scan(TableName="leases")["Items"]
    (item,) = (item for item in items if item["id"]["S"].startswith("credits#"))
    return {
        name: Decimal(value["N"])
        for name, value in item.items()
        if name == "credits" or name.startswith("day-")
    }


def raise_budget(world: World, **budget: float) -> None:
    """Publish a budget, and have a new lane that knows of it, but of no price."""
    world.configure(budget=budget)
    world.processor = world._connect()


def process_waiting(world: World) -> None:
    for job, _ in world.waiting():
        world.process(job)


def test_what_pixian_charged_is_summed_up_by_day_and_month(world: World) -> None:
    spend(world, 3)
    world.now += DAY
    spend(world, 1, number=1)
    assert spent(world) == {"credits": 2, "day-21": Decimal("1.5"), "day-22": Decimal("0.5")}


def test_a_test_costs_nothing_and_needs_no_budget(world: World) -> None:
    world.configure(defaults={"test": True}, budget={"credits_per_day": 0})
    world.pixian.answers = [Answer(headers={"X-Credits-Charged": "0"})] * 2
    assert spend(world, 2) == 2


@pytest.mark.parametrize("period", ["credits_per_day", "credits_per_month"])
def test_a_budget_stops_the_calls(world: World, period: str) -> None:
    world.configure(budget={period: 2})
    # When ten images come that cost half a credit each
    assert spend(world, 10) == 4
    # Then four were paid for, and the others wait without having used up an attempt
    log = world.log()
    assert (len(world.pixian.calls), log.total("MaybeCharged")) == (4, 0)
    jobs = world.waiting()
    assert [(job.failures, job.blocked_since) for job, _ in jobs] == [(0, None)] * 6
    assert {seconds for _, seconds in jobs} == {retry.MAX_DELAY_SECONDS}


def test_a_held_image_says_why_and_what_helps(world: World) -> None:
    world.configure(budget={"credits_per_day": 0, "credits_per_month": 5.5})
    log = world.process(world.upload())
    assert log.total("Blocked") == 1
    reason = log.facts()["reason"]
    assert "budget (0 credits per day, 5.5 credits per month, UTC) is spent" in reason


def test_a_raised_budget_continues(world: World) -> None:
    world.configure(budget={"credits_per_day": 1})
    spend(world, 3)
    raise_budget(world, credits_per_day=10)
    process_waiting(world)
    assert len(world.output_keys()) == 3


def test_the_next_day_continues_until_the_month_is_spent(world: World) -> None:
    world.configure(budget={"credits_per_day": 1, "credits_per_month": 1.5})
    assert spend(world, 4) == 2
    world.now += DAY
    process_waiting(world)
    assert len(world.output_keys()) == 3
    world.now += DAY
    process_waiting(world)
    assert len(world.output_keys()) == 3


def at_once(lanes: Sequence[Processor], jobs: Sequence[Job], world: World) -> None:
    """Let each lane process a job, so that all calls are made at the same moment."""
    rest = iter(list(zip(lanes, jobs, strict=True)))

    def others() -> None:
        for lane, job in rest:
            lane.process(job)

    world.pixian.meanwhile = others
    others()
    world.pixian.meanwhile = lambda: None


def test_parallel_lanes_exceed_it_by_one_image_each_and_finish_when_it_is_raised(
    world: World,
) -> None:
    # Given a budget of 10 credits, and 100 photos of half a credit for 4 lanes that know no price
    world.configure(budget={"credits_per_day": 10})
    lanes = [world._connect() for _ in range(4)]
    jobs = [world.upload(f"{i}.jpg") for i in range(100)]
    # When the lanes call at the same moments, until all photos were tried
    for four in batched(jobs, len(lanes), strict=True):
        at_once(lanes, four, world)
    # Then the spending has stopped there, and the others say why they wait
    calls = len(world.pixian.calls)
    assert 10 - PRICE < calls * PRICE <= 10 + len(lanes) * PRICE
    reasons = [str(line["image"].get("reason")) for line in world.log().lines if "image" in line]
    held = [reason for reason in reasons if "budget (10 credits per day, UTC) is spent" in reason]
    assert len(held) == len(jobs) - calls
    # And when the live document raises it, all come to their results without being paid twice
    world.configure(budget={"credits_per_day": 100})
    waiting = [job for job, _ in world.waiting()]
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=1)):
        for four in batched(waiting, len(lanes), strict=False):
            at_once(lanes[: len(four)], four, world)
    assert len(world.output_keys()) == len(world.pixian.calls) == len(jobs)
    assert spent(world)["credits"] == len(jobs) * Decimal("0.5")


@pytest.mark.parametrize("answer", [refusal(429), refusal(500), refusal(400), refusal(402)])
def test_a_call_that_cost_nothing_leaves_the_budget_as_it_was(world: World, answer: Answer) -> None:
    world.configure(budget={"credits_per_day": 1})
    spend(world, 1)
    world.pixian.answers = [answer]
    world.process(world.upload("refused.jpg"))
    assert spent(world)["credits"] == Decimal("0.5")


def test_a_call_of_unknown_outcome_counts_as_paid(world: World) -> None:
    world.configure(budget={"credits_per_day": 1})
    spend(world, 1)
    world.pixian.answers = [refusal(502)]
    world.process(world.upload("lost.jpg"))
    assert spent(world)["credits"] == 1


def test_a_paid_result_that_could_not_be_stored_counts_as_paid(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise Unavailable("S3 is away")

    monkeypatch.setattr(Buckets, "put_result", away)
    world.process(world.upload())
    assert spent(world)["credits"] == Decimal("0.5")


def test_a_crash_before_the_call_gives_back_what_was_reserved(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.configure(budget={"credits_per_day": 1})
    spend(world, 1)

    def crash(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(Buckets, "download", crash)
    with pytest.raises(RuntimeError):
        world.process(world.upload("crash.jpg"))
    assert spent(world)["credits"] == Decimal("0.5")


@pytest.mark.parametrize("answer", [refusal(502), Answer(body=b""), Answer()])
def test_without_a_known_price_what_may_have_cost_counts_as_one_credit(
    world: World, answer: Answer
) -> None:
    # Given a call of unknown outcome, or a result without its price, as the first of a lane
    world.configure(budget={"credits_per_day": 1})
    world.pixian.answers = [answer]
    world.process(world.upload("first.jpg"))
    # Then there is no room for another one
    world.process(world.upload("second.jpg"))
    assert len(world.pixian.calls) == 1


def test_a_crash_after_the_answer_loses_no_charge(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("pixian_s3.process.finish", crash)
    with pytest.raises(MemoryError):
        world.process(world.upload())
    assert spent(world)["credits"] == Decimal("0.5")


# ---- Paused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "document", [{"paused": True}, {"prefixes": {"shoes/": {"pipeline": {"paused": True}}}}]
)
def test_a_paused_image_waits_and_continues_by_itself(
    world: World, document: dict[str, object]
) -> None:
    world.configure(**document)
    job = world.upload(body=picture())
    log = world.process(job)
    assert log.facts()["outcome"] == "paused"
    assert "paused" in log.facts()["reason"]
    # BlockedAlarm watches the other metric: nobody wants to be told of their own pause.
    assert (log.total("Paused"), log.total("Blocked")) == (1, 0)
    assert world.waiting() == [(job, retry.MAX_DELAY_SECONDS)]
    # When it is resumed
    world.configure()
    world.processor = world._connect()
    process_waiting(world)
    assert world.output_keys() == ["shoes/a.png"]


def test_no_pause_is_too_long(world: World) -> None:
    world.configure(paused=True)
    job = replace(world.upload(), blocked_since=world.now - retry.MAX_BLOCKED_SECONDS - 1)
    process_all([job], world.processor)
    process_all([job], world.processor, CRASHED)
    assert (world.dead_letters(), world.output_keys()) == ([], [])
    # Nor does its time count once another cause blocks it.
    assert [waiting.blocked_since for waiting, _ in world.waiting()] == [None, None]


def test_a_pause_makes_no_call_to_aws_but_to_the_queue(world: World) -> None:
    world.configure(paused=True)
    world.process(world.upload("first.jpg"))
    job = world.upload()
    world.aws_calls.clear()
    world.process(job)
    assert world.aws_calls == ["SendMessage"]
