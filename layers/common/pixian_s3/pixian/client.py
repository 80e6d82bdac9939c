"""The client for Pixian's API v2: one call, streamed in both directions."""

import json
import math
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import IO, Self

import requests
from requests.structures import CaseInsensitiveDict
from requests_toolbelt import MultipartEncoder
from urllib3.exceptions import HTTPError

from pixian_s3.attempt import Answer
from pixian_s3.errors import (
    CONTINUES,
    Blocked,
    PixianS3Error,
    Rejected,
    Throttled,
    Unauthorized,
    Unavailable,
    plain,
    sentence,
)
from pixian_s3.pixian.credentials import Credentials
from pixian_s3.pixian.endpoint import remove_background_url
from pixian_s3.pixian.inputs import Fields, Image
from pixian_s3.pixian.receiving import Adapter, receiving_within
from pixian_s3.pixian.redaction import redacted
from pixian_s3.retry import GATEWAY_STATUSES

CONNECT_TIMEOUT_SECONDS = 10
READ_TIMEOUT_SECONDS = 180
"""Pixian asks for an idle timeout of at least 180 s."""

WRITING_SECONDS = 30
"""The part of the function's time reserved for writing the result, the log and the lease. Nothing
is received in it."""

SLOWEST_BYTES_PER_SECOND = 1 << 20
"""The slowest connection to Pixian that is allowed for: 400 MB take 400 s."""

MAX_IDLE_SECONDS = 30
"""A connection that was idle for longer isn't reused: while Lambda freezes a function between two
invocations, the service or a NAT gateway may close it. A request on such a connection fails after
it was sent, and would count as one that may have been charged."""

_CHUNK_BYTES = 1 << 16
_MAX_ERROR_BYTES = 1 << 16
_MAX_MESSAGE = 250
_ENDPOINT = f" Check the stack's parameter PixianEndpoint. {CONTINUES}"
_ADVICE = {
    401: f" Check the API ID and API secret in the credentials secret. {CONTINUES}",
    402: f" Buy credits at pixian.ai. {CONTINUES}",
    403: f" Check at pixian.ai that your account may use the API. {CONTINUES}",
    404: _ENDPOINT,
    405: _ENDPOINT,
    410: _ENDPOINT,
}
# A decimal, or up to four integers: at most 39 characters, so that all seven headers fit into S3's
# metadata, and nothing that becomes infinite as a float.
_NUMBERS = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,20}|(?: [0-9]{1,9}){1,3})?")
_SUFFIXES = {"image/png": ".png", "image/jpeg": ".jpg"}


@dataclass(frozen=True)
class Cutout:
    """A cutout from Pixian, image/png or image/jpeg; the file is rewound."""

    file: IO[bytes]
    mime_type: str
    answer: Answer

    @property
    def suffix(self) -> str:
        """The file name suffix of its type."""
        return _SUFFIXES[self.mime_type]

    def with_file(self, file: IO[bytes]) -> Self:
        """This cutout with its image replaced by another one of the same type."""
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        return replace(self, file=file, answer=replace(self.answer, bytes=size))

    def with_check(self, check: str) -> Self:
        """This cutout with what `Answer.check` says."""
        return replace(self, answer=replace(self.answer, check=check))


class Pixian:
    """Pixian at one endpoint.

    Args:
        endpoint: Its origin, or the full URL of remove-background.
        session: Keeps connections open between calls. Its adapters are replaced.
        monotonic: Returns seconds, for latencies.
        now: Returns seconds since the epoch, including those while the function was frozen.
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
        for scheme in ("https://", "http://"):
            session.mount(scheme, Adapter())
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
            image: The image.
            form: The other form fields.
            into: An empty file for the cutout.
            credentials: The API ID and secret.
            seconds_left: Returns the seconds until Lambda ends the invocation. A call that could
                take longer isn't started, or is aborted.

        Raises:
            Throttled, Unavailable, Blocked, Unauthorized, Rejected: See `errors`.
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
            self._session.close()  # only its connections; it can open new ones

    def _exchange(
        self,
        credentials: Credentials,
        image: Image,
        form: Mapping[str, str],
        seconds_left: Callable[[], float],
        into: IO[bytes],
    ) -> tuple[requests.Response, int]:
        body = _Form({**form, **image.fields()}, seconds_left)
        with (
            _redacting(credentials.secrets() + image.secrets()),
            receiving_within(lambda: seconds_left() - WRITING_SECONDS),
        ):
            try:
                with self._post(credentials, body) as response:
                    _check(response)
                    return response, _receive(response, into)
            except (OSError, HTTPError) as error:
                # All errors of requests are OSErrors, as is a full disk. If `finished`, the last
                # byte was passed on, so Pixian may have received the whole image.
                raise Unavailable(
                    f"The call to Pixian failed: {plain(error)}", maybe_charged=body.finished
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
    """A multipart body that stops if too little time is left to send the rest and wait."""

    def __init__(self, fields: Fields, seconds_left: Callable[[], float]) -> None:
        super().__init__(fields)
        self._seconds_left = seconds_left
        self._bytes_left = self.len

    def read(self, size: int = -1) -> bytes:
        # Once all bytes are sent, it is read once more to find its end.
        if not self.finished and self._seconds_left() < call_seconds(self._bytes_left):
            raise Unavailable("There is too little time left for a call to Pixian.")
        chunk = bytes(super().read(size))
        self._bytes_left -= len(chunk)
        return chunk


def call_seconds(size: int) -> float:
    """The longest that sending so many bytes, the answer and writing the result can take."""
    sending = size / SLOWEST_BYTES_PER_SECOND
    return CONNECT_TIMEOUT_SECONDS + sending + READ_TIMEOUT_SECONDS + WRITING_SECONDS


@contextmanager
def _redacting(secrets: list[str]) -> Iterator[None]:
    """Remove our secrets from errors, in case Pixian quoted them; shorten them, and add advice."""
    try:
        yield
    except PixianS3Error as error:
        advice = _ADVICE.get(getattr(error, "status", 0), "")
        # Redact before shortening: a part of a secret would not be recognised.
        text, length = redacted(str(error), secrets), _MAX_MESSAGE - len(advice)
        error.args = ((text if len(text) <= length else f"{text[: length - 1]}…") + advice,)
        # `from None`, because a traceback would show the original error, secrets included.
        raise error from None


def _check(response: requests.Response) -> None:
    """Raise the error that the answer means, unless it is an image."""
    if response.status_code != requests.codes.ok:
        raise _refusal(response)
    mime_type = _mime_type(response)
    if mime_type not in _SUFFIXES:
        raise Unavailable(
            f"Pixian answered 200 with {mime_type or 'no content type'} instead of an image.",
            maybe_charged=True,
            status=response.status_code,
        )


def _mime_type(response: requests.Response) -> str:
    """The body's MIME type without parameters; empty if there is none."""
    return response.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _facts(response: requests.Response) -> Mapping[str, str]:
    """The headers that consist of numbers of a sensible length; no others reach S3 or the log."""
    headers = response.headers.items()
    return CaseInsensitiveDict((name, text) for name, text in headers if _NUMBERS.fullmatch(text))


def _body(response: requests.Response) -> Iterator[bytes]:
    """Yield the body in pieces; a truncated body raises an error."""
    while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True):
        yield chunk


def _receive(response: requests.Response, into: IO[bytes]) -> int:
    """Write the body to a file and return its size."""
    for chunk in _body(response):
        into.write(chunk)
    size = into.tell()
    if size == 0:
        raise Unavailable("Pixian answered 200 without an image.", maybe_charged=True, status=200)
    into.seek(0)
    return size


def _refusal(response: requests.Response) -> PixianS3Error:
    status = response.status_code
    message, code = _error_json(response)
    said = sentence(f"Pixian answered {status}: {message}")
    match status:
        case 401:
            return Unauthorized(said, status=status)
        case 402 | 403 | 404 | 405 | 410:
            # 404, 405 and 410 are about the endpoint: a call has no other resource.
            return Blocked(said, status=status)
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
    """Whether a call without a result may be charged: not if Pixian answered with an error."""
    return status < 300 or status in GATEWAY_STATUSES


def _error_json(response: requests.Response) -> tuple[str, int | None]:
    """The message and code of Pixian's error; the start of the body if it isn't Pixian's JSON."""
    try:
        body = b""
        for chunk in _body(response):
            body += chunk
            if len(body) >= _MAX_ERROR_BYTES:
                break
        text = body[:_MAX_ERROR_BYTES].decode(errors="replace")
    except HTTPError:
        # A truncated error answer is still that error.
        return response.reason, None
    try:
        error = json.loads(text)["error"]
        code = error.get("code")
        # Replace what can't be written as UTF-8, such as lone surrogates.
        message = str(error["message"]).encode(errors="replace").decode().strip()
        return message, code if isinstance(code, int) else None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return text.strip() or response.reason, None


def _retry_after(response: requests.Response) -> int:
    """The seconds in Retry-After; 0 if it is missing or contains an HTTP date."""
    value = response.headers.get("Retry-After", "")
    return int(value) if re.fullmatch("[0-9]{1,9}", value) else 0
