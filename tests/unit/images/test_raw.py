"""Camera RAW files, told by their content."""

import io
import struct
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pixian_s3.errors import Rejected
from pixian_s3.images.identify import inspect
from pixian_s3.images.raw import camera_raw
from tests.unit.pictures import encoded, noise

PREVIEW = (160, 120)
REDUCED, CFA, LINEAR_RAW, RGB = 1, 32_803, 34_892, 2

SIGNATURES = {
    "Canon CR2": b"II*\0\x10\0\0\0CR\2\0",
    "Canon CR3": b"\0\0\0\x18ftypcrx \0\0\0\1crx isom",
    "Canon CRW": b"II\x1a\0\0\0HEAPCCDR",
    "Fujifilm RAF": b"FUJIFILMCCD-RAW 0201FF129502",
    "Olympus ORF": b"IIRS\x08\0\0\0",
    "Panasonic RW2": b"IIU\0\x18\0\0\0",
    "Sigma X3F": b"FOVb\2\0\2\0",
    "Minolta MRW": b"\0MRM\0\0\0\0",
}

type Tags = Mapping[int, bytes | int]


def tiff(tags: Tags, below: Tags | None = None, order: str = "<") -> bytes:
    """An uncompressed RGB of the size of a preview, with other tags, and a directory below it."""
    width, height = PREVIEW
    pixels = width * height * 3
    known: dict[int, bytes | int] = {
        256: width, 257: height, 258: 8, 259: 1, 262: RGB, 273: 8, 277: 3, 278: height, 279: pixels,
    }  # fmt: skip
    start = b"II*\0" if order == "<" else b"MM\0*"
    content = start + struct.pack(f"{order}I", 8 + pixels) + bytes(pixels)
    if below is None:
        return content + _directory(order, known | dict(tags), len(content))
    first = known | dict(tags)
    end = len(content) + len(_directory(order, first | {330: 0}, len(content)))
    content += _directory(order, first | {330: end}, len(content))
    return content + _directory(order, below, len(content))


def _directory(order: str, tags: Tags, at: int) -> bytes:
    entries, texts = b"", b""
    end = at + 2 + 12 * len(tags) + 4
    for tag, value in sorted(tags.items()):
        if isinstance(value, int):
            entries += struct.pack(f"{order}HHII", tag, 4, 1, value)
        elif len(value) <= 4:
            entries += struct.pack(f"{order}HHI4s", tag, 1, len(value), value)
        else:
            entries += struct.pack(f"{order}HHII", tag, 2, len(value), end + len(texts))
            texts += value
    return struct.pack(f"{order}H", len(tags)) + entries + bytes(4) + texts


NEF = tiff({254: REDUCED, 271: b"NIKON CORPORATION\0"}, {262: CFA}, ">")
DNG = tiff({254: REDUCED, 271: b"Apple\0", 50_706: b"\1\4\0\0"}, {262: LINEAR_RAW})
TIFFS = {
    "Nikon NEF": NEF,
    "Sony ARW": tiff({254: REDUCED, 271: b"SONY\0\0"}, {262: CFA}),
    "Pentax PEF": tiff({262: CFA, 271: b"PENTAX Corporation\0"}),
    "DNG": DNG,
}


def refusal(content: bytes) -> str:
    with pytest.raises(Rejected) as rejected:
        inspect(io.BytesIO(content))
    return str(rejected.value)


@pytest.mark.parametrize("name", SIGNATURES)
def test_a_camera_raw_file_is_called_that(name: str) -> None:
    assert refusal(SIGNATURES[name] + bytes(500)) == (
        f"This is a camera RAW file ({name}). Export it as JPEG, PNG or TIFF, then upload that "
        "file."
    )


@pytest.mark.parametrize("name", TIFFS)
def test_the_preview_in_a_camera_raw_file_is_not_taken_for_the_picture(name: str) -> None:
    assert f"camera RAW file ({name})" in refusal(TIFFS[name])


def test_one_of_an_unknown_maker_is_a_camera_raw_file_too() -> None:
    assert refusal(tiff({271: b"ACME Cameras\0"}, {262: CFA})).startswith(
        "This is a camera RAW file. Export it"
    )


def test_a_small_raw_file_without_the_pixels_of_the_sensor_is_known_by_its_preview() -> None:
    small = tiff({254: REDUCED, 271: b"NIKON CORPORATION\0"}, {262: 6})
    assert "Nikon NEF" in refusal(small)


@pytest.mark.parametrize(("tags", "below"), [
    ({}, None),
    # A photograph of a camera, as programs export it, with a preview after the picture
    ({254: 0, 271: b"NIKON CORPORATION\0"}, {254: REDUCED, 262: RGB}),
    ({271: b"SONY\0\0"}, {262: 6}),
    # The preview of a scanner, which names no camera
    ({254: REDUCED}, {262: RGB}),
])  # fmt: skip
def test_an_ordinary_tiff_is_none(tags: Tags, below: Tags | None) -> None:
    content = tiff(tags, below)
    file = io.BytesIO(content)
    info = inspect(file)
    assert (info.format, info.width, info.height) == ("TIFF", *PREVIEW)
    assert file.tell() == 0


@pytest.mark.parametrize("form", ["BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP", "AVIF", "HEIF"])
def test_no_other_format_is_one(form: str) -> None:
    file = io.BytesIO(encoded(Image.fromarray(noise((80, 60))), form))
    assert camera_raw(file) is None
    assert file.tell() == 0


def test_pixels_that_look_like_a_signature_do_not_make_a_raw_file() -> None:
    # Where Canon's CR2 has its signature, other TIFFs may have their first pixels.
    content = bytearray(tiff({}))
    content[8:12] = b"CR\2\0"
    assert inspect(io.BytesIO(bytes(content))).format == "TIFF"


@given(st.data())
def test_a_damaged_file_is_a_raw_file_or_not(data: st.DataObject) -> None:
    content = bytearray(NEF)
    end = len(content)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(end - 300, end - 1))] = data.draw(st.integers(0, 255))
    file = io.BytesIO(bytes(content[: data.draw(st.integers(0, end))]))
    assert camera_raw(file) in {None, "", "Nikon NEF", "DNG"}
