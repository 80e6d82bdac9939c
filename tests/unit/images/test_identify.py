"""Files told by their content."""

import errno
import io
import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pixian_s3.errors import Rejected
from pixian_s3.images.convert import convert
from pixian_s3.images.identify import MAX_LINES, ImageInfo, flaw, inspect, require_whole
from tests.builders import picture
from tests.fuzz.crafted import profiled_png, resized
from tests.fuzz.samples import chunk
from tests.unit.pictures import encoded, flag, noise, oriented

TAKEN = ["BMP", "GIF", "JPEG", "PNG", "TIFF"]
CONVERTED = ["AVIF", "HEIF", "WEBP"]
FILES = {form: picture(form=form) for form in TAKEN + CONVERTED}

NOISY = Image.fromarray(noise((80, 60)))
NOISY_FILES = {
    **{form: encoded(NOISY, form) for form in TAKEN + CONVERTED},
    "progressive": encoded(NOISY, "JPEG", progressive=True),
    "grey JPEG": encoded(NOISY.convert("L"), "JPEG"),
    "CMYK JPEG": encoded(NOISY.convert("CMYK"), "JPEG"),
    "JPEG of two": encoded(NOISY, "MPO", save_all=True, append_images=[NOISY.copy()]),
    "16 bits": encoded(NOISY.convert("L").convert("I;16"), "PNG"),
    "palette": encoded(NOISY.quantize(200), "PNG"),
    "LZW": encoded(NOISY, "TIFF", compression="tiff_lzw"),
    "TIFF of JPEG": encoded(NOISY, "TIFF", compression="jpeg"),
    "lossless WebP": encoded(NOISY, "WEBP", lossless=True),
}


def info(form: str, **changes: int) -> ImageInfo:
    return replace(ImageInfo(form, f"image/{form.lower()}", 40, 30, 1), **changes)  # type: ignore[arg-type]


def inspected(content: bytes) -> ImageInfo:
    return inspect(io.BytesIO(content))


def huge_png(width: int, height: int) -> bytes:
    """A PNG whose header says so; nothing is drawn."""
    small = picture((1, 1))
    size = width.to_bytes(4) + height.to_bytes(4)
    chunk = b"IHDR" + size + small[24:29]
    return small[:12] + chunk + _crc(chunk) + small[33:]


def huge_webp(width: int, height: int) -> bytes:
    """A lossless WebP whose header says so; nothing is drawn."""
    data = b"\x2f" + (width - 1 | height - 1 << 14).to_bytes(4, "little") + bytes(3)
    chunk = b"VP8L" + len(data).to_bytes(4, "little") + data
    return b"RIFF" + (len(chunk) + 4).to_bytes(4, "little") + b"WEBP" + chunk


def _crc(chunk: bytes) -> bytes:
    return zlib.crc32(chunk).to_bytes(4)


@pytest.mark.parametrize("form", TAKEN)
def test_what_pixian_takes_is_known_by_its_content(form: str) -> None:
    assert inspected(FILES[form]) == info(form)
    assert inspected(FILES[form]).taken_as_is


@pytest.mark.parametrize("form", CONVERTED)
def test_what_can_be_converted_is_known_by_its_content(form: str) -> None:
    assert inspected(FILES[form]) == info(form)
    assert not inspected(FILES[form]).taken_as_is


def test_a_jpeg_of_several_pictures_is_a_jpeg() -> None:
    frame = Image.new("RGB", (40, 30))
    multi_picture = encoded(frame, "MPO", save_all=True, append_images=[frame.copy()])
    assert inspected(multi_picture) == info("JPEG")
    assert inspected(multi_picture).taken_as_is


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF"])
def test_an_orientation_is_told_and_not_applied(form: str, orientation: int) -> None:
    turned = picture(form=form, exif=oriented(orientation))
    assert inspected(turned) == info(form, orientation=orientation)


@pytest.mark.parametrize("blocks", [1, 2])
def test_an_orientation_may_follow_the_pixels_of_a_png(blocks: int) -> None:
    plain = picture()
    exif = chunk(b"eXIf", oriented(6).tobytes().removeprefix(b"Exif\0\0"))
    assert inspected(plain[:-12] + blocks * exif + plain[-12:]) == info("PNG", orientation=6)


def test_what_follows_the_pixels_of_a_png_and_is_cut_short_does_not_count() -> None:
    exif = chunk(b"eXIf", oriented(6).tobytes().removeprefix(b"Exif\0\0"))
    assert inspected(picture()[:-12] + exif[:-6]) == info("PNG")


def test_a_heic_is_upright_already() -> None:
    turned = picture(form="HEIF", exif=oriented(6).tobytes())
    assert inspected(turned) == info("HEIF", width=30, height=40)


@pytest.mark.parametrize("nonsense", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_is_none(nonsense: int) -> None:
    assert inspected(picture(form="JPEG", exif=oriented(nonsense))) == info("JPEG")


def test_a_heic_that_only_its_exif_data_would_turn_stays_as_it_is() -> None:
    # Its own properties decide; readers ignore this tag.
    file = bytearray(picture(form="HEIF", exif=oriented(1).tobytes()))
    at = file.index(b"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x01")
    file[at + 9] = 6
    assert inspected(bytes(file)) == info("HEIF")


def test_a_broken_exif_block_does_not_matter() -> None:
    broken = picture(form="PNG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff")
    assert inspected(broken) == info("PNG")
    require_whole(io.BytesIO(broken), info("PNG"))


@pytest.mark.parametrize("form", TAKEN + CONVERTED)
def test_the_file_is_left_open_and_at_its_beginning(form: str) -> None:
    file = io.BytesIO(FILES[form])
    file.seek(7)
    inspected_once = inspect(file)
    assert file.tell() == 0
    require_whole(file, inspected_once)
    assert file.tell() == 0


def test_nothing_is_not_an_image() -> None:
    with pytest.raises(Rejected, match="empty"):
        inspected(b"")


@pytest.mark.parametrize(
    "content",
    [
        b"Buy milk.",
        b"\x89PNG\r\n\x1a\n",
        b"<svg/>",
        b"\x00\x00\x00\x18ftypheic" + bytes(40),
        FILES["PNG"][:20],
        b"8BPS" + bytes(40),
    ],
    ids=["text", "a signature only", "svg", "an empty heic", "cut short", "photoshop"],
)
def test_what_is_no_image_is_rejected(content: bytes) -> None:
    with pytest.raises(Rejected, match="not an image in a supported format"):
        inspected(content)


def test_pixian_takes_up_to_32_million_pixels() -> None:
    assert inspected(huge_png(8000, 4000)).taken_as_is
    assert not inspected(huge_png(8001, 4000)).taken_as_is


@pytest.mark.parametrize("size", [(12_801, 10_000), (65_000, 65_000), (2**31 - 1, 2**31 - 1)])
def test_a_bomb_is_rejected_by_its_header(size: tuple[int, int]) -> None:
    with pytest.raises(Rejected, match=f"{size[0]} x {size[1]} pixels, but at most 128,000,000"):
        inspected(huge_png(*size))


def test_an_image_of_too_many_lines_is_rejected() -> None:
    assert inspected(huge_png(1, MAX_LINES)).height == MAX_LINES
    with pytest.raises(Rejected, match="1,000,001 pixels high"):
        inspected(huge_png(1, MAX_LINES + 1))


def test_formats_that_need_more_memory_have_a_lower_limit() -> None:
    assert inspected(huge_webp(8000, 8000)).width == 8000
    with pytest.raises(Rejected, match="at most 64,000,000"):
        inspected(huge_webp(8001, 8000))


@pytest.mark.parametrize(("form", "limit"), [("AVIF", "64,000,000"), ("HEIF", "128,000,000")])
def test_an_avif_or_heic_that_its_decoder_refuses_for_its_size_is_too_large(
    form: str, limit: str
) -> None:
    with pytest.raises(Rejected, match=f"40000 x 40000 pixels, but at most {limit} .* {form}"):
        inspected(resized(picture((64, 64), form), 40_000, 40_000))


@pytest.mark.parametrize(("form", "box"), [("AVIF", b"av1C"), ("HEIF", b"hvcC")])
def test_an_avif_or_heic_that_its_decoder_refuses_is_not_called_another_format(
    form: str, box: bytes
) -> None:
    content = picture((64, 64), form).replace(box, b"none")
    with pytest.raises(Rejected, match=f"can't be read: this {form} file of 64 x 64 pixels"):
        inspected(content)


def test_a_heic_whose_picture_is_larger_than_its_header_says_is_rejected() -> None:
    file = io.BytesIO(resized(picture((512, 512), "HEIF"), 64, 64))
    assert inspect(file).width == 64
    with pytest.raises(Rejected, match="larger than the 64 x 64 pixels that its header states"):
        convert(file, io.BytesIO(), 1_000_000)


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_a_whole_image_of_its_type_has_no_flaw(form: str) -> None:
    assert flaw(io.BytesIO(NOISY_FILES[form]), f"image/{form.lower()}") is None


def test_a_png_with_a_large_profile_has_no_flaw() -> None:
    assert flaw(io.BytesIO(profiled_png(5 << 20)), "image/png") is None


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_an_image_that_is_cut_short_is_damaged(form: str) -> None:
    content = NOISY_FILES[form]
    told = flaw(io.BytesIO(content[: len(content) // 2]), f"image/{form.lower()}")
    assert told == "a damaged image"


def test_an_image_of_another_type_has_a_flaw() -> None:
    told = flaw(io.BytesIO(FILES["PNG"]), "image/jpeg")
    assert told == "image/png with the content type image/jpeg"


@pytest.mark.parametrize("kind", NOISY_FILES)
def test_a_whole_file_passes(kind: str) -> None:
    file = io.BytesIO(NOISY_FILES[kind])
    require_whole(file, inspect(file))


@pytest.mark.parametrize("part", [0.2, 0.5, 0.9, 0.97])
@pytest.mark.parametrize("kind", [kind for kind in NOISY_FILES if kind != "JPEG of two"])
def test_a_file_that_is_cut_short_is_rejected(kind: str, part: float) -> None:
    whole = NOISY_FILES[kind]
    file = io.BytesIO(whole[: int(len(whole) * part)])
    with pytest.raises(Rejected):
        require_whole(file, inspect(file))


def test_of_a_jpeg_of_two_the_first_must_be_whole() -> None:
    whole = NOISY_FILES["JPEG of two"]
    file = io.BytesIO(whole[: int(len(whole) * 0.4)])
    with pytest.raises(Rejected, match="damaged or incomplete"):
        require_whole(file, info("JPEG", width=80, height=60))


def test_a_png_with_one_wrong_bit_is_rejected() -> None:
    damaged = bytearray(NOISY_FILES["PNG"])
    damaged[len(damaged) // 2] ^= 1
    file = io.BytesIO(damaged)
    with pytest.raises(Rejected, match="damaged"):
        require_whole(file, inspect(file))


@given(
    st.sampled_from(list(NOISY_FILES)),
    st.binary(max_size=40),
    st.integers(0, 200),
    st.integers(0, 400),
)
def test_a_damaged_file_is_an_image_or_rejected(kind: str, noise: bytes, at: int, cut: int) -> None:
    whole = NOISY_FILES[kind]
    file = io.BytesIO(whole[:at] + noise + whole[at + len(noise) : len(whole) - cut])
    try:
        require_whole(file, inspect(file))
    except Rejected:
        return


class BrokenDisk(io.BytesIO):
    def read(self, size: int | None = -1, /) -> bytes:
        raise OSError(errno.EIO, "Input/output error", size)


def test_a_failing_disk_is_not_the_images_fault() -> None:
    with pytest.raises(OSError, match="Input/output"):
        inspect(BrokenDisk(encoded(flag(), "PNG")))
