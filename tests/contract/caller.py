"""A client of the service under test, be it the stand-in or the real one."""

import io
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from tempfile import TemporaryFile
from typing import Any
from urllib.parse import urljoin

import numpy as np
import numpy.typing as npt
import requests
from PIL import Image
from requests_toolbelt import MultipartEncoder

from pixian_s3.pixian import inputs
from pixian_s3.pixian.client import Pixian
from pixian_s3.pixian.credentials import Credentials
from pixian_s3.pixian.endpoint import remove_background_url
from pixian_s3.pixian.inputs import Base64, Upload, Url
from tests.contract.guard import GuardedSession
from tests.contract.samples import Sample, sample

TIMEOUT_SECONDS = 180

type Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Answer:
    """A result as the program's client gave it out."""

    body: bytes
    mime_type: str
    headers: Mapping[str, str]

    def numbers(self, header: str) -> list[int]:
        return [int(word) for word in self.headers[header].split(" ")]

    def image(self) -> Image.Image:
        with Image.open(io.BytesIO(self.body)) as image:
            image.load()
            return image

    def pixels(self, mode: str = "RGBA") -> Pixels:
        return np.asarray(self.image().convert(mode))


class Caller:
    """Asks the service at one endpoint, always in test mode, and the same thing only once.

    Args:
        endpoint: the service's origin, or the whole address of remove-background.
        credentials: for it.
        live: whether it is the real one.
        pause: seconds between two calls.
    """

    def __init__(
        self, endpoint: str, credentials: Credentials, *, live: bool = False, pause: float = 0
    ) -> None:
        self.endpoint = endpoint
        self.credentials = credentials
        self.live = live
        self._session = GuardedSession(partial(time.sleep, pause) if pause else lambda: None)
        self._client = Pixian(self.endpoint, self._session)
        self._answers: dict[object, Answer] = {}

    def close(self) -> None:
        self._session.close()

    def cutout(self, form: Mapping[str, str] | None = None, image: Sample | None = None) -> Answer:
        """Upload an image, by default the cup."""
        image, form = image or sample(), dict(form or {})
        asked = image, frozenset(form.items())
        if asked not in self._answers:
            upload = Upload(io.BytesIO(image.data), image.name, image.mime_type)
            self._answers[asked] = self._call(upload, form)
        return self._answers[asked]

    def cut_out_text(self, image: Sample) -> Answer:
        """Send an image as base64 text."""
        return self._call(Base64(io.BytesIO(image.data)), {})

    def cut_out_url(self, url: str) -> Answer:
        """Have an image fetched."""
        return self._call(Url(url), {})

    def post(
        self,
        fields: Mapping[str, Any],
        credentials: Credentials | None = None,
        query: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send what the client wouldn't."""
        body = MultipartEncoder({"test": "true"} | dict(fields))
        return self._session.post(
            remove_background_url(self.endpoint),
            params=query,
            data=body,
            auth=self._auth(credentials or self.credentials),
            headers={"Content-Type": body.content_type},
            timeout=TIMEOUT_SECONDS,
            allow_redirects=False,
        )

    def account(self) -> requests.Response:
        url = urljoin(self.endpoint, "/api/v2/account")
        return self._session.get(
            url, auth=self._auth(self.credentials), timeout=TIMEOUT_SECONDS, allow_redirects=False
        )

    def _call(self, image: inputs.Image, form: Mapping[str, str]) -> Answer:
        fields = {"test": "true"} | dict(form)
        with TemporaryFile() as file:
            cutout = self._client.remove_background(image, fields, file, self.credentials)
            return Answer(file.read(), cutout.mime_type, cutout.answer.headers)

    @staticmethod
    def _auth(credentials: Credentials) -> tuple[str, str]:
        return credentials.api_id, credentials.api_secret
