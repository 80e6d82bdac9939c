"""Convert images that Pixian would refuse to PNG or JPEG.

The pixels are not rotated. The new file carries the EXIF orientation, but no other EXIF data.
docs/images.md explains how each file type is handled.
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

# JPEG would blur the edges of images with few colours, and round off more than 8 bits of grey.
_LOSSLESS = ("1", "P", "PA", "I", "F")


def convert(file: IO[bytes], into: IO[bytes], max_pixels: int) -> ImageInfo:
    """Write the first picture of a file as PNG or JPEG, and rewind both files.

    Writes a PNG if the picture has transparency, a palette, one bit per pixel or more than eight
    bits of grey; otherwise a JPEG of quality 95 without chroma subsampling.

    Args:
        file: An image that `identify.inspect` accepted.
        into: An empty file.
        max_pixels: Images with more pixels (width times height) are shrunk to fit.

    Returns:
        The properties of the new file.

    Raises:
        Rejected: The file is truncated or damaged.
    """
    with identify.opened(file, otherwise=identify.DAMAGED) as image:
        size = fitting(image.size, max_pixels)
        lossless = image.mode.startswith(_LOSSLESS)
        picture = _shrunk(_loaded(image, size), size)
        options = _kept(image, picture := _without_needless_alpha(eight_bit(picture)))
    picture.info = {}
    if lossless or picture.mode in {"LA", "RGBA"} or max(size) > _JPEG_MAX_SIDE:
        picture.save(into, "PNG", compress_level=1, **options)
    else:
        picture.save(into, "JPEG", quality=95, subsampling="4:4:4", **options)
    return identify.inspect(into)


def fitting(size: tuple[int, int], max_pixels: int) -> tuple[int, int]:
    """Scale (width, height) down to at most `max_pixels`, keeping the aspect ratio.

    Neither side becomes smaller than 1 pixel.
    """
    width, height = size
    if width * height <= max_pixels:
        return size
    scale = math.sqrt(max_pixels / (width * height))
    narrow = max(1, math.floor(min(size) * scale))
    # If the short side is already 1, only the long side can shrink further.
    wide = min(max(1, math.floor(max(size) * scale)), max_pixels // narrow)
    return (narrow, wide) if width <= height else (wide, narrow)


def eight_bit(image: Image.Image) -> Image.Image:
    """Convert an image to mode L, LA, RGB or RGBA."""
    if image.mode.startswith("I;16"):
        # Scale and round; Pillow's own conversion would clip at 255.
        to_eight_bits = [(value + 128) // 257 for value in range(65_536)]
        return image.convert("I").point(to_eight_bits, "L")
    if image.mode in {"I", "F"}:
        return _stretched(image)
    if image.mode == "CMYK":
        return _from_cmyk(image)
    mode = _eight_bit_mode(image)
    return image if image.mode == mode else image.convert(mode)


def fitting_profile(image: Image.Image, mode: str) -> bytes | None:
    """The image's ICC profile, or None if it doesn't fit the image once converted to `mode`."""
    profile = image.info.get("icc_profile")
    if not isinstance(profile, bytes) or image.mode in {"CMYK", "LAB"}:
        return None
    if len(profile) > identify.MAX_PROFILE_BYTES:
        return None
    # Bytes 16 to 20 of the profile's header name the colour space.
    return profile if profile[16:20] == _SPACES[mode] else None


def _loaded(image: ImageFile, size: tuple[int, int]) -> Image.Image:
    if image.format in {"JPEG", "MPO"}:
        # Decode at the smallest of 1/1, 1/2, 1/4 and 1/8 that is at least the wanted size.
        image.draft(None, size)
    identify.load(image)
    return image


def _shrunk(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    if image.size == size:
        return image
    # Shrink CMYK before converting it, because the conversion holds both images in memory.
    whole = image if image.mode == "CMYK" else eight_bit(image)
    return whole.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)


def _eight_bit_mode(image: Image.Image) -> str:
    grey = image.mode in {"1", "L", "LA", "La"}
    if image.has_transparency_data:
        return "LA" if grey and image.mode != "1" else "RGBA"
    return "L" if grey else "RGB"


def _stretched(image: Image.Image) -> Image.Image:
    """Map the darkest pixel to black and the lightest to white; these modes have no fixed range."""
    lowest, highest = cast(tuple[float, float], image.getextrema())
    scale = 255 / ((highest - lowest) or 1)
    # `convert` truncates; adding 0.5 makes it round.
    offset = 0.5 - lowest * scale
    return image.point(lambda value: value * scale + offset).convert("L")


def _from_cmyk(image: Image.Image) -> Image.Image:
    """Convert with the embedded ICC profile, or with Pillow's formula if there is none."""
    profile = image.info.get("icc_profile")
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile or b""))
        target = ImageCms.createProfile("sRGB")
        to_rgb = ImageCms.buildTransform(source, target, "CMYK", "RGB")
        return to_rgb.apply(image)
    except (OSError, ImageCms.PyCMSError):
        return image.convert("RGB")


def _without_needless_alpha(image: Image.Image) -> Image.Image:
    if image.mode in {"LA", "RGBA"} and image.getchannel("A").getextrema() == (255, 255):
        return image.convert(image.mode.removesuffix("A"))
    return image


def _kept(image: ImageFile, picture: Image.Image) -> dict[str, Any]:
    """The metadata to carry over into the new file: ICC profile and orientation.

    Call it once the pixels are loaded: only then is the orientation correct for those formats that
    Pillow rotates itself.
    """
    options: dict[str, Any] = {"icc_profile": fitting_profile(image, picture.mode)}
    if (orientation := identify.orientation_of(image)) != 1:
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = orientation
        options["exif"] = exif
    return options
