"""Where the cut-out stands in the result: sizes and boxes, no pixels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from local.fake_pixian.errors import FieldError

if TYPE_CHECKING:
    from local.fake_pixian.margin import Edges, Margin
    from local.fake_pixian.parameters import Parameters

# Invented: the API page sets no bound on margins and target sizes, memory does.
MAX_RESULT_PIXELS = 50_000_000
MAX_RESULT_SIDE = 65_500

ABOVE = {"top": 0.0, "middle": 0.5, "bottom": 1.0}


class Size(NamedTuple):
    """Pixels, in the order of the `…-Size` headers."""

    width: int
    height: int

    @property
    def pixels(self) -> int:
        """The area."""
        return self.width * self.height


class Box(NamedTuple):
    """A rectangle, in the order of the `…-Foreground` headers: top first."""

    top: int
    left: int
    width: int
    height: int


class Layout(NamedTuple):
    """`source`, a part of the cut-out, is scaled onto `placed`, a part of the canvas."""

    source: Box
    placed: Box
    canvas: Size


def shrunk(size: Size, max_pixels: int) -> Size:
    """Give the largest size of the same shape that has at most `max_pixels`."""
    if size.pixels <= max_pixels:
        return size
    scale = math.sqrt(max_pixels / size.pixels)
    width = max(1, min(math.floor(size.width * scale), max_pixels))
    height = max(1, min(math.floor(size.height * scale), max_pixels // width))
    return Size(width, height)


def scaled_out(box: Box, size: Size, onto: Size) -> Box:
    """Give the smallest box in an image of size `onto` that covers `box` in one of `size`."""
    if size == onto:
        return box
    across, down = onto.width / size.width, onto.height / size.height
    top, left = math.floor(box.top * down), math.floor(box.left * across)
    bottom = min(onto.height, math.ceil((box.top + box.height) * down))
    right = min(onto.width, math.ceil((box.left + box.width) * across))
    return Box(top, left, right - left, bottom - top)


def lay_out(image: Size, foreground: Box, parameters: Parameters) -> Layout:
    """Crop, then inset into the target size or else add the margin around."""
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
