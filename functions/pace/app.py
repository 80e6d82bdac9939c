"""Set the number of parallel calls to Pixian, once a minute."""

from typing import TYPE_CHECKING, Any

from pixian_s3.pacing import set_pace
from pixian_s3.wiring import pacing

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


def handler(event: dict[str, Any], context: "LambdaContext") -> None:  # noqa: ARG001 - Lambda's own
    """Handle an event of the schedule; its content isn't used."""
    set_pace(pacing())
