"""Copy what a photographer expects to keep from a source to its result, without its pixels.

That is the resolution and, as EXIF data, who made the picture and who has its rights. The data are
put between the parts of the result, so that its pixels stay as Pixian sent them.
"""

import struct
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

from PIL import Image
from PIL.ExifTags import IFD, Base

from pixian_s3.images import identify, png, ranges, structure

MAX_EXIF_BYTES = 60_000
"""A little less than a segment of a JPEG holds."""

_CHUNK_BYTES = 1 << 20
_MAX_DPI = 65_535  # in a JPEG
_METRES_PER_INCH = 0.0254
_CENTIMETRES_PER_INCH = 2.54
_INCH, _CENTIMETRE = 2, 3  # EXIF's units; JFIF's are 1 and 2
# Of other formats, Pillow makes up a resolution that the file and its EXIF data lack.
_WITH_DPI = {"PNG", "BMP"}
_START, _APP0, _APP1, _APP14 = 2, 0xE0, 0xE1, 0xEE

_RIGHTS = (Base.Artist, Base.Copyright)
_PICTURE = (
    *_RIGHTS,
    *(Base.ImageDescription, Base.Make, Base.Model, Base.Software, Base.DateTime),
    *(Base.XPTitle, Base.XPComment, Base.XPAuthor, Base.XPKeywords, Base.XPSubject),
)
# Not what a result has of its own (size, colours), nor what may tell a position or a device: GPS,
# the maker's notes, the user's comment, serial numbers. Nor what Pillow writes in another type.
_EXPOSURE = (
    *(Base.ExifVersion, Base.DateTimeOriginal, Base.DateTimeDigitized, Base.OffsetTime),
    *(Base.OffsetTimeOriginal, Base.OffsetTimeDigitized, Base.SubsecTime, Base.SubsecTimeOriginal),
    *(Base.SubsecTimeDigitized, Base.ExposureTime, Base.FNumber, Base.ExposureProgram),
    *(Base.ISOSpeedRatings, Base.SensitivityType, Base.StandardOutputSensitivity, Base.ISOSpeed),
    *(Base.RecommendedExposureIndex, Base.ShutterSpeedValue, Base.ApertureValue),
    *(Base.BrightnessValue, Base.ExposureBiasValue, Base.MaxApertureValue, Base.SubjectDistance),
    *(Base.MeteringMode, Base.LightSource, Base.Flash, Base.FocalLength, Base.SensingMethod),
    *(Base.FocalLengthIn35mmFilm, Base.CustomRendered, Base.ExposureMode, Base.WhiteBalance),
    *(Base.DigitalZoomRatio, Base.SceneCaptureType, Base.GainControl, Base.Contrast),
    *(Base.Saturation, Base.Sharpness, Base.SubjectDistanceRange, Base.LensSpecification),
    *(Base.LensMake, Base.LensModel),
)


@dataclass(frozen=True)
class Kept:
    """What is copied from a source to its result.

    Attributes:
        exif: A block of EXIF data, in the form of a TIFF; empty if there is nothing to copy.
        dpi: Pixels per inch, across and down; None if the source doesn't tell.
    """

    exif: bytes = b""
    dpi: tuple[float, float] | None = None


NOTHING = Kept()


def read(file: IO[bytes], *, everything: bool) -> Kept:
    """Read what is copied from a source; what can't be read isn't copied. Rewinds the file.

    Args:
        file: An image that `identify.inspect` accepted. Its pixels aren't decoded.
        everything: Whether to copy the settings of the camera as well, but no position.
    """
    with suppress(Exception), identify.opened(file, otherwise=identify.UNREADABLE) as image:
        # PngImageFile.getexif would decode the whole image first.
        exif = Image.Image.getexif(image)
        return Kept(_block(exif, everything=everything), _dpi(image, exif))
    return NOTHING


def written(file: IO[bytes], mime_type: str, kept: Kept) -> IO[bytes]:
    """A result with what is copied from its source, except where it has the same of its own.

    Args:
        file: A whole PNG or JPEG, which must stay open.
        mime_type: Its MIME type.
        kept: What is copied.

    Returns:
        The file itself if there is nothing to add.
    """
    edits = _png_edits(file, kept) if mime_type == "image/png" else _jpeg_edits(file, kept)
    file.seek(0)
    if not edits:
        return file
    result = ranges.spliced(file, *edits)
    while result.read(_CHUNK_BYTES):
        pass  # what can fail must not fail during the upload
    result.seek(0)
    return result


def _block(exif: Image.Exif, *, everything: bool) -> bytes:
    if everything:
        # Values that can't be written must not cost the rights.
        with suppress(Exception):
            exposure = exif.get_ifd(IFD.Exif)
            chosen = {int(tag): exposure[tag] for tag in _EXPOSURE if tag in exposure}
            ascii_only = {tag: v for tag, v in chosen.items() if str(v).isascii()}
            block = _serialized(_texts(exif, _PICTURE), ascii_only)
            if len(block) <= MAX_EXIF_BYTES:
                return block
    block = _serialized(_texts(exif, _RIGHTS), {})
    return block if len(block) <= MAX_EXIF_BYTES else b""


def _texts(exif: Image.Exif, tags: Iterable[int]) -> dict[int, bytes]:
    """The texts of some tags as they are in the file, without empty ones."""
    values = {tag: exif[tag] for tag in tags if tag in exif}
    # Pillow reads text as Latin-1, whatever it is, but writes only ASCII and bytes.
    texts = {tag: v.encode("latin-1") if isinstance(v, str) else v for tag, v in values.items()}
    return {tag: v for tag, v in texts.items() if isinstance(v, bytes) and v.strip(b"\0 ")}


def _serialized(texts: Mapping[int, bytes], exposure: Mapping[int, Any]) -> bytes:
    if not (texts or exposure):
        return b""
    exif = Image.Exif()
    for tag, text in texts.items():
        exif[tag] = text
    if exposure:
        exif.get_ifd(IFD.Exif).update(exposure)
    return exif.tobytes().removeprefix(b"Exif\0\0")


def _dpi(image: Image.Image, exif: Image.Exif) -> tuple[float, float] | None:
    with suppress(TypeError, ValueError, ZeroDivisionError):
        across, down = _stated_dpi(image, exif)
        if all(1 <= number <= _MAX_DPI for number in (across, down)):
            return across, down
    return None


def _stated_dpi(image: Image.Image, exif: Image.Exif) -> tuple[float, float]:
    """What the file says; raises one of the errors above if it says nothing."""
    if unit := image.info.get("jfif_unit"):
        across, down = image.info["jfif_density"]
        per_centimetre = unit != 1
    elif (across := exif.get(Base.XResolution)) and (down := exif.get(Base.YResolution)):
        unit = exif.get(Base.ResolutionUnit, _INCH)
        if unit not in {_INCH, _CENTIMETRE}:
            raise ValueError
        per_centimetre = unit == _CENTIMETRE
    elif image.format in _WITH_DPI:
        (across, down), per_centimetre = image.info.get("dpi", ()), False
    else:
        raise ValueError
    factor = _CENTIMETRES_PER_INCH if per_centimetre else 1
    return float(across) * factor, float(down) * factor


def _png_edits(file: IO[bytes], kept: Kept) -> list[tuple[int, int, bytes]]:
    own, behind, added = set[bytes](), 0, b""
    for chunk in png.chunks(file):
        own.add(chunk.kind)
        behind = behind or chunk.end  # of the header, which is the first chunk
    if kept.dpi and b"pHYs" not in own:
        across, down = (round(dpi / _METRES_PER_INCH) for dpi in kept.dpi)
        added += png.chunk(b"pHYs", struct.pack(">IIB", across, down, 1))
    if kept.exif and b"eXIf" not in own:
        added += png.chunk(b"eXIf", kept.exif)
    return [(behind, behind, added)] if added else []


def _jpeg_edits(file: IO[bytes], kept: Kept) -> list[tuple[int, int, bytes]]:
    edits, behind, takes_header = [], _START, False
    own = set[bytes | int]()
    for marker, start in structure.jpeg_segments(file):
        head = file.read(15)
        if marker in structure.SOF:
            takes_header = head[7:8] == b"\1" or head[8:15:3] == b"\1\2\3"
        own |= {marker, head[2:7]}
        if marker == _APP0 and start == behind + 2:
            length = int.from_bytes(head[:2])
            behind = start + length
            if kept.dpi and length >= 14 and head[2:7] == b"JFIF\0" and not head[9]:
                edits.append((start + 9, start + 14, _density(kept.dpi)))
    # With Adobe's segment, or components of other numbers than JFIF's, a new header could change
    # how the colours are read.
    if kept.dpi and takes_header and not own & {b"JFIF\0", _APP14}:
        header = b"\xff\xe0\0\x10JFIF\0\1\2" + _density(kept.dpi) + b"\0\0"
        edits.append((_START, _START, header))
    if kept.exif and b"Exif\0" not in own:
        body = b"Exif\0\0" + kept.exif
        edits.append((behind, behind, b"\xff\xe1" + (len(body) + 2).to_bytes(2) + body))
    return edits


def _density(dpi: tuple[float, float]) -> bytes:
    across, down = (round(number) for number in dpi)
    return struct.pack(">BHH", 1, across, down)
