"""Small values that many tests need."""

import io
import json
import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from PIL import Image

from pixian_s3.config.document import Settings, parse
from pixian_s3.job import Job

NOON = 1_790_000_000.0


def picture(
    size: tuple[int, int] = (40, 30), form: str = "PNG", mode: str = "RGB", **options: Any
) -> bytes:
    """An image file of one colour."""
    file = io.BytesIO()
    Image.new(mode, size).save(file, form, **options)
    return file.getvalue()


def make_job(key: str = "shoes/a.jpg", **changes: Any) -> Job:
    """A job as the first event of an object makes it."""
    first: dict[str, Any] = {
        "bucket": "input",
        "etag": "0123456789abcdef0123456789abcdef",
        "version_id": "version-1",
        "sequencer": "0055AED6DCD90281E5",
        "event_time": NOON,
    }
    return Job(key=key, **(first | changes))


def make_settings(key: str = "shoes/a.jpg", **document: Any) -> Settings:
    """What a document, given by its parts, says about a key."""
    faultless = parse(json.dumps(document))
    return faultless.settings_for(key)


def fresh_seed() -> int:
    """A different seed for each run, so that promises hold for more than the seeds tried so far."""
    return random.randrange(1_000_000)  # noqa: S311 - not for security


@contextmanager
def nobody() -> Iterator[str]:
    """An endpoint on loopback where nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"
