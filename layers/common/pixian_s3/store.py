"""What an attempt writes to the output bucket beside the result itself: sidecars and error reports.

Nothing here replaces or removes a file of somebody else, or what is about a newer upload. Only the
holder of the result's lease calls it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from pixian_s3 import retry
from pixian_s3.aws.lease import Record
from pixian_s3.aws.s3 import Buckets, Head
from pixian_s3.aws.telemetry import Telemetry
from pixian_s3.config.document import Settings
from pixian_s3.errors import AccessDenied, Blocked, Exhausted, PixianS3Error
from pixian_s3.job import Job
from pixian_s3.output import documents, keys, metadata


@dataclass(frozen=True)
class Found:
    """What the output bucket has about a source: the object at the result's key, and the report."""

    result: Head | None = None
    report: Head | None = None


@dataclass(frozen=True)
class Store:
    """The sidecars, reports and test results in the output bucket.

    Methods repeat a write until it succeeds or time runs out, and raise Unavailable then; all raise
    what `Buckets` raises.
    """

    buckets: Buckets
    telemetry: Telemetry
    seconds_left: Callable[[], float]
    sleep: Callable[[float], None]

    def find(self, job: Job, key: str) -> Found:
        """What is there; `key` is the result's, or empty if it isn't known."""
        result = self.buckets.head(key) if key else None
        return Found(result, self.buckets.report(keys.report_key(job.key)))

    def retry(self, write: Callable[[], None]) -> None:
        """Attempt a write until it succeeds or time runs out."""
        retry.retry_write(write, self.seconds_left, self.sleep)

    def put_sidecar(self, job: Job, key: str, sidecar: Mapping[str, Any]) -> None:
        """Write a sidecar, after its result, so that it describes no result that isn't there."""
        at, about = keys.sidecar_key(key), metadata.of_sidecar(job)

        def put() -> None:
            if not self.buckets.put_document(at, sidecar, about, metadata.is_not_sidecar):
                self.telemetry.warn(f"{at} is not a sidecar of this program, so it stays as it is.")

        self.retry(put)

    def has_sidecar(self, job: Job, key: str) -> bool:
        """Whether a result has a sidecar, which must not describe the result before it."""
        sidecar = self._head_sidecar(key)
        return sidecar is not None and not metadata.is_of_other_source(sidecar.metadata, job)

    def repair_sidecar(self, job: Job, key: str, result: Head, settings: Settings) -> None:
        """Do what an attempt that was killed didn't come to after it stored a result."""
        if metadata.is_of_other_source(result.metadata, job):
            return
        made_from = metadata.upload_of(result.metadata, job)
        sidecar = self._head_sidecar(key)
        if sidecar and metadata.is_of_upload(sidecar.metadata, made_from):
            return
        if settings.flag("pipeline.sidecar") or sidecar:
            same = metadata.is_made_with(result.metadata, settings)
            form = settings.form if same else None
            document = documents.sidecar(made_from, form, key, result.metadata)
            self.put_sidecar(made_from, key, document)

    def _head_sidecar(self, key: str) -> Head | None:
        at = keys.sidecar_key(key)
        # With a longer key, S3 would refuse the request.
        return self.buckets.head(at) if len(at.encode()) <= keys.MAX_KEY_BYTES else None

    def remove_test_result(self, job: Job, suffix: str, before: Record, settings: Settings) -> None:
        """Remove a test result that a live one doesn't replace, because its suffix is another one.

        Args:
            job: The job.
            suffix: The suffix of the live result.
            before: The record of the lease when it was acquired.
            settings: The settings of the live result.
        """
        if settings.flag("test") or before.source != job.key or before.suffix in {"", suffix}:
            return
        key = keys.result_key(job.key, before.suffix, settings)

        def remove() -> None:
            if self.buckets.delete(key, keep=partial(metadata.is_not_test_of, job=job)):
                keep = partial(metadata.is_of_other_source, job=job)
                self.buckets.delete(keys.sidecar_key(key), keep)

        try:
            self.retry(remove)
        except AccessDenied:
            # The role may not delete results from a bucket that the stack didn't create.
            self.telemetry.warn(f"The test result {key} can't be removed; delete it yourself.")

    def write_report(self, job: Job, error: PixianS3Error, settings: Settings) -> None:
        """Write the error report of an upload, unless there is one of a newer upload.

        Raises:
            Blocked: A file of somebody else has the report's key.
        """
        report = documents.error_report(job, error, settings.form)
        about = metadata.of_report(job, final=not isinstance(error, Exhausted))
        key = keys.report_key(job.key)

        def keep(existing: Mapping[str, str]) -> bool:
            if not metadata.is_report(existing):
                raise Blocked(
                    f"{key} is not an error report of this program, so it stays. Rename it. "
                    "Waiting images are then processed automatically.",
                    for_all=False,
                )
            return metadata.is_newer_than(existing, job)

        def put() -> None:
            self.buckets.put_document(key, report, about, keep)

        self.retry(put)

    def remove_report(self, job: Job) -> None:
        """Remove the error report of this upload or of an older one."""

        def keep(existing: Mapping[str, str]) -> bool:
            return not metadata.is_report(existing) or metadata.is_newer_than(existing, job)

        def remove() -> None:
            self.buckets.delete(keys.report_key(job.key), keep)

        self.retry(remove)
