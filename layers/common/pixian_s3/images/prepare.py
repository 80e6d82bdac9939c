"""Before and after Pixian: a source becomes what Pixian takes, its answer what is stored."""

import os
from contextlib import ExitStack
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import IO

from pixian_s3.attempt import Input
from pixian_s3.config.document import Settings
from pixian_s3.errors import Rejected, Unavailable
from pixian_s3.images import identify
from pixian_s3.images.identify import ImageInfo

SHRUNK_PIXELS = 25_000_000
"""The size that Pixian advises for images that are larger than it takes."""


@dataclass(frozen=True)
class Prepared:
    """An image that Pixian takes: the source's own bytes, or a conversion of them.

    Attributes:
        file: at its beginning.
        size: of the file, in bytes.
        info: of the file.
        converted: whether the file isn't the source itself.
        source: what the source is.
    """

    file: IO[bytes]
    size: int
    info: ImageInfo
    converted: bool
    source: Input


def prepare(file: IO[bytes], settings: Settings, files: ExitStack) -> Prepared:
    """Check a source; convert or shrink it only if Pixian would refuse it as it is.

    Args:
        file: the source.
        settings: of its key.
        files: closes the file made here.

    Raises:
        Rejected: the source can't be read, or may not be converted.
    """
    info = identify.inspect(file)
    size = _size(file)
    source = Input(info.mime_type, (info.width, info.height), size)
    if _goes_as_it_is(info, settings):
        identify.require_whole(file, info)
        return Prepared(file, size, info, converted=False, source=source)
    if not settings.flag("pipeline.convert"):
        raise Rejected(
            f"Pixian doesn't take this image as it is ({info.format}, {info.width} x {info.height} "
            "pixels), and pipeline.convert is false for this prefix."
        )
    # Imported here because most images need no conversion, and it makes functions start faster.
    from pixian_s3.images import convert  # noqa: PLC0415

    converted = files.enter_context(TemporaryFile())
    info = convert.convert(file, converted, _pixel_limit(settings, SHRUNK_PIXELS))
    return Prepared(converted, _size(converted), info, converted=True, source=source)


def finish(
    answer: IO[bytes], mime_type: str, prepared: Prepared, settings: Settings, files: ExitStack
) -> IO[bytes]:
    """Check an answer, and rebuild an ordinary PNG from a delta PNG unless that is to be kept.

    Args:
        answer: from Pixian.
        mime_type: that Pixian gave it.
        prepared: what was sent.
        settings: with which parameters.
        files: closes the file made here.

    Raises:
        Unavailable: the answer isn't a whole image of its type.
        Rejected: it isn't the delta PNG of what was sent.
    """
    if flaw := identify.flaw(answer, mime_type):
        raise Unavailable(f"Pixian sent {flaw}.")
    if not settings.is_delta_png or settings.text("pipeline.delta_png") == "keep":
        return answer
    from pixian_s3.images import delta_png  # noqa: PLC0415 - as `convert` above

    rebuilt = files.enter_context(TemporaryFile())
    delta_png.rebuild(answer, prepared.file, rebuilt)
    return rebuilt


def _goes_as_it_is(info: ImageInfo, settings: Settings) -> bool:
    limit = _pixel_limit(settings, identify.MAX_PIXELS)
    return info.taken_as_is and info.width * info.height <= limit


def _pixel_limit(settings: Settings, limit: int) -> int:
    """A delta PNG can't be decoded against an input that the service has shrunk."""
    return min(limit, settings.number("max_pixels")) if settings.is_delta_png else limit


def _size(file: IO[bytes]) -> int:
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return size
