"""What an image file really is, judged by its content."""

from dataclasses import dataclass
from typing import IO

from PIL import Image, UnidentifiedImageError

from pixian_s3.errors import Rejected

MAX_PIXELS = 32_000_000
"""Pixian takes no larger input."""

_MIME_TYPES = {
    "BMP": "image/bmp",
    "GIF": "image/gif",
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "TIFF": "image/tiff",
}


@dataclass(frozen=True)
class ImageInfo:
    """An image's content type and its size in pixels, before any orientation is applied."""

    mime_type: str
    width: int
    height: int


def inspect(file: IO[bytes]) -> ImageInfo:
    """Read an image's header; the file is left at its beginning.

    Raises:
        Rejected: it is empty, no image that Pixian takes, or too large.
    """
    info = _read_header(file)
    if info.width * info.height > MAX_PIXELS:
        raise Rejected(
            f"The image has {info.width} x {info.height} pixels; at most {MAX_PIXELS:,} pixels "
            "can be processed. Make it smaller and drop it again."
        )
    return info


def _read_header(file: IO[bytes]) -> ImageInfo:
    file.seek(0)
    try:
        with Image.open(file, formats=tuple(_MIME_TYPES)) as image:
            return ImageInfo(_MIME_TYPES[image.format or ""], image.width, image.height)
    except Image.DecompressionBombError as error:
        raise Rejected("The image has far more pixels than can be processed.") from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise Rejected(
            "This is not an image that can be read. BMP, GIF, JPEG, PNG and TIFF can be; "
            "the content counts, not the name."
        ) from error
    finally:
        file.seek(0)
