"""An HTTP client of the fake Pixian, a web server for `image.url`, and photographs."""

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from ssl import SSLContext
from threading import Event
from typing import Any

import numpy as np
import numpy.typing as npt
import requests
from PIL import Image

from local.fake_pixian import StandIn
from tests.contract.serving import QuietHandler, served

ROOT = Path(__file__).parents[3]
PHOTOGRAPHS = ROOT / ".tools/photographs/skimage/data"
CAT = (PHOTOGRAPHS / "chelsea.png").read_bytes()
COFFEE = (PHOTOGRAPHS / "coffee.png").read_bytes()
PATH = "/api/v2/remove-background"

with Image.open(io.BytesIO(COFFEE)) as _coffee:
    PHOTOGRAPH = _coffee.convert("RGB")

type Pixels = npt.NDArray[np.uint8]


class Client:
    def __init__(self, stand_in: StandIn) -> None:
        self.stand_in = stand_in
        self.auth = (stand_in.api_id, stand_in.api_secret)
        self.endpoint = stand_in.url + PATH

    def post(self, **arguments: Any) -> requests.Response:
        return requests.post(self.endpoint, timeout=30, **({"auth": self.auth} | arguments))

    def cut_out(
        self,
        fields: Mapping[str, str] | None = None,
        image: bytes = COFFEE,
        name: str = "a.png",
        **arguments: Any,
    ) -> requests.Response:
        return self.post(files={"image": (name, image)}, data=fields, **arguments)

    def control(self, method: str, path: str, document: object = None) -> requests.Response:
        url = f"{self.stand_in.url}/_control/{path}"
        return requests.request(method, url, json=document, timeout=30)

    def fault(self, **document: object) -> str:
        response = self.control("POST", "faults", document)
        assert response.status_code == 201, response.text
        return str(response.json()["id"])

    def ledger(self) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = self.control("GET", "ledger").json()["requests"]
        return entries

    def balance(self) -> str:
        return str(self.control("GET", "settings").json()["credits"])


def pixels(image: Image.Image, mode: str = "RGBA") -> Pixels:
    return np.asarray(image.convert(mode))


def encoded(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def error(response: requests.Response) -> dict[str, Any]:
    assert response.headers["Content-Type"] == "application/json"
    assert set(response.json()) == {"error"}
    details: dict[str, Any] = response.json()["error"]
    assert details["status"] == response.status_code
    return details


class Site:
    """A web server with one image, which can delay its answer."""

    def __init__(self) -> None:
        self.url = ""
        self.asked = Event()
        self.released = Event()
        self.paths: list[str] = []


@contextmanager
def site(
    image: bytes = COFFEE, *, hold: bool = False, tls: SSLContext | None = None
) -> Iterator[Site]:
    here = Site()

    class Handler(QuietHandler):
        def do_GET(self) -> None:  # noqa: N802 - http.server looks for this name
            here.paths.append(self.path)
            here.asked.set()
            here.released.wait(30)
            self.send_response({"/gone": 404, "/moved": 302}.get(self.path, 200))
            self.send_header("Content-Length", str(len(image)))
            if self.path == "/moved":
                self.send_header("Location", f"{here.url}/image")
            self.end_headers()
            self.wfile.write(image)

    if not hold:
        here.released.set()
    with served(Handler, tls) as here.url:
        yield here
        here.released.set()
