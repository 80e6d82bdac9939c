import pytest

from local.fake_pixian.parameters import Edges, read_margin


@pytest.mark.parametrize(
    ("text", "edges"),
    [
        ("0px", (0, 0, 0, 0)),
        ("10px", (10, 10, 10, 10)),
        ("10%", (20, 40, 20, 40)),
        ("1px 2px", (1, 2, 1, 2)),
        ("1px 2px 3px", (1, 2, 3, 2)),
        ("1px 2px 3px 4px", (1, 2, 3, 4)),
        ("10px 20% 5px 15%", (10, 80, 5, 60)),
        ("0.5px 0.4px 2.5% 0.125%", (1, 0, 5, 1)),
    ],
)
def test_edges_of_400_by_200(text: str, edges: tuple[int, ...]) -> None:
    assert read_margin(text).edges(400, 200) == Edges(*edges)


@pytest.mark.parametrize(
    "text",
    ["", " ", "10", "0", "10 px", "px", "10em", "-1px", "+1px", "1,5px", ".5px", "5.px", "1e3px"],
)
def test_what_is_no_length(text: str) -> None:
    with pytest.raises(ValueError, match="must be one to four lengths such as"):
        read_margin(text)


@pytest.mark.parametrize(
    "text",
    ["10PX", "nan%", "1px  2px", " 1px", "1px ", "1px\n", "1px,2px", "1px 1px 1px 1px 1px"],
)
def test_what_is_no_margin(text: str) -> None:
    with pytest.raises(ValueError, match="must be one to four lengths"):
        read_margin(text)
