"""All that processing needs from outside."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from pixian_s3.aws.appconfig import LiveConfiguration
from pixian_s3.aws.calls import Calls
from pixian_s3.aws.ledger import Ledger
from pixian_s3.aws.pace_record import PaceRecord
from pixian_s3.aws.queues import RetryQueue
from pixian_s3.aws.s3 import Storage
from pixian_s3.aws.secrets import CredentialsSecret
from pixian_s3.aws.telemetry import Telemetry
from pixian_s3.job import Job
from pixian_s3.lane import Lane
from pixian_s3.pixian.client import Pixian

_LONGEST_SECONDS = 900
"""Lambda's own limit."""


@dataclass(frozen=True)
class Services:
    """The adapters, made in `wiring`.

    Attributes:
        now: seconds since the epoch.
        seconds_left: until Lambda ends the invocation.
        sleep: waits for so many seconds.
    """

    calls: Calls
    configuration: LiveConfiguration
    credentials: CredentialsSecret
    lane: Lane
    ledger: Ledger
    pace_record: PaceRecord
    pixian: Pixian
    retry_queue: RetryQueue
    storage: Storage
    telemetry: Telemetry
    now: Callable[[], float]
    seconds_left: Callable[[], float]
    sleep: Callable[[float], None]

    def reserved(self, result_key: str, job: Job) -> AbstractContextManager[None]:
        """See `Ledger.reserved`; until this invocation ends, at most."""
        return self.ledger.reserved(result_key, job, self.deadline(), self.now())

    def deadline(self) -> float:
        """When Lambda ends the invocation, in seconds since the epoch."""
        return self.now() + min(self.seconds_left(), _LONGEST_SECONDS)
