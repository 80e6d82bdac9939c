"""From bytes to upright pixels."""

from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import ExifTags, Image, ImageOps

from local.fake_pixian.errors import ApiError, UnreadableImageError
from local.fake_pixian.geometry import Size

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF")
MAX_INPUT_PIXELS = 32_000_000
ORIENTATIONS = range(1, 9)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """The input with its EXIF orientation applied: RGB, or RGBA where it has transparency."""

    image: Image.Image
    orientation: int
    icc_profile: bytes | None

    @property
    def size(self) -> Size:
        """Width and height as seen upright."""
        return Size(*self.image.size)


def read_picture(data: bytes) -> Picture:
    """Decode one of the five formats; anything broken is an UnreadableImageError."""
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as opened:
            if opened.width * opened.height > MAX_INPUT_PIXELS:
                raise _too_large()
            return _decoded(opened)
    except ApiError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large() from error
    except Exception as error:  # Pillow's readers fail in many ways on broken files
        raise UnreadableImageError from error


def _too_large() -> ApiError:
    return ApiError(400, f"The image has more than {MAX_INPUT_PIXELS} pixels.")


def _decoded(opened: Image.Image) -> Picture:
    # Pillow turns a TIFF upright as it loads and drops the tag, so the tag is read first.
    tag = opened.getexif().get(ExifTags.Base.Orientation, 1)
    opened.load()
    profile = opened.info.get("icc_profile") if opened.mode in {"RGB", "RGBA", "P"} else None
    return Picture(
        image=_colored(ImageOps.exif_transpose(opened)),
        orientation=tag if tag in ORIENTATIONS else 1,
        icc_profile=profile,
    )


def _colored(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        image = _eight_bits(image)
    mode = "RGBA" if image.has_transparency_data else "RGB"
    return image if image.mode == mode else image.convert(mode)


def _eight_bits(image: Image.Image) -> Image.Image:
    # Pillow's own conversion clips 16-bit grey at 255.
    grey = np.asarray(image).astype(np.float64)
    return Image.fromarray(np.clip(grey / 257, 0, 255).astype(np.uint8), "L")
