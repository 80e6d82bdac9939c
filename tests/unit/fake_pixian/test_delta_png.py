import io

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

from tests.unit.fake_pixian.client import COFFEE, Client, Pixels, encoded, opened, pixels

IGNORED = {
    "background.color": "#FF0000",
    "result.crop_to_foreground": "true",
    "result.margin": "10px",
    "result.target_size": "50 50",
    "result.vertical_alignment": "top",
}


def oriented(tag: int, form: str) -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = tag
    with Image.open(io.BytesIO(COFFEE)) as image:
        return encoded(image, form, exif=exif)


def upright(data: bytes) -> Pixels:
    with Image.open(io.BytesIO(data)) as image:
        return pixels(ImageOps.exif_transpose(image), "RGBA")


def decoded(delta: Pixels, original: Pixels) -> Pixels:
    from_original = (delta == (255, 255, 255, 0)).all(axis=2)
    return np.where(from_original[..., np.newaxis], original, delta)


@pytest.mark.parametrize(
    ("tag", "form"), [*((tag, "JPEG") for tag in range(1, 9)), (1, "PNG"), (6, "PNG"), (8, "TIFF")]
)
def test_it_decodes_to_the_plain_png(client: Client, tag: int, form: str) -> None:
    data = oriented(tag, form)
    delta = client.cut_out({"output.format": "delta_png"}, image=data)
    plain = client.cut_out({"output.format": "png"}, image=data)
    assert delta.headers["X-Input-Orientation"] == str(tag)
    assert delta.headers["X-Input-Size"] == ("600 400" if tag < 5 else "400 600")
    assert delta.headers["X-Result-Size"] == delta.headers["X-Input-Size"]
    assert (decoded(pixels(opened(delta)), upright(data)) == pixels(opened(plain))).all()
    assert len(delta.content) < len(plain.content) / 3


def test_transparent_pixels_are_black_or_white_and_nothing_else(client: Client) -> None:
    delta = pixels(opened(client.cut_out({"output.format": "delta_png"})))
    clear = delta[delta[..., 3] == 0][:, :3]
    assert {tuple(color) for color in np.unique(clear, axis=0).tolist()} == {
        (0, 0, 0),
        (255, 255, 255),
    }
    assert not (delta[..., 3] == 255).any()


def test_the_watermark_is_written_out(client: Client) -> None:
    delta = client.cut_out({"output.format": "delta_png", "test": "true"})
    plain = client.cut_out({"output.format": "png", "test": "true"})
    assert (pixels(opened(delta))[..., 3] == 255).any()
    assert (decoded(pixels(opened(delta)), upright(COFFEE)) == pixels(opened(plain))).all()


def test_placing_is_ignored(client: Client) -> None:
    delta = client.cut_out({"output.format": "delta_png"})
    ignored = client.cut_out({"output.format": "delta_png"} | IGNORED)
    assert ignored.content == delta.content
    assert ignored.headers["Content-Type"] == "image/png"
    for header in ("X-Result-Size", "X-Result-Foreground", "X-Input-Foreground"):
        assert ignored.headers[header] == delta.headers[header]


def test_what_is_ignored_is_checked_all_the_same(client: Client) -> None:
    fields = {"output.format": "delta_png", "result.margin": "much"}
    assert client.cut_out(fields).status_code == 400


def test_a_shrunk_input_shows_in_the_size(client: Client) -> None:
    response = client.cut_out({"output.format": "delta_png", "max_pixels": "60000"})
    assert response.headers["X-Input-Size"] == "600 400"
    assert response.headers["X-Result-Size"] == "300 200"
