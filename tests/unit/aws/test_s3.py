"""S3: sources, results and reports."""

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from pixian_s3.aws import s3
from pixian_s3.aws.s3 import Buckets, Result
from pixian_s3.errors import (
    AccessDenied,
    AlreadyDone,
    Blocked,
    Conflict,
    NotFound,
    Rejected,
    Unavailable,
)
from pixian_s3.job import Job
from tests.builders import make_job, nobody

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ODD_KEYS = ["a b+c%20&=?#.jpg", "été/ü 😀.jpg", "//a.jpg", "../a.jpg", "a" * 1024, "a\tb'\".jpg"]


def result(
    body: IO[bytes], key: str = "a.png", metadata: Mapping[str, str] | None = None
) -> Result:
    return Result(key, body, "image/png", metadata or {}, {})


def taken(key: str, metadata: Mapping[str, str] | None) -> None:
    """What is asked when an object isn't the one that was seen."""
    raise Rejected(f"{key} is taken: {metadata}")


@dataclass
class Subject:
    buckets: Buckets
    client: "S3Client"

    def upload(self, key: str, body: bytes, bucket: str = "input") -> Job:
        put = self.client.put_object(Bucket=bucket, Key=key, Body=body)
        etag = put["ETag"].strip('"')
        return make_job(key, bucket=bucket, etag=etag, version_id=put.get("VersionId"))

    def read(self, job: Job) -> bytes:
        with TemporaryFile() as file:
            self.buckets.download(job, file)
            return file.read()

    def put(self, body: bytes, **metadata: str) -> None:
        seen = self.buckets.head("a.png")
        self.buckets.put_result(result(io.BytesIO(body), metadata=metadata), seen, taken)

    def body(self, key: str) -> bytes:
        return self.client.get_object(Bucket="output", Key=key)["Body"].read()


@pytest.fixture
def subject(aws: None) -> Iterator[Subject]:  # noqa: ARG001 - it must be there first
    client = boto3.client("s3")
    for bucket in ("input", "output", "plain"):
        where = {"LocationConstraint": "eu-central-1"}
        client.create_bucket(Bucket=bucket, CreateBucketConfiguration=where)  # type: ignore[arg-type]
    for bucket in ("input", "output"):
        client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    yield Subject(Buckets(client, "output"), client)
    client.close()


@pytest.mark.parametrize("key", ODD_KEYS)
def test_a_source_of_any_name_is_read(subject: Subject, key: str) -> None:
    assert subject.read(subject.upload(key, b"pixels")) == b"pixels"


def test_the_version_that_was_uploaded_is_read(subject: Subject) -> None:
    first = subject.upload("a.jpg", b"first")
    subject.upload("a.jpg", b"second")
    assert subject.read(first) == b"first"


def test_a_version_is_there_still_after_its_key_was_deleted(subject: Subject) -> None:
    job = subject.upload("a.jpg", b"pixels")
    subject.client.delete_object(Bucket="input", Key="a.jpg")
    assert subject.read(job) == b"pixels"


def test_without_versions_what_was_replaced_is_a_conflict(subject: Subject) -> None:
    first = subject.upload("a.jpg", b"first", "plain")
    subject.upload("a.jpg", b"second", "plain")
    with pytest.raises(Conflict):
        subject.read(first)


@pytest.mark.parametrize("version_id", [None, "096fKKXTRTtl3on89fVO.nfljtsv6qko"])
def test_a_source_that_was_deleted_is_not_found(subject: Subject, version_id: str | None) -> None:
    job = replace(subject.upload("a.jpg", b"pixels"), key="b.jpg", version_id=version_id)
    with pytest.raises(NotFound):
        subject.read(job)


def test_a_source_that_is_too_large_is_rejected_unread(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "MAX_SOURCE_BYTES", 5)
    assert subject.read(subject.upload("a.jpg", b"12345")) == b"12345"
    with pytest.raises(Rejected, match="the limit is"):
        subject.read(subject.upload("a.jpg", b"123456"))


def test_where_nothing_is_there_is_nothing_to_see(subject: Subject) -> None:
    assert subject.buckets.head("a.png") is None


@pytest.mark.parametrize("key", ODD_KEYS)
def test_a_result_of_any_name_shows_its_metadata(subject: Subject, key: str) -> None:
    subject.buckets.put_result(result(io.BytesIO(b"x"), key, {"source-key": "a"}), None, taken)
    seen = subject.buckets.head(key)
    assert seen is not None
    assert seen.metadata == {"source-key": "a"}


def test_a_result_has_its_content_type(subject: Subject) -> None:
    subject.put(b"result")
    head = subject.client.head_object(Bucket="output", Key="a.png")
    assert (head["ContentType"], head["ContentLength"]) == ("image/png", 6)


def test_a_result_is_written_from_its_beginning(subject: Subject) -> None:
    file = io.BytesIO(b"result")
    file.seek(3)
    subject.buckets.put_result(result(file), None, taken)
    assert subject.body("a.png") == b"result"


def test_a_result_replaces_the_one_that_was_seen(subject: Subject) -> None:
    subject.put(b"first")
    subject.put(b"second")
    assert subject.body("a.png") == b"second"


def test_a_result_doesnt_replace_what_wasnt_seen(subject: Subject) -> None:
    subject.put(b"first")
    with pytest.raises(Rejected):
        subject.buckets.put_result(result(io.BytesIO(b"second")), None, taken)
    assert subject.body("a.png") == b"first"


def test_a_result_doesnt_replace_what_changed_since_it_was_seen(subject: Subject) -> None:
    subject.put(b"first")
    seen = subject.buckets.head("a.png")
    subject.put(b"second")
    with pytest.raises(Rejected):
        subject.buckets.put_result(result(io.BytesIO(b"third")), seen, taken)
    assert subject.body("a.png") == b"second"


def test_a_result_replaces_what_changed_if_that_is_allowed(subject: Subject) -> None:
    subject.put(b"first", etag="1")
    asked = []

    def allow(key: str, metadata: Mapping[str, str] | None) -> None:
        asked.append((key, metadata))

    subject.buckets.put_result(result(io.BytesIO(b"second")), None, allow)
    assert asked == [("a.png", {"etag": "1"})]
    assert subject.body("a.png") == b"second"


def test_our_own_write_whose_answer_was_lost_is_no_error(subject: Subject) -> None:
    def ours(*_: object) -> None:
        raise AlreadyDone

    subject.put(b"first")
    subject.buckets.put_result(result(io.BytesIO(b"first")), None, ours)


def no_report_is_newer(_: Mapping[str, str]) -> bool:
    return False


def test_a_report_is_json_for_people(subject: Subject) -> None:
    subject.buckets.put_document("ü.error.json", {"error": "Größe"}, {}, no_report_is_newer)
    text = subject.body("ü.error.json").decode()
    assert json.loads(text) == {"error": "Größe"}
    assert "Größe" in text


def test_a_report_replaces_and_is_deleted(subject: Subject) -> None:
    for error in ("one", "two"):
        subject.buckets.put_document("a.error.json", {"error": error}, {}, no_report_is_newer)
    assert b"two" in subject.body("a.error.json")
    subject.buckets.delete("a.error.json", no_report_is_newer)
    assert subject.buckets.head("a.error.json") is None


def test_a_newer_report_is_neither_replaced_nor_deleted(subject: Subject) -> None:
    def is_newer(metadata: Mapping[str, str]) -> bool:
        return metadata == {"sequencer": "2"}

    subject.buckets.put_document("a.error.json", {"error": "new"}, {"sequencer": "2"}, is_newer)
    subject.buckets.put_document("a.error.json", {"error": "old"}, {"sequencer": "1"}, is_newer)
    subject.buckets.delete("a.error.json", is_newer)
    assert b"new" in subject.body("a.error.json")


def test_a_report_that_changes_in_between_is_a_conflict(subject: Subject) -> None:
    def meanwhile(_: Mapping[str, str]) -> bool:
        subject.client.put_object(Bucket="output", Key="a.error.json", Body=b"other")
        return False

    subject.buckets.put_document("a.error.json", {"error": "one"}, {}, no_report_is_newer)
    with pytest.raises(Conflict):
        subject.buckets.put_document("a.error.json", {"error": "late"}, {}, meanwhile)
    assert subject.body("a.error.json") == b"other"


def test_a_result_doesnt_replace_what_was_deleted_since_it_was_seen(subject: Subject) -> None:
    subject.put(b"first")
    seen = subject.buckets.head("a.png")
    subject.client.delete_object(Bucket="output", Key="a.png")
    with pytest.raises(Rejected):
        subject.buckets.put_result(result(io.BytesIO(b"second")), seen, taken)


def test_a_bucket_that_does_not_exist_blocks(subject: Subject) -> None:
    buckets = Buckets(subject.client, "no-such-bucket")
    with pytest.raises(Blocked):
        buckets.put_result(result(io.BytesIO(b"x")), None, taken)
    with pytest.raises(Blocked):
        buckets.report("a.jpg.error.json")
    with pytest.raises(Blocked):
        buckets.check_writable("a.png")


def test_checking_whether_a_key_can_be_written_leaves_nothing(subject: Subject) -> None:
    subject.buckets.check_writable("a.png")
    assert "Contents" not in subject.client.list_objects_v2(Bucket="output")
    assert "Uploads" not in subject.client.list_multipart_uploads(Bucket="output")


def test_s3_out_of_reach_is_unavailable(no_aws_account: None) -> None:  # noqa: ARG001
    once = Config(retries={"mode": "standard", "total_max_attempts": 1})
    with nobody() as endpoint:
        client = boto3.client("s3", endpoint_url=endpoint, config=once)
        with pytest.raises(Unavailable, match="can't be reached"):
            Buckets(client, "output").head("a.png")
    client.close()


def test_a_presigned_url_names_the_version_and_runs_out(subject: Subject) -> None:
    job = subject.upload("a b.jpg", b"pixels")
    query = parse_qs(urlsplit(subject.buckets.presign(job)).query)
    assert query["versionId"] == [job.version_id]
    assert 300 <= int(query.get("X-Amz-Expires", ["900"])[0]) <= 3600


def test_tags_go_from_source_to_result(subject: Subject) -> None:
    # Given a tagged source
    job = subject.upload("a.jpg", b"pixels")
    tagged: Any = {"TagSet": [{"Key": "owner", "Value": "a+b = c/d"}]}
    subject.client.put_object_tagging(Bucket="input", Key="a.jpg", Tagging=tagged)
    # When its tags are put on a result
    with TemporaryFile() as file:
        tags = subject.buckets.download(job, file, tags=True).tags
    subject.buckets.put_result(replace(result(io.BytesIO(b"x")), tags=tags), None, taken)
    # Then they are the same
    found = subject.client.get_object_tagging(Bucket="output", Key="a.png")
    assert found["TagSet"] == tagged["TagSet"]


def test_a_source_brings_its_own_metadata(subject: Subject) -> None:
    job = subject.upload("a.jpg", b"pixels")
    put = subject.client.put_object(Bucket="input", Key="a.jpg", Body=b"x", Metadata={"sku": "7"})
    with TemporaryFile() as file:
        source = subject.buckets.download(replace(job, version_id=put["VersionId"]), file)
    assert source.metadata == {"sku": "7"}


def test_a_sidecar_has_decimals_as_they_were_written(subject: Subject) -> None:
    subject.buckets.put_document(
        "a.png.json", {"charged": Decimal("0.2209")}, {}, no_report_is_newer
    )
    assert '"charged": 0.2209' in subject.body("a.png.json").decode()


@pytest.mark.parametrize(
    ("code", "message", "meaning"),
    [
        ("AccessDenied", "User … is not authorized to perform: kms:Decrypt", Rejected),
        ("InvalidObjectState", "The operation is not valid for its storage class", Rejected),
        ("AccessDenied", "User … is not authorized to perform: s3:GetObject", AccessDenied),
    ],
)
def test_what_is_wrong_with_one_file_blocks_no_other(
    subject: Subject, code: str, message: str, meaning: type[Exception]
) -> None:
    def refuse(**_: object) -> None:
        raise ClientError({"Error": {"Code": code, "Message": message}}, "GetObject")

    job = subject.upload("a.jpg", b"pixels")
    subject.client.meta.events.register("before-call.s3.GetObject", refuse)
    with pytest.raises(meaning):
        subject.read(job)
