"""Process one image, from its job to its outcome. Start reading at `Processor.process`."""

from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from tempfile import TemporaryFile

from pixian_s3 import retry
from pixian_s3.attempt import Attempt, Outcome
from pixian_s3.aws.appconfig import LiveConfiguration
from pixian_s3.aws.lease import Lease, Leases, Record
from pixian_s3.aws.queues import Queues
from pixian_s3.aws.s3 import Buckets, Head, Result
from pixian_s3.aws.secrets import Secret
from pixian_s3.aws.telemetry import Telemetry
from pixian_s3.aws.throttles import Throttles
from pixian_s3.config.document import NO_SETTINGS, Settings
from pixian_s3.errors import (
    AlreadyDone,
    Blocked,
    Conflict,
    Exhausted,
    InProgress,
    NotFound,
    PixianS3Error,
    Rejected,
    RetryLater,
    Skipped,
    Unauthorized,
    Unavailable,
)
from pixian_s3.images.prepare import Prepared, finish, prepare
from pixian_s3.job import Job
from pixian_s3.lane import Lane
from pixian_s3.output import documents, keys, metadata
from pixian_s3.pixian import inputs
from pixian_s3.pixian.client import Cutout, Pixian
from pixian_s3.pixian.credentials import Credentials


@dataclass(frozen=True)
class Processor:
    """The dependencies of `process`, built in `wiring`; `now` returns seconds since the epoch."""

    configuration: LiveConfiguration
    leases: Leases
    buckets: Buckets
    secret: Secret[Credentials]
    pixian: Pixian
    queues: Queues
    telemetry: Telemetry
    lane: Lane
    throttles: Throttles
    now: Callable[[], float]
    seconds_left: Callable[[], float]
    sleep: Callable[[float], None]

    def process(self, job: Job, give_up: str | None = None) -> None:
        """Process one image to an outcome, and log and count the attempt.

        With `give_up`, give it up for that reason, unless it is done or another invocation has it.
        """
        settings, key, record, call_noted, pause = NO_SETTINGS, "", Record(), False, 0
        lease: Lease | None = None
        prepared: Prepared | None = None
        cutout: Cutout | None = None
        error: PixianS3Error | None = None
        with ExitStack() as files:
            try:
                # 1. Find the settings, unless it is a folder marker or this lane is blocked.
                settings = self._settings(job, give_up)
                if not settings.flag("pipeline.enabled"):
                    raise Skipped("pipeline.enabled is false for this prefix.")
                key = keys.result_key(job.key, settings.result_suffix, settings)

                # 2. Acquire the lease. Report unreported calls before a write resets `told`.
                lease = self.leases.acquire(key, self.now(), self.seconds_left())
                record = lease.record
                self.telemetry.calls_cut_short(record.unreported, record.source)
                record = replace(record, told=record.unknown)

                # 3. Skip it if a newer upload, its result or its rejection is known.
                if record.is_newer_than(job):
                    raise Skipped("A newer upload of this file takes precedence.")
                existing = self._replaceable(key, job, settings)
                if record.has_done(job, settings.digest):
                    raise Skipped("This upload was already processed or rejected.")
                record = record.for_upload(job, settings.digest)
                if give_up:
                    raise Exhausted(give_up)

                # 4. Get the credentials and the source; convert it if Pixian would refuse it.
                self.lane.require_open(self.now())
                credentials = self.secret.get()
                file = files.enter_context(TemporaryFile())
                source = self.buckets.download(job, file, tags=settings.flag("pipeline.copy_tags"))
                prepared = prepare(file, settings, files)

                # 5. Note the call in the lease, then call Pixian.
                if retry.too_many_calls(job, record.unknown):
                    raise Unavailable("Pixian was not called again.")
                answer = files.enter_context(TemporaryFile())
                image = self._image(job, prepared, settings)
                record, call_noted = self.leases.note_call(lease, record), True
                call = partial(self.pixian.remove_background, image, settings.form, answer)
                try:
                    cutout = call(credentials, self.seconds_left)
                except Unauthorized:
                    # The secret may have been rotated since it was cached.
                    cutout = call(self.secret.get(fresh=True), self.seconds_left)
                self.lane.succeeded()

                # 6. Store the result; if its type is unexpected, under a key that isn't leased.
                body = finish(cutout.file, cutout.mime_type, prepared, settings, files)
                cutout = cutout.with_file(body)
                if (actual := keys.result_key(job.key, cutout.suffix, settings)) != key:
                    existing = self._replaceable(key := actual, job, settings)
                about = metadata.of_result(job, settings, cutout.answer.headers, source.metadata)
                sidecar = documents.sidecar(
                    job, settings, prepared.source, key, cutout.answer, self.now()
                )
                result = Result(key, cutout.file, cutout.mime_type, about, source.tags, sidecar)
                check = partial(metadata.require_replaceable, job=job, settings=settings)
                self._retry_write(partial(self.buckets.put_result, result, existing, check))
                record, call_noted = replace(record, unknown=record.unknown - 1), False
            except PixianS3Error as raised:
                error = raised
            except Exception:
                if not give_up:
                    self.leases.release(lease, record)  # a noted call is reported next time
                    raise
                error = Exhausted(give_up)

        # Write or remove the error report, retry or give up, log, and release the lease.
        retryable: RetryLater | None = None
        try:
            if give_up and isinstance(error, RetryLater):
                if isinstance(error, InProgress):
                    raise error
                error = Exhausted(give_up)
            try:
                if error is None or isinstance(error, AlreadyDone):
                    self._retry_write(partial(self._remove_report, job))
                elif isinstance(error, Rejected | NotFound):
                    self._retry_write(partial(self._write_report, job, error, settings))
            except RetryLater as failed_write:
                error = failed_write
            retryable = error if isinstance(error, RetryLater) else None
            if isinstance(error, AlreadyDone):
                record = record.for_upload(job, settings.digest)
            if not retryable and (cutout or isinstance(error, AlreadyDone | Rejected | NotFound)):
                record = record.mark_done(job)
            # A call to retry may have been charged if its answer arrived, or if the error says so.
            maybe_charged = bool(call_noted and retryable and (cutout or retryable.maybe_charged))
            if call_noted and not maybe_charged:
                record = replace(record, unknown=record.unknown - 1)
            pause = self.lane.failed(retryable, self.now()) if retryable else 0
            unknown = record.for_upload(job, settings.digest).unknown
            outcome, reason, delay = self._end(job, error, key, settings, unknown)
            attempt = Attempt(
                job,
                outcome,
                reason,
                prefix=settings.prefix,
                parameters=settings.form,
                input=prepared.source if prepared else None,
                answer=cutout.answer if cutout else None,
                result_key=key,
                status=getattr(error, "status", None),
                maybe_charged=maybe_charged,
                delay_seconds=delay,
                lane_wait_seconds=self._within_invocation(pause),
            )
            self.telemetry.log_attempt(attempt)
            record = replace(record, told=record.unknown)  # reported just now
        finally:
            self.leases.release(lease, record)
            # This comes last, so that neither the image nor its lease waits for the lane.
            if self.lane.counts(retryable, self.now()):
                self.throttles.count()
            if pause:
                self.sleep(self._within_invocation(pause))

    def _settings(self, job: Job, give_up: str | None) -> Settings:
        if job.key.endswith("/"):
            raise Skipped("The key is a folder marker.")
        # A blocked lane doesn't try images, except those that are about to be given up.
        if not (give_up or retry.blocked_too_long(job, self.now())):
            self.lane.require_open(self.now())
        return self.configuration.current().settings_for(job.key)

    def _replaceable(self, key: str, job: Job, settings: Settings) -> Head | None:
        existing = self.buckets.head(key) if key else None
        metadata.require_replaceable(key, existing.metadata if existing else None, job, settings)
        return existing

    def _image(self, job: Job, prepared: Prepared, settings: Settings) -> inputs.Image:
        wanted = settings.text("pipeline.input")
        if wanted == "url" and not prepared.converted:
            return inputs.Url(self.buckets.presign(job))
        if wanted == "base64" and inputs.Base64.fits(prepared.size):
            return inputs.Base64(prepared.file)
        return inputs.Upload(prepared.file, keys.file_name(job.key), prepared.info.mime_type)

    def _retry_write(self, write: Callable[[], None]) -> None:
        retry.retry_write(write, self.seconds_left, self.sleep)

    def _write_report(self, job: Job, error: PixianS3Error, settings: Settings) -> None:
        report = documents.error_report(job, error, settings.form)
        newer = partial(metadata.is_newer_than, job=job)
        self.buckets.put_report(keys.report_key(job.key), report, metadata.of_report(job), newer)

    def _remove_report(self, job: Job) -> None:
        newer = partial(metadata.is_newer_than, job=job)
        self.buckets.delete_report(keys.report_key(job.key), newer)

    def _within_invocation(self, seconds: float) -> int:
        return int(max(0, min(seconds, self.seconds_left() - retry.RETURNING_SECONDS)))

    def _end(
        self, job: Job, error: PixianS3Error | None, key: str, settings: Settings, unknown: int
    ) -> tuple[Outcome, str | None, int | None]:
        """Requeue or give up, if the error says so; return outcome, reason and delay in seconds."""
        match error:
            case None:
                return Outcome.PROCESSED, None, None
            case Skipped() | Conflict() | Rejected() | NotFound():
                skipped = isinstance(error, Skipped | Conflict)
                return Outcome.SKIPPED if skipped else Outcome.REJECTED, str(error), None
            case RetryLater():
                next_job, delay = retry.after(error, job, self.now())
                why = retry.why_give_up(error, next_job, unknown, self.now())
                if why is None:
                    self.queues.send(next_job, delay)
                    outcome = Outcome.BLOCKED if isinstance(error, Blocked) else Outcome.POSTPONED
                    return outcome, str(error), delay
                error = Exhausted(f"{error} This image isn't retried any more, because {why}.")
        try:
            with suppress(Rejected):
                self._replaceable(key, job, settings)
        except AlreadyDone:
            # The result was stored, although S3's answer was lost.
            self._retry_write(partial(self._remove_report, job))
            return Outcome.PROCESSED, None, None
        except Skipped as superseded:
            return Outcome.SKIPPED, str(superseded), None
        self._retry_write(partial(self._write_report, job, error, settings))
        self.queues.send_dead_letter(job.reset_for_redrive(unknown))
        return Outcome.EXHAUSTED, str(error), None
