"""Several uploads and events of one key at the same moment: the newest upload wins."""

import json
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from pixian_s3 import retry
from pixian_s3.aws.lease import Leases
from pixian_s3.aws.queues import Queues
from pixian_s3.aws.s3 import Buckets
from pixian_s3.batch import CRASHED, process_all
from pixian_s3.errors import Unavailable
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


def kill(world: World, monkeypatch: pytest.MonkeyPatch, owner: type, step: str, job: Job) -> None:
    """Process a job in an environment that ends at this step, until another one may take over."""

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(Leases, "release", lambda *_: None)
        dying.setattr(owner, step, die)
        with pytest.raises(KeyboardInterrupt):
            world.process(job)
    world.pass_deadline()


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
    world.processor.leases.acquire("shoes/a", world.now, seconds_left=60)
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
        world.dynamodb.delete_item(TableName="leases", Key={"id": {"S": "lease#shoes/a"}})
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


@pytest.mark.parametrize("step", ["put_document", "delete"])
def test_a_newer_upload_waits_while_the_report_of_an_older_one_changes(
    world: World, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    # Given a report, and an upload that changes it: by another report or by its removal
    world.process(world.upload(body=b"no image"))
    older = world.upload(body=b"neither" if step == "put_document" else A)
    newer = world.upload(body=b"nor this")
    # When a newer upload comes at that moment
    meanwhile(world, monkeypatch, step, newer)
    world.process(older)
    process_waiting(world)
    # Then its report is the last
    assert world.report()["source"]["version_id"] == newer.version_id


def test_an_upload_is_processed_although_somebody_else_removes_its_old_report(
    world: World,
) -> None:
    # Given a report of an older upload, which a user deletes while it is being removed
    world.process(world.upload(body=b"no image"))

    def delete_first(**_: object) -> None:
        events.unregister("before-call.s3.DeleteObject", delete_first)
        world.s3.delete_object(Bucket=OUTPUT, Key="shoes/a.jpg.error.json")
        raise ClientError({"Error": {"Code": "PreconditionFailed", "Message": "…"}}, "DeleteObject")

    events = world.processor.buckets._s3.meta.events
    events.register("before-call.s3.DeleteObject", delete_first)
    # When
    log = world.process(world.upload())
    # Then
    assert log.facts()["outcome"] == "processed"
    assert world.output_keys() == ["shoes/a.png"]


def test_a_good_upload_removes_the_report_that_came_at_the_same_moment(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    older, newer = world.upload(body=b"no image"), world.upload()
    meanwhile(world, monkeypatch, "put_document", newer)
    world.process(older)
    process_waiting(world)
    assert world.output_keys() == ["shoes/a.png"]


def change_format(world: World, **more: Any) -> None:
    world.processor.configuration.current()
    world.configure(defaults={"output.format": "jpeg", **more})
    world.pixian.answers = [Answer(body=picture(form="JPEG"), content_type="image/jpeg")]
    world.processor = world._connect()


@pytest.mark.parametrize("body", [A, b"no image"])
def test_an_older_upload_is_skipped_though_the_format_changed_since(
    world: World, body: bytes
) -> None:
    # Given an upload that was overtaken, and results of another type since
    older, newer = world.upload(body=body), world.upload(body=B)
    world.process(newer)
    change_format(world)
    # When its turn comes
    world.process(older)
    # Then it leaves nothing beside the newer one's result
    assert (len(world.pixian.calls), world.output_keys()) == (1, ["shoes/a.png"])


def test_it_is_skipped_though_another_file_of_that_stem_came_between(world: World) -> None:
    older, newer = world.upload(body=A), world.upload(body=B)
    world.process(newer)
    change_format(world)
    world.process(world.upload("shoes/a.gif", b"no image"))
    world.process(older)
    assert (len(world.pixian.calls), "shoes/a.jpg" in world.output_keys()) == (1, False)


@pytest.mark.parametrize("overtaken", [False, True])
def test_a_killed_attempt_is_not_paid_for_again_though_the_format_changed_since(
    world: World, monkeypatch: pytest.MonkeyPatch, *, overtaken: bool
) -> None:
    older = world.upload(body=A)
    job = world.upload()
    kill(world, monkeypatch, Leases, "release", job)
    change_format(world)
    # Even if an older upload came first, which finds the lease as the killed attempt left it
    if overtaken:
        world.process(older)
    world.process(job)
    assert (len(world.pixian.calls), world.output_keys()) == (1, ["shoes/a.png"])


def test_an_older_upload_has_no_result_beside_the_report_of_a_newer_one(world: World) -> None:
    # Given a newer upload that was given up, and whose lease is gone
    older, newer = world.upload(body=A), world.upload(body=B)
    world.pixian.answers = [refusal(503)]
    world.process(replace(newer, failures=retry.MAX_FAILURES))
    world.dynamodb.delete_item(TableName="leases", Key={"id": {"S": "lease#shoes/a"}})
    # When the older one's turn comes
    log = world.process(older)
    # Then
    assert log.total("ImagesSkipped") == 1
    assert world.output_keys() == ["shoes/a.jpg.error.json"]
    assert len(world.pixian.calls) == 1


# ---- The last try -------------------------------------------------------------------------------


def test_a_last_try_that_comes_twice_leaves_no_result_beside_the_dead_letter(world: World) -> None:
    # Given a message of which SQS delivers two copies on its last try
    world.pixian.answers = [refusal(503)]
    job = replace(world.upload(), failures=retry.MAX_FAILURES)
    world.process(job)
    # When the second comes after it was given up
    log = world.process(job)
    # Then it is skipped; redriven, it is processed
    assert (log.total("ImagesSkipped"), world.output_keys()) == (1, ["shoes/a.jpg.error.json"])
    (letter,) = world.dead_letters()
    world.process(letter)
    assert world.output_keys() == ["shoes/a.png"]
    # Even later, the copy does nothing
    assert world.process(job).total("ImagesSkipped") == 1


def test_one_that_was_killed_while_it_was_given_up_is_a_dead_letter(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given an image that was recorded as given up, but whose dead letter wasn't sent
    job = replace(world.upload(), failures=retry.MAX_FAILURES)
    world.pixian.answers = [refusal(503)]
    kill(world, monkeypatch, Queues, "send_dead_letter", job)
    # When its message comes again
    world.process(job)
    # Then
    assert world.dead_letters() == [job.dead_letter()]
    assert "503" in world.report()["error"]
    assert len(world.pixian.calls) == 1


def test_nothing_is_given_up_while_the_configuration_is_unavailable(world: World) -> None:
    # Given an image that has its result, and a new lane without a configuration
    job = world.upload()
    world.process(job)
    world.appconfig.away = True
    world.processor = world._connect()
    # When it is received once too often, or has been blocked for too long
    process_all([job], world.processor, CRASHED)
    process_all(
        [replace(job, blocked_since=world.now - retry.MAX_BLOCKED_SECONDS - 1)], world.processor
    )
    # Then it waits, and nothing is beside its result
    assert [seconds for _, seconds in world.waiting()] == [retry.BLOCKED_DELAY_SECONDS] * 2
    assert (world.output_keys(), world.dead_letters()) == (["shoes/a.png"], [])


# ---- Sidecars -----------------------------------------------------------------------------------


def test_no_sidecar_tells_of_a_result_that_was_not_stored(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a result with its sidecar, and a newer one that can't be stored
    world.configure(defaults={"pipeline": {"sidecar": True}})
    first = world.upload(body=A)
    world.process(first)
    with monkeypatch.context() as away:
        away.setattr(Buckets, "_put_result", _unavailable)
        world.process(world.upload(body=B))
    # Then the sidecar is that of the result
    assert sidecar_version(world) == first.version_id


def test_a_killed_attempt_leaves_a_sidecar_to_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.configure(defaults={"pipeline": {"sidecar": True}})
    world.process(world.upload(body=A))
    job = world.upload(body=B)
    kill(world, monkeypatch, Buckets, "put_document", job)
    # When it comes again, even after a newer upload that was rejected
    world.process(world.upload(body=b"no image"))
    world.process(job)
    # Then
    assert world.metadata("shoes/a.png")["source-version-id"] == job.version_id
    assert sidecar_version(world) == job.version_id
    assert len(world.pixian.calls) == 2


def test_the_next_upload_completes_the_sidecar_of_a_killed_attempt(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a PNG without its sidecar, and a newer upload that becomes a JPEG
    world.configure(defaults={"pipeline": {"sidecar": True}})
    older = world.upload(body=A)
    kill(world, monkeypatch, Buckets, "put_document", older)
    change_format(world, pipeline={"sidecar": True})
    world.process(world.upload(body=B))
    assert sidecar_version(world) == older.version_id


def test_a_late_copy_of_an_event_leaves_a_complete_sidecar_alone(world: World) -> None:
    world.configure(defaults={"pipeline": {"sidecar": True}})
    jobs = [world.upload(body=A) for _ in range(2)]
    for job in [*jobs, jobs[0]]:
        world.process(job)
    assert json.loads(world.output("shoes/a.png.json"))["source"]["bytes"] == len(A)


def test_a_sidecar_that_is_there_is_kept_up_to_date_without_the_parameter(world: World) -> None:
    world.configure(defaults={"pipeline": {"sidecar": True}})
    world.process(world.upload(body=A))
    world.configure()
    world.processor = world._connect()
    newer = world.upload(body=B)
    world.process(newer)
    assert sidecar_version(world) == newer.version_id


def test_a_sidecar_that_could_not_be_written_comes_with_the_next_upload(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a result whose sidecar S3 didn't take
    world.configure(defaults={"pipeline": {"sidecar": True}})
    older = world.upload(body=A)
    with monkeypatch.context() as away:
        away.setattr(Buckets, "put_document", _unavailable)
        world.process(older)
    # When a newer upload becomes a result of another type
    change_format(world, pipeline={"sidecar": True})
    world.process(world.upload(body=B))
    # Then the older one's sidecar is there
    assert sidecar_version(world) == older.version_id


def test_no_other_file_of_that_name_is_touched(world: World) -> None:
    world.process(world.upload(body=A))
    world.s3.put_object(Bucket=OUTPUT, Key="shoes/a.png.json", Body=b"mine")
    world.process(world.upload(body=B))
    assert world.output_keys() == ["shoes/a.png", "shoes/a.png.json"]


def sidecar_version(world: World) -> object:
    return json.loads(world.output("shoes/a.png.json"))["source"]["version_id"]


def _unavailable(*_: object) -> None:
    raise Unavailable("S3 is away")


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


def test_it_is_though_a_file_of_the_same_stem_was_rejected_meanwhile(world: World) -> None:
    # Given a result of A, then B, which waits, then A again
    world.process(world.upload(body=A))
    between, last = world.upload(body=B), world.upload(body=A)
    world.process(last)
    # When another file comes whose result would overwrite it, and then B's turn
    world.process(world.upload("shoes/a.gif"))
    world.process(between)
    # Then B is still older
    assert len(world.pixian.calls) == 1


def test_a_rejected_file_of_the_same_stem_doesnt_make_it_be_paid_for_again(world: World) -> None:
    # Given a result that its user deleted, and another file of its stem, which is no image
    job = world.upload()
    world.process(job)
    world.s3.delete_object(Bucket=OUTPUT, Key="shoes/a.png")
    world.process(world.upload("shoes/a.gif", b"no image"))
    # When its event comes once more
    world.process(job)
    # Then
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
