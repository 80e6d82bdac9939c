"""Pixian's API ID and API secret, stored as a JSON object."""

import base64
import json
import re
from dataclasses import dataclass, field

from pixian_s3.errors import CONTINUES, Blocked

PLACEHOLDER = "REPLACE_ME"


@dataclass(frozen=True)
class Credentials:
    """The API ID and the API secret; the secret is hidden from `repr`."""

    api_id: str
    api_secret: str = field(repr=False)

    def secrets(self) -> list[str]:
        """The strings to redact in logs: the secret, plain and as HTTP basic authentication."""
        sent = [_base64(self.api_secret), _base64(f"{self.api_id}:{self.api_secret}")]
        return [self.api_secret, *sent]


def parse(text: str) -> Credentials:
    """Parse the content of the Secrets Manager secret.

    Raises:
        Blocked: The secret is malformed, is still the placeholder, or can't be sent in a header.
    """
    try:
        secret = json.loads(text)
        api_id, api_secret = secret["api_id"], secret["api_secret"]
    except (ValueError, TypeError, KeyError, RecursionError):
        # `from None`, because the cause would put the secret's content into the log.
        raise Blocked(
            'The credentials secret must be JSON like {"api_id": "…", "api_secret": "…"}. Run '
            f"`make credentials`. {CONTINUES}"
        ) from None
    if PLACEHOLDER in (api_id, api_secret):
        raise Blocked(
            "The credentials secret is still a placeholder. Store your Pixian API ID and secret in "
            f"it (`make credentials`). {CONTINUES}"
        )
    if not (_can_be_sent(api_id) and _can_be_sent(api_secret)):
        raise Blocked(
            "In the credentials secret, api_id or api_secret is empty, isn't text, or contains "
            f"spaces or special characters. Copy both again from your Pixian account. {CONTINUES}"
        )
    return Credentials(api_id, api_secret)


def _base64(text: str) -> str:
    """Base64 without padding, because a message may quote it without."""
    return base64.b64encode(text.encode()).decode().rstrip("=")


def _can_be_sent(value: object) -> bool:
    """Whether a value is valid in a header; an error about an invalid header would quote it."""
    return isinstance(value, str) and re.fullmatch("[!-~]+", value) is not None
