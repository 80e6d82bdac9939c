"""How an image ends that has no result now: a report, another try, or a dead letter."""

from pixian_s3 import backoff, metadata, naming
from pixian_s3.errors import (
    Blocked,
    PixianS3Error,
    Rejected,
    Throttled,
    TryLater,
)
from pixian_s3.job import Job
from pixian_s3.report import error_report
from pixian_s3.services import Services
from pixian_s3.story import Outcome, Story


def reject(story: Story, error: Rejected, services: Services) -> None:
    """Write a report."""
    story.status = error.status
    _report(story, error, services)
    story.end(Outcome.REJECTED, str(error))


def try_later(story: Story, error: TryLater, services: Services) -> None:
    """Send the job to the retry queue, unless it had all its tries."""
    now = services.now()
    job, delay_seconds = backoff.after(error, story.job, now)
    story.status = error.status
    story.throttled = isinstance(error, Throttled)
    story.maybe_charged += error.maybe_charged
    if why := backoff.exhausted(job, now):
        return give_up(story, job, f"{error} It is not tried again, because {why}.", services)
    services.retry_queue.send(job, delay_seconds)
    story.delay_seconds = delay_seconds
    return story.end(
        Outcome.BLOCKED if isinstance(error, Blocked) else Outcome.POSTPONED, str(error)
    )


def remove_report(story: Story, services: Services) -> None:
    """Remove what an earlier try or an older file left; a newer file's report stays."""
    key = naming.report_key(story.job.key)
    existing = services.storage.look(key)
    if existing and not existing.is_newer_than(story.job):
        services.storage.delete(key)


def give_up(story: Story, job: Job, reason: str, services: Services) -> None:
    """Write a report and leave the job, as it became, in the dead-letter queue."""
    _report(story, PixianS3Error(reason), services)
    services.retry_queue.bury(job)
    story.end(Outcome.EXHAUSTED, reason)


def _report(story: Story, error: PixianS3Error, services: Services) -> None:
    key = naming.report_key(story.job.key)
    existing = services.storage.look(key)
    if not (existing and existing.is_newer_than(story.job)):
        about = metadata.event(story.job)
        services.storage.put_json(key, error_report(story, error), about)
