"""The number of throttles so far, which lanes count in the pace's item in the lease table.

Apart from `pace_record.py`, so that the functions that process images start without the pace.
"""

from contextlib import suppress
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ID = "pace"


class Throttles:
    """The counter; PaceFunction reads it with the rest of the item (`aws/pace_record.py`)."""

    def __init__(self, dynamodb: "DynamoDBClient", table_name: str) -> None:
        self._dynamodb = dynamodb
        self._table_name = table_name

    def count(self) -> None:
        """Count a 429 answer, or a lane that found all images blocked.

        A failure to count is ignored: the pace may rise too early, but the throttled lane waits.
        """
        with suppress(ClientError, BotoCoreError):
            self._dynamodb.update_item(
                TableName=self._table_name,
                Key={"id": {"S": ID}},
                UpdateExpression="ADD throttles :one",
                ExpressionAttributeValues={":one": {"N": "1"}},
            )
