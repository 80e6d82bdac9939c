"""Whole pictures of every format and mode, small enough to be cut at every hundredth byte."""

import io
import struct
import zlib
from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any

import numpy as np
from PIL import Image

from tests.unit.pictures import encoded, grey_ink, noise, oriented, srgb

SIZE = (48, 36)

# Where each of the seven passes of an interlaced PNG begins, and its steps.
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2))
_LAST_PASS = (0, 1, 1, 2)

_MODES = {
    "JPEG": ("L", "RGB", "CMYK"),
    "PNG": ("1", "L", "LA", "P", "I;16", "RGB", "RGBA"),
    "TIFF": (
        *("1", "L", "LA", "P", "PA", "I", "I;16", "I;16B", "F"),
        *("RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB"),
    ),
    "GIF": ("1", "L", "P"),
    "BMP": ("1", "L", "P", "RGB", "RGBA"),
    "WEBP": ("L", "LA", "P", "RGB", "RGBA"),
    "AVIF": ("L", "LA", "P", "RGB", "RGBA"),
    "HEIF": ("L", "LA", "I;16", "RGB", "RGBA"),
}
_SIZES = ((1, 1), (1, 300), (300, 1), SIZE)


def _picture(mode: str = "RGB", size: tuple[int, int] = SIZE) -> Image.Image:
    image = Image.fromarray(noise(size))
    if mode == "LAB":
        return Image.frombytes("LAB", size, noise(size).tobytes())
    if mode.startswith("I;16"):
        return image.convert("I").convert("I;16").convert(mode)
    if mode in {"P", "PA"}:
        return image.quantize(64).convert(mode)
    return image.convert(mode)


def _several(form: str, **options: Any) -> bytes:
    frames = [Image.fromarray(noise(SIZE, seed=seed)).quantize(32) for seed in range(3)]
    first, *others = frames if form == "GIF" else [frame.convert("RGB") for frame in frames]
    return encoded(first, form, save_all=True, append_images=others, **options)


def chunk(kind: bytes, data: bytes) -> bytes:
    """One of the parts that a PNG consists of."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(
    width: int, height: int, colour: tuple[int, int], data: bytes, interlaced: int = 0
) -> bytes:
    """A PNG with this header; `colour` is the depth and the colour type."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, *colour, 0, 0, interlaced))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def _interlaced() -> bytes:
    pixels = noise(SIZE)
    rows = [
        b"\0" + np.ascontiguousarray(pixels[y, x::across]).tobytes()
        for x, first, across, down in (*_PASSES, _LAST_PASS)
        for y in range(first, SIZE[1], down)
    ]
    return png(*SIZE, (8, 2), zlib.compress(b"".join(rows)), interlaced=1)


def _rgb(form: str, **options: Any) -> bytes:
    return encoded(_picture(), form, **options)


_MAKERS: dict[str, Callable[[], bytes]] = {
    "jpg": lambda: _rgb("JPEG", exif=oriented(6), icc_profile=srgb()),
    "progressive.jpg": lambda: _rgb("JPEG", progressive=True),
    "cmyk.jpg": lambda: encoded(_picture("CMYK"), "JPEG", icc_profile=grey_ink()),
    "mpo.jpg": lambda: _several("MPO"),
    "png": lambda: _rgb("PNG", exif=oriented(3), icc_profile=srgb()),
    "16.png": lambda: encoded(_picture("I;16"), "PNG"),
    "palette.png": lambda: encoded(_picture("P"), "PNG", transparency=3),
    "interlaced.png": _interlaced,
    "gif": lambda: _several("GIF", loop=0, comment=b"three"),
    "tif": lambda: _rgb("TIFF", exif=oriented(8)),
    "lzw.tif": lambda: _rgb("TIFF", compression="tiff_lzw"),
    "deflate.tif": lambda: _rgb("TIFF", compression="tiff_adobe_deflate"),
    "packbits.tif": lambda: _rgb("TIFF", compression="packbits"),
    "jpeg.tif": lambda: _rgb("TIFF", compression="jpeg"),
    "group4.tif": lambda: encoded(_picture("1"), "TIFF", compression="group4"),
    "pages.tif": lambda: _several("TIFF", compression="tiff_lzw"),
    "bmp": lambda: _rgb("BMP"),
    "webp": lambda: _rgb("WEBP", exif=oriented(2), icc_profile=srgb()),
    "lossless.webp": lambda: encoded(_picture("RGBA"), "WEBP", lossless=True),
    "moving.webp": lambda: _several("WEBP"),
    "avif": lambda: _rgb("AVIF", quality=90),
    "heic": lambda: _rgb("HEIF", quality=90),
}
NAMES = tuple(_MAKERS)


@cache
def sample(name: str) -> bytes:
    """The whole file; its name ends with its suffix."""
    return _MAKERS[name]()


def odd_ones() -> list[tuple[str, Callable[[], bytes]]]:
    """Every mode in every shape that each format can be written with, by name."""
    return [
        (
            f"{mode.replace(';', '-')}-{width}x{height}.{form.lower()}",
            _maker(form, mode, (width, height)),
        )
        for form, modes in _MODES.items()
        for mode in modes
        for width, height in _SIZES
    ]


def _maker(form: str, mode: str, size: tuple[int, int]) -> Callable[[], bytes]:
    return lambda: encoded(_picture(mode, size), form)


def seeded(*seed: object) -> Random:
    """Chance that falls the same way each time."""
    return Random(" ".join(map(str, seed)))  # noqa: S311 - nothing is kept secret by it


def within(file: bytes, at: int, more: bytes) -> bytes:
    """The file with something put in."""
    return file[:at] + more + file[at:]


def zeros(size: int) -> bytes:
    """So many zeros, compressed by zlib without ever being held."""
    packer, out = zlib.compressobj(9), io.BytesIO()
    block = bytes(1 << 20)
    for _ in range(size >> 20):
        out.write(packer.compress(block))
    out.write(packer.compress(bytes(size & 0xFFFFF)) + packer.flush())
    return out.getvalue()
