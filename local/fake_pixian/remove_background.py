"""From the bytes of an image to those of its result, step by step."""

from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import onnxruntime
from PIL import ExifTags, Image, ImageCms
from PIL.Image import Transpose

from local.fake_pixian import render
from local.fake_pixian.cutout import make_cutout
from local.fake_pixian.errors import ApiError, UnreadableImageError
from local.fake_pixian.parameters import Parameters, Size

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF")
MAX_INPUT_PIXELS = 32_000_000
ORIENTATIONS = range(1, 9)
TURNS = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
WHITE = (255, 255, 255)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """The input with its EXIF orientation applied: RGB, or RGBA if it has transparency."""

    image: Image.Image
    orientation: int
    icc_profile: bytes | None

    @property
    def size(self) -> Size:
        """The upright width and height."""
        return Size(*self.image.size)


@dataclass(frozen=True, kw_only=True)
class Result:
    """The encoded image, its headers, and the number of pixels that its price depends on."""

    body: bytes
    content_type: str
    headers: dict[str, str]
    pixels: int


def remove_background(
    data: bytes, parameters: Parameters, model: onnxruntime.InferenceSession
) -> Result:
    """Decode, shrink, cut out, crop and place, add the watermark, encode."""
    picture = read_picture(data)
    size = render.shrunk(picture.size, parameters.max_pixels)
    image = picture.image
    if size != picture.size:
        image = image.resize(size, Image.Resampling.LANCZOS)
    cutout = make_cutout(image, model)
    foreground = render.foreground_of(cutout)
    result = cutout
    if parameters.output_format != "delta_png":
        result = render.place(cutout, render.lay_out(size, foreground, parameters))
    headers = {
        "X-Input-Orientation": str(picture.orientation),
        # The API page doesn't say which size. Assumed: upright, before max_pixels.
        "X-Input-Size": _spaced(picture.size),
        "X-Result-Size": _spaced(result.size),
        "X-Input-Foreground": _spaced(render.scaled_out(foreground, size, picture.size)),
        "X-Result-Foreground": _spaced(render.foreground_of(result)),
    }
    if parameters.test:
        result = render.watermarked(result)
    body, content_type = _encoded(result, image, picture, parameters)
    return Result(body=body, content_type=content_type, headers=headers, pixels=size.pixels)


def _encoded(
    result: Image.Image, image: Image.Image, picture: Picture, parameters: Parameters
) -> tuple[bytes, str]:
    form, color = parameters.output_format, parameters.background
    if form == "delta_png":
        # If max_pixels shrank the input, no client can decode this. The API page doesn't forbid it.
        return render.delta_png(result, image), "image/png"
    if form == "jpeg" or (form == "auto" and color):
        # JPEG has no transparency, and the API page names no default background. Assumed: white.
        flat = render.flatten(result, color or WHITE)
        return render.jpeg(flat, parameters.jpeg_quality, picture.icc_profile), "image/jpeg"
    flat = render.flatten(result, color) if color else result
    return render.png(flat, picture.icc_profile), "image/png"


def _spaced(numbers: tuple[int, ...]) -> str:
    return " ".join(map(str, numbers))


def read_picture(data: bytes) -> Picture:
    """Decode one of the five formats; an UnreadableImageError if that fails."""
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as opened:
            if opened.width * opened.height > MAX_INPUT_PIXELS:
                raise _too_large()
            return _decoded(opened)
    except ApiError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large() from error
    except Exception as error:  # Pillow raises many kinds for broken files
        raise UnreadableImageError from error


def _too_large() -> ApiError:
    return ApiError(400, f"The image has more than {MAX_INPUT_PIXELS} pixels.")


def _decoded(opened: Image.Image) -> Picture:
    if opened.format == "TIFF":
        # Pillow turns a TIFF upright and drops the tag when it loads the pixels.
        orientation = _orientation_of(opened)
        opened.load()
        upright: Image.Image = opened
    else:
        # A PNG may tell it after its pixels.
        opened.load()
        orientation = _orientation_of(opened)
        turn = TURNS.get(orientation)
        upright = opened if turn is None else opened.transpose(turn)
    return Picture(
        image=_colored(upright), orientation=orientation, icc_profile=_profile_of(opened)
    )


def _profile_of(opened: Image.Image) -> bytes | None:
    """The profile, if it describes the colors of the result, which are RGB."""
    profile: bytes = opened.info.get("icc_profile") or b""
    # Bytes 16 to 20 of its header name the color space.
    return profile if profile[16:20] == b"RGB " and opened.mode not in {"CMYK", "LAB"} else None


def _orientation_of(opened: Image.Image) -> int:
    tag: object = 1
    with suppress(Exception):  # Pillow raises many kinds for EXIF that it can't read
        tag = opened.getexif().get(ExifTags.Base.Orientation)
    return tag if isinstance(tag, int) and tag in ORIENTATIONS else 1


def _colored(image: Image.Image) -> Image.Image:
    # The API page doesn't say how these modes become RGB. As docs/images.md says of the program, or
    # else its decoder of delta PNGs would restore other colors than a plain PNG has.
    if image.mode == "CMYK":
        image = _from_inks(image)
    elif image.mode.startswith(("I", "F")):
        image = _eight_bits(image)
    mode = "RGBA" if image.has_transparency_data else "RGB"
    return image if image.mode == mode else image.convert(mode)


def _from_inks(image: Image.Image) -> Image.Image:
    profile = BytesIO(image.info.get("icc_profile") or b"")
    try:
        srgb = ImageCms.createProfile("sRGB")
        return ImageCms.buildTransform(profile, srgb, "CMYK", "RGB").apply(image)
    except ImageCms.PyCMSError:  # no profile, or one of other colors
        return image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    gray = np.asarray(image).astype(np.float64)
    if image.mode.startswith("I;16"):
        # Pillow's own conversion clips at 255.
        scale, darkest = 1 / 257, 0.0
    else:
        # Neither black nor white is defined.
        darkest = gray.min()
        scale = 255 / ((gray.max() - darkest) or 1)
    eight = np.floor(gray * scale + (0.5 - darkest * scale))
    return Image.fromarray(eight.astype(np.uint8), "L")
