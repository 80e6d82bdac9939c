"""Process one image, from its job to its outcome. Start reading at `Processor.process`."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from tempfile import TemporaryFile
from typing import Any

from pixian_s3 import retry
from pixian_s3.attempt import Attempt, Outcome
from pixian_s3.aws.appconfig import LiveConfiguration
from pixian_s3.aws.lease import Lease, Leases, Record
from pixian_s3.aws.queues import Queues
from pixian_s3.aws.s3 import Buckets, Head, Result
from pixian_s3.aws.secrets import Secret
from pixian_s3.aws.spending import ASSUMED_CREDITS, Reservation, Spending
from pixian_s3.aws.telemetry import Telemetry
from pixian_s3.aws.throttles import Throttles
from pixian_s3.config.document import NO_SETTINGS, Budget, Settings
from pixian_s3.errors import (
    AccessDenied,
    AlreadyDone,
    BadRequest,
    Blocked,
    Conflict,
    Exhausted,
    Held,
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
class _Found:
    """What the output bucket has about a source: the object at the result's key, and the report."""

    result: Head | None = None
    report: Head | None = None


_NOTHING = _Found()


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
    require_no_loop: Callable[[Job, Settings], None]
    lane: Lane
    throttles: Throttles
    spending: Spending
    now: Callable[[], float]
    seconds_left: Callable[[], float]
    sleep: Callable[[float], None]

    def process(self, job: Job, give_up: str | None = None) -> None:
        """Process one image to an outcome, and log and count the attempt.

        With `give_up`, give it up for that reason, unless it is done or another invocation has it.
        """
        settings, key, suffix, record, call_noted, pause = NO_SETTINGS, "", "", Record(), False, 0
        lease: Lease | None = None
        found = _NOTHING
        reservation: Reservation | None = None
        prepared: Prepared | None = None
        cutout: Cutout | None = None
        error: PixianS3Error | None = None
        with ExitStack() as files:
            try:
                # 1. Find the settings, unless it is a folder marker or this lane is blocked.
                settings = self._settings(job, give_up)
                if not settings.flag("pipeline.enabled"):
                    raise Skipped("pipeline.enabled is false for this prefix.")
                self.require_no_loop(job, settings)
                if settings.flag("pipeline.paused"):
                    raise Held("Processing is paused. `make resume` continues it.")
                key = keys.result_key(job.key, settings.result_suffix, settings)

                # 2. Acquire the lease. Report unreported calls before a write resets `told`.
                without_suffix = keys.result_key(job.key, "", settings)
                lease = self.leases.acquire(without_suffix, self.now(), self.seconds_left())
                record = lease.record
                self.telemetry.calls_cut_short(record.unreported, record.source)
                record = replace(record, told=record.unknown)

                # 3. Skip it if it is done or given up, or if a newer upload is known.
                if record.has_done(job):
                    raise Skipped("This upload was already processed or rejected.")
                # If the last attempt was killed, its dead letter may not have been sent.
                last = (record.source, record.upload, record.redrives)
                unsent = lease.interrupted and last == (job.key, job.upload_id, job.redrives)
                if (given_up := record.has_given_up(job)) and not unsent:
                    raise Skipped("This upload was given up. Redrive its dead letter instead.")
                suffix = self._suffix(job, lease, settings)
                key = keys.result_key(job.key, suffix, settings)
                found = self._found(job, key)
                if found.result and _is_doubtful(lease, settings):
                    self._repair_sidecar(job, key, found.result, settings)
                self._require_new(job, key, found, record, settings)
                # Not before: what is skipped or in conflict leaves the record of another alone.
                record = record.for_upload(job)
                if give_up or given_up:
                    raise Exhausted(give_up or "This upload was given up.")

                # 4. Get the credentials and the source; convert it if Pixian would refuse it.
                self.lane.require_open(self.now())
                credentials = self.secret.get()
                reservation = self._reserve(settings)
                self._require_writable(key, record, settings)
                file = files.enter_context(TemporaryFile())
                source = self.buckets.download(job, file, tags=settings.flag("pipeline.copy_tags"))
                metadata.require_source(source.metadata)
                prepared = prepare(file, settings, files)

                # 5. Remove an old report, note the call in the lease, then call Pixian.
                if retry.too_many_calls(record.unknown, record.gateway):
                    raise Unavailable("Pixian was not called again.")
                if found.report:
                    self._remove_report(job)  # not later: nothing may fail after the call
                answer = files.enter_context(TemporaryFile())
                image = self._image(job, prepared, settings)
                record = self.leases.note(lease, replace(record, unknown=record.unknown + 1))
                call_noted = True
                call = partial(self.pixian.remove_background, image, settings.form, answer)
                try:
                    cutout = call(credentials, self.seconds_left)
                except Unauthorized:
                    # The secret may have been rotated since it was cached.
                    cutout = call(self.secret.get(fresh=True), self.seconds_left)
                self.lane.succeeded()

                # 6. Store the result, even if its type is unexpected; then its sidecar.
                body = finish(cutout.file, cutout.mime_type, prepared, settings, files)
                cutout = cutout.with_file(body)
                check = partial(metadata.require_replaceable, job=job, settings=settings)
                existing, suffix = found.result, cutout.suffix
                if (actual := keys.result_key(job.key, suffix, settings)) != key:
                    key, existing = actual, self.buckets.head(actual)
                    check(key, existing.metadata if existing else None)
                about = metadata.of_result(job, settings, cutout.answer.headers, source.metadata)
                result = Result(key, cutout.file, cutout.mime_type, about, source.tags)
                self._retry_write(partial(self.buckets.put_result, result, existing, check))
                record, call_noted = replace(record, unknown=record.unknown - 1), False
                if settings.flag("pipeline.sidecar") or (existing and self._has_sidecar(job, key)):
                    sidecar = documents.sidecar(
                        job, settings.form, key, about, prepared.source, cutout.answer, self.now()
                    )
                    self._put_sidecar(job, key, sidecar)
                self._remove_test_result(job, suffix, lease.record, settings)
            except PixianS3Error as raised:
                error = raised
            except Exception:
                if not give_up:
                    self._settle(reservation, cutout, settings, may_cost=call_noted)
                    self.leases.release(lease, record)  # a noted call is reported next time
                    raise
                error = Exhausted(give_up)

        # Write the error report, retry or give up, log, and release the lease.
        retryable: RetryLater | None = None
        uncounted: Record | None = None
        try:
            try:
                if isinstance(error, AlreadyDone):
                    made = found.result and metadata.is_of_upload(found.result.metadata, job)
                    if found.result and made:
                        self._repair_sidecar(job, key, found.result, settings)
                    if lease:
                        self._remove_test_result(job, suffix, lease.record, settings)
                    if found.report:
                        self._retry_write(partial(self._remove_report, job))
                elif isinstance(error, Rejected | NotFound):
                    self._retry_write(partial(self._write_report, job, error, settings))
            except RetryLater as failed_write:
                error = failed_write
            retryable = error if isinstance(error, RetryLater) else None
            if isinstance(error, AlreadyDone) and not record.is_newer_than(job):
                record = record.for_upload(job)
            if error is None or isinstance(error, AlreadyDone):
                record = record.mark_done(job, suffix, settings.digest)
            elif isinstance(error, Rejected | NotFound) or (cutout and isinstance(error, Skipped)):
                record = record.mark_done(job)
            # A noted call may have been charged if its answer arrived, or if the error says so.
            unstored = call_noted and isinstance(error, RetryLater | BadRequest)
            maybe_charged = bool(unstored and (cutout or getattr(error, "maybe_charged", False)))
            gateway = retryable is not None and retryable.status in retry.GATEWAY_STATUSES
            if call_noted and not maybe_charged:
                record = replace(record, unknown=record.unknown - 1)
            uncounted = record
            if call_noted and maybe_charged and gateway:
                record = replace(record, unknown=record.unknown - 1, gateway=record.gateway + 1)
            self._settle(reservation, cutout, settings, may_cost=maybe_charged)
            if cutout and isinstance(error, Blocked):
                self.lane.writable.discard(settings.prefix)
            pause = self.lane.failed(retryable, self.now()) if retryable else 0
            outcome, reason, delay, record = self._end(job, error, key, settings, lease, record)
            attempt = Attempt(
                job,
                outcome,
                reason,
                prefix=settings.prefix,
                configuration=settings.version,
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
            uncounted = None
        finally:
            # After a crash before the log line, the call is reported next time.
            self.leases.release(lease, uncounted or record)
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

    def _found(self, job: Job, key: str) -> _Found:
        result = self.buckets.head(key) if key else None
        return _Found(result, self.buckets.report(keys.report_key(job.key)))

    def _suffix(self, job: Job, lease: Lease, settings: Settings) -> str:
        """The suffix under which this source has, or is expected to have, its result."""
        record = lease.record
        expected = record.suffix_for(job, settings.digest) or settings.result_suffix
        doubtful = _is_doubtful(lease, settings)
        if doubtful or record.source not in {"", job.key}:
            # The record may not know the result, and the format may have been changed since.
            other = ".jpg" if expected == ".png" else ".png"
            key = keys.result_key(job.key, other, settings)
            result = self.buckets.head(key)
            if result and doubtful:
                self._repair_sidecar(job, key, result, settings)
            if result and metadata.is_at_least_of_upload(result.metadata, job):
                return other
        return expected

    def _require_new(
        self, job: Job, key: str, found: _Found, record: Record, settings: Settings
    ) -> None:
        """Raise Skipped, AlreadyDone or Rejected, unless a result may be written to the key."""
        result = found.result.metadata if found.result else None
        report = found.report.metadata if found.report else {}
        if not (result and metadata.is_of_upload(result, job)):
            if record.is_newer_than(job) or metadata.is_newer_than(report, job):
                raise Skipped("A newer upload of this file takes precedence.")
            if metadata.is_final(report) and metadata.is_of_upload(report, job):
                raise Skipped("This upload was already rejected.")
        metadata.require_replaceable(key, result, job, settings)

    def _reserve(self, settings: Settings) -> Reservation | None:
        """Reserve the usual price of a call, if there is a budget; a test costs nothing."""
        if settings.budget == Budget() or settings.flag("test"):
            return None
        price = self.lane.prices.get(settings.prefix, Decimal(0))
        return self.spending.reserve(settings.budget, price, self.now())

    def _settle(
        self,
        reservation: Reservation | None,
        cutout: Cutout | None,
        settings: Settings,
        *,
        may_cost: bool,
    ) -> None:
        """Add what a call cost to the sums; if that isn't known, its usual price."""
        charged = cutout.answer.credits("Charged") if cutout else Decimal(0)
        if charged:
            self.lane.prices[settings.prefix] = charged
        elif reservation and (cutout or may_cost):
            # It may have cost something. If no price is known, the budget must not leak.
            charged = self.lane.prices.get(settings.prefix, ASSUMED_CREDITS)
        self.spending.settle(reservation, charged, self.now())

    def _require_writable(self, key: str, record: Record, settings: Settings) -> None:
        """Check that a result can be stored before it is paid for.

        Each lane checks it once for each prefix, and again after a call whose result is missing.
        """
        if record.unknown or settings.prefix not in self.lane.writable:
            self.buckets.check_writable(key)
            self.lane.writable.add(settings.prefix)

    def _image(self, job: Job, prepared: Prepared, settings: Settings) -> inputs.Image:
        wanted = settings.text("pipeline.input")
        if wanted == "url" and not prepared.converted and inputs.Url.fits(job.key):
            return inputs.Url(self.buckets.presign(job))
        if wanted == "base64" and inputs.Base64.fits(prepared.size):
            return inputs.Base64(prepared.file)
        return inputs.Upload(prepared.file, keys.file_name(job.key), prepared.info.mime_type)

    def _retry_write(self, write: Callable[[], None]) -> None:
        retry.retry_write(write, self.seconds_left, self.sleep)

    def _put_sidecar(self, job: Job, key: str, sidecar: Mapping[str, Any]) -> None:
        """Write a sidecar, after its result, so that it describes no result that isn't there."""
        at, about = keys.sidecar_key(key), metadata.of_sidecar(job)

        def put() -> None:
            if not self.buckets.put_document(at, sidecar, about, metadata.is_not_sidecar):
                self.telemetry.warn(f"{at} is not a sidecar of this program, so it stays as it is.")

        self._retry_write(put)

    def _has_sidecar(self, job: Job, key: str) -> bool:
        """Whether a result has a sidecar, which must not tell of the result before it."""
        sidecar = self.buckets.head(keys.sidecar_key(key))
        return sidecar is not None and not metadata.is_of_other_source(sidecar.metadata, job)

    def _remove_sidecar(self, job: Job, key: str) -> None:
        keep = partial(metadata.is_of_other_source, job=job)
        self.buckets.delete(keys.sidecar_key(key), keep)

    def _repair_sidecar(self, job: Job, key: str, result: Head, settings: Settings) -> None:
        """Do what an attempt that was killed didn't come to after it stored a result."""
        if metadata.is_of_other_source(result.metadata, job):
            return
        made_from = metadata.upload_of(result.metadata, job)
        sidecar = self.buckets.head(keys.sidecar_key(key))
        if sidecar and metadata.is_of_upload(sidecar.metadata, made_from):
            return
        if settings.flag("pipeline.sidecar") or sidecar:
            same = metadata.is_made_with(result.metadata, settings)
            form = settings.form if same else None
            document = documents.sidecar(made_from, form, key, result.metadata)
            self._put_sidecar(made_from, key, document)

    def _remove_test_result(
        self, job: Job, suffix: str, before: Record, settings: Settings
    ) -> None:
        """Remove a test result that isn't replaced, because its suffix is another one."""
        if settings.flag("test") or before.source != job.key or before.suffix in {"", suffix}:
            return
        key = keys.result_key(job.key, before.suffix, settings)

        def remove() -> None:
            if self.buckets.delete(key, keep=partial(metadata.is_not_test_of, job=job)):
                self._remove_sidecar(job, key)

        try:
            self._retry_write(remove)
        except AccessDenied:
            # The role may not delete results from a bucket that the stack didn't create.
            self.telemetry.warn(f"The test result {key} can't be removed; delete it yourself.")

    def _write_report(self, job: Job, error: PixianS3Error, settings: Settings) -> None:
        report = documents.error_report(job, error, settings.form)
        about = metadata.of_report(job, final=not isinstance(error, Exhausted))
        key = keys.report_key(job.key)

        def keep(existing: Mapping[str, str]) -> bool:
            if not metadata.is_report(existing):
                raise Blocked(
                    f"{key} is not an error report of this program, so it stays. Rename it.",
                    for_all=False,
                )
            return metadata.is_newer_than(existing, job)

        self.buckets.put_document(key, report, about, keep)

    def _remove_report(self, job: Job) -> None:
        def keep(existing: Mapping[str, str]) -> bool:
            return not metadata.is_report(existing) or metadata.is_newer_than(existing, job)

        self.buckets.delete(keys.report_key(job.key), keep)

    def _within_invocation(self, seconds: float) -> int:
        return int(max(0, min(seconds, self.seconds_left() - retry.RETURNING_SECONDS)))

    def _end(  # noqa: PLR0913, PLR0917 - the state of the attempt
        self,
        job: Job,
        error: PixianS3Error | None,
        key: str,
        settings: Settings,
        lease: Lease | None,
        record: Record,
    ) -> tuple[Outcome, str | None, int | None, Record]:
        """Requeue or give up, if the error says so; return outcome, reason, delay and record."""
        match error:
            case None:
                return Outcome.PROCESSED, None, None, record
            case Skipped() | Conflict():
                return Outcome.SKIPPED, str(error), None, record
            case Rejected() | NotFound():
                return Outcome.REJECTED, str(error), None, record
            case RetryLater():
                next_job, _ = retry.after(error, job, self.now())
                calls = record.for_upload(job)
                why = retry.why_give_up(error, next_job, calls.unknown, calls.gateway, self.now())
                # Without the lease, it may be done already, or another invocation has it.
                if why is None or lease is None:
                    return *self._requeue(job, error), record
                error = Exhausted(f"{error} This image isn't retried any more, because {why}.")
            case BadRequest():
                error = Exhausted(f"{error} This image isn't retried: S3 would refuse it again.")
        try:
            return self._give_up(job, error, key, settings, lease, record)
        except RetryLater as failed:
            return *self._requeue(job, failed), record

    def _requeue(self, job: Job, error: RetryLater) -> tuple[Outcome, str, int]:
        next_job, delay = retry.after(error, job, self.now())
        self.queues.send(next_job, delay)
        outcome = Outcome.BLOCKED if isinstance(error, Blocked) else Outcome.POSTPONED
        return outcome, str(error), delay

    def _give_up(  # noqa: PLR0913, PLR0917 - as `_end`
        self,
        job: Job,
        error: PixianS3Error,
        key: str,
        settings: Settings,
        lease: Lease | None,
        record: Record,
    ) -> tuple[Outcome, str | None, None, Record]:
        """Write an error report and send a dead letter, unless it has its result."""
        try:
            with suppress(Rejected):
                self._require_new(job, key, self._found(job, key), record, settings)
        except AlreadyDone:
            # The result was stored, although S3's answer was lost.
            self._retry_write(partial(self._remove_report, job))
            return Outcome.PROCESSED, None, None, record
        except Skipped as superseded:
            return Outcome.SKIPPED, str(superseded), None, record
        if not record.has_given_up(job):
            try:
                self._retry_write(partial(self._write_report, job, error, settings))
            except Blocked as denied:
                self.telemetry.warn(f"{job.key} has no error report: {denied}")
            if lease:
                record = replace(record.for_upload(job), given_up=True)
                self.leases.note(lease, record)
        self.queues.send_dead_letter(job.dead_letter())
        return Outcome.EXHAUSTED, str(error), None, record


def _is_doubtful(lease: Lease, settings: Settings) -> bool:
    """Whether an earlier attempt may have left a result that isn't recorded, or has no sidecar."""
    record = lease.record
    unfinished = record.source != "" and not record.done
    return (
        lease.interrupted
        or record.unknown > 0
        or (unfinished and settings.flag("pipeline.sidecar"))
    )
