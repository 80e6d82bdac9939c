"""How files are decoded, and which steps a result takes; sizes and formats are in the contract."""

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageChops

from local.fake_pixian.cutout import load_model
from local.fake_pixian.errors import ApiError, FieldError, UnreadableImageError
from local.fake_pixian.parameters import read_parameters
from local.fake_pixian.remove_background import (
    MAX_INPUT_PIXELS,
    Result,
    read_picture,
    remove_background,
)
from local.fake_pixian.server import MODEL
from pixian_s3.images.delta_png import rebuild
from tests.unit.fake_pixian.client import COFFEE, PHOTOGRAPH, Pixels, encoded, pixels
from tests.unit.pictures import grey_ink, srgb

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


DEEP = np.asarray(PHOTOGRAPH.convert("L")).astype(np.float64) * 200 + np.arange(600)
"""Grey values up to 51,599, of which neighbours differ by less than an 8-bit step."""

_red, _green, _blue = PHOTOGRAPH.split()
INKS = Image.merge("CMYK", (_blue, _red, _green, ImageChops.invert(_green)))
LAB = Image.merge("LAB", (_green, _red, _blue))


def orientation(tag: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = tag
    return exif


def oriented(tag: int, form: str) -> bytes:
    return encoded(PHOTOGRAPH, form, exif=orientation(tag))


def png_start(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n"
    return start + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100)))


def chunk(name: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(name + data)
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)


def result_of(data: bytes = COFFEE, **fields: str) -> Result:
    texts = {name.replace("__", "."): [text] for name, text in fields.items()}
    return remove_background(data, read_parameters(texts), load_model(MODEL))


def seen(result: Result, mode: str = "RGBA") -> Pixels:
    with Image.open(io.BytesIO(result.body)) as image:
        return pixels(image, mode)


def profile_of(result: Result) -> bytes | None:
    with Image.open(io.BytesIO(result.body)) as image:
        profile: bytes | None = image.info.get("icc_profile")
        return profile


# ---- decoding -------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["BMP", "GIF", "JPEG", "PNG", "TIFF"])
def test_truncated_images_are_unreadable(form: str) -> None:
    whole = encoded(PHOTOGRAPH, form)
    assert read_picture(whole).image.mode == "RGB"
    with pytest.raises(UnreadableImageError):
        read_picture(whole[: len(whole) // 2])


@pytest.mark.parametrize(
    "size", [(8000, 4001), (10_000, 10_000), (60_000, 60_000)], ids=["over", "warned", "bomb"]
)
def test_too_many_pixels_are_refused_from_the_header(size: tuple[int, int]) -> None:
    with pytest.raises(ApiError, match=str(MAX_INPUT_PIXELS)) as caught:
        read_picture(png_start(*size))
    assert (caught.value.status, caught.value.code) == (400, 4000)


def test_32_megapixels_are_accepted() -> None:
    picture = read_picture(encoded(Image.new("1", (8000, 4000)), "PNG"))
    assert picture.size.pixels == MAX_INPUT_PIXELS


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("tag", range(1, 9))
def test_orientation_is_read_and_applied(tag: int, form: str) -> None:
    turned = PHOTOGRAPH.transpose(TURNS[tag]) if tag in TURNS else PHOTOGRAPH
    picture = read_picture(oriented(tag, form))
    assert (picture.orientation, picture.size) == (tag, turned.size)
    difference = np.asarray(picture.image).astype(int) - np.asarray(turned)
    assert np.abs(difference).mean() < 5


@pytest.mark.parametrize("tag", [0, 9, 65535])
def test_an_invalid_orientation_counts_as_1(tag: int) -> None:
    assert read_picture(oriented(tag, "JPEG")).orientation == 1


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
@pytest.mark.parametrize("exif", [b"Exif\x00\x00II*\x00", b"Exif\x00\x00gibberish"])
def test_exif_that_cant_be_read_refuses_no_image(exif: bytes, form: str) -> None:
    picture = read_picture(encoded(PHOTOGRAPH, form, exif=exif))
    assert (picture.orientation, picture.size) == (1, PHOTOGRAPH.size)


def test_exif_after_the_pixels_of_a_png_counts() -> None:
    whole = oriented(6, "PNG")
    start = whole.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(whole[start : start + 4])
    moved = whole[:start] + whole[end:-12] + whole[start:end] + whole[-12:]
    assert read_picture(moved).orientation == 6


@pytest.mark.parametrize(("mode", "form"), [("1", "PNG"), ("L", "JPEG"), ("P", "GIF")])
def test_other_modes_become_rgb(mode: str, form: str) -> None:
    assert read_picture(encoded(PHOTOGRAPH.convert(mode), form)).image.mode == "RGB"


# ---- results --------------------------------------------------------------------------------


def test_the_watermark_changes_some_of_the_foreground_and_no_alpha() -> None:
    marked, clean = seen(result_of(test="true")), seen(result_of())
    changed = (marked != clean).any(axis=2)
    assert 0.02 < changed[clean[..., 3] > 0].mean() < 0.5
    assert (marked[..., 3] == clean[..., 3]).all()


@pytest.mark.parametrize("test", ["true", "false"])
def test_a_delta_png_has_only_edges_and_watermark(test: str) -> None:
    delta = seen(result_of(output__format="delta_png", test=test))
    from_original = (delta == (255, 255, 255, 0)).all(axis=2)[..., np.newaxis]
    plain = seen(result_of(output__format="png", test=test))
    assert (np.where(from_original, pixels(PHOTOGRAPH), delta) == plain).all()
    assert (delta[..., 3] == 255).any() == (test == "true")


MODES = {
    "CMYK JPEG": lambda: encoded(INKS, "JPEG"),
    "CMYK JPEG with a profile": lambda: encoded(INKS, "JPEG", icc_profile=grey_ink()),
    "CMYK JPEG with a profile of RGB": lambda: encoded(INKS, "JPEG", icc_profile=srgb()),
    "CMYK JPEG with gibberish as its profile": lambda: encoded(INKS, "JPEG", icc_profile=b"?"),
    "CMYK TIFF with a profile, lying": lambda: encoded(
        INKS, "TIFF", icc_profile=grey_ink(), exif=orientation(6)
    ),
    "16-bit PNG": lambda: encoded(Image.fromarray(DEEP.astype(np.uint16)), "PNG"),
    "16-bit TIFF": lambda: encoded(Image.fromarray(DEEP.astype(np.uint16)), "TIFF"),
    "32-bit TIFF": lambda: encoded(Image.fromarray((DEEP * 31 - 70_000).astype(np.int32)), "TIFF"),
    "float TIFF": lambda: encoded(Image.fromarray((DEEP / 7e4).astype(np.float32)), "TIFF"),
    "even float TIFF": lambda: encoded(Image.new("F", (40, 30), 0.5), "TIFF"),
    "Lab TIFF": lambda: encoded(LAB, "TIFF"),
    "grey PNG": lambda: encoded(PHOTOGRAPH.convert("L"), "PNG"),
    "grey PNG with alpha": lambda: encoded(PHOTOGRAPH.convert("LA"), "PNG"),
    "one-bit TIFF": lambda: encoded(PHOTOGRAPH.convert("1"), "TIFF"),
    "palette PNG": lambda: encoded(PHOTOGRAPH.quantize(64), "PNG", transparency=3),
    "PNG with a transparent colour": lambda: encoded(PHOTOGRAPH, "PNG", transparency=(1, 2, 3)),
    "JPEG, lying": lambda: oriented(8, "JPEG"),
    "JPEG with a profile": lambda: encoded(PHOTOGRAPH, "JPEG", icc_profile=srgb()),
    "JPEG with a profile of inks": lambda: encoded(PHOTOGRAPH, "JPEG", icc_profile=grey_ink()),
    "Y'CbCr TIFF with a profile of RGB": lambda: encoded(
        PHOTOGRAPH.convert("YCbCr"), "TIFF", icc_profile=srgb()
    ),
}


@pytest.mark.parametrize("original", MODES.values(), ids=MODES.keys())
def test_the_program_decodes_a_delta_png_to_the_plain_png(original: Callable[[], bytes]) -> None:
    data, rebuilt = original(), io.BytesIO()
    delta = result_of(data, output__format="delta_png").body
    rebuild(io.BytesIO(delta), io.BytesIO(data), rebuilt)
    with Image.open(rebuilt) as image:
        plain = result_of(data)
        assert np.array_equal(pixels(image), seen(plain))
        assert image.info.get("icc_profile") == profile_of(plain)


def test_a_profile_of_inks_is_used() -> None:
    picture = read_picture(encoded(INKS, "TIFF", icc_profile=grey_ink()))
    assert picture.icc_profile is None
    black = 255 - np.asarray(INKS.getchannel("K")).astype(int)
    lightness = pixels(picture.image, "RGB").astype(int)
    assert (np.ptp(lightness, axis=2) <= 3).all()
    assert np.corrcoef(lightness[..., 0].ravel(), black.ravel())[0, 1] > 0.99


def test_a_delta_png_validates_what_it_ignores() -> None:
    with pytest.raises(FieldError, match=r"result\.margin"):
        result_of(output__format="delta_png", result__margin="much")


def test_the_price_depends_on_the_pixels_after_shrinking() -> None:
    assert (result_of().pixels, result_of(max_pixels="60000").pixels) == (240_000, 60_000)
