"""Another file of the same picture, where Pixian would refuse the one that was dropped.

The pixels are not turned: the orientation is written into the new file, and nothing else of the
EXIF data. docs/images.md lists what becomes of each kind of image.
"""

import io
import math
from typing import IO, Any, cast

from PIL import ExifTags, Image, ImageCms
from PIL.ImageFile import ImageFile

from pixian_s3.images import identify
from pixian_s3.images.identify import ImageInfo

_JPEG_MAX_SIDE = 65_500
_SPACES = {"L": b"GRAY", "LA": b"GRAY", "RGB": b"RGB ", "RGBA": b"RGB "}

# Modes of few or of finer shades, which JPEG would smear.
_LOSSLESS = ("1", "P", "PA", "I", "F")


def convert(file: IO[bytes], into: IO[bytes], max_pixels: int) -> ImageInfo:
    """Write the first picture of a file as PNG or JPEG.

    PNG where it has transparency, a palette, one bit or more than eight bits of grey; else JPEG of
    quality 95 with full colour resolution. Both files are left at their beginnings.

    Args:
        file: an image that `identify.inspect` let pass.
        into: an empty file.
        max_pixels: an image of more pixels, width times height, is shrunk to fit.

    Raises:
        Rejected: the file is cut short or damaged.
    """
    with identify.opened(file, otherwise=identify.DAMAGED) as image:
        size = fitting(image.size, max_pixels)
        lossless = image.mode.startswith(_LOSSLESS)
        picture = _shrunk(_loaded(image, size), size)
        options = _kept(image, picture := _opaque_if_it_is(eight_bit(picture)))
    picture.info = {}
    if lossless or picture.mode in {"LA", "RGBA"} or max(size) > _JPEG_MAX_SIDE:
        picture.save(into, "PNG", compress_level=1, **options)
    else:
        picture.save(into, "JPEG", quality=95, subsampling="4:4:4", **options)
    return identify.inspect(into)


def fitting(size: tuple[int, int], max_pixels: int) -> tuple[int, int]:
    """The largest size of the same shape with at most `max_pixels`, and at least 1 each way."""
    width, height = size
    if width * height <= max_pixels:
        return size
    scale = math.sqrt(max_pixels / (width * height))
    narrow = max(1, math.floor(min(size) * scale))
    # A line so long that it can't get thinner gets shorter.
    wide = min(max(1, math.floor(max(size) * scale)), max_pixels // narrow)
    return (narrow, wide) if width <= height else (wide, narrow)


def eight_bit(image: Image.Image) -> Image.Image:
    """The same picture in mode L, LA, RGB or RGBA."""
    if image.mode.startswith("I;16"):
        # Rounded; Pillow's own conversion clips at 255.
        to_eight_bits = [(value + 128) // 257 for value in range(65_536)]
        return image.convert("I").point(to_eight_bits, "L")
    if image.mode in {"I", "F"}:
        return _stretched(image)
    if image.mode == "CMYK":
        return _from_cmyk(image)
    mode = _eight_bit_mode(image)
    return image if image.mode == mode else image.convert(mode)


def fitting_profile(image: Image.Image, mode: str) -> bytes | None:
    """The image's ICC profile, if it still describes its pixels when they are of `mode`."""
    profile = image.info.get("icc_profile")
    if not isinstance(profile, bytes) or image.mode in {"CMYK", "LAB"}:
        return None
    if len(profile) > identify.MAX_PROFILE_BYTES:
        return None
    # The colour space stands at a fixed place in its header.
    return profile if profile[16:20] == _SPACES[mode] else None


def _loaded(image: ImageFile, size: tuple[int, int]) -> Image.Image:
    if image.format in {"JPEG", "MPO"}:
        # Decodes at the smallest of 1/1, 1/2, 1/4, 1/8 that isn't below the size.
        image.draft(None, size)
    image.load()
    return image


def _shrunk(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    if image.size == size:
        return image
    # CMYK is shrunk as it is, as its conversion needs room for both.
    whole = image if image.mode == "CMYK" else eight_bit(image)
    return whole.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)


def _eight_bit_mode(image: Image.Image) -> str:
    grey = image.mode in {"1", "L", "LA", "La"}
    if image.has_transparency_data:
        return "LA" if grey and image.mode != "1" else "RGBA"
    return "L" if grey else "RGB"


def _stretched(image: Image.Image) -> Image.Image:
    """From a range that no file states: its darkest becomes black, its lightest white."""
    lowest, highest = cast(tuple[float, float], image.getextrema())
    scale = 255 / ((highest - lowest) or 1)
    # The half makes rounding of the cut that `convert` makes.
    offset = 0.5 - lowest * scale
    return image.point(lambda value: value * scale + offset).convert("L")


def _from_cmyk(image: Image.Image) -> Image.Image:
    """Through its ICC profile, or without one as Pillow does it."""
    profile = image.info.get("icc_profile")
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile or b""))
        target = ImageCms.createProfile("sRGB")
        to_rgb = ImageCms.buildTransform(source, target, "CMYK", "RGB")
        return to_rgb.apply(image)
    except (OSError, ImageCms.PyCMSError):
        return image.convert("RGB")


def _opaque_if_it_is(image: Image.Image) -> Image.Image:
    if image.mode in {"LA", "RGBA"} and image.getchannel("A").getextrema() == (255, 255):
        return image.convert(image.mode.removesuffix("A"))
    return image


def _kept(image: ImageFile, picture: Image.Image) -> dict[str, Any]:
    """What is carried over into the new file; read when the pixels are there.

    By then Pillow has turned those formats upright that it turns, and says so.
    """
    options: dict[str, Any] = {"icc_profile": fitting_profile(image, picture.mode)}
    if (orientation := identify.orientation_of(image)) != 1:
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = orientation
        options["exif"] = exif
    return options
