"""One bucket for sources and results: what the program writes there it doesn't process."""

from dataclasses import replace
from typing import Any

import pytest

from pixian_s3.job import Job
from tests.integration.world import INPUT, World

APART: dict[str, Any] = {"pipeline": {"result_key": "cutouts/{path}{stem}{suffix}"}}


@pytest.fixture
def shop(world: World) -> World:
    """The world with one bucket, whose photos begin with photos/."""
    world.environment = replace(world.environment, output_bucket=INPUT, input_prefix="photos/")
    world.processor = world._connect()
    world.configure(defaults=APART)
    return world


def events(shop: World) -> list[Job]:
    """A job for each object that begins with photos/, as S3 would send its events again."""
    listed = shop.s3.list_objects_v2(Bucket=INPUT, Prefix="photos/")["Contents"]
    heads = [(each["Key"], shop.s3.head_object(Bucket=INPUT, Key=each["Key"])) for each in listed]
    return [
        Job(INPUT, key, head["ETag"].strip('"'), head["VersionId"], f"{n:018X}", shop.now)
        for n, (key, head) in enumerate(heads, 1000)
    ]


def keys(shop: World) -> list[str]:
    return [each["Key"] for each in shop.s3.list_objects_v2(Bucket=INPUT)["Contents"]]


def test_a_photo_becomes_a_result_in_the_same_bucket(shop: World) -> None:
    shop.process(shop.upload("photos/a.jpg"))
    assert keys(shop) == ["cutouts/photos/a.png", "photos/a.jpg"]


def test_a_report_gets_no_report(shop: World) -> None:
    shop.process(shop.upload("photos/notes.txt", b"buy milk"))
    before = keys(shop)
    assert before == ["photos/notes.txt", "photos/notes.txt.error.json"]
    *_, report = events(shop)
    log = shop.process(report)
    assert (keys(shop), log.total("ImagesSkipped")) == (before, 1)


def test_a_result_that_came_among_the_photos_is_not_sent_again(shop: World) -> None:
    shop.process(shop.upload("photos/a.jpg"))
    shop.s3.copy_object(
        Bucket=INPUT,
        Key="photos/z.png",
        CopySource={"Bucket": INPUT, "Key": "cutouts/photos/a.png"},
    )
    *_, copied = events(shop)
    log = shop.process(copied)
    assert log.facts()["outcome"] == "skipped"
    assert "result of this program" in log.facts()["reason"]
    assert len(shop.pixian.calls) == 1


def test_a_photo_whose_result_would_be_a_photo_waits_until_the_configuration_is_right(
    shop: World,
) -> None:
    shop.configure(defaults={})
    job = shop.upload("photos/a.jpg")
    log = shop.process(job)
    assert (log.total("Blocked"), shop.pixian.calls, keys(shop)) == (1, [], ["photos/a.jpg"])
    shop.configure(defaults=APART)
    shop.processor = shop._connect()  # which reads it anew
    ((waiting, _),) = shop.waiting()
    shop.process(waiting)
    assert keys(shop) == ["cutouts/photos/a.png", "photos/a.jpg"]
