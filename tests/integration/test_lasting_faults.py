"""A fault that repeating doesn't help costs at most one credit, and none if it can be known."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import pytest
from botocore.exceptions import ClientError

from pixian_s3 import retry
from pixian_s3.job import Job
from tests.builders import picture
from tests.integration.servers import Answer, refusal
from tests.integration.world import INPUT, OUTPUT, World

DENIED = "User … is not authorized to perform: {} on resource …"
if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import TagTypeDef

WRITING = ("PutObject", "CreateMultipartUpload")


@contextmanager
def refusing(world: World, code: str, message: str, *operations: str) -> Iterator[None]:
    """S3 refuses these operations, however often they are tried."""
    events = world.processor.buckets._s3.meta.events

    def refuse(model: Any, **_: object) -> None:
        raise ClientError({"Error": {"Code": code, "Message": message}}, model.name)

    for operation in operations:
        events.register(f"before-call.s3.{operation}", refuse)
    yield
    for operation in operations:
        events.unregister(f"before-call.s3.{operation}", refuse)


def process_all_that_waits(world: World, at_most: int = 10) -> None:
    done = 0
    while done < len(world.waiting()) and done < at_most:
        world.process(world.waiting()[done][0])
        done += 1


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("AccessDenied", DENIED.format("s3:PutObject")),
        ("AccessDenied", DENIED.format("kms:GenerateDataKey")),
        ("KMS.DisabledException", "The key is disabled."),
        ("NoSuchBucket", "The specified bucket does not exist"),
    ],
)
def test_what_cannot_be_stored_is_not_paid_for(world: World, code: str, message: str) -> None:
    job = world.upload()
    with refusing(world, code, message, *WRITING):
        log = world.process(job)
    # It is blocked, and goes on by itself.
    assert (world.pixian.calls, log.facts()["outcome"]) == ([], "blocked")
    assert [seconds for _, seconds in world.waiting()] == [retry.BLOCKED_DELAY_SECONDS]
    world.process(world.waiting()[0][0])
    assert (len(world.pixian.calls), world.output_keys()) == (1, ["shoes/a.png"])


def test_a_stack_whose_output_bucket_is_gone_pays_nothing(world: World) -> None:
    # Given a lane that has stored a result, and the bucket deleted since
    world.process(world.upload("warm.jpg"))
    for version in world.s3.list_object_versions(Bucket=OUTPUT)["Versions"]:
        world.s3.delete_object(Bucket=OUTPUT, Key=version["Key"], VersionId=version["VersionId"])
    world.s3.delete_bucket(Bucket=OUTPUT)
    # When
    log = world.process(world.upload())
    # Then
    assert (len(world.pixian.calls), log.facts()["outcome"]) == (1, "blocked")
    assert "does not exist" in log.facts()["reason"]


def test_a_permission_lost_after_the_check_costs_one_credit(world: World) -> None:
    # Given a lane that has stored results
    world.process(world.upload("warm.jpg"))
    world.pixian.calls.clear()
    job = world.upload()
    with refusing(world, "AccessDenied", DENIED.format("s3:PutObject"), *WRITING):
        # When the permission is gone, for days
        log = world.process(job)
        process_all_that_waits(world)
        world.process(world.upload("shoes/b.jpg"))
        # Then one image was paid for, and counted
        assert (len(world.pixian.calls), log.total("MaybeCharged")) == (1, 1)
    # When it is back
    process_all_that_waits(world, at_most=99)
    assert {"shoes/a.png", "shoes/b.png"} <= set(world.output_keys())


def test_a_result_that_s3_refuses_as_invalid_is_given_up_and_counted(world: World) -> None:
    job = world.upload()

    def refuse(params: dict[str, Any], **_: object) -> None:
        if params["Key"] == "shoes/a.png":
            message = "Your metadata headers exceed the maximum allowed size."
            error = {"Error": {"Code": "MetadataTooLarge", "Message": message}}
            raise ClientError(cast("Any", error), "PutObject")

    events = world.processor.buckets._s3.meta.events
    events.register("before-parameter-build.s3.PutObject", refuse)
    log = world.process(job)
    events.unregister("before-parameter-build.s3.PutObject", refuse)
    # Then it is in the dead-letter queue, with a report
    assert (len(world.pixian.calls), world.waiting()) == (1, [])
    assert (log.total("MaybeCharged"), log.total("RetriesExhausted")) == (1, 1)
    assert "metadata headers" in world.report()["error"]
    assert world.dead_letters() == [job.dead_letter()]


def test_an_image_whose_report_cannot_be_written_is_a_dead_letter_all_the_same(
    world: World,
) -> None:
    job = world.upload()
    world.pixian.answers = [refusal(503)]
    with refusing(world, "AccessDenied", DENIED.format("s3:PutObject"), "PutObject"):
        world.process(_last_attempt(job))
    assert world.dead_letters() == [job.dead_letter()]


def _last_attempt(job: Job) -> Job:
    for _ in range(retry.MAX_FAILURES - 1):
        job = job.failed()
    return job


def test_ten_long_tags_are_copied(world: World) -> None:
    # Given tags that don't fit into the 8 KB of a request's headers
    tags: list[TagTypeDef] = [{"Key": f"{i}" + "@" * 120, "Value": "/" * 250} for i in range(10)]
    world.configure(defaults={"pipeline": {"copy_tags": True}})
    job = world.upload()
    world.s3.put_object_tagging(Bucket=INPUT, Key=job.key, Tagging={"TagSet": tags})
    sent = _headers_sent(world)
    # When
    world.process(job)
    # Then they are the result's, too
    found = world.s3.get_object_tagging(Bucket=OUTPUT, Key="shoes/a.png")["TagSet"]
    assert sorted(tag["Key"] for tag in found) == sorted(tag["Key"] for tag in tags)
    assert max(sent) < 8192


def test_long_tags_are_written_though_that_fails_at_first(world: World) -> None:
    world.configure(defaults={"pipeline": {"copy_tags": True}})
    job = world.upload()
    tags: list[TagTypeDef] = [{"Key": str(i), "Value": "/" * 250} for i in range(10)]
    world.s3.put_object_tagging(Bucket=INPUT, Key=job.key, Tagging={"TagSet": tags})
    away = iter([True])

    def fail(**_: object) -> None:
        if next(away, False):
            raise ClientError({"Error": {"Code": "SlowDown", "Message": ""}}, "PutObjectTagging")

    world.processor.buckets._s3.meta.events.register("before-call.s3.PutObjectTagging", fail)
    world.process(job)
    found = world.s3.get_object_tagging(Bucket=OUTPUT, Key="shoes/a.png")["TagSet"]
    assert len(found) == 10


def _headers_sent(world: World) -> list[int]:
    sizes: list[int] = []

    def measure(request: Any, **_: object) -> None:
        sizes.append(sum(len(name) + len(value) + 4 for name, value in request.headers.items()))

    world.processor.buckets._s3.meta.events.register("before-send.s3.PutObject", measure)
    return sizes


JPEG = Answer(body=picture(form="JPEG"), content_type="image/jpeg")


@pytest.mark.parametrize("lease_expired", [False, True])
def test_a_paid_rejection_is_not_paid_for_again_though_its_record_is_lost(
    world: World, monkeypatch: pytest.MonkeyPatch, *, lease_expired: bool
) -> None:
    # Given a delta PNG that doesn't fit, and the write that would record its rejection fails
    world.configure(defaults={"output.format": "delta_png"})
    world.pixian.answers = [Answer(body=picture((3, 3)))]
    job = world.upload(body=picture((5, 5)))
    with monkeypatch.context() as throttled:
        throttled.setattr("pixian_s3.aws.lease.Leases.release", lambda *_: None)
        world.process(job)
    # When its event comes again
    if lease_expired:
        world.pass_deadline()
    world.process(job)
    # Then it costs nothing
    assert len(world.pixian.calls) == 1
    assert world.output_keys() == ["shoes/a.jpg.error.json"]


@pytest.mark.parametrize("status", [502, 504])
def test_a_gateways_answer_may_have_cost_a_credit(world: World, status: int) -> None:
    world.pixian.answers = [refusal(status)] * 30
    job = world.upload()
    # Each is counted, and an outage of hours ends no image
    assert world.process(job).total("MaybeCharged") == 1
    while len(world.waiting()) < retry.MAX_GATEWAY_CALLS - 1:
        world.process(world.waiting()[-1][0])
    assert sum(seconds for _, seconds in world.waiting()) > 2.5 * 3600
    # But it isn't called for ever
    world.process(world.waiting()[-1][0])
    assert "20 calls" in world.report()["error"]
    assert len(world.pixian.calls) == retry.MAX_GATEWAY_CALLS
    # A redrive starts from zero
    (letter,) = world.dead_letters()
    world.process(letter)
    assert len(world.pixian.calls) == retry.MAX_GATEWAY_CALLS + 1


def test_calls_of_unknown_outcome_keep_their_own_limit(world: World) -> None:
    html = Answer(body=b"<html>", content_type="text/html")
    world.pixian.answers = [refusal(502), html, refusal(502), html, refusal(502), html]
    job = world.upload()
    world.process(job)
    process_all_that_waits(world)
    assert len(world.pixian.calls) == 6
    assert "6 calls" in world.report()["error"]


def test_a_result_of_another_type_than_asked_for_is_paid_for_once(world: World) -> None:
    world.pixian.answers = [JPEG, JPEG]
    world.process(world.upload())
    log = world.process(world.upload())
    assert (len(world.pixian.calls), world.output_keys()) == (1, ["shoes/a.jpg"])
    assert log.facts()["reason"] == "The result already exists."
