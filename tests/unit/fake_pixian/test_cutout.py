"""The contract suite always asks for tests, so only here are results without a watermark."""

import numpy as np
import pytest
from PIL import Image

from local.fake_pixian.cutout import load_model, make_cutout
from local.fake_pixian.server import MODEL
from tests.unit.fake_pixian.client import PHOTOGRAPH, pixels


def test_the_foreground_keeps_its_exact_colors_and_the_background_is_zero() -> None:
    original, result = pixels(PHOTOGRAPH, "RGB"), pixels(make_cutout(PHOTOGRAPH, load_model(MODEL)))
    background, foreground = result[..., 3] == 0, result[..., 3] == 255
    assert 0.3 < background.mean() < 0.8
    assert 0.2 < foreground.mean() < 0.6
    assert not result[background].any()
    assert (result[~background][:, :3] == original[~background]).all()


def test_what_is_transparent_stays_so_and_the_rest_is_still_found() -> None:
    with_hole = PHOTOGRAPH.convert("RGBA")
    with_hole.paste((0, 0, 0, 0), (250, 150, 350, 250))
    result = pixels(make_cutout(with_hole, load_model(MODEL)))
    assert not result[150:250, 250:350].any()
    assert (result[..., 3] == 255).mean() > 0.1


@pytest.mark.parametrize("color", ["white", "black"])
@pytest.mark.parametrize("size", [(1, 1), (20, 10), (2000, 1)])
def test_images_without_a_foreground(size: tuple[int, int], color: str) -> None:
    result = make_cutout(Image.new("RGB", size, color), load_model(MODEL))
    assert (result.size, result.mode) == (size, "RGBA")
    assert np.asarray(result).dtype == np.uint8
