"""Every ending that an image can come to, on the real adapters."""

import base64
import io
import json
from dataclasses import replace
from typing import Any, cast

import pytest
from PIL import ExifTags, Image

from pixian_s3 import retry
from tests.builders import picture
from tests.integration.servers import Answer, refusal
from tests.integration.world import INPUT, OUTPUT, SECRET, World
from tests.unit.pictures import encoded, flag, oriented

JPEG = Answer(body=picture(form="JPEG"), content_type="image/jpeg")
HTML = Answer(body=b"<html>", content_type="text/html")


def test_an_upload_becomes_a_result(world: World) -> None:
    log = world.process(world.upload("shoes/a.jpg"))
    assert world.output_keys() == ["shoes/a.png"]
    assert world.output("shoes/a.png") == Answer().body
    assert (log.total("ImagesProcessed"), log.total("CreditsCharged")) == (1, 0.5)
    assert log.total("InputBytes") == len(picture())


def test_the_image_is_sent_as_it_was_uploaded(world: World) -> None:
    body = picture(form="TIFF")
    world.process(world.upload("shoes/a.tif", body))
    (call,) = world.pixian.calls
    assert (call.image, call.file_name) == (body, "a.tif")


def test_the_parameters_of_the_prefix_are_sent(world: World) -> None:
    world.configure(defaults={"test": True}, prefixes={"shoes/": {"result.margin": "5%"}})
    world.process(world.upload("shoes/a.jpg"))
    (call,) = world.pixian.calls
    assert call.form == {"test": "true", "result.margin": "5%"}


def test_the_version_that_was_uploaded_is_sent_even_if_another_followed(world: World) -> None:
    first = world.upload("a.jpg", picture((1, 1)))
    world.upload("a.jpg", picture((2, 2)))
    world.process(first)
    assert world.pixian.calls[0].image == picture((1, 1))


def test_the_key_follows_the_type_that_came_back(world: World) -> None:
    world.pixian.answers = [JPEG]
    world.process(world.upload("shoes/a.png"))
    assert world.output_keys() == ["shoes/a.jpg"]


def test_a_result_carries_what_pixian_said_and_its_source(world: World) -> None:
    job = world.upload("shoes/a.jpg")
    world.process(job)
    written = world.metadata("shoes/a.png")
    assert written["pixian-credits-charged"] == "0.5"
    assert written["source-key"] == "shoes/a.jpg"
    assert written["source-version-id"] == job.version_id


def test_a_result_removes_the_report_of_an_earlier_upload(world: World) -> None:
    world.process(world.upload("shoes/a.jpg", b"no image"))
    world.process(world.upload("shoes/a.jpg"))
    assert world.output_keys() == ["shoes/a.png"]


def test_log_metadata_and_sidecar_tell_the_same_size_of_the_source(world: World) -> None:
    _configure(world, pipeline={"sidecar": True})
    lying = encoded(flag((96, 64)), "WEBP", exif=oriented(6))
    log = world.process(world.upload("shoes/a.webp", lying))
    told = {"size": "64x96", "converted": "image/jpeg 64x96 format"}
    assert {name: log.facts()[f"source_{name}"] for name in told} == told
    written, sidecar = world.metadata("shoes/a.png"), json.loads(world.output("shoes/a.png.json"))
    assert {name: written[f"source-{name}"] for name in told} == told
    assert sidecar["source_size"] == {"width": 64, "height": 96}
    assert sidecar["source_converted"]["reasons"] == ["format"]


RIGHTS = Image.Exif()
RIGHTS[ExifTags.Base.Copyright], RIGHTS[ExifTags.Base.Make] = "Zoe Lecka", "Camera"


@pytest.mark.parametrize("form", ["JPEG", "WEBP"])
@pytest.mark.parametrize("delta", [False, True])
@pytest.mark.parametrize(
    ("wanted", "tags"),
    [
        ({}, {ExifTags.Base.Copyright}),
        ({"copy_exif": "none"}, set()),
        ({"copy_exif": "all"}, {ExifTags.Base.Copyright, ExifTags.Base.Make}),
    ],
    ids=["rights", "none", "all"],
)
def test_the_rights_of_a_source_are_copied_to_its_result(
    world: World, form: str, *, delta: bool, wanted: dict[str, str], tags: set[int]
) -> None:
    defaults = {"output.format": "delta_png"} if delta else {}
    _configure(world, **defaults, pipeline=wanted)
    world.pixian.answers = [Answer(body=picture((40, 30), mode="RGBA"))]
    world.process(world.upload(body=picture((40, 30), form, exif=RIGHTS)))
    with Image.open(io.BytesIO(world.output("shoes/a.png"))) as result:
        result.load()
        assert set(result.getexif()) == tags


def test_a_result_whose_rights_cannot_be_written_is_stored_without(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pixian_s3.images.png.chunk", "no function")
    log = world.process(world.upload(body=picture(form="JPEG", exif=RIGHTS)))
    assert world.output("shoes/a.png") == Answer().body
    assert log.facts()["outcome"] == "processed"
    (warning,) = [line for line in log.lines if line["level"] == "WARNING"]
    assert "Copyright and resolution weren't copied to the result" in warning["message"]
    assert len(world.pixian.calls) == 1


# ---- Skipped ------------------------------------------------------------------------------------


def test_a_folder_marker_is_skipped(world: World) -> None:
    log = world.process(world.upload("shoes/", b""))
    assert log.facts()["reason"] == "The key is a folder marker."
    assert world.output_keys() == []


@pytest.mark.parametrize("key", ["shoes/Thumbs.db", "shoes/.DS_Store", "shoes/._a.jpg"])
def test_a_file_of_windows_or_macos_is_skipped_and_stays(world: World, key: str) -> None:
    log = world.process(world.upload(key, b"no image"))
    assert log.facts()["outcome"] == "skipped"
    assert world.output_keys() == []
    assert world.s3.head_object(Bucket=INPUT, Key=key)


def test_a_disabled_prefix_is_skipped(world: World) -> None:
    world.configure(prefixes={"drafts/": {"pipeline": {"enabled": False}}})
    log = world.process(world.upload("drafts/a.jpg"))
    assert log.facts()["outcome"] == "skipped"
    assert world.pixian.calls == []


def test_a_duplicate_event_costs_nothing(world: World) -> None:
    job = world.upload()
    world.process(job)
    log = world.process(job)
    assert log.facts()["outcome"] == "skipped"
    assert len(world.pixian.calls) == 1


def test_a_duplicate_costs_nothing_though_its_result_was_deleted(world: World) -> None:
    job = world.upload()
    world.process(job)
    world.s3.delete_object(Bucket=OUTPUT, Key="shoes/a.png")
    world.process(job)
    assert len(world.pixian.calls) == 1


def test_a_duplicate_costs_nothing_though_its_lease_expired_and_was_deleted(world: World) -> None:
    job = world.upload()
    world.process(job)
    forget_leases(world)
    world.process(job)
    assert len(world.pixian.calls) == 1


def test_an_event_older_than_the_result_is_skipped(world: World) -> None:
    older, newer = world.upload(body=picture((1, 1))), world.upload(body=picture((2, 2)))
    world.process(newer)
    log = world.process(older)
    assert "newer upload" in log.facts()["reason"]
    assert len(world.pixian.calls) == 1


def test_a_newer_upload_replaces_the_result(world: World) -> None:
    world.process(world.upload(body=picture((1, 1))))
    newer = world.upload(body=picture((2, 2)))
    world.process(newer)
    assert world.metadata("shoes/a.png")["source-version-id"] == newer.version_id


def test_other_parameters_replace_the_result_at_the_next_upload(world: World) -> None:
    world.process(world.upload())
    _configure(world, max_pixels=1000)
    again = world.upload()
    world.process(again)
    assert len(world.pixian.calls) == 2
    assert world.metadata("shoes/a.png")["source-version-id"] == again.version_id


def test_they_are_no_reason_to_pay_for_the_same_upload_again(world: World) -> None:
    # Given two deliveries under two configurations, and a lane that still has the older one
    job, older = world.upload(), world.processor
    _configure(world, max_pixels=1000)
    world.process(job)
    written = world.metadata("shoes/a.png")
    # When the lease is still there, and when it isn't
    older.process(job)
    forget_leases(world)
    older.process(job)
    # Then there is one call, and its result stays
    assert (len(world.pixian.calls), world.metadata("shoes/a.png")) == (1, written)


def _configure(world: World, **defaults: Any) -> None:
    """Publish a configuration, and have a new lane that has it."""
    world.processor.configuration.current()
    world.configure(defaults=defaults)
    world.processor = world._connect()


def forget_leases(world: World) -> None:
    for item in world.dynamodb.scan(TableName="leases")["Items"]:
        world.dynamodb.delete_item(TableName="leases", Key={"id": item["id"]})


# ---- Rejected -----------------------------------------------------------------------------------


def test_what_is_no_image_is_reported_without_a_call(world: World) -> None:
    log = world.process(world.upload("notes.txt", b"Buy milk."))
    assert "not an image" in world.report("notes.txt")["error"]
    assert log.total("ImagesRejected") == 1
    assert world.pixian.calls == []


def test_what_pixian_refuses_is_reported_in_its_words(world: World) -> None:
    world.pixian.answers = [refusal(400, "Failed to read the supplied image.", 1006)]
    world.process(world.upload())
    report = world.report()
    assert "Failed to read the supplied image." in report["error"]
    assert report["pixian"] == {"status": 400, "code": 1006}
    assert world.waiting() == []


def test_of_a_long_answer_the_beginning_is_quoted(world: World) -> None:
    world.pixian.answers = [Answer(400, b"x" * 1_000_000, "text/plain")]
    world.process(world.upload())
    assert "xxx" in world.report()["error"]
    assert len(world.report()["error"]) < 1000


def test_a_deleted_source_is_reported(world: World) -> None:
    job = world.upload()
    world.s3.delete_object(Bucket=INPUT, Key=job.key, VersionId=job.version_id or "")
    world.process(job)
    assert "no longer exists" in world.report()["error"]


def test_a_result_of_another_file_is_not_overwritten(world: World) -> None:
    world.process(world.upload("shoes/a.jpg"))
    world.process(world.upload("shoes/a.gif", picture(form="GIF")))
    assert "Rename one of the two files" in world.report("shoes/a.gif")["error"]
    assert len(world.pixian.calls) == 1


def test_a_file_from_elsewhere_is_not_overwritten(world: World) -> None:
    world.s3.put_object(Bucket=OUTPUT, Key="shoes/a.png", Body=b"mine")
    world.process(world.upload("shoes/a.jpg"))
    assert world.output("shoes/a.png") == b"mine"


# ---- Tried later --------------------------------------------------------------------------------


def test_a_429_waits_five_seconds(world: World) -> None:
    world.pixian.answers = [refusal(429)]
    job = world.upload()
    log = world.process(job)
    assert world.waiting() == [(replace(job, failures=1), 5)]
    assert log.total("Throttled") == log.total("RetriesScheduled") == 1


def test_a_429_waits_as_long_as_pixian_asks(world: World) -> None:
    world.pixian.answers = [refusal(429, retry_after="40")]
    world.process(world.upload())
    assert [seconds for _, seconds in world.waiting()] == [40]


def test_a_500_waits_and_is_no_throttling(world: World) -> None:
    world.pixian.answers = [refusal(500)]
    log = world.process(replace(world.upload(), failures=6))
    assert [seconds for _, seconds in world.waiting()] == [35]
    assert "Throttled" not in log.counted()


@pytest.mark.parametrize("status", [402, 403])
def test_no_credits_block_without_using_up_an_attempt(world: World, status: int) -> None:
    world.pixian.answers = [refusal(status)]
    job = world.upload()
    log = world.process(job)
    assert world.waiting() == [(replace(job, blocked_since=world.now), 300)]
    assert log.total("Blocked") == 1


def test_a_401_fetches_rotated_credentials_and_succeeds(world: World) -> None:
    world.processor.secret.get()
    world.secretsmanager.put_secret_value(
        SecretId="pixian", SecretString='{"api_id": "me", "api_secret": "rotated"}'
    )
    world.pixian.answers = [refusal(401)]
    world.process(world.upload())
    assert [call.api_secret for call in world.pixian.calls] == [SECRET, "rotated"]
    assert [call.image for call in world.pixian.calls] == [picture()] * 2
    assert world.output_keys() == ["shoes/a.png"]


def test_a_second_401_blocks(world: World) -> None:
    world.pixian.answers = [refusal(401), refusal(401)]
    log = world.process(world.upload())
    assert log.facts()["outcome"] == "blocked"
    assert len(world.pixian.calls) == 2


def test_no_configuration_blocks(world: World) -> None:
    world.appconfig.away = True
    log = world.process(world.upload())
    assert log.facts()["outcome"] == "blocked"
    assert world.pixian.calls == []


def test_no_lease_table_no_call(world: World) -> None:
    world.dynamodb.delete_table(TableName="leases")
    log = world.process(world.upload())
    assert log.facts()["outcome"] == "postponed"
    assert world.pixian.calls == []


# ---- Given up -----------------------------------------------------------------------------------


def test_one_failure_too_many_ends_in_the_dead_letter_queue(world: World) -> None:
    world.pixian.answers = [refusal(429)]
    job = world.upload()
    log = world.process(replace(job, failures=retry.MAX_FAILURES))
    assert world.dead_letters() == [job.dead_letter()]
    assert (world.waiting(), log.total("RetriesExhausted")) == ([], 1)
    assert "dead-letter queue" in world.report()["what_now"]


def test_a_dead_letter_says_why_its_image_was_given_up(world: World) -> None:
    world.pixian.answers = [refusal(429)]
    log = world.process(replace(world.upload(), failures=retry.MAX_FAILURES))
    queue = world.environment.dead_letter_queue_url
    (message,) = world.sqs.receive_message(QueueUrl=queue)["Messages"]
    assert json.loads(message["Body"])["reason"] == log.facts()["reason"] == world.report()["error"]


def test_too_many_calls_of_unknown_outcome_end_in_the_dead_letter_queue(world: World) -> None:
    world.pixian.answers = [HTML] * 9
    job = world.upload()
    # When it is tried until it isn't tried any more
    waited = [job]
    while len(world.waiting()) == len(waited) - 1:
        world.process(waited[-1])
        waited.append(world.waiting()[-1][0])
    # Then it was called three times, and its dead letter says so
    assert len(world.pixian.calls) == retry.MAX_UNKNOWN_CALLS
    assert [left.redrives for left in world.dead_letters()] == [1]


def test_a_redriven_job_is_called_again(world: World) -> None:
    world.pixian.answers = [HTML] * 4
    job = world.upload()
    for _ in range(3):
        world.process(job)
        job = world.waiting()[-1][0]
    # When it is redriven
    (letter,) = world.dead_letters()
    world.process(letter)
    # Then
    assert len(world.pixian.calls) == 4
    assert world.waiting()[-1][0].redrives == 1


def test_blocked_for_too_long_ends_in_the_dead_letter_queue(world: World) -> None:
    world.pixian.answers = [refusal(402)]
    job = world.upload()
    world.process(replace(job, blocked_since=world.now - retry.MAX_BLOCKED_SECONDS - 1))
    assert world.dead_letters() == [job.dead_letter()]


# ---- Secrets -------------------------------------------------------------------------------------


BASIC = base64.b64encode(f"me:{SECRET}".encode()).decode()
QUOTING = [refusal(status, f"No {SECRET} {BASIC}") for status in (400, 401, 402, 429, 500)]
# Only the first 200 characters are quoted of what isn't Pixian's JSON.
CUT_WITHIN = Answer(502, b"x" * 190 + SECRET.encode(), "text/plain")


@pytest.mark.parametrize("answer", [Answer(), HTML, CUT_WITHIN, *QUOTING])
def test_the_secret_is_written_nowhere(world: World, answer: Answer) -> None:
    world.pixian.answers = [answer, answer]
    log = world.process(world.upload())
    written = [world.output(key) for key in world.output_keys() if key.endswith(".json")]
    everything = log.text + repr(written) + repr(world.waiting())
    assert not [part for part in (SECRET, BASIC, SECRET[:10]) if part in everything]


# ---- What is written --------------------------------------------------------------------------


def test_a_result_whose_answer_was_lost_is_a_result(world: World) -> None:
    # Given that S3 writes the result, but the answer to that is lost and the client asks again
    lost = iter([True])

    def lose(**_: object) -> int | None:
        return 0 if next(lost, False) else None

    client = world.processor.buckets._s3
    client.meta.events.register("needs-retry.s3.PutObject", cast("Any", lose))
    # When an image is processed
    log = world.process(world.upload())
    # Then it counts as processed
    assert log.total("ImagesProcessed") == 1
    assert world.output_keys() == ["shoes/a.png"]


def test_a_sidecar_is_written_beside_the_result(world: World) -> None:
    world.configure(defaults={"pipeline": {"sidecar": True}})
    world.process(world.upload())
    assert world.output_keys() == ["shoes/a.png", "shoes/a.png.json"]
    assert json.loads(world.output("shoes/a.png.json"))["credits"]["charged"] == 0.5


def test_own_metadata_is_copied_only_if_asked_for(world: World) -> None:
    job = world.upload()
    put = world.s3.put_object(Bucket=INPUT, Key=job.key, Body=picture(), Metadata={"sku": "7"})
    job = replace(job, version_id=put["VersionId"])
    world.process(job)
    assert "sku" not in world.metadata("shoes/a.png")


def test_the_results_key_follows_its_pattern(world: World) -> None:
    world.configure(defaults={"pipeline": {"result_key": "done/{path}{stem}-cut{suffix}"}})
    world.process(world.upload("shoes/a.jpg"))
    assert world.output_keys() == ["done/shoes/a-cut.png"]


def test_files_of_others_at_the_keys_of_reports_and_sidecars_stay(world: World) -> None:
    # Given an output bucket that somebody else uses, too
    world.configure(defaults={"pipeline": {"sidecar": True}})
    for key in ("shoes/a.jpg.error.json", "shoes/a.png.json", "shoes/b.jpg.error.json"):
        world.s3.put_object(Bucket=OUTPUT, Key=key, Body=b"mine")
    # When an image becomes a result, and another one is rejected
    world.process(world.upload("shoes/a.jpg"))
    log = world.process(world.upload("shoes/b.jpg", b"no image"))
    # Then none of the files was touched, and the second image waits for somebody to move one
    for key in ("shoes/a.jpg.error.json", "shoes/a.png.json", "shoes/b.jpg.error.json"):
        assert world.output(key) == b"mine"
    assert log.facts()["outcome"] == "blocked"
    assert "Rename it" in log.facts()["reason"]


# ---- Test results -------------------------------------------------------------------------------

LIVE_JPEG = {"test": False, "background.color": "#FFFFFF", "pipeline": {"sidecar": True}}


def test_a_test_result_says_so(world: World) -> None:
    world.configure(defaults={"test": True, "pipeline": {"sidecar": True}})
    log = world.process(world.upload())
    assert world.metadata("shoes/a.png")["pixian-test"] == "true"
    assert json.loads(world.output("shoes/a.png.json"))["test"] is True
    assert log.facts()["test"] is True


@pytest.mark.parametrize("throttled_first", [False, True])
def test_a_live_result_of_another_type_removes_the_test_result(
    world: World, *, throttled_first: bool
) -> None:
    # Given a PNG of test mode, and then a live configuration that makes a JPEG
    world.configure(defaults={"test": True, "pipeline": {"sidecar": True}})
    world.process(world.upload())
    _configure(world, **LIVE_JPEG)
    world.pixian.answers = [refusal(429), JPEG] if throttled_first else [JPEG]
    # When the file is uploaded again
    world.process(world.upload())
    for job, _ in world.waiting():
        world.process(job)
    # Then the watermarked one is gone, but can be restored
    assert world.output_keys() == ["shoes/a.jpg", "shoes/a.jpg.json"]
    versions = world.s3.list_object_versions(Bucket=OUTPUT, Prefix="shoes/a.png")["Versions"]
    assert len(versions) == 2


def test_a_live_result_removes_no_live_result(world: World) -> None:
    world.configure(defaults={"test": False})
    world.process(world.upload())
    _configure(world, **LIVE_JPEG)
    world.pixian.answers = [JPEG]
    world.process(world.upload())
    assert world.output_keys() == ["shoes/a.jpg", "shoes/a.jpg.json", "shoes/a.png"]
