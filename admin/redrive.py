"""Redrive the dead-letter queue: `make redrive`."""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from admin.errors import run
from admin.stack import Stack, add_stack_option, chosen
from pixian_s3.errors import UnreadableMessage
from pixian_s3.job import jobs_from_message


@dataclass(frozen=True)
class Message:
    """A message of the dead-letter queue.

    Attributes:
        message_id: SQS's.
        keys: of its images; None if it can't be read.
    """

    message_id: str
    keys: tuple[str, ...] | None


def redrive(stack: Stack) -> Iterator[Message]:
    """Move each message to the retry queue and yield it; one that can't be read stays.

    SQS's own redrive doesn't work here: it doesn't know the source of a message that the program
    itself sent to the queue.
    """
    sqs, dead_letter_queue = stack.client("sqs"), stack.outputs["DeadLetterQueueUrl"]
    unreadable = set[str]()
    for received in _received(sqs, dead_letter_queue):
        message = Message(received["MessageId"], _keys(received["Body"]))
        if message.keys is not None:
            # Send it before deleting it: at worst the image is retried twice, which costs nothing.
            sqs.send_message(QueueUrl=stack.outputs["RetryQueueUrl"], MessageBody=received["Body"])
            sqs.delete_message(QueueUrl=dead_letter_queue, ReceiptHandle=received["ReceiptHandle"])
        elif message.message_id in unreadable:
            continue
        else:
            unreadable.add(message.message_id)
        yield message


def _keys(body: str) -> tuple[str, ...] | None:
    try:
        return tuple(job.key for job in jobs_from_message(body))
    except UnreadableMessage:
        return None


def _received(sqs: Any, url: str) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - see Stack.client
    """Receive messages until the queue is empty."""
    while messages := sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1
    ).get("Messages"):
        yield from messages


def main() -> None:
    """Redrive the queue of the chosen stack, naming each message."""
    parser = argparse.ArgumentParser(
        prog="python -m admin.redrive",
        usage="%(prog)s [--stack NAME]\n       make redrive [STACK=NAME]",
        description="Move the messages in the dead-letter queue to the retry queue.",
    )
    add_stack_option(parser)
    redriven = unreadable = 0
    for message in redrive(chosen(parser.parse_args().stack)):
        if message.keys is None:
            unreadable += 1
            print(f"Can't read message {message.message_id}; it stays in the dead-letter queue.")
        else:
            redriven += 1
            print(f"Redriving {', '.join(map(repr, message.keys))}")
    print(f"Redrove {_counted(redriven)}." if redriven else "No messages to redrive.")
    if unreadable:
        print(f"Left {_counted(unreadable)} in the dead-letter queue. See the SQS console.")


def _counted(messages: int) -> str:
    return "1 message" if messages == 1 else f"{messages} messages"


if __name__ == "__main__":
    run(main)
