"""Process images when they are uploaded to the input bucket."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from pixian_s3.batch import process_all
from pixian_s3.job import jobs_from_s3_event
from pixian_s3.wiring import processor


def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Handle an S3 notification; after an exception, Lambda tries the whole event again."""
    process_all(jobs_from_s3_event(event), processor(context))
