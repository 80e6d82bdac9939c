"""What the errors carry."""

from pixian_s3.errors import Fault, InvalidConfiguration, RetryLater, Unavailable


def test_a_bad_document_tells_all_its_faults_and_where() -> None:
    error = InvalidConfiguration([Fault("defaults.test", "is odd"), Fault("prefixes", "is not")])
    assert str(error) == "defaults.test: is odd; prefixes: is not"


def test_nothing_is_asked_for_or_charged_unless_told() -> None:
    error = Unavailable("away")
    assert (error.retry_after, error.status, error.maybe_charged) == (0, None, False)


def test_an_error_carries_what_the_service_asked_for() -> None:
    error = RetryLater("busy", retry_after=7, status=429)
    assert (str(error), error.retry_after, error.status) == ("busy", 7, 429)
