import pytest

from local.fake_pixian.errors import FieldError
from local.fake_pixian.parameters import FIELDS, Edges, Parameters, read_margin, read_parameters


@pytest.mark.parametrize(
    ("name", "values"),
    {
        "test": ["1", "0", "yes", "on", " true"],
        "max_pixels": ["99", "25000001", "1e6", "1000.0", "-100", "+100", " 100", "\u0661000"],
        "background.color": ["0055FF", "#05F", "#0055FF00", "#GG0000", "white", "#0055FF\n"],
        "result.crop_to_foreground": ["1", "on"],
        "result.margin": ["5", "auto"],
        "result.target_size": ["1920", "1920x1080", "0 10", "10 0", "1920  1080", "-1 5", "1.5 2"],
        "result.vertical_alignment": ["center", "Top"],
        "output.format": ["jpg", "PNG", "webp", "delta-png"],
        "output.jpeg_quality": ["0", "101", "75.0"],
        "background_color": ["#0055FF"],
        "Test": ["true"],
    }.items(),
)
def test_the_error_names_the_field(name: str, values: list[str]) -> None:
    for value in values:
        with pytest.raises(FieldError) as caught:
            read_parameters({name: [value]})
        assert caught.value.message.startswith(f"{name}: ")
        assert caught.value.status == 400


def test_a_boolean_may_be_in_any_case() -> None:
    texts = ("true", "True", "TRUE", "false", "False", "FALSE")
    read = [read_parameters({"test": [text]}).test for text in texts]
    assert read == [True] * 3 + [False] * 3


@pytest.mark.parametrize("name", FIELDS)
def test_an_empty_field_leaves_the_default(name: str) -> None:
    assert read_parameters({name: [""]}) == Parameters()


def test_a_repeated_field_is_refused() -> None:
    with pytest.raises(FieldError, match="test: repeated"):
        read_parameters({"test": ["true", "true"]})


@pytest.mark.parametrize(
    ("text", "edges"),
    [
        ("10px", (10, 10, 10, 10)),
        ("10%", (20, 40, 20, 40)),
        ("1px   2px", (1, 2, 1, 2)),
        ("1px 2px 3px", (1, 2, 3, 2)),
        ("10px 20% 5px 15%", (10, 80, 5, 60)),
        ("0.5px 0.4px 2.5% 0.125%", (1, 0, 5, 1)),
    ],
)
def test_margins_of_400_by_200(text: str, edges: tuple[int, ...]) -> None:
    assert read_margin(text).edges(400, 200) == Edges(*edges)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10",
        "10 px",
        "10PX",
        "-1px",
        "1,5px",
        ".5px",
        "nan%",
        " 1px",
        "1px\t2px",
        "1px\n",
        "1px" + 4 * " 1px",
    ],
)
def test_bad_margins(text: str) -> None:
    with pytest.raises(ValueError, match="must be one to four lengths"):
        read_margin(text)
