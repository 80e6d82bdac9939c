"""What both functions do with the messages of an event: process the jobs, isolate failures."""

from collections.abc import Iterable

from pixian_s3 import retry
from pixian_s3.errors import UnreadableMessage
from pixian_s3.job import Job
from pixian_s3.process import Processor

CRASHED = (
    f"The function crashed or was stopped in each of {retry.MAX_RECEIPTS} attempts. See its log."
)


def process_all(jobs: Iterable[Job], processor: Processor, give_up: str | None = None) -> None:
    """Process every job, then raise what failed.

    Args:
        jobs: The jobs of one event.
        processor: The processor of this invocation.
        give_up: As in `Processor.process`.

    Raises:
        ExceptionGroup: All failures, so that Lambda delivers the event again.
    """
    failures = []
    for job in jobs:
        try:
            with processor.telemetry.logging_crashes(job.key):
                processor.process(job, give_up)
        except Exception as failure:
            failures.append(failure)
    if failures:
        raise ExceptionGroup("Some images could not be processed", failures)


def send_unreadable(
    body: str, message_id: str, error: UnreadableMessage, processor: Processor
) -> None:
    """Send a message that can't be read to the dead-letter queue."""
    with processor.telemetry.logging_crashes(f"message {message_id}"):
        processor.queues.send_unreadable(body)
    processor.telemetry.unreadable(message_id, str(error))
