"""From a source as it was dropped to an image as Pixian takes it."""

import os
from contextlib import ExitStack
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import IO

from pixian_s3.aws.s3 import Storage
from pixian_s3.config.document import Settings
from pixian_s3.errors import Rejected
from pixian_s3.images import convert, identify
from pixian_s3.images.identify import ImageInfo
from pixian_s3.output import keys
from pixian_s3.pixian.inputs import Base64, Image, Upload, Url
from pixian_s3.story import Story

SHRUNK_PIXELS = 25_000_000
"""What larger images than Pixian takes are shrunk to, as it advises."""


@dataclass(frozen=True)
class Prepared:
    """An image that Pixian takes: the source's own bytes, or a conversion of them."""

    file: IO[bytes]
    info: ImageInfo
    size: int
    converted: bool


def prepare(file: IO[bytes], story: Story, settings: Settings, files: ExitStack) -> Prepared:
    """Check a source, and convert or shrink it only if Pixian would refuse it as it is.

    Args:
        file: the source.
        story: is told what the source is.
        settings: of its key.
        files: closes what is made here.

    Raises:
        Rejected: it can't be read, or may not be converted.
    """
    info = identify.inspect(file)
    story.input_type, story.input_size = info.mime_type, (info.width, info.height)
    story.input_bytes = _size(file)
    if _goes_as_it_is(info, settings):
        identify.require_whole(file, info)
        return Prepared(file, info, story.input_bytes, converted=False)
    if not settings.flag("pipeline.convert"):
        raise Rejected(
            f"Pixian doesn't take {info.format} of {info.width} x {info.height} pixels as it is, "
            "and pipeline.convert is false for this prefix."
        )
    converted = files.enter_context(TemporaryFile())
    info = convert.convert(file, converted, _pixel_limit(settings, SHRUNK_PIXELS))
    return Prepared(converted, info, _size(converted), converted=True)


def choose_input(image: Prepared, story: Story, settings: Settings, storage: Storage) -> Image:
    """The image in the way that the configuration asks for, where that is possible."""
    wanted = settings.text("pipeline.input")
    if wanted == "url" and not image.converted:
        return Url(storage.presign(story.job))
    if wanted == "base64" and Base64.fits(image.size):
        return Base64(image.file)
    return Upload(image.file, keys.file_name(story.job.key), image.info.mime_type)


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
