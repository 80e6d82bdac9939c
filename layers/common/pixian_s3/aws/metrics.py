"""The metrics of outcomes: their names, and what CloudWatch knows of them."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pixian_s3.attempt import Outcome

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient

NAMESPACE = "PixianS3"

COUNTERS = {
    Outcome.PROCESSED: "ImagesProcessed",
    Outcome.SKIPPED: "ImagesSkipped",
    Outcome.REJECTED: "ImagesRejected",
    Outcome.POSTPONED: "RetriesScheduled",
    Outcome.BLOCKED: "Blocked",
    Outcome.PAUSED: "Paused",
    Outcome.EXHAUSTED: "RetriesExhausted",
}

BY_PREFIX = frozenset({COUNTERS[Outcome.PROCESSED], "CreditsCharged"})
"""The metrics that are also recorded for each configured prefix. CloudWatch charges for each name
with each prefix."""

ENDINGS = (Outcome.PROCESSED, Outcome.SKIPPED, Outcome.REJECTED, Outcome.EXHAUSTED)
"""The outcomes after which an image isn't tried again."""


def attempts_by_minute(
    cloudwatch: "CloudWatchClient", service: str, since: float, until: float
) -> dict[Outcome, dict[float, int]]:
    """How many attempts had which outcome in which minute, as far as CloudWatch knows.

    CloudWatch extracts metrics from the logs, so those of the last minutes may be missing.

    Args:
        cloudwatch: The client.
        service: The stack's name.
        since, until: Seconds since the epoch; whole minutes around them are read.

    Returns:
        For each outcome, the counts by the minute's beginning, without minutes that have none;
        nothing at all where CloudWatch has no metrics.

    Raises:
        ClientError, BotoCoreError: CloudWatch refused to say or is unavailable.
    """
    ids = {f"m{number}": outcome for number, outcome in enumerate(COUNTERS)}
    pages = cloudwatch.get_paginator("get_metric_data").paginate(
        StartTime=datetime.fromtimestamp(since // 60 * 60, UTC),
        EndTime=datetime.fromtimestamp((until // 60 + 1) * 60, UTC),
        MetricDataQueries=[
            {
                "Id": id_,
                "MetricStat": {
                    "Metric": {
                        "Namespace": NAMESPACE,
                        "MetricName": COUNTERS[outcome],
                        "Dimensions": [{"Name": "service", "Value": service}],
                    },
                    "Period": 60,
                    "Stat": "Sum",
                },
            }
            for id_, outcome in ids.items()
        ],
    )
    found: dict[Outcome, dict[float, int]] = {}
    for page in pages:
        for result in page["MetricDataResults"]:
            for minute, count in zip(result["Timestamps"], result["Values"], strict=True):
                if count:
                    counts = found.setdefault(ids[result["Id"]], {})
                    counts[minute.timestamp()] = round(count)
    return found
