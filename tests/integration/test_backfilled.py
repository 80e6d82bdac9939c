"""Jobs that `make backfill` sends: they have an ETag, but no version ID and no sequencer."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from pixian_s3.job import Job
from tests.builders import picture
from tests.clock import PowertoolsClock
from tests.integration.servers import refusal
from tests.integration.world import OUTPUT, World


def backfilled(job: Job) -> Job:
    """The job of the same object as a listing shows it."""
    return replace(job, version_id=None, sequencer="")


def test_an_object_without_an_event_becomes_a_result(world: World) -> None:
    log = world.process(backfilled(world.upload("shoes/a.jpg")))
    assert world.output_keys() == ["shoes/a.png"]
    assert log.total("ImagesProcessed") == 1


def test_an_upload_that_has_its_result_is_skipped(world: World) -> None:
    job = world.upload()
    world.process(job)
    log = world.process(backfilled(job))
    assert log.total("ImagesSkipped") == 1
    assert len(world.pixian.calls) == 1


def test_an_event_that_arrives_after_the_backfill_is_skipped(world: World) -> None:
    job = world.upload()
    world.process(backfilled(job))
    log = world.process(job)
    assert log.total("ImagesSkipped") == 1
    assert len(world.pixian.calls) == 1


def test_the_same_message_twice_is_processed_once(world: World) -> None:
    job = backfilled(world.upload())
    world.process(job)
    world.process(job)
    assert len(world.pixian.calls) == 1


def test_an_object_that_was_replaced_since_it_was_listed_is_left_to_its_own_event(
    world: World,
) -> None:
    old = backfilled(world.upload(body=picture((1, 1))))
    new = world.upload(body=picture((2, 2)))
    log = world.process(old)
    assert log.total("ImagesSkipped") == 1
    assert world.pixian.calls == []
    world.process(new)
    assert world.pixian.calls[0].image == picture((2, 2))
    # And nothing replaces its result.
    world.process(old)
    assert len(world.pixian.calls) == 1


@pytest.mark.parametrize("first", [backfilled, lambda job: job], ids=["backfill", "event"])
def test_a_result_of_other_parameters_is_replaced_only_on_request(
    world: World, powertools_clock: PowertoolsClock, first: Callable[[Job], Job]
) -> None:
    job = world.upload()
    world.process(first(job))
    world.configure(defaults={"test": False})
    powertools_clock.pass_seconds(3600)
    again = replace(backfilled(job), again="now")
    for _ in range(2):
        world.process(first(job))
        world.process(again)
    assert [call.form for call in world.pixian.calls] == [{"test": "true"}, {"test": "false"}]
    # And without the lease, which is kept for 14 days, the result alone tells.
    world.dynamodb.delete_item(TableName="leases", Key={"id": {"S": "lease#shoes/a"}})
    world.process(again)
    world.process(replace(again, again="later"))
    assert len(world.pixian.calls) == 2


@pytest.mark.parametrize("first", [backfilled, lambda job: job], ids=["backfill", "event"])
def test_a_rejected_upload_is_tried_again_once_for_each_request(
    world: World, first: Callable[[Job], Job]
) -> None:
    job = world.upload()
    world.pixian.answers = [refusal(400), refusal(400)]
    world.process(first(job))
    again = replace(backfilled(job), again="now")
    world.process(again)
    world.process(again)
    assert len(world.pixian.calls) == 2
    world.process(replace(again, again="later"))
    assert world.output_keys() == ["shoes/a.png"]


def test_a_request_for_an_image_that_has_its_result_costs_nothing(world: World) -> None:
    job = world.upload()
    world.process(job)
    log = world.process(replace(backfilled(job), again="now"))
    assert log.total("ImagesSkipped") == 1
    assert len(world.pixian.calls) == 1


# ---- Beside events, which have a version and a sequencer ----------------------------------------


def test_a_late_event_of_an_older_upload_replaces_no_backfilled_result(world: World) -> None:
    older = world.upload(body=picture((1, 1)))
    world.now += 10
    newer = world.upload(body=picture((2, 2)))
    world.process(backfilled(newer))
    for late in (older, newer):
        assert world.process(late).total("ImagesSkipped") == 1
    assert len(world.pixian.calls) == 1


def test_nor_has_it_a_result_beside_a_backfilled_rejection(world: World) -> None:
    older = world.upload(body=picture((1, 1)))
    world.now += 10
    world.process(replace(backfilled(world.upload(body=b"no image")), again="now"))
    assert world.process(older).total("ImagesSkipped") == 1
    assert world.output_keys() == ["shoes/a.jpg.error.json"]


def test_a_copy_that_waited_costs_nothing_though_the_parameters_changed(
    world: World, powertools_clock: PowertoolsClock
) -> None:
    job = world.upload()
    world.process(job)
    world.configure(defaults={"test": False, "max_pixels": 1000})
    powertools_clock.pass_seconds(3600)
    assert world.process(backfilled(job)).total("ImagesSkipped") == 1
    assert len(world.pixian.calls) == 1


def test_a_result_that_was_deleted_is_made_again_by_the_next_backfill(world: World) -> None:
    job = backfilled(world.upload())
    world.process(job)
    world.s3.delete_object(Bucket=OUTPUT, Key="shoes/a.png")
    world.process(job)
    assert (len(world.pixian.calls), world.output_keys()) == (2, ["shoes/a.png"])


def test_a_request_to_repeat_is_paid_for_once_though_its_attempt_ended_early(
    world: World, powertools_clock: PowertoolsClock
) -> None:
    world.process(world.upload())
    again = replace(backfilled(world.upload()), again="now")
    world.configure(defaults={"test": False})
    powertools_clock.pass_seconds(3600)
    world.process(again)
    forget_leases(world)
    world.configure(defaults={"test": False, "max_pixels": 1000})
    powertools_clock.pass_seconds(3600)
    world.process(again)
    assert len(world.pixian.calls) == 2


def forget_leases(world: World) -> None:
    for item in world.dynamodb.scan(TableName="leases")["Items"]:
        world.dynamodb.delete_item(TableName="leases", Key={"id": item["id"]})
