"""The buckets: sources are read from one, results and reports written to the other."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlencode

from botocore.exceptions import BotoCoreError, ClientError

from pixian_s3.errors import Blocked, PixianS3Error, Rejected, Skipped, Unavailable
from pixian_s3.job import Job
from pixian_s3.output.metadata import StoredObject

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_SOURCE_BYTES = 400 << 20
"""A 16-bit image of 32 MP has 256 MB uncompressed; the rest of the disk is for its result."""

_CHUNK_BYTES = 1 << 20
_URL_SECONDS = 900  # as long as the function that makes it for a call may take
_ABSENT = {"404", "NoSuchKey", "NoSuchVersion"}
_FORBIDDEN = {"403", "AccessDenied"}
_CONFLICT = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}


class Gone(Rejected):
    """There is no such object."""


class Overtaken(Skipped):
    """Another writer was at the object since it was looked at."""


@dataclass(frozen=True)
class Result:
    """An object of the output bucket to be."""

    key: str
    body: IO[bytes]
    content_type: str
    metadata: Mapping[str, str]
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Source:
    """An object of the input bucket: a file at its beginning, its own user metadata and tags."""

    file: IO[bytes]
    metadata: Mapping[str, str]
    tags: Mapping[str, str]


class Storage:
    """Access to S3; every trouble with it is an error of `errors`."""

    def __init__(self, s3: "S3Client", output_bucket: str) -> None:
        self._s3 = s3
        self._output_bucket = output_bucket

    @contextmanager
    def open_source(self, job: Job, *, with_tags: bool = False) -> Iterator[Source]:
        """The job's version of its object, in a temporary file.

        A file, not a stream: its header is read before a credit is spent, and a call that has to be
        repeated sends it again.

        Raises:
            Gone: the object was deleted.
            Rejected: it has too many bytes.
            Overtaken: it was replaced, in a bucket without versions.
            Blocked: it may not be read.
        """
        condition = {} if job.version_id else {"IfMatch": job.etag}
        with tempfile.TemporaryFile() as file:
            with _s3_errors("The source"):
                found = self._s3.get_object(**_version(job), **condition)  # type: ignore[arg-type]
                _require_size(found["ContentLength"])
                for chunk in found["Body"].iter_chunks(_CHUNK_BYTES):
                    file.write(chunk)
            file.seek(0)
            yield Source(file, found["Metadata"], self._tags(job) if with_tags else {})

    def presign(self, job: Job) -> str:
        """An address from which the job's version of its object can be read for a while."""
        return self._s3.generate_presigned_url(
            "get_object", Params=_version(job), ExpiresIn=_URL_SECONDS
        )

    def _tags(self, job: Job) -> dict[str, str]:
        with _s3_errors("The source's tags"):
            found = self._s3.get_object_tagging(**_version(job))  # type: ignore[arg-type]
        return {tag["Key"]: tag["Value"] for tag in found["TagSet"]}

    def look(self, key: str) -> StoredObject | None:
        """The object at a key of the output bucket, without its body."""
        try:
            with _s3_errors("The result"):
                head = self._s3.head_object(Bucket=self._output_bucket, Key=key)
        except Gone:
            return None
        return StoredObject(head["ETag"], head["ContentType"], head["Metadata"])

    def put_result(self, result: Result, replaces: StoredObject | None) -> None:
        """Write a result, if what stands at its key is still what was seen there.

        Raises:
            Overtaken: it isn't.
        """
        tagging: dict[str, Any] = {"Tagging": urlencode(result.tags)} if result.tags else {}
        result.body.seek(0)
        with _gone_is_overtaken(), _s3_errors("The result"):
            self._s3.put_object(
                Bucket=self._output_bucket,
                Key=result.key,
                Body=result.body,
                ContentType=result.content_type,
                Metadata=result.metadata,
                **tagging,
                **_condition(replaces),
            )

    def put_metadata(self, key: str, seen: StoredObject, metadata: Mapping[str, str]) -> None:
        """Give an object that is as it was seen other user metadata."""
        with _s3_errors("The result"):
            self._s3.copy_object(
                Bucket=self._output_bucket,
                Key=key,
                CopySource={"Bucket": self._output_bucket, "Key": key},
                CopySourceIfMatch=seen.etag,
                ContentType=seen.content_type,
                MetadataDirective="REPLACE",
                Metadata=metadata,
            )

    def put_sidecar(self, key: str, document: Mapping[str, Any]) -> None:
        """Write what stands beside a result."""
        self._put_json(key, document)

    def put_report(
        self,
        key: str,
        document: Mapping[str, Any],
        metadata: Mapping[str, str],
        replaces: StoredObject | None,
    ) -> None:
        """Write an error report, if what stands at its key is still what was seen there.

        Raises:
            Overtaken: it isn't.
        """
        with _gone_is_overtaken():
            self._put_json(key, document, Metadata=metadata, **_condition(replaces))

    def _put_json(self, key: str, document: Mapping[str, Any], **more: Any) -> None:  # noqa: ANN401 - boto3's
        with _s3_errors(key):
            self._s3.put_object(
                Bucket=self._output_bucket,
                Key=key,
                # Decimals become numbers as they were written: 0.2209 stays 0.2209.
                Body=json.dumps(document, indent=2, ensure_ascii=False, default=float).encode(),
                ContentType="application/json; charset=utf-8",
                **more,
            )

    def delete_report(self, key: str, seen: StoredObject) -> None:
        """Remove an error report.

        Raises:
            Overtaken: there is another one by now, or none.
        """
        with _gone_is_overtaken(), _s3_errors(key):
            self._s3.delete_object(Bucket=self._output_bucket, Key=key, IfMatch=seen.etag)


def _require_size(size: int) -> None:
    if size > MAX_SOURCE_BYTES:
        raise Rejected(
            f"The file has {size >> 20} MB; at most {MAX_SOURCE_BYTES >> 20} MB can be processed. "
            "Save it with compression, or smaller, and drop it again."
        )


def _version(job: Job) -> dict[str, str]:
    version = {"VersionId": job.version_id} if job.version_id else {}
    return {"Bucket": job.bucket, "Key": job.key, **version}


def _condition(replaces: StoredObject | None) -> dict[str, Any]:
    return {"IfMatch": replaces.etag} if replaces else {"IfNoneMatch": "*"}


@contextmanager
def _gone_is_overtaken() -> Iterator[None]:
    """S3's answer where what was to be replaced has been deleted is that it isn't there."""
    try:
        yield
    except Gone as error:
        raise Overtaken(str(error)) from error


@contextmanager
def _s3_errors(what: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise _meaning(what, error) from error
    except (BotoCoreError, OSError) as error:
        raise Unavailable(f"{what}: S3 can't be reached: {error}") from error


def _forbidden(what: str, error: ClientError) -> PixianS3Error:
    if "s3:ListBucket" in str(error):
        # Who may not list a bucket isn't told that something is absent, but what they lack.
        return Gone(f"{what} is not there any more.")
    if "kms:" in str(error):
        return Rejected(
            f"{what} is encrypted with a key of its own, which may not be used here. Drop the file "
            "again without it."
        )
    # A policy may forbid one prefix only, so other images are tried.
    return Blocked(f"{what} may not be read or written: {error}", for_all=False)


def _meaning(what: str, error: ClientError) -> PixianS3Error:
    code = error.response["Error"]["Code"]
    if code in _ABSENT:
        return Gone(f"{what} is not there any more.")
    if code in _FORBIDDEN:
        return _forbidden(what, error)
    if code == "InvalidObjectState":
        return Rejected(f"{what} is in an archive. Drop the file again in another storage class.")
    if code in _CONFLICT:
        return Overtaken(f"{what} has changed in the meantime.")
    return Unavailable(f"{what}: {error}")
