"""Process the jobs of one event: a crash is logged, and the other jobs are still processed."""

from collections.abc import Iterable

from pixian_s3 import retry
from pixian_s3.errors import UnreadableMessage
from pixian_s3.job import Job
from pixian_s3.process import Processor

CRASHED = (
    f"The function crashed or was stopped in each of {retry.MAX_RECEIPTS} attempts. See its log."
)


def process_all(jobs: Iterable[Job], processor: Processor, exhausted: str | None = None) -> None:
    """Process each job, even if another one crashes.

    Args:
        jobs: The jobs of one event.
        processor: The processor of this invocation.
        exhausted: As in `Processor.process`.

    Raises:
        ExceptionGroup: All crashes, so that Lambda delivers the event again.
    """
    crashes = []
    for job in jobs:
        try:
            with processor.telemetry.logging_crashes(job.key):
                processor.process(job, exhausted)
        except Exception as crash:
            crashes.append(crash)
    if crashes:
        raise ExceptionGroup("Some images could not be processed", crashes)


def discard(body: str, message_id: str, error: UnreadableMessage, processor: Processor) -> None:
    """Send a message that can't be read to the dead-letter queue."""
    with processor.telemetry.logging_crashes(f"message {message_id}"):
        processor.queues.send_unreadable(body)
    processor.telemetry.unreadable(message_id, str(error))
