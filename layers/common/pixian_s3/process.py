"""One image from its job to its ending: a result, a report, or another try."""

import os
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO

from pixian_s3 import backoff, images, metadata, naming, report
from pixian_s3.appconfig import LiveConfiguration
from pixian_s3.configuration import Settings
from pixian_s3.credentials import Credentials, CredentialsSecret
from pixian_s3.errors import (
    AlreadyDone,
    Blocked,
    PixianS3Error,
    Rejected,
    Skipped,
    Throttled,
    TryLater,
    Unauthorized,
    Unavailable,
)
from pixian_s3.job import Job
from pixian_s3.ledger import Ledger
from pixian_s3.metadata import StoredObject, Verdict
from pixian_s3.pixian import CutOut, Pixian, Upload
from pixian_s3.retry_queue import RetryQueue
from pixian_s3.storage import Overtaken, Storage
from pixian_s3.story import Outcome, Story
from pixian_s3.telemetry import Telemetry

_MAX_RACES = 3


@dataclass(frozen=True)
class Services:
    """All that processing needs from outside; `now` is in seconds since the epoch."""

    configuration: LiveConfiguration
    credentials: CredentialsSecret
    ledger: Ledger
    pixian: Pixian
    retry_queue: RetryQueue
    storage: Storage
    telemetry: Telemetry
    now: Callable[[], float]


def process_all(jobs: Iterable[Job], services: Services) -> None:
    """Process each job; a crash in one doesn't keep the others from their turn.

    Raises:
        ExceptionGroup: of all crashes, for Lambda to see that the event isn't done.
    """
    crashes = []
    for job in jobs:
        try:
            process(job, services)
        except Exception as crash:
            crashes.append(crash)
    if crashes:
        raise ExceptionGroup("Some images could not be brought to an end", crashes)


def process(job: Job, services: Services) -> None:
    """Bring one image to its ending, and tell its story."""
    story = Story(job)
    try:
        _make_cut_out(story, services)
        story.end(Outcome.PROCESSED)
    except Skipped as skipped:
        story.end(Outcome.SKIPPED, str(skipped))
    except Rejected as error:
        _reject(story, error, services)
    except TryLater as error:
        _try_later(story, error, services)
    services.telemetry.tell(story)


def _make_cut_out(story: Story, services: Services) -> None:
    job = story.job
    settings = _settings(story, services)
    try:
        _look(naming.result_key(job.key, settings.result_suffix), story, settings, services)
        services.ledger.once(job, settings, lambda: _work(story, settings, services))
    except AlreadyDone:
        services.storage.delete_report(naming.report_key(job.key))
        raise
    services.storage.delete_report(naming.report_key(job.key))


def _settings(story: Story, services: Services) -> Settings:
    key = story.job.key
    if key.endswith("/"):
        raise Skipped("It is a folder marker.")
    settings = services.configuration.current().settings_for(key)
    story.prefix, story.parameters = settings.prefix, settings.form
    if not settings.enabled:
        raise Skipped("The configuration disables this prefix.")
    return settings


def _look(key: str, story: Story, settings: Settings, services: Services) -> StoredObject | None:
    """What a new result at this key would replace."""
    story.result_key = key
    existing = services.storage.look(key)
    match metadata.compare(existing, story.job, settings):
        case Verdict.DONE:
            raise AlreadyDone("Its result is there already.")
        case Verdict.STALE:
            raise Skipped("A newer upload of it has a result already.")
        case Verdict.COLLISION:
            raise Rejected(
                f"The result would overwrite {key}, which was not made from this file. "
                "Give one of the two files another name."
            )
        case Verdict.FREE:
            return existing


def _work(story: Story, settings: Settings, services: Services) -> None:
    with ExitStack() as files:
        source = files.enter_context(services.storage.open_source(story.job))
        upload = _inspect(source, story)
        cut_out = _call(upload, story, services, files)
        try:
            _store(cut_out, story, settings, services)
        except TryLater as error:
            # The credit is spent: whatever was in the way, this must not go on without bound.
            raise Unavailable(f"The result is lost: {error}", maybe_charged=True) from error


def _inspect(source: IO[bytes], story: Story) -> Upload:
    image = images.inspect(source)
    story.input_type = image.mime_type
    story.input_size = (image.width, image.height)
    story.input_bytes = source.seek(0, os.SEEK_END)
    source.seek(0)
    return Upload(source, naming.file_name(story.job.key), image.mime_type)


def _call(upload: Upload, story: Story, services: Services, files: ExitStack) -> CutOut:
    def call(credentials: Credentials) -> CutOut:
        upload.file.seek(0)
        answer = services.pixian.remove_background(credentials, upload, story.parameters)
        return files.enter_context(answer)

    try:
        cut_out = call(services.credentials.get())
    except Unauthorized:
        cut_out = call(services.credentials.get(fresh=True))
    story.headers = cut_out.headers
    story.pixian_seconds = cut_out.seconds
    story.result_bytes = cut_out.size
    return cut_out


def _store(cut_out: CutOut, story: Story, settings: Settings, services: Services) -> None:
    key = naming.result_key(story.job.key, cut_out.suffix)
    about = metadata.result_metadata(story.job, settings, cut_out.headers)
    for _ in range(_MAX_RACES):
        replaced = _look(key, story, settings, services)
        try:
            return services.storage.put_result(
                key, cut_out.file, cut_out.mime_type, about, replaced
            )
        except Overtaken:
            continue
    raise Unavailable(f"Others keep writing to {key}.")


def _reject(story: Story, error: Rejected, services: Services) -> None:
    story.status = error.status
    _report(story, error, services)
    story.end(Outcome.REJECTED, str(error))


def _try_later(story: Story, error: TryLater, services: Services) -> None:
    now = services.now()
    job, delay_seconds = backoff.after(error, story.job, now)
    story.status = error.status
    story.throttled = isinstance(error, Throttled)
    story.maybe_charged = isinstance(error, Unavailable) and error.maybe_charged
    if why := backoff.exhausted(job, now):
        return _give_up(story, f"{error} It is not tried again, because {why}.", services)
    services.retry_queue.send(job, delay_seconds)
    story.delay_seconds = delay_seconds
    return story.end(
        Outcome.BLOCKED if isinstance(error, Blocked) else Outcome.POSTPONED, str(error)
    )


def _give_up(story: Story, reason: str, services: Services) -> None:
    _report(story, PixianS3Error(reason), services)
    services.retry_queue.bury(story.job)
    story.end(Outcome.EXHAUSTED, reason)


def _report(story: Story, error: PixianS3Error, services: Services) -> None:
    services.storage.put_report(naming.report_key(story.job.key), report.error_report(story, error))
