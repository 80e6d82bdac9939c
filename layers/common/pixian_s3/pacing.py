"""Set the number of lanes once a minute: observe, decide, apply; then tell what is worth telling.

That is the event that a batch has finished, and once an hour the balance of the Pixian account.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal

from botocore.exceptions import BotoCoreError, ClientError

from pixian_s3.attempt import Outcome
from pixian_s3.aws.concurrency import Concurrency
from pixian_s3.aws.events import Events
from pixian_s3.aws.metrics import ENDINGS
from pixian_s3.aws.pace_record import PaceRecord, Remembered, Setting
from pixian_s3.aws.queues import Queues
from pixian_s3.aws.spending import Spending
from pixian_s3.aws.telemetry import Telemetry
from pixian_s3.errors import Blocked, Unavailable, plain
from pixian_s3.pace import Batch, Lanes, Limits, Observation, decide, follow, split

SETTING_SECONDS = 3600
"""After this time the limits are set again, in case something else changed them."""

BALANCE_SECONDS = 3600
"""How often Pixian is asked for the balance."""

BALANCE_AGAIN_SECONDS = 300
"""After this time it is asked again if there was no usable answer."""

EVENT_VERSION = 1
"""The version of the event's detail."""

type Attempts = Mapping[Outcome, Mapping[float, int]]


@dataclass(frozen=True)
class Pacing:
    """The dependencies of `set_pace`, built in `wiring`.

    Attributes:
        limits, record, queues, concurrency, spending, events, telemetry: As named.
        service: The stack's name.
        attempts: Returns the outcomes of the attempts between two times, by minute
            (`aws/metrics.py`).
        credits_left: Asks Pixian for the balance; raises Blocked or Unavailable.
        now: Returns seconds since the epoch.
    """

    limits: Limits
    record: PaceRecord
    queues: Queues
    concurrency: Concurrency
    spending: Spending
    events: Events
    telemetry: Telemetry
    service: str
    attempts: Callable[[float, float], Attempts]
    credits_left: Callable[[], Decimal]
    now: Callable[[], float]


def set_pace(pacing: Pacing) -> None:
    """Observe the queue, decide the pace, apply the limits if they change, and save the decision.

    Raises:
        ClientError, BotoCoreError, Unavailable: An AWS service is unavailable. The next run tries
            again.
    """
    now, remembered = pacing.now(), pacing.record.read()
    depth = pacing.queues.depth()
    seen = Observation(depth.visible, remembered.throttles, now, depth.delayed + depth.in_flight)
    pace = decide(remembered.pace, seen, pacing.limits)
    lanes, setting = split(pace), remembered.setting
    if setting is None or setting.lanes != lanes or now - setting.set_at >= SETTING_SECONDS:
        setting = _set(lanes, setting, now, pacing)
    pacing.record.write(pace)
    pacing.telemetry.pace(lanes, backlog=seen.backlog, reserved=setting.reserved)
    # The pace is set now, even if the rest fails.
    try:
        _follow_batch(remembered, seen, pacing)
    finally:
        _ask_for_balance(remembered, now, pacing)


def _set(lanes: Lanes, before: Setting | None, now: float, pacing: Pacing) -> Setting:
    change = pacing.record.begin_setting()
    refusal = pacing.concurrency.set(lanes)
    if refusal and (before is None or before.reserved):
        pacing.telemetry.warn(
            f"This account can't reserve {lanes.upload} concurrent executions for UploadFunction. "
            "An earlier reservation stays in effect; without one, only RetryFunction's concurrency "
            "is limited. Ask AWS for a higher limit of concurrent executions. Lambda's answer: "
            f"{refusal}"
        )
    setting = Setting(lanes, reserved=refusal is None, set_at=now)
    pacing.record.write_setting(setting, change)
    return setting


def _follow_batch(remembered: Remembered, seen: Observation, pacing: Pacing) -> None:
    """Save what `follow` decides, and announce a batch that has finished.

    Of several runs at the same time, one changes the batch and the others leave it alone. A run
    that is killed after the change and before the event's end leaves it to a later one, which may
    send the event a second time with the same ID.
    """
    before, record, now = remembered.batch, pacing.record, seen.now
    batch = follow(before, seen)
    if batch and not before:
        batch = replace(batch, credits=pacing.spending.months(now, now))
    due = batch is not None and batch.is_due(now)
    if batch and due:
        batch = replace(batch, claimed_at=now)
    if batch == before:
        return
    change = record.replace_batch(batch, remembered.batch_change)
    if batch and due and change:
        pacing.events.batch_finished(_detail(batch, now, pacing))
        record.replace_batch(None, change)


def _detail(batch: Batch, now: float, pacing: Pacing) -> dict[str, object]:
    spent = pacing.spending.months(batch.since, now) - batch.credits
    return {
        "version": EVENT_VERSION,
        "id": f"{pacing.service}-{batch.since:.0f}",
        "stack": pacing.service,
        "started_at": _iso(batch.since),
        "finished_at": _iso(batch.until),
        "seconds": round(batch.seconds),
        "largest_backlog": batch.largest,
        "credits": float(spent),
        "images": _endings(batch, pacing),
    }


def _endings(batch: Batch, pacing: Pacing) -> dict[str, int] | None:
    """How many images ended how, as far as CloudWatch knows; None if it has no metrics."""
    try:
        attempts = pacing.attempts(batch.since, batch.until + 60)
    except (ClientError, BotoCoreError) as error:
        pacing.telemetry.warn(f"BatchFinished has no numbers of images: {plain(error)}")
        return None
    if not attempts:
        return None
    return {outcome: sum(attempts.get(outcome, {}).values()) for outcome in ENDINGS}


def _iso(at: float) -> str:
    return datetime.fromtimestamp(round(at), UTC).isoformat().replace("+00:00", "Z")


def _ask_for_balance(remembered: Remembered, now: float, pacing: Pacing) -> None:
    """Ask for the balance if it is time to, and save and count it."""
    record, last = pacing.record, remembered.balance
    # Save that it is asked for first: if the request takes this function's time, the next run
    # doesn't repeat it.
    wait = BALANCE_AGAIN_SECONDS if last and last.problem else BALANCE_SECONDS
    if (last and now - last.asked_at < wait) or not record.begin_balance(now, last):
        return
    try:
        left = pacing.credits_left()
    except (Blocked, Unavailable) as error:
        pacing.telemetry.warn(f"The balance of the Pixian account isn't known. {error}")
        record.write_balance_problem(str(error))
    else:
        pacing.telemetry.balance(left)
        record.write_balance(left, now)
