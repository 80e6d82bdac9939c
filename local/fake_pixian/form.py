"""The request's body: its fields and its one image, which may have to be fetched."""

import base64
import binascii
import hashlib
import ipaddress
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests
from flask import Request

from local.fake_pixian.errors import ApiError, FieldError
from local.fake_pixian.parameters import FIELDS, given

MAX_BASE64_CHARACTERS = 1024 * 1024
UPLOAD, BASE64, URL = "image", "image.base64", "image.url"
KINDS = {UPLOAD: "upload", BASE64: "base64", URL: "url"}


@dataclass(frozen=True, kw_only=True)
class Form:
    """The fields by name, each with all of its values."""

    texts: dict[str, list[str]]
    files: dict[str, list[tuple[str | None, bytes]]]

    @property
    def parameters(self) -> dict[str, list[str]]:
        """The fields other than the image."""
        return {name: values for name, values in self.texts.items() if name not in KINDS}


@dataclass(frozen=True, kw_only=True)
class ImageInput:
    """The image as sent. `data` is empty until `url` is fetched."""

    kind: str
    filename: str | None = None
    data: bytes = b""
    url: str = ""

    @property
    def sha256(self) -> str:
        """The digest of `data`, in hexadecimal."""
        return hashlib.sha256(self.data).hexdigest()


def read_form(request: Request) -> Form:
    """Read the whole body, and the parameters in the URL.

    URL-encoded forms are accepted, because Pixian's Python example sends image.url in one. Public
    clients send `?test=true`, and one a `csrfToken` that Pixian doesn't know.
    """
    if request.mimetype not in {"multipart/form-data", "application/x-www-form-urlencoded"}:
        raise ApiError(415)
    texts = {name: list(values) for name, values in request.form.lists()}
    for name, values in request.args.lists():
        if name in {*FIELDS, BASE64, URL}:
            texts.setdefault(name, []).extend(values)
    files = {
        name: [(part.filename, part.read()) for part in parts]
        for name, parts in request.files.lists()
    }
    return Form(texts=texts, files=files)


def image_input(form: Form) -> ImageInput:
    """Find the image; a 400 unless there is exactly one."""
    stray = next((name for name in form.files if name != UPLOAD), None)
    if stray is not None:
        raise FieldError(stray, "not a file field")
    if given(form.texts.get(UPLOAD, [])):
        raise FieldError(UPLOAD, "must be a file part; see also image.base64 and image.url")
    parts = form.files.get(UPLOAD, [])
    # Browsers send a part without a name or data for a file that wasn't chosen.
    uploads = [ImageInput(kind="upload", filename=n, data=d) for n, d in parts if n or d]
    strings = [(name, text) for name in (BASE64, URL) for text in given(form.texts.get(name, []))]
    if len(uploads) + len(strings) != 1:
        raise ApiError(400, "Exactly one of image, image.base64 and image.url is required.")
    return uploads[0] if uploads else _from_string(*strings[0])


def _from_string(name: str, text: str) -> ImageInput:
    if name == URL:
        return ImageInput(kind="url", url=text)
    if len(text) > MAX_BASE64_CHARACTERS:
        raise FieldError(BASE64, "longer than 1 MB")
    try:
        # In MIME, and as `base64` prints it, the text has lines.
        joined = text.replace("\r", "").replace("\n", "")
        return ImageInput(kind="base64", data=base64.b64decode(joined, validate=True))
    except (binascii.Error, ValueError) as error:
        raise FieldError(BASE64, "not base64") from error


MAX_BYTES = 100 * 1024 * 1024
MAX_SECONDS = 60
CONNECT_AND_IDLE_SECONDS = (5, 30)
CHUNK = 1024 * 1024


def fetch(url: str, ca_bundle: str | None) -> bytes:
    """Fetch at most 100 MB within a minute from a loopback host; a FieldError if that fails.

    `ca_bundle` has the certificates to trust, None for the usual ones.
    """
    _check(url)
    with requests.Session() as session:
        session.trust_env = False  # a proxy could be on another machine
        session.verify = ca_bundle or True
        try:
            return _read(session, url)
        except requests.RequestException as error:
            problem = f"could not be fetched ({type(error).__name__})"
            raise FieldError("image.url", problem) from error


def _check(url: str) -> None:
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname or "", parts.port
    except ValueError as error:
        raise FieldError("image.url", "not a URL") from error
    if parts.scheme not in {"http", "https"}:
        raise FieldError("image.url", "must be http or https")
    if not _is_loopback(host):
        raise FieldError("image.url", "this server fetches only from loopback hosts")


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _read(session: requests.Session, url: str) -> bytes:
    # A redirection could lead to another machine.
    get = session.get(url, stream=True, timeout=CONNECT_AND_IDLE_SECONDS, allow_redirects=False)
    with get as response:
        if response.status_code != requests.codes.ok:
            raise FieldError("image.url", f"answered with status {response.status_code}")
        return _bounded(response)


def _bounded(response: requests.Response) -> bytes:
    data = bytearray()
    deadline = time.monotonic() + MAX_SECONDS
    for chunk in response.iter_content(CHUNK):
        data += chunk
        if len(data) > MAX_BYTES or time.monotonic() > deadline:
            raise FieldError("image.url", "too large or too slow")
    return bytes(data)
