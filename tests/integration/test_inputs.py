"""How Pixian gets an image: sent in the call, as base64 text, or by a signed URL."""

import base64
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests

from pixian_s3.pixian.inputs import MAX_BASE64_CHARACTERS, Base64, Url
from tests.builders import make_job, picture
from tests.integration.world import World

TOO_LARGE = picture((900, 900), mode="RGB", form="BMP")


def test_base64_is_for_small_files() -> None:
    assert Base64.fits(MAX_BASE64_CHARACTERS // 4 * 3)
    assert not Base64.fits(MAX_BASE64_CHARACTERS // 4 * 3 + 1)


def sent(world: World, wanted: str, key: str, body: bytes) -> tuple[str, bytes]:
    """The field in which Pixian got an image, and its content."""
    world.configure(defaults={"pipeline": {"input": wanted}})
    world.process(world.upload(key, body))
    (call,) = world.pixian.calls
    for field in ("image.url", "image.base64"):
        if field in call.form:
            return field, call.form[field].encode()
    return "image", call.image


@pytest.mark.parametrize("wanted", ["upload", "url", "base64"])
def test_an_image_is_sent_as_asked_for(world: World, wanted: str) -> None:
    field, content = sent(world, wanted, "a.png", picture())
    assert field == {"upload": "image"}.get(wanted, f"image.{wanted}")
    if wanted == "base64":
        assert base64.b64decode(content) == picture()


def test_a_converted_image_has_no_url(world: World) -> None:
    assert sent(world, "url", "a.webp", picture(form="WEBP"))[0] == "image"


CHANGED = ["./a.png", "../a.png", "a/./b.png", "a/../b.png", "a/b/..", "a/.", "..", "/a.png"]
UNCHANGED = [
    *(".a.png", "..a/b.png", "a../b.png", ".../a.png", "a.", "a./b", "a//b.png", "a\\..\\b.png"),
    *("%2e%2e/a.png", "a%2F..%2Fb.png", "a b+c&d=e?f#g:h@i;j,k.png", " /a.png", "~a'(1)*!.png"),
    *("ü/日本.png", "u\u0308.png", "a\tb\nc\x7f.png", '[a]{b}|c^d`e"f<g>.png', "ü" * 500),
]


def prepared(url: str) -> str | None:
    """A URL as an HTTP client sends it."""
    return requests.Request("GET", url).prepare().url


@pytest.mark.parametrize("key", UNCHANGED)
def test_clients_fetch_the_url_of_other_keys_as_it_was_signed(world: World, key: str) -> None:
    url = world.processor.buckets.presign(make_job(key))
    assert prepared(url) == url
    assert Url.fits(key)


@pytest.mark.parametrize("key", CHANGED)
def test_an_image_whose_url_clients_would_change_is_uploaded(world: World, key: str) -> None:
    url = world.processor.buckets.presign(make_job(key))
    # requests removed a slash at the start from 2.32.0 on, and doesn't any more.
    assert prepared(url) != url or key.startswith("/")
    assert sent(world, "url", key, picture())[0] == "image"


def test_an_image_that_is_too_large_for_base64_is_uploaded(world: World) -> None:
    assert sent(world, "base64", "a.bmp", TOO_LARGE) == ("image", TOO_LARGE)


def test_no_form_of_a_signature_is_shown(world: World) -> None:
    image = Url(world.processor.buckets.presign(world.upload()))
    signature = dict(parse_qsl(urlsplit(image.url).query))["X-Amz-Signature"]
    # Version 2 of signatures is refused for new buckets.
    assert signature in image.secrets()
    assert signature not in repr(image)
