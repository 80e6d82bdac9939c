"""The steps from an image's bytes to a result's."""

from dataclasses import dataclass

import onnxruntime
from PIL import Image

from local.fake_pixian import encode
from local.fake_pixian.cutout import cut_out
from local.fake_pixian.geometry import Box, lay_out, scaled_out, shrunk
from local.fake_pixian.parameters import Parameters
from local.fake_pixian.picture import Picture, read_picture
from local.fake_pixian.render import flatten, foreground_of, place
from local.fake_pixian.watermark import watermarked

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
    """Orient, shrink, cut out, crop and place, watermark, lay on the background, encode."""
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
        return encode.delta_png(result, image), "image/png"
    if form == "jpeg" or (form == "auto" and color):
        # JPEG has no transparency and the API page names no ground for it: white is assumed.
        flat = flatten(result, color or WHITE)
        return encode.jpeg(flat, parameters.jpeg_quality, picture.icc_profile), "image/jpeg"
    flat = flatten(result, color) if color else result
    return encode.png(flat, picture.icc_profile), "image/png"


def _spaced(numbers: tuple[int, ...] | Box) -> str:
    return " ".join(map(str, numbers))
