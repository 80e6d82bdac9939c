"""The retry queue, where jobs wait for their next attempt, and the dead-letter queue."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from pixian_s3.job import Job

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


@dataclass(frozen=True)
class Depth:
    """SQS's estimates of the messages in a queue.

    Attributes:
        visible: Messages that could be received now.
        delayed: Messages that wait for their delay to pass.
        in_flight: Messages that were received and not yet deleted.
    """

    visible: int
    delayed: int
    in_flight: int

    @property
    def total(self) -> int:
        """All messages."""
        return self.visible + self.delayed + self.in_flight


def depth_of(sqs: "SQSClient", url: str) -> Depth:
    """How many messages a queue has.

    Raises:
        ClientError, BotoCoreError: SQS refused to say or is unavailable.
    """
    found = sqs.get_queue_attributes(
        QueueUrl=url,
        AttributeNames=[
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesDelayed",
            "ApproximateNumberOfMessagesNotVisible",
        ],
    )["Attributes"]
    return Depth(
        visible=int(found["ApproximateNumberOfMessages"]),
        delayed=int(found["ApproximateNumberOfMessagesDelayed"]),
        in_flight=int(found["ApproximateNumberOfMessagesNotVisible"]),
    )


class Queues:
    """The retry queue and the dead-letter queue.

    Args:
        new_client: Creates the client when it is first needed. A processed image needs none.
        url: The URL of the retry queue.
        dead_letter_url: The URL of the dead-letter queue.
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
        """Send a job to the retry queue with a delay of 0 to 900 seconds."""
        self._sqs.send_message(
            QueueUrl=self._url, MessageBody=job.to_message(), DelaySeconds=delay_seconds
        )

    def depth(self) -> Depth:
        """How many messages the retry queue has."""
        return depth_of(self._sqs, self._url)

    def send_unreadable(self, body: str) -> None:
        """Send a message that can't be read to the dead-letter queue, unchanged."""
        self._sqs.send_message(QueueUrl=self._dead_letter_url, MessageBody=body)

    def send_dead_letter(self, job: Job, reason: str) -> None:
        """Send a job to the dead-letter queue; a redrive returns it to the retry queue.

        Args:
            job: The job, with its attempts available again.
            reason: Why the image was given up, for the person who redrives it.
        """
        self.send_unreadable(job.to_message(reason))
