"""How an image ends that has no result now: a report, another try, or a dead letter."""

from collections.abc import Callable

from pixian_s3 import retry
from pixian_s3.aws.s3 import Overtaken
from pixian_s3.errors import (
    Blocked,
    PixianS3Error,
    Rejected,
    Throttled,
    TryLater,
    Unavailable,
)
from pixian_s3.output import keys, metadata
from pixian_s3.output.metadata import StoredObject
from pixian_s3.output.report import error_report
from pixian_s3.services import Services
from pixian_s3.story import Outcome, Story

_MAX_RACES = 3


def reject(story: Story, error: Rejected, services: Services) -> None:
    """Write a report."""
    story.status = error.status
    _report(story, error, services)
    story.end(Outcome.REJECTED, str(error))


def try_later(story: Story, error: TryLater, services: Services) -> None:
    """Send the job to the retry queue, unless it had all its tries."""
    now = services.now()
    job, delay_seconds = retry.after(error, story.job, now)
    story.status = error.status
    story.throttled = isinstance(error, Throttled)
    if why := retry.exhausted(job, story.unknown_calls, now):
        return give_up(story, f"{error} It is not tried again, because {why}.", services)
    services.retry_queue.send(job, delay_seconds)
    story.delay_seconds = delay_seconds
    return story.end(
        Outcome.BLOCKED if isinstance(error, Blocked) else Outcome.POSTPONED, str(error)
    )


def remove_report(story: Story, services: Services) -> None:
    """Remove what an earlier try or an older file left; a newer file's report stays."""
    key = keys.report_key(story.job.key)

    def remove(existing: StoredObject | None) -> None:
        if existing:
            services.storage.delete_report(key, existing)

    _change_report(key, story, services, remove)


def give_up(story: Story, reason: str, services: Services) -> None:
    """Write a report and leave the job in the dead-letter queue, with all its tries before it.

    Unless it has its result: storing may have worked although its answer was lost.
    """
    if _has_result(story, services):
        remove_report(story, services)
        story.end(Outcome.PROCESSED)
        return
    _report(story, PixianS3Error(reason), services)
    services.retry_queue.bury(story.job.afresh(story.unknown_calls))
    story.end(Outcome.EXHAUSTED, reason)


def _report(story: Story, error: PixianS3Error, services: Services) -> None:
    key = keys.report_key(story.job.key)
    report, about = error_report(story, error), metadata.event(story.job)

    def write(existing: StoredObject | None) -> None:
        services.storage.put_report(key, report, about, existing)

    _change_report(key, story, services, write)
    # Looked at last: whoever stores a result looks for a report after that.
    result = _result(story, services)
    if result and result.is_newer_than(story.job):
        remove_report(story, services)


def _has_result(story: Story, services: Services) -> bool:
    """Whether this very drop has one."""
    result = _result(story, services)
    return result is not None and result.drop() == metadata.event(story.job)


def _result(story: Story, services: Services) -> StoredObject | None:
    """What was made from this key, of whichever drop."""
    existing = services.storage.look(story.result_key) if story.result_key else None
    ours = existing and existing.metadata.get(metadata.SOURCE_KEY)
    return existing if ours == metadata.encoded_key(story.job.key) else None


def _change_report(
    key: str, story: Story, services: Services, change: Callable[[StoredObject | None], None]
) -> None:
    """Change the report at a key as it is found there, unless it is about a newer drop."""
    for _ in range(_MAX_RACES):
        existing = services.storage.look(key)
        if existing and existing.is_newer_than(story.job):
            return None
        try:
            return change(existing)
        except Overtaken:
            continue
    raise Unavailable(f"Others keep writing to {key}.")
