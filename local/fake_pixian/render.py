"""Put the cut-out where the layout says, and measure where the foreground is."""

from PIL import Image

from local.fake_pixian.geometry import Box, Layout

type Color = tuple[int, int, int]


def foreground_of(cutout: Image.Image) -> Box:
    """Give the smallest box around all that is not fully transparent; all zero without any."""
    left, top, right, bottom = cutout.getchannel("A").getbbox() or (0, 0, 0, 0)
    return Box(top, left, right - left, bottom - top)


def place(cutout: Image.Image, layout: Layout) -> Image.Image:
    """Crop, scale and put on a transparent canvas."""
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
    """Put an opaque colour behind."""
    ground = Image.new("RGB", result.size, color)
    ground.paste(result, mask=result.getchannel("A"))
    return ground


def _corners(box: Box) -> tuple[int, int, int, int]:
    return box.left, box.top, box.left + box.width, box.top + box.height
