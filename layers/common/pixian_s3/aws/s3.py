"""The buckets: sources are read from one, results and reports are written to the other."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlencode

from botocore.exceptions import BotoCoreError, ClientError

from pixian_s3.errors import (
    AccessDenied,
    Conflict,
    NotFound,
    PixianS3Error,
    Rejected,
    Unavailable,
)
from pixian_s3.job import Job

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_SOURCE_BYTES = 400 << 20
"""A 16-bit image of 32 MP has 256 MB uncompressed; the rest of the disk is for its result."""

_CHUNK_BYTES = 1 << 20
_URL_SECONDS = 900  # as long as the function that makes it for a call may take
_NOT_FOUND = {"404", "NoSuchKey", "NoSuchVersion"}
_DENIED = {"403", "AccessDenied"}
_CONFLICT = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}


@dataclass(frozen=True)
class Head:
    """An object as a HEAD request shows it; `etag` with its quotes, as conditions need it."""

    etag: str
    metadata: Mapping[str, str]


@dataclass(frozen=True)
class Result:
    """An object to be written to the output bucket, and key and content of its sidecar."""

    key: str
    body: IO[bytes]
    content_type: str
    metadata: Mapping[str, str]
    tags: Mapping[str, str]
    sidecar: tuple[str, Mapping[str, Any]] | None = None


@dataclass(frozen=True)
class Source:
    """What an object of the input bucket has besides its bytes: its user metadata and tags."""

    metadata: Mapping[str, str]
    tags: Mapping[str, str]


class Buckets:
    """The input bucket of each job, and the output bucket.

    All methods raise `Unavailable` if S3 can't be reached, and `AccessDenied` if it refuses.
    """

    def __init__(self, s3: "S3Client", output_bucket: str) -> None:
        self._s3 = s3
        self._output_bucket = output_bucket

    def download(self, job: Job, into: IO[bytes], *, tags: bool = False) -> Source:
        """Write the job's version of its object to a file, which is left at its beginning.

        A file, not a stream: its header is read before a credit is spent, and a call that has to be
        repeated sends it again.

        Raises:
            NotFound: the object was deleted.
            Conflict: it was replaced, in a bucket without versions.
            Rejected: it has too many bytes, is archived, or is encrypted with a key that this
                service may not use.
        """
        condition = {} if job.version_id else {"IfMatch": job.etag}
        with _s3_errors("The file"):
            found = self._s3.get_object(**_version(job), **condition)  # type: ignore[arg-type]
            _require_size(found["ContentLength"])
            for chunk in found["Body"].iter_chunks(_CHUNK_BYTES):
                into.write(chunk)
        into.seek(0)
        return Source(found["Metadata"], self._tags(job) if tags else {})

    def presign(self, job: Job) -> str:
        """A URL from which the job's version of its object can be read for 15 minutes."""
        return self._s3.generate_presigned_url(
            "get_object", Params=_version(job), ExpiresIn=_URL_SECONDS
        )

    def _tags(self, job: Job) -> dict[str, str]:
        with _s3_errors("The file's tags"):
            found = self._s3.get_object_tagging(**_version(job))  # type: ignore[arg-type]
        return {tag["Key"]: tag["Value"] for tag in found["TagSet"]}

    def head(self, key: str) -> Head | None:
        """The object at a key of the output bucket, or None."""
        try:
            with _s3_errors(key):
                found = self._s3.head_object(Bucket=self._output_bucket, Key=key)
        except NotFound:
            return None
        return Head(found["ETag"], found["Metadata"])

    def put_result(self, result: Result, replaces: Head | None) -> None:
        """Write a result, if the object at its key is still the one that was seen there.

        Its sidecar is written first, so that a visible result is always complete.

        Raises:
            Conflict, NotFound: it isn't.
        """
        if result.sidecar:
            self._put_json(*result.sidecar)
        tagging: dict[str, Any] = {"Tagging": urlencode(result.tags)} if result.tags else {}
        result.body.seek(0)
        with _s3_errors("The result"):
            self._s3.put_object(
                Bucket=self._output_bucket,
                Key=result.key,
                Body=result.body,
                ContentType=result.content_type,
                Metadata=result.metadata,
                **tagging,
                **_condition(replaces),
            )

    def put_report(
        self,
        key: str,
        document: Mapping[str, Any],
        metadata: Mapping[str, str],
        is_newer: Callable[[Mapping[str, str]], bool],
    ) -> None:
        """Write an error report, unless there is one whose metadata are those of a newer upload.

        Raises:
            Conflict, NotFound: the report at its key has just been changed.
        """
        existing = self.head(key)
        if not (existing and is_newer(existing.metadata)):
            self._put_json(key, document, Metadata=metadata, **_condition(existing))

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

    def delete_report(self, key: str, is_newer: Callable[[Mapping[str, str]], bool]) -> None:
        """Remove an error report, if there is one, unless its metadata are those of a newer upload.

        Raises:
            Conflict, NotFound: it has just been changed.
        """
        existing = self.head(key)
        if existing and not is_newer(existing.metadata):
            with _s3_errors(key):
                self._s3.delete_object(Bucket=self._output_bucket, Key=key, IfMatch=existing.etag)


def _require_size(size: int) -> None:
    if size > MAX_SOURCE_BYTES:
        raise Rejected(
            f"The file has {size >> 20} MB; the limit is {MAX_SOURCE_BYTES >> 20} MB. Save it with "
            "compression or at a smaller size, then upload it again."
        )


def _version(job: Job) -> dict[str, str]:
    version = {"VersionId": job.version_id} if job.version_id else {}
    return {"Bucket": job.bucket, "Key": job.key, **version}


def _condition(replaces: Head | None) -> dict[str, Any]:
    return {"IfMatch": replaces.etag} if replaces else {"IfNoneMatch": "*"}


@contextmanager
def _s3_errors(what: str) -> Iterator[None]:
    """Raise what S3's or botocore's error means."""
    try:
        yield
    except ClientError as error:
        raise _meaning(what, error) from error
    except (BotoCoreError, OSError) as error:
        raise Unavailable(f"{what}: S3 can't be reached: {error}") from error


def _meaning(what: str, error: ClientError) -> PixianS3Error:
    code = error.response["Error"]["Code"]
    # Without permission to list a bucket, S3 answers 403 and names that permission where it would
    # otherwise answer 404.
    if code in _NOT_FOUND or (code in _DENIED and "s3:ListBucket" in str(error)):
        return NotFound(f"{what} no longer exists.")
    if code in _DENIED and "kms:Decrypt" in str(error):
        # Only sources are decrypted.
        return Rejected(
            f"{what} is encrypted with a KMS key that this service may not use. Upload it again "
            "without that key."
        )
    if code in _DENIED:
        return AccessDenied(f"{what} can't be read or written: {error}")
    if code in _CONFLICT:
        return Conflict(f"{what} has changed in the meantime.")
    if code == "InvalidObjectState":
        return Rejected(
            f"{what} is archived (Glacier). Restore it, or upload it again in another storage "
            "class."
        )
    return Unavailable(f"{what}: {error}")
