"""A discrete-event simulation of the stack: Lambda, SQS and Pixian are models, the pace is real.

All times are in seconds since the first upload. `assumptions` lists what is assumed about AWS.
Identical waiting images are counted instead of stored one by one, so that ten million of them fit
in memory.
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from heapq import heappop, heappush
from itertools import count, pairwise
from random import Random
from typing import Any, NamedTuple, cast

from pixian_s3 import pace, retry
from pixian_s3.errors import RetryLater, Throttled, Unavailable
from pixian_s3.job import Job
from pixian_s3.lane import Lane
from pixian_s3.pace import Limits, Observation

MAX_EVENT_AGE_SECONDS = 60
"""The maximum age of an upload event in Lambda's queue, as in the template."""

RETENTION_SECONDS = 13 * 24 * 3600
"""How long RetryQueue keeps a message after it was sent, as in the template."""

ASYNC_RETRY_SECONDS = (1, 300)
"""Lambda's first and longest interval between attempts to invoke a throttled function."""

OBSERVATION_SECONDS = 60
"""The time between two runs of PaceFunction."""

SETTING_SECONDS = 60
"""The longest time until a changed concurrency takes effect."""

REFUSAL_SECONDS = 0.1
"""The duration of a call that ends in 429 or 503; short ones are harder, as more are made."""

TAIL_SECONDS = 600
"""PaceFunction keeps running for this long after the last image."""

LONGEST_SECONDS = 365 * 24 * 3600
"""A simulation that takes longer has lost images."""

_EVENT_GROUPS = 1000
"""The number of groups in which the events of one upload are retried, each at random times."""

_FRESH = "fresh"


@dataclass(frozen=True)
class Case:
    """What is uploaded, the stack's parameters, and how the service behaves.

    Attributes:
        uploads: pairs of a time and the number of images uploaded at it.
        seconds: mean of a call; each takes between half and one and a half times as long.
        start: lanes at the beginning.
        most: lanes at the end of the ramp.
        ramp_seconds: between two steps of the ramp, ours and Pixian's.
        limits: pairs of a time and the calls that the service runs at a time from then on.
        failing: pairs of times between which every call ends in 503.
        fresh_seconds: mean between two single uploads while there are images left; 0 for none.
        lane_waits: whether a lane waits after a 429, as the program does.
        backfill: whether the images are sent to RetryQueue and all lanes are there already.
        jitter: The most by which a run of PaceFunction is late.
    """

    uploads: tuple[tuple[float, int], ...]
    seconds: float = 5
    start: int = 5
    most: int = 25
    ramp_seconds: float = 300
    limits: tuple[tuple[float, int], ...] = ()
    failing: tuple[tuple[float, float], ...] = ()
    fresh_seconds: float = 120
    lane_waits: bool = True
    backfill: bool = False
    jitter: float = 5

    @property
    def images(self) -> int:
        """The number of images, without the single uploads."""
        return sum(images for _, images in self.uploads)

    @property
    def optimum(self) -> float:
        """The seconds that Pixian's ramp takes if every lane is busy from the first second on.

        This is the smallest T for which the integral of the lanes from 0 to T is images · seconds.
        The lanes at time t are min(start + ⌊t / ramp⌋, most, limit at t), or 0 while the service
        fails.
        """
        work = self.images * self.seconds
        changes = {self.ramp_seconds * step for step in range(max(1, self.most - self.start + 1))}
        changes |= {at for at, _ in self.limits} | {at for spell in self.failing for at in spell}
        for now, until in pairwise([*sorted(changes), math.inf]):
            lanes = self._useful_lanes(now)
            if lanes and work <= lanes * (until - now):
                return now + work / lanes
            work -= lanes * (until - now)
        raise ValueError("The service never works again.")

    def _useful_lanes(self, now: float) -> int:
        if any(begin <= now < end for begin, end in self.failing):
            return 0
        ramp = min(self.start + int(now / self.ramp_seconds), max(self.start, self.most))
        limits = [limit for at, limit in self.limits if at <= now]
        return min([ramp, *limits[-1:]])


class Fresh(NamedTuple):
    """A single upload: when it was made, and the seconds until a lane took it or finished it."""

    uploaded: float
    waited: float


class Sample(NamedTuple):
    """A run of PaceFunction: its time, the lanes it decided on, and the messages in RetryQueue."""

    now: float
    lanes: int
    backlog: int


@dataclass
class Outcome:
    """What became of the images, counted while the simulation runs.

    Attributes:
        seconds: until the last image ended, single uploads aside.
        uploaded: images and single uploads; each is one of processed, expired and given up.
        refusals, failures: answers of 429 and of 503.
        excess: the most parallel calls beyond the lanes of the last two observations.
        taken, finished: single uploads, when a lane first took them and when they had a result.
        samples: one for each run of PaceFunction.
    """

    seconds: float = 0
    uploaded: int = 0
    processed: int = 0
    expired: int = 0
    given_up: int = 0
    refusals: int = 0
    failures: int = 0
    excess: int = 0
    taken: list[Fresh] = field(default_factory=list)
    finished: list[Fresh] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)


class Pixian:
    """The service, which runs a limited number of parallel calls and refuses the others.

    Args:
        retry_after: The value of Retry-After in a 429 answer; 0 for none.
    """

    def __init__(self, retry_after: int = 0) -> None:
        self.limit = math.inf
        self.failing = False
        self.running = 0
        self._retry_after = retry_after

    def call(self, lane: int, now: float) -> RetryLater | None:  # noqa: ARG002 - for tests
        """Start a lane's call; return the error if it will fail."""
        if self.failing:
            return Unavailable("503")
        if self.running >= self.limit:
            return Throttled("429", retry_after=self._retry_after)
        self.running += 1
        return None

    def finish(self) -> None:
        """End a call that wasn't refused."""
        self.running -= 1


class _Lane:
    """An execution environment, with the program's own `Lane` in it."""

    __slots__ = ("error", "function", "job", "memory", "number")

    def __init__(self, function: "_Function", number: int, job: Job) -> None:
        self.function, self.number, self.job = function, number, job
        self.error: RetryLater | None = None
        self.memory = Lane()


class _Function:
    """A Lambda function with limited concurrency."""

    def __init__(self, numbers: "count[int]") -> None:
        self.allowed = self.busy = 0
        self._idle: list[_Lane] = []
        self._numbers = numbers

    def take(self, job: Job) -> _Lane:
        self.busy += 1
        if not self._idle:
            return _Lane(self, next(self._numbers), job)
        lane = self._idle.pop()
        lane.job = job
        return lane

    def give_back(self, lane: _Lane) -> None:
        self.busy -= 1
        self._idle.append(lane)
        self.allow(self.allowed)

    def allow(self, lanes: int) -> None:
        """Change the limit: idle environments end at once, busy ones when they have finished."""
        self.allowed = lanes
        del self._idle[max(0, lanes - self.busy) :]


class _Events(NamedTuple):
    """Identical events in Lambda's queue, and how often they were throttled."""

    job: Job
    number: int
    throttles: int


class _Messages:
    """Identical messages in RetryQueue."""

    __slots__ = ("job", "number", "sent_at")

    def __init__(self, job: Job, number: int, sent_at: float) -> None:
        self.job, self.number, self.sent_at = job, number, sent_at


class Simulation:
    """A run of one case, from its first upload until the end of its last image.

    Args:
        case: What happens.
        seed: The random seed.
        pixian: The service.
        on_observation: Called once a simulated minute with the number of images that ended.
    """

    def __init__(
        self,
        case: Case,
        seed: int,
        pixian: Pixian | None = None,
        on_observation: Callable[[int], object] = lambda _: None,
    ) -> None:
        self._case, self._on_observation = case, on_observation
        self._pixian = pixian or Pixian()
        self._random = Random(seed)  # noqa: S311 - protects nothing
        self._now = 0.0
        self._order = count()  # of what happens at the same time
        self._agenda: list[tuple[float, int, Callable[[Any], None], Any]] = []
        numbers = count()
        self._upload, self._retry = _Function(numbers), _Function(numbers)
        self._visible: deque[_Messages] = deque()
        self._backlog = self._seen_backlog = int(case.backfill)
        self._images_left = self._open = case.images
        self._calls = 0
        self._outcome = Outcome()
        self._limits = Limits(case.start, case.most, case.ramp_seconds)
        self._first_observation = self._random.uniform(0, OBSERVATION_SECONDS)
        seen = Observation(self._backlog, 0, self._first_observation - OBSERVATION_SECONDS)
        self._pace = pace.decide(None, seen, self._limits)
        self._most_lanes = self._pace.lanes

    def run(self) -> Outcome:
        """Run until all uploads have ended, and then for `TAIL_SECONDS` more."""
        case, agenda = self._case, self._agenda
        self._backlog = 0
        self._allow_upload(None)
        self._allow_retry(None)
        for at, limit in case.limits:
            self._after(at, partial(setattr, self._pixian, "limit"), limit)
        for begin, end in case.failing:
            for at, failing in ((begin, True), (end, False)):
                self._after(at, partial(setattr, self._pixian, "failing"), failing)
        for at, images in case.uploads:
            self._after(at, self._upload_images, images)
        self._after(self._first_observation, self._observe, 1)
        self._plan_fresh()
        while self._open > 0 or agenda[0][0] < self._outcome.seconds + TAIL_SECONDS:
            self._now, _, act, subject = heappop(agenda)
            act(subject)
        return self._outcome

    def _after(self, seconds: float, act: Callable[[Any], None], subject: object) -> None:
        heappush(self._agenda, (self._now + seconds, next(self._order), act, subject))

    # ---- uploads, and Lambda's queue of their events --------------------------------------------

    def _upload_images(self, images: int) -> None:
        self._outcome.uploaded += images
        job = _job("image", self._now)
        if self._case.backfill:
            self._send(job, images, 0)
            return
        groups = min(images, _EVENT_GROUPS)
        for group in range(groups):
            self._invoke(_Events(job, images // groups + (group < images % groups), 0))

    def _plan_fresh(self) -> None:
        if self._case.fresh_seconds and self._images_left:
            pause = self._random.expovariate(1 / self._case.fresh_seconds)
            self._after(pause, self._upload_fresh, None)

    def _upload_fresh(self, _: None) -> None:
        if self._images_left:
            self._outcome.uploaded += 1
            self._open += 1
            self._invoke(_Events(_job(_FRESH, self._now), 1, 0))
            self._plan_fresh()

    def _invoke(self, events: _Events) -> None:
        job, number, throttles = events
        taken = max(0, min(number, self._upload.allowed - self._upload.busy))
        for _ in range(taken):
            self._call(self._upload.take(job))
        if taken == number:
            return
        if self._now - job.event_time >= MAX_EVENT_AGE_SECONDS:
            self._send(job, number - taken, 0)
            return
        first, longest = ASYNC_RETRY_SECONDS
        interval = min(first * 2**throttles, longest) * self._random.uniform(0.5, 1.5)
        self._after(interval, self._invoke, _Events(job, number - taken, throttles + 1))

    # ---- RetryQueue and the event source mapping ------------------------------------------------

    def _send(self, job: Job, number: int, delay: float) -> None:
        self._after(delay, self._appear, _Messages(job, number, self._now))

    def _appear(self, messages: _Messages) -> None:
        self._visible.append(messages)
        self._backlog += messages.number
        self._poll()

    def _poll(self) -> None:
        while self._retry.busy < self._retry.allowed and (job := self._receive()):
            self._call(self._retry.take(job))

    def _receive(self) -> Job | None:
        while self._visible:
            messages = self._visible[0]
            expired = self._now - messages.sent_at > RETENTION_SECONDS
            number = messages.number if expired else 1
            messages.number -= number
            self._backlog -= number
            if not messages.number:
                self._visible.popleft()
            if not expired:
                return messages.job
            self._outcome.expired += number
            self._end(messages.job, number)
        return None

    # ---- lanes and their calls ------------------------------------------------------------------

    def _call(self, lane: _Lane) -> None:
        job, now = lane.job, self._now
        if job.failures == 0 and job.key == _FRESH:
            self._outcome.taken.append(Fresh(job.event_time, now - job.event_time))
        self._calls += 1
        self._outcome.excess = max(self._outcome.excess, self._calls - self._most_lanes)
        lane.error = self._pixian.call(lane.number, now)
        if lane.error:
            self._after(REFUSAL_SECONDS, self._fail, lane)
        else:
            seconds = self._case.seconds * (0.5 + self._random.random())
            self._after(seconds, self._succeed, lane)

    def _succeed(self, lane: _Lane) -> None:
        job = lane.job
        lane.memory.succeeded()
        self._calls -= 1
        self._pixian.finish()
        self._outcome.processed += 1
        if job.key == _FRESH:
            self._outcome.finished.append(Fresh(job.event_time, self._now - job.event_time))
        self._end(job, 1)
        self._free(lane)

    def _fail(self, lane: _Lane) -> None:
        self._calls -= 1
        error = cast(RetryLater, lane.error)
        job, delay = retry.after(error, lane.job, self._now)
        if retry.why_give_up(error, job, 0, 0, self._now):
            self._outcome.given_up += 1
            self._end(job, 1)
        else:
            self._send(job, 1, delay)
        if isinstance(error, Throttled):
            self._outcome.refusals += 1
            wait = lane.memory.failed(error, self._now)
            self._after(wait if self._case.lane_waits else 0, self._free, lane)
        else:
            self._outcome.failures += 1
            self._free(lane)

    def _free(self, lane: _Lane) -> None:
        function = lane.function
        if function is self._retry and function.busy <= function.allowed:
            job = self._receive()
            if job:
                lane.job = job
                self._call(lane)
                return
        function.give_back(lane)

    def _end(self, job: Job, number: int) -> None:
        self._open -= number
        if job.key != _FRESH:
            self._images_left -= number
            self._outcome.seconds = self._now

    # ---- PaceFunction ---------------------------------------------------------------------------

    def _observe(self, number: int) -> None:
        if self._now > LONGEST_SECONDS:
            raise RuntimeError(f"{self._open} images never ended")
        last = self._pace
        seen = Observation(self._seen_backlog, self._outcome.refusals, self._now)
        self._seen_backlog = self._backlog  # SQS reports it a minute late
        self._pace = pace.decide(last, seen, self._limits)
        self._most_lanes = max(last.lanes, self._pace.lanes)
        for allow in (self._allow_upload, self._allow_retry):
            self._after(self._random.uniform(0, SETTING_SECONDS), allow, None)
        self._outcome.samples.append(Sample(self._now, self._pace.lanes, self._backlog))
        self._on_observation(self._case.images - self._images_left)
        due = self._first_observation + number * OBSERVATION_SECONDS
        late = self._random.uniform(0, self._case.jitter)
        self._after(due + late - self._now, self._observe, number + 1)

    def _allow_upload(self, _: None) -> None:
        self._upload.allow(pace.split(self._pace).upload)

    def _allow_retry(self, _: None) -> None:
        self._retry.allow(pace.split(self._pace).retry)
        self._poll()


def _job(key: str, uploaded: float) -> Job:
    return Job(bucket="input", key=key, etag="", version_id=None, sequencer="", event_time=uploaded)
