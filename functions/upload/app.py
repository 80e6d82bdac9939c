"""Process images when they are uploaded to the input bucket."""

from typing import TYPE_CHECKING, Any

from pixian_s3.batch import process_all
from pixian_s3.job import jobs_from_s3_event
from pixian_s3.wiring import processor

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


def handler(event: dict[str, Any], context: "LambdaContext") -> None:
    """Handle an event of S3; after an exception, Lambda tries the whole event again."""
    process_all(jobs_from_s3_event(event), processor(context))
