"""The steps from an image's bytes to a result's."""

from dataclasses import dataclass
from io import BytesIO

import numpy as np
import onnxruntime
from PIL import ExifTags, Image, ImageOps

from local.fake_pixian import render
from local.fake_pixian.cutout import cut_out
from local.fake_pixian.errors import ApiError, UnreadableImageError
from local.fake_pixian.parameters import Parameters, Size
from local.fake_pixian.render import (
    Box,
    flatten,
    foreground_of,
    lay_out,
    place,
    scaled_out,
    shrunk,
    watermarked,
)

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


WHITE = (255, 255, 255)


@dataclass(frozen=True, kw_only=True)
class Result:
    """The encoded image, what is said of it, and the pixels that it is priced by."""

    body: bytes
    content_type: str
    headers: dict[str, str]
    pixels: int


def remove_background(
    data: bytes, parameters: Parameters, model: onnxruntime.InferenceSession
) -> Result:
    """Orient, shrink, cut out, crop and place, watermark, lay on the background, render."""
    picture = read_picture(data)
    size = shrunk(picture.size, parameters.max_pixels)
    image = picture.image
    if size != picture.size:
        image = image.resize(size, Image.Resampling.LANCZOS)
    cutout = cut_out(image, model)
    foreground = foreground_of(cutout)
    result = cutout
    if parameters.output_format != "delta_png":
        result = place(cutout, lay_out(size, foreground, parameters))
    headers = {
        "X-Input-Orientation": str(picture.orientation),
        # Open point: taken here as the size after orientation, before max_pixels.
        "X-Input-Size": _spaced(picture.size),
        "X-Result-Size": _spaced(result.size),
        "X-Input-Foreground": _spaced(scaled_out(foreground, size, picture.size)),
        "X-Result-Foreground": _spaced(foreground_of(result)),
    }
    if parameters.test:
        result = watermarked(result)
    body, content_type = _encoded(result, image, picture, parameters)
    return Result(body=body, content_type=content_type, headers=headers, pixels=size.pixels)


def _encoded(
    result: Image.Image, image: Image.Image, picture: Picture, parameters: Parameters
) -> tuple[bytes, str]:
    form, color = parameters.output_format, parameters.background
    if form == "delta_png":
        # Where max_pixels shrank the input nobody can decode this; the API page leaves it at that.
        return render.delta_png(result, image), "image/png"
    if form == "jpeg" or (form == "auto" and color):
        # JPEG has no transparency and the API page names no ground for it: white is assumed.
        flat = flatten(result, color or WHITE)
        return render.jpeg(flat, parameters.jpeg_quality, picture.icc_profile), "image/jpeg"
    flat = flatten(result, color) if color else result
    return render.png(flat, picture.icc_profile), "image/png"


def _spaced(numbers: tuple[int, ...] | Box) -> str:
    return " ".join(map(str, numbers))
