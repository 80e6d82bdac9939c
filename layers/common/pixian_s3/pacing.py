"""Set the number of lanes once a minute: observe, decide, apply; and once an hour the balance."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from pixian_s3.aws.concurrency import Concurrency
from pixian_s3.aws.pace_record import PaceRecord, Remembered, Setting
from pixian_s3.aws.queues import Queues
from pixian_s3.aws.telemetry import Telemetry
from pixian_s3.errors import Blocked, Unavailable
from pixian_s3.pace import Lanes, Limits, Observation, decide, split

SETTING_SECONDS = 3600
"""After this time the limits are set again, in case something else changed them."""

BALANCE_SECONDS = 3600
"""How often Pixian is asked for the balance."""


@dataclass(frozen=True)
class Pacing:
    """The dependencies of `set_pace`, built in `wiring`.

    Attributes:
        limits, record, queues, concurrency, telemetry: As named.
        credits_left: Asks Pixian for the balance; raises Blocked or Unavailable.
        now: Returns seconds since the epoch.
    """

    limits: Limits
    record: PaceRecord
    queues: Queues
    concurrency: Concurrency
    telemetry: Telemetry
    credits_left: Callable[[], Decimal]
    now: Callable[[], float]


def set_pace(pacing: Pacing) -> None:
    """Observe the queue, decide the pace, apply the limits if they change, and save the decision.

    Raises:
        ClientError, BotoCoreError: An AWS service is unavailable. The next run tries again.
    """
    now, remembered = pacing.now(), pacing.record.read()
    seen = Observation(pacing.queues.backlog(), remembered.throttles, now)
    pace = decide(remembered.pace, seen, pacing.limits)
    lanes, setting = split(pace), remembered.setting
    if setting is None or setting.lanes != lanes or now - setting.set_at >= SETTING_SECONDS:
        setting = _set(lanes, setting, now, pacing)
    pacing.record.write(pace)
    pacing.telemetry.pace(lanes, backlog=seen.backlog, reserved=setting.reserved)
    # The pace is set now, whatever Pixian answers.
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


def _ask_for_balance(remembered: Remembered, now: float, pacing: Pacing) -> None:
    """Ask for the balance if an hour has passed, and save and count it."""
    record, last = pacing.record, remembered.balance
    # Save that it is asked for first: if the request takes this function's time, the next run
    # doesn't repeat it.
    if (last and now - last.asked_at < BALANCE_SECONDS) or not record.begin_balance(now, last):
        return
    try:
        left = pacing.credits_left()
    except (Blocked, Unavailable) as error:
        pacing.telemetry.warn(f"The balance of the Pixian account isn't known. {error}")
        record.write_balance_problem(str(error))
    else:
        pacing.telemetry.balance(left)
        record.write_balance(left, now)
