"""What both functions do with an event or message: process its job."""

from collections.abc import Sequence

from pixian_s3 import retry
from pixian_s3.errors import UnreadableMessage
from pixian_s3.job import Job
from pixian_s3.process import Processor

CRASHED = (
    f"The function crashed or was stopped in each of {retry.MAX_RECEIPTS} attempts. See its log."
)


def process_all(jobs: Sequence[Job], processor: Processor, give_up: str | None = None) -> None:
    """Process the job of an event; of several, send each to the retry queue in its own message.

    So no job is tried again or given up because of another one. S3 sends one record per event.

    Args:
        jobs: The jobs of one event.
        processor: The processor of this invocation.
        give_up: As in `Processor.process`.
    """
    if len(jobs) > 1:
        for job in jobs:
            processor.queues.send(job, 0)
        return
    for job in jobs:
        with processor.telemetry.logging_crashes(job.key):
            processor.process(job, give_up)


def send_unreadable(
    body: str, message_id: str, error: UnreadableMessage, processor: Processor
) -> None:
    """Send a message that can't be read to the dead-letter queue."""
    with processor.telemetry.logging_crashes(f"message {message_id}"):
        processor.queues.send_unreadable(body)
    processor.telemetry.unreadable(message_id, str(error))
