"""Prepare a source for Pixian, and Pixian's answer for storage."""

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from tempfile import TemporaryFile
from typing import IO

from pixian_s3.attempt import Conversion, Source
from pixian_s3.config.document import Settings
from pixian_s3.errors import Rejected, Unavailable, plain
from pixian_s3.images import exif, identify
from pixian_s3.images.exif import Kept
from pixian_s3.images.identify import ImageInfo

SHRUNK_PIXELS = 25_000_000
"""The size to which Pixian recommends shrinking images that exceed its limit."""


@dataclass(frozen=True)
class Prepared:
    """An image that Pixian accepts: the source itself, or a conversion of it.

    Attributes:
        file: The file to send, rewound.
        size: The size of that file in bytes.
        info: The properties of that file.
        source: The properties of the source.
        kept: What of the source is copied to the result.
    """

    file: IO[bytes]
    size: int
    info: ImageInfo
    source: Source
    kept: Kept = exif.NOTHING

    @property
    def converted(self) -> bool:
        """Whether the file is a conversion."""
        return self.source.converted is not None


def prepare(file: IO[bytes], settings: Settings, files: ExitStack) -> Prepared:
    """Check a source; convert or shrink it only if Pixian would refuse it as it is.

    Args:
        file: The source.
        settings: The settings for its key.
        files: Closes the converted file.

    Raises:
        Rejected: The source can't be read, or must not be converted.
    """
    info = identify.inspect(file)
    size = _size(file)
    source, kept = Source(info.mime_type, info.upright, size), _kept(file, settings)
    if _goes_as_it_is(info, settings):
        if _will_be_rebuilt(settings):
            _require_decodable(info, "to rebuild the result from a delta PNG")
        identify.require_whole(file, info)
        return Prepared(file, size, info, source, kept)
    if not settings.flag("pipeline.convert"):
        raise Rejected(
            f"Pixian doesn't accept this image as it is ({_described(info)}), "
            f"and this service is configured not to convert it "
            "(pipeline.convert is false). Convert it, then upload it again."
        )
    _require_decodable(info, "to make it smaller")
    # Imported here because most images need no conversion, and it makes functions start faster.
    from pixian_s3.images import convert  # noqa: PLC0415

    converted = files.enter_context(TemporaryFile())
    sent = convert.convert(file, converted, _pixel_limit(settings, SHRUNK_PIXELS))
    why = Conversion(sent.mime_type, sent.upright, _reasons(info, sent, settings))
    return Prepared(converted, _size(converted), sent, replace(source, converted=why), kept)


def finish(  # noqa: PLR0913, PLR0917 - all that a result is made of
    answer: IO[bytes],
    mime_type: str,
    prepared: Prepared,
    settings: Settings,
    files: ExitStack,
    warn: Callable[[str], None],
) -> IO[bytes]:
    """Check an answer, rebuild an ordinary PNG from a delta PNG unless settings keep it, and add
    what is copied from the source.

    Args:
        answer: The image from Pixian.
        mime_type: Its MIME type according to Pixian.
        prepared: The image that was sent.
        settings: The settings that it was sent with.
        files: Closes the rebuilt file.
        warn: Logs a message.

    Raises:
        Unavailable: The answer isn't a complete image of its type.
        Rejected: The answer isn't a delta PNG of the image that was sent.
    """
    if flaw := identify.flaw(answer, mime_type):
        raise Unavailable(f"Pixian sent {flaw}.")
    result = answer
    if _will_be_rebuilt(settings):
        from pixian_s3.images import delta_png  # noqa: PLC0415 - as `convert` above

        result = files.enter_context(TemporaryFile())
        delta_png.rebuild(answer, prepared.file, result)
    try:
        return exif.written(result, mime_type, prepared.kept)
    except Exception as error:
        # The result was paid for.
        warn(f"Copyright and resolution weren't copied to the result: {plain(error)}")
        result.seek(0)
        return result


def _kept(file: IO[bytes], settings: Settings) -> Kept:
    wanted = settings.text("pipeline.copy_exif")
    return exif.NOTHING if wanted == "none" else exif.read(file, everything=wanted == "all")


def _will_be_rebuilt(settings: Settings) -> bool:
    return settings.is_delta_png and settings.text("pipeline.delta_png") != "keep"


def _require_decodable(info: ImageInfo, purpose: str) -> None:
    if not info.decodable:
        raise Rejected(
            f"This service can't decode this kind of file ({_described(info)}), but would need "
            f"to, {purpose}. Export the image as PNG or ordinary JPEG, then upload the new file."
        )


def _described(info: ImageInfo) -> str:
    width, height = info.upright
    return f"{info.format}, {width} x {height} pixels"


def _reasons(info: ImageInfo, sent: ImageInfo, settings: Settings) -> tuple[str, ...]:
    """Why an image was converted, as in `Conversion`."""
    reasons = [] if info.known_to_pixian else ["format"]
    if sent.upright != info.upright:
        reasons.append("max_pixels" if settings.is_delta_png else "pixels")
    return tuple(reasons)


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
