"""The URLs of the Pixian API."""

from urllib.parse import urlsplit

_PATH = "/api/v2/remove-background"


def remove_background_url(endpoint: str) -> str:
    """The URL to post to; an endpoint that has a path is used unchanged."""
    has_path = urlsplit(endpoint).path not in ("", "/")
    return endpoint if has_path else endpoint.rstrip("/") + _PATH
