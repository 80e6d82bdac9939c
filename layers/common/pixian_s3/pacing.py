"""Set the number of lanes once a minute: observe, decide, apply."""

from collections.abc import Callable
from dataclasses import dataclass

from pixian_s3.aws.concurrency import Concurrency
from pixian_s3.aws.pace_record import PaceRecord, Setting
from pixian_s3.aws.queues import Queues
from pixian_s3.aws.telemetry import Telemetry
from pixian_s3.pace import Lanes, Limits, Observation, decide, split

SETTING_SECONDS = 3600
"""After this time the limits are set again, in case something else changed them."""


@dataclass(frozen=True)
class Pacing:
    """The dependencies of `set_pace`, built in `wiring`; `now` returns seconds since the epoch."""

    limits: Limits
    record: PaceRecord
    queues: Queues
    concurrency: Concurrency
    telemetry: Telemetry
    now: Callable[[], float]


def set_pace(pacing: Pacing) -> None:
    """Observe the queue, decide the pace, apply the limits if they change, and save the decision.

    Raises:
        ClientError, BotoCoreError: An AWS service is unavailable. The next run tries again.
    """
    now, remembered = pacing.now(), pacing.record.read()
    backlog = pacing.queues.backlog()
    seen = Observation(backlog, remembered.throttles, now)
    pace = decide(remembered.pace, seen, pacing.limits)
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
            "An earlier reservation stays in effect; without one, only RetryFunction's concurrency "
            "is limited. Ask AWS for a higher limit of concurrent executions. Lambda's answer: "
            f"{refusal}"
        )
    setting = Setting(lanes, reserved=refusal is None, set_at=now)
    pacing.record.write_setting(setting, change)
    return setting
