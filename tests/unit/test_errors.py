"""What the errors carry, and what they tell somebody to do."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from urllib3.exceptions import IncompleteRead, ProtocolError

from pixian_s3.errors import (
    CONTINUES,
    Fault,
    InvalidConfiguration,
    RetryLater,
    Throttled,
    Unavailable,
    plain,
)
from pixian_s3.pixian import client

PROGRAM = Path(__file__).parents[2] / "layers/common/pixian_s3"
BLOCKING = {"Blocked", "AccessDenied", "Held", "Unauthorized"}
# These repeat what an error said before, or get the client's advice.
REPEATED = {"reason", "said"}


def blocking(program: str) -> Iterator[str]:
    """The messages of errors that wait for somebody, as they are written in the program."""
    for node in ast.walk(ast.parse(program)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in BLOCKING:
            yield ast.unparse(node.args[0])


MESSAGES = sorted(
    {each for file in PROGRAM.rglob("*.py") for each in blocking(file.read_text())} - REPEATED
)


@pytest.mark.parametrize("message", MESSAGES)
def test_what_blocks_images_says_that_they_continue(message: str) -> None:
    assert any(end in message for end in ("{CONTINUES}", CONTINUES, "`make resume` continues it"))


def test_nothing_is_written_as_python_writes_it() -> None:
    for file in PROGRAM.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            assert not (isinstance(node, ast.FormattedValue) and node.conversion == ord("r")), file


def test_no_text_refers_to_a_file_of_the_repository() -> None:
    for file in PROGRAM.rglob("*.py"):
        texts = re.findall(r'^[^#"]*"[^"]*\bdocs/', file.read_text(), re.MULTILINE)
        assert not texts, file


def test_what_pixian_refuses_everybody_says_that_images_continue() -> None:
    assert set(client._ADVICE) == {401, 402, 403, 404, 405, 410}
    assert all(advice.endswith(CONTINUES) for advice in client._ADVICE.values())


def test_a_bad_document_tells_all_its_faults_and_where() -> None:
    error = InvalidConfiguration([Fault("defaults.test", "is odd"), Fault("prefixes", "is not")])
    assert str(error) == "defaults.test: is odd; prefixes: is not"


def test_nothing_is_asked_for_or_charged_unless_told() -> None:
    error = Unavailable("away")
    assert (error.retry_after, error.status, error.maybe_charged) == (0, None, False)


def test_an_error_carries_what_the_service_asked_for() -> None:
    error = RetryLater("busy", retry_after=7, status=429)
    assert (str(error), error.retry_after, error.status) == ("busy", 7, 429)


def test_the_error_behind_others_is_put_in_plain_words() -> None:
    reset = ConnectionResetError(104, "Connection reset by peer")
    aborted = ProtocolError("Connection aborted.", reset)
    aborted.__context__ = reset
    with pytest.raises(requests.ConnectionError) as caught:
        raise requests.ConnectionError(aborted) from aborted
    assert plain(caught.value) == "Connection reset by peer."
    assert plain(IncompleteRead(3, 97)) == "3 bytes read, 97 more expected."
    assert plain(TimeoutError()) == "TimeoutError."


def test_an_error_of_an_earlier_call_is_not_the_one_behind() -> None:
    late = TimeoutError("timed out")
    late.__context__ = Throttled("busy")
    assert plain(late) == "timed out."
