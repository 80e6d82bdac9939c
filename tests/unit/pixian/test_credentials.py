"""The credentials: parsed, refused, never shown."""

import json
import traceback

import pytest

from pixian_s3.errors import Blocked
from pixian_s3.pixian.credentials import PLACEHOLDER, Credentials, parse

HIDDEN = "correct-horse"


def test_the_secret_holds_id_and_secret() -> None:
    assert parse(f'{{"api_id": "me", "api_secret": "{HIDDEN}"}}') == Credentials("me", HIDDEN)


@pytest.mark.parametrize(
    ("api_id", "api_secret"),
    [(PLACEHOLDER, PLACEHOLDER), ("me", PLACEHOLDER), (PLACEHOLDER, HIDDEN)],
)
def test_a_placeholder_blocks(api_id: str, api_secret: str) -> None:
    with pytest.raises(Blocked, match="still a placeholder"):
        parse(json.dumps({"api_id": api_id, "api_secret": api_secret}))


@pytest.mark.parametrize(
    "text",
    [
        HIDDEN,
        f'{{"api_id": "me", "api_secret": "{HIDDEN}"',
        f'["me", "{HIDDEN}"]',
        f'"{HIDDEN}"',
        f'{{"api_secret": "{HIDDEN}"}}',
        "null",
    ],
)
def test_a_malformed_secret_blocks_and_is_not_shown(text: str) -> None:
    with pytest.raises(Blocked, match="must be JSON like") as refusal:
        parse(text)
    assert HIDDEN not in "".join(traceback.format_exception(refusal.value)) + repr(refusal.value)
    # What a JSON error carries, `doc`, is the secret.
    assert refusal.value.__cause__ is None
    assert refusal.value.__suppress_context__


@pytest.mark.parametrize(
    "secret",
    [{"api_id": "me", "api_secret": None}, {"api_id": "", "api_secret": "x"}]
    + [{"api_id": "me", "api_secret": HIDDEN + end} for end in ("…", "\n")],
)
def test_values_that_cant_be_sent_block_and_are_not_shown(secret: dict[str, object]) -> None:
    with pytest.raises(Blocked) as refusal:
        parse(json.dumps(secret))
    assert HIDDEN not in "".join(traceback.format_exception(refusal.value))


def test_printing_credentials_doesnt_show_the_secret() -> None:
    credentials = Credentials("me", HIDDEN)
    assert HIDDEN not in f"{credentials} {credentials!r}"
