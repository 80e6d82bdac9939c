"""Who we are to Pixian: the API's id and secret, in a JSON object."""

import base64
import json
import re
from dataclasses import dataclass, field

from pixian_s3.errors import Blocked

PLACEHOLDER = "REPLACE_ME"


@dataclass(frozen=True)
class Credentials:
    """The API's id and secret; the secret doesn't show when printed."""

    api_id: str
    api_secret: str = field(repr=False)

    def secrets(self) -> list[str]:
        """What of them nobody may read in a log: the secret, bare and as HTTP Basic sends it."""
        sent = [_base64(self.api_secret), _base64(f"{self.api_id}:{self.api_secret}")]
        return [self.api_secret, *sent]


def parse(text: str) -> Credentials:
    """The credentials in the secret's text.

    Raises:
        Blocked: there are none in it yet, or none that can be sent.
    """
    try:
        secret = json.loads(text)
        api_id, api_secret = secret["api_id"], secret["api_secret"]
    except (ValueError, TypeError, KeyError, RecursionError):
        # `from None`: the cause would carry the secret's text into the log.
        raise Blocked(
            'The credentials secret must be JSON like {"api_id": "…", "api_secret": "…"}.'
        ) from None
    if PLACEHOLDER in (api_id, api_secret):
        raise Blocked(
            "The credentials secret is still a placeholder: fill in the Pixian API id and secret."
        )
    if not (_can_be_sent(api_id) and _can_be_sent(api_secret)):
        raise Blocked(
            "The credentials secret holds an api_id or api_secret that is empty, no text, or has "
            "spaces or special characters in it: copy both anew from your Pixian account."
        )
    return Credentials(api_id, api_secret)


def _base64(text: str) -> str:
    """Without the padding, which a quotation may have lost."""
    return base64.b64encode(text.encode()).decode().rstrip("=")


def _can_be_sent(value: object) -> bool:
    """In a header; an error about what can't be would quote the secret."""
    return isinstance(value, str) and re.fullmatch("[!-~]+", value) is not None
