"""List dead letters, and send them to the retry queue again: `make redrive`.

SQS's own redrive doesn't work here: it doesn't know the source of a message that the program itself
sent to the dead-letter queue. Nor can a queue be read without receiving its messages, which hides
them from others for a while. So all messages are received, and each one is then either sent to the
retry queue and deleted, or released.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import batched
from tempfile import TemporaryFile
from typing import Any, Self

from botocore.exceptions import BotoCoreError, ClientError

from admin.errors import UserError, run
from admin.stack import Stack, add_stack_option, chosen
from admin.status import held
from admin.terminal import confirm
from admin.text import column, counted, escaped, shortened, span
from pixian_s3.aws.queues import depth_of
from pixian_s3.errors import UnreadableMessage
from pixian_s3.job import jobs_from_message

HIDDEN_SECONDS = 1800
"""How long received messages are hidden from others, if this program is killed meanwhile."""

MOST = 100_000
"""The most messages to receive. SQS allows 120,000 that were received and not deleted."""

CRASHED = "The function crashed or was stopped again and again. See its log."
NOT_RECORDED = "Not recorded in this message. See the error report."
OTHERS = "Other causes"

_BATCH, _BATCH_BYTES = 10, 200_000  # SQS's limits; it counts the bytes of a batch
_CHUNK = 1000
_THREADS = 8
_MOST_LINES = 50
_MOST_CAUSES, _CAUSES_SHOWN = 1000, 10
_CAUSE_COLUMNS = 100
_LEAST_KEY = 4  # a shorter one may be a part of any word


@dataclass(frozen=True)
class Letter:
    """A message of the dead-letter queue.

    Attributes:
        message_id: SQS's.
        receipt: SQS's handle of this receipt.
        body: The message, as it was sent.
        sent_at: When it was sent, in seconds since the epoch; SQS deletes it 14 days later. If SQS
            moved it from the retry queue, when it was sent to that queue.
        moved: Whether SQS moved it, because each attempt crashed.
    """

    message_id: str
    receipt: str
    body: str
    sent_at: float
    moved: bool

    @property
    def keys(self) -> tuple[str, ...] | None:
        """The keys of its images; None if it can't be read."""
        try:
            return tuple(job.key for job in jobs_from_message(self.body))
        except UnreadableMessage:
            return None

    @property
    def cause(self) -> str:
        """Why its images were given up."""
        with suppress(ValueError, RecursionError, LookupError, TypeError):
            message = json.loads(self.body)
            if self.moved:
                # What Lambda forwarded from UploadFunction says how that one crashed. The error's
                # message isn't taken, because that of a timeout is different each time.
                return f"{CRASHED} UploadFunction: {message['responsePayload']['errorType']}."
            return str(message["reason"])
        return CRASHED if self.moved else NOT_RECORDED


@dataclass(frozen=True)
class Wanted:
    """Which dead letters to send again: all that can be read, if both are empty.

    Attributes:
        prefix: The beginning of the key.
        reason: A part of the cause, in upper or lower case.
    """

    prefix: str = ""
    reason: str = ""

    def takes(self, letter: Letter) -> bool:
        """Whether a letter is one of them."""
        return self.reason.casefold() in letter.cause.casefold() and any(
            key.startswith(self.prefix) for key in letter.keys or ()
        )


class DeadLetters:
    """The dead letters of a stack, received by `receive`; those not sent again are released.

    They are kept in a temporary file, because there may be many.
    """

    def __init__(self, stack: Stack) -> None:
        self._sqs = stack.client("sqs")
        self._url, self._retries = (
            stack.outputs[name] for name in ("DeadLetterQueueUrl", "RetryQueueUrl")
        )
        self._file = TemporaryFile("w+", encoding="utf-8")
        self._seen: set[str] = set()
        self._gone: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._release()
        finally:
            self._file.close()

    def used_by_others(self) -> int:
        """SQS's estimate of the messages that somebody else has received."""
        return depth_of(self._sqs, self._url).in_flight

    def receive(self) -> Iterator[Letter]:
        """Receive the messages until the queue is empty or `MOST` were received."""
        empty = 0
        while empty < 2 and len(self._seen) < MOST:
            received = self._sqs.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=_BATCH,
                WaitTimeSeconds=1,
                VisibilityTimeout=HIDDEN_SECONDS,
                MessageSystemAttributeNames=["SentTimestamp", "DeadLetterQueueSourceArn"],
            ).get("Messages", [])
            letters = [_letter(message) for message in received]
            self._file.writelines(f"{json.dumps(vars(letter))}\n" for letter in letters)
            empty = 0 if letters else empty + 1
            # SQS may deliver one twice.
            new = [letter for letter in letters if letter.message_id not in self._seen]
            self._seen.update(letter.message_id for letter in new)
            yield from new

    def send(self, wanted: Wanted) -> int:
        """Send letters to the retry queue and delete them; return how many.

        Each one is sent before it is deleted. At worst it is in both queues, and its image is done
        when its second message is processed.
        """
        taken = set[str]()

        def once(letter: Letter) -> bool:
            is_new = letter.message_id not in taken
            taken.add(letter.message_id)
            return is_new

        letters = (each for each in self._received() if wanted.takes(each) and once(each))
        return sum(_in_parallel(self._move, letters))

    def _move(self, letters: Sequence[Letter]) -> int:
        sent = self._sqs.send_message_batch(
            QueueUrl=self._retries,
            Entries=[
                {"Id": str(number), "MessageBody": letter.body}
                for number, letter in enumerate(letters)
            ],
        )
        accepted = {entry["Id"] for entry in sent.get("Successful", [])}
        deletions = [
            {"Id": str(number), "ReceiptHandle": letter.receipt}
            for number, letter in enumerate(letters)
            if str(number) in accepted
        ]
        if deletions:
            deleted = self._sqs.delete_message_batch(QueueUrl=self._url, Entries=deletions)
            gone = {int(entry["Id"]) for entry in deleted.get("Successful", [])}
            self._gone.update(letters[number].message_id for number in gone)
        return len(deletions)

    def _release(self) -> None:
        """Make the letters visible again that are still in the queue."""

        def release(letters: Sequence[Letter]) -> None:
            # One that can't be released is visible again after HIDDEN_SECONDS.
            with suppress(BotoCoreError, ClientError):
                self._sqs.change_message_visibility_batch(
                    QueueUrl=self._url,
                    Entries=[
                        {
                            "Id": str(number),
                            "ReceiptHandle": letter.receipt,
                            "VisibilityTimeout": 0,
                        }
                        for number, letter in enumerate(letters)
                    ],
                )

        if len(self._seen) - len(self._gone) > _CHUNK:
            print("Releasing the other messages …", file=sys.stderr, flush=True)
        left = (letter for letter in self._received() if letter.message_id not in self._gone)
        for _ in _in_parallel(release, left):
            pass

    def _received(self) -> Iterator[Letter]:
        self._file.seek(0)
        for line in self._file:
            yield Letter(**json.loads(line))


def _in_parallel[T](
    work: Callable[[Sequence[Letter]], T], letters: Iterable[Letter]
) -> Iterator[T]:
    """Work on batches of letters in threads, with only so many in memory."""
    with ThreadPoolExecutor(_THREADS) as pool:
        for chunk in batched(letters, _CHUNK, strict=False):
            yield from pool.map(work, _batches(chunk))


def _letter(message: dict[str, Any]) -> Letter:
    about = message.get("Attributes", {})
    return Letter(
        message["MessageId"],
        message["ReceiptHandle"],
        message["Body"],
        int(about.get("SentTimestamp", 0)) / 1000,
        "DeadLetterQueueSourceArn" in about,
    )


def _batches(letters: Iterable[Letter]) -> Iterator[list[Letter]]:
    """Batches that SQS takes."""
    batch, size = list[Letter](), 0
    for letter in letters:
        length = len(letter.body.encode())
        if batch and (len(batch) == _BATCH or size + length > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(letter)
        size += length
    if batch:
        yield batch


class Listing:
    """Prints letters, the first ones in full, and counts them by cause.

    Args:
        wanted: Which letters to list.
        now: Seconds since the epoch.
    """

    def __init__(self, wanted: Wanted, now: float) -> None:
        self._wanted, self._now = wanted, now
        self.total = self.matching = self.unreadable = 0
        self._causes = Counter[str]()

    def add(self, letter: Letter) -> None:
        """Count a letter, and print it if it is one of the first that are wanted or unreadable."""
        self.total += 1
        age = f"{span(self._now - letter.sent_at):>10}"
        if letter.keys is None:
            self.unreadable += 1
            if self.unreadable <= _MOST_LINES:
                body = shortened(letter.body, _CAUSE_COLUMNS)
                print(f"{age}  can't be read, and stays: message {letter.message_id}: {body}")
        elif self._wanted.takes(letter):
            self.matching += 1
            self._causes[self._group(letter)] += 1
            if self.matching <= _MOST_LINES:
                more = f" and {len(letter.keys) - 1} more" if len(letter.keys) > 1 else ""
                cause = escaped(letter.cause)
                short = cause if len(cause) <= _CAUSE_COLUMNS else f"{cause[: _CAUSE_COLUMNS - 1]}…"
                print(f"{age}  {column(letter.keys[0])}{more}  {short}")

    def _group(self, letter: Letter) -> str:
        """The cause without the key, which would make a cause of each image; of too many, none."""
        cause = letter.cause
        for key in letter.keys or ():
            cause = cause.replace(key, "…") if len(key) >= _LEAST_KEY else cause
        return cause if cause in self._causes or len(self._causes) < _MOST_CAUSES else OTHERS

    def print_totals(self) -> None:
        """Print what wasn't listed, and the causes."""
        if (more := self.matching - _MOST_LINES) > 0:
            print(f"            … and {more:,} more")
        if (more := self.unreadable - _MOST_LINES) > 0:
            print(f"            … and {more:,} more that can't be read")
        if self.matching:
            print("\nBy cause:")
        for cause, number in self._causes.most_common(_CAUSES_SHOWN):
            print(f"{number:>10,}  {escaped(cause)}")
        rest = self._causes.most_common()[_CAUSES_SHOWN:]
        if rest:
            print(f"{sum(number for _, number in rest):>10,}  {OTHERS}")
        if self.unreadable:
            print(
                "\nCan't be read, and left in the dead-letter queue: "
                f"{counted(self.unreadable, 'message')}. See the SQS console."
            )


def redrive(stack: Stack, wanted: Wanted, now: float, *, dry_run: bool, yes: bool) -> None:
    """List the dead letters of a stack, ask, and send them again.

    Args:
        stack: The stack.
        wanted: Which dead letters.
        now: Seconds since the epoch.
        dry_run: Whether to end after the list.
        yes: Whether to send them without a question.

    Raises:
        UserError: The answer was no, or SQS refused some.
        NeedsAnswer: There is nobody to ask.
    """
    listing = Listing(wanted, now)
    with DeadLetters(stack) as letters:
        if used := letters.used_by_others():
            print(
                f"{counted(used, 'message')} can't be listed now: another `make redrive` is using "
                f"them, or was killed less than {HIDDEN_SECONDS // 60} minutes ago. Run this again "
                "later.",
            )
        print("Reading the dead-letter queue …", file=sys.stderr, flush=True)
        for letter in letters.receive():
            listing.add(letter)
        listing.print_totals()
        if listing.total >= MOST:
            print(f"Only the first {MOST:,} messages were read. Run this again for the others.")
        if not listing.matching:
            print(_nothing(listing, wanted))
            return
        if dry_run:
            print("\nNothing was sent.")
            return
        print("\nTheir images are processed with all attempts available again, and cost credits,")
        print("unless they are in test mode or have their result already.")
        if why := held(stack, now):
            print(why)
        confirm(f"Send {counted(listing.matching, 'message')} to RetryQueue?", yes=yes)
        sent = letters.send(wanted)
    print(f"Sent {counted(sent, 'message')} to RetryQueue. `make status` shows how it empties.")
    if sent < listing.matching:
        raise UserError(
            f"SQS refused {counted(listing.matching - sent, 'message')}. They stay in the "
            "dead-letter queue. Run this again."
        )


def _nothing(listing: Listing, wanted: Wanted) -> str:
    if wanted == Wanted() or not listing.total:
        return "No messages to redrive."
    asked = {"PREFIX": wanted.prefix, "REASON": wanted.reason}
    options = " and ".join(f"{name}={escaped(text)}" for name, text in asked.items() if text)
    has = counted(listing.total, "message")
    return f"No message to redrive matches {options}; the queue has {has}."


def main() -> None:
    """List the dead letters of the chosen stack, ask, and send them again."""
    parser = argparse.ArgumentParser(
        prog="python -m admin.redrive",
        usage="%(prog)s [--prefix PREFIX] [--reason TEXT] [--dry-run] [--yes] [--stack NAME]\n"
        "       make redrive [PREFIX=products/] [REASON=text] [DRY_RUN=1] [YES=1] [STACK=NAME]",
        description="List the messages in the dead-letter queue with their keys and causes, ask, "
        "and send them to the retry queue.",
    )
    parser.add_argument("--prefix", default="", help="only keys that begin like this (PREFIX=)")
    parser.add_argument("--reason", default="", help="only causes that contain this (REASON=)")
    parser.add_argument("--dry-run", action="store_true", help="only list them (DRY_RUN=1)")
    parser.add_argument("--yes", action="store_true", help="don't ask (YES=1)")
    add_stack_option(parser)
    given = parser.parse_args()
    wanted = Wanted(given.prefix, given.reason)
    redrive(chosen(given.stack), wanted, time.time(), dry_run=given.dry_run, yes=given.yes)


if __name__ == "__main__":
    run(main)
