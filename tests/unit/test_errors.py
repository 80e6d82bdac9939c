"""What the errors carry."""

import pytest
import requests
from urllib3.exceptions import IncompleteRead, ProtocolError

from pixian_s3.errors import (
    Fault,
    InvalidConfiguration,
    RetryLater,
    Throttled,
    Unavailable,
    plain,
)


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
