"""One image from its job to its ending."""

from collections.abc import Iterable
from contextlib import ExitStack, suppress

from pixian_s3 import retry
from pixian_s3.config.document import Settings
from pixian_s3.endings import give_up, reject, remove_report, try_later
from pixian_s3.errors import (
    AlreadyDone,
    Blocked,
    Claimed,
    Rejected,
    Skipped,
    Throttled,
    TryLater,
    Unavailable,
    UnreadableMessage,
)
from pixian_s3.images.prepare import choose_input, prepare
from pixian_s3.job import Job
from pixian_s3.output.result import finish, look, require_picture, result_key, store
from pixian_s3.purchase import paid_for, persist, purchase
from pixian_s3.services import Services
from pixian_s3.story import Outcome, Story


def process_all(jobs: Iterable[Job], services: Services) -> None:
    """Process each job; a crash in one doesn't keep the others from their turn.

    Raises:
        ExceptionGroup: of all crashes, for Lambda to see that the event isn't done.
    """
    crashes = []
    for job in jobs:
        try:
            with services.telemetry.telling_crashes(job.key):
                process(job, services)
        except Exception as crash:
            crashes.append(crash)
    if crashes:
        raise ExceptionGroup("Some images could not be brought to an end", crashes)


def process(job: Job, services: Services) -> None:
    """Bring one image to its ending, and tell its story."""
    story = Story(job)
    try:
        _make_cut_out_or_report(story, services)
    except Skipped as skipped:
        story.end(Outcome.SKIPPED, str(skipped))
    except TryLater as error:
        return _try_later_and_slow_down(story, error, services)
    return _tell(story, services)


def _try_later_and_slow_down(story: Story, error: TryLater, services: Services) -> None:
    asked = services.lane.failed(error, services.now())
    story.lane_wait_seconds = _within_the_invocation(asked, services)
    try:
        try_later(story, error, services)
        _tell(story, services)
    finally:
        # Last of all: neither the image nor its claim waits for the lane.
        if isinstance(error, Throttled) or (isinstance(error, Blocked) and error.for_all):
            services.pace_record.count_throttle()
        if asked:
            services.sleep(_within_the_invocation(asked, services))


def _within_the_invocation(seconds: float, services: Services) -> int:
    """A wait cut to the invocation's time; beyond it, Lambda would try the image again."""
    return int(max(0, min(seconds, services.seconds_left() - retry.RETURNING_SECONDS)))


def discard(body: str, message_id: str, error: UnreadableMessage, services: Services) -> None:
    """Leave a message that can't be read in the dead-letter queue, for a person to look at."""
    with services.telemetry.telling_crashes(f"message {message_id}"):
        services.retry_queue.discard(body)
    services.telemetry.unreadable(message_id, str(error))


def bury_all(jobs: Iterable[Job], services: Services) -> None:
    """Give up jobs whose every try crashed, each with a report, unless they have a result.

    Raises:
        Claimed: a call for one is under way at this moment.
    """
    for job in jobs:
        with services.telemetry.telling_crashes(job.key):
            _bury(job, services)


def _bury(job: Job, services: Services) -> None:
    story = Story(job)
    with suppress(Unavailable):
        _find_calls(story, services)
    if not _is_done(story, services):
        reason = (
            f"It was tried {retry.MAX_RECEIPTS} times, and each time the function crashed or "
            "was ended; its log says why."
        )
        give_up(story, reason, services)
    _tell(story, services)


def _is_done(story: Story, services: Services) -> bool:
    try:
        settings = _settings(story, services)
        look(result_key(settings.result_suffix, story, settings), story, settings, services)
    except Skipped as skipped:
        if isinstance(skipped, AlreadyDone):
            # What crashed may have been the removal of an earlier report.
            remove_report(story, services)
        story.end(Outcome.SKIPPED, str(skipped))
        return True
    except Exception:
        # Whatever crashed every try may do so here, and the image needs its report all the more.
        return False
    return False


def _tell(story: Story, services: Services) -> None:
    services.telemetry.tell(story)
    if story.uncounted_calls:
        services.calls.count(story.job, story.uncounted_calls, services.now())


def _make_cut_out_or_report(story: Story, services: Services) -> None:
    try:
        _require_file(story.job)
        if not retry.blocked_too_long(story.job, services.now()):
            services.lane.require_open(services.now())
        _find_calls(story, services)
        _make_cut_out(story, services)
    except Rejected as error:
        reject(story, error, services)


def _find_calls(story: Story, services: Services) -> None:
    """Account for the calls of earlier tries before anything can end the story."""
    notes = services.calls.look(story.job)
    if notes.in_flight(services.now()):
        raise Claimed("Another invocation is calling Pixian with this image, or was killed in it.")
    story.found_calls(notes.counted, notes.open)


def _make_cut_out(story: Story, services: Services) -> None:
    settings = _settings(story, services)
    key = result_key(settings.result_suffix, story, settings)
    try:
        look(key, story, settings, services)
        services.ledger.once(story.job, settings, lambda: _work(key, story, settings, services))
    except AlreadyDone:
        remove_report(story, services)
        raise
    if story.answered_call:
        services.calls.settle(story.job, story.answered_call)
    if story.outcome is None:
        remove_report(story, services)
        story.end(Outcome.PROCESSED)


def _require_file(job: Job) -> None:
    if job.key.endswith("/"):
        raise Skipped("It is a folder marker.")


def _settings(story: Story, services: Services) -> Settings:
    key = story.job.key
    _require_file(story.job)
    settings = services.configuration.current().settings_for(key)
    story.prefix, story.parameters = settings.prefix, settings.form
    if not settings.flag("pipeline.enabled"):
        raise Skipped("The configuration disables this prefix.")
    return settings


def _work(key: str, story: Story, settings: Settings, services: Services) -> None:
    storage = services.storage
    # Before anything is read that takes time: without credentials it would be in vain.
    services.lane.require_open(services.now())
    credentials = services.credentials.get()
    with ExitStack() as files:
        with_tags = settings.flag("pipeline.copy_tags")
        source = files.enter_context(storage.open_source(story.job, with_tags=with_tags))
        prepared = prepare(source.file, story, settings, files)
        image = choose_input(prepared, story, settings, storage)
        files.enter_context(services.reserved(key, story.job))
        # Preparing takes a while, and others may have come to their ends in it.
        _find_calls(story, services)
        look(key, story, settings, services)
        cut_out = files.enter_context(purchase(credentials, image, story, services))
        with paid_for(story, services):
            require_picture(cut_out)
            finished = finish(cut_out, prepared, story, settings, files)
            persist(lambda: store(finished, source, story, settings, services), services)
