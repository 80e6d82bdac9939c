"""No credit is spent in vain: what becomes of a call that was paid for, or may have been."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from pixian_s3 import retry
from pixian_s3.aws.lease import Leases
from pixian_s3.aws.s3 import Buckets
from pixian_s3.aws.telemetry import Telemetry
from pixian_s3.batch import CRASHED, process_all
from pixian_s3.errors import AccessDenied, Unavailable
from pixian_s3.job import Job
from pixian_s3.pixian import client
from tests.builders import picture
from tests.integration.servers import Answer, refusal
from tests.integration.world import INPUT, World

HTML = Answer(body=b"<html>", content_type="text/html")


def test_a_refusal_after_the_charge_is_final(world: World) -> None:
    # Given a delta PNG that doesn't fit
    world.configure(defaults={"output.format": "delta_png"})
    world.pixian.answers = [Answer(body=picture((3, 3)))]
    job = world.upload(body=picture((5, 5)))
    # When its event comes three times
    for _ in range(3):
        world.process(job)
    # Then it cost one call, and the report stands
    assert len(world.pixian.calls) == 1
    assert world.output_keys() == ["shoes/a.jpg.error.json"]


class Killed(BaseException):
    """Ends what a killed process ends: all that isn't done."""


def die_in_calls(world: World, job: Job, times: int) -> None:
    """Have the function killed so many times while Pixian has the image, then time go by."""

    def die(*_: object, **__: object) -> None:
        raise Killed

    for _ in range(times):
        world._session.hooks["response"] = [die]
        with pytest.raises(Killed):
            world.process(job)
        world._session.hooks["response"] = []
        world.pass_deadline()


def test_while_a_killed_call_may_go_on_nobody_else_calls(world: World) -> None:
    job = world.upload()
    die_in_calls(world, job, times=1)
    world.now -= 60
    world.process(job)
    assert len(world.pixian.calls) == 1
    assert world.waiting() == [(job, retry.IN_PROGRESS_DELAY_SECONDS)]


def test_a_call_whose_function_was_killed_is_counted_by_the_next_try(world: World) -> None:
    job = world.upload()
    die_in_calls(world, job, times=2)
    log = world.process(job)
    assert (log.total("MaybeCharged"), log.total("ImagesProcessed")) == (2, 1)


def test_each_is_counted_once(world: World) -> None:
    job = world.upload()
    die_in_calls(world, job, times=1)
    world.pixian.answers = [refusal(429)]
    tries = [world.process(job), world.process(world.waiting()[0][0]), world.process(job)]
    assert [log.total("MaybeCharged") for log in tries] == [1, 0, 0]


def test_a_duplicate_event_counts_no_call_again(world: World) -> None:
    world.pixian.answers = [HTML]
    job = world.upload()
    assert [world.process(job).total("MaybeCharged") for _ in range(2)] == [1, 0]


def test_a_function_that_is_killed_in_every_call_makes_no_more_than_three(world: World) -> None:
    job = world.upload()
    die_in_calls(world, job, times=retry.MAX_UNKNOWN_CALLS)
    log = world.process(job)
    assert len(world.pixian.calls) == retry.MAX_UNKNOWN_CALLS
    assert log.total("RetriesExhausted") == 1
    assert "3 calls" in world.report()["error"]
    assert [left.redrives for left in world.dead_letters()] == [1]


def newer_result(world: World, job: Job) -> Job:
    world.processor.process(world.upload(body=picture((9, 9))))
    return job


def source_gone(world: World, job: Job) -> Job:
    world.s3.delete_object(Bucket=INPUT, Key=job.key, VersionId=job.version_id or "")
    return job


def other_parameters(world: World, job: Job) -> Job:
    world.configure(defaults={"max_pixels": 1000})
    world.processor = world._connect()
    return job


@pytest.mark.parametrize("since", [newer_result, source_gone, other_parameters])
def test_it_is_counted_however_the_image_ended_since(
    world: World, since: Callable[[World, Job], Job]
) -> None:
    job = world.upload()
    die_in_calls(world, job, times=1)
    assert world.process(since(world, job)).total("MaybeCharged") == 1


def test_it_is_counted_when_the_image_is_given_up(world: World) -> None:
    job = world.upload()
    die_in_calls(world, job, times=2)
    process_all([job], world.processor, CRASHED)
    assert world.log().total("MaybeCharged") == 2
    assert [left.redrives for left in world.dead_letters()] == [1]


@pytest.mark.parametrize("answer", [refusal(429), refusal(500), refusal(402), refusal(400)])
def test_a_call_that_cost_nothing_leaves_no_count(world: World, answer: Answer) -> None:
    world.pixian.answers = [answer]
    job = world.upload()
    world.process(job)
    assert world.process(job).total("MaybeCharged") == 0


def test_a_success_that_is_none_may_have_cost(world: World) -> None:
    world.pixian.answers = [refusal(202)]
    assert world.process(world.upload()).total("MaybeCharged") == 1


@pytest.mark.parametrize("body", [picture()[:-5], b""])
def test_an_incomplete_image_is_no_result(world: World, body: bytes) -> None:
    world.pixian.answers = [Answer(body=body)]
    log = world.process(world.upload())
    assert (world.output_keys(), len(world.waiting())) == ([], 1)
    assert log.total("MaybeCharged") == 1


def test_a_result_is_stored_as_soon_as_that_works_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given that S3 is away for the first five tries to store a result
    away, put_result = iter(range(5)), Buckets.put_result

    def put(*arguments: Any) -> None:
        if next(away, None) is not None:
            raise Unavailable("S3 is away")
        put_result(*arguments)

    monkeypatch.setattr(Buckets, "put_result", put)
    # When an image is processed
    began = world.now
    log = world.process(world.upload())
    # Then it has waited, and paid once
    assert (log.total("ImagesProcessed"), len(world.pixian.calls)) == (1, 1)
    assert world.now - began == 1 + 2 + 4 + 8 + 16


def test_storing_is_not_tried_again_when_time_is_short(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Buckets, "put_result", _unavailable)
    world.processor = replace(world.processor, seconds_left=lambda: 100)
    monkeypatch.setattr(client, "READ_TIMEOUT_SECONDS", 30)
    began = world.now
    log = world.process(world.upload())
    assert (world.now, log.total("MaybeCharged")) == (began, 1)


def test_a_crash_after_the_charge_is_counted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> None:
        raise RuntimeError("out of disk")

    job = world.upload()
    with monkeypatch.context() as broken:
        broken.setattr(Buckets, "put_result", crash)
        with pytest.raises(RuntimeError):
            world.process(job)
    # When the job comes again
    log = world.process(job)
    # Then it waits for no deadline
    assert (log.total("MaybeCharged"), log.total("ImagesProcessed")) == (1, 1)


def test_without_permission_to_store_it_is_blocked_and_counted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deny(*_: object) -> None:
        raise AccessDenied("The result may not be written.")

    monkeypatch.setattr(Buckets, "put_result", deny)
    log = world.process(world.upload())
    assert (log.total("Blocked"), log.total("MaybeCharged")) == (1, 1)
    assert [seconds for _, seconds in world.waiting()] == [retry.BLOCKED_DELAY_SECONDS]


def test_what_has_its_result_is_not_given_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given two calls of unknown outcome, and a third whose result is stored without an answer
    world.pixian.answers = [HTML] * 2
    job = world.upload()
    for _ in range(2):
        world.process(job)
    put_result = Buckets.put_result

    def lose(*arguments: Any) -> None:
        put_result(*arguments)
        raise Unavailable("S3 is away")

    monkeypatch.setattr(Buckets, "put_result", lose)
    world.processor = replace(world.processor, seconds_left=lambda: 100)
    monkeypatch.setattr(client, "READ_TIMEOUT_SECONDS", 30)
    # When there may be no more calls
    world.process(job)
    # Then
    assert (world.output_keys(), world.dead_letters()) == (["shoes/a.png"], [])


def test_a_gateways_answer_is_counted_though_the_queue_was_out_of_reach(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise ConnectionError("SQS didn't answer.")

    world.pixian.answers = [refusal(502)]
    job = world.upload()
    with monkeypatch.context() as broken:
        broken.setattr("pixian_s3.aws.queues.Queues.send", away)
        with pytest.raises(ConnectionError):
            world.process(job)
    world.log()
    assert world.process(job).total("MaybeCharged") == 1


def test_an_old_report_that_cannot_be_removed_costs_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given the report of the file before, and no permission to remove it
    world.process(world.upload(body=b"no image"))
    job = world.upload()
    with monkeypatch.context() as denied:
        denied.setattr(Buckets, "delete", _denied)
        world.process(job)
        # Then it is blocked before the call
        assert (world.pixian.calls, len(world.waiting())) == ([], 1)
    world.process(job)
    assert world.output_keys() == ["shoes/a.png"]


def _denied(*_: object) -> None:
    raise AccessDenied("The report may not be deleted.")


def test_an_image_that_cannot_even_be_looked_for_is_given_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given an image whose attempts all crashed, and one more crash at its result
    _fail_once(monkeypatch, RuntimeError("a bug"))
    job = world.upload()
    # When it is given up
    process_all([job], world.processor, CRASHED)
    # Then it has its report, and is a dead letter
    assert "5 attempts" in world.report()["error"]
    assert world.dead_letters() == [job.dead_letter()]


def test_an_image_is_not_given_up_while_s3_is_unavailable(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fail_once(monkeypatch, Unavailable("S3 is away"))
    job = world.upload()
    process_all([job], world.processor, CRASHED)
    assert (world.output_keys(), world.dead_letters()) == ([], [])
    assert world.waiting() == [(job.failed(), 5)]


def _fail_once(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    head, errors = Buckets.head, iter([error])

    def fail(*arguments: Any) -> Any:
        if failure := next(errors, None):
            raise failure
        return head(*arguments)

    monkeypatch.setattr(Buckets, "head", fail)


def test_an_image_at_pixian_is_not_given_up(world: World) -> None:
    job = world.upload()
    other = world._connect()
    world.pixian.meanwhile = lambda: process_all([job], other, CRASHED)
    log = world.process(job)
    assert world.waiting() == [(job, retry.IN_PROGRESS_DELAY_SECONDS)]
    assert (log.total("MaybeCharged"), world.output_keys()) == (0, ["shoes/a.png"])


def test_a_paid_refusal_is_reported_as_soon_as_that_works_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a delta PNG that doesn't fit, and that S3 takes the report of it at the third try
    world.configure(defaults={"output.format": "delta_png"})
    world.pixian.answers = [Answer(body=picture((3, 3)))]
    away, put_document = iter(range(2)), Buckets.put_document

    def put(*arguments: Any) -> None:
        if next(away, None) is not None:
            raise Unavailable("S3 is away")
        put_document(*arguments)

    monkeypatch.setattr(Buckets, "put_document", put)
    # When it is processed
    world.process(world.upload(body=picture((5, 5))))
    # Then it has its report, and cost one call
    assert world.output_keys() == ["shoes/a.jpg.error.json"]
    assert (len(world.pixian.calls), world.waiting()) == (1, [])


def test_a_refusal_whose_report_is_lost_is_not_lost(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a delta PNG that doesn't fit, and no way to write the report of it
    world.configure(defaults={"output.format": "delta_png"})
    world.pixian.answers = [Answer(body=picture((3, 3)))]
    monkeypatch.setattr(Buckets, "put_document", _unavailable)
    # When it is processed
    log = world.process(world.upload(body=picture((5, 5))))
    # Then it comes again, and the credit is accounted for
    assert (len(world.waiting()), log.total("MaybeCharged")) == (1, 1)


def test_a_report_that_cant_be_written_now_is_written_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a file that is no image, while S3 takes no report
    with monkeypatch.context() as away:
        away.setattr(Buckets, "put_document", _unavailable)
        world.process(world.upload(body=b"no image"))
    # When its next turn comes
    ((job, delay_seconds),) = world.waiting()
    world.process(job)
    # Then
    assert (job.failures, delay_seconds) == (1, 5)
    assert world.output_keys() == ["shoes/a.jpg.error.json"]


def test_an_upload_is_not_given_up_for_the_calls_of_another(world: World) -> None:
    # Given an upload with three calls of unknown outcome, and a newer one that S3 has trouble with
    die_in_calls(world, world.upload(body=picture((1, 1))), times=retry.MAX_UNKNOWN_CALLS)
    newer = world.upload(body=picture((2, 2)))
    client = world.processor.buckets._s3

    def fail(**_: object) -> None:
        raise ClientError({"Error": {"Code": "SlowDown", "Message": ""}}, "HeadObject")

    client.meta.events.register("before-call.s3.HeadObject", fail)
    world.process(newer)
    client.meta.events.unregister("before-call.s3.HeadObject", fail)
    # Then it is retried
    assert (world.dead_letters(), len(world.waiting())) == ([], 1)


def test_a_crash_while_a_report_is_written_releases_the_lease(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise RuntimeError("out of memory")

    job = world.upload(body=b"no image")
    with monkeypatch.context() as broken:
        broken.setattr(Buckets, "put_document", crash)
        with pytest.raises(RuntimeError):
            world.process(job)
    assert world.process(job).total("ImagesRejected") == 1


def test_a_crash_before_the_call_is_no_call(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> None:
        raise RuntimeError("no credentials to sign with")

    world.configure(defaults={"pipeline": {"input": "url"}})
    job = world.upload()
    with monkeypatch.context() as broken:
        broken.setattr(Buckets, "presign", crash)
        with pytest.raises(RuntimeError):
            world.process(job)
    assert world.process(job).total("MaybeCharged") == 0


def test_a_crash_in_reporting_calls_forgets_none(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise OSError("standard output is closed")

    job = world.upload()
    die_in_calls(world, job, times=1)
    with monkeypatch.context() as broken:
        broken.setattr(Telemetry, "calls_cut_short", crash)
        with pytest.raises(OSError, match="closed"):
            world.process(job)
    assert world.process(job).total("MaybeCharged") == 1


def test_an_older_upload_is_not_given_up_beside_a_newer_result(world: World) -> None:
    # Given an older upload whose every attempt crashed, and no lease table at that moment
    older, newer = world.upload(body=picture((1, 1))), world.upload(body=picture((2, 2)))
    world.process(newer)
    acquire = Leases.acquire
    Leases.acquire = _unavailable  # type: ignore[method-assign, assignment]
    process_all([older], world.processor, CRASHED)
    Leases.acquire = acquire  # type: ignore[method-assign]
    # Then it is skipped
    assert (world.output_keys(), world.dead_letters()) == (["shoes/a.png"], [])


def test_a_paid_upload_that_is_superseded_is_not_paid_again(world: World) -> None:
    # Given an answer of another type than expected, and a newer result at that key
    jpeg = Answer(body=picture(form="JPEG"), content_type="image/jpeg")
    older, newer = world.upload(), world.upload(body=picture((2, 2)))
    world.pixian.answers = [jpeg]
    world.process(newer)
    for item in world.dynamodb.scan(TableName="leases")["Items"]:
        world.dynamodb.delete_item(TableName="leases", Key={"id": item["id"]})
    world.pixian.answers = [jpeg]
    # When its event comes twice
    world.process(older)
    world.process(older)
    # Then it was paid for once
    assert len(world.pixian.calls) == 2


def _unavailable(*_: object) -> None:
    raise Unavailable("S3 is away")
