"""Identify an image file by its content, and check that it is complete."""

import errno
import math
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import IO, Any, cast

from PIL import ExifTags, Image, PngImagePlugin
from PIL.ImageFile import ImageFile

from pixian_s3.errors import PixianS3Error, Rejected
from pixian_s3.images import memory, png, structure
from pixian_s3.images.raw import camera_raw

MAX_PIXELS = 32_000_000
"""Pixian's limit for an input image."""

MAX_DECODED_PIXELS = 128_000_000
"""The largest image that is decoded here; docs/images.md lists the memory needed per format."""

MAX_LINES = 1_000_000
"""The greatest height: Pillow keeps a pointer per line in each copy, even for very short lines."""

_MAX_HEADER_BYTES = 32 << 20
"""Pillow keeps everything before the pixels of a JPEG, GIF or BMP in memory."""

_BYTES_PER_READ = 32
"""What a read counts for at least, as it takes about 2 µs and an object of Python."""

_MAX_BYTES_PER_PIXEL = 24
"""More than libavif takes for 10 bits, alpha and film grain, with what Pillow makes of it."""

_BASE_BYTES, _MAX_BYTES = 128 << 20, 1300 << 20
"""What decoding may take in any case, and at most."""

_MAX_DECODED_PIXELS_OF = {"AVIF": 64_000_000, "WEBP": 64_000_000}
"""Lower limits for decoders that hold several copies of the whole picture."""

_TAKEN = {"BMP", "GIF", "JPEG", "PNG", "TIFF"}
_MIME_TYPES = {name: f"image/{name.lower()}" for name in (*_TAKEN, "AVIF", "HEIF", "WEBP")}

UNREADABLE = (
    "The file is not an image in a supported format. Supported formats are JPEG, PNG, TIFF, GIF, "
    "BMP, HEIC, AVIF and WebP; renaming a file doesn't change its format. Export the image in one "
    "of these formats, then upload it again."
)
DAMAGED = (
    "The image is damaged or incomplete. If the upload was interrupted, upload the file again; "
    "otherwise, export the image again and upload the new file."
)

# `inspect` enforces its own limits before any pixel is decoded. Pillow's limit would only warn
# about images of up to twice its size.
Image.MAX_IMAGE_PIXELS = None

# Pillow treats a larger ICC profile in a PNG as an attack, but has no limit for other formats.
MAX_PROFILE_BYTES = PngImagePlugin.MAX_TEXT_CHUNK = png.MAX_INFLATED_BYTES

# Errors that mean that the machine failed, not the file. Every other OSError is raised by Pillow
# itself or comes from a bogus file offset in a malicious header.
_MACHINE_FAILED = {errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EROFS}


@dataclass(frozen=True)
class ImageInfo:
    """The properties that an image's header states.

    Attributes:
        format: JPEG, PNG, TIFF, GIF, BMP, HEIF, AVIF or WEBP.
        mime_type: The MIME type of that format.
        width: In stored pixels, before the orientation is applied.
        height: In stored pixels, before the orientation is applied.
        orientation: The EXIF orientation, 1 to 8; 1 if it is missing or invalid. Always 1 for HEIF,
            because its decoder rotates the pixels itself, and for files that can't be decoded.
        decodable: Whether the file is of a kind that can be decoded here. Pixian may take others.
    """

    format: str
    mime_type: str
    width: int
    height: int
    orientation: int
    decodable: bool = True

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height as shown: with the orientation applied."""
        lying = self.orientation >= 5
        return (self.height, self.width) if lying else (self.width, self.height)

    @property
    def taken_as_is(self) -> bool:
        """Whether Pixian accepts the file without conversion."""
        return self.known_to_pixian and self.width * self.height <= MAX_PIXELS

    @property
    def known_to_pixian(self) -> bool:
        """Whether Pixian accepts files of this format."""
        return self.format in _TAKEN


def inspect(file: IO[bytes]) -> ImageInfo:
    """Read an image's header and rewind the file.

    Raises:
        Rejected: The file is empty, is a camera RAW file, isn't an image in a supported format, has
            too many pixels, or would take too much memory or time to decode.
    """
    if not file.seek(0, os.SEEK_END):
        raise Rejected("The file is empty (0 bytes). Upload it again.")
    if (kind := camera_raw(file)) is not None:
        name = f" ({kind})" if kind else ""
        raise Rejected(
            f"This is a camera RAW file{name}. Export it as JPEG, PNG or TIFF, then upload that "
            "file."
        )
    info = describe(file)
    _require_decodable(info)
    return info


def describe(file: IO[bytes]) -> ImageInfo:
    """Like `inspect`, but without the size limits."""
    outline = structure.outline(file)
    try:
        with opened(file, otherwise=UNREADABLE) as image:
            info = _described(image)
    except Rejected as unreadable:
        if str(unreadable) != UNREADABLE:
            raise
        # Which JPEGs Pillow reads is known, but not which TIFFs and BMPs.
        if outline and not (outline.format == "JPEG" and outline.decodable):
            return _undecodable(outline)
        _reject_heif(file)
        raise
    return info if outline is None else replace(info, decodable=outline.decodable)


def require_whole(file: IO[bytes], info: ImageInfo) -> None:
    """Check that the file is complete, and rewind it.

    Decodes a JPEG at an eighth of its size, verifies the checksums of a PNG, and decodes the first
    picture of any other format. Damage that leaves a JPEG decodable goes unnoticed. Of a file that
    can't be decoded here, only the end is looked for.

    Raises:
        Rejected: The file is truncated or damaged.
    """
    if info.format == "PNG":
        _reject_unless(png.is_whole(file))
        return
    if not info.decodable:
        _reject_unless(structure.is_whole(file, info.format))
        return
    with opened(file, otherwise=DAMAGED) as image:
        if info.format == "JPEG":
            image.draft("L", (max(1, info.width // 8), max(1, info.height // 8)))
        image.load()


def flaw(file: IO[bytes], mime_type: str) -> str | None:
    """What is wrong with a file that should be a whole image of a type; None if nothing is."""
    try:
        found = _type_of_whole(file)
    except Rejected:
        return "a damaged image"
    return None if found == mime_type else f"{found} with the content type {mime_type}"


def _type_of_whole(file: IO[bytes]) -> str:
    if _is_png(file):
        # Pillow refuses some that are whole, and an answer that was paid for must not depend on it.
        _reject_unless(png.is_whole(file))
        return _MIME_TYPES["PNG"]
    info = describe(file)
    require_whole(file, info)
    return info.mime_type


def _reject_unless(whole: bool) -> None:  # noqa: FBT001 - it is the only argument
    if not whole:
        raise Rejected(DAMAGED)


def load(image: ImageFile) -> None:
    """Decode an opened image, within the memory that a picture of its size may take.

    Raises:
        Rejected: An AVIF or HEIC is damaged, or takes more. Its frame may be larger than its header
            says, which its decoder finds out too late.
    """
    if image.format not in {"AVIF", "HEIF"}:
        image.load()
        return
    width, height = image.size
    try:
        with memory.limited(min(_MAX_BYTES, _BASE_BYTES + width * height * _MAX_BYTES_PER_PIXEL)):
            image.load()
    except Exception as error:
        raise Rejected(
            f"The picture in the {image.format} file can't be decoded: it is damaged, incomplete, "
            f"or larger than the {width} x {height} pixels that its header states. Export the "
            "image again, then upload the new file."
        ) from error


@contextmanager
def opened(file: IO[bytes], *, otherwise: str) -> Iterator[ImageFile]:
    """Open an image with Pillow and rewind the file afterwards.

    Use the block only to read the image, because almost any exception in it rejects the file.

    Raises:
        Rejected: Something failed within the block; `otherwise` is the message.
    """
    file.seek(0)
    try:
        # Pillow's warnings either don't matter here or are followed by an error.
        with (
            warnings.catch_warnings(action="ignore"),
            Image.open(cast(IO[bytes], metered := _Metered(file)), formats=_formats(file)) as image,
        ):
            metered.left = math.inf
            yield image
    except PixianS3Error:
        raise
    except Exception as error:
        # Pillow doesn't document what it may raise: besides OSError and SyntaxError we have seen
        # struct, zlib, index, key, type, overflow, memory and other errors. As only Pillow runs
        # within the block, the file is to blame for all of them unless the machine failed.
        if isinstance(error, OSError) and error.errno in _MACHINE_FAILED:
            raise
        raise Rejected(otherwise) from error
    finally:
        file.seek(0)


class _Metered:
    """A file that limits how much Pillow may read before the pixels."""

    def __init__(self, file: IO[bytes]) -> None:
        # TIFF doesn't start with its header, and the others are read whole.
        streamed = file.read(2) in {b"\xff\xd8", b"GI", b"BM"}
        self.left = _MAX_HEADER_BYTES if streamed else math.inf
        self._file = png.essence(file) if _is_png(file) else file
        self._file.seek(0)

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.left -= max(len(data), _BYTES_PER_READ)
        if self.left < 0:
            raise Rejected(
                f"The file has more than {_MAX_HEADER_BYTES >> 20} MB, or too many parts, before "
                "its pixels. Export the image again without comments and metadata, then upload "
                "the new file."
            )
        return data

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the rest of the file's interface
        return getattr(self._file, name)


def orientation_of(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 if it is missing or unreadable."""
    value: object = 1
    # A broken EXIF block can raise as many kinds of errors as a broken image, but is no reason to
    # reject the image.
    with suppress(Exception):
        # PngImageFile.getexif would decode the whole image first.
        value = Image.Image.getexif(image).get(ExifTags.Base.Orientation)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _described(image: ImageFile) -> ImageInfo:
    # Many cameras write an MPO, several JPEGs in one file; only the first one is used.
    name = "JPEG" if image.format == "MPO" else str(image.format)
    orientation = orientation_of(image)
    width, height = image.size
    if name == "TIFF" and orientation >= 5:
        # Pillow reports the size of a TIFF after rotation.
        width, height = height, width
    return ImageInfo(name, _MIME_TYPES[name], width, height, orientation)


def _undecodable(outline: structure.Outline) -> ImageInfo:
    name, (width, height) = outline.format, outline.size
    return ImageInfo(name, _MIME_TYPES[name], width, height, orientation=1, decodable=False)


def _reject_heif(file: IO[bytes]) -> None:
    """Say more about an AVIF or HEIC that can't be opened, if its header can be read."""
    if (header := structure.heif(file)) is None:
        return
    name, (width, height) = header
    _require_decodable(ImageInfo(name, _MIME_TYPES[name], width, height, orientation=1))
    raise Rejected(
        f"The image can't be read: this {name} file of {width} x {height} pixels is damaged, or "
        "uses a feature that isn't supported here. Export the image again, as JPEG or PNG if that "
        "doesn't help, then upload the new file."
    )


def _is_png(file: IO[bytes]) -> bool:
    file.seek(0)
    found = file.read(len(png.SIGNATURE)) == png.SIGNATURE
    file.seek(0)
    return found


def _require_decodable(info: ImageInfo) -> None:
    limit = _MAX_DECODED_PIXELS_OF.get(info.format, MAX_DECODED_PIXELS)
    width, height = info.upright
    if width * height > limit:
        raise Rejected(
            f"The image has {width} x {height} pixels, but at most {limit:,} pixels can "
            f"be processed in a {info.format} file. Make it smaller, then upload it again."
        )
    if info.height > MAX_LINES:
        raise Rejected(
            f"The image is {info.height:,} pixels high, but at most {MAX_LINES:,} can be "
            "processed. Make it smaller, then upload it again."
        )


def _formats(file: IO[bytes]) -> tuple[str, ...]:
    """Pillow's names of the formats to try, judging by the first bytes."""
    start = file.read(12)
    if start[4:8] != b"ftyp":
        return ("JPEG", "PNG", "TIFF", "GIF", "BMP", "WEBP")
    # Imported only when needed, because its libraries take 27 MB.
    import pillow_heif  # noqa: PLC0415

    # Ignore embedded previews, so that none of them is taken for the picture.
    pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
    return ("AVIF", "HEIF")
