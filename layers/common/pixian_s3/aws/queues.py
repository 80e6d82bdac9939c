"""The retry queue, where jobs wait for their next attempt, and its dead-letter queue."""

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from pixian_s3.job import Job

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class Queues:
    """The retry queue and its dead-letter queue.

    Args:
        new_client: creates the client when it is first needed: a processed image needs none.
        url: of the retry queue.
        dead_letter_url: of the dead-letter queue.
    """

    def __init__(
        self, new_client: Callable[[], "SQSClient"], url: str, dead_letter_url: str
    ) -> None:
        self._new_client = new_client
        self._url = url
        self._dead_letter_url = dead_letter_url

    @cached_property
    def _sqs(self) -> "SQSClient":
        return self._new_client()

    def send(self, job: Job, delay_seconds: int) -> None:
        """Send a job, to be received after 0 to 900 seconds."""
        self._sqs.send_message(
            QueueUrl=self._url, MessageBody=job.to_message(), DelaySeconds=delay_seconds
        )

    def backlog(self) -> int:
        """The messages that could be received now, as far as SQS knows; not those with a delay."""
        found = self._sqs.get_queue_attributes(
            QueueUrl=self._url, AttributeNames=["ApproximateNumberOfMessages"]
        )
        return int(found["Attributes"]["ApproximateNumberOfMessages"])

    def send_unreadable(self, body: str) -> None:
        """Send a message that can't be read to the dead-letter queue, as it came."""
        self._sqs.send_message(QueueUrl=self._dead_letter_url, MessageBody=body)

    def send_dead_letter(self, job: Job) -> None:
        """Send a job to the dead-letter queue; SQS's redrive returns it to the retry queue."""
        self.send_unreadable(job.to_message())
