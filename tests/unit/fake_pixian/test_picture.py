"""Which bytes are an image, and how they are seen."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import ExifTags, Image

from local.fake_pixian.errors import ApiError, UnreadableImageError
from local.fake_pixian.remove_background import MAX_INPUT_PIXELS, read_picture
from tests.unit.fake_pixian.client import COFFEE, encoded

with Image.open(io.BytesIO(COFFEE)) as opened:
    PHOTOGRAPH = opened.convert("RGB")


def oriented(tag: int, form: str) -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = tag
    return encoded(PHOTOGRAPH, form, exif=exif)


def png_start(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(100))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels)


def chunk(name: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(name + data)
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)


@pytest.mark.parametrize("form", ["BMP", "GIF", "JPEG", "PNG", "TIFF"])
def test_the_five_formats(form: str) -> None:
    picture = read_picture(encoded(PHOTOGRAPH, form))
    assert (picture.size, picture.orientation) == ((600, 400), 1)
    assert picture.image.mode == "RGB"


@pytest.mark.parametrize("form", ["WEBP", "AVIF", "PPM", "ICO", "TGA", "JPEG2000"])
def test_other_formats_are_unreadable(form: str) -> None:
    with pytest.raises(UnreadableImageError) as caught:
        read_picture(encoded(PHOTOGRAPH.resize((64, 64)), form))
    assert (caught.value.status, caught.value.code) == (400, 1006)
    assert caught.value.message == "Failed to read the supplied image."


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"<html></html>", b"\xff\xd8\xff", COFFEE[:40]])
def test_no_image_is_unreadable(data: bytes) -> None:
    with pytest.raises(UnreadableImageError):
        read_picture(data)


@pytest.mark.parametrize("form", ["BMP", "GIF", "JPEG", "PNG", "TIFF"])
def test_a_truncated_image_is_unreadable(form: str) -> None:
    whole = encoded(PHOTOGRAPH, form)
    with pytest.raises(UnreadableImageError):
        read_picture(whole[: len(whole) // 2])


@pytest.mark.parametrize(
    "size", [(8000, 4001), (10_000, 10_000), (60_000, 60_000)], ids=["over", "warned", "bomb"]
)
def test_too_many_pixels_are_refused_from_the_header(size: tuple[int, int]) -> None:
    with pytest.raises(ApiError, match=str(MAX_INPUT_PIXELS)) as caught:
        read_picture(png_start(*size))
    assert (caught.value.status, caught.value.code) == (400, 4000)


def test_the_bound_itself_is_allowed() -> None:
    picture = read_picture(encoded(Image.new("1", (8000, 4000)), "PNG"))
    assert picture.size.pixels == MAX_INPUT_PIXELS


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("tag", range(1, 9))
def test_orientation_is_read_and_applied(tag: int, form: str) -> None:
    turned = PHOTOGRAPH
    method = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }.get(tag)
    if method is not None:
        turned = turned.transpose(method)
    picture = read_picture(oriented(tag, form))
    assert (picture.orientation, picture.size) == (tag, turned.size)
    difference = np.asarray(picture.image).astype(int) - np.asarray(turned)
    assert np.abs(difference).mean() < 5


@pytest.mark.parametrize("tag", [0, 9, 65535])
def test_a_senseless_orientation_counts_as_none(tag: int) -> None:
    assert read_picture(oriented(tag, "JPEG")).orientation == 1


@pytest.mark.parametrize(
    ("mode", "form"),
    [("1", "PNG"), ("L", "JPEG"), ("P", "GIF"), ("CMYK", "JPEG"), ("CMYK", "TIFF"), ("LA", "PNG")],
)
def test_modes_become_colour(mode: str, form: str) -> None:
    picture = read_picture(encoded(PHOTOGRAPH.convert(mode), form))
    assert picture.image.mode == ("RGBA" if mode == "LA" else "RGB")


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_sixteen_bits_keep_their_range(form: str) -> None:
    grey = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    picture = read_picture(encoded(Image.fromarray(grey), form))
    channel = np.asarray(picture.image)[..., 0].astype(int)
    assert np.abs(channel - grey / 257).max() <= 1
