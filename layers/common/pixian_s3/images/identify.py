"""What an image file really is, judged by its content, and whether it is whole."""

import errno
import math
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any, cast

from PIL import ExifTags, Image, PngImagePlugin
from PIL.ImageFile import ImageFile

from pixian_s3.errors import PixianS3Error, Rejected

MAX_PIXELS = 32_000_000
"""Pixian takes no larger input."""

MAX_DECODED_PIXELS = 128_000_000
"""More are not decoded here: docs/images.md has the memory that each format needs for as many."""

MAX_LINES = 1_000_000
"""Each costs a pointer per copy of the picture, however short it is."""

_MAX_HEADER_BYTES = 32 << 20
"""Pillow keeps what stands before the pixels, texts in a PNG eleven times over."""

_MAX_DECODED_PIXELS_OF = {"AVIF": 64_000_000, "WEBP": 64_000_000}
"""Their decoders hold the whole picture several times over."""

_TAKEN = {"BMP", "GIF", "JPEG", "PNG", "TIFF"}
_MIME_TYPES = {name: f"image/{name.lower()}" for name in (*_TAKEN, "AVIF", "HEIF", "WEBP")}

UNREADABLE = (
    "This is not an image that can be read. JPEG, PNG, TIFF, GIF, BMP, HEIC, AVIF and WebP can be; "
    "the content counts, not the name. Export it again as one of them."
)
DAMAGED = (
    "The image is damaged or cut short. Export it again, or drop it again if only the upload was "
    "interrupted."
)

# `inspect` compares the size with its own limits before a pixel is decoded, and says what to do;
# Pillow's would only warn up to twice its limit.
Image.MAX_IMAGE_PIXELS = None

# In a PNG Pillow takes larger profiles for an attack; in other formats it has no limit.
MAX_PROFILE_BYTES = 4 << 20
PngImagePlugin.MAX_TEXT_CHUNK = MAX_PROFILE_BYTES

# Failures of the machine that reading a file can meet. All other OSErrors are Pillow's own, or
# come from a position in the file that a hostile header made up.
_MACHINE_FAILED = {errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EROFS}


@dataclass(frozen=True)
class ImageInfo:
    """What an image's header says.

    Attributes:
        format: JPEG, PNG, TIFF, GIF, BMP, HEIF, AVIF or WEBP.
        mime_type: of that format.
        width: in stored pixels, before the orientation is applied.
        height: likewise.
        orientation: EXIF's, 1 to 8; 1 where there is none or no valid one. Always 1 for HEIF,
            whose readers turn the pixels upright themselves.
    """

    format: str
    mime_type: str
    width: int
    height: int
    orientation: int

    @property
    def taken_as_is(self) -> bool:
        """Whether Pixian takes the file as it stands."""
        return self.format in _TAKEN and self.width * self.height <= MAX_PIXELS


def inspect(file: IO[bytes]) -> ImageInfo:
    """Read an image's header; the file is left at its beginning.

    Raises:
        Rejected: it is empty, no image that can be read, or has more pixels than can be decoded.
    """
    if not file.seek(0, os.SEEK_END):
        raise Rejected("The file is empty: it has no bytes. Drop it again.")
    info = describe(file)
    _require_decodable(info)
    return info


def describe(file: IO[bytes]) -> ImageInfo:
    """As `inspect`, whatever the image's size."""
    with opened(file, otherwise=UNREADABLE) as image:
        return _described(image)


def require_whole(file: IO[bytes], info: ImageInfo) -> None:
    """Make sure that no part is missing; the file is left at its beginning.

    A JPEG is decoded at an eighth of its size, a PNG's checksums are compared, and of other
    formats the first picture is decoded. Damage within a JPEG's data that leaves it decodable
    isn't noticed.

    Raises:
        Rejected: the file is cut short or damaged.
    """
    with opened(file, otherwise=DAMAGED) as image:
        if info.format == "PNG":
            image.verify()
            return
        if info.format == "JPEG":
            image.draft("L", (max(1, info.width // 8), max(1, info.height // 8)))
        image.load()


def flaw(file: IO[bytes], mime_type: str) -> str | None:
    """What is wrong with a file that should be a whole image of a type; None if nothing is."""
    try:
        info = describe(file)
        require_whole(file, info)
    except Rejected:
        return "a damaged image"
    if info.mime_type != mime_type:
        return f"{info.mime_type} with the content type {mime_type}"
    return None


@contextmanager
def opened(file: IO[bytes], *, otherwise: str) -> Iterator[ImageFile]:
    """An image as Pillow sees it; within the block, do nothing but read it.

    Raises:
        Rejected: with the words in `otherwise`, if anything fails within the block.
    """
    file.seek(0)
    try:
        # What Pillow warns about either doesn't matter here or fails later on.
        with (
            warnings.catch_warnings(action="ignore"),
            Image.open(cast(IO[bytes], metered := _Metered(file)), formats=_formats(file)) as image,
        ):
            metered.left = math.inf
            yield image
    except PixianS3Error:
        raise
    except Exception as error:
        # Pillow has no list of what a file can make it raise: besides OSError and SyntaxError,
        # struct, zlib, index, key, type, overflow, memory and other errors were seen. As only it
        # runs within the block, every one of them speaks of the file, unless the machine failed.
        if isinstance(error, OSError) and error.errno in _MACHINE_FAILED:
            raise
        raise Rejected(otherwise) from error
    finally:
        file.seek(0)


class _Metered:
    """A file of which only so much may be read until the pixels begin."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        # Other formats don't have their headers first, or are read whole.
        streamed = file.read(2) in {b"\xff\xd8", b"\x89P"}
        file.seek(0)
        self.left = _MAX_HEADER_BYTES if streamed else math.inf

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.left -= len(data)
        if self.left < 0:
            raise OSError("There is too much before the pixels.")
        return data

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever else a file has
        return getattr(self._file, name)


def orientation_of(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 where there is none, or none that can be read."""
    value: object = 1
    # An EXIF block may be broken in as many ways as an image, and isn't worth rejecting it.
    with suppress(Exception):
        # Pillow's PNG reader would decode the whole image first.
        value = Image.Image.getexif(image).get(ExifTags.Base.Orientation)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _described(image: ImageFile) -> ImageInfo:
    # A JPEG of several pictures, as many cameras write, is a JPEG to whoever reads the first.
    name = "JPEG" if image.format == "MPO" else str(image.format)
    orientation = orientation_of(image)
    width, height = image.size
    if name == "TIFF" and orientation >= 5:
        # Pillow says how large a TIFF will be when it stands upright.
        width, height = height, width
    return ImageInfo(name, _MIME_TYPES[name], width, height, orientation)


def _require_decodable(info: ImageInfo) -> None:
    limit = _MAX_DECODED_PIXELS_OF.get(info.format, MAX_DECODED_PIXELS)
    if info.width * info.height > limit:
        raise Rejected(
            f"The image has {info.width} x {info.height} pixels; at most {limit:,} pixels can be "
            "processed. Make it smaller and drop it again."
        )
    if info.height > MAX_LINES:
        raise Rejected(
            f"The image is {info.height:,} pixels high; at most {MAX_LINES:,} can be processed."
        )


def _formats(file: IO[bytes]) -> tuple[str, ...]:
    """Pillow's names of the formats that a file may have."""
    start = file.read(12)
    if start[4:8] != b"ftyp":
        return ("JPEG", "PNG", "TIFF", "GIF", "BMP", "WEBP")
    # Loaded only where needed: its libraries take 27 MB.
    import pillow_heif  # noqa: PLC0415

    # An embedded preview must not stand in for the picture.
    pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
    return ("AVIF", "HEIF")
