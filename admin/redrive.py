"""Send dead letters round again: `make redrive`."""

import sys
from collections.abc import Iterator
from typing import Any

from admin.errors import UserError
from admin.stack import Stack, chosen


def redrive(stack: Stack) -> int:
    """Move all dead letters to the retry queue; how many they were.

    SQS's own redrive is of no use here: of letters that the program itself put into the queue it
    doesn't know where they came from.
    """
    sqs = stack.client("sqs")
    moved = 0
    for letter in _letters(sqs, stack.outputs["DeadLetterQueueUrl"]):
        # Sent before it is deleted: in doubt an image comes twice, which costs nothing.
        sqs.send_message(QueueUrl=stack.outputs["RetryQueueUrl"], MessageBody=letter["Body"])
        sqs.delete_message(
            QueueUrl=stack.outputs["DeadLetterQueueUrl"], ReceiptHandle=letter["ReceiptHandle"]
        )
        moved += 1
    return moved


def _letters(sqs: Any, url: str) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - see Stack.client
    """Until the queue says that it has no more."""
    while letters := sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1
    ).get("Messages"):
        yield from letters


if __name__ == "__main__":
    try:
        print(f"{redrive(chosen())} dead letters go round again.")
    except UserError as error:
        sys.exit(str(error))
