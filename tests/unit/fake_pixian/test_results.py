"""What comes back with status 200: pixels and headers."""

import io
from decimal import Decimal

import numpy as np
import pytest
from PIL import Image, ImageCms

from tests.unit.fake_pixian.client import CAT, COFFEE, Client, encoded, numbers, opened, pixels

with Image.open(io.BytesIO(COFFEE)) as photograph:
    ORIGINAL = pixels(photograph, "RGB")


def bounds(image: Image.Image) -> list[int]:
    left, top, right, bottom = image.getchannel("A").getbbox() or (0, 0, 0, 0)
    return [top, left, right - left, bottom - top]


def test_a_cut_out_has_background_foreground_and_exact_colours(client: Client) -> None:
    response = client.cut_out()
    result = pixels(opened(response))
    background, foreground = result[..., 3] == 0, result[..., 3] == 255
    assert response.headers["Content-Type"] == "image/png"
    assert 0.3 < background.mean() < 0.8
    assert 0.2 < foreground.mean() < 0.6
    assert not result[background].any()
    assert (result[~background][:, :3] == ORIGINAL[~background]).all()


def test_headers(client: Client) -> None:
    response = client.cut_out()
    image = opened(response)
    assert response.headers["X-Input-Orientation"] == "1"
    assert response.headers["X-Input-Size"] == "600 400"
    assert response.headers["X-Result-Size"] == "600 400"
    assert numbers(response, "X-Input-Foreground") == bounds(image)
    assert numbers(response, "X-Result-Foreground") == bounds(image)
    assert Decimal(response.headers["X-Credits-Charged"]) > 0
    assert "X-Credits-Calculated" not in response.headers


def test_a_test_is_free_and_marked(client: Client) -> None:
    response, plain = client.cut_out({"test": "true"}), client.cut_out()
    assert response.headers["X-Credits-Charged"] == "0"
    assert response.headers["X-Credits-Calculated"] == plain.headers["X-Credits-Charged"]
    marked, clean = pixels(opened(response)), pixels(opened(plain))
    changed = (marked != clean).any(axis=2)
    assert 0.02 < changed[clean[..., 3] > 0].mean() < 0.5
    assert (marked[..., 3] == clean[..., 3]).all()


def test_crop_margin_and_target(client: Client) -> None:
    plain = numbers(client.cut_out(), "X-Input-Foreground")
    response = client.cut_out(
        {
            "result.crop_to_foreground": "true",
            "result.margin": "10% 50px",
            "result.target_size": "300 500",
            "result.vertical_alignment": "bottom",
        }
    )
    image = opened(response)
    assert image.size == (300, 500)
    assert response.headers["X-Result-Size"] == "300 500"
    assert numbers(response, "X-Input-Foreground") == plain
    top, left, width, height = numbers(response, "X-Result-Foreground")
    assert [top, left, width, height] == bounds(image)
    assert (left, width, top + height) == (50, 200, 450)


def test_crop_alone_keeps_colours_exact(client: Client) -> None:
    response = client.cut_out({"result.crop_to_foreground": "true"})
    top, left, width, height = numbers(response, "X-Input-Foreground")
    result = pixels(opened(response))
    part = ORIGINAL[top : top + height, left : left + width]
    assert result.shape[:2] == part.shape[:2]
    assert (result[result[..., 3] > 0][:, :3] == part[result[..., 3] > 0]).all()
    assert numbers(response, "X-Result-Foreground") == [0, 0, width, height]


def test_margin_alone_surrounds(client: Client) -> None:
    response = client.cut_out({"result.margin": "1px 2px 3px 4px"})
    top, left, width, height = numbers(response, "X-Input-Foreground")
    assert opened(response).size == (606, 404)
    assert numbers(response, "X-Result-Foreground") == [top + 1, left + 4, width, height]


def test_background_color_makes_a_jpeg(client: Client) -> None:
    response = client.cut_out({"background.color": "#0055FF", "output.jpeg_quality": "100"})
    image = opened(response)
    assert (image.format, response.headers["Content-Type"]) == ("JPEG", "image/jpeg")
    assert np.abs(pixels(image, "RGB")[5, 5].astype(int) - [0, 0x55, 0xFF]).max() <= 3


def test_background_color_with_png_is_opaque_and_exact(client: Client) -> None:
    fields = {"background.color": "#0055FF", "output.format": "png", "result.margin": "7px"}
    image = opened(client.cut_out(fields))
    assert (image.format, image.mode) == ("PNG", "RGB")
    assert pixels(image, "RGB")[0, 0].tolist() == [0, 0x55, 0xFF]


def test_jpeg_without_a_color_stands_on_white(client: Client) -> None:
    image = opened(client.cut_out({"output.format": "jpeg"}))
    assert image.format == "JPEG"
    assert pixels(image, "RGB")[5, 5].min() >= 250


def test_jpeg_quality_decides_the_size(client: Client) -> None:
    coarse, usual, fine = (
        len(client.cut_out({"output.format": "jpeg"} | quality).content)
        for quality in ({"output.jpeg_quality": "10"}, {}, {"output.jpeg_quality": "95"})
    )
    assert coarse < usual < fine


def test_max_pixels_shrinks_and_boxes_stay_in_input_coordinates(client: Client) -> None:
    large = numbers(client.cut_out(), "X-Input-Foreground")
    response = client.cut_out({"max_pixels": "60000"})
    assert response.headers["X-Input-Size"] == "600 400"
    assert response.headers["X-Result-Size"] == "300 200"
    assert opened(response).size == (300, 200)
    box = numbers(response, "X-Input-Foreground")
    assert max(abs(a - b) for a, b in zip(box, large, strict=True)) <= 20
    assert numbers(response, "X-Result-Foreground") == bounds(opened(response))


def test_transparency_of_the_input_stays(client: Client) -> None:
    with Image.open(io.BytesIO(COFFEE)) as image:
        holed = image.convert("RGBA")
    holed.paste((0, 0, 0, 0), (250, 150, 350, 250))
    result = pixels(opened(client.cut_out(image=encoded(holed))))
    assert not result[160:240, 260:340].any()
    assert (result[..., 3] == 255).mean() > 0.1


@pytest.mark.parametrize("color", ["white", "black"])
def test_a_picture_of_nothing_still_gets_an_answer(client: Client, color: str) -> None:
    nothing = encoded(Image.new("RGB", (20, 10), color))
    response = client.cut_out({"result.crop_to_foreground": "true"}, image=nothing)
    assert opened(response).size == tuple(numbers(response, "X-Result-Size"))


def test_one_pixel(client: Client) -> None:
    fields = {"test": "true", "result.target_size": "3 3"}
    response = client.cut_out(fields, image=encoded(Image.new("RGB", (1, 1), "red")))
    assert opened(response).size == (3, 3)


def test_a_colour_profile_is_kept(client: Client) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    with Image.open(io.BytesIO(CAT)) as image:
        data = encoded(image, icc_profile=profile)
    assert opened(client.cut_out(image=data)).info["icc_profile"] == profile
