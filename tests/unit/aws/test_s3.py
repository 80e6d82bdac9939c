"""S3: sources, results and reports."""

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from pixian_s3.aws.s3 import Gone, Overtaken, Result, Storage
from pixian_s3.errors import Blocked, Rejected, Unavailable
from pixian_s3.job import Job
from pixian_s3.output.metadata import StoredObject
from tests.builders import make_job, nobody

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ODD_KEYS = ["a b+c%20&=?#.jpg", "été/ü 😀.jpg", "//a.jpg", "../a.jpg", "a" * 1024, "a\tb'\".jpg"]


def result(
    body: IO[bytes], key: str = "a.png", metadata: Mapping[str, str] | None = None
) -> Result:
    return Result(key, body, "image/png", metadata or {}, {})


@dataclass
class Subject:
    storage: Storage
    client: "S3Client"

    def drop(self, key: str, body: bytes, bucket: str = "dropped") -> Job:
        put = self.client.put_object(Bucket=bucket, Key=key, Body=body)
        etag = put["ETag"].strip('"')
        return make_job(key, bucket=bucket, etag=etag, version_id=put.get("VersionId"))

    def put(self, body: bytes, **metadata: str) -> None:
        seen = self.storage.look("a.png")
        self.storage.put_result(result(io.BytesIO(body), metadata=metadata), seen)

    def body(self, key: str) -> bytes:
        return self.client.get_object(Bucket="cut-out", Key=key)["Body"].read()


@pytest.fixture
def subject(aws: None) -> Iterator[Subject]:  # noqa: ARG001 - it must be there first
    client = boto3.client("s3")
    for bucket in ("dropped", "cut-out", "plain"):
        where = {"LocationConstraint": "eu-central-1"}
        client.create_bucket(Bucket=bucket, CreateBucketConfiguration=where)  # type: ignore[arg-type]
    for bucket in ("dropped", "cut-out"):
        client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    yield Subject(Storage(client, "cut-out"), client)
    client.close()


@pytest.mark.parametrize("key", ODD_KEYS)
def test_a_source_of_any_name_is_read(subject: Subject, key: str) -> None:
    with subject.storage.open_source(subject.drop(key, b"pixels")) as source:
        assert source.file.read() == b"pixels"


def test_the_version_that_was_dropped_is_read(subject: Subject) -> None:
    first = subject.drop("a.jpg", b"first")
    subject.drop("a.jpg", b"second")
    with subject.storage.open_source(first) as source:
        assert source.file.read() == b"first"


def test_a_version_is_there_still_after_its_key_was_deleted(subject: Subject) -> None:
    job = subject.drop("a.jpg", b"pixels")
    subject.client.delete_object(Bucket="dropped", Key="a.jpg")
    with subject.storage.open_source(job) as source:
        assert source.file.read() == b"pixels"


def test_without_versions_what_was_replaced_is_overtaken(subject: Subject) -> None:
    first = subject.drop("a.jpg", b"first", "plain")
    subject.drop("a.jpg", b"second", "plain")
    with pytest.raises(Overtaken), subject.storage.open_source(first):
        pass


@pytest.mark.parametrize("version_id", [None, "096fKKXTRTtl3on89fVO.nfljtsv6qko"])
def test_a_source_that_is_gone_is_rejected(subject: Subject, version_id: str | None) -> None:
    job = replace(subject.drop("a.jpg", b"pixels"), key="b.jpg", version_id=version_id)
    with pytest.raises(Gone), subject.storage.open_source(job):
        pass


def test_the_temporary_file_goes_with_the_context(subject: Subject) -> None:
    with subject.storage.open_source(subject.drop("a.jpg", b"pixels")) as source:
        pass
    assert source.file.closed


def test_an_error_of_the_work_within_stays_what_it_is(subject: Subject) -> None:
    job = subject.drop("a.jpg", b"pixels")
    with (
        pytest.raises(OSError, match="of the work"),
        subject.storage.open_source(job),
    ):
        raise OSError("of the work")


def test_where_nothing_is_there_is_nothing_to_see(subject: Subject) -> None:
    assert subject.storage.look("a.png") is None


@pytest.mark.parametrize("key", ODD_KEYS)
def test_a_result_of_any_name_shows_its_metadata(subject: Subject, key: str) -> None:
    subject.storage.put_result(result(io.BytesIO(b"x"), key, {"source-key": "a"}), None)
    seen = subject.storage.look(key)
    assert seen is not None
    assert seen.metadata == {"source-key": "a"}


def test_a_result_has_its_content_type(subject: Subject) -> None:
    subject.put(b"result")
    head = subject.client.head_object(Bucket="cut-out", Key="a.png")
    assert (head["ContentType"], head["ContentLength"]) == ("image/png", 6)


def test_a_result_is_written_from_its_beginning(subject: Subject) -> None:
    file = io.BytesIO(b"result")
    file.seek(3)
    subject.storage.put_result(result(file), None)
    assert subject.body("a.png") == b"result"


def test_a_result_replaces_the_one_that_was_seen(subject: Subject) -> None:
    subject.put(b"first")
    subject.put(b"second")
    assert subject.body("a.png") == b"second"


def test_a_result_doesnt_replace_what_wasnt_seen(subject: Subject) -> None:
    subject.put(b"first")
    with pytest.raises(Overtaken):
        subject.storage.put_result(result(io.BytesIO(b"second")), None)
    assert subject.body("a.png") == b"first"


def test_a_result_doesnt_replace_what_changed_since_it_was_seen(subject: Subject) -> None:
    subject.put(b"first")
    seen = subject.storage.look("a.png")
    subject.put(b"second")
    with pytest.raises(Overtaken):
        subject.storage.put_result(result(io.BytesIO(b"third")), seen)
    assert subject.body("a.png") == b"second"


def test_a_report_is_json_for_people(subject: Subject) -> None:
    subject.storage.put_report("ü.error.json", {"error": "Größe"}, {}, None)
    text = subject.body("ü.error.json").decode()
    assert json.loads(text) == {"error": "Größe"}
    assert "Größe" in text


def test_a_report_is_deleted(subject: Subject) -> None:
    seen = written(subject, "a.error.json", "one")
    subject.storage.delete_report("a.error.json", seen)
    assert subject.storage.look("a.error.json") is None


def test_another_report_than_the_one_seen_is_not_replaced(subject: Subject) -> None:
    seen = written(subject, "a.error.json", "one")
    subject.storage.put_report("a.error.json", {"error": "other"}, {}, seen)
    for expected in (None, seen):
        with pytest.raises(Overtaken):
            subject.storage.put_report("a.error.json", {"error": "late"}, {}, expected)
    assert b"other" in subject.body("a.error.json")


def written(subject: Subject, key: str, error: str) -> StoredObject:
    subject.storage.put_report(key, {"error": error}, {}, None)
    seen = subject.storage.look(key)
    assert seen is not None
    return seen


def test_what_was_to_be_replaced_and_is_gone_was_overtaken(subject: Subject) -> None:
    subject.put(b"first")
    seen = subject.storage.look("a.png")
    subject.client.delete_object(Bucket="cut-out", Key="a.png")
    with pytest.raises(Overtaken):
        subject.storage.put_result(result(io.BytesIO(b"second")), seen)


def test_other_metadata_leave_the_rest_as_it_was(subject: Subject) -> None:
    subject.put(b"result")
    seen = subject.storage.look("a.png")
    assert seen is not None
    subject.storage.put_metadata("a.png", seen, {"x": "y"})
    head = subject.client.head_object(Bucket="cut-out", Key="a.png")
    assert (head["Metadata"], head["ContentType"]) == ({"x": "y"}, "image/png")
    assert subject.body("a.png") == b"result"


def test_a_bucket_that_is_away_is_unavailable(subject: Subject) -> None:
    with pytest.raises(Unavailable):
        Storage(subject.client, "no-such-bucket").put_sidecar("a", {})


def test_s3_out_of_reach_is_unavailable(no_aws_account: None) -> None:  # noqa: ARG001
    once = Config(retries={"mode": "standard", "total_max_attempts": 1})
    with nobody() as endpoint:
        client = boto3.client("s3", endpoint_url=endpoint, config=once)
        with pytest.raises(Unavailable, match="can't be reached"):
            Storage(client, "cut-out").look("a.png")
    client.close()


def test_a_source_that_is_gone_is_worth_a_report() -> None:
    assert issubclass(Gone, Rejected)


def test_a_presigned_url_names_the_version_and_runs_out(subject: Subject) -> None:
    job = subject.drop("a b.jpg", b"pixels")
    query = parse_qs(urlsplit(subject.storage.presign(job)).query)
    assert query["versionId"] == [job.version_id]
    assert 300 <= int(query.get("X-Amz-Expires", ["900"])[0]) <= 3600


def test_tags_go_from_source_to_result(subject: Subject) -> None:
    # Given a tagged source
    job = subject.drop("a.jpg", b"pixels")
    tagged: Any = {"TagSet": [{"Key": "owner", "Value": "a+b = c/d"}]}
    subject.client.put_object_tagging(Bucket="dropped", Key="a.jpg", Tagging=tagged)
    # When its tags are put on a result
    with subject.storage.open_source(job, with_tags=True) as source:
        tags = source.tags
    subject.storage.put_result(replace(result(io.BytesIO(b"x")), tags=tags), None)
    # Then they are the same
    found = subject.client.get_object_tagging(Bucket="cut-out", Key="a.png")
    assert found["TagSet"] == tagged["TagSet"]


def test_a_source_brings_its_own_metadata(subject: Subject) -> None:
    job = subject.drop("a.jpg", b"pixels")
    put = subject.client.put_object(Bucket="dropped", Key="a.jpg", Body=b"x", Metadata={"sku": "7"})
    with subject.storage.open_source(replace(job, version_id=put["VersionId"])) as source:
        assert source.metadata == {"sku": "7"}


def test_decimals_are_numbers_as_they_were_written(subject: Subject) -> None:
    subject.storage.put_sidecar("a.png.json", {"charged": Decimal("0.2209")})
    assert '"charged": 0.2209' in subject.body("a.png.json").decode()


@pytest.mark.parametrize(
    ("code", "message", "meaning"),
    [
        ("AccessDenied", "User … is not authorized to perform: kms:Decrypt", Rejected),
        ("InvalidObjectState", "The operation is not valid for its storage class", Rejected),
        ("AccessDenied", "User … is not authorized to perform: s3:GetObject", Blocked),
    ],
)
def test_what_only_one_file_is_to_blame_for_blocks_no_other(
    subject: Subject, code: str, message: str, meaning: type[Exception]
) -> None:
    def refuse(**_: object) -> None:
        raise ClientError({"Error": {"Code": code, "Message": message}}, "GetObject")

    job = subject.drop("a.jpg", b"pixels")
    subject.client.meta.events.register("before-call.s3.GetObject", refuse)
    with pytest.raises(meaning), subject.storage.open_source(job):
        pass
