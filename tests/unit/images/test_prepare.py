"""What is sent, the source's own bytes or a conversion, and what is made of the answer."""

import io
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from PIL import Image

from pixian_s3.attempt import Conversion
from pixian_s3.config.document import Settings
from pixian_s3.errors import Rejected, Unavailable
from pixian_s3.images.prepare import Prepared, finish, prepare
from tests.builders import picture
from tests.fuzz import crafted
from tests.fuzz.crafted import profiled_png
from tests.unit.pictures import encoded, flag, oriented


@pytest.fixture
def files() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def settings(**values: Any) -> Settings:
    return Settings("", {name.replace("__", "."): value for name, value in values.items()})


def prepared(body: bytes, files: ExitStack, **values: Any) -> Prepared:
    return prepare(io.BytesIO(body), settings(**values), files)


def unwarned(message: str) -> None:
    pytest.fail(message)


@pytest.mark.parametrize("form", ["BMP", "GIF", "JPEG", "PNG", "TIFF"])
def test_what_pixian_takes_goes_as_it_is(files: ExitStack, form: str) -> None:
    body = picture(form=form)
    ready = prepared(body, files)
    assert not ready.converted
    assert ready.file.read() == body


def test_what_pixian_refuses_is_converted(files: ExitStack) -> None:
    ready = prepared(picture(form="WEBP"), files)
    assert ready.converted
    assert ready.info.format in {"JPEG", "PNG"}


def test_nothing_is_converted_where_that_is_forbidden(files: ExitStack) -> None:
    with pytest.raises(Rejected, match=r"pipeline\.convert is false"):
        prepared(picture(form="WEBP"), files, pipeline__convert=False)


def test_larger_images_than_pixian_takes_are_shrunk(files: ExitStack) -> None:
    ready = prepared(picture((8001, 4000), mode="L"), files)
    assert 24_000_000 < ready.info.width * ready.info.height <= 25_000_000


def test_for_a_delta_png_nothing_is_left_for_the_service_to_shrink(files: ExitStack) -> None:
    asked = {"output__format": "delta_png", "max_pixels": 1000}
    ready = prepared(picture((100, 50)), files, **asked)
    assert 0 < ready.info.width * ready.info.height <= 1000


def test_a_file_that_is_cut_short_is_rejected(files: ExitStack) -> None:
    with pytest.raises(Rejected, match="damaged or incomplete"):
        prepared(picture((64, 64))[:-20], files)


def test_converted_pixels_are_those_of_the_source(files: ExitStack) -> None:
    ready = prepared(picture(form="WEBP"), files)
    with Image.open(ready.file) as image, Image.open(io.BytesIO(picture(form="WEBP"))) as source:
        assert image.size == source.size


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF", "HEIF"])
def test_the_size_of_a_source_is_as_shown(files: ExitStack, form: str) -> None:
    # pillow-heif ignores the orientation of an Exif object.
    exif = oriented(6).tobytes() if form == "HEIF" else oriented(6)
    assert prepared(encoded(flag((96, 64)), form, exif=exif), files).source.size == (64, 96)


def test_what_is_sent_as_it_is_has_no_conversion(files: ExitStack) -> None:
    assert prepared(picture(), files).source.converted is None


@pytest.mark.parametrize(
    ("body", "values", "converted"),
    [
        (
            encoded(flag((96, 64)), "WEBP", exif=oriented(6)),
            {},
            Conversion("image/jpeg", (64, 96), ("format",)),
        ),
        (picture((8001, 4000)), {}, Conversion("image/jpeg", (7071, 3535), ("pixels",))),
        (
            picture((5200, 5000), "WEBP"),
            {},
            Conversion("image/jpeg", (5099, 4902), ("format", "pixels")),
        ),
        (
            picture((100, 50)),
            {"output__format": "delta_png", "max_pixels": 1000},
            Conversion("image/jpeg", (44, 22), ("max_pixels",)),
        ),
    ],
    ids=["WebP on its side", "more than Pixian takes", "large WebP", "delta PNG"],
)
def test_a_conversion_tells_what_was_sent_and_why(
    files: ExitStack, body: bytes, values: dict[str, Any], converted: Conversion
) -> None:
    assert prepared(body, files, **values).source.converted == converted


@pytest.mark.parametrize(
    ("answer", "mime_type"),
    [
        (picture()[:-5], "image/png"),
        (picture(form="JPEG"), "image/png"),
        (b"<html>Sorry</html>", "image/png"),
        (picture(form="JPEG")[:-60], "image/jpeg"),
    ],
)
def test_an_answer_that_is_no_whole_image_of_its_type_is_no_result(
    files: ExitStack, answer: bytes, mime_type: str
) -> None:
    sent = prepared(picture(), files)
    with pytest.raises(Unavailable, match="Pixian sent"):
        finish(io.BytesIO(answer), mime_type, sent, settings(), files, unwarned)


@pytest.mark.parametrize(("wanted", "rebuilt"), [("rebuild", True), ("keep", False)])
def test_a_delta_png_is_rebuilt_unless_it_is_to_be_kept(
    files: ExitStack, wanted: str, *, rebuilt: bool
) -> None:
    values = {"output__format": "delta_png", "pipeline__delta_png": wanted}
    sent, delta = prepared(picture(), files, **values), io.BytesIO(picture(mode="RGBA"))
    finished = finish(delta, "image/png", sent, settings(**values), files, unwarned)
    assert (finished is not delta) == rebuilt


UNDECODABLE = {
    "lossless JPEG": crafted.lossless_jpeg(),
    "12-bit JPEG": crafted.other_jpeg(0xC1, 12),
    "JPEG of 2 components": crafted.other_jpeg(0xC0, 8, 2),
    "WebP in a TIFF": crafted.tiff({259: 50_001}, b"RIFF" + bytes(96)),
    "Lab with alpha": crafted.tiff({262: 8, 277: 4, 338: 2}),
    "24-bit TIFF": crafted.tiff({258: 24}),
    "BMP of 2 bits": crafted.bmp(2),
    "BMP of OS/2": crafted.bmp(24, header=16),
    "BMP of a JPEG": crafted.bmp(24, compression=4),
}


@pytest.mark.parametrize("kind", UNDECODABLE)
def test_what_pixian_may_take_is_sent_although_it_cannot_be_checked(
    files: ExitStack, kind: str
) -> None:
    ready = prepared(UNDECODABLE[kind], files)
    assert not ready.converted
    assert (ready.info.width, ready.info.height, ready.info.orientation) == (64, 48, 1)
    assert ready.file.read() == UNDECODABLE[kind]


@pytest.mark.parametrize("kind", UNDECODABLE)
def test_what_cannot_be_checked_must_have_its_end(files: ExitStack, kind: str) -> None:
    with pytest.raises(Rejected, match="damaged or incomplete"):
        prepared(UNDECODABLE[kind][:-50], files)


@pytest.mark.parametrize("kind", UNDECODABLE)
def test_what_cannot_be_decoded_is_not_sent_for_a_delta_png_to_rebuild(
    files: ExitStack, kind: str
) -> None:
    with pytest.raises(Rejected, match=r"can't decode this kind of .* delta PNG"):
        prepared(UNDECODABLE[kind], files, output__format="delta_png")
    kept = {"output__format": "delta_png", "pipeline__delta_png": "keep"}
    assert not prepared(UNDECODABLE[kind], files, **kept).converted


@pytest.mark.parametrize(
    "body",
    [crafted.other_jpeg(0xC3, 8, size=(8001, 4000)), crafted.tiff({256: 8001, 257: 4000, 258: 24})],
    ids=["JPEG", "TIFF"],
)
def test_what_cannot_be_decoded_cannot_be_shrunk(files: ExitStack, body: bytes) -> None:
    with pytest.raises(Rejected, match=r"can't decode this kind of .* to make it smaller"):
        prepared(body, files)


@pytest.mark.parametrize("output", ["png", "delta_png"])
def test_an_answer_may_have_a_large_colour_profile(files: ExitStack, output: str) -> None:
    sent = prepared(picture((40, 30)), files, output__format=output)
    answer = io.BytesIO(profiled_png(5 << 20, "RGBA"))
    finished = finish(answer, "image/png", sent, settings(output__format=output), files, unwarned)
    with Image.open(finished) if output == "delta_png" else Image.new("1", (40, 30)) as image:
        assert image.size == (40, 30)
    assert (finished is answer) == (output == "png")


@pytest.mark.parametrize("output", ["png", "delta_png"])
def test_a_source_may_have_a_large_colour_profile(files: ExitStack, output: str) -> None:
    body = profiled_png(5 << 20)
    sent = prepared(body, files, output__format=output)
    assert sent.file.read() == body
    answer = io.BytesIO(picture(mode="RGBA"))
    finish(answer, "image/png", sent, settings(output__format=output), files, unwarned)


def test_a_large_colour_profile_does_not_matter_when_a_source_is_shrunk(files: ExitStack) -> None:
    body = profiled_png(5 << 20, picture_size=(8001, 4000))
    assert prepared(body, files).converted
