"""All that processing needs from outside."""

from collections.abc import Callable
from dataclasses import dataclass

from pixian_s3.appconfig import LiveConfiguration
from pixian_s3.ledger import Ledger
from pixian_s3.pixian import Pixian
from pixian_s3.retry_queue import RetryQueue
from pixian_s3.secret import CredentialsSecret
from pixian_s3.storage import Storage
from pixian_s3.telemetry import Telemetry


@dataclass(frozen=True)
class Services:
    """The adapters, made in `wiring`.

    Attributes:
        now: seconds since the epoch.
        seconds_left: until Lambda ends the invocation.
        sleep: waits for so many seconds.
    """

    configuration: LiveConfiguration
    credentials: CredentialsSecret
    ledger: Ledger
    pixian: Pixian
    retry_queue: RetryQueue
    storage: Storage
    telemetry: Telemetry
    now: Callable[[], float]
    seconds_left: Callable[[], float]
    sleep: Callable[[float], None]
