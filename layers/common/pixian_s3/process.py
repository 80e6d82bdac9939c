"""Process one image, from its job to its outcome. Start reading at `Processor.process`."""

from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from tempfile import TemporaryFile
from typing import NamedTuple

from pixian_s3 import retry
from pixian_s3.attempt import Attempt, Outcome
from pixian_s3.aws.appconfig import LiveConfiguration
from pixian_s3.aws.lease import Lease, Leases, Record
from pixian_s3.aws.queues import Queues
from pixian_s3.aws.s3 import Buckets, Result
from pixian_s3.aws.secrets import Secret
from pixian_s3.aws.spending import ASSUMED_CREDITS, Reservation, Spending
from pixian_s3.aws.telemetry import Telemetry
from pixian_s3.aws.throttles import Throttles
from pixian_s3.config.document import NO_SETTINGS, Budget, Settings
from pixian_s3.errors import (
    AlreadyDone,
    BadRequest,
    Blocked,
    Conflict,
    Exhausted,
    NotFound,
    Paused,
    PixianS3Error,
    Rejected,
    RetryLater,
    Skipped,
    Unauthorized,
    Unavailable,
)
from pixian_s3.images.check import signs_of
from pixian_s3.images.prepare import Prepared, finish, prepare
from pixian_s3.job import Job
from pixian_s3.lane import Lane
from pixian_s3.output import documents, keys, metadata
from pixian_s3.pixian import inputs
from pixian_s3.pixian.client import Cutout, Pixian
from pixian_s3.pixian.credentials import Credentials
from pixian_s3.store import Found, Store


@dataclass(frozen=True)
class _Progress:
    """How far an attempt came.

    Attributes:
        settings: The settings of the key, or `NO_SETTINGS`.
        key, suffix: Those of the result.
        lease: None if it wasn't acquired.
        record: What the lease is to record.
        found: What was in the output bucket.
        reservation: What was reserved of the budget.
        prepared: The source; None if it wasn't read.
        open_call: Whether the call was noted in the lease, and its result isn't stored.
        cutout: Pixian's answer.
    """

    settings: Settings
    key: str
    suffix: str
    lease: Lease | None
    record: Record
    found: Found
    reservation: Reservation | None
    prepared: Prepared | None
    open_call: bool
    cutout: Cutout | None


class _End(NamedTuple):
    """How an attempt ended; `delay` is in seconds."""

    outcome: Outcome
    reason: str | None
    delay: int | None
    record: Record


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
        settings, key, suffix, record, open_call = NO_SETTINGS, "", "", Record(), False
        lease: Lease | None = None
        found = Found()
        reservation: Reservation | None = None
        prepared: Prepared | None = None
        cutout: Cutout | None = None
        error: PixianS3Error | None = None
        store = self._store
        with ExitStack() as files:
            try:
                # 1. Find the settings, unless it can't be an image or this lane is blocked.
                settings = self._settings(job, give_up)
                if not settings.flag("pipeline.enabled"):
                    raise Skipped("pipeline.enabled is false for this prefix.")
                self.require_no_loop(job, settings)
                if settings.flag("pipeline.paused"):
                    raise Paused("Processing is paused. `make resume` continues it.")
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
                found = store.find(job, key)
                if found.result and _is_doubtful(lease, settings):
                    store.repair_sidecar(job, key, found.result, settings)
                _require_new(job, key, found, record, settings)
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
                    store.remove_report(job)  # not later: nothing may fail after the call
                answer = files.enter_context(TemporaryFile())
                image = self._image(job, prepared, settings)
                record = self.leases.note(lease, replace(record, unknown=record.unknown + 1))
                open_call = True
                call = partial(self.pixian.remove_background, image, settings.form, answer)
                try:
                    cutout = call(credentials, self.seconds_left)
                except Unauthorized:
                    # The secret may have been rotated since it was cached.
                    cutout = call(self.secret.get(fresh=True), self.seconds_left)
                self.lane.succeeded()

                # 6. Store the result, even if its type is unexpected; then its sidecar.
                warn = self.telemetry.warn
                body = finish(cutout.file, cutout.mime_type, prepared, settings, files, warn)
                cutout = self._checked(cutout, key, settings).with_file(body)
                check = partial(metadata.require_replaceable, job=job, settings=settings)
                existing, suffix = found.result, cutout.suffix
                if (actual := keys.result_key(job.key, suffix, settings)) != key:
                    key, existing = actual, self.buckets.head(actual)
                    check(key, existing.metadata if existing else None)
                about = metadata.of_result(
                    job,
                    settings,
                    cutout.answer.headers,
                    source.metadata,
                    uploaded=prepared.source,
                    check=cutout.answer.check,
                )
                result = Result(key, cutout.file, cutout.mime_type, about, source.tags)
                store.retry(partial(self.buckets.put_result, result, existing, check))
                record, open_call = replace(record, unknown=record.unknown - 1), False
                if settings.flag("pipeline.sidecar") or (existing and store.has_sidecar(job, key)):
                    sidecar = documents.sidecar(
                        job, settings.form, key, about, prepared.source, cutout.answer, self.now()
                    )
                    store.put_sidecar(job, key, sidecar)
                store.remove_test_result(job, suffix, lease.record, settings)
            except PixianS3Error as raised:
                error = raised
            except Exception:
                if not give_up:
                    self._settle(reservation, cutout, settings, may_cost=open_call)
                    self.leases.release(lease, record)  # a noted call is reported next time
                    raise
                error = Exhausted(give_up)
        progress = _Progress(
            settings, key, suffix, lease, record, found, reservation, prepared, open_call, cutout
        )
        self._conclude(job, progress, error)

    def _conclude(self, job: Job, progress: _Progress, error: PixianS3Error | None) -> None:
        """Write the error report, retry or give up, log, and release the lease."""
        settings, cutout, record = progress.settings, progress.cutout, progress.record
        retryable: RetryLater | None = None
        pause = 0
        try:
            error = self._tidy(job, progress, error)
            retryable = error if isinstance(error, RetryLater) else None
            record, maybe_charged = _after(job, progress, error)
            self._settle(progress.reservation, cutout, settings, may_cost=maybe_charged)
            if cutout and isinstance(error, Blocked):
                self.lane.writable.discard(settings.prefix)
            pause = self.lane.failed(retryable, self.now()) if retryable else 0
            outcome, reason, delay, record = self._end(job, progress, record, error)
            attempt = Attempt(
                job,
                outcome,
                reason,
                prefix=settings.prefix,
                configuration=settings.version,
                parameters=settings.form,
                source=progress.prepared.source if progress.prepared else None,
                answer=cutout.answer if cutout else None,
                result_key=progress.key,
                status=getattr(error, "status", None),
                maybe_charged=maybe_charged,
                delay_seconds=delay,
                lane_wait_seconds=self._within_invocation(pause),
            )
            self.telemetry.log_attempt(attempt)
            record = replace(record, told=record.unknown)  # reported just now
        finally:
            # After a crash before the log line, the call is reported next time.
            self.leases.release(progress.lease, record)
            # This comes last, so that neither the image nor its lease waits for the lane.
            if self.lane.counts(retryable, self.now()):
                self.throttles.count()
            if pause:
                self.sleep(self._within_invocation(pause))

    @property
    def _store(self) -> Store:
        return Store(self.buckets, self.telemetry, self.seconds_left, self.sleep)

    def _settings(self, job: Job, give_up: str | None) -> Settings:
        if reason := keys.why_not_an_image(job.key):
            raise Skipped(reason)
        # A blocked lane doesn't try images, except those that are about to be given up.
        if not (give_up or retry.blocked_too_long(job, self.now())):
            self.lane.require_open(self.now())
        return self.configuration.current().settings_for(job.key)

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
                self._store.repair_sidecar(job, key, result, settings)
            if result and metadata.is_at_least_of_upload(result.metadata, job):
                return other
        return expected

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
        if record.unknown > record.gateway or settings.prefix not in self.lane.writable:
            self.buckets.check_writable(key)
            self.lane.writable.add(settings.prefix)

    def _image(self, job: Job, prepared: Prepared, settings: Settings) -> inputs.Image:
        wanted = settings.text("pipeline.input")
        if wanted == "url" and not prepared.converted and inputs.Url.fits(job.key):
            return inputs.Url(self.buckets.presign(job))
        if wanted == "base64" and inputs.Base64.fits(prepared.size):
            return inputs.Base64(prepared.file)
        return inputs.Upload(prepared.file, keys.file_name(job.key), prepared.info.mime_type)

    def _checked(self, cutout: Cutout, key: str, settings: Settings) -> Cutout:
        """Note signs of trouble. Nothing that fails here may lose a result that was paid for."""
        if not settings.flag("pipeline.check"):
            return cutout
        try:
            signs = signs_of(cutout.file, cutout.answer.headers, settings)
        except Exception as error:  # Pillow may raise anything
            self.telemetry.warn(f"{key} wasn't checked for signs of trouble: {error}")
            return cutout
        return cutout.with_check(",".join(signs) or "ok")

    def _tidy(
        self, job: Job, progress: _Progress, error: PixianS3Error | None
    ) -> PixianS3Error | None:
        """Bring the report and sidecar in line with the outcome; the error, or why this failed."""
        store, found = self._store, progress.found
        try:
            if isinstance(error, AlreadyDone):
                if found.result and metadata.is_of_upload(found.result.metadata, job):
                    store.repair_sidecar(job, progress.key, found.result, progress.settings)
                if lease := progress.lease:
                    store.remove_test_result(job, progress.suffix, lease.record, progress.settings)
                if found.report:
                    store.remove_report(job)
            elif isinstance(error, Rejected | NotFound):
                store.write_report(job, error, progress.settings)
        except RetryLater as failed:
            return failed
        return error

    def _within_invocation(self, seconds: float) -> int:
        return int(max(0, min(seconds, self.seconds_left() - retry.RETURNING_SECONDS)))

    def _end(
        self, job: Job, progress: _Progress, record: Record, error: PixianS3Error | None
    ) -> _End:
        """Requeue or give up, if the error says so."""
        match error:
            case None:
                return _End(Outcome.PROCESSED, None, None, record)
            case Skipped() | Conflict():
                return _End(Outcome.SKIPPED, str(error), None, record)
            case Rejected() | NotFound():
                return _End(Outcome.REJECTED, str(error), None, record)
            case RetryLater():
                next_job, _ = retry.after(error, job, self.now())
                calls = record.for_upload(job)
                why = retry.why_give_up(error, next_job, calls.unknown, calls.gateway, self.now())
                # Without the lease, it may be done already, or another invocation has it.
                if why is None or progress.lease is None:
                    return self._requeue(job, record, error)
                error = Exhausted(f"{error} This image isn't retried any more, because {why}.")
            case BadRequest():
                error = Exhausted(f"{error} This image isn't retried: S3 would refuse it again.")
        try:
            return self._give_up(job, progress, record, error)
        except RetryLater as failed:
            return self._requeue(job, record, failed)

    def _requeue(self, job: Job, record: Record, error: RetryLater) -> _End:
        next_job, delay = retry.after(error, job, self.now())
        self.queues.send(next_job, delay)
        match error:
            case Paused():
                outcome = Outcome.PAUSED
            case Blocked():
                outcome = Outcome.BLOCKED
            case _:
                outcome = Outcome.POSTPONED
        return _End(outcome, str(error), delay, record)

    def _give_up(self, job: Job, progress: _Progress, record: Record, error: PixianS3Error) -> _End:
        """Write an error report and send a dead letter, unless it has its result."""
        store, key, settings = self._store, progress.key, progress.settings
        try:
            with suppress(Rejected):
                _require_new(job, key, store.find(job, key), record, settings)
        except AlreadyDone:
            # The result was stored, although S3's answer was lost.
            store.remove_report(job)
            return _End(Outcome.PROCESSED, None, None, record)
        except Skipped as superseded:
            return _End(Outcome.SKIPPED, str(superseded), None, record)
        if not record.has_given_up(job):
            try:
                store.write_report(job, error, settings)
            except Blocked as denied:
                self.telemetry.warn(f"{job.key} has no error report: {denied}")
            if progress.lease:
                record = replace(record.for_upload(job), given_up=True)
                self.leases.note(progress.lease, record)
        self.queues.send_dead_letter(job.dead_letter(), str(error))
        return _End(Outcome.EXHAUSTED, str(error), None, record)


def _require_new(job: Job, key: str, found: Found, record: Record, settings: Settings) -> None:
    """Raise Skipped, AlreadyDone or Rejected, unless a result may be written to the key."""
    result = found.result.metadata if found.result else None
    report = found.report.metadata if found.report else {}
    if not (result and metadata.is_of_upload(result, job)):
        if record.is_newer_than(job) or metadata.is_newer_than(report, job):
            raise Skipped("A newer upload of this file takes precedence.")
        if metadata.is_final(report) and metadata.is_of_upload(report, job):
            raise Skipped("This upload was already rejected.")
    metadata.require_replaceable(key, result, job, settings)


def _after(job: Job, progress: _Progress, error: PixianS3Error | None) -> tuple[Record, bool]:
    """The record after an attempt, and whether its call may have cost a credit in vain."""
    record = progress.record
    if isinstance(error, AlreadyDone) and not record.is_newer_than(job):
        record = record.for_upload(job)
    if error is None or isinstance(error, AlreadyDone):
        record = record.mark_done(job, progress.suffix, progress.settings.digest)
    elif isinstance(error, Rejected | NotFound) or (progress.cutout and isinstance(error, Skipped)):
        record = record.mark_done(job)
    if not progress.open_call:
        return record, False
    # The call may have cost one if its answer arrived, or if the error says so.
    unstored = isinstance(error, RetryLater | BadRequest)
    if not (unstored and (progress.cutout or getattr(error, "maybe_charged", False))):
        return replace(record, unknown=record.unknown - 1), False
    by_gateway = isinstance(error, RetryLater) and error.status in retry.GATEWAY_STATUSES
    return replace(record, gateway=record.gateway + by_gateway), True


def _is_doubtful(lease: Lease, settings: Settings) -> bool:
    """Whether an earlier attempt may have left a result that isn't recorded, or has no sidecar."""
    record = lease.record
    unfinished = record.source != "" and not record.done
    return (
        lease.interrupted
        or record.unknown > record.gateway
        or (unfinished and settings.flag("pipeline.sidecar"))
    )
