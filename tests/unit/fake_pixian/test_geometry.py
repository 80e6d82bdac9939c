import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.fake_pixian.errors import FieldError
from local.fake_pixian.parameters import Size, read_margin, read_parameters
from local.fake_pixian.render import Box, Layout, lay_out, scaled_out, shrunk

IMAGE = Size(400, 200)
FOREGROUND = Box(top=50, left=100, width=80, height=40)
WHOLE = Box(0, 0, 400, 200)


def layout(foreground: Box = FOREGROUND, **fields: str) -> Layout:
    names = {f"result.{name}": [value] for name, value in fields.items()}
    return lay_out(IMAGE, foreground, read_parameters(names))


def test_without_parameters_nothing_moves() -> None:
    assert layout() == (WHOLE, WHOLE, IMAGE)


def test_crop() -> None:
    assert layout(crop_to_foreground="true") == (FOREGROUND, Box(0, 0, 80, 40), Size(80, 40))


def test_crop_without_any_foreground_keeps_the_image() -> None:
    assert layout(Box(0, 0, 0, 0), crop_to_foreground="true") == (WHOLE, WHOLE, IMAGE)


def test_margin_is_added_around_the_image() -> None:
    assert layout(margin="1px 2px 3px 4px") == (WHOLE, Box(1, 4, 400, 200), Size(406, 204))


def test_margin_in_percent_is_of_the_crop() -> None:
    placed = layout(crop_to_foreground="true", margin="10%")
    assert placed == (FOREGROUND, Box(4, 8, 80, 40), Size(96, 48))


@pytest.mark.parametrize(
    ("target", "placed"),
    [
        ("400 200", WHOLE),
        ("200 100", Box(0, 0, 200, 100)),
        ("800 400", Box(0, 0, 800, 400)),
        ("500 200", Box(0, 50, 400, 200)),
        ("400 300", Box(50, 0, 400, 200)),
        ("401 203", Box(1, 0, 401, 200)),
        ("1 100", Box(49, 0, 1, 1)),
    ],
)
def test_target_size_fits_up_and_down_and_centres(target: str, placed: Box) -> None:
    width, height = target.split()
    assert layout(target_size=target) == (WHOLE, placed, Size(int(width), int(height)))


@pytest.mark.parametrize(("alignment", "top"), [("top", 0), ("middle", 50), ("bottom", 100)])
def test_vertical_alignment(alignment: str, top: int) -> None:
    placed = layout(target_size="400 300", vertical_alignment=alignment).placed
    assert placed == Box(top, 0, 400, 200)


def test_alignment_is_idle_without_excess() -> None:
    assert layout(vertical_alignment="bottom") == layout()


def test_margin_is_inset_into_the_target_size() -> None:
    placed = layout(target_size="440 300", margin="10px 20px")
    assert placed == (WHOLE, Box(50, 20, 400, 200), Size(440, 300))


def test_margin_in_percent_is_of_the_target_size() -> None:
    placed = layout(target_size="1000 1000", margin="10% 5%", vertical_alignment="bottom")
    assert placed == (WHOLE, Box(450, 50, 900, 450), Size(1000, 1000))


def test_uneven_margins_move_the_centre() -> None:
    placed = layout(target_size="500 400", margin="100px 0px 0px 100px", vertical_alignment="top")
    assert placed == (WHOLE, Box(100, 100, 400, 200), Size(500, 400))


def test_crop_margin_and_target_together() -> None:
    placed = layout(crop_to_foreground="true", target_size="200 200", margin="20px")
    assert placed == (FOREGROUND, Box(60, 20, 160, 80), Size(200, 200))


@pytest.mark.parametrize("margin", ["50%", "0px 100px", "150px 0px 50px"])
def test_a_margin_that_leaves_no_room(margin: str) -> None:
    with pytest.raises(FieldError, match=r"result\.margin: leaves no room"):
        layout(target_size="200 200", margin=margin)


@pytest.mark.parametrize("margin", ["99999px", "5000%"])
def test_a_margin_has_a_bound(margin: str) -> None:
    with pytest.raises(FieldError, match=r"result\.margin: .* too large"):
        layout(margin=margin)


@pytest.mark.parametrize("target", ["50000 50000", "65501 1"])
def test_a_target_size_has_a_bound(target: str) -> None:
    with pytest.raises(FieldError, match=r"result\.target_size: .* too large"):
        layout(target_size=target)


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


def test_scaled_out_covers() -> None:
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
def test_a_target_size_holds_and_the_margin_stays_free(
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
