"""What is sent: the source's own bytes, or a conversion, in the way that was asked for."""

import io
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from PIL import Image

from pixian_s3.config.document import Settings
from pixian_s3.errors import Rejected
from pixian_s3.images import identify
from pixian_s3.images.prepare import Prepared, choose_input, prepare
from pixian_s3.pixian.inputs import MAX_BASE64_CHARACTERS, Base64, Upload, Url
from pixian_s3.story import Story
from tests.builders import make_job, picture
from tests.integration.world import World


@pytest.fixture
def files() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def settings(**values: Any) -> Settings:
    return Settings("", {name.replace("__", "."): value for name, value in values.items()})


def prepared(body: bytes, files: ExitStack, **values: Any) -> Prepared:
    return prepare(io.BytesIO(body), Story(make_job()), settings(**values), files)


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
    ready = prepared(picture((8001, 4000)), files)
    assert 24_000_000 < ready.info.width * ready.info.height <= 25_000_000


def test_for_a_delta_png_nothing_is_left_for_the_service_to_shrink(files: ExitStack) -> None:
    asked = {"output__format": "delta_png", "max_pixels": 1000}
    ready = prepared(picture((100, 50)), files, **asked)
    assert 0 < ready.info.width * ready.info.height <= 1000


def test_a_file_that_is_cut_short_is_rejected(files: ExitStack) -> None:
    with pytest.raises(Rejected, match="cut short"):
        prepared(picture((64, 64))[:-20], files)


def test_base64_is_for_small_files() -> None:
    assert Base64.fits(MAX_BASE64_CHARACTERS // 4 * 3)
    assert not Base64.fits(MAX_BASE64_CHARACTERS // 4 * 3 + 1)


def chosen(world: World, ready: Prepared, way: str) -> object:
    story = Story(world.drop())
    return choose_input(ready, story, settings(pipeline__input=way), world.services.storage)


def ready_to_send(*, size: int = 10, converted: bool = False) -> Prepared:
    info = identify.inspect(io.BytesIO(picture()))
    return Prepared(io.BytesIO(picture()), info, size, converted)


@pytest.mark.parametrize(("way", "kind"), [("upload", Upload), ("url", Url), ("base64", Base64)])
def test_an_image_goes_in_the_way_that_was_asked_for(
    world: World, way: str, kind: type[object]
) -> None:
    assert isinstance(chosen(world, ready_to_send(), way), kind)


def test_what_was_converted_has_no_url(world: World) -> None:
    assert isinstance(chosen(world, ready_to_send(converted=True), "url"), Upload)


def test_what_is_too_large_for_base64_is_uploaded(world: World) -> None:
    assert isinstance(chosen(world, ready_to_send(size=1 << 20), "base64"), Upload)


def test_a_signed_address_does_not_show_when_printed(world: World) -> None:
    image = chosen(world, ready_to_send(), "url")
    assert isinstance(image, Url)
    # Version 2 of signatures is refused for new buckets.
    assert "X-Amz-Signature=" in image.url
    assert "Signature" not in repr(image)


def test_converted_pixels_are_those_of_the_source(files: ExitStack) -> None:
    ready = prepared(picture(form="WEBP"), files)
    with Image.open(ready.file) as image, Image.open(io.BytesIO(picture(form="WEBP"))) as source:
        assert image.size == source.size


def test_no_form_of_a_signature_is_quoted(world: World) -> None:
    image = chosen(world, ready_to_send(), "url")
    assert isinstance(image, Url)
    signature = dict(parse_qsl(urlsplit(image.url).query))["X-Amz-Signature"]
    assert signature in image.secrets()
