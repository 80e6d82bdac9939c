"""Ordinary PNGs from delta PNGs."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pixian_s3.errors import Rejected
from pixian_s3.images.delta_png import rebuild
from tests.unit.pictures import Pixels, encoded, grey_ink, noise, oriented, srgb

# The contract's pixels as red, green, blue, alpha.
BACKGROUND, FROM_ORIGINAL = (0, 0, 0, 0), (255, 255, 255, 0)
# Neighbours of the two, to be taken as they are.
EDGES = [(254, 255, 255, 0), (255, 255, 255, 1), (1, 0, 0, 0), (9, 8, 7, 128), (255,) * 4]


def rebuilt(delta: bytes, original: bytes) -> Image.Image:
    into = io.BytesIO()
    files = io.BytesIO(delta), io.BytesIO(original)
    size = rebuild(*files, into)
    assert [file.tell() for file in (*files, into)] == [0, 0, 0]
    image = Image.open(into)
    assert (image.format, image.size) == ("PNG", size)
    image.load()
    return image


def turned(pixels: Pixels, orientation: int) -> Pixels:
    """Pixels as the EXIF standard says: where row 0 and column 0 of the stored ones are."""
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in {2, 3, 6, 7}:
        pixels = pixels[:, ::-1]
    if orientation in {3, 4, 7, 8}:
        pixels = pixels[::-1]
    return pixels


def decoded(delta: Pixels, original: Pixels) -> Pixels:
    """The contract's table, word for word."""
    taken = (delta == FROM_ORIGINAL).all(axis=2)
    result = delta.copy()
    result[taken, :3] = original[taken]
    result[taken, 3] = 255
    return result


def png(pixels: Pixels, **options: object) -> bytes:
    return encoded(Image.fromarray(pixels), "PNG", **options)


@given(
    st.integers(1, 9), st.integers(1, 9), st.integers(1, 8), st.integers(0, 2**32), st.booleans()
)
def test_it_follows_the_table_in_every_orientation(
    width: int,
    height: int,
    orientation: int,
    seed: int,
    as_tiff: bool,  # noqa: FBT001
) -> None:
    stored = noise((width, height), seed=seed)
    upright = turned(stored, orientation)
    kinds = np.array([BACKGROUND, FROM_ORIGINAL, *EDGES], np.uint8)
    chance = np.random.default_rng(seed)
    delta = kinds[chance.integers(0, len(kinds), upright.shape[:2])]
    form = "TIFF" if as_tiff else "PNG"
    original = encoded(Image.fromarray(stored), form, exif=oriented(orientation))
    result = rebuilt(png(delta), original)
    assert np.array_equal(np.asarray(result), decoded(delta, upright))


def of_the_original(size: tuple[int, int]) -> bytes:
    return encoded(Image.new("RGBA", size, FROM_ORIGINAL), "PNG")


@pytest.mark.parametrize(
    ("mode", "colour", "taken"),
    [
        ("L", 100, (100, 100, 100)),
        ("1", 255, (255, 255, 255)),
        ("LA", (100, 50), (100, 100, 100)),
        ("P", 1, (10, 20, 30)),
        ("RGBA", (10, 20, 30, 0), (10, 20, 30)),
        ("CMYK", (255, 0, 0, 0), (0, 255, 255)),
        ("I;16", 25_700, (100, 100, 100)),
    ],
)
def test_an_original_of_any_mode_gives_opaque_pixels(
    mode: str, colour: float | tuple[int, ...], taken: tuple[int, ...]
) -> None:
    original = Image.new(mode, (4, 3), colour)
    if mode == "P":
        original.putpalette([0, 0, 0, 10, 20, 30])
    result = rebuilt(of_the_original((4, 3)), encoded(original, "TIFF"))
    assert set(result.get_flattened_data()) == {(*taken, 255)}


def test_transparent_colours_of_an_original_are_taken_opaque() -> None:
    original = encoded(Image.new("RGB", (4, 3), (1, 2, 3)), "PNG", transparency=(1, 2, 3))
    assert rebuilt(of_the_original((4, 3)), original).getpixel((0, 0)) == (1, 2, 3, 255)


def test_a_jpeg_gives_the_pixels_that_it_decodes_to() -> None:
    original = encoded(Image.fromarray(noise((40, 30))), "JPEG", exif=oriented(6))
    with Image.open(io.BytesIO(original)) as image:
        pixels = turned(np.asarray(image), 6)
    result = rebuilt(of_the_original((30, 40)), original)
    assert np.array_equal(np.asarray(result)[..., :3], pixels)


@pytest.mark.parametrize("encoding", ["palette", "grey", "one transparent colour"])
def test_a_delta_may_be_encoded_in_fewer_channels(encoding: str) -> None:
    delta = np.full((3, 4, 4), FROM_ORIGINAL, np.uint8)
    delta[0] = (0, 0, 0, 255)
    image = Image.fromarray(delta)
    if encoding == "palette":
        palette = Image.fromarray((np.arange(12).reshape(3, 4) >= 4).astype(np.uint8), "P")
        palette.putpalette([0, 0, 0, 255, 255, 255])
        content = encoded(palette, "PNG", transparency=bytes([255, 0]))
    elif encoding == "grey":
        content = encoded(image.convert("LA"), "PNG")
    else:
        content = encoded(image.convert("RGB"), "PNG", transparency=(255, 255, 255))
    original = noise((4, 3))
    result = rebuilt(content, png(original))
    assert np.array_equal(np.asarray(result), decoded(delta, original))


def test_the_originals_profile_is_kept_and_the_deltas_is_not() -> None:
    original = encoded(Image.new("RGB", (4, 3)), "PNG", icc_profile=srgb())
    assert rebuilt(of_the_original((4, 3)), original).info["icc_profile"] == srgb()
    delta = encoded(Image.new("RGBA", (4, 3)), "PNG", icc_profile=srgb())
    plain = encoded(Image.new("RGB", (4, 3)), "PNG")
    assert "icc_profile" not in rebuilt(delta, plain).info


def test_a_profile_of_inks_is_used_and_left_out() -> None:
    cyan = Image.new("CMYK", (4, 3), (255, 0, 0, 0))
    result = rebuilt(of_the_original((4, 3)), encoded(cyan, "TIFF", icc_profile=grey_ink()))
    assert result.getpixel((0, 0)) == pytest.approx((255,) * 4, abs=3)
    assert "icc_profile" not in result.info


@pytest.mark.parametrize("size", [(3, 4), (4, 4), (2, 1)])
def test_other_sizes_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(Rejected, match=f"{size[0]} x {size[1]} pixels, but the image has 4 x 3"):
        rebuilt(of_the_original(size), png(noise((4, 3))))


@pytest.mark.parametrize(
    "delta",
    [
        b"",
        b"text",
        encoded(Image.new("RGB", (4, 3)), "JPEG"),
        encoded(Image.new("I;16", (4, 3)), "PNG"),
        of_the_original((4, 3))[:50],
    ],
    ids=["nothing", "text", "a JPEG", "16 bits", "cut short"],
)
def test_what_is_no_delta_is_refused(delta: bytes) -> None:
    with pytest.raises(Rejected, match="did not return a delta PNG"):
        rebuilt(delta, png(noise((4, 3))))


def test_a_damaged_original_is_refused() -> None:
    with pytest.raises(Rejected, match="damaged"):
        rebuilt(of_the_original((40, 30)), png(noise((40, 30)))[:900])
