"""A call that would outlive the function is given up while there is time to say so."""

import io
from collections.abc import Callable

import pytest

from pixian_s3.errors import Unavailable
from pixian_s3.pixian import (
    CONNECT_TIMEOUT_SECONDS,
    READ_TIMEOUT_SECONDS,
    RESERVED_SECONDS,
    Upload,
)
from tests.builders import picture
from tests.contract.conftest import Service

ENOUGH = CONNECT_TIMEOUT_SECONDS + READ_TIMEOUT_SECONDS + RESERVED_SECONDS


def running_out(*seconds: float) -> Callable[[], float]:
    """A function whose time left is the next of these at each look, then the last."""
    left = list(seconds)
    return lambda: left.pop(0) if len(left) > 1 else left[0]


def call(service: Service, seconds_left: Callable[[], float]) -> None:
    upload = Upload(io.BytesIO(picture()), "a.png", "image/png")
    form = {"test": "true"}
    with service.client.remove_background(service.credentials, upload, form, seconds_left):
        pass


def test_a_call_within_its_time_goes_through(service: Service) -> None:
    call(service, running_out(ENOUGH))


def test_a_call_is_not_begun_without_time_for_its_answer(service: Service) -> None:
    with pytest.raises(Unavailable, match="too little time") as caught:
        call(service, running_out(ENOUGH - 1))
    assert not caught.value.maybe_charged


def test_an_answer_that_comes_too_slowly_is_given_up(service: Service) -> None:
    with pytest.raises(Unavailable, match="too slowly") as caught:
        call(service, running_out(ENOUGH, ENOUGH, RESERVED_SECONDS - 1))
    assert caught.value.maybe_charged
