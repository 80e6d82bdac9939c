"""The JSON beside a result."""

from decimal import Decimal

import pytest

from pixian_s3.output.sidecar import sidecar
from pixian_s3.story import Story
from tests.builders import NOON, make_job

HEADERS = {
    "X-Credits-Charged": "0.2209",
    "X-Input-Orientation": "6",
    "X-Input-Size": "600 400",
    "X-Result-Size": "1200 1200",
    "X-Input-Foreground": "17 75 406 374",
    "X-Result-Foreground": "102 60 1080 995",
}


def test_boxes_and_sizes_are_named_numbers() -> None:
    told = sidecar(Story(make_job(), headers=HEADERS), NOON)
    assert told["input_size"] == {"width": 600, "height": 400}
    # Pixian's boxes come top first.
    assert told["result_foreground"] == {"top": 102, "left": 60, "width": 1080, "height": 995}
    assert told["input_orientation"] == 6


def test_credits_are_decimals() -> None:
    told = sidecar(Story(make_job(), headers=HEADERS), NOON)
    assert told["credits"] == {"charged": Decimal("0.2209"), "calculated": None}


@pytest.mark.parametrize("said", ["", "1 2 3", "a b c d", "1 2 3 4 5", "-1 2 3 4"])
def test_a_box_that_isnt_one_is_null(said: str) -> None:
    told = sidecar(Story(make_job(), headers=HEADERS | {"X-Input-Foreground": said}), NOON)
    assert told["input_foreground"] is None


@pytest.mark.parametrize("said", ["", "free", "NaN", "Infinity"])
def test_credits_that_are_no_number_are_null(said: str) -> None:
    told = sidecar(Story(make_job(), headers={"X-Credits-Charged": said}), NOON)
    assert told["credits"]["charged"] is None
