import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.fake_pixian.errors import FieldError
from local.fake_pixian.parameters import Size, read_margin, read_parameters
from local.fake_pixian.render import Box, Layout, lay_out, scaled_out, shrunk

IMAGE = Size(400, 200)
FOREGROUND = Box(top=50, left=100, width=80, height=40)
WHOLE = Box(0, 0, 400, 200)
CROP = {"crop_to_foreground": "true"}
BOTTOM = {"vertical_alignment": "bottom"}


def layout(foreground: Box, /, **fields: str) -> Layout:
    names = {f"result.{name}": [value] for name, value in fields.items()}
    return lay_out(IMAGE, foreground, read_parameters(names))


# The contract's tolerances are a pixel or two; these places are exact.
@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, (WHOLE, WHOLE, IMAGE)),
        (BOTTOM, (WHOLE, WHOLE, IMAGE)),
        (CROP | {"margin": "10%"}, (FOREGROUND, Box(4, 8, 80, 40), Size(96, 48))),
        ({"target_size": "200 100"}, (WHOLE, Box(0, 0, 200, 100), Size(200, 100))),
        ({"target_size": "800 400"}, (WHOLE, Box(0, 0, 800, 400), Size(800, 400))),
        ({"target_size": "500 200"}, (WHOLE, Box(0, 50, 400, 200), Size(500, 200))),
        ({"target_size": "401 203"}, (WHOLE, Box(1, 0, 401, 200), Size(401, 203))),
        ({"target_size": "1 100"}, (WHOLE, Box(49, 0, 1, 1), Size(1, 100))),
        (BOTTOM | {"target_size": "400 300"}, (WHOLE, Box(100, 0, 400, 200), Size(400, 300))),
        (
            {"target_size": "440 300", "margin": "10px 20px"},
            (WHOLE, Box(50, 20, 400, 200), Size(440, 300)),
        ),
        (
            BOTTOM | {"target_size": "1000 1000", "margin": "10% 5%"},
            (WHOLE, Box(450, 50, 900, 450), Size(1000, 1000)),
        ),
        (
            BOTTOM | {"target_size": "500 400", "margin": "100px 0px 0px 100px"},
            (WHOLE, Box(200, 100, 400, 200), Size(500, 400)),
        ),
        (
            CROP | {"target_size": "200 200", "margin": "20px"},
            (FOREGROUND, Box(60, 20, 160, 80), Size(200, 200)),
        ),
    ],
)
def test_the_layout_is_exact(fields: dict[str, str], expected: Layout) -> None:
    assert layout(FOREGROUND, **fields) == expected


def test_a_crop_without_a_foreground_keeps_the_image() -> None:
    assert layout(Box(0, 0, 0, 0), crop_to_foreground="true") == (WHOLE, WHOLE, IMAGE)


@pytest.mark.parametrize("margin", ["50%", "0px 100px", "150px 0px 50px"])
def test_a_margin_that_leaves_no_room(margin: str) -> None:
    with pytest.raises(FieldError, match=r"result\.margin: leaves no room"):
        layout(FOREGROUND, target_size="200 200", margin=margin)


@pytest.mark.parametrize("margin", ["99999px", "5000%"])
def test_a_margin_is_limited(margin: str) -> None:
    with pytest.raises(FieldError, match=r"result\.margin: .* too large"):
        layout(FOREGROUND, margin=margin)


@pytest.mark.parametrize("target", ["50000 50000", "65501 1"])
def test_a_target_size_is_limited(target: str) -> None:
    with pytest.raises(FieldError, match=r"result\.target_size: .* too large"):
        layout(FOREGROUND, target_size=target)


@pytest.mark.parametrize(
    ("size", "most", "result"),
    [
        ((100, 100), 10_000, (100, 100)),
        ((200, 100), 5_000, (100, 50)),
        ((6000, 5000), 25_000_000, (5477, 4564)),
        ((100_000, 1), 100, (100, 1)),
        ((1, 100_000), 100, (1, 100)),
    ],
)
def test_shrunk(size: tuple[int, int], most: int, result: tuple[int, int]) -> None:
    assert shrunk(Size(*size), most) == result


def test_scaled_out_covers_the_box() -> None:
    box = Box(top=10, left=20, width=30, height=40)
    assert scaled_out(box, Size(100, 100), Size(100, 100)) == box
    assert scaled_out(box, Size(100, 100), Size(200, 300)) == Box(30, 40, 60, 120)
    assert scaled_out(Box(1, 1, 1, 1), Size(3, 3), Size(10, 10)) == Box(3, 3, 4, 4)
    assert scaled_out(Box(0, 0, 0, 0), Size(3, 3), Size(10, 10)) == Box(0, 0, 0, 0)


SIDES = st.integers(1, 3000)
LENGTHS = st.builds("{}{}".format, st.integers(0, 40), st.sampled_from(["px", "%"]))


@given(
    image=st.builds(Size, SIDES, SIDES),
    target=st.builds("{} {}".format, SIDES, SIDES),
    margin=st.lists(LENGTHS, min_size=1, max_size=4).map(" ".join),
    alignment=st.sampled_from(["top", "middle", "bottom"]),
)
def test_the_target_size_is_exact_and_the_margin_stays_empty(
    image: Size, target: str, margin: str, alignment: str
) -> None:
    fields = {"target_size": target, "margin": margin, "vertical_alignment": alignment}
    parameters = read_parameters({f"result.{name}": [value] for name, value in fields.items()})
    try:
        _, placed, canvas = lay_out(image, Box(0, 0, 0, 0), parameters)
    except FieldError:
        return
    assert f"{canvas.width} {canvas.height}" == target
    edges = read_margin(margin).edges(*canvas)
    assert edges.top <= placed.top
    assert edges.left <= placed.left
    assert placed.top + placed.height <= canvas.height - edges.bottom
    assert placed.left + placed.width <= canvas.width - edges.right
