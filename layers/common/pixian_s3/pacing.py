"""One look a minute: how many lanes there may be from now on."""

from collections.abc import Callable
from dataclasses import dataclass

from pixian_s3.aws.concurrency import Concurrency
from pixian_s3.aws.pace_record import PaceRecord, Setting
from pixian_s3.aws.queues import Queues
from pixian_s3.aws.telemetry import Telemetry
from pixian_s3.pace import Lanes, Limits, Look, decide, split

SETTING_SECONDS = 3600
"""The limits are set again after this time, in case something else changed them."""


@dataclass(frozen=True)
class Pacing:
    """What a look needs, made in `wiring`; `now` gives seconds since the epoch."""

    limits: Limits
    record: PaceRecord
    queues: Queues
    concurrency: Concurrency
    telemetry: Telemetry
    now: Callable[[], float]


def set_pace(pacing: Pacing) -> None:
    """Look, decide, set the limits if they change, and remember it for the next look.

    Raises:
        ClientError, BotoCoreError: a part of AWS is unavailable. The next look makes up for it.
    """
    now, remembered = pacing.now(), pacing.record.read()
    backlog = pacing.queues.backlog()
    pace = decide(remembered.pace, Look(backlog, remembered.throttles, now), pacing.limits)
    lanes, setting = split(pace), remembered.setting
    if setting is None or setting.lanes != lanes or now - setting.set_at >= SETTING_SECONDS:
        setting = _set(lanes, setting, now, pacing)
    pacing.record.write(pace)
    pacing.telemetry.pace(lanes, backlog=backlog, reserved=setting.reserved)


def _set(lanes: Lanes, before: Setting | None, now: float, pacing: Pacing) -> Setting:
    change = pacing.record.begin_setting()
    refusal = pacing.concurrency.set(lanes)
    if refusal and (before is None or before.reserved):
        pacing.telemetry.warn(
            f"This account can't reserve {lanes.upload} concurrent executions for UploadFunction. "
            "What was reserved before stays; if nothing was, only the lanes of the retry queue are "
            f"limited. Ask AWS for a higher limit. Lambda says: {refusal}"
        )
    setting = Setting(lanes, reserved=refusal is None, set_at=now)
    pacing.record.write_setting(setting, change)
    return setting
