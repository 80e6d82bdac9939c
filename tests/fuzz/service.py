"""What the corpus meets outside the function: Pixian and the configuration, on loopback."""

import json
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask, Response, request
from PIL import Image, ImageOps, UnidentifiedImageError

from tests.builders import picture
from tests.integration.servers import CUT_OUT, FakeAppConfig, refusal, serve
from tests.unit.pictures import encoded

_ONE = threading.Lock()
_DELTA = {"output.format": "delta_png"}
_CONFIGURATION: dict[str, Any] = {
    "defaults": {"test": True},
    "prefixes": {
        "url/": {"pipeline": {"input": "url"}},
        "base64/": {"pipeline": {"input": "base64"}},
        "delta/": _DELTA,
        # So that every picture is shrunk, whatever its format.
        "small/": {**_DELTA, "max_pixels": 200},
    },
}


@contextmanager
def services() -> Iterator[tuple[str, str]]:
    """The addresses of Pixian and of AppConfig, as long as the context lasts."""
    appconfig = FakeAppConfig()
    appconfig.document = json.dumps(_CONFIGURATION)
    with serve(_pixian()) as pixian, serve(appconfig.app()) as url:
        yield pixian, url


def _pixian() -> Flask:
    app = Flask("pixian")
    # A whole megabyte of text, as the service takes it.
    app.config["MAX_FORM_MEMORY_SIZE"] = 4 << 20

    @app.post("/api/v2/remove-background")
    def _remove_background() -> Response:
        if request.form.get("output.format") != "delta_png":
            return _answer(200, picture((20, 10)), dict(CUT_OUT.headers)) if _sent() else _refused()
        try:
            return _answer(200, _delta(), dict(CUT_OUT.headers))
        except (OSError, UnidentifiedImageError, SyntaxError, ValueError):
            return _refused()

    return app


def _sent() -> bool:
    """Whether there is an image at all, in one of the three ways."""
    part = request.files.get("image")
    if part is not None:
        return bool(part.filename) and bool(part.stream.read(1))
    return bool(request.form.get("image.url") or request.form.get("image.base64"))


def _delta() -> bytes:
    """One that takes every pixel from what was sent."""
    sent = request.files["image"].stream
    # The filter of warnings is one for all threads.
    with _ONE, warnings.catch_warnings(action="ignore"), Image.open(sent) as image:
        width, height = ImageOps.exif_transpose(image).size
    return encoded(Image.new("RGBA", (width, height), (255, 255, 255, 0)), "PNG")


def _refused() -> Response:
    answer = refusal(400, "This can't be read.")
    return _answer(400, answer.body, {}, answer.content_type)


def _answer(
    status: int, body: bytes, headers: dict[str, str], content_type: str = "image/png"
) -> Response:
    return Response(body, status, headers, content_type=content_type)
