"""Small files that ask for much: sizes that they only claim, data that swell, loops, nonsense."""

import struct
from collections.abc import Callable, Iterator
from functools import partial

from tests.builders import picture
from tests.fuzz.samples import chunk, png, sample, within, zeros

type Bomb = tuple[str, Callable[[], bytes]]

# Up to and beyond what is sent as it is, what is shrunk, and what a format's header can hold.
_SIZES = (
    (0, 0),
    (5656, 5656),
    (11313, 11313),
    (16383, 16383),
    (65500, 1954),
    (65535, 65535),
    (1, 65535),
)
_LONG_SIZES = (*_SIZES, (1, 128_000_000), (2**31 - 1, 2**31 - 1), (2**32 - 1, 1))
_MANY_PIXELS = (11_300, 11_300)
_COLOURS = {"1": (1, 0), "grey": (8, 0), "16": (16, 0), "RGBA": (8, 6)}


def claims() -> Iterator[Bomb]:
    """Headers that claim a size which no data back."""
    for width, height in _LONG_SIZES:
        name = f"{width}x{height}"
        yield f"{name}.png", partial(claimed_png, width, height)
        yield f"{name}.bmp", partial(_bmp, width, height)
        yield f"{name}.tif", partial(tiff, width, height, 8, 1, bytes(100))
        for heif in ("avif", "heic"):
            yield f"{name}.{heif}", partial(_heif, heif, width, height)
    for width, height in _SIZES:
        name = f"{width}x{height}"
        for jpeg in ("jpg", "progressive.jpg", "cmyk.jpg"):
            yield f"{name}.{jpeg}", partial(_jpeg, jpeg, width, height)
        yield f"{name}.gif", partial(_gif, width, height)
        yield f"{name}.webp", partial(_webp, width, height)


def swelling() -> Iterator[Bomb]:
    """Data that grow a thousandfold when they are decoded."""
    for name, colour in _COLOURS.items():
        yield f"{name}.png", partial(_many_pixels_png, colour)
    for name, bits, form in (("grey", 8, 1), ("whole", 32, 2), ("float", 32, 3)):
        yield f"{name}.tif", partial(_many_pixels_tiff, bits, form)
    yield "solid.webp", partial(_webp, 8000, 8000)
    yield "frames.gif", _many_frames
    for kind in ("zTXt", "iTXt", "iCCP"):
        for size in (1_000_000, 64 << 20):
            for times in (1, 60):
                yield f"{kind} of {size} x {times}.png", partial(_text, kind, size, times)


def tiff(  # noqa: PLR0913, PLR0917 - the tags that matter
    width: int, height: int, bits: int, form: int, data: bytes, compression: int = 1
) -> bytes:
    """A grey TIFF of one strip; `form` is 1 for natural, 2 for whole, 3 for floating numbers."""
    tags = {256: width, 257: height, 258: bits, 259: compression, 262: 1, 273: 138, 277: 1}
    tags |= {278: height, 279: len(data), 339: form}
    entries = [struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items()]
    start = struct.pack("<2sHIH", b"II", 42, 8, len(entries))
    return (start + b"".join(entries) + bytes(4)).ljust(138, b"\0") + data


def claimed_png(width: int, height: int) -> bytes:
    """A PNG that hardly has more than its header."""
    return png(width, height, (8, 6), zeros(100))


def _many_pixels_png(colour: tuple[int, int]) -> bytes:
    depth, kind = colour
    width, height = _MANY_PIXELS
    row = 1 + -(-width * depth * (4 if kind == 6 else 1) // 8)
    return png(width, height, colour, zeros(row * height))


def _many_pixels_tiff(bits: int, form: int) -> bytes:
    width, height = _MANY_PIXELS
    return tiff(width, height, bits, form, zeros(width * height * bits // 8), compression=8)


def _bmp(width: int, height: int) -> bytes:
    file = bytearray(sample("bmp"))
    file[18:26] = struct.pack("<II", width, height)
    return bytes(file)


def _jpeg(name: str, width: int, height: int) -> bytes:
    file = bytearray(sample(name))
    at = file.index(b"\xff\xc2" if name.startswith("progressive") else b"\xff\xc0")
    file[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(file)


def _gif(width: int, height: int) -> bytes:
    file = bytearray(sample("gif"))
    file[6:10] = struct.pack("<HH", width, height)
    return bytes(file)


def _many_frames() -> bytes:
    file = picture((8, 8), "GIF")
    frame = file[file.index(b",") : -1]
    return file[:-1] + frame * 20_000 + b";"


def _webp(width: int, height: int) -> bytes:
    """One colour: its pixels take no bits, so that the data are whole at any size."""
    file = bytearray(picture((8, 8), "WEBP", "RGBA", lossless=True, exact=True))
    at = file.index(b"VP8L") + 9
    size = ((width - 1) & 0x3FFF) | ((height - 1) & 0x3FFF) << 14 | 1 << 28
    file[at : at + 4] = struct.pack("<I", size)
    return bytes(file)


def _heif(name: str, width: int, height: int) -> bytes:
    file = bytearray(sample(name))
    at = file.index(b"ispe") + 8
    file[at : at + 8] = struct.pack(">II", width, height)
    return bytes(file)


def _text(kind: str, size: int, times: int) -> bytes:
    start = b"k\0\1\0\0\0" if kind == "iTXt" else b"k\0\0"
    return within(picture(), 33, chunk(kind.encode(), start + zeros(size)) * times)
