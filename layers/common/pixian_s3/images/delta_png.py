"""An ordinary PNG, rebuilt from a delta PNG and the image that it was made from.

A delta PNG leaves out what the original has, https://pixian.ai/api/deltaPng. Each of its pixels, as
ARGB, is one of:

    0x00000000           background, transparent
    0x00FFFFFF           the original's pixel, opaque
    anything else        the pixel itself
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
    "Pixian's answer is not the delta PNG that was asked for. Drop the image again, or set "
    "output.format to png."
)

# How to turn the pixels for each EXIF orientation.
_TURNS = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}


def rebuild(delta: IO[bytes], original: IO[bytes], into: IO[bytes]) -> tuple[int, int]:
    """Write the cut-out as an ordinary PNG, and say its width and height.

    All files are left at their beginnings.

    Args:
        delta: what came back.
        original: the very bytes that were sent; its orientation is applied.
        into: an empty file.

    Raises:
        Rejected: the delta is no PNG with transparency, its size isn't that of the original, or one
            of the files is damaged.
    """
    with identify.opened(original, otherwise=identify.DAMAGED) as source:
        source.load()
        upright = _turned(eight_bit(source).convert("RGB"), identify.orientation_of(source))
        profile = fitting_profile(source, "RGB")
    cut_out = _edges(delta, upright.size)
    cut_out.paste(upright, mask=_from_original(cut_out))
    cut_out.save(into, "PNG", compress_level=_COMPRESS_LEVEL, icc_profile=profile)
    into.seek(0)
    return cut_out.size


def _edges(delta: IO[bytes], size: tuple[int, int]) -> Image.Image:
    """The delta's own pixels, RGBA, of the size that the original has."""
    with identify.opened(delta, otherwise=_NO_DELTA) as image:
        if image.format != "PNG" or image.mode not in _MODES:
            raise Rejected(_NO_DELTA)
        _require_same_size(image.size, size)
        # A palette or one transparent colour may stand for the four channels.
        edges = image.convert("RGBA")
    edges.info = {}
    return edges


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


def _require_same_size(delta: tuple[int, int], original: tuple[int, int]) -> None:
    if delta != original:
        raise Rejected(
            "The delta PNG can't be decoded: it has {} x {} pixels, but the image {} x {}. Was it "
            "shrunk by max_pixels? Set output.format to png for images of this size.".format(
                *delta, *original
            )
        )


def _from_original(delta: Image.Image) -> Image.Image:
    """A mask of the pixels that are 0x00FFFFFF."""
    red, green, blue, alpha = (
        delta.getchannel(band).point(lambda value, wanted=wanted: 255 * (value == wanted), "1")
        for band, wanted in (("R", 255), ("G", 255), ("B", 255), ("A", 0))
    )
    colour = ImageChops.logical_and(ImageChops.logical_and(red, green), blue)
    return ImageChops.logical_and(colour, alpha)
