"""What Lambda and SQS do for the functions: invoke, try again, hand on, receive, delete."""

import heapq
import itertools
import json
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pixian_s3.job import jobs_from_message, jobs_from_s3_event
from tests.fault_injection.aws import Aws
from tests.fault_injection.deployment import ACCOUNT, REGION, RETRIES
from tests.fault_injection.environments import Ended, Environments
from tests.template import properties

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageTypeDef

_INVOKED = properties("UploadFunction")["EventInvokeConfig"]
MAX_AGE_SECONDS = _INVOKED["MaximumEventAgeInSeconds"]
_LONGEST_BACKOFF_SECONDS = 300
_DELAYS_SECONDS = (60, 120)
"""Before the second and the third try, as Lambda has it for asynchronous invocations."""

type Event = dict[str, Any]


@dataclass(order=True)
class _Attempt:
    at: float
    number: int
    event: Event = field(compare=False)
    since: float = field(compare=False)
    tries: int = field(compare=False, default=0)
    turned_away: int = field(compare=False, default=0)


@dataclass
class LambdaService:
    """Everything happens in the order of its time, one thing after the other.

    Attributes:
        troubles: with the function itself, for the next invocations.
        cuts: for the next messages that are done: what happens in place of their deletion.
        said: what was written, by the version that it was about.
    """

    aws: Aws
    environments: Environments
    troubles: deque[str] = field(default_factory=deque)
    cuts: deque[Callable[[Event], None]] = field(default_factory=deque)
    said: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    happened: list[str] = field(default_factory=list)
    _pending: list[_Attempt] = field(default_factory=list)
    _current: Callable[[], None] = lambda: None
    _numbers: Any = field(default_factory=itertools.count)

    def again(self) -> None:
        """Do what was begun last once more, beside it."""
        self._current()

    def upload(self, event: Event, delay_seconds: float = 0) -> None:
        """Take an event of S3, to be handled in so many seconds."""
        at = self.aws.clock.now + delay_seconds
        heapq.heappush(self._pending, _Attempt(at, next(self._numbers), event, at))

    def run(self, until: float) -> bool:
        """Go on until all is quiet; whether it became so before that time."""
        while (at := self._next()) is not None:
            if at > until:
                return False
            self.aws.clock.pass_to(at)
            if self._pending and self._pending[0].at <= self.aws.clock.now:
                self._try(heapq.heappop(self._pending))
            else:
                self._poll()
        return True

    def _next(self) -> float | None:
        times = [attempt.at for attempt in self._pending[:1]]
        message_at = self.aws.next_message_at()
        return min([*times, message_at]) if message_at is not None else min(times, default=None)

    def try_now(self, event: Event) -> None:
        """Handle an event of S3 beside whatever is going on."""
        now = self.aws.clock.now
        self._try(_Attempt(now, next(self._numbers), event, now))

    def _try(self, attempt: _Attempt) -> None:
        now = self.aws.clock.now
        if now - attempt.since > MAX_AGE_SECONDS:
            return self.hand_on(attempt.event, "EventAgeExceeded", attempt.tries)
        if self._turns_away():
            turned_away = attempt.turned_away + 1
            at = now + min(2**turned_away, _LONGEST_BACKOFF_SECONDS)
            return self._again(replace(attempt, at=at, turned_away=turned_away))
        (job,) = jobs_from_s3_event(attempt.event)
        self._current = lambda: self.try_now(attempt.event)
        if self._invoke("upload", attempt.event, job.version_id).error is None:
            return None
        tries = attempt.tries + 1
        if tries > _INVOKED["MaximumRetryAttempts"]:
            return self.hand_on(attempt.event, "RetriesExhausted", tries)
        at = self.aws.clock.now + _DELAYS_SECONDS[attempt.tries]
        return self._again(replace(attempt, at=at, tries=tries))

    def _again(self, attempt: _Attempt) -> None:
        heapq.heappush(self._pending, replace(attempt, number=next(self._numbers)))

    def _turns_away(self) -> bool:
        """Whether there is no room for an invocation."""
        if self.troubles and self.troubles[0] == "no room":
            self.troubles.popleft()
            return True
        return False

    def pace(self) -> None:
        """Have PaceFunction look once."""
        self._current = self.pace
        began = self.aws.clock.now
        ended = self.environments.invoke("pace", {})
        self.happened.append(f"{began:.2f} pace: {ended.error or 'done'}")

    def hand_on(self, event: Event, condition: str, tries: int = 0) -> None:
        """Send an event that can't be handled where `OnFailure` says."""
        about = {"condition": condition, "approximateInvokeCount": tries}
        body = json.dumps({"version": "1.0", "requestContext": about, "requestPayload": event})
        self.aws.sqs.send_message(QueueUrl=self.aws.environment.retry_queue_url, MessageBody=body)

    def _invoke(self, function: str, event: Event, version_id: str | None) -> Ended:
        trouble = self.troubles.popleft() if self.troubles else ""
        began = self.aws.clock.now
        ended = self.environments.invoke(function, event, trouble)
        self.said[str(version_id)].append(ended.said)
        said = "".join(f"\n    {line}" for line in ended.said.splitlines())
        took = self.aws.clock.now - began
        lost = " and its answer was lost" if trouble == "lost" else ""
        self.happened.append(
            f"{began:.2f} {function} {version_id} {trouble} {took:.2f} s: "
            f"{ended.error or ended.result}{lost}{said}"
        )
        return Ended(None, "lost", ended.said) if trouble == "lost" else ended

    def _poll(self) -> None:
        url = self.aws.environment.retry_queue_url
        received = self.aws.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=1, AttributeNames=["All"]
        )
        for message in received.get("Messages", []):
            self._consume(_record(message))

    def _consume(self, record: Event) -> None:
        self._current = lambda: self.delete(record) if self.receive(record) else None
        if not self.receive(record):
            return
        if self.cuts:
            self.cuts.popleft()(record)
        else:
            self.delete(record)

    def delete(self, record: Event) -> None:
        """Take a message that is done off the queue."""
        url = self.aws.environment.retry_queue_url
        self.aws.sqs.delete_message(QueueUrl=url, ReceiptHandle=record["receiptHandle"])

    def receive(self, record: Event) -> bool:
        """Handle a message; whether it is done."""
        if self._turns_away():
            return False
        (job,) = jobs_from_message(record["body"])
        ended = self._invoke("retry", {"Records": [record]}, job.version_id)
        return ended.error is None and ended.result == {"batchItemFailures": []}


def _record(message: "MessageTypeDef") -> Event:
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{RETRIES}",
        "awsRegion": REGION,
    }
