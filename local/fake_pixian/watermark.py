"""The mark that a test result carries."""

from PIL import Image, ImageChops, ImageDraw, ImageFont

INK = (255, 0, 110)
STRENGTH = 0.6
LEAST_PITCH = 32


def watermarked(cutout: Image.Image) -> Image.Image:
    """Draw TEST and diagonals over the foreground; alpha stays as it is."""
    alpha = cutout.getchannel("A")
    left, top, right, bottom = alpha.getbbox() or (0, 0, 1, 1)
    mark = _mark(cutout.size, pitch=max(LEAST_PITCH, min(right - left, bottom - top) // 3))
    inked = cutout.copy()
    inked.paste((*INK, 255), mask=ImageChops.multiply(mark, alpha.point([0] + [255] * 255)))
    inked.putalpha(alpha)
    return inked


def _mark(size: tuple[int, int], pitch: int) -> Image.Image:
    # One tile, repeated: the cost does not grow with the number of letters.
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
