"""Jobs as they arrive, travel and change."""

import json
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixian_s3.errors import UnreadableMessage
from pixian_s3.job import MESSAGE_VERSION, Job, is_newer, jobs_from_message, jobs_from_s3_event
from tests.builders import NOON, make_job

EVENTS = Path(__file__).parents[2] / "events"
KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300)
JOBS = st.builds(
    Job,
    bucket=st.text("abc.-", min_size=3),
    key=KEYS,
    etag=st.text("0123456789abcdef-", min_size=1),
    version_id=st.none() | st.text("abcXYZ_."),
    sequencer=st.text("0123456789ABCDEF"),
    event_time=st.floats(0, 1e11),
    failures=st.integers(0, 1000),
    redrives=st.integers(0, 10),
    blocked_since=st.none() | st.floats(1, 1e11),
)


def event(name: str) -> dict[str, Any]:
    document = json.loads((EVENTS / f"{name}.json").read_text())
    assert isinstance(document, dict)
    return document


def test_a_key_is_decoded_like_a_form() -> None:
    (job,) = jobs_from_s3_event(event("s3-put-encoded-key"))
    assert job.key == "products/Müller & Söhne/été 100%+1 (2).jpg"


def test_a_record_says_which_version_was_uploaded() -> None:
    (job,) = jobs_from_s3_event(event("s3-put-encoded-key"))
    record = event("s3-put-encoded-key")["Records"][0]["s3"]
    assert (job.bucket, job.etag) == (record["bucket"]["name"], record["object"]["eTag"])
    assert job.version_id == record["object"]["versionId"]
    assert job.sequencer == record["object"]["sequencer"]


def test_the_event_time_is_in_utc() -> None:
    record = event("s3-put-encoded-key")["Records"][0] | {"eventTime": "1970-01-02T00:00:01.500Z"}
    (job,) = jobs_from_s3_event({"Records": [record]})
    assert job.event_time == 86401.5


def test_each_record_is_a_job() -> None:
    keys = [job.key for job in jobs_from_s3_event(event("s3-multi-record"))]
    assert keys == ["shoes/left.jpg", "shoes/right.png", "shoes/"]


@pytest.mark.parametrize("version", [{}, {"versionId": "null"}], ids=["absent", "suspended"])
def test_a_bucket_without_versions_gives_none(version: dict[str, str]) -> None:
    record = event("s3-put-encoded-key")["Records"][0]
    del record["s3"]["object"]["versionId"]
    record["s3"]["object"] |= version
    (job,) = jobs_from_s3_event({"Records": [record]})
    assert job.version_id is None


def test_the_test_event_of_s3_is_no_job() -> None:
    assert jobs_from_s3_event({"Service": "Amazon S3", "Event": "s3:TestEvent"}) == []


@given(JOBS)
def test_a_message_says_all_about_a_job(job: Job) -> None:
    assert jobs_from_message(job.to_message()) == [job]


@given(KEYS.map(lambda key: make_job(key * 3)))
def test_a_message_fits_into_sqs(job: Job) -> None:
    assert len(job.to_message().encode()) < 256 * 1024


def test_the_sample_message_is_a_job_of_ours() -> None:
    (record,) = event("sqs-retry")["Records"]
    (job,) = jobs_from_message(record["body"])
    assert job.failures == 3


def test_an_event_that_lambda_handed_on_gives_its_jobs() -> None:
    (record,) = event("sqs-on-failure")["Records"]
    handed_on = json.loads(record["body"])["requestPayload"]
    assert jobs_from_message(record["body"]) == jobs_from_s3_event(handed_on)


CREATED = event("eventbridge-object-created")
KEY = "products/Müller & Söhne/été 100%+1 (2).jpg"


def test_a_key_from_eventbridge_is_taken_as_it_is() -> None:
    (job,) = jobs_from_s3_event(CREATED)
    assert job.key == KEY


def test_both_kinds_of_event_give_the_same_job() -> None:
    (notified,) = jobs_from_s3_event(event("s3-put-encoded-key"))
    (from_eventbridge,) = jobs_from_s3_event(CREATED)
    # EventBridge leaves the fraction of the second out.
    assert from_eventbridge == replace(notified, event_time=from_eventbridge.event_time)
    assert 0 <= notified.event_time - from_eventbridge.event_time < 1


@pytest.mark.parametrize("version", [{}, {"version-id": "null"}], ids=["absent", "suspended"])
def test_an_existing_bucket_without_versions_gives_none(version: dict[str, str]) -> None:
    jobs = []
    for sequencer in ("1", "2"):
        created = event("eventbridge-object-created")
        del created["detail"]["object"]["version-id"]
        created["detail"]["object"] |= {"sequencer": sequencer, **version}
        jobs += jobs_from_s3_event(created)
    assert [job.version_id for job in jobs] == [None, None]
    # So two uploads of the same content differ in their sequencer.
    assert jobs[0].upload_id != jobs[1].upload_id


@pytest.mark.parametrize(
    "reason", ["PutObject", "POST Object", "CopyObject", "CompleteMultipartUpload"]
)
def test_an_upload_of_every_kind_is_a_job(reason: str) -> None:
    created = event("eventbridge-object-created")
    created["detail"]["reason"] = reason
    assert jobs_from_s3_event(created) == jobs_from_s3_event(CREATED)


def test_an_event_of_eventbridge_that_lambda_handed_on_gives_its_job() -> None:
    handed_on = json.dumps({"version": "1.0", "requestPayload": CREATED})
    assert jobs_from_message(handed_on) == jobs_from_s3_event(CREATED)


def test_an_event_that_eventbridge_could_not_deliver_gives_its_job() -> None:
    (record,) = event("sqs-undelivered")["Records"]
    assert jobs_from_message(record["body"]) == jobs_from_s3_event(CREATED)


@pytest.mark.parametrize(
    "changed",
    [
        {"detail-type": "Object Deleted"},
        {"detail-type": "Scheduled Event", "detail": {}},
        {"detail": {}},
        {"detail": None},
        {"detail": {"bucket": {"name": "b"}, "object": {"key": 7, "etag": "e"}}},
        {"detail": {"bucket": {"name": "b"}, "object": {"key": "a", "etag": None}}},
        {"time": "noon"},
    ],
    ids=str,
)
def test_another_event_of_eventbridge_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(UnreadableMessage):
        jobs_from_message(json.dumps(CREATED | changed))


UNREADABLE = {
    "no JSON": "no JSON",
    "too deep": "[" * 100_000,
    "no object": "[]",
    "nothing": "{}",
    "no bucket": '{"key": "a.jpg", "etag": "e"}',
    "an empty key": '{"bucket": "b", "key": "", "etag": "e"}',
    "neither version nor etag": '{"bucket": "b", "key": "a.jpg"}',
    "a number for a key": '{"bucket": "b", "key": 7, "etag": "e"}',
    "a text for a number": '{"bucket": "b", "key": "a.jpg", "etag": "e", "failures": "2"}',
    "no event": '{"requestPayload": []}',
    "no records": '{"requestPayload": {"Records": 3}}',
    "an event without an upload": '{"requestPayload": {"detail-type": "Object Created"}}',
    "an object for records": '{"requestPayload": {"Records": {}}}',
    "an endless time": '{"bucket": "b", "key": "a", "etag": "e", "blocked_since": Infinity}',
    "a time after all dates": '{"bucket": "b", "key": "a", "etag": "e", "event_time": 1e300}',
    "no time": '{"bucket": "b", "key": "a", "etag": "e", "event_time": NaN}',
    "an empty record": '{"requestPayload": {"Records": [{}]}}',
    "a record that is none": '{"requestPayload": {"Records": [null]}}',
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
def test_a_message_of_somebody_else_is_refused(body: str) -> None:
    with pytest.raises(UnreadableMessage):
        jobs_from_message(body)


@pytest.mark.parametrize("changed", [{"versionId": {}}, {"eTag": "", "versionId": None}])
def test_a_record_is_checked_like_a_message(changed: dict[str, Any]) -> None:
    record = event("s3-put-encoded-key")["Records"][0]
    record["s3"]["object"] |= changed
    with pytest.raises(UnreadableMessage):
        jobs_from_s3_event({"Records": [record]})


def test_what_is_wrong_is_said_without_quoting_it() -> None:
    record = event("s3-put-encoded-key")["Records"][0] | {"eventTime": "confidential"}
    with pytest.raises(UnreadableMessage) as caught:
        jobs_from_s3_event({"Records": [record]})
    assert "confidential" not in str(caught.value)
    assert caught.value.__cause__ is None


BEFORE = {
    "bucket": "input",
    "key": "shoes/a.jpg",
    "etag": "0123456789abcdef0123456789abcdef",
    "version_id": "version-1",
    "sequencer": "0055AED6DCD90281E5",
    "event_time": NOON,
    "failures": 2,
    "redrives": 1,
    "blocked_since": NOON,
}
"""A message, without a version as those of version 1."""


@pytest.mark.parametrize("calls", ["calls_before_redrive", "forgiven"])
@pytest.mark.parametrize(("number", "redrives"), [(0, 0), (3, 1)])
def test_a_message_of_a_version_before_is_read(calls: str, number: int, redrives: int) -> None:
    before = {name: value for name, value in BEFORE.items() if name != "redrives"}
    job = make_job(failures=2, redrives=redrives, blocked_since=NOON)
    assert jobs_from_message(json.dumps(before | {calls: number})) == [job]


def test_a_message_of_a_later_version_is_read() -> None:
    later = BEFORE | {"version": MESSAGE_VERSION + 1, "priority": "high", "parts": [{"x": 1}]}
    job = make_job(failures=2, redrives=1, blocked_since=NOON)
    assert jobs_from_message(json.dumps(later)) == [job]


@pytest.mark.parametrize("missing", [name for name in BEFORE if name not in {"bucket", "key"}])
def test_a_field_that_a_message_lacks_has_a_default(missing: str) -> None:
    (job,) = jobs_from_message(json.dumps({k: v for k, v in BEFORE.items() if k != missing}))
    assert getattr(job, missing) == {f.name: f.default for f in fields(Job)}[missing]


def test_a_message_says_its_version() -> None:
    assert json.loads(make_job().to_message())["version"] == MESSAGE_VERSION


def test_a_failure_ends_being_blocked() -> None:
    job = make_job(failures=1, blocked_since=NOON).failed()
    assert job == make_job(failures=2)


def test_being_blocked_counts_from_the_first_time() -> None:
    assert make_job().blocked(NOON).blocked(NOON + 300).blocked_since == NOON


def test_a_dead_letter_has_all_its_attempts_again() -> None:
    tried = make_job(failures=9, redrives=1, blocked_since=NOON)
    assert tried.dead_letter() == make_job(redrives=2)


def test_an_upload_is_told_from_others_without_versions_too() -> None:
    uploads = [make_job(version_id=None, sequencer=number).upload_id for number in ("1", "1", "2")]
    assert uploads[0] == uploads[1] != uploads[2]


def test_a_failure_keeps_all_that_names_the_image() -> None:
    before, after = make_job(), make_job().failed()
    assert asdict(after) | {"failures": 0} == asdict(before)


@pytest.mark.parametrize(
    ("one", "other"), [("0A", "09"), ("100", "FF"), ("00FF", "FE"), ("b0", "A1")]
)
def test_sequencers_are_compared_as_numbers_of_any_length(one: str, other: str) -> None:
    assert is_newer(one, than=other)
    assert not is_newer(other, than=one)


def test_a_job_without_sequencer_is_superseded_by_none() -> None:
    assert not is_newer("1", than="")


@pytest.mark.parametrize("padded", ["55AED6", "0055AED6", "55aed6"])
def test_no_event_is_newer_than_itself(padded: str) -> None:
    assert not is_newer(padded, than="55AED6")
