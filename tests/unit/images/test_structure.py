"""What files say about themselves, and whether they end as they should."""

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pixian_s3.errors import Rejected
from pixian_s3.images import structure
from pixian_s3.images.structure import MAX_SCANS, Outline, is_whole, outline
from tests.builders import picture
from tests.fuzz import crafted
from tests.fuzz.samples import sample, within
from tests.unit.pictures import encoded, noise

JPEG = encoded(Image.fromarray(noise((80, 60))), "JPEG")
PROGRESSIVE = encoded(Image.fromarray(noise((80, 60))), "JPEG", progressive=True)
START_OF_SCAN = b"\xff\xda\0\x08"


def outlined(content: bytes) -> Outline | None:
    file = io.BytesIO(content)
    told = outline(file)
    assert file.tell() == 0
    return told


def whole(content: bytes, form: str) -> bool:
    file = io.BytesIO(content)
    told = is_whole(file, form)
    assert file.tell() == 0
    return told


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 1}])
def test_a_jpeg_is_outlined(options: dict[str, int]) -> None:
    content = encoded(Image.fromarray(noise((80, 60))), "JPEG", **options)
    assert outlined(content) == Outline("JPEG", (80, 60), decodable=True)
    assert whole(content, "JPEG")


@given(st.integers(0, 9000), st.sampled_from([b"\0", b"\xff", b"\xff\0", b"\xff\xd0"]))
def test_the_parts_of_a_jpeg_are_found_wherever_they_are(size: int, junk: bytes) -> None:
    padded = within(JPEG, 20, junk * size)
    assert outlined(padded) == Outline("JPEG", (80, 60), decodable=True)
    assert whole(padded, "JPEG")


@given(st.integers(4, len(JPEG) - 1))
def test_a_jpeg_without_its_end_is_not_whole(end: int) -> None:
    assert not whole(JPEG[:end], "JPEG")


@pytest.mark.parametrize(("process", "precision", "components"), [
    (0xC1, 12, 1), (0xC3, 8, 3), (0xC7, 8, 1), (0xCB, 16, 1), (0xC0, 8, 2), (0xC0, 8, 5),
])  # fmt: skip
def test_a_jpeg_that_pillow_does_not_know_is_told(
    process: int, precision: int, components: int
) -> None:
    content = crafted.other_jpeg(process, precision, components)
    assert outlined(content) == Outline("JPEG", (64, 48), decodable=False)
    assert whole(content, "JPEG")


def test_a_jpeg_has_at_most_100_scans() -> None:
    assert outlined(crafted.progressive(64, 48, MAX_SCANS)) is not None
    with pytest.raises(Rejected, match=r"more than 100 scans.*baseline"):
        outlined(crafted.progressive(64, 48, MAX_SCANS + 1))


@pytest.mark.parametrize(
    "content",
    [
        PROGRESSIVE + START_OF_SCAN * 500,
        within(PROGRESSIVE, 2, (b"\xff\xe1\0\x06" + START_OF_SCAN) * 500),
    ],
    ids=["behind it", "in its metadata"],
)
def test_what_looks_like_a_scan_elsewhere_does_not_count(content: bytes) -> None:
    assert outlined(content) == Outline("JPEG", (80, 60), decodable=True)


def test_scans_that_are_never_decoded_do_not_count() -> None:
    # The first one has all components, and it isn't progressive.
    start = JPEG.index(b"\xff\xda")
    assert outlined(JPEG[:-2] + JPEG[start:-2] * 200 + JPEG[-2:]) is not None
    # This one has a component of three.
    apart = JPEG[:start] + b"\xff\xda\0\x08\1\1\0\0\x3f\0" * 200 + JPEG[-2:]
    with pytest.raises(Rejected, match="scans"):
        outlined(apart)


@pytest.mark.parametrize("block", range((1 << 20) - 3, (1 << 20) + 3))
def test_scans_are_counted_across_the_blocks_in_which_a_file_is_read(block: int) -> None:
    many = crafted.progressive(64, 48, MAX_SCANS + 1)
    first = many.index(b"\xff\xda")
    with pytest.raises(Rejected, match="scans"):
        outlined(within(many, 2, b"\0" * (block - first)))


def tiff_of(order: str, *, big: bool) -> bytes:
    """A grey TIFF of 64 x 48 pixels, in one of the two byte orders and layouts."""
    tags = {256: 64, 257: 48, 258: 8, 259: 1, 262: 1, 273: 512, 277: 1, 278: 48, 279: 64 * 48}
    entry, first = ("HHQQ", 16) if big else ("HHII", 8)
    start = struct.pack(order + "2sH", b"II" if order == "<" else b"MM", 43 if big else 42)
    start += struct.pack(order + ("HHQQ" if big else "IH"), *((8, 0) if big else ()), first, 9)
    entries = [struct.pack(order + entry, tag, 16 if big else 4, 1, v) for tag, v in tags.items()]
    return (start + b"".join(entries)).ljust(512, b"\0") + bytes(64 * 48)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [True, False])
def test_a_tiff_is_outlined_in_every_layout(order: str, *, big: bool) -> None:
    content = tiff_of(order, big=big)
    assert outlined(content) == Outline("TIFF", (64, 48), decodable=True)
    assert whole(content, "TIFF")
    assert not whole(content[:-1], "TIFF")


@pytest.mark.parametrize("name", [
    "tif", "lzw.tif", "deflate.tif", "packbits.tif", "jpeg.tif", "group4.tif", "pages.tif",
])  # fmt: skip
def test_pillows_tiffs_are_whole_until_they_are_cut(name: str) -> None:
    content = sample(name)
    told = outlined(content)
    assert told is not None
    assert (told.size, told.decodable) == ((48, 36), True)
    assert whole(content, "TIFF")
    assert not whole(content[: len(content) // 9], "TIFF")


def test_tiles_may_be_larger_than_a_small_picture() -> None:
    content = crafted.tiled((100, 100), (1024, 1024))
    assert outlined(content) == Outline("TIFF", (100, 100), decodable=True)
    assert whole(content, "TIFF")


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (crafted.tiled((100, 100), (30_000, 30_000)), "1 parts of 30,000 x 30,000"),
        (crafted.tiled((1, 1_000_000), (22_000, 22_000)), "46 parts of 22,000 x 22,000"),
        (crafted.tiff({256: 11_300, 257: 11_300, 258: 64}), "1 parts of 11,300 x 11,300"),
    ],
    ids=["a huge tile", "many large tiles", "a huge strip"],
)
def test_the_parts_of_a_tiff_are_not_huge(content: bytes, parts: str) -> None:
    with pytest.raises(Rejected, match=f"stored in {parts} pixels"):
        outlined(content)


@pytest.mark.parametrize("height", [48, -48])
def test_a_bmp_may_be_upside_down(height: int) -> None:
    content = bytearray(crafted.bmp(24))
    content[22:26] = struct.pack("<i", height)
    assert outlined(bytes(content)) == Outline("BMP", (64, 48), decodable=True)
    assert whole(bytes(content), "BMP")


@pytest.mark.parametrize("header", [12, 16, 40, 56, 64, 108, 124])
def test_the_header_of_a_bmp_has_many_lengths(header: int) -> None:
    content = crafted.bmp(24, header=header)
    assert outlined(content) == Outline("BMP", (64, 48), decodable=True)
    assert whole(content, "BMP")
    assert not whole(content[:-1], "BMP")


def test_large_run_lengths_are_not_decoded() -> None:
    assert outlined(crafted.run_length_bmp(100, 100)) == Outline("BMP", (100, 100), decodable=True)
    large = outlined(crafted.run_length_bmp(2000, 1001))
    assert large == Outline("BMP", (2000, 1001), decodable=False)


@pytest.mark.parametrize("form", ["PNG", "GIF", "WEBP", "AVIF", "HEIF"])
def test_others_have_no_outline(form: str) -> None:
    assert outlined(picture(form=form)) is None
    assert not whole(picture(form=form), form)


@pytest.mark.parametrize("form", ["AVIF", "HEIF"])
def test_the_size_in_the_header_of_an_avif_or_heic_is_found(form: str) -> None:
    file = io.BytesIO(picture((128, 64), form))
    assert structure.heif(file) == (form, (128, 64))
    assert file.tell() == 0
    assert structure.heif(io.BytesIO(b"\0\0\0\x18ftypheic" + bytes(40))) is None
    assert structure.heif(io.BytesIO(b"Buy milk.")) is None


STARTS = [JPEG[:300], tiff_of("<", big=False), tiff_of(">", big=True), crafted.bmp(8)[:90]]


@given(st.sampled_from(STARTS), st.integers(0, 200), st.binary(max_size=60))
def test_nonsense_is_outlined_or_rejected_or_neither(start: bytes, at: int, noise_: bytes) -> None:
    content = start[:at] + noise_ + start[at + len(noise_) :]
    try:
        told = outlined(content)
    except Rejected:
        return
    for form in ("JPEG", "TIFF", "BMP"):
        whole(content, form)
    assert told is None or min(told.size) >= 0
