"""`image.url`: fetch from this machine, within bounds."""

import ipaddress
import time
from urllib.parse import urlsplit

import requests

from local.fake_pixian.errors import FieldError

MAX_BYTES = 100 * 1024 * 1024
MAX_SECONDS = 60
CONNECT_AND_IDLE_SECONDS = (5, 30)
CHUNK = 1024 * 1024


def fetch(url: str, ca_bundle: str | None) -> bytes:
    """Give the bytes at a http(s) URL on a loopback host; `ca_bundle` verifies TLS."""
    _check(url)
    with requests.Session() as session:
        session.trust_env = False  # a proxy would take the request off this machine
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
        raise FieldError("image.url", "takes http or https")
    if not _is_loopback(host):
        raise FieldError("image.url", "this stand-in fetches from loopback hosts only")


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _read(session: requests.Session, url: str) -> bytes:
    # A redirect could lead off this machine.
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
