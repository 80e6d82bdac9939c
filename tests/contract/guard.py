"""What every call of the service's suite goes through: test mode only, few calls, none in haste."""

from collections.abc import Callable
from typing import Any, override
from urllib.parse import urlsplit

import requests
from requests_toolbelt import MultipartEncoder

MOST_CALLS = 70


class NotSent(Exception):
    """The guard kept a request back."""


class GuardedSession(requests.Session):
    """Sends what can't cost a credit, as far as the guard can see, and nothing after a 429.

    Args:
        pause: called before each request but the first; live it takes a second.
    """

    def __init__(self, pause: Callable[[], None]) -> None:
        super().__init__()
        self._pause = pause
        self._throttled = False
        self.calls = 0

    @override
    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        _require_free(request)
        self._require_polite()
        if self.calls:
            self._pause()
        self.calls += 1
        response = super().send(request, **options)
        self._throttled = response.status_code == requests.codes.too_many_requests
        return response

    def _require_polite(self) -> None:
        if self._throttled:
            raise NotSent("The service answered 429, so this run sends nothing more.")
        if self.calls >= MOST_CALLS:
            raise NotSent(f"This run has sent its {MOST_CALLS} requests.")


def _require_free(request: requests.PreparedRequest) -> None:
    if request.method == "GET" and _path(request).endswith("/account") and not request.body:
        return
    # Any other kind of body would have to be parsed to be trusted.
    if not isinstance(request.body, MultipartEncoder):
        raise NotSent("Only a MultipartEncoder's body shows that it asks for test mode.")
    if request.method != "POST" or _values(request.body, "test") != ["true"]:
        raise NotSent("Every call must carry test=true, once.")


def _path(request: requests.PreparedRequest) -> str:
    return urlsplit(request.url or "").path


def _values(body: MultipartEncoder, name: str) -> list[object]:
    fields = body.fields
    pairs = fields.items() if isinstance(fields, dict) else fields
    return [value for field, value in pairs if field == name]
