"""The balance of the Pixian account.

Public clients ask `/account`; Pixian's API page doesn't mention it. Nothing may depend on it.
"""

import json
import time
from collections.abc import Callable
from decimal import Decimal
from urllib.parse import urljoin

import requests

from pixian_s3.attempt import MAX_CREDITS
from pixian_s3.errors import Unavailable, plain
from pixian_s3.pixian.credentials import Credentials
from pixian_s3.pixian.endpoint import remove_background_url
from pixian_s3.pixian.receiving import Adapter, receiving_within
from pixian_s3.pixian.redaction import redacted

TOTAL_SECONDS = 4
"""The longest that the request may take after the address is found."""

_CONNECT_SECONDS = 2
_STEP = Decimal("0.0001")
_MAX_BYTES = 1 << 16
_MAX_MESSAGE = 250


def account_url(endpoint: str) -> str:
    """The URL of `/account`, beside that of remove-background."""
    return urljoin(remove_background_url(endpoint), "account")


def credits_left(
    endpoint: str, credentials: Credentials, monotonic: Callable[[], float] = time.monotonic
) -> Decimal:
    """Ask for the credits that are left.

    Args:
        endpoint: As for `client.Pixian`.
        credentials: The API ID and secret.
        monotonic: Returns seconds.

    Raises:
        Unavailable: There is no usable answer; the message says why, without secrets.
    """
    deadline = monotonic() + TOTAL_SECONDS
    try:
        with requests.Session() as session, receiving_within(lambda: deadline - monotonic()):
            for scheme in ("https://", "http://"):
                session.mount(scheme, Adapter())
            with session.get(
                account_url(endpoint),
                auth=(credentials.api_id, credentials.api_secret),
                # Unpacking could take more memory than there is.
                headers={"Accept-Encoding": "identity"},
                timeout=_CONNECT_SECONDS,
                allow_redirects=False,
                stream=True,
            ) as response:
                if response.status_code != requests.codes.ok:
                    raise Unavailable(f"Pixian answered {response.status_code}.")
                return _credits(_body(response))
    except Unavailable:
        raise
    except Exception as error:
        # The endpoint is undocumented, so the pace must not depend on its answer.
        said = redacted(plain(error), credentials.secrets())[:_MAX_MESSAGE]
        raise Unavailable(f"The request failed: {said}") from None


def _body(response: requests.Response) -> bytes:
    body = b""
    while chunk := response.raw.read1(_MAX_BYTES, decode_content=False):
        body += chunk
        if len(body) > _MAX_BYTES:
            raise Unavailable("Pixian's answer is too long.")
    return body


def _credits(body: bytes) -> Decimal:
    try:
        value = json.loads(body, parse_float=Decimal)["credits"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise Unavailable("Pixian's answer isn't JSON with the credits.") from None
    if isinstance(value, bool) or not isinstance(value, int | Decimal | float):
        raise Unavailable("In Pixian's answer, the credits aren't a number.")
    # Not `value < 0 or …`, because NaN compares as false.
    if not 0 <= value <= MAX_CREDITS:
        raise Unavailable("In Pixian's answer, the credits are no possible balance.")
    # DynamoDB stores no more than 38 digits.
    return Decimal(value).quantize(_STEP)
