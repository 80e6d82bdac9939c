"""The table of parameters against the ranges of the API page."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixian_s3.config.parameters import PIPELINE, PIXIAN, Parameter, Value, form_value

ROWS = {row.name: row for row in PIXIAN}
NUMBERS = st.from_regex(r"[0-9]{1,6}(\.[0-9]{1,4})?", fullmatch=True)
LENGTHS = st.builds(str.__add__, NUMBERS, st.sampled_from(["px", "%"]))
BAD_LENGTHS = st.builds(str.__add__, NUMBERS, st.sampled_from(["", "em", " px", "PX", "%%"]))


def accepts(name: str, value: object) -> bool:
    return ROWS[name].kind.accepts(value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("test", True),
        ("test", False),
        ("max_pixels", 100),
        ("max_pixels", 25_000_000),
        ("background.color", "#09afAF"),
        ("result.crop_to_foreground", True),
        ("result.margin", "0px"),
        ("result.margin", "10px 20% 5px 15%"),
        ("result.target_size", "1920 1080"),
        ("result.vertical_alignment", "bottom"),
        ("output.format", "delta_png"),
        ("output.jpeg_quality", 1),
        ("output.jpeg_quality", 100),
    ],
)
def test_what_the_api_takes_is_taken(name: str, value: Value) -> None:
    assert accepts(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("test", "true"),
        ("test", 1),
        ("test", None),
        ("max_pixels", 99),
        ("max_pixels", 25_000_001),
        ("max_pixels", True),
        ("max_pixels", 1e6),
        ("max_pixels", "1000"),
        ("background.color", "FFFFFF"),
        ("background.color", "#FFF"),
        ("background.color", "#FFFFFF\n"),
        ("background.color", "#\uff26FFFFF"),
        ("background.color", 0xFFFFFF),
        ("result.margin", ""),
        ("result.margin", "-5px"),
        ("result.margin", ".5px"),
        ("result.margin", "5.px"),
        ("result.margin", "5px  5px"),
        ("result.margin", "\u0665px"),
        ("result.target_size", "0 100"),
        ("result.target_size", "100x100"),
        ("result.target_size", "100"),
        ("result.vertical_alignment", "center"),
        ("result.vertical_alignment", ["top"]),
        ("output.format", "webp"),
        ("output.jpeg_quality", 0),
        ("output.jpeg_quality", 101),
    ],
)
def test_what_the_api_refuses_is_refused(name: str, value: object) -> None:
    assert not accepts(name, value)


@given(st.lists(LENGTHS, min_size=1, max_size=4))
def test_one_to_four_lengths_are_a_margin(lengths: list[str]) -> None:
    assert accepts("result.margin", " ".join(lengths))


@given(st.lists(LENGTHS, min_size=5, max_size=8))
def test_more_lengths_are_no_margin(lengths: list[str]) -> None:
    assert not accepts("result.margin", " ".join(lengths))


@given(st.lists(LENGTHS, max_size=3), BAD_LENGTHS)
def test_a_length_needs_its_unit(lengths: list[str], bad: str) -> None:
    assert not accepts("result.margin", " ".join([*lengths, bad]))


@given(st.lists(LENGTHS, min_size=2, max_size=4), st.sampled_from(["", "  ", ",", "\t", "\n"]))
def test_one_space_stands_between_lengths(lengths: list[str], separator: str) -> None:
    assert not accepts("result.margin", separator.join(lengths))


def test_these_are_all_parameters_of_the_api() -> None:
    assert list(ROWS) == [
        "test",
        "max_pixels",
        "background.color",
        "result.crop_to_foreground",
        "result.margin",
        "result.target_size",
        "result.vertical_alignment",
        "output.format",
        "output.jpeg_quality",
    ]


@pytest.mark.parametrize("row", PIXIAN + PIPELINE, ids=lambda row: row.name)
def test_a_default_is_a_value_that_may_be_given(row: Parameter) -> None:
    assert row.default is None or row.kind.accepts(row.default)


@pytest.mark.parametrize(
    ("value", "text"), [(True, "true"), (False, "false"), (75, "75"), ("5% 1px", "5% 1px")]
)
def test_values_travel_as_text(value: Value, text: str) -> None:
    assert form_value(value) == text
