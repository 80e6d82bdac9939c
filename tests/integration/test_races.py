"""Several drops and events of one key at the same moment: the newest drop has the ending."""

from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from pixian_s3 import retry
from pixian_s3.aws.s3 import Storage
from pixian_s3.images.prepare import prepare as really_prepare
from pixian_s3.job import Job
from pixian_s3.process import process, process_all
from tests.builders import picture
from tests.integration.servers import Answer
from tests.integration.world import OUTPUT, World

A, B = picture((1, 1)), picture((2, 2))
OTHER = Answer(body=picture((9, 9)))


def meanwhile(world: World, monkeypatch: pytest.MonkeyPatch, step: str, job: Job) -> None:
    """Have another invocation process a job just before the world's next step of this name."""
    real = getattr(Storage, step)
    others = world._connect()

    def overtaken(*arguments: Any, **named: Any) -> Any:
        monkeypatch.setattr(Storage, step, real)
        process(job, others)
        return real(*arguments, **named)

    monkeypatch.setattr(Storage, step, overtaken)


def process_waiting(world: World) -> None:
    for job, _ in world.waiting():
        world.process(job)


def test_of_two_invocations_at_a_time_one_calls(world: World) -> None:
    # Given a duplicate event that arrives while the first is at work
    job = world.drop()
    other = world._connect()
    world.pixian.meanwhile = lambda: process_all([job], other)
    # When
    world.process(job)
    # Then it waits for the first
    assert len(world.pixian.calls) == 1
    assert world.waiting() == [(job, retry.CLAIMED_DELAY_SECONDS)]


def test_two_files_of_one_stem_at_the_same_moment_cost_one_call(world: World) -> None:
    # Given that a.gif is at work, and there is no result of it yet
    with world.services.reserved("shoes/a.png", world.drop("shoes/a.gif")):
        # When a.jpg is processed
        world.process(world.drop("shoes/a.jpg"))
    # Then it waits, and no credit is spent
    assert [seconds for _, seconds in world.waiting()] == [retry.CLAIMED_DELAY_SECONDS]
    assert world.pixian.calls == []


@pytest.mark.parametrize(
    ("drops", "slow"), [(("a.gif", "a.jpg"), 1), (("a.jpg", "a.jpg"), 0), (("a.jpg", "a.jpg"), 1)]
)
def test_what_ended_while_another_was_being_prepared_is_not_paid_for_again(
    world: World, monkeypatch: pytest.MonkeyPatch, drops: tuple[str, str], slow: int
) -> None:
    # Given two drops, the one of which takes so long to prepare that the other ends meanwhile
    jobs = [world.drop(key) for key in drops]
    other = world._connect()

    def prepare(*arguments: Any) -> Any:
        monkeypatch.setattr("pixian_s3.process.prepare", really_prepare)
        process(jobs[1 - slow], other)
        return really_prepare(*arguments)

    monkeypatch.setattr("pixian_s3.process.prepare", prepare)
    # When
    world.process(jobs[slow])
    # Then
    assert len(world.pixian.calls) == 1


def test_a_newer_drop_waits_for_an_older_one_and_has_the_result(world: World) -> None:
    # Given a newer drop that comes while the older one is at Pixian
    older, newer = world.drop(body=A), world.drop(body=B)
    other = world._connect()
    world.pixian.meanwhile = lambda: process_all([newer], other)
    # When
    world.process(older)
    process_waiting(world)
    # Then
    assert world.metadata("shoes/a.png")["source-version-id"] == newer.version_id
    assert len(world.pixian.calls) == 2


def overtake_with(newer: Job, world: World) -> None:
    """Have a newer result written during the older call, as if its reservation had run out."""
    other = world._connect()

    def write() -> None:
        world.pixian.meanwhile = lambda: None
        world.dynamodb.delete_item(TableName="claims", Key={"id": {"S": "result#shoes/a.png"}})
        process(newer, other)

    world.pixian.meanwhile = write


def test_a_newer_result_written_during_the_call_stays(world: World) -> None:
    older, newer = world.drop(body=A), world.drop(body=B)
    overtake_with(newer, world)
    told = world.process(older)
    assert world.metadata("shoes/a.png")["source-version-id"] == newer.version_id
    # Two, of which one came too late.
    assert told.total("CreditsCharged") == 1.0


def test_what_came_too_late_is_not_paid_for_again(world: World) -> None:
    # Given a call that was overtaken, and that the newer result was deleted since
    older, newer = world.drop(body=A), world.drop(body=B)
    overtake_with(newer, world)
    world.process(older)
    world.s3.delete_object(Bucket=OUTPUT, Key="shoes/a.png")
    # When the older one's event comes once more
    world.process(older)
    # Then
    assert len(world.pixian.calls) == 2


def test_an_older_image_leaves_the_report_of_a_newer_one(world: World) -> None:
    # Given an image, and a newer file under its key that got a report
    older, newer = world.drop(), world.drop(body=b"no image")
    world.process(newer)
    # When the older one succeeds, and again when its event comes twice
    world.process(older)
    world.process(older)
    # Then both endings stand
    assert world.output_keys() == ["shoes/a.jpg.error.json", "shoes/a.png"]


def test_an_older_failure_leaves_the_report_of_a_newer_one(world: World) -> None:
    older, newer = world.drop(body=b"older"), world.drop(body=b"newer")
    world.process(newer)
    world.process(older)
    assert world.report()["source"]["version_id"] == newer.version_id


def test_a_report_that_a_newer_drop_has_just_got_is_not_deleted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.process(world.drop(body=b"no image"))
    older, newer = world.drop(), world.drop(body=b"no image either")
    meanwhile(world, monkeypatch, "delete_report", newer)
    world.process(older)
    assert world.report()["source"]["version_id"] == newer.version_id


def test_a_report_that_a_newer_drop_has_just_got_is_not_overwritten(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    older, newer = world.drop(body=b"older"), world.drop(body=b"newer")
    meanwhile(world, monkeypatch, "put_report", newer)
    world.process(older)
    assert world.report()["source"]["version_id"] == newer.version_id


def test_a_report_that_comes_after_a_newer_result_goes_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a good file that is processed just before the report of the bad one it replaced
    older, newer = world.drop(body=b"no image"), world.drop()
    meanwhile(world, monkeypatch, "put_report", newer)
    world.process(older)
    assert world.output_keys() == ["shoes/a.png"]


# ---- The same content again ---------------------------------------------------------------------


def test_what_was_dropped_last_has_the_result(world: World) -> None:
    # Given a result of A, then B, which waits, then A again
    world.process(world.drop(body=A))
    between, last = world.drop(body=B), world.drop(body=A)
    told = world.process(last)
    assert told.total("ImagesSkipped") == 1
    # When B's turn comes
    world.process(between)
    # Then the result is A's, and B cost nothing
    assert world.metadata("shoes/a.png")["source-version-id"] == last.version_id
    assert len(world.pixian.calls) == 1


def test_it_has_it_though_another_is_just_being_written(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a result of A, and A dropped again at the moment in which that of B is written
    world.process(world.drop(body=A))
    between, last = world.drop(body=B), world.drop(body=A)
    world.pixian.answers = [OTHER]
    meanwhile(world, monkeypatch, "put_result", last)
    # When all is done
    world.process(between)
    process_waiting(world)
    # Then
    assert world.metadata("shoes/a.png")["source-version-id"] == last.version_id


@pytest.mark.parametrize("code", ["PreconditionFailed", "NoSuchKey"])
def test_it_has_it_though_the_result_changed_while_that_was_noted(world: World, code: str) -> None:
    # Given that S3 refuses to note the last drop on a result that has changed or is gone
    world.process(world.drop(body=A))
    last = world.drop(body=A)
    s3: Any = world.services.storage._s3

    def refuse(**_: Any) -> None:
        del s3.copy_object
        s3.delete_object(Bucket=OUTPUT, Key="shoes/a.png")
        raise ClientError({"Error": {"Code": code, "Message": ""}}, "CopyObject")

    s3.copy_object = refuse
    # When all is done
    world.process(last)
    process_waiting(world)
    # Then
    assert world.metadata("shoes/a.png")["source-version-id"] == last.version_id


def test_without_versions_each_drop_has_its_turn(world: World) -> None:
    # Given a bucket whose versioning was suspended
    def drop(body: bytes) -> None:
        world.process(without_version(world.drop(body=body)))

    # When A, B and A are dropped, one after the other
    drop(A)
    world.pixian.answers = [OTHER]
    drop(B)
    drop(A)
    # Then
    assert len(world.pixian.calls) == 3
    assert world.output("shoes/a.png") != OTHER.body


def without_version(job: Job) -> Job:
    return replace(job, version_id=None)
