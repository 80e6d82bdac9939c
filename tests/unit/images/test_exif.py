"""Copyright and resolution: what is read from sources, and how results get it."""

import io
import struct
from collections.abc import Callable
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.ExifTags import GPS, IFD, Base
from PIL.PngImagePlugin import PngInfo
from PIL.TiffImagePlugin import IFDRational

from pixian_s3.images import exif, identify
from pixian_s3.images.exif import MAX_EXIF_BYTES, NOTHING, Kept
from tests.builders import fresh_seed, picture
from tests.fuzz.hostile import blocks, in_png
from tests.fuzz.samples import seeded, within
from tests.unit.pictures import encoded, flag, noise

COPYRIGHT, ARTIST = "© 2026 Zoë Łęcka".encode(), b"Zoe Lecka"
LENS = tuple(IFDRational(number, 10) for number in (240, 700, 28, 28))
SECRET = b"position or serial number"


def full(**more: Any) -> Image.Exif:
    """What a camera writes, and a photographer adds."""
    data = Image.Exif()
    data[Base.Copyright], data[Base.Artist] = COPYRIGHT, ARTIST
    data[Base.Make], data[Base.Orientation] = "Camera", 6
    data.get_ifd(IFD.Exif).update(
        {
            Base.ExposureTime: IFDRational(1, 250),
            Base.DateTimeOriginal: "2026:03:14 09:26:53",
            Base.LensSpecification: LENS,
            Base.MakerNote: SECRET,
            Base.BodySerialNumber: SECRET.decode(),
            Base.UserComment: b"ASCII\0\0\0" + SECRET,
            Base.ExifImageWidth: 6000,
        }
    )
    data.get_ifd(IFD.GPSInfo).update(
        {GPS.GPSLatitude: (52.0, 31.0, 12.0), GPS.GPSAreaInformation: SECRET}
    )
    for name, value in more.items():
        data[Base[name]] = value
    return data


def source(form: str = "JPEG", data: Image.Exif | None = None, **options: Any) -> io.BytesIO:
    data = full() if data is None else data
    if form == "AVIF":
        data.pop(Base.Orientation, None)  # else, Pillow writes everything again, in ASCII
    if form == "TIFF":
        # Pillow does so with bytes, and leaves out the directories of a block that wasn't loaded.
        loaded = Image.Exif()
        loaded.load(data.tobytes())
        loaded.update(data)
        return io.BytesIO(encoded(flag(), form, exif=loaded, **options))
    return io.BytesIO(encoded(flag(), form, exif=data.tobytes(), **options))


def read(file: io.BytesIO, *, everything: bool = False) -> Kept:
    kept = exif.read(file, everything=everything)
    assert file.tell() == 0
    return kept


def tags(block: bytes) -> dict[int, Any]:
    data = Image.Exif()
    data.load(block)
    # Pillow reads text as Latin-1.
    return {tag: v.encode("latin-1") if isinstance(v, str) else v for tag, v in data.items()}


RIGHTS = {Base.Copyright: COPYRIGHT, Base.Artist: ARTIST}
PNG, JPEG = encoded(Image.fromarray(noise((80, 60), 4)), "PNG"), picture(form="JPEG")
BARE_JPEG = within(JPEG[:2] + JPEG[20:], 2, b"\xff\xfe\0\3x")  # with a comment only
ADOBE_JPEG = within(JPEG[:2] + JPEG[20:], 2, b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\1")
KEPT = exif.read(source(dpi=(300, 240)), everything=False)


# ---- read ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF", "HEIF"])
def test_the_rights_are_read_byte_for_byte_and_nothing_else(form: str) -> None:
    assert tags(read(source(form)).exif) == RIGHTS


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF", "HEIF"])
def test_all_has_no_position_no_numbers_and_nothing_about_the_pixels(form: str) -> None:
    block = read(source(form), everything=True).exif
    data = Image.Exif()
    data.load(block)
    assert tags(block) == RIGHTS | {Base.Make: b"Camera", IFD.Exif: data[IFD.Exif]}
    exposure = data.get_ifd(IFD.Exif)
    assert exposure == {
        Base.ExposureTime: pytest.approx(0.004),
        Base.DateTimeOriginal: "2026:03:14 09:26:53",
        Base.LensSpecification: LENS,
    }
    assert SECRET not in block


@pytest.mark.parametrize(("name", "copied"), [(b"Objectif", True), (b"Object\xedf", False)])
def test_the_name_of_a_lens_is_copied_only_if_it_stays_as_it_is(name: bytes, copied: bool) -> None:  # noqa: FBT001
    data = full()
    data.get_ifd(IFD.Exif)[Base.LensModel] = "Objectif"
    body = within(JPEG, 2, _segment(data.tobytes().replace(b"Objectif", name)))
    block = read(io.BytesIO(body), everything=True).exif
    assert tags(block)[Base.Copyright] == COPYRIGHT
    assert (b"Object" in block) == copied


def test_a_preview_is_not_copied() -> None:
    # Given a second directory, which holds a preview
    first = struct.pack(
        "<2sHIHHHII", b"II", 42, 8, 1, Base.Artist, 2, 4, int.from_bytes(b"Zoe\0", "little")
    )
    second = struct.pack("<IHHHIII", 26, 1, Base.JpegIFOffset, 4, 1, 44, 0)
    file = io.BytesIO(within(JPEG, 2, _segment(b"Exif\0\0" + first + second + SECRET)))
    assert SECRET not in read(file, everything=True).exif
    assert tags(read(file, everything=True).exif) == {Base.Artist: b"Zoe"}


def _segment(body: bytes) -> bytes:
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "BMP"])
def test_the_resolution_is_read(form: str) -> None:
    kept = read(io.BytesIO(encoded(flag(), form, dpi=(300, 300))))
    assert kept.exif == b""
    assert kept.dpi == pytest.approx((300, 300), abs=0.02)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "HEIF"])
@pytest.mark.parametrize(("unit", "dpi"), [(2, 118), (3, 118 * 2.54), (1, None), (9, None)])
def test_the_resolution_may_be_in_the_exif_data(form: str, unit: int, dpi: float | None) -> None:
    data = Image.Exif()
    data[Base.XResolution] = data[Base.YResolution] = 118.0
    data[Base.ResolutionUnit] = unit
    kept = read(source(form, data))
    assert kept.dpi == (dpi and pytest.approx((dpi, dpi)))


@pytest.mark.parametrize("number", [0, 0.5, 70_000, IFDRational(1, 0), IFDRational(0, 0)])
def test_a_resolution_that_is_none_is_not_copied_but_the_rights_are(number: Any) -> None:
    kept = read(source("WEBP", full(XResolution=number, YResolution=number)))
    assert (tags(kept.exif), kept.dpi) == (RIGHTS, None)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP", "GIF", "BMP", "AVIF", "HEIF"])
def test_a_source_without_any_gives_nothing(form: str) -> None:
    kept = read(io.BytesIO(picture(form=form)), everything=True)
    # Pillow writes a resolution into each BMP.
    assert kept == NOTHING or (form == "BMP" and not kept.exif)


def test_empty_text_is_nothing() -> None:
    data = Image.Exif()
    data[Base.Copyright], data[Base.Artist] = "   ", "\0"
    assert read(source(data=data)) == NOTHING


def test_a_camera_s_data_that_are_too_long_leave_the_rights() -> None:
    # An EXIF block of a WebP has no limit.
    data = full(ImageDescription="x" * (MAX_EXIF_BYTES + 1))
    assert tags(read(source("WEBP", data), everything=True).exif) == RIGHTS


def test_rights_that_are_too_long_are_not_copied() -> None:
    kept = read(source("WEBP", full(Copyright="x" * (MAX_EXIF_BYTES + 1))))
    assert kept.exif == b""


def test_an_exif_block_after_the_pixels_of_a_png_is_read() -> None:
    chunk = in_png(b"eXIf", full().tobytes().removeprefix(b"Exif\0\0"))[33:]
    plain = picture()
    behind = chunk[: len(chunk) - len(plain) + 33]
    assert tags(read(io.BytesIO(plain[:-12] + behind + plain[-12:])).exif) == RIGHTS


@pytest.mark.parametrize(("name", "make"), [*blocks(fresh_seed())])
def test_hostile_blocks_do_no_harm(name: str, make: Callable[[], bytes]) -> None:
    for everything in (False, True):
        kept = read(io.BytesIO(make()), everything=everything)
        assert len(kept.exif) <= MAX_EXIF_BYTES, name


@pytest.mark.parametrize("seed", [fresh_seed()])
def test_damaged_blocks_do_no_harm(seed: int) -> None:
    rng, block = seeded(seed, "exif"), full().tobytes().removeprefix(b"Exif\0\0")
    for _ in range(500):
        damaged = bytearray(block)
        for _ in range(rng.randrange(1, 12)):
            damaged[rng.randrange(len(damaged))] = rng.choice((0, 1, 255, rng.randrange(256)))
        cut = damaged[: rng.choice((len(block), rng.randrange(len(block))))]
        form = rng.choice(("JPEG", "PNG"))
        body = (
            in_png(b"eXIf", bytes(cut))
            if form == "PNG"
            else within(JPEG, 2, _segment(b"Exif\0\0" + cut))
        )
        kept = read(io.BytesIO(body), everything=True)
        for answer, mime_type in ((PNG, "image/png"), (JPEG, "image/jpeg")):
            require_same_picture(answer, written(answer, mime_type, kept))


# ---- written ------------------------------------------------------------------------------------


def written(answer: bytes, mime_type: str, kept: Kept) -> bytes:
    file = exif.written(io.BytesIO(answer), mime_type, kept)
    assert file.tell() == 0
    return file.read()


def require_same_picture(one: bytes, other: bytes) -> None:
    with Image.open(io.BytesIO(one)) as before, Image.open(io.BytesIO(other)) as after:
        assert identify.flaw(io.BytesIO(other), f"image/{cast(str, before.format).lower()}") is None
        assert (after.format, after.mode) == (before.format, before.mode)
        assert after.tobytes() == before.tobytes()
        assert after.getexif().get(Base.Orientation, 1) == 1


@pytest.mark.parametrize("answer", [PNG, JPEG, BARE_JPEG], ids=["PNG", "JPEG", "without JFIF"])
def test_a_result_has_the_rights_and_the_resolution_and_the_same_pixels(answer: bytes) -> None:
    mime_type = "image/png" if answer is PNG else "image/jpeg"
    result = written(answer, mime_type, KEPT)
    require_same_picture(answer, result)
    with Image.open(io.BytesIO(result)) as image:
        assert image.info["dpi"] == pytest.approx((300, 240), abs=0.02)
        assert tags(image.info["exif"]) == RIGHTS


@pytest.mark.parametrize("answer", [PNG, JPEG, BARE_JPEG], ids=["PNG", "JPEG", "without JFIF"])
def test_a_result_is_as_pixian_sent_it_if_there_is_nothing_to_copy(answer: bytes) -> None:
    file = io.BytesIO(answer)
    assert exif.written(file, "image/png" if answer is PNG else "image/jpeg", NOTHING) is file
    assert file.read() == answer


def test_a_result_keeps_what_it_has_of_its_own() -> None:
    own = Image.Exif()
    own[Base.Software] = "Pixian"
    for form, mime_type in (("PNG", "image/png"), ("JPEG", "image/jpeg")):
        answer = encoded(flag(), form, exif=own, dpi=(96, 96))
        assert written(answer, mime_type, KEPT) == answer


def test_a_result_s_own_exif_data_after_its_pixels_count() -> None:
    own = in_png(b"eXIf", b"II*\0\x08\0\0\0\0\0\0\0\0\0")
    moved = PNG[:-12] + own[33 : len(own) - len(picture()) + 33] + PNG[-12:]
    assert written(moved, "image/png", Kept(KEPT.exif)) == moved


def test_a_jpeg_whose_components_are_red_green_and_blue_gets_no_jfif_header() -> None:
    # Without a header, decoders take the colours from the components' numbers.
    adobe = encoded(flag(), "JPEG", keep_rgb=True)
    bare = adobe[:2] + adobe[4 + int.from_bytes(adobe[4:6]) :]
    assert b"Adobe" in adobe
    assert b"Adobe" not in bare
    result = written(bare, "image/jpeg", KEPT)
    require_same_picture(bare, result)
    assert b"JFIF" not in result


def test_a_jpeg_of_adobe_s_colours_gets_no_jfif_header() -> None:
    result = written(ADOBE_JPEG, "image/jpeg", KEPT)
    require_same_picture(ADOBE_JPEG, result)
    assert b"JFIF" not in result
    with Image.open(io.BytesIO(result)) as image:
        assert tags(image.info["exif"]) == RIGHTS


def test_a_png_s_other_chunks_stay() -> None:
    info = PngInfo()
    info.add_text("Comment", "kept")
    answer = encoded(flag(), "PNG", pnginfo=info, icc_profile=b"profile", gamma=0.5)
    with Image.open(io.BytesIO(written(answer, "image/png", KEPT))) as image:
        assert (image.info["Comment"], image.info["icc_profile"]) == ("kept", b"profile")


@given(st.floats(1, 65_535), st.floats(1, 65_535))
def test_any_resolution_fits_into_both_formats(across: float, down: float) -> None:
    for answer, mime_type in ((PNG, "image/png"), (JPEG, "image/jpeg")):
        result = written(answer, mime_type, Kept(dpi=(across, down)))
        with Image.open(io.BytesIO(result)) as image:
            assert image.info["dpi"] == pytest.approx((across, down), abs=0.51)


def test_the_longest_block_fits_into_a_jpeg() -> None:
    data = Image.Exif()
    data[Base.Copyright] = "x" * (MAX_EXIF_BYTES - 40)
    kept = read(source("WEBP", data))
    assert len(kept.exif) > MAX_EXIF_BYTES - 40
    require_same_picture(JPEG, written(JPEG, "image/jpeg", kept))
