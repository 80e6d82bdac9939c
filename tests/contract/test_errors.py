"""What each bad answer means."""

import pytest

from pixian_s3.errors import (
    Blocked,
    PixianS3Error,
    Rejected,
    RetryLater,
    Throttled,
    Unauthorized,
    Unavailable,
)
from tests.contract.conftest import Service

OURS = {"error": {"status": 0, "code": 1006, "message": " Failed to read the supplied image. "}}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Rejected),
        (401, Unauthorized),
        (402, Blocked),
        (403, Blocked),
        (404, Blocked),
        (405, Blocked),
        (410, Blocked),
        (413, Rejected),
        (422, Rejected),
        (429, Throttled),
        (500, Unavailable),
        (502, Unavailable),
        (503, Unavailable),
        (504, Unavailable),
        (599, Unavailable),
    ],
)
def test_a_status_says_what_to_do(service: Service, status: int, kind: type[PixianS3Error]) -> None:
    service.fault(status=status)
    with pytest.raises(kind) as error:
        service.fails()
    assert type(error.value) is kind
    assert error.value.status == status  # type: ignore[attr-defined]
    may_have_cost = getattr(error.value, "maybe_charged", False)
    assert may_have_cost is (status in {502, 504})


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (401, "Check the API ID"),
        (402, "Buy credits"),
        (403, "Check at pixian.ai"),
        (404, "Check the stack's parameter PixianEndpoint"),
    ],
)
def test_even_a_long_error_ends_with_what_to_do(service: Service, status: int, advice: str) -> None:
    service.fault(status=status, body={"error": {"message": "No. " * 99}})
    with pytest.raises(Blocked) as error:
        service.fails()
    text, _, last = str(error.value).partition("… ")
    assert text.startswith(f"Pixian answered {status}: No. No.")
    assert last.startswith(advice)
    assert len(str(error.value)) == 250


def test_pixians_own_words_and_code_are_kept(service: Service) -> None:
    service.fault(status=400, body=OURS)
    with pytest.raises(Rejected) as error:
        service.fails()
    assert str(error.value) == "Pixian answered 400: Failed to read the supplied image."
    assert error.value.code == 1006


@pytest.mark.parametrize(
    "body",
    [
        "<html>Bad gateway</html>",
        "",
        "[]",
        "null",
        '{"error": "x"}',
        '{"error": {}}',
        "{" * 9999,
        "[" * 60000,
    ],
)
def test_a_body_that_isnt_pixians_json_is_survived(service: Service, body: str) -> None:
    service.fault(status=502, body=body)
    with pytest.raises(Unavailable, match="Pixian answered 502") as error:
        service.fails()
    assert len(str(error.value)) < 300


def test_words_that_cant_be_written_are_survived(service: Service) -> None:
    service.fault(status=400, body='{"error": {"message": "No \\ud800 way."}}')
    with pytest.raises(Rejected, match="way") as error:
        service.fails()
    str(error.value).encode()


@pytest.mark.parametrize("code", ["1006", None, 1.5])
def test_a_code_that_is_no_number_is_left_out(service: Service, code: object) -> None:
    service.fault(status=400, body={"error": {"message": "No.", "code": code}})
    with pytest.raises(Rejected) as error:
        service.fails()
    assert error.value.code is None


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7), ("0", 0), ("Wed, 21 Oct 2026 07:28:00 GMT", 0), ("-5", 0), ("1.5", 0)],
)
def test_retry_after_is_honoured_where_it_is_seconds(
    service: Service, header: str, seconds: int
) -> None:
    service.fault(status=429, headers={"Retry-After": header})
    with pytest.raises(Throttled) as error:
        service.fails()
    assert error.value.retry_after == seconds


def test_retry_after_is_honoured_when_the_service_is_away(service: Service) -> None:
    service.fault(status=503, headers={"Retry-After": "7"})
    with pytest.raises(RetryLater) as error:
        service.fails()
    assert error.value.retry_after == 7


def test_a_page_in_place_of_an_image_may_have_been_charged(service: Service) -> None:
    service.fault(status=200, body="<html>", content_type="text/html; charset=utf-8")
    with pytest.raises(Unavailable, match="text/html instead of an image") as error:
        service.fails()
    assert error.value.maybe_charged is True


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirection_is_not_followed(service: Service, status: int) -> None:
    elsewhere = service.stand_in.url + "/api/v2/remove-background"
    service.fault(status=status, body="moved", headers={"Location": elsewhere})
    with pytest.raises(Unavailable):
        service.fails()
    assert len(service.calls()) == 1
