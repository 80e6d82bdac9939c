"""The queues: where jobs wait for their next try, and where those end that had too many."""

from typing import TYPE_CHECKING

from pixian_s3.job import Job

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class RetryQueue:
    """The retry queue and its dead-letter queue."""

    def __init__(self, sqs: "SQSClient", url: str, dead_letter_url: str) -> None:
        self._sqs = sqs
        self._url = url
        self._dead_letter_url = dead_letter_url

    def send(self, job: Job, delay_seconds: int) -> None:
        """Have the job come back after 0 to 900 seconds."""
        self._sqs.send_message(
            QueueUrl=self._url, MessageBody=job.to_message(), DelaySeconds=delay_seconds
        )

    def backlog(self) -> int:
        """The messages that could be received now, as far as SQS knows; not those with a delay."""
        found = self._sqs.get_queue_attributes(
            QueueUrl=self._url, AttributeNames=["ApproximateNumberOfMessages"]
        )
        return int(found["Attributes"]["ApproximateNumberOfMessages"])

    def discard(self, body: str) -> None:
        """Leave a message that can't be read in the dead-letter queue, as it came."""
        self._sqs.send_message(QueueUrl=self._dead_letter_url, MessageBody=body)

    def bury(self, job: Job) -> None:
        """Leave the job for a person; SQS's own redrive sends it round again as it is."""
        self.discard(job.to_message())
