"""One call that may cost a credit: noted before it is made, its answer kept whatever happens."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from pixian_s3 import retry
from pixian_s3.endings import reject
from pixian_s3.errors import (
    Blocked,
    PixianS3Error,
    Rejected,
    Skipped,
    Unauthorized,
    Unavailable,
)
from pixian_s3.pixian.client import CutOut
from pixian_s3.pixian.credentials import Credentials
from pixian_s3.pixian.inputs import Image
from pixian_s3.services import Services
from pixian_s3.story import Outcome, Story


@contextmanager
def purchase(
    credentials: Credentials, image: Image, story: Story, services: Services
) -> Iterator[CutOut]:
    """Have Pixian cut out an image; the answer is there as long as the context lasts.

    Refused credentials are read again once, as they may have been changed since.

    Raises:
        Unavailable: no call may be made any more, or see `errors` for what a call may raise.
    """
    if retry.too_many_calls(story.job, story.unknown_calls):
        raise Unavailable("No other call was made.")
    with ExitStack() as answers:
        try:
            cut_out = answers.enter_context(_noted(credentials, image, story, services))
        except Unauthorized:
            credentials = services.credentials.get(fresh=True)
            cut_out = answers.enter_context(_noted(credentials, image, story, services))
        services.lane.succeeded()
        story.headers = cut_out.headers
        story.pixian_seconds = cut_out.seconds
        story.result_bytes = cut_out.size
        yield cut_out


@contextmanager
def _noted(
    credentials: Credentials, image: Image, story: Story, services: Services
) -> Iterator[CutOut]:
    """A call with a note of it, which stays where the outcome is unknown."""
    note = services.calls.begin(story.job, services.deadline(), services.now())
    try:
        with services.pixian.remove_background(
            credentials, image, story.parameters, services.seconds_left
        ) as cut_out:
            yield cut_out
    except PixianS3Error as error:
        if error.maybe_charged:
            story.uncounted_calls.add(note)
        else:
            services.calls.settle(story.job, note)
        raise
    # Settled when the claim says for good that nothing is left to be done.
    story.answered_call = note


@contextmanager
def paid_for(story: Story, services: Services) -> Iterator[None]:
    """Bring what was paid for to its ending in here, so that it isn't paid for again.

    Raises:
        Unavailable, Blocked: with `maybe_charged`, if nothing can be kept of it.
    """
    try:
        with _ending(story, services):
            yield
    except Blocked as error:
        error.maybe_charged = True
        raise
    except PixianS3Error as error:
        raise Unavailable(f"Nothing was stored: {error}", maybe_charged=True) from error
    except Exception as error:
        services.telemetry.crashed(story.job.key)
        raise Unavailable(f"Nothing was stored: {error!r}", maybe_charged=True) from error


@contextmanager
def _ending(story: Story, services: Services) -> Iterator[None]:
    try:
        yield
    except Skipped as skipped:
        story.end(Outcome.SKIPPED, str(skipped))
    except Rejected as error:
        refusal = error
        persist(lambda: reject(story, refusal, services), services)


def persist(write: Callable[[], None], services: Services) -> None:
    """Repeat a write while what it writes is in hand and there is time."""
    for pause in retry.STORING_PAUSES_SECONDS:
        try:
            return write()
        except Unavailable:
            if services.seconds_left() < pause + retry.STORING_SECONDS:
                raise
            services.sleep(pause)
    return write()
