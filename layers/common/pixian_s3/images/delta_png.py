"""Rebuild an ordinary PNG from a delta PNG and the image that was sent.

A delta PNG omits the pixels that are the same as in the original, see
https://pixian.ai/api/deltaPng. Each of its pixels, as ARGB, means:

    0x00000000           transparent background
    0x00FFFFFF           copy the original's pixel, opaque
    any other value      use this value
"""

from typing import IO

from PIL import Image, ImageChops
from PIL.Image import Transpose

from pixian_s3.errors import Rejected
from pixian_s3.images import identify
from pixian_s3.images.convert import eight_bit, fitting_profile

_COMPRESS_LEVEL = 3

_MODES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA"}

_NO_DELTA = (
    "Pixian did not return a delta PNG, although one was requested. Upload the image again, or set "
    "output.format to png first."
)

# How to rotate or flip the pixels for each EXIF orientation.
_TRANSPOSITIONS = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}


def rebuild(delta: IO[bytes], original: IO[bytes], into: IO[bytes]) -> tuple[int, int]:
    """Write the cutout as an ordinary PNG, and rewind all files.

    Args:
        delta: Pixian's answer.
        original: Exactly the bytes that were sent; their EXIF orientation is applied.
        into: An empty file.

    Returns:
        The cutout's width and height in pixels.

    Raises:
        Rejected: The delta isn't a PNG with transparency, it differs from the original in size, or
            one of the files is damaged.
    """
    with identify.opened(original, otherwise=identify.DAMAGED) as source:
        source.load()
        upright = _upright(eight_bit(source).convert("RGB"), identify.orientation_of(source))
        profile = fitting_profile(source, "RGB")
    cutout = _edges(delta, upright.size)
    cutout.paste(upright, mask=from_original(cutout))
    cutout.save(into, "PNG", compress_level=_COMPRESS_LEVEL, icc_profile=profile)
    into.seek(0)
    return cutout.size


def _edges(delta: IO[bytes], size: tuple[int, int]) -> Image.Image:
    """Read the delta as RGBA and check that it has the original's size."""
    with identify.opened(delta, otherwise=_NO_DELTA) as image:
        if image.format != "PNG" or image.mode not in _MODES:
            raise Rejected(_NO_DELTA)
        _require_same_size(image.size, size)
        # The PNG may use a palette or a single transparent colour instead of an alpha channel.
        edges = image.convert("RGBA")
    edges.info = {}
    return edges


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    transposition = _TRANSPOSITIONS.get(orientation)
    return image if transposition is None else image.transpose(transposition)


def _require_same_size(delta: tuple[int, int], original: tuple[int, int]) -> None:
    if delta != original:
        raise Rejected(
            "The delta PNG can't be decoded: it has {} x {} pixels, but the image has {} x {}. Set "
            "output.format to png for images of this size, then upload the image again.".format(
                *delta, *original
            )
        )


def from_original(delta: Image.Image) -> Image.Image:
    """A mask of the pixels to copy from the original, those of value 0x00FFFFFF."""
    red, green, blue, alpha = (
        delta.getchannel(band).point(lambda value, wanted=wanted: 255 * (value == wanted), "1")
        for band, wanted in (("R", 255), ("G", 255), ("B", 255), ("A", 0))
    )
    colour = ImageChops.logical_and(ImageChops.logical_and(red, green), blue)
    return ImageChops.logical_and(colour, alpha)
