"""Sizes and boxes first; then the pixels: placement, background, watermark, encoding."""

import math
from io import BytesIO
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageDraw, ImageFont

from local.fake_pixian.errors import FieldError
from local.fake_pixian.parameters import Edges, Margin, Parameters, Size

# Made up: the API page doesn't limit margins and target sizes, but memory is limited.
MAX_RESULT_PIXELS = 50_000_000
MAX_RESULT_SIDE = 65_500

ABOVE = {"top": 0.0, "middle": 0.5, "bottom": 1.0}


class Box(NamedTuple):
    """A rectangle, in the order of the X-*-Foreground headers: top first."""

    top: int
    left: int
    width: int
    height: int


class Layout(NamedTuple):
    """Which part of the cutout, `source`, is scaled to which part of the canvas, `placed`."""

    source: Box
    placed: Box
    canvas: Size


def shrunk(size: Size, max_pixels: int) -> Size:
    """Find the largest size of the same shape that has at most `max_pixels`."""
    if size.pixels <= max_pixels:
        return size
    scale = math.sqrt(max_pixels / size.pixels)
    width = max(1, min(math.floor(size.width * scale), max_pixels))
    height = max(1, min(math.floor(size.height * scale), max_pixels // width))
    return Size(width, height)


def scaled_out(box: Box, size: Size, onto: Size) -> Box:
    """Find the smallest box in an image of size `onto` that covers `box` in one of `size`."""
    if size == onto:
        return box
    across, down = onto.width / size.width, onto.height / size.height
    top, left = math.floor(box.top * down), math.floor(box.left * across)
    bottom = min(onto.height, math.ceil((box.top + box.height) * down))
    right = min(onto.width, math.ceil((box.left + box.width) * across))
    return Box(top, left, right - left, bottom - top)


def lay_out(image: Size, foreground: Box, parameters: Parameters) -> Layout:
    """Crop, then fit into the target size, margin included, or else add the margin.

    A FieldError if the result would be too large, or the margin leaves no room.
    """
    crop = parameters.crop_to_foreground and foreground.width > 0
    source = foreground if crop else Box(0, 0, *image)
    if parameters.target_size:
        return _inset(source, parameters.target_size, parameters)
    return _surrounded(source, parameters.margin)


def _surrounded(source: Box, margin: Margin) -> Layout:
    edges = margin.edges(source.width, source.height)
    canvas = _grown(Size(source.width, source.height), edges)
    if canvas.pixels > MAX_RESULT_PIXELS or max(canvas) > MAX_RESULT_SIDE:
        raise FieldError(
            "result.margin", f"a result of {canvas.width}x{canvas.height} is too large"
        )
    return Layout(source, Box(edges.top, edges.left, source.width, source.height), canvas)


def _grown(size: Size, edges: Edges) -> Size:
    return Size(edges.left + size.width + edges.right, edges.top + size.height + edges.bottom)


def _inset(source: Box, target: Size, parameters: Parameters) -> Layout:
    if target.pixels > MAX_RESULT_PIXELS or max(target) > MAX_RESULT_SIDE:
        raise FieldError("result.target_size", "a result of that size is too large")
    edges = parameters.margin.edges(*target)
    room = Size(target.width - edges.left - edges.right, target.height - edges.top - edges.bottom)
    if min(room) < 1:
        raise FieldError("result.margin", "leaves no room in result.target_size")
    fitted = _fitted(source, room)
    above = math.floor((room.height - fitted.height) * ABOVE[parameters.vertical_alignment])
    beside = (room.width - fitted.width) // 2
    return Layout(source, Box(edges.top + above, edges.left + beside, *fitted), target)


def _fitted(source: Box, room: Size) -> Size:
    scale = min(room.width / source.width, room.height / source.height)
    width = min(room.width, max(1, round(source.width * scale)))
    return Size(width, min(room.height, max(1, round(source.height * scale))))


type Color = tuple[int, int, int]


def foreground_of(cutout: Image.Image) -> Box:
    """Find the smallest box around all that isn't fully transparent; zeros if everything is."""
    left, top, right, bottom = cutout.getchannel("A").getbbox() or (0, 0, 0, 0)
    return Box(top, left, right - left, bottom - top)


def place(cutout: Image.Image, layout: Layout) -> Image.Image:
    """Crop, scale, and paste onto a transparent canvas."""
    source, placed = layout.source, layout.placed
    part = cutout.crop(_corners(source))
    if part.size != (placed.width, placed.height):
        part = part.resize((placed.width, placed.height), Image.Resampling.LANCZOS)
    if part.size == layout.canvas:
        return part
    canvas = Image.new("RGBA", layout.canvas)
    canvas.paste(part, (placed.left, placed.top))
    return canvas


def flatten(result: Image.Image, color: Color) -> Image.Image:
    """Fill the background with a color."""
    ground = Image.new("RGB", result.size, color)
    ground.paste(result, mask=result.getchannel("A"))
    return ground


def _corners(box: Box) -> tuple[int, int, int, int]:
    return box.left, box.top, box.left + box.width, box.top + box.height


INK = (255, 0, 110)
STRENGTH = 0.6
LEAST_PITCH = 32


def watermarked(cutout: Image.Image) -> Image.Image:
    """Draw TEST and diagonals over the foreground, and leave alpha unchanged."""
    alpha = cutout.getchannel("A")
    left, top, right, bottom = alpha.getbbox() or (0, 0, 1, 1)
    mark = _mark(cutout.size, pitch=max(LEAST_PITCH, min(right - left, bottom - top) // 3))
    inked = cutout.copy()
    inked.paste((*INK, 255), mask=ImageChops.multiply(mark, alpha.point([0] + [255] * 255)))
    inked.putalpha(alpha)
    return inked


def _mark(size: tuple[int, int], pitch: int) -> Image.Image:
    # Pasting one tile repeatedly is faster than drawing text for each.
    tile = _tile(pitch)
    mark = Image.new("L", size)
    for top in range(0, size[1], pitch):
        for left in range(0, size[0], pitch):
            mark.paste(tile, (left, top))
    return mark


def _tile(pitch: int) -> Image.Image:
    tile = Image.new("L", (pitch, pitch))
    draw = ImageDraw.Draw(tile)
    ink = round(255 * STRENGTH)
    draw.line((0, pitch, pitch, 0), fill=ink, width=pitch // 16)
    font = ImageFont.load_default(size=pitch / 3)
    draw.text((pitch / 2, pitch / 2), "TEST", fill=ink, font=font, anchor="mm")
    return tile


COMPRESS_LEVEL = 2
FROM_ORIGINAL = np.array([255, 255, 255, 0], np.uint8).view(np.uint32)[0]


def png(image: Image.Image, icc_profile: bytes | None = None) -> bytes:
    """Encode without loss; fast rather than small."""
    return _saved(image, "PNG", compress_level=COMPRESS_LEVEL, icc_profile=icc_profile)


def jpeg(image: Image.Image, quality: int, icc_profile: bytes | None = None) -> bytes:
    """Encode an opaque image."""
    return _saved(image, "JPEG", quality=quality, icc_profile=icc_profile)


def delta_png(cutout: Image.Image, original: Image.Image) -> bytes:
    """Encode only what differs from the original.

    Opaque pixels that the original has too become 0x00FFFFFF (ARGB). Transparent ones are
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
