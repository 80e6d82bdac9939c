"""PNG, JPEG and delta PNG."""

from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image

COMPRESS_LEVEL = 2
FROM_ORIGINAL = np.array([255, 255, 255, 0], np.uint8).view(np.uint32)[0]


def png(image: Image.Image, icc_profile: bytes | None = None) -> bytes:
    """Encode without loss, fast rather than small."""
    return _saved(image, "PNG", compress_level=COMPRESS_LEVEL, icc_profile=icc_profile)


def jpeg(image: Image.Image, quality: int, icc_profile: bytes | None = None) -> bytes:
    """Encode an opaque image."""
    return _saved(image, "JPEG", quality=quality, icc_profile=icc_profile)


def delta_png(cutout: Image.Image, original: Image.Image) -> bytes:
    """Encode only what differs from the original.

    A pixel that the original has too, opaque, becomes 0x00FFFFFF (ARGB); transparent ones are
    0x00000000 already; edges and watermark stay.
    """
    opaque = original.convert("RGB").convert("RGBA")
    pixels = _words(cutout).copy()
    pixels[pixels == _words(opaque)] = FROM_ORIGINAL
    return png(Image.fromarray(pixels.view(np.uint8).reshape(*pixels.shape, 4), "RGBA"))


def _words(image: Image.Image) -> npt.NDArray[np.uint32]:
    """View each RGBA pixel as one number."""
    return np.asarray(image).view(np.uint32)[..., 0]


def _saved(image: Image.Image, form: str, **options: object) -> bytes:
    file = BytesIO()
    image.save(file, form, **options)
    return file.getvalue()
