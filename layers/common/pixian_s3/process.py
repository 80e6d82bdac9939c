"""One image from its job to its ending."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager

from pixian_s3 import backoff
from pixian_s3.configuration import Settings
from pixian_s3.credentials import Credentials
from pixian_s3.endings import give_up, reject, remove_report, try_later
from pixian_s3.errors import (
    AlreadyDone,
    Rejected,
    Skipped,
    TryLater,
    Unauthorized,
    Unavailable,
)
from pixian_s3.inputs import Image
from pixian_s3.job import Job
from pixian_s3.pixian import CutOut
from pixian_s3.result import finish, look, require_picture, result_key, store
from pixian_s3.services import Services
from pixian_s3.source import choose_input, prepare
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


def bury_all(jobs: Iterable[Job], services: Services) -> None:
    """Give up jobs whose every try crashed, each with a report, unless they have a result."""
    for job in jobs:
        story = Story(job)
        reason = (
            f"It was tried {backoff.MAX_RECEIPTS} times, and each time the function crashed or was "
            "ended; its log says why."
        )
        if not _is_done(story, services):
            give_up(story, job, reason, services)
        services.telemetry.tell(story)


def _is_done(story: Story, services: Services) -> bool:
    try:
        settings = _settings(story, services)
        look(result_key(settings.result_suffix, story, settings), story, settings, services)
    except Skipped as skipped:
        story.end(Outcome.SKIPPED, str(skipped))
        return True
    except Exception:
        # Whatever crashed every try may do so here, and the image needs its report all the more.
        return False
    return False


def process(job: Job, services: Services) -> None:
    """Bring one image to its ending, and tell its story."""
    story = Story(job)
    try:
        _make_cut_out_or_report(story, services)
    except Skipped as skipped:
        story.end(Outcome.SKIPPED, str(skipped))
    except TryLater as error:
        try_later(story, error, services)
    services.telemetry.tell(story)


def _make_cut_out_or_report(story: Story, services: Services) -> None:
    try:
        _make_cut_out(story, services)
    except Rejected as error:
        reject(story, error, services)


def _make_cut_out(story: Story, services: Services) -> None:
    settings = _settings(story, services)
    key = result_key(settings.result_suffix, story, settings)
    try:
        look(key, story, settings, services)
        services.ledger.once(story.job, settings, lambda: _work(key, story, settings, services))
    except AlreadyDone:
        remove_report(story, services)
        raise
    if story.outcome is None:
        remove_report(story, services)
        story.end(Outcome.PROCESSED)


def _settings(story: Story, services: Services) -> Settings:
    key = story.job.key
    if key.endswith("/"):
        raise Skipped("It is a folder marker.")
    settings = services.configuration.current().settings_for(key)
    story.prefix, story.parameters = settings.prefix, settings.form
    if not settings.flag("pipeline.enabled"):
        raise Skipped("The configuration disables this prefix.")
    return settings


def _work(key: str, story: Story, settings: Settings, services: Services) -> None:
    storage = services.storage
    with ExitStack() as files:
        with_tags = settings.flag("pipeline.copy_tags")
        source = files.enter_context(storage.open_source(story.job, with_tags=with_tags))
        prepared = prepare(source.file, story, settings, files)
        image = choose_input(prepared, story, settings, storage)
        services.ledger.reserve(key, story.job, services.now())
        with _call(image, story, settings, services) as cut_out, _bounded():
            try:
                require_picture(cut_out)
                finished = finish(cut_out, prepared, story, settings, files)
                _persist(lambda: store(finished, source, story, settings, services), services)
            except Rejected as refusal:
                # Reported here, so that the claim is kept: another call would cost again.
                reject(story, refusal, services)


@contextmanager
def _bounded() -> Iterator[None]:
    """The credit is spent: whatever gets in the way now must not go on without bound."""
    try:
        yield
    except Skipped:
        raise
    except Exception as error:
        raise Unavailable(f"The result is lost: {error}", maybe_charged=True) from error


def _persist(write: Callable[[], None], services: Services) -> None:
    """Store what was paid for, while it is in hand and there is time."""
    for pause in backoff.STORING_PAUSES_SECONDS:
        try:
            return write()
        except Unavailable:
            if services.seconds_left() < pause + backoff.STORING_SECONDS:
                raise
            services.sleep(pause)
    return write()


@contextmanager
def _call(image: Image, story: Story, settings: Settings, services: Services) -> Iterator[CutOut]:
    with ExitStack() as answers:
        noted = services.ledger.noted_call(story.job, settings, services.now())
        earlier = answers.enter_context(noted)
        story.tell_of_calls(earlier)
        if backoff.too_many_calls(story.job):
            raise Unavailable("No other call was made.")
        yield _answer(image, story, services, answers)


def _answer(image: Image, story: Story, services: Services, answers: ExitStack) -> CutOut:
    def call(credentials: Credentials) -> CutOut:
        answer = services.pixian.remove_background(
            credentials, image, story.parameters, services.seconds_left
        )
        return answers.enter_context(answer)

    try:
        cut_out = call(services.credentials.get())
    except Unauthorized:
        cut_out = call(services.credentials.get(fresh=True))
    story.headers = cut_out.headers
    story.pixian_seconds = cut_out.seconds
    story.result_bytes = cut_out.size
    return cut_out
