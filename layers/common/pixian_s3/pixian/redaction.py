"""Secrets taken out of what others wrote, before it gets into a log or a report."""

import html
import json
import re
from collections.abc import Iterable
from urllib.parse import quote

_URL_SAFE = str.maketrans("+/", "-_")


def redacted(text: str, secrets: Iterable[str]) -> str:
    """The text with `…` in place of each secret, in whatever form it is quoted."""
    forms = {form for secret in secrets for form in _forms(secret)}
    # The longest first, so that nothing is left over of it. Percent-encoding has no one case.
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
        # Base64 as it stands in addresses.
        secret.translate(_URL_SAFE),
    }
