"""What becomes of the images that Pixian would refuse."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageOps

from pixian_s3.errors import Rejected
from pixian_s3.images import identify
from pixian_s3.images.convert import convert, fitting
from pixian_s3.images.identify import ImageInfo, inspect
from tests.unit.pictures import corners, encoded, flag, grey_ink, noise, oriented, srgb

PLENTY = 25_000_000
COLOURS = ["red", "lime", "blue", "white"]
OPAQUE = ["JPEG", "PNG", "TIFF", "WEBP", "AVIF", "HEIF"]
KINDS = [(form, "RGB") for form in OPAQUE] + [(form, "RGBA") for form in OPAQUE[1:]]


def converted(content: bytes, max_pixels: int = PLENTY) -> Image.Image:
    """The picture in the new file, which Pixian takes."""
    image, told = converted_and_told(content, max_pixels)
    assert told.taken_as_is
    assert told.width * told.height <= max_pixels
    return image


def converted_and_told(content: bytes, max_pixels: int) -> tuple[Image.Image, ImageInfo]:
    file, into = io.BytesIO(content), io.BytesIO()
    inspect(file)
    told = convert(file, into, max_pixels)
    assert told == inspect(into)
    assert file.tell() == into.tell() == 0
    image = Image.open(into)
    image.load()
    return image, told


def as_displayed(image: Image.Image) -> Image.Image:
    return ImageOps.exif_transpose(image)


def flag_in(mode: str) -> Image.Image:
    image = flag()
    if mode == "P with alpha":
        palette = image.quantize(8)
        palette.info["transparency"] = 0
        return palette
    if mode.endswith(("A", "a")):
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    if mode == "PA":
        return image.convert("P").convert("PA")
    if mode in {"LA", "La"}:
        return image.convert("LA").convert(mode)
    return image.convert(mode)


@pytest.mark.parametrize("mode", ["RGB", "CMYK"])
@pytest.mark.parametrize("form", ["JPEG", "TIFF"])
def test_full_colour_becomes_a_jpeg(form: str, mode: str) -> None:
    image = converted(encoded(flag_in(mode), form))
    assert (image.format, image.mode) == ("JPEG", "RGB")
    assert corners(image) == COLOURS


@pytest.mark.parametrize("form", ["WEBP", "AVIF", "HEIF", "BMP", "PNG"])
def test_any_format_is_read(form: str) -> None:
    image = converted(encoded(flag(), form))
    assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (96, 64))
    assert corners(image) == COLOURS


def test_a_jpeg_keeps_full_colour_resolution() -> None:
    image = converted(encoded(flag(), "WEBP"))
    assert [layer[1:3] for layer in image.layer] == [(1, 1)] * 3  # type: ignore[attr-defined]


@pytest.mark.parametrize("form", ["PNG", "WEBP", "AVIF", "HEIF", "TIFF"])
def test_transparency_survives(form: str) -> None:
    options = {"lossless": True} if form == "WEBP" else {}
    image = converted(encoded(flag_in("RGBA"), form, **options))
    assert (image.format, image.mode) == ("PNG", "RGBA")
    assert image.getchannel("A").getextrema() == pytest.approx((0, 255), abs=4)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_a_channel_of_nothing_but_opaque_is_no_transparency(mode: str) -> None:
    image = converted(encoded(flag().convert(mode), "PNG"))
    assert (image.format, image.mode) == ("JPEG", mode.removesuffix("A"))


@pytest.mark.parametrize(
    ("mode", "becomes"),
    [("1", "L"), ("P", "RGB"), ("LA", "LA"), ("P with alpha", "RGBA"), ("PA", "RGBA")],
)
def test_what_jpeg_would_smear_becomes_a_png(mode: str, becomes: str) -> None:
    form = "PNG" if mode != "PA" else "TIFF"
    image = converted(encoded(flag_in(mode), form))
    assert (image.format, image.mode) == ("PNG", becomes)


def test_a_palette_keeps_its_very_colours() -> None:
    palette = flag().quantize(4)
    assert converted(encoded(palette, "GIF")).tobytes() == palette.convert("RGB").tobytes()


def test_one_transparent_colour_is_transparent() -> None:
    image = converted(encoded(flag(), "PNG", transparency=(255, 0, 0)))
    assert (image.mode, image.getpixel((0, 0))) == ("RGBA", (255, 0, 0, 0))
    assert image.getpixel((95, 63)) == (255, 255, 255, 255)


@pytest.mark.parametrize(("form", "order"), [("PNG", "<u2"), ("TIFF", "<u2"), ("TIFF", ">u2")])
def test_sixteen_bits_of_grey_are_scaled(form: str, order: str) -> None:
    ramp = np.arange(65_536, dtype=order).reshape(256, 256)
    image = converted(encoded(Image.fromarray(ramp), form))
    assert (image.format, image.mode) == ("PNG", "L")
    assert np.array_equal(np.asarray(image), np.round(ramp / 257).astype(np.uint8))


def test_sixteen_bits_per_colour_become_eight() -> None:
    header = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
    row = b"\0" + struct.pack(">6H", 0, 0x8080, 0xFFFF, 0x0102, 0x4040, 0xC0C0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(row)), (b"IEND", b"")]
    deep = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
    image = converted(deep)
    assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (2, 1))
    assert image.getpixel((0, 0)) == pytest.approx((0, 128, 255), abs=8)


@pytest.mark.parametrize("values", [(-1.5, 0.25, 3.0), (0, 1, 2), (7, 7, 7)])
@pytest.mark.parametrize("mode", [np.float32, np.int32])
def test_32_bits_of_grey_are_stretched(mode: Any, values: tuple[float, ...]) -> None:
    grey = np.array([values], mode)
    image = converted(encoded(Image.fromarray(grey), "TIFF"))
    lowest, span = float(grey.min()), float(np.ptp(grey)) or 1
    assert np.array_equal(np.asarray(image), np.round((grey - lowest) * (255 / span) + 1e-9))


def test_lab_becomes_rgb() -> None:
    lab = Image.new("LAB", (8, 8), (255, 128, 128))
    assert converted(encoded(lab, "TIFF")).getpixel((4, 4)) == pytest.approx((255,) * 3, abs=2)


@pytest.mark.parametrize("form", ["JPEG", "TIFF"])
def test_inks_are_mixed_as_their_profile_says(form: str) -> None:
    cyan = Image.new("CMYK", (8, 8), (255, 0, 0, 0))
    plain = converted(encoded(cyan, form))
    profiled = converted(encoded(cyan, form, icc_profile=grey_ink()))
    assert plain.getpixel((4, 4)) == pytest.approx((0, 255, 255), abs=3)
    assert profiled.getpixel((4, 4)) == pytest.approx((255, 255, 255), abs=3)
    assert "icc_profile" not in profiled.info


@pytest.mark.parametrize("profile", [b"", b"nonsense", srgb()])
def test_inks_with_a_useless_profile_are_mixed_plainly(profile: bytes) -> None:
    cyan = Image.new("CMYK", (8, 8), (255, 0, 0, 0))
    image = converted(encoded(cyan, "JPEG", icc_profile=profile))
    assert image.getpixel((4, 4)) == pytest.approx((0, 255, 255), abs=3)
    assert "icc_profile" not in image.info


@pytest.mark.parametrize(("form", "mode"), KINDS)
def test_a_profile_survives(form: str, mode: str) -> None:
    image = converted(encoded(flag_in(mode), form, icc_profile=srgb()), 2000)
    assert image.info["icc_profile"] == srgb()


def test_a_profile_that_is_too_large_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identify, "MAX_PROFILE_BYTES", len(srgb()) - 1)
    image = converted(encoded(flag(), "PNG", icc_profile=srgb()))
    assert "icc_profile" not in image.info


def test_a_profile_of_other_colours_is_left_out() -> None:
    grey = converted(encoded(flag().convert("L"), "PNG", icc_profile=srgb()))
    assert "icc_profile" not in grey.info


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("form", "mode"), KINDS)
def test_it_is_displayed_as_before(form: str, orientation: int, mode: str) -> None:
    exif = oriented(orientation)
    source = encoded(
        flag_in(mode), form, exif=exif.tobytes() if form == "HEIF" else exif, quality=95
    )
    with Image.open(io.BytesIO(source)) as before:
        shown = as_displayed(before)
    for max_pixels in (PLENTY, 2000):
        image = as_displayed(converted(source, max_pixels))
        assert corners(image) == corners(shown)
        assert (image.width > image.height) == (shown.width > shown.height)


def test_the_tests_flag_tells_all_orientations_apart() -> None:
    turned = [Image.open(io.BytesIO(encoded(flag(), "PNG", exif=oriented(n)))) for n in range(1, 9)]
    assert len({tuple(corners(as_displayed(image))) for image in turned}) == 8


def test_nothing_else_of_the_metadata_is_carried_over() -> None:
    source = encoded(flag(), "JPEG", exif=oriented(6), comment=b"private", xmp=b"<x/>", dpi=(7, 7))
    image = converted(source)
    assert dict(image.getexif()) == {ExifTags.Base.Orientation: 6}
    assert not {"comment", "xmp"} & image.info.keys()
    assert image.info["dpi"] != (7, 7)
    assert "exif" not in converted(encoded(flag(), "JPEG")).info


@pytest.mark.parametrize("form", ["GIF", "TIFF", "WEBP", "AVIF", "PNG", "HEIF", "MPO"])
def test_of_several_the_first_is_taken(form: str) -> None:
    first, second = flag(), ImageOps.mirror(flag())
    image = converted(encoded(first, form, save_all=True, append_images=[second]))
    assert corners(image) == COLOURS
    assert getattr(image, "n_frames", 1) == 1


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "P with alpha", "RGB", "RGBA", "I;16"])
def test_each_mode_can_be_shrunk(mode: str) -> None:
    source = flag_in("L").convert("I;16") if mode == "I;16" else flag_in(mode)
    image = converted(encoded(source, "PNG"), 1536)
    assert image.size == (48, 32)


def test_a_large_jpeg_is_shrunk_in_shape() -> None:
    image = converted(encoded(flag((1200, 800)), "JPEG"), 15_000)
    assert image.size == (150, 100)
    assert corners(image) == COLOURS


def test_shrinking_does_not_let_hidden_colours_bleed() -> None:
    source = Image.new("RGBA", (64, 64), (255, 0, 0, 0))
    source.paste((0, 0, 255, 255), (0, 0, 33, 64))
    pixels = np.asarray(converted(encoded(source, "PNG"), 256))
    visible = pixels[pixels[..., 3] > 32]
    assert (visible[:, 0] == 0).all()


def test_what_is_too_long_for_jpeg_becomes_a_png() -> None:
    image = converted(encoded(Image.new("RGB", (66_000, 1)), "TIFF"))
    assert (image.format, image.size) == ("PNG", (66_000, 1))


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(100, PLENTY))
def test_a_size_fits_and_keeps_its_shape(width: int, height: int, max_pixels: int) -> None:
    small = fitting((width, height), max_pixels)
    assert small[0] >= 1
    assert small[1] >= 1
    assert small[0] * small[1] <= max_pixels
    if width * height <= max_pixels:
        assert small == (width, height)
    elif min(small) > 1:
        scale = (max_pixels / (width * height)) ** 0.5
        assert small == pytest.approx((width * scale, height * scale), abs=1.001)


@pytest.mark.parametrize("form", OPAQUE)
def test_a_file_that_is_cut_short_is_rejected(form: str) -> None:
    whole = encoded(Image.fromarray(noise((64, 64))), form)
    file = io.BytesIO(whole[: len(whole) * 3 // 4])
    with pytest.raises(Rejected, match="image"):
        convert(file, io.BytesIO(), PLENTY)
