"""The delays that Pixian asks for, within what SQS takes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixian_s3 import retry
from pixian_s3.errors import (
    Blocked,
    Conflict,
    InProgress,
    NotFound,
    PixianS3Error,
    RetryLater,
    Throttled,
    Unauthorized,
    Unavailable,
)
from tests.builders import NOON, make_job

COUNTS = st.integers(min_value=0, max_value=10**6)


@pytest.mark.parametrize(("failures", "seconds"), [(1, 5), (2, 10), (3, 15), (180, 900)])
def test_each_failure_in_a_row_adds_five_seconds(failures: int, seconds: int) -> None:
    assert retry.delay_seconds(failures) == seconds


@pytest.mark.parametrize(("retry_after", "seconds"), [(3, 10), (60, 60), (10**9, 900)])
def test_the_longer_of_both_waits_counts(retry_after: int, seconds: int) -> None:
    assert retry.delay_seconds(2, retry_after) == seconds


@given(COUNTS, COUNTS)
def test_more_failures_never_wait_less(failures: int, retry_after: int) -> None:
    now = retry.delay_seconds(failures, retry_after)
    assert now <= retry.delay_seconds(failures + 1, retry_after)


def test_throttling_is_a_failure() -> None:
    job, seconds = retry.after(Throttled("429", retry_after=7), make_job(failures=1), NOON)
    assert (job, seconds) == (make_job(failures=2), 10)


@pytest.mark.parametrize("error", [Blocked("402"), Unauthorized("401")])
def test_being_blocked_uses_up_no_attempt(error: Blocked) -> None:
    job, seconds = retry.after(error, make_job(failures=2), NOON)
    assert (job, seconds) == (make_job(failures=2, blocked_since=NOON), 300)


def test_a_lease_of_another_invocation_changes_nothing() -> None:
    job, seconds = retry.after(InProgress("busy"), make_job(failures=2), NOON)
    assert (job, seconds) == (make_job(failures=2), retry.IN_PROGRESS_DELAY_SECONDS)


@given(COUNTS, st.sampled_from([Throttled("429", retry_after=10**6), Unavailable("5xx")]))
def test_sqs_takes_every_delay(failures: int, error: RetryLater) -> None:
    _, seconds = retry.after(error, make_job(failures=failures), NOON)
    assert 0 <= seconds <= 900


@pytest.mark.parametrize("error", [Conflict("changed"), NotFound("gone"), Unavailable("5xx")])
def test_a_write_is_repeated_for_a_while(error: PixianS3Error) -> None:
    pauses: list[float] = []

    def fail() -> None:
        raise error

    with pytest.raises(Unavailable):
        retry.retry_write(fail, lambda: 300, pauses.append)
    assert tuple(pauses) == retry.WRITE_PAUSES_SECONDS


@pytest.mark.parametrize(
    ("limit", "unknown", "gateway"),
    [
        ({"failures": 99}, 0, 0),
        ({}, 2, 0),
        ({}, 2, 19),
        ({"blocked_since": NOON - retry.MAX_BLOCKED_SECONDS}, 0, 0),
    ],
)
def test_up_to_its_last_try_a_job_may_be_tried_again(
    limit: dict[str, Any], unknown: int, gateway: int
) -> None:
    job = make_job(**limit)
    assert retry.why_give_up(Unavailable("503"), job, unknown, gateway, NOON) is None


@pytest.mark.parametrize(
    ("limit", "unknown", "gateway", "why"),
    [
        ({"failures": 100}, 0, 0, "100 times"),
        ({}, 3, 0, "3 calls"),
        ({}, 21, 20, "21 calls"),
        ({"blocked_since": NOON - retry.MAX_BLOCKED_SECONDS - 1}, 0, 0, "blocked for 4 days"),
    ],
)
def test_after_its_last_try_it_is_given_up_and_told_why(
    limit: dict[str, Any], unknown: int, gateway: int, why: str
) -> None:
    job = make_job(**limit)
    assert why in (retry.why_give_up(Unavailable("503"), job, unknown, gateway, NOON) or "")
    # Another invocation is working on it, and may bring it to its end.
    assert retry.why_give_up(InProgress("held"), job, unknown, gateway, NOON) is None


@pytest.mark.parametrize(("failures", "seconds"), [(0, 60), (1, 120), (14, 900), (19, 900)])
def test_after_a_gateways_answer_an_image_waits_longer(failures: int, seconds: int) -> None:
    for status in (502, 504):
        error = Unavailable("bad gateway", status=status)
        assert retry.after(error, make_job(failures=failures), NOON)[1] == seconds
