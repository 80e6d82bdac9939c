"""The logs and metrics: one log line and one set of metrics for each attempt."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING
from urllib.parse import quote

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from pixian_s3.attempt import Attempt, Outcome, signs_in, spelled
from pixian_s3.aws.metrics import BY_PREFIX, COUNTERS, NAMESPACE

if TYPE_CHECKING:
    from pixian_s3.pace import Lanes

_TOO_MANY_REQUESTS = 429
_TROUBLE = {Outcome.REJECTED, Outcome.BLOCKED, Outcome.EXHAUSTED}


class Telemetry:
    """Writes log lines, and metrics in CloudWatch's embedded metric format.

    Args:
        logger: The logger.
        service: The stack's name, a dimension of all metrics.
        now: Returns seconds since the epoch.
    """

    def __init__(self, logger: Logger, service: str, now: Callable[[], float]) -> None:
        self._logger = logger
        self._service = service
        self._now = now

    def warn(self, message: str) -> None:
        """Log a problem that doesn't stop processing."""
        self._logger.warning(message)

    @contextmanager
    def logging_crashes(self, what: str) -> Iterator[None]:
        """Log and count an exception that the block raises, and raise it again."""
        try:
            yield
        except Exception:
            self._logger.exception("crashed", extra={"what": what})
            self._count_all({"Crashes": 1})
            raise

    def calls_cut_short(self, calls: int, key: str) -> None:
        """Log and count calls whose attempts were killed, if there are any.

        Args:
            calls: The number of calls, each of which may have cost a credit.
            key: The key of their source.
        """
        if calls:
            self._logger.warning("calls cut short", extra={"key": key, "maybe_charged": calls})
            self._count_all({"MaybeCharged": calls})

    def unreadable(self, message_id: str, reason: str) -> None:
        """Log and count a message that can't be read and was sent to the dead-letter queue."""
        about = {"message_id": message_id, "reason": reason}
        self._logger.error("unreadable message", extra=about)
        self._count_all({"UnreadableMessages": 1})

    def pace(self, lanes: "Lanes", *, backlog: int, reserved: bool) -> None:
        """Log and count the lanes that are allowed from now on.

        Args:
            lanes: The lanes of both functions.
            backlog: The messages in the retry queue that could be received now.
            reserved: Whether the account could reserve concurrency for UploadFunction.
        """
        facts = {
            "LanesAllowed": lanes.upload + lanes.retry,
            "UploadLanes": lanes.upload,
            "RetryLanes": lanes.retry,
            "Backlog": backlog,
        }
        self._logger.info("pace", extra={"pace": facts | {"reserved": reserved}})
        self._count_all(facts if reserved else facts | {"ReservationsRefused": 1})

    def balance(self, credits_left: Decimal) -> None:
        """Record the credits that are left in the Pixian account."""
        self._count_all({"CreditsLeft": float(credits_left)})

    def _count_all(self, counts: Mapping[str, float]) -> None:
        metrics = EphemeralMetrics(namespace=NAMESPACE, service=self._service)
        for name, value in counts.items():
            metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
        metrics.flush_metrics()

    def log_attempt(self, attempt: Attempt) -> None:
        """Log and count a finished attempt."""
        at = attempt.job.event_time
        seconds = self._now() - at if at else None
        log = self._logger.warning if attempt.outcome in _TROUBLE else self._logger.info
        log(str(attempt.outcome), extra={"image": _facts(attempt, seconds)})
        metrics = EphemeralMetrics(namespace=NAMESPACE, service=self._service)
        for name, (unit, value) in _measures(attempt, seconds).items():
            metrics.add_metric(name=name, unit=unit, value=value)
        # The value of a dimension must be ASCII and not empty.
        metrics.add_metadata("prefix", quote(attempt.prefix, safe="/ ") or "(defaults)")
        document = metrics.serialize_metric_set()
        [total] = document["_aws"]["CloudWatchMetrics"]
        if by_prefix := [each for each in total["Metrics"] if each["Name"] in BY_PREFIX]:
            # Powertools gives all metrics of a line the same dimensions; the format doesn't.
            document["_aws"]["CloudWatchMetrics"].append(
                {**total, "Dimensions": [["service", "prefix"]], "Metrics": by_prefix}
            )
        print(json.dumps(document, separators=(",", ":")))  # noqa: T201 - as Powertools does


def _measures(attempt: Attempt, seconds: float | None) -> dict[str, tuple[MetricUnit, float]]:
    measures: dict[str, tuple[MetricUnit, float]] = {
        COUNTERS[attempt.outcome]: (MetricUnit.Count, 1)
    }
    if attempt.status == _TOO_MANY_REQUESTS:
        measures["Throttled"] = (MetricUnit.Count, 1)
    if attempt.lane_wait_seconds:
        measures["LaneWait"] = (MetricUnit.Seconds, attempt.lane_wait_seconds)
    if attempt.maybe_charged:
        measures["MaybeCharged"] = (MetricUnit.Count, 1)
    # Credits are charged for every image from Pixian, even if its result couldn't be stored.
    if attempt.answer:
        measures |= {
            "CreditsCharged": (MetricUnit.Count, float(attempt.answer.credits("Charged"))),
            "CreditsCalculated": (MetricUnit.Count, float(attempt.answer.credits("Calculated"))),
        }
    if attempt.outcome is Outcome.PROCESSED:
        measures |= _measures_of_result(attempt, seconds)
    return measures


def _measures_of_result(
    attempt: Attempt, seconds: float | None
) -> dict[str, tuple[MetricUnit, float]]:
    measures: dict[str, tuple[MetricUnit, float]] = {}
    if attempt.answer and attempt.source:
        measures = {
            "PixianLatency": (MetricUnit.Milliseconds, 1000 * attempt.answer.seconds),
            "InputBytes": (MetricUnit.Bytes, attempt.source.bytes),
            "ResultBytes": (MetricUnit.Bytes, attempt.answer.bytes),
        }
        if signs_in(attempt.answer.check):
            measures["ResultsSuspicious"] = (MetricUnit.Count, 1)
    if seconds is not None:
        measures["EndToEndLatency"] = (MetricUnit.Milliseconds, 1000 * seconds)
    return measures


def _facts(attempt: Attempt, seconds: float | None) -> dict[str, object]:
    job, source, answer = attempt.job, attempt.source, attempt.answer
    facts: dict[str, object] = {
        "outcome": attempt.outcome,
        "reason": attempt.reason,
        "bucket": job.bucket,
        "key": job.key,
        "version_id": job.version_id,
        "etag": job.etag,
        "prefix": attempt.prefix,
        "configuration": attempt.configuration or None,
        "parameters": dict(attempt.parameters),
        "test": attempt.parameters.get("test") == "true" or None,
        "attempt": job.failures + 1,
        "result_key": attempt.result_key or None,
        "status": attempt.status,
        "maybe_charged": attempt.maybe_charged or None,
        "next_attempt_in_seconds": attempt.delay_seconds,
        "lane_wait_seconds": attempt.lane_wait_seconds or None,
        "end_to_end_ms": None if seconds is None else round(1000 * seconds),
    }
    if source:
        facts |= {
            "source_type": source.mime_type,
            "source_size": spelled(source.size),
            "source_bytes": source.bytes,
            "source_converted": str(source.converted) if source.converted else None,
        }
    if answer:
        facts |= {
            "result_bytes": answer.bytes,
            "check": answer.check or None,
            "credits_charged": answer.headers.get("X-Credits-Charged"),
            "credits_calculated": answer.headers.get("X-Credits-Calculated"),
            "pixian_ms": round(1000 * answer.seconds),
        }
    return {name: value for name, value in facts.items() if value is not None}
