"""The error report: why an image has no result, for whoever dropped it."""

from datetime import UTC, datetime
from typing import Any

from pixian_s3.errors import PixianS3Error, Rejected
from pixian_s3.story import Story


def error_report(story: Story, error: PixianS3Error) -> dict[str, Any]:
    """The report as it is written: the reason first, then what was tried on what."""
    job = story.job
    return {
        "error": str(error),
        "pixian": {"status": story.status, "code": getattr(error, "code", None)}
        if story.status
        else None,
        "source": {
            "bucket": job.bucket,
            "key": job.key,
            "version_id": job.version_id,
            "etag": job.etag,
            "dropped_at": datetime.fromtimestamp(job.event_time, UTC).isoformat()
            if job.event_time
            else None,
        },
        "parameters": dict(story.parameters),
        "attempts": job.failures + 1,
        "what_now": "Mend the file or the configuration and drop the file again."
        if isinstance(error, Rejected)
        else "The image waits in the dead-letter queue; docs/operations.md says how to send it on.",
    }
