"""What Pixian's API page settles: true of the stand-in, and with --live of Pixian."""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from pixian_s3.errors import Rejected
from pixian_s3.pixian.credentials import Credentials
from tests.contract.caller import Answer, Caller
from tests.contract.samples import SIZE, Sample, lying, sample
from tests.unit.fake_pixian.client import site

BLUE = {"background.color": "#0055ff"}
CROP = {"result.crop_to_foreground": "true"}
BOTTOM = {"result.vertical_alignment": "bottom"}
TALL = CROP | {"result.target_size": "150 400"}
PLACING = BLUE | TALL | BOTTOM | {"result.margin": "10px"}
SURROUNDED = BLUE | {"output.format": "png", "result.margin": "1px 2px 3px 4px"}


@contextmanager
def refusal() -> Iterator[pytest.ExceptionInfo[Rejected]]:
    with pytest.raises(Rejected) as error:
        yield error
    assert error.value.status == 400


def box_of(answer: Answer) -> list[int]:
    left, top, right, bottom = answer.image().getchannel("A").getbbox() or (0, 0, 0, 0)
    return [top, left, right - left, bottom - top]


# ---- what every result says -----------------------------------------------------------------


def test_a_test_is_free_and_says_what_it_would_cost(caller: Caller) -> None:
    headers = caller.cutout().headers
    assert Decimal(headers["X-Credits-Charged"]) == 0
    assert Decimal(headers["X-Credits-Calculated"]) > 0


def test_sizes_are_width_and_height(caller: Caller) -> None:
    answer = caller.cutout()
    assert answer.numbers("X-Input-Size") == list(SIZE)
    assert answer.numbers("X-Result-Size") == list(answer.image().size) == list(SIZE)


def test_the_orientation_of_an_upright_image_is_1(caller: Caller) -> None:
    assert caller.cutout().numbers("X-Input-Orientation") == [1]


def test_boxes_are_top_left_width_and_height(caller: Caller) -> None:
    answer = caller.cutout()
    assert answer.numbers("X-Result-Foreground") == answer.numbers("X-Input-Foreground")
    seen = np.array(box_of(answer)) - answer.numbers("X-Result-Foreground")
    assert abs(seen).max() <= 2


def test_it_cuts_out(caller: Caller) -> None:
    alpha = caller.cutout().pixels()[..., 3]
    assert 0.2 < (alpha == 0).mean() < 0.8
    assert 0.2 < (alpha == 255).mean() < 0.8


# ---- inputs ---------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["bmp", "gif", "tiff"])
def test_other_formats_are_taken(caller: Caller, form: str) -> None:
    answer = caller.cutout(image=sample(form))
    assert answer.mime_type == "image/png"
    assert answer.numbers("X-Result-Size") == list(SIZE)


def test_a_jpeg_on_its_side_is_put_upright(caller: Caller) -> None:
    answer = caller.cutout(image=lying("jpeg"))
    assert answer.numbers("X-Input-Orientation") == [6]
    assert answer.image().size == SIZE


def test_base64_leads_to_the_same_pixels(caller: Caller) -> None:
    assert (caller.cut_out_text(sample()).pixels() == caller.cutout().pixels()).all()


def test_a_url_leads_to_the_same_pixels(caller: Caller) -> None:
    if caller.live:
        pytest.skip("It needs an address that Pixian can reach.")
    with site(sample().data) as here:
        assert (caller.cut_out_url(here.url).pixels() == caller.cutout().pixels()).all()


def test_what_is_no_image_is_refused_with_1006(caller: Caller) -> None:
    with refusal() as error:
        caller.cutout(image=Sample(b"This is text."))
    assert error.value.code == 1006


def test_webp_is_refused(caller: Caller) -> None:
    with refusal():
        caller.cutout(image=sample("webp"))


@pytest.mark.parametrize("names", [(), ("image", "image.base64")], ids=["none", "two"])
def test_not_exactly_one_image_is_refused(caller: Caller, names: tuple[str, ...]) -> None:
    fields: dict[str, Any] = {"image": sample().part, "image.base64": "aGk="}
    response = caller.post({name: fields[name] for name in names})
    assert response.status_code == 400
    assert response.json()["error"]["status"] == 400


def test_wrong_credentials_are_refused_in_json(caller: Caller) -> None:
    wrong = Credentials("pixian-s3-nobody", "no-secret")
    response = caller.post({"image": sample().part}, wrong)
    assert response.status_code == 401
    error = response.json()["error"]
    assert error["status"] == 401
    assert error["message"]
    assert isinstance(error["code"], int)


# ---- formats --------------------------------------------------------------------------------


def test_auto_is_png_where_the_background_is_transparent(caller: Caller) -> None:
    answer = caller.cutout()
    assert (answer.mime_type, answer.image().format) == ("image/png", "PNG")


def test_auto_is_jpeg_on_a_colour(caller: Caller) -> None:
    answer = caller.cutout(BLUE)
    assert (answer.mime_type, answer.image().format) == ("image/jpeg", "JPEG")
    assert abs(answer.pixels("RGB")[2, 2].astype(int) - [0, 0x55, 0xFF]).max() <= 8


def test_png_on_a_colour_is_opaque_and_exact(caller: Caller) -> None:
    answer = caller.cutout(SURROUNDED)
    assert answer.mime_type == "image/png"
    assert answer.pixels()[0, 0].tolist() == [0, 0x55, 0xFF, 255]
    assert (answer.pixels()[..., 3] == 255).all()


def test_more_quality_is_more_bytes_and_75_is_the_default(caller: Caller) -> None:
    coarse, usual, fine = (
        len(caller.cutout(BLUE | quality).body)
        for quality in ({"output.jpeg_quality": "10"}, {}, {"output.jpeg_quality": "95"})
    )
    assert coarse < usual < fine


def test_a_colour_needs_its_hash_sign(caller: Caller) -> None:
    with refusal():
        caller.cutout({"background.color": "0055ff"})


# ---- delta PNG ------------------------------------------------------------------------------


def test_a_delta_png_leaves_out_background_and_foreground(caller: Caller) -> None:
    answer = caller.cutout({"output.format": "delta_png"})
    assert answer.mime_type == "image/png"
    pixels = answer.pixels()
    clear = pixels[pixels[..., 3] == 0][:, :3]
    assert {tuple(colour) for colour in np.unique(clear, axis=0).tolist()} == {
        (0, 0, 0),
        (255, 255, 255),
    }


def test_a_delta_png_is_placed_nowhere(caller: Caller) -> None:
    answer = caller.cutout(PLACING | {"output.format": "delta_png"})
    assert answer.mime_type == "image/png"
    assert answer.image().size == SIZE


# ---- size and place -------------------------------------------------------------------------


def test_max_pixels_shrinks(caller: Caller) -> None:
    answer = caller.cutout({"max_pixels": "15000"})
    width, height = answer.image().size
    assert width * height <= 15_000
    assert answer.numbers("X-Result-Size") == [width, height]
    assert answer.numbers("X-Input-Size") == list(SIZE)


def test_a_crop_is_the_foreground(caller: Caller) -> None:
    answer = caller.cutout(CROP)
    width, height = answer.numbers("X-Input-Foreground")[2:]
    assert answer.image().size == (width, height)
    assert answer.numbers("X-Result-Foreground") == [0, 0, width, height]


def test_a_margin_is_added_in_the_order_of_css(caller: Caller) -> None:
    answer = caller.cutout(SURROUNDED)
    top, left, width, height = answer.numbers("X-Input-Foreground")
    assert answer.image().size == (SIZE[0] + 6, SIZE[1] + 4)
    assert answer.numbers("X-Result-Foreground") == [top + 1, left + 4, width, height]


@pytest.mark.parametrize(
    ("alignment", "share"),
    [({}, 0.5), ({"result.vertical_alignment": "top"}, 0), (BOTTOM, 1)],
    ids=["middle, the default", "top", "bottom"],
)
def test_a_target_size_holds_with_the_margin_inside_it(
    caller: Caller, alignment: dict[str, str], share: float
) -> None:
    answer = caller.cutout(TALL | {"result.margin": "10px"} | alignment)
    top, left, width, height = answer.numbers("X-Result-Foreground")
    assert answer.image().size == (150, 400)
    assert abs(left - 10) <= 1
    assert abs(width - 130) <= 2
    assert abs(top - 10 - (380 - height) * share) <= 1


def test_what_is_left_over_beside_it_is_shared(caller: Caller) -> None:
    answer = caller.cutout(CROP | {"result.target_size": "600 100"})
    _, left, width, height = answer.numbers("X-Result-Foreground")
    assert height >= 98
    assert abs(2 * left + width - 600) <= 2
