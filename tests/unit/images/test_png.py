"""PNGs, chunk by chunk."""

import io
from collections.abc import Callable
from typing import override

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image

from pixian_s3.images import png
from tests.builders import picture
from tests.fuzz.crafted import profiled_png
from tests.fuzz.hostile import in_png
from tests.fuzz.samples import chunk, within
from tests.unit.pictures import encoded, noise, oriented, srgb

NOISY = encoded(Image.fromarray(noise((200, 150))), "PNG")
LARGE = b"k\0" + bytes(5 << 20)


def whole(content: bytes) -> bool:
    file = io.BytesIO(content)
    is_whole = png.is_whole(file)
    assert file.tell() == 0
    return is_whole


def read(content: bytes) -> Image.Image:
    image = Image.open(png.essence(io.BytesIO(content)))
    image.load()
    return image


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_a_png_is_whole(mode: str) -> None:
    assert whole(picture(mode=mode))


@pytest.mark.parametrize(
    "content",
    [
        profiled_png(5 << 20),
        in_png(b"tEXt", LARGE),
        in_png(b"iCCP", b"p\0\7unknown method"),
        NOISY + b"something else",
    ],
    ids=["a large profile", "a long text", "a strange profile", "more behind"],
)
def test_one_that_pillow_would_refuse_is_whole(content: bytes) -> None:
    assert whole(content)


@given(st.integers(9, len(NOISY) - 1))
def test_one_that_is_cut_short_is_not_whole(end: int) -> None:
    assert not whole(NOISY[:end])


@given(st.integers(8, len(NOISY) - 1), st.integers(0, 7))
def test_one_with_a_wrong_bit_is_not_whole(at: int, bit: int) -> None:
    damaged = bytearray(NOISY)
    damaged[at] ^= 1 << bit
    assert not whole(bytes(damaged))


@pytest.mark.parametrize(
    "content",
    [
        NOISY[:33] + chunk(b"IEND", b""),
        NOISY[:8] + chunk(b"tEXt", b"k\0v") + NOISY[8:],
        NOISY[:8] + NOISY[33:],
        NOISY[:8],
    ],
    ids=["no pixels", "text first", "no header", "nothing"],
)
def test_one_without_the_parts_in_order_is_not_whole(content: bytes) -> None:
    assert not whole(content)


class Recorder(io.BytesIO):
    """A file that remembers how much was read at once."""

    most = 0

    @override
    def read(self, size: int | None = -1, /) -> bytes:
        content = super().read(size)
        self.most = max(self.most, len(content))
        return content


@pytest.mark.parametrize("look", [png.is_whole, lambda file: png.essence(file).read()])
def test_no_more_than_a_few_megabytes_are_read_at_once(
    look: Callable[[io.BytesIO], object],
) -> None:
    file = Recorder(in_png(b"iTXt", bytes(20 << 20)))
    look(file)
    assert file.most <= 1 << 20


@pytest.mark.parametrize("kind", [b"iCCP", b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"prVt", b"PLTE"])
def test_large_metadata_do_not_keep_the_pixels_from_being_read(kind: bytes) -> None:
    image = read(within(NOISY, 33, chunk(kind, LARGE)))
    assert np.array_equal(np.asarray(image), noise((200, 150)))


def test_text_that_swells_is_left_out() -> None:
    swelling = profiled_png(50 << 20)
    assert "icc_profile" not in read(swelling).info


def test_what_matters_is_kept() -> None:
    transparent = encoded(
        Image.fromarray(noise((40, 30))).quantize(16),
        "PNG",
        transparency=3,
        icc_profile=srgb(),
        exif=oriented(6),
    )
    image = read(transparent)
    with Image.open(io.BytesIO(transparent)) as before:
        assert image.convert("RGBA").tobytes() == before.convert("RGBA").tobytes()
    assert image.info["icc_profile"] == srgb()
    assert image.getexif()[ExifTags.Base.Orientation] == 6


@given(st.integers(1, 5000), st.lists(st.binary(max_size=9), max_size=9))
def test_the_pixels_may_be_scattered(size: int, between: list[bytes]) -> None:
    start = NOISY.index(b"IDAT") - 4
    data = b""
    at = start
    while NOISY[at + 4 : at + 8] == b"IDAT":
        length = int.from_bytes(NOISY[at : at + 4])
        data += NOISY[at + 8 : at + 8 + length]
        at += 12 + length
    pieces = [data[first : first + size] for first in range(0, len(data), size)][:40]
    pieces.append(data[40 * size :])
    strange = [chunk(b"prVt", content) for content in between]
    chunks = [chunk(b"IDAT", piece) for piece in pieces]
    mixed = b"".join(a + b for a, b in zip(chunks, strange + [b""] * len(chunks), strict=False))
    image = read(NOISY[:start] + mixed + NOISY[at:])
    assert np.array_equal(np.asarray(image), noise((200, 150)))
