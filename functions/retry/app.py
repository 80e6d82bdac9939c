"""Process images from the retry queue after their delay."""

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from pixian_s3.batch import CRASHED, process_all, send_unreadable
from pixian_s3.errors import UnreadableMessage
from pixian_s3.job import jobs_from_message
from pixian_s3.retry import MAX_RECEIPTS
from pixian_s3.wiring import processor

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


def handler(event: dict[str, Any], context: "LambdaContext") -> PartialItemFailureResponse:
    """Handle an SQS batch; messages whose processing crashed are reported as failed."""
    images = processor(context)

    def process_message(record: SQSRecord) -> None:
        receipts = int(record.attributes.approximate_receive_count or 1)
        try:
            jobs = jobs_from_message(record.body)
        except UnreadableMessage as error:
            return send_unreadable(record.body, record.message_id, error, images)
        return process_all(jobs, images, CRASHED if receipts > MAX_RECEIPTS else None)

    # A batch has one message, so each failure is one of the entire batch, which would raise.
    batch = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
    return process_partial_response(event, process_message, batch, context)
