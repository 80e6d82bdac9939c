"""The input bucket, from which sources are read, and the output bucket."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlencode

from botocore.exceptions import BotoCoreError, ClientError

from pixian_s3.errors import (
    CONTINUES,
    AccessDenied,
    AlreadyDone,
    BadRequest,
    Blocked,
    Conflict,
    NotFound,
    PixianS3Error,
    Rejected,
    Unavailable,
    plain,
)
from pixian_s3.job import Job

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_SOURCE_BYTES = 400 << 20
"""A 16-bit image of 32 MP has 256 MB uncompressed; the rest of /tmp is needed for the result."""

_CHUNK_BYTES = 1 << 20
_URL_SECONDS = 900  # the longest that the function which uses the URL can run
_MAX_TAGGING_CHARACTERS = 2000
"""S3 allows 8 KB of headers, of which the metadata need 2, and signature and session 2 more."""

_NOT_FOUND = {"404", "NoSuchKey", "NoSuchVersion"}
_DENIED = {"403", "AccessDenied"}
_INVALID = {
    "EntityTooLarge",
    "InvalidArgument",
    "InvalidRequest",
    "InvalidTag",
    "KeyTooLongError",
    "MetadataTooLarge",
    "RequestHeaderSectionTooLarge",
}
_CONFLICT = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}


@dataclass(frozen=True)
class Head:
    """The answer to a HEAD request; `etag` keeps its quotes, for use in conditional requests."""

    etag: str
    metadata: Mapping[str, str]


@dataclass(frozen=True)
class Result:
    """An object to write to the output bucket."""

    key: str
    body: IO[bytes]
    content_type: str
    metadata: Mapping[str, str]
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Source:
    """The user metadata and tags of an object in the input bucket."""

    metadata: Mapping[str, str]
    tags: Mapping[str, str]


class Buckets:
    """The input bucket, which each job names, and the output bucket.

    All methods raise Unavailable if S3 fails or can't be reached, AccessDenied if it denies access,
    Blocked if the bucket doesn't exist, and BadRequest if it refuses the request as invalid.
    """

    def __init__(self, s3: "S3Client", output_bucket: str) -> None:
        self._s3 = s3
        self._output_bucket = output_bucket

    def download(self, job: Job, into: IO[bytes], *, tags: bool = False) -> Source:
        """Download the job's version of its object into a file, and rewind the file.

        The source isn't streamed to Pixian, because it is checked before a credit is spent, and
        sent again if the call is repeated.

        Raises:
            NotFound: The object was deleted.
            Conflict: The object was replaced, in a bucket without versioning.
            Rejected: The object is too large, is archived, or is encrypted with a KMS key that this
                service may not use.
        """
        condition = {} if job.version_id else {"IfMatch": job.etag}
        try:
            with _s3_errors("The file"):
                found = self._s3.get_object(**_version(job), **condition)  # type: ignore[arg-type]
                _require_size(found["ContentLength"])
                for chunk in found["Body"].iter_chunks(_CHUNK_BYTES):
                    into.write(chunk)
        except AccessDenied as error:
            if "kms:Decrypt" in str(error):
                raise Rejected(
                    "The file is encrypted with a KMS key that this service can't use. Upload it "
                    "again without that key, or ask the person who runs this service to allow the "
                    "key (BucketKmsKeyArns), then upload it again."
                ) from error
            raise
        into.seek(0)
        return Source(found["Metadata"], self._tags(job) if tags else {})

    def presign(self, job: Job) -> str:
        """A presigned URL of the job's version of its object, valid for 15 minutes."""
        return self._s3.generate_presigned_url(
            "get_object", Params=_version(job), ExpiresIn=_URL_SECONDS
        )

    def _tags(self, job: Job) -> dict[str, str]:
        with _s3_errors("The file"):
            found = self._s3.get_object_tagging(**_version(job))  # type: ignore[arg-type]
        return {tag["Key"]: tag["Value"] for tag in found["TagSet"]}

    def head(self, key: str) -> Head | None:
        """The object at a key in the output bucket; None if there is none."""
        try:
            with _s3_errors(key):
                found = self._s3.head_object(Bucket=self._output_bucket, Key=key)
        except NotFound:
            return None
        return Head(found["ETag"], found["Metadata"])

    def report(self, key: str) -> Head | None:
        """The error report at a key in the output bucket; None if there is none.

        Unlike `head`, this tells a missing bucket from a missing object: S3 answers HEAD without
        an error code.
        """
        try:
            with _s3_errors(key):
                found = self._s3.get_object(Bucket=self._output_bucket, Key=key)
                found["Body"].read()  # it is small, and the connection can be used again
        except NotFound:
            return None
        return Head(found["ETag"], found["Metadata"])

    def check_writable(self, key: str) -> None:
        """Check that S3 and KMS permit writing to a key, without writing anything.

        Beginning a multipart upload takes the permissions that writing takes, and leaves no object.
        """
        bucket = self._output_bucket
        with _s3_errors(key):
            upload = self._s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
        with suppress(ClientError, BotoCoreError):
            self._s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)

    def put_result(
        self,
        result: Result,
        replaces: Head | None,
        require_replaceable: Callable[[str, Mapping[str, str] | None], None],
    ) -> None:
        """Write a result.

        If the object at its key has changed, the result replaces the new one if that is allowed.

        Args:
            result: The result.
            replaces: The object that `head` found at its key; None if there was none.
            require_replaceable: Takes a key and the metadata of the object there, or None, and
                raises an error if the result must not replace it.

        Raises:
            Conflict, NotFound: The object at the key keeps changing.
        """
        try:
            self._put_result(result, replaces)
        except (Conflict, NotFound):
            # Another writer, or our own write whose answer was lost; then it is AlreadyDone.
            existing = self.head(result.key)
            with suppress(AlreadyDone):
                require_replaceable(result.key, existing.metadata if existing else None)
                self._put_result(result, existing)
        if not _fit_in_header(result.tags):
            with _s3_errors("The result"):
                self._s3.put_object_tagging(
                    Bucket=self._output_bucket,
                    Key=result.key,
                    Tagging={"TagSet": [{"Key": k, "Value": v} for k, v in result.tags.items()]},
                )

    def _put_result(self, result: Result, replaces: Head | None) -> None:
        fit = result.tags and _fit_in_header(result.tags)
        tags: dict[str, Any] = {"Tagging": urlencode(result.tags)} if fit else {}
        result.body.seek(0)
        with _s3_errors("The result"):
            self._s3.put_object(
                Bucket=self._output_bucket,
                Key=result.key,
                Body=result.body,
                ContentType=result.content_type,
                Metadata=result.metadata,
                **tags,
                **_condition(replaces),
            )

    def put_document(
        self,
        key: str,
        document: Mapping[str, Any],
        metadata: Mapping[str, str],
        keep: Callable[[Mapping[str, str]], bool],
    ) -> bool:
        """Write a report or a sidecar, and return whether it was written.

        Args:
            key: Its key in the output bucket.
            document: Its content.
            metadata: Its user metadata.
            keep: Takes the user metadata of the object at the key, if there is one, and returns
                whether to keep that instead.

        Raises:
            Conflict, NotFound: Another writer changed the object at the same time.
        """
        existing = self.head(key)
        if existing and keep(existing.metadata):
            return False
        self._put_json(key, document, Metadata=metadata, **_condition(existing))
        return True

    def _put_json(self, key: str, document: Mapping[str, Any], **more: Any) -> None:  # noqa: ANN401 - boto3's
        with _s3_errors(key):
            self._s3.put_object(
                Bucket=self._output_bucket,
                Key=key,
                # Convert Decimal to float: 0.2209 is written as 0.2209.
                Body=json.dumps(document, indent=2, ensure_ascii=False, default=float).encode(),
                ContentType="application/json; charset=utf-8",
                **more,
            )

    def delete(self, key: str, keep: Callable[[Mapping[str, str]], bool]) -> bool:
        """Delete an object in the output bucket, if there is one; return whether it was deleted.

        Args:
            key: Its key.
            keep: Takes its metadata and returns whether to keep it after all.

        Raises:
            Conflict, NotFound: Another writer changed the object at the same time.
        """
        existing = self.head(key)
        if existing is None or keep(existing.metadata):
            return False
        with _s3_errors(key):
            self._s3.delete_object(Bucket=self._output_bucket, Key=key, IfMatch=existing.etag)
        return True


def _fit_in_header(tags: Mapping[str, str]) -> bool:
    return len(urlencode(tags)) <= _MAX_TAGGING_CHARACTERS


def _require_size(size: int) -> None:
    if size > MAX_SOURCE_BYTES:
        raise Rejected(
            f"The file size is {size >> 20} MB, but the limit is {MAX_SOURCE_BYTES >> 20} MB. Save "
            "the file with compression or at a smaller size, then upload it again."
        )


def _version(job: Job) -> dict[str, str]:
    version = {"VersionId": job.version_id} if job.version_id else {}
    return {"Bucket": job.bucket, "Key": job.key, **version}


def _condition(replaces: Head | None) -> dict[str, Any]:
    return {"IfMatch": replaces.etag} if replaces else {"IfNoneMatch": "*"}


@contextmanager
def _s3_errors(what: str) -> Iterator[None]:
    """Convert errors of botocore to ours; `what` is what the request is about."""
    try:
        yield
    except ClientError as error:
        raise _meaning(what, error) from error
    except (BotoCoreError, OSError) as error:
        raise Unavailable(
            f"{what} couldn't be read or written, because S3 can't be reached: {plain(error)}"
        ) from error


def _meaning(what: str, error: ClientError) -> PixianS3Error:
    code = error.response["Error"]["Code"]
    # Without permission to list the bucket, S3 answers 403 instead of 404, and names the missing
    # permission.
    if code in _NOT_FOUND or (code in _DENIED and "s3:ListBucket" in str(error)):
        return NotFound(f"{what} no longer exists.")
    if code == "NoSuchBucket":
        return Blocked(
            f"{what} couldn't be read or written: {plain(error)} Create the bucket again. "
            f"{CONTINUES}",
            for_all=False,
        )
    # Codes such as KMS.DisabledException are about the key of an encrypted bucket.
    if code in _DENIED or (code.startswith("KMS.") and "Throttl" not in code):
        return AccessDenied(
            f"{what} couldn't be read or written: {plain(error)} Check the permissions of the "
            "function's role, the bucket policy, and the KMS key if the bucket has one. "
            f"{CONTINUES}"
        )
    if code in _CONFLICT:
        return Conflict(f"{what} was changed in the meantime.")
    if code == "InvalidObjectState":
        return Rejected(
            f"{what} is archived (Glacier). Upload it again in another storage class, or restore "
            "it, then upload it again."
        )
    cause = BadRequest if code in _INVALID else Unavailable
    return cause(f"{what} couldn't be read or written: {plain(error)}")
