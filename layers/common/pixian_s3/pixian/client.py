"""The Pixian API v2: one call, streamed both ways, and what its answers mean."""

import json
import math
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import IO, Self
from urllib.parse import urlsplit

import requests
from requests.structures import CaseInsensitiveDict
from requests_toolbelt import MultipartEncoder
from urllib3.exceptions import HTTPError

from pixian_s3.attempt import Answer
from pixian_s3.errors import Blocked, PixianS3Error, Rejected, Throttled, Unauthorized, Unavailable
from pixian_s3.pixian.credentials import Credentials
from pixian_s3.pixian.inputs import Fields, Image
from pixian_s3.pixian.redaction import redacted

CONNECT_TIMEOUT_SECONDS = 10
READ_TIMEOUT_SECONDS = 180
"""Pixian asks for an idle timeout of at least 180 s."""

WRITING_SECONDS = 30
"""Kept of the function's time for writing the result and telling the story."""

SLOWEST_BYTES_PER_SECOND = 1 << 20
"""The line to Pixian is taken to be no slower: 400 MB need 400 s."""

MAX_IDLE_SECONDS = 30
"""A connection that was idle for longer isn't used again. Lambda freezes a function between two
invocations, and the service or a NAT gateway closes its connections meanwhile; a request on such a
connection fails after it was sent, and would count as one that may have been charged."""

_PATH = "/api/v2/remove-background"
_CHUNK_BYTES = 1 << 16
_MAX_ERROR_BYTES = 1 << 16
_MAX_MESSAGE = 250
_NUMBERS = re.compile("[0-9.]+(?: [0-9.]+){0,3}")
_SUFFIXES = {"image/png": ".png", "image/jpeg": ".jpg"}


@dataclass(frozen=True)
class Cutout:
    """An image from Pixian: a file at its beginning, image/png or image/jpeg."""

    file: IO[bytes]
    mime_type: str
    answer: Answer

    @property
    def suffix(self) -> str:
        """The file name's suffix that goes with its type."""
        return _SUFFIXES[self.mime_type]

    def with_file(self, file: IO[bytes]) -> Self:
        """The same answer with another image of the same type."""
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        return replace(self, file=file, answer=replace(self.answer, bytes=size))


class Pixian:
    """The service at one endpoint.

    Args:
        endpoint: its origin, or the whole address of remove-background.
        session: kept between calls for its connections.
        monotonic: a clock in seconds, for latencies.
        now: seconds since the epoch, for what may have passed while the function was frozen.
    """

    def __init__(
        self,
        endpoint: str,
        session: requests.Session,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._url = remove_background_url(endpoint)
        self._session = session
        self._monotonic = monotonic
        self._now = now
        self._used_at = now()

    def remove_background(
        self,
        image: Image,
        form: Mapping[str, str],
        into: IO[bytes],
        credentials: Credentials,
        seconds_left: Callable[[], float] = lambda: math.inf,
    ) -> Cutout:
        """Send an image and receive its cutout.

        Args:
            image: to send.
            form: the other fields.
            into: an empty file for the cutout.
            credentials: for HTTP Basic.
            seconds_left: until the function is ended. A call that could outlive it isn't begun,
                or is given up.

        Raises:
            Throttled, Unavailable, Blocked, Unauthorized, Rejected: see `errors`.
        """
        started = self._monotonic()
        self._drop_idle_connections()
        try:
            response, size = self._exchange(credentials, image, form, seconds_left, into)
        finally:
            self._used_at = self._now()
        answer = Answer(_facts(response), self._monotonic() - started, size)
        return Cutout(into, _mime_type(response), answer)

    def _drop_idle_connections(self) -> None:
        if self._now() - self._used_at > MAX_IDLE_SECONDS:
            self._session.close()  # its connections; it makes new ones

    def _exchange(
        self,
        credentials: Credentials,
        image: Image,
        form: Mapping[str, str],
        seconds_left: Callable[[], float],
        into: IO[bytes],
    ) -> tuple[requests.Response, int]:
        body = _Form({**form, **image.fields()}, seconds_left)
        with _redacting(credentials.secrets() + image.secrets()):
            try:
                with self._post(credentials, body) as response:
                    _check(response, seconds_left)
                    return response, _receive(response, into, seconds_left)
            except (OSError, HTTPError) as error:
                # All of requests' errors are OSErrors, and so is a full disk here.
                # `finished`: the encoder has given out its last byte, so the service may have it.
                raise Unavailable(
                    f"No whole answer from Pixian: {error}", maybe_charged=body.finished
                ) from error

    def _post(self, credentials: Credentials, body: MultipartEncoder) -> requests.Response:
        return self._session.post(
            self._url,
            data=body,
            auth=(credentials.api_id, credentials.api_secret),
            headers={"Content-Type": body.content_type},
            timeout=(CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS),
            allow_redirects=False,
            stream=True,
        )


class _Form(MultipartEncoder):  # type: ignore[misc]
    """A multipart body that stops when there is no time left to send the rest and wait."""

    def __init__(self, fields: Fields, seconds_left: Callable[[], float]) -> None:
        super().__init__(fields)
        self._seconds_left = seconds_left
        self._bytes_left = self.len

    def read(self, size: int = -1) -> bytes:
        # The last look for more bytes comes when all are sent.
        if not self.finished and self._seconds_left() < call_seconds(self._bytes_left):
            raise Unavailable("There is too little time left for a call to Pixian.")
        chunk = bytes(super().read(size))
        self._bytes_left -= len(chunk)
        return chunk


def call_seconds(size: int) -> float:
    """Seconds that a call with so many bytes to send may take, and writing its result after it."""
    sending = size / SLOWEST_BYTES_PER_SECOND
    return CONNECT_TIMEOUT_SECONDS + sending + READ_TIMEOUT_SECONDS + WRITING_SECONDS


def remove_background_url(endpoint: str) -> str:
    """The address to post to; an endpoint that already has a path is taken as it is."""
    has_path = urlsplit(endpoint).path not in ("", "/")
    return endpoint if has_path else endpoint.rstrip("/") + _PATH


@contextmanager
def _redacting(secrets: list[str]) -> Iterator[None]:
    """No error says a secret, be it that the service quoted one."""
    try:
        yield
    except PixianS3Error as error:
        # Cut only now: half a secret would not be recognised.
        error.args = (redacted(str(error), secrets)[:_MAX_MESSAGE],)
        # Nor does the error behind it, which a traceback would show.
        raise error from None


def _check(response: requests.Response, seconds_left: Callable[[], float]) -> None:
    """Raise what the answer means, unless it is a result."""
    if response.status_code != requests.codes.ok:
        raise _refusal(response, seconds_left)
    mime_type = _mime_type(response)
    if mime_type not in _SUFFIXES:
        raise Unavailable(
            f"Pixian answered 200 with {mime_type or 'no content type'} in place of an image.",
            maybe_charged=True,
            status=response.status_code,
        )


def _mime_type(response: requests.Response) -> str:
    """Of the body, without parameters; empty if the service named none."""
    return response.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _facts(response: requests.Response) -> Mapping[str, str]:
    """The headers that say something in numbers; nothing else is let through to S3 and the log."""
    headers = response.headers.items()
    return CaseInsensitiveDict((name, text) for name, text in headers if _NUMBERS.fullmatch(text))


def _body(response: requests.Response, seconds_left: Callable[[], float]) -> Iterator[bytes]:
    """The body as it comes in, as long as there is time.

    A body that stalls ends with the read timeout; if it outlives the function, the lease counts the
    call. One that trickles is given up here, so it is read in the pieces that it comes in.
    """
    while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True):
        yield chunk
        if seconds_left() < WRITING_SECONDS:
            raise Unavailable(
                "Pixian's answer came too slowly.",
                maybe_charged=_may_have_cost(response.status_code),
            )


def _receive(
    response: requests.Response, into: IO[bytes], seconds_left: Callable[[], float]
) -> int:
    """Write the body to a file and return its size; a body cut short raises."""
    for chunk in _body(response, seconds_left):
        into.write(chunk)
    size = into.tell()
    if size == 0:
        raise Unavailable("Pixian answered 200 with nothing in it.", maybe_charged=True, status=200)
    into.seek(0)
    return size


def _refusal(response: requests.Response, seconds_left: Callable[[], float]) -> PixianS3Error:
    status = response.status_code
    message, code = _error_json(response, seconds_left)
    said = f"Pixian answered {status}: {message}"
    match status:
        case 401:
            return Unauthorized(said, status=status)
        case 402 | 403:
            return Blocked(said, status=status)
        case 404 | 405 | 410:
            # Of the address, not of the image.
            hint = "Check the stack's parameter PixianEndpoint"
            return Blocked(f"{hint}. {said}", status=status)
        case 429:
            return Throttled(said, retry_after=_retry_after(response), status=status)
        case _ if 400 <= status < 500 and status != 408:
            return Rejected(said, status=status, code=code)
        case _:
            return Unavailable(
                said,
                maybe_charged=_may_have_cost(status),
                retry_after=_retry_after(response),
                status=status,
            )


def _may_have_cost(status: int) -> bool:
    """Of a success that gives no result, nobody knows what it did; errors are free."""
    return status < 300


def _error_json(
    response: requests.Response, seconds_left: Callable[[], float]
) -> tuple[str, int | None]:
    """Pixian's own message and code; an answer that isn't its JSON is quoted in part."""
    try:
        body = b""
        for chunk in _body(response, seconds_left):
            body += chunk
            if len(body) >= _MAX_ERROR_BYTES:
                break
        text = body[:_MAX_ERROR_BYTES].decode(errors="replace")
    except HTTPError:
        # An error answer that is cut short is still that error.
        return response.reason, None
    try:
        error = json.loads(text)["error"]
        code = error.get("code")
        # What can't be written as UTF-8 can't be reported.
        message = str(error["message"]).encode(errors="replace").decode().strip()
        return message, code if isinstance(code, int) else None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return text.strip() or response.reason, None


def _retry_after(response: requests.Response) -> int:
    """Seconds; an HTTP date, which the header may hold too, counts as none."""
    value = response.headers.get("Retry-After", "")
    return int(value) if re.fullmatch("[0-9]{1,9}", value) else 0
