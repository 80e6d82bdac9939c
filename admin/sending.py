"""Send images to the retry queue; this may be interrupted at any time, and loses nothing."""

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import batched
from threading import Event
from types import FrameType
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from admin.errors import UserError
from admin.listing import Image, Work
from pixian_s3.job import Job

_BATCH = 10  # SQS's limit
_THREADS = 4
_CHUNK = 1000
_RETRY_PAUSES = (1, 2, 4, 8)
_DEPTH = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)

ROOM_SECONDS = 60
"""Between two looks at a queue that is full; SQS's numbers need about a minute to be right."""


@dataclass(frozen=True)
class Queue:
    """The retry queue.

    Attributes:
        sqs: A client, which threads share.
        url: The queue's URL.
        bucket: The input bucket.
        run: Identifies this run of the command.
    """

    sqs: Any
    url: str
    bucket: str
    run: str

    def depth(self) -> int:
        """SQS's estimate of all messages: waiting, delayed and being processed."""
        about = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=list(_DEPTH))
        return sum(int(about["Attributes"][name]) for name in _DEPTH)

    def message(self, image: Image) -> str:
        """The job of an image; one that has an ending already is to be processed again."""
        source = image.object
        job = Job(self.bucket, source.key, source.etag, event_time=float(source.modified))
        has_ended = image.result_at is not None or image.report_at is not None
        return replace(job, again=self.run if has_ended else "").to_message()


def send(  # noqa: PLR0913 - the work, the queue, its limit and the clock
    work: Work,
    queue: Queue,
    *,
    capacity: Callable[[], int],
    now: Callable[[], float],
    stop: Event,
    show: Callable[[int, str], None],
) -> int:
    """Send all unsent images, and record each one once SQS has accepted it.

    Args:
        work: The images.
        queue: Where to.
        capacity: Returns the most messages that the queue may hold.
        now: Returns seconds since the epoch.
        stop: Set to end early; messages on their way are still recorded.
        show: Takes the number of images sent so far and what else to show.

    Returns:
        The number of images that were sent.

    Raises:
        UserError: SQS refused messages repeatedly. The others are recorded.
    """
    sent, after = 0, ""
    room = capacity() - queue.depth()
    with ThreadPoolExecutor(_THREADS) as pool:
        while not stop.is_set():
            if room <= 0:
                show(sent, "RetryQueue holds a week's work; waiting for room")
                stop.wait(ROOM_SECONDS)
                room = capacity() - queue.depth()
                continue
            images = work.unsent(after, min(_CHUNK, room))
            if not images:
                break
            refusals = set[str]()
            for accepted, refusal in _in_parallel(images, queue, pool, stop):
                work.mark_sent(accepted, now())
                sent += len(accepted)
                show(sent, "")
                refusals |= {refusal} - {""}
            if refusals:
                raise UserError(
                    f"SQS refused messages: {'; '.join(sorted(refusals))}\n"
                    "Those before were sent. Run the command again for the rest."
                )
            after, room = images[-1].object.key, room - len(images)
    return sent


@contextmanager
def stopping() -> Iterator[Event]:
    """An event that Ctrl-C sets, so that nothing is interrupted; a second Ctrl-C interrupts."""
    stop = Event()

    def handle(_: int, __: FrameType | None) -> None:
        stop.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


type _Sent = tuple[list[Image], str]
"""The images that SQS accepted, and why it refused others; empty if it didn't."""


def _in_parallel(
    images: Sequence[Image], queue: Queue, pool: ThreadPoolExecutor, stop: Event
) -> Iterator[_Sent]:
    """Send batches in a few threads; after a stop or a refusal, only end those on their way."""
    under_way: set[Future[_Sent]] = set()
    is_refused = False
    for batch in batched(images, _BATCH, strict=False):
        if stop.is_set() or is_refused:
            break
        under_way.add(pool.submit(_send_batch, batch, queue, stop))
        if len(under_way) >= _THREADS:
            done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            for each in done:
                yield each.result()
                is_refused |= each.result()[1] != ""
    for each in wait(under_way).done:
        yield each.result()


def _send_batch(images: Sequence[Image], queue: Queue, stop: Event) -> _Sent:
    left = {str(number): image for number, image in enumerate(images)}
    accepted: list[Image] = []
    refusal = ""
    for pause in (*_RETRY_PAUSES, 0):
        entries = [{"Id": id_, "MessageBody": queue.message(left[id_])} for id_ in left]
        try:
            answer = queue.sqs.send_message_batch(QueueUrl=queue.url, Entries=entries)
        except (ClientError, BotoCoreError) as error:
            return accepted, str(error)
        accepted += [left.pop(each["Id"]) for each in answer.get("Successful", [])]
        if not left:
            return accepted, ""
        refusal = str(answer["Failed"][0].get("Message") or answer["Failed"][0]["Code"])
        stop.wait(pause)
    return accepted, refusal
