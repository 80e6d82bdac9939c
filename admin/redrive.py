"""Send dead letters round again: `make redrive`."""

import sys
from collections.abc import Iterator
from typing import Any

from admin.errors import UserError
from admin.stack import Stack, chosen
from pixian_s3.errors import UnreadableMessage
from pixian_s3.job import jobs_from_message


def redrive(stack: Stack) -> tuple[int, int]:
    """Move the dead letters to the retry queue; how many they were, and how many were left.

    A letter that can't be read would be back at once, so it stays for a person to look at.

    SQS's own redrive is of no use here: of letters that the program itself put into the queue it
    doesn't know where they came from.
    """
    sqs = stack.client("sqs")
    moved, left = 0, set[str]()
    for letter in _letters(sqs, stack.outputs["DeadLetterQueueUrl"]):
        if not _is_readable(letter["Body"]):
            left.add(letter["MessageId"])
            continue
        # Sent before it is deleted: in doubt an image comes twice, which costs nothing.
        sqs.send_message(QueueUrl=stack.outputs["RetryQueueUrl"], MessageBody=letter["Body"])
        sqs.delete_message(
            QueueUrl=stack.outputs["DeadLetterQueueUrl"], ReceiptHandle=letter["ReceiptHandle"]
        )
        moved += 1
    return moved, len(left)


def _is_readable(body: str) -> bool:
    try:
        jobs_from_message(body)
    except UnreadableMessage:
        return False
    return True


def _letters(sqs: Any, url: str) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - see Stack.client
    """Until the queue says that it has no more."""
    while letters := sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1
    ).get("Messages"):
        yield from letters


if __name__ == "__main__":
    try:
        moved, left = redrive(chosen())
        print(f"{moved} dead letters go round again.")
        if left:
            print(f"{left} can't be read and stay in the queue: look at them in the SQS console.")
    except UserError as error:
        sys.exit(str(error))
