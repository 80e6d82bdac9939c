"""One log line and one set of metrics for each try of an image."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from urllib.parse import quote

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from pixian_s3.errors import Claimed
from pixian_s3.pace import Lanes
from pixian_s3.story import Outcome, Story

NAMESPACE = "PixianS3"

_COUNTERS = {
    Outcome.PROCESSED: "ImagesProcessed",
    Outcome.SKIPPED: "ImagesSkipped",
    Outcome.REJECTED: "ImagesRejected",
    Outcome.POSTPONED: "RetriesScheduled",
    Outcome.BLOCKED: "Blocked",
    Outcome.EXHAUSTED: "RetriesExhausted",
}
_TROUBLE = {Outcome.REJECTED, Outcome.BLOCKED, Outcome.EXHAUSTED}


class Telemetry:
    """Writes stories to the log.

    Args:
        logger: Powertools' logger.
        service: the stack's name, a dimension of all metrics.
        now: seconds since the epoch.
    """

    def __init__(self, logger: Logger, service: str, now: Callable[[], float]) -> None:
        self._logger = logger
        self._service = service
        self._now = now

    def warn(self, message: str) -> None:
        """Log what a person should know although work goes on."""
        self._logger.warning(message)

    @contextmanager
    def telling_crashes(self, what: str) -> Iterator[None]:
        """Log an exception that passes; what catches it above writes nothing."""
        try:
            yield
        except Claimed:
            # Another invocation is at work on it: no crash, though the message has to come again.
            raise
        except Exception:
            self.crashed(what)
            raise

    def crashed(self, what: str) -> None:
        """Log the exception that is being handled, and count it."""
        self._logger.exception("crashed", extra={"what": what})
        self._count_all({"Crashes": 1})

    def unreadable(self, message_id: str, reason: str) -> None:
        """Log a message that went to the dead-letter queue as it came, and count it."""
        about = {"message_id": message_id, "reason": reason}
        self._logger.error("unreadable message", extra=about)
        self._count_all({"UnreadableMessages": 1})

    def pace(self, lanes: Lanes, *, backlog: int, reserved: bool) -> None:
        """Log how many lanes there may be from now on, and count them.

        Args:
            lanes: of both functions.
            backlog: messages that wait for a lane.
            reserved: whether UploadFunction's are limited.
        """
        facts = {
            "LanesAllowed": lanes.upload + lanes.retry,
            "UploadLanes": lanes.upload,
            "RetryLanes": lanes.retry,
            "Backlog": backlog,
        }
        self._logger.info("pace", extra={"pace": facts | {"reserved": reserved}})
        self._count_all(facts if reserved else facts | {"ReservationsRefused": 1})

    def _count_all(self, counts: dict[str, int]) -> None:
        metrics = EphemeralMetrics(namespace=NAMESPACE, service=self._service)
        for name, value in counts.items():
            metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
        metrics.flush_metrics()

    def tell(self, story: Story) -> None:
        """Log a story that has ended, and count it."""
        at = story.job.event_time
        seconds = self._now() - at if at else None
        log = self._logger.warning if story.outcome in _TROUBLE else self._logger.info
        log(str(story.outcome), extra={"image": _facts(story, seconds)})
        self._count(story, seconds)

    def _count(self, story: Story, seconds: float | None) -> None:
        metrics = EphemeralMetrics(namespace=NAMESPACE, service=self._service)
        # A dimension's value may neither be empty nor hold more than ASCII.
        prefix = quote(story.prefix, safe="/ ") or "(defaults)"
        metrics.add_dimension(name="prefix", value=prefix)
        # Once more over all prefixes, for alarms.
        metrics.add_dimensions(service=self._service)
        for name, (unit, value) in _measures(story, seconds).items():
            metrics.add_metric(name=name, unit=unit, value=value)
        metrics.flush_metrics()


def _measures(story: Story, seconds: float | None) -> dict[str, tuple[MetricUnit, float]]:
    measures: dict[str, tuple[MetricUnit, float]] = {}
    if story.outcome:
        measures[_COUNTERS[story.outcome]] = (MetricUnit.Count, 1)
    if story.throttled:
        measures["Throttled"] = (MetricUnit.Count, 1)
    if story.lane_wait_seconds:
        measures["LaneWait"] = (MetricUnit.Seconds, story.lane_wait_seconds)
    if story.uncounted_calls:
        measures["MaybeCharged"] = (MetricUnit.Count, len(story.uncounted_calls))
    # Wherever there was an answer, even if it came to nothing: this is what was spent.
    if story.headers:
        measures |= {
            "CreditsCharged": (MetricUnit.Count, _credits(story, "Charged")),
            "CreditsCalculated": (MetricUnit.Count, _credits(story, "Calculated")),
        }
    if story.outcome is Outcome.PROCESSED:
        measures |= {
            "PixianLatency": (MetricUnit.Milliseconds, 1000 * (story.pixian_seconds or 0)),
            "InputBytes": (MetricUnit.Bytes, story.input_bytes or 0),
            "ResultBytes": (MetricUnit.Bytes, story.result_bytes or 0),
        }
        if seconds is not None:
            measures["EndToEndLatency"] = (MetricUnit.Milliseconds, 1000 * seconds)
    return measures


def _credits(story: Story, which: str) -> float:
    try:
        credits = Decimal(story.headers.get(f"X-Credits-{which}", "0"))  # noqa: A001 - their name
    except InvalidOperation:
        return 0
    return float(credits) if credits.is_finite() else 0


def _facts(story: Story, seconds: float | None) -> dict[str, object]:
    job = story.job
    facts: dict[str, object] = {
        "outcome": story.outcome,
        "reason": story.reason,
        "bucket": job.bucket,
        "key": job.key,
        "version_id": job.version_id,
        "etag": job.etag,
        "prefix": story.prefix,
        "parameters": dict(story.parameters),
        "attempt": job.failures + 1,
        "input_type": story.input_type,
        "input_size": story.input_size,
        "input_bytes": story.input_bytes,
        "result_key": story.result_key,
        "result_bytes": story.result_bytes,
        "credits_charged": story.headers.get("X-Credits-Charged"),
        "credits_calculated": story.headers.get("X-Credits-Calculated"),
        "status": story.status,
        "maybe_charged": len(story.uncounted_calls) or None,
        "next_try_in_seconds": story.delay_seconds,
        "lane_wait_seconds": story.lane_wait_seconds or None,
        "pixian_ms": story.pixian_seconds and round(1000 * story.pixian_seconds),
        "end_to_end_ms": None if seconds is None else round(1000 * seconds),
    }
    return {name: value for name, value in facts.items() if value is not None}
