"""The claim on an image: of several invocations with the same job, one does the work.

Powertools' idempotency on DynamoDB. A claim is held until the function's deadline, given back when
the work fails, and kept for as long as a message can live when it succeeds.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyAlreadyInProgressError,
    IdempotencyInconsistentStateError,
    IdempotencyPersistenceLayerError,
)
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import BotoCoreError, ClientError

from pixian_s3.config.document import Settings
from pixian_s3.errors import Claimed, Skipped, Unavailable
from pixian_s3.job import Job

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

VERSION = 1
"""Of the reservations that are written here; Powertools writes the claims."""

KEPT_SECONDS = 14 * 24 * 3600
"""SQS keeps a message no longer than 14 days."""


class _Work:
    """Work that remembers how it ended, whatever becomes of the record about it."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self.ran = False
        self.error: Exception | None = None

    def __call__(self) -> None:
        self.ran = True
        try:
            self._work()
        except Exception as error:
            self.error = error
            raise


class Ledger:
    """Claims in one DynamoDB table."""

    def __init__(self, dynamodb: "DynamoDBClient", table_name: str) -> None:
        self._dynamodb = dynamodb
        self._table_name = table_name
        self._table = DynamoDBPersistenceLayer(table_name, boto3_client=dynamodb)
        self._config = IdempotencyConfig(expires_after_seconds=KEPT_SECONDS)

    def register(self, context: LambdaContext) -> None:
        """Tell the claims of this invocation when it ends."""
        self._config.register_lambda_context(context)

    @contextmanager
    def reserved(self, result_key: str, job: Job, until: float, now: float) -> Iterator[None]:
        """Keep a result's key for one drop, as long as the context or, at most, its function lasts.

        Two files may have the same result key, and a file may be dropped twice; of those that come
        at the same moment none would see a result of the others yet.

        Args:
            result_key: in the output bucket.
            job: the drop.
            until: the function's deadline, in seconds since the epoch.
            now: likewise.

        Raises:
            Claimed: another drop has it. Who comes first is then seen by its result.
            Unavailable: the table can't be reached.
        """
        me = {":me": {"S": f"{job.key}#{job.drop}"}}
        key = {"id": {"S": f"result#{result_key}"}}
        try:
            self._dynamodb.put_item(
                TableName=self._table_name,
                Item={
                    **key,
                    "version": {"N": str(VERSION)},
                    "holder": me[":me"],
                    "expiration": {"N": str(math.ceil(until))},
                },
                ConditionExpression="attribute_not_exists(id) OR holder = :me OR expiration < :now",
                ExpressionAttributeValues={**me, ":now": {"N": str(int(now))}},
            )
        except self._dynamodb.exceptions.ConditionalCheckFailedException as error:
            raise Claimed(f"Another drop is being made into {result_key}.") from error
        except (ClientError, BotoCoreError) as error:
            raise _unusable(error) from error
        try:
            yield
        finally:
            # Where this fails, others wait until the deadline.
            with suppress(ClientError, BotoCoreError):
                self._dynamodb.delete_item(
                    TableName=self._table_name,
                    Key=key,
                    ConditionExpression="holder = :me",
                    ExpressionAttributeValues=me,
                )

    def once(self, job: Job, settings: Settings, work: Callable[[], None]) -> None:
        """Do the work unless it has been done.

        Raises:
            Skipped: it has, whatever its ending was.
            Claimed: another invocation is at it.
            Unavailable: the table can't be reached.
            Whatever the work raises.
        """
        attempt = _Work(work)

        @idempotent_function(  # type: ignore[untyped-decorator]
            data_keyword_argument="claim",
            persistence_store=self._table,
            config=self._config,
            key_prefix="image",
        )
        def claimed(*, claim: dict[str, str]) -> None:  # noqa: ARG001 - Powertools reads it
            attempt()

        try:
            claimed(claim=_claim(job, settings))
        except (IdempotencyAlreadyInProgressError, IdempotencyInconsistentStateError) as error:
            raise Claimed("Another invocation is processing this image.") from error
        except IdempotencyPersistenceLayerError as error:
            # Its record couldn't be written, but the work itself ended as it did.
            if attempt.error:
                raise attempt.error from error
            if not attempt.ran:
                raise _unusable(error) from error
        if not attempt.ran:
            raise Skipped("It was processed before.")


def _claim(job: Job, settings: Settings) -> dict[str, str]:
    return {
        "bucket": job.bucket,
        "key": job.key,
        "drop": job.drop,
        "parameters": settings.digest,
    }


def _unusable(error: Exception) -> Unavailable:
    return Unavailable(f"The claim table can't be used: {error}")
