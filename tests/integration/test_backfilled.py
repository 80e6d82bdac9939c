"""Jobs that `make backfill` sends: they have an ETag, but no version ID and no sequencer."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from pixian_s3.job import Job
from tests.builders import picture
from tests.clock import PowertoolsClock
from tests.integration.servers import refusal
from tests.integration.world import World


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
