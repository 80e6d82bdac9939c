"""Picture files that many kinds of test need, made here."""

import io
import struct
from typing import Any

import numpy as np
import numpy.typing as npt
import pillow_heif
from PIL import ExifTags, Image, ImageCms

pillow_heif.register_heif_opener()

type Pixels = npt.NDArray[np.uint8]


def noise(size: tuple[int, int], channels: int = 3, seed: int = 1) -> Pixels:
    """Random pixels, height x width x channels: nothing that a codec could leave out."""
    shape = (size[1], size[0], channels)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def flag(size: tuple[int, int] = (96, 64)) -> Image.Image:
    """Four colours, each in a corner of its own: turned in any way, it looks different."""
    width, height = size
    image = Image.new("RGB", size, "white")
    image.paste("red", (0, 0, width // 2, height // 2))
    image.paste("lime", (width // 2, 0, width, height // 2))
    image.paste("blue", (0, height // 2, width // 2, height))
    return image


def corners(image: Image.Image) -> list[str]:
    """The colours of a flag's corners by name, from the top left in reading order."""
    names = {(1, 0, 0): "red", (0, 1, 0): "lime", (0, 0, 1): "blue", (1, 1, 1): "white"}
    rgb, (width, height) = image.convert("RGB"), image.size
    points = [(x, y) for y in (height // 4, height * 3 // 4) for x in (width // 4, width * 3 // 4)]
    pixels = [rgb.getpixel(point) for point in points]
    return [names[tuple(round(v / 255) for v in pixel)] for pixel in pixels]  # type: ignore[union-attr,index]


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    """A file of the image."""
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def oriented(orientation: int) -> Image.Exif:
    """EXIF data with an orientation, and a camera that nobody needs to know."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.Model] = "Camera"
    return exif


def srgb() -> bytes:
    """An ICC profile of RGB that doesn't say when it was made, so that two are the same."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile[:24] + bytes(12) + profile[36:]


def grey_ink() -> bytes:
    """An ICC profile of CMYK in which black alone counts and the other inks are invisible."""
    flat_curve = bytes(range(256))
    # Black is the fastest index; the colour is Lab, neutral at 128.
    table = bytes([255, 128, 128, 0, 128, 128]) * 8
    matrix = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    lut = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + matrix
    lut += flat_curve * 4 + table + flat_curve * 3
    header = bytearray(128)
    header[8:12] = b"\x02\x40\x00\x00"
    header[12:24] = b"prtrCMYKLab "
    header[36:40] = b"acsp"
    header[68:80] = struct.pack(">3i", 63190, 65536, 54061)
    tags = struct.pack(">I4sII", 1, b"A2B0", 144, len(lut))
    profile = bytes(header) + tags + lut
    return struct.pack(">I", len(profile)) + profile[4:]
