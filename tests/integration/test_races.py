"""Several uploads and events of one key at the same moment: the newest upload wins."""

from dataclasses import replace
from typing import Any

import pytest

from pixian_s3 import retry
from pixian_s3.aws.s3 import Buckets
from pixian_s3.batch import process_all
from pixian_s3.images.prepare import prepare as really_prepare
from pixian_s3.job import Job
from tests.builders import picture
from tests.integration.servers import Answer, refusal
from tests.integration.world import OUTPUT, World

A, B = picture((1, 1)), picture((2, 2))
OTHER = Answer(body=picture((9, 9)))


def meanwhile(world: World, monkeypatch: pytest.MonkeyPatch, step: str, job: Job) -> None:
    """Have another invocation process a job just before the world's next step of this name."""
    real = getattr(Buckets, step)
    others = world._connect()

    def overtaken(*arguments: Any, **named: Any) -> Any:
        monkeypatch.setattr(Buckets, step, real)
        others.process(job)
        return real(*arguments, **named)

    monkeypatch.setattr(Buckets, step, overtaken)


def process_waiting(world: World) -> None:
    for job, _ in world.waiting():
        world.process(job)


def test_of_two_invocations_at_a_time_one_calls(world: World) -> None:
    # Given a duplicate event that arrives while the first is at work
    job = world.upload()
    other = world._connect()
    world.pixian.meanwhile = lambda: process_all([job], other)
    # When
    world.process(job)
    # Then it waits for the first
    assert len(world.pixian.calls) == 1
    assert world.waiting() == [(job, retry.IN_PROGRESS_DELAY_SECONDS)]


def test_two_files_of_one_stem_at_the_same_moment_cost_one_call(world: World) -> None:
    # Given that a.gif is at work, and there is no result of it yet
    world.processor.leases.acquire("shoes/a.png", world.now, seconds_left=60)
    # When a.jpg is processed
    world.process(world.upload("shoes/a.jpg"))
    # Then it waits, and no credit is spent
    assert [seconds for _, seconds in world.waiting()] == [retry.IN_PROGRESS_DELAY_SECONDS]
    assert world.pixian.calls == []


@pytest.mark.parametrize(
    ("keys", "slow"), [(("a.gif", "a.jpg"), 1), (("a.jpg", "a.jpg"), 0), (("a.jpg", "a.jpg"), 1)]
)
def test_what_ended_while_another_was_being_prepared_is_not_paid_for_again(
    world: World, monkeypatch: pytest.MonkeyPatch, keys: tuple[str, str], slow: int
) -> None:
    # Given two uploads, of which one takes so long to prepare that the other ends meanwhile
    jobs = [world.upload(key) for key in keys]
    other = world._connect()

    def prepare(*arguments: Any) -> Any:
        monkeypatch.setattr("pixian_s3.process.prepare", really_prepare)
        other.process(jobs[1 - slow])
        return really_prepare(*arguments)

    monkeypatch.setattr("pixian_s3.process.prepare", prepare)
    # When
    world.process(jobs[slow])
    # Then
    assert len(world.pixian.calls) == 1


def test_a_newer_upload_waits_at_pixian_for_an_older_one_and_has_the_result(world: World) -> None:
    # Given a newer upload that comes while the older one is at Pixian
    older, newer = world.upload(body=A), world.upload(body=B)
    other = world._connect()
    world.pixian.meanwhile = lambda: process_all([newer], other)
    # When
    world.process(older)
    process_waiting(world)
    # Then
    assert world.metadata("shoes/a.png")["source-version-id"] == newer.version_id
    assert len(world.pixian.calls) == 2


def overtake_with(newer: Job, world: World) -> None:
    """Have a newer result written during the older call, as if the lease had expired."""
    other = world._connect()

    def write() -> None:
        world.pixian.meanwhile = lambda: None
        world.dynamodb.delete_item(TableName="leases", Key={"id": {"S": "lease#shoes/a.png"}})
        other.process(newer)

    world.pixian.meanwhile = write


def test_a_newer_result_written_during_the_call_stays(world: World) -> None:
    older, newer = world.upload(body=A), world.upload(body=B)
    overtake_with(newer, world)
    log = world.process(older)
    assert world.metadata("shoes/a.png")["source-version-id"] == newer.version_id
    # Two, of which one came too late.
    assert log.total("CreditsCharged") == 1.0


def test_what_came_too_late_is_not_paid_for_again(world: World) -> None:
    # Given a call that was overtaken, and that the newer result was deleted since
    older, newer = world.upload(body=A), world.upload(body=B)
    overtake_with(newer, world)
    world.process(older)
    world.s3.delete_object(Bucket=OUTPUT, Key="shoes/a.png")
    # When the older one's event comes once more
    world.process(older)
    # Then
    assert len(world.pixian.calls) == 2


def test_an_older_upload_is_skipped_once_a_newer_one_was_rejected(world: World) -> None:
    older, newer = world.upload(), world.upload(body=b"no image")
    world.process(newer)
    log = world.process(older)
    assert log.total("ImagesSkipped") == 1
    assert world.report()["source"]["version_id"] == newer.version_id
    assert world.output_keys() == ["shoes/a.jpg.error.json"]


def test_an_older_upload_is_skipped_while_a_newer_one_waits_after_a_429(world: World) -> None:
    older, newer = world.upload(body=A), world.upload(body=B)
    world.pixian.answers = [refusal(429)]
    world.process(newer)
    assert world.process(older).total("ImagesSkipped") == 1
    process_waiting(world)
    assert world.metadata("shoes/a.png")["source-version-id"] == newer.version_id


@pytest.mark.parametrize("step", ["put_report", "delete_report"])
def test_a_newer_upload_waits_while_the_report_of_an_older_one_changes(
    world: World, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    # Given a report, and an upload that changes it: by another report or by its removal
    world.process(world.upload(body=b"no image"))
    older = world.upload(body=b"neither" if step == "put_report" else A)
    newer = world.upload(body=b"nor this")
    # When a newer upload comes at that moment
    meanwhile(world, monkeypatch, step, newer)
    world.process(older)
    process_waiting(world)
    # Then its report is the last
    assert world.report()["source"]["version_id"] == newer.version_id


def test_a_good_upload_removes_the_report_that_came_at_the_same_moment(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    older, newer = world.upload(body=b"no image"), world.upload()
    meanwhile(world, monkeypatch, "put_report", newer)
    world.process(older)
    process_waiting(world)
    assert world.output_keys() == ["shoes/a.png"]


# ---- The same content again ---------------------------------------------------------------------


def test_the_content_that_was_uploaded_last_is_the_result(world: World) -> None:
    # Given a result of A, then B, which waits, then A again
    world.process(world.upload(body=A))
    between, last = world.upload(body=B), world.upload(body=A)
    result = world.metadata("shoes/a.png")
    assert world.process(last).total("ImagesSkipped") == 1
    # When B's turn comes
    log = world.process(between)
    # Then the result is still A's, and B cost nothing
    assert log.total("ImagesSkipped") == 1
    assert world.metadata("shoes/a.png") == result
    assert len(world.pixian.calls) == 1


def test_it_is_though_another_is_just_being_written(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a result of A, and A uploaded again at the moment in which that of B is written
    world.process(world.upload(body=A))
    between, last = world.upload(body=B), world.upload(body=A)
    world.pixian.answers = [OTHER]
    meanwhile(world, monkeypatch, "put_result", last)
    # When all is done
    world.process(between)
    process_waiting(world)
    # Then
    assert world.metadata("shoes/a.png")["source-version-id"] == last.version_id


def test_without_versions_each_upload_has_its_turn(world: World) -> None:
    # Given a bucket whose versioning was suspended
    def upload(body: bytes) -> None:
        world.process(without_version(world.upload(body=body)))

    # When A, B and A are uploaded, one after the other
    upload(A)
    world.pixian.answers = [OTHER]
    upload(B)
    upload(A)
    # Then
    assert len(world.pixian.calls) == 3
    assert world.output("shoes/a.png") != OTHER.body


def without_version(job: Job) -> Job:
    return replace(job, version_id=None)
