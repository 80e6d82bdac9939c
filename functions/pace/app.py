"""Sets once a minute how many images may be at Pixian at a time."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from pixian_s3.pacing import set_pace
from pixian_s3.wiring import pacing


def handler(event: dict[str, Any], context: LambdaContext) -> None:  # noqa: ARG001 - Lambda's own
    """A schedule's event, with nothing of use in it."""
    set_pace(pacing())
