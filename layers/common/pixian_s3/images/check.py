"""Look for signs of trouble in a result: in its pixels, and in what Pixian says about it.

A sign is a reason to look at a result, not an error. docs/images.md describes each of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, cast

from PIL import Image, ImageChops, ImageColor, ImageFilter

from pixian_s3.config.document import Settings
from pixian_s3.errors import PixianS3Error, Rejected
from pixian_s3.geometry import Box, Size, box_in, size_in
from pixian_s3.images import identify

NOTHING_KEPT = "nothing-kept"
ALL_KEPT = "all-kept"
TOUCHES_BORDER = "touches-border"
HALF_TRANSPARENT = "half-transparent"
WRONG_BACKGROUND = "wrong-background"
SMALL_SUBJECT = "small-subject"

SIGNS = (
    NOTHING_KEPT,
    ALL_KEPT,
    TOUCHES_BORDER,
    HALF_TRANSPARENT,
    WRONG_BACKGROUND,
    SMALL_SUBJECT,
)

MAX_PIXELS = 50_000_000
"""The largest result that is checked; a PNG takes 4 bytes of memory per pixel."""

_SAMPLE_SIDE = 512

# From this alpha on, a pixel is kept, half kept, and opaque.
_KEPT, _HALF, _OPAQUE = 16, 128, 240

# benchmarks/check.py has the figures that these follow from.
_LEAST_KEPT = 0.0005
_MOST_REMOVED = 0.02
_EDGE = 3
"""In pixels of the sample: a half-transparent pixel that is nearer to another kind is an edge."""

_LEAST_TOUCHING = 0.005
_NEAR_BORDER = 0.01
_LEAST_BACKGROUND = 0.01
_MOST_WRONG = 0.5
"""Of the background: a watermark covers less."""

_MOST_DISTORTED, _MOST_ROUNDED = 0.03, 3
"""How much the shape of a foreground's box may change by scaling: in parts, and in pixels."""

_LEAST_MARGIN = 2
"""In pixels: a smaller margin may be rounded away."""

# Which of one to four lengths is that of the top, right, bottom and left.
_CSS_ORDER = {1: (0, 0, 0, 0), 2: (0, 1, 0, 1), 3: (0, 1, 2, 1), 4: (0, 1, 2, 3)}

_TOLERANCE = 16
_TOLERANCE_WITH_PROFILE = 48
"""Pixian may convert the colour to the profile of the picture, such as Adobe RGB."""


class CannotLook(PixianS3Error):
    """A result can't be looked at; the message says why."""


@dataclass(frozen=True)
class Picture:
    """A result, reduced.

    Attributes:
        size: Of the result itself.
        sample: Some of its pixels, RGBA; at most 512 on each side.
        touching: The part of each side, in the order of CSS, at which the outermost pixels are
            more than half opaque, 0 to 1; None for a JPEG.
        has_profile: Whether it has an ICC profile.
    """

    size: Size
    sample: Image.Image
    touching: tuple[float, float, float, float] | None
    has_profile: bool = False


@dataclass(frozen=True)
class Said:
    """What Pixian's headers say; None where one is missing or isn't understood."""

    input_size: Size | None = None
    input_box: Box | None = None
    result_box: Box | None = None


@dataclass(frozen=True)
class Asked:
    """What a result should be.

    Attributes:
        color: The background, RGB; None if it should be transparent.
        cropped: Whether it should be cropped to the foreground.
        margin: The lengths of `result.margin`.
        min_fill: The least part of the result that the foreground's box covers, 0 to 1.
        max_half_transparent: The largest part of the foreground that is half transparent, 0 to 1.
    """

    color: tuple[int, int, int] | None = None
    cropped: bool = False
    margin: str = "0px"
    min_fill: float = 0
    max_half_transparent: float = 1


def signs_of(file: IO[bytes], headers: Mapping[str, str], settings: Settings) -> tuple[str, ...]:
    """The signs of trouble in an answer of Pixian's; rewinds the file.

    Args:
        file: The answer. A delta PNG is read as the cutout that it stands for.
        headers: The headers of the answer.
        settings: The settings that it was requested with.

    Raises:
        CannotLook: It can't be decoded here, or has more than `MAX_PIXELS` pixels.
    """
    return signs(look(file, delta=settings.is_delta_png), said_in(headers), asked_by(settings))


def signs(picture: Picture, said: Said, asked: Asked) -> tuple[str, ...]:
    """The signs of trouble in a result, in the order of `SIGNS`; empty if there are none."""
    alpha = picture.sample.getchannel("A")
    solid = picture.touching is None or (asked.color is not None and _least(alpha) == 255)
    if _nothing_kept(picture, said, asked, alpha, solid=solid):
        return (NOTHING_KEPT,)
    box = said.result_box
    if not box or min(box.gaps(picture.size)) < 0:
        box = None if solid else _box_of(alpha, picture.size)
    if _all_kept(picture, said, asked, alpha, box, solid=solid):
        return (ALL_KEPT,)
    found = {
        TOUCHES_BORDER: _touches_border(picture, said, asked, box, solid=solid),
        HALF_TRANSPARENT: not solid and _half_transparent(alpha) > asked.max_half_transparent,
        WRONG_BACKGROUND: asked.color is not None
        and _wrong_background(picture, asked.color, alpha, box),
        SMALL_SUBJECT: box is not None and _part(box, picture.size) < asked.min_fill,
    }
    return tuple(sign for sign, is_found in found.items() if is_found)


def look(file: IO[bytes], *, delta: bool = False) -> Picture:
    """Decode a PNG, or a JPEG at a reduced size; rewinds the file.

    Args:
        file: The image.
        delta: Whether it is a delta PNG, whose pixels of value 0x00FFFFFF (ARGB) are opaque.

    Raises:
        CannotLook: As in `signs_of`.
    """
    try:
        with identify.opened(file, otherwise=identify.DAMAGED) as image:
            size = Size(*image.size)
            if size.width * size.height > MAX_PIXELS or size.height > identify.MAX_LINES:
                raise CannotLook(f"It has {size.width:,} x {size.height:,} pixels.")
            image.draft("RGB", _reduced(size))
            image.load()
            is_jpeg = image.format in {"JPEG", "MPO"}
            # The nearest pixels, not averages: an edge must not look like a half-transparent area.
            sample = image.resize(_reduced(Size(*image.size)), Image.Resampling.NEAREST)
            lines = () if is_jpeg else _lines(image)
            has_profile = bool(image.info.get("icc_profile"))
            rgba = [_rgba(part, delta=delta) for part in (sample, *lines)]
    except Rejected as damaged:
        raise CannotLook("It can't be decoded here.") from damaged
    touching = [_share(_mask(line.getchannel("A"), _HALF, 255)) for line in rgba[1:]]
    return Picture(
        size,
        rgba[0],
        cast(tuple[float, float, float, float], tuple(touching)) if touching else None,
        has_profile,
    )


def said_in(headers: Mapping[str, str]) -> Said:
    """What the headers of an answer say."""
    size = size_in(headers.get("X-Input-Size", ""))
    box = box_in(headers.get("X-Input-Foreground", ""))
    if box and size and min(box.gaps(size)) < 0:
        # The size may be the one before the orientation was applied; the box is upright.
        size = Size(size.height, size.width)
    return Said(size, box, box_in(headers.get("X-Result-Foreground", "")))


def asked_by(settings: Settings) -> Asked:
    """What the settings ask for."""
    color = None if settings.is_delta_png else settings.get("background.color")
    return Asked(
        cast(tuple[int, int, int], ImageColor.getrgb(str(color))) if color else None,
        settings.flag("result.crop_to_foreground"),
        settings.text("result.margin"),
        settings.number("pipeline.check_min_fill") / 100,
        settings.number("pipeline.check_max_half_transparent") / 100,
    )


def _nothing_kept(
    picture: Picture, said: Said, asked: Asked, alpha: Image.Image, *, solid: bool
) -> bool:
    if not solid:
        return _share(_mask(alpha, _KEPT, 255)) < _LEAST_KEPT
    if said.result_box and not said.result_box.width * said.result_box.height:
        return True
    ground = asked.color or _pixel(picture.sample, 0, 0)
    return _share(_differing(picture, ground)) < _LEAST_KEPT


def _all_kept(  # noqa: PLR0913 - what `signs` has found out already
    picture: Picture,
    said: Said,
    asked: Asked,
    alpha: Image.Image,
    box: Box | None,
    *,
    solid: bool,
) -> bool:
    """Whether the result is the whole photograph, apart from margins."""
    if box is None:
        return False
    whole, within = said.input_size or picture.size, said.input_box or box
    least = 1 - _NEAR_BORDER
    if within.width < least * whole.width or within.height < least * whole.height:
        return False
    if not solid:
        removed = _mask(alpha, 0, _OPAQUE)
    elif asked.color:
        removed = ImageChops.invert(_differing(picture, asked.color))
    else:
        return False  # the background isn't known
    return _share(removed.crop(_corners(box, picture))) < _MOST_REMOVED


def _touches_border(
    picture: Picture, said: Said, asked: Asked, box: Box | None, *, solid: bool
) -> bool:
    """Whether the foreground is cut off in the result, but not in the input.

    Then its box has another shape than the one in the input; or it touches a side, although it
    doesn't end at that side of the input, and the result isn't cropped to it.
    """
    if box and said.input_box and _is_cut(box, said.input_box):
        return True
    if not solid and picture.touching:
        touching = [part > _LEAST_TOUCHING for part in picture.touching]
    else:
        touching = [gap == 0 for gap in box.gaps(picture.size)] if box else [False] * 4
    gaps = said.input_box.gaps(said.input_size) if said.input_box and said.input_size else None
    for side, touches in enumerate(touching):
        if not touches:
            continue
        if _margin(asked.margin, side, picture.size) >= _LEAST_MARGIN:
            return True
        if gaps is None or said.input_size is None or asked.cropped:
            continue
        if gaps[side] > max(1, _NEAR_BORDER * _across(said.input_size, side)):
            return True
    return False


def _half_transparent(alpha: Image.Image) -> float:
    """The part of the foreground that is half transparent, without its edges."""
    half = _mask(alpha, _KEPT, _OPAQUE).filter(ImageFilter.BoxBlur(_EDGE))
    return _share(half) / (_share(_mask(alpha, _KEPT, 255)) or 1)


def _wrong_background(
    picture: Picture, color: tuple[int, int, int], alpha: Image.Image, box: Box | None
) -> bool:
    """Whether most of the background is transparent, or isn't of the colour."""
    wrong = ImageChops.lighter(_differing(picture, color), _mask(alpha, 0, _OPAQUE))
    if box:
        outside = Image.new("L", wrong.size, 255)
        outside.paste(0, _corners(box, picture, more=2))
        if (background := _share(outside)) >= _LEAST_BACKGROUND:
            return _share(ImageChops.darker(wrong, outside)) > _MOST_WRONG * background
    # All of it is within the foreground's box. A plain ground shows in three corners or more.
    right, bottom = picture.sample.width - 1, picture.sample.height - 1
    corners = [(x, y) for x in (0, right) for y in (0, bottom)]
    if not all(wrong.getpixel(corner) for corner in corners):
        return False
    colors = [_pixel(picture.sample, *corner) for corner in corners]
    return any(sum(_is_alike(one, other) for other in colors) >= 3 for one in colors)


def _is_cut(result: Box, original: Box) -> bool:
    """Whether two boxes of the same foreground have different shapes, apart from rounding."""
    least = min(result.width, result.height, original.width, original.height)
    if not least:
        return False
    ratio = (result.width / result.height) / (original.width / original.height)
    return abs(ratio - 1) > _MOST_DISTORTED + _MOST_ROUNDED / least


def _is_alike(one: tuple[int, int, int], other: tuple[int, int, int]) -> bool:
    return all(abs(a - b) <= _TOLERANCE for a, b in zip(one, other, strict=True))


def _differing(picture: Picture, color: tuple[int, int, int]) -> Image.Image:
    """A mask of the pixels that don't have a colour."""
    colors = picture.sample.convert("RGB")
    bands = ImageChops.difference(colors, Image.new("RGB", colors.size, color)).split()
    tolerance = _TOLERANCE_WITH_PROFILE if picture.has_profile else _TOLERANCE
    most = ImageChops.lighter(ImageChops.lighter(bands[0], bands[1]), bands[2])
    return _mask(most, tolerance + 1, 255)


def _reduced(size: Size) -> Size:
    scale = min(1, _SAMPLE_SIDE / max(size))
    return Size(max(1, round(size.width * scale)), max(1, round(size.height * scale)))


def _lines(image: Image.Image) -> tuple[Image.Image, ...]:
    """The outermost pixels at each side, in the order of CSS."""
    width, height = image.size
    return (
        image.crop((0, 0, width, 1)),
        image.crop((width - 1, 0, width, height)),
        image.crop((0, height - 1, width, height)),
        image.crop((0, 0, 1, height)),
    )


def _rgba(image: Image.Image, *, delta: bool) -> Image.Image:
    rgba = image.convert("RGBA")
    if delta:
        # Imported here, because few results are delta PNGs, and functions start faster.
        from pixian_s3.images import delta_png  # noqa: PLC0415

        rgba.paste((255, 255, 255, 255), mask=delta_png.from_original(rgba))
    return rgba


def _box_of(alpha: Image.Image, size: Size) -> Box | None:
    """The box of what is more than half opaque, as Pixian would state it."""
    if (found := _mask(alpha, _HALF, 255).getbbox()) is None:
        return None
    across, down = size.width / alpha.width, size.height / alpha.height
    left, top, right, bottom = found
    return Box(
        round(top * down),
        round(left * across),
        round((right - left) * across),
        round((bottom - top) * down),
    )


def _corners(box: Box, picture: Picture, more: int = 0) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of a box of the result in the sample, and `more` around it."""
    across = picture.sample.width / picture.size.width
    down = picture.sample.height / picture.size.height
    return (
        int(box.left * across) - more,
        int(box.top * down) - more,
        round((box.left + box.width) * across) + more,
        round((box.top + box.height) * down) + more,
    )


def _margin(lengths: str, side: int, size: Size) -> float:
    """The margin at a side, roughly in pixels: Pixian doesn't say what a percentage refers to."""
    words = lengths.split()
    length = words[_CSS_ORDER[len(words)][side]]
    number = float(length.rstrip("px%"))
    return number * _across(size, side) / 100 if length.endswith("%") else number


def _across(size: Size, side: int) -> int:
    """The length at right angles to a side: the height for the top and bottom."""
    return size.width if side % 2 else size.height


def _part(box: Box, size: Size) -> float:
    return box.width * box.height / (size.width * size.height)


def _mask(image: Image.Image, lowest: int, highest: int) -> Image.Image:
    return image.point([255 * (lowest <= value <= highest) for value in range(256)])


def _share(mask: Image.Image) -> float:
    """The part of a mask that is set; 0 if it is empty."""
    return mask.histogram()[255] / ((mask.width * mask.height) or 1)


def _least(image: Image.Image) -> int:
    return int(cast(tuple[float, float], image.getextrema())[0])


def _pixel(image: Image.Image, x: int, y: int) -> tuple[int, int, int]:
    return cast(tuple[int, int, int, int], image.getpixel((x, y)))[:3]
