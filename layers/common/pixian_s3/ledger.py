"""The claim on an image: of several invocations with the same job, one does the work.

Powertools' idempotency on DynamoDB. A claim is held until the function's deadline, given back when
the work fails, and kept for as long as a message can live when it succeeds.

In the same table stands a note of each call that is made, for whoever comes after a process that
did not live to tell what became of it.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

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

from pixian_s3.configuration import Settings
from pixian_s3.errors import Claimed, PixianS3Error, Skipped, Unavailable
from pixian_s3.job import Job

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

KEPT_SECONDS = 14 * 24 * 3600
"""SQS keeps a message no longer than 14 days."""


RESERVED_SECONDS = 300
"""How long a result's key is kept for one source: as long as a function can be at work on it."""


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

    def reserve(self, result_key: str, job: Job, now: float) -> None:
        """Keep other sources from the result's key while one is at work on it.

        Two files whose results have the same key may come at the same moment, when neither finds a
        result of the other.

        Raises:
            Claimed: another source has reserved it. Who comes first is then seen by its result.
            Unavailable: the table can't be reached.
        """
        try:
            self._dynamodb.put_item(
                TableName=self._table_name,
                Item={
                    "id": {"S": f"result#{result_key}"},
                    "source": {"S": job.key},
                    "expiration": {"N": str(int(now) + RESERVED_SECONDS)},
                },
                ConditionExpression="attribute_not_exists(id) OR #source = :me OR #until < :now",
                ExpressionAttributeNames={"#source": "source", "#until": "expiration"},
                ExpressionAttributeValues={":me": {"S": job.key}, ":now": {"N": str(int(now))}},
            )
        except self._dynamodb.exceptions.ConditionalCheckFailedException as error:
            raise Claimed(f"Another file is being made into {result_key}.") from error
        except (ClientError, BotoCoreError) as error:
            raise _unusable(error) from error

    @contextmanager
    def noted_call(self, job: Job, settings: Settings, now: float) -> Iterator[int]:
        """Keep a note of a call, made before it; an error by which it cost nothing removes it.

        Yields:
            The number of earlier calls for this image that have a note still. Their outcome is
            unknown, unless there is a result.

        Raises:
            Unavailable: the table can't be reached, so no call may be made.
        """
        until = str(int(now) + KEPT_SECONDS)
        update = partial(
            self._dynamodb.update_item,
            TableName=self._table_name,
            Key={"id": {"S": f"calls#{_digest(_claim(job, settings))}"}},
        )
        # Members of a set and not a number, as the client may have to repeat a request.
        call: AttributeValueTypeDef = {"SS": [uuid4().hex]}
        try:
            noted = update(
                UpdateExpression="ADD calls :call SET expiration = :until",
                ExpressionAttributeValues={":call": call, ":until": {"N": until}},
                ReturnValues="UPDATED_NEW",
            )
        except (ClientError, BotoCoreError) as error:
            raise _unusable(error) from error
        try:
            yield len(noted["Attributes"]["calls"]["SS"]) - 1
        except PixianS3Error as error:
            # Where the note can't be removed, the call counts as one of unknown outcome: that may
            # cost a try, but no credit.
            if not error.maybe_charged:
                with suppress(ClientError, BotoCoreError):
                    update(
                        UpdateExpression="DELETE calls :call",
                        ExpressionAttributeValues={":call": call},
                    )
            raise

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
        "version": job.version_id or job.etag,
        "parameters": settings.digest,
    }


def _digest(claim: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(claim, sort_keys=True).encode()).hexdigest()


def _unusable(error: Exception) -> Unavailable:
    return Unavailable(f"The claim table can't be used: {error}")
