"""The secret and signed addresses are nowhere in what the stack wrote."""

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.e2e import variety
from tests.e2e.conftest import World
from tests.e2e.direct import CRASHED, PACED, UNREADABLE, Direct, directly
from tests.e2e.written import SIGNED, Written, everything, forms, places_of

PLANTED = "planted-where-it-is-hard-to-find"

# Something that is known to stand there, by the place.
KNOWN = {
    "log": '"outcome":"processed"',
    "object": "what_now",
    "object's headers": "x-amz-version-id",
    "object's metadata": "source-key",
    "object's tags": "studio",
    "picture's text": "jfif",
    "message in RetryQueue": "blocked_since",
    "message in DeadLetterQueue": "failures",
    "claim": "COMPLETED",
    "function": "CREDENTIALS_SECRET_ARN",
    "schedule": "PaceFunction",
    "alarm": "BlockedAlarm",
    "stack": "PixianEndpoint",
    "template": "REPLACE_ME",
    "secret's description": "CredentialsSecret",
    "policy": "secretsmanager:GetSecretValue",
}


@dataclass(frozen=True)
class Aftermath:
    """What came of all the work: its outcomes, all that was written, and the credentials."""

    outcomes: set[str]
    written: list[Written]
    api_id: str
    api_secret: str


@pytest.fixture(scope="module")
def aftermath(shared: World) -> Iterator[Aftermath]:
    shared.control("POST", "reset")
    with directly(shared) as direct:
        outcomes = set(variety.all_of_it(direct))
        _plant(direct)
        yield Aftermath(outcomes, list(everything(shared.stack)), **variety.credentials(direct))


def _plant(direct: Direct) -> None:
    """In the compressed text of a picture that another one replaced and a deletion hides."""
    file, text = io.BytesIO(), PngInfo()
    text.add_text("Comment", PLANTED, zip=True)
    Image.new("RGB", (1, 1)).save(file, "PNG", pnginfo=text)
    s3, bucket = direct.world.stack.client("s3"), direct.world.stack.outputs["OutputBucket"]
    for body in (file.getvalue(), b"another"):
        s3.put_object(Bucket=bucket, Key="planted.png", Body=body)
    s3.delete_object(Bucket=bucket, Key="planted.png")


def test_all_outcomes_were_seen(aftermath: Aftermath) -> None:
    wanted = {"processed", "skipped", "rejected", "postponed", "blocked", "exhausted"}
    assert aftermath.outcomes == wanted | {CRASHED, UNREADABLE, PACED}


@pytest.mark.parametrize("place", KNOWN)
def test_every_place_was_looked_into(aftermath: Aftermath, place: str) -> None:
    assert place in places_of(KNOWN[place], aftermath.written)


def test_nothing_was_written_elsewhere(aftermath: Aftermath) -> None:
    # The local AWS makes no metrics of the log lines that are metrics; those stand in the log.
    assert {each.place for each in aftermath.written} - {"metric"} == KNOWN.keys()
    assert "log" in places_of("CloudWatchMetrics", aftermath.written)


def test_what_is_hidden_is_found(aftermath: Aftermath) -> None:
    assert places_of(PLANTED, aftermath.written) == {"picture's text"}


def test_answers_that_quoted_were_written_down(aftermath: Aftermath) -> None:
    """So secret and signed address were on their way, and were stopped."""
    for stopped in ("Refused: Basic …", ".png?…"):
        assert places_of(stopped, aftermath.written) == {"log", "object"}


def test_no_form_of_the_secret_was_written(aftermath: Aftermath) -> None:
    for form in forms(aftermath.api_id, aftermath.api_secret):
        assert not places_of(form, aftermath.written), form


@pytest.mark.parametrize("part", SIGNED)
def test_no_signed_address_was_written(aftermath: Aftermath, part: str) -> None:
    for form in (part, quote(part, safe="")):
        assert not places_of(form, aftermath.written)


@pytest.mark.parametrize(
    "text",
    [
        "no p+ss/w=rd here",
        "Basic " + base64.b64encode(b"me:p+ss/w=rd").decode(),
        base64.b64encode(b"p+ss/w=rd").decode(),
        "user=me%3Ap%2Bss%2Fw%3Drd",
        "p%2bss%2fw%3drd",
        "p%2Bss/w%3Drd",
    ],
)
def test_every_form_is_found_where_there_is_one(text: str) -> None:
    written = [Written("here", text.encode()), Written("there", b"nothing")]
    found = [places_of(form, written) for form in forms("me", "p+ss/w=rd")]
    assert {"here"} in found
    assert {"here", "there"} not in found
