"""Remove secrets from text that others wrote, before it reaches a log or a report."""

import html
import json
import re
from collections.abc import Iterable
from urllib.parse import quote

_URL_SAFE = str.maketrans("+/", "-_")


def redacted(text: str, secrets: Iterable[str]) -> str:
    """Replace each secret by `…`, including URL-encoded, JSON, HTML and base64 forms of it."""
    forms = {form for secret in secrets for form in _forms(secret)}
    # Match the longest form first, so that no part of it is left over. Ignore case, because
    # percent-encoding may use either.
    pattern = "|".join(map(re.escape, sorted(forms, key=len, reverse=True)))
    return re.sub(pattern, "…", text, flags=re.IGNORECASE) if pattern else text


def _forms(secret: str) -> set[str]:
    in_json = json.dumps(secret)[1:-1]
    return {
        secret,
        quote(secret),
        quote(secret, safe=""),
        in_json,
        in_json.replace("/", "\\/"),
        "".join(c if c.isalnum() else f"\\u{ord(c):04x}" for c in secret),
        html.escape(secret),
        # URL-safe base64.
        secret.translate(_URL_SAFE),
    }
