"""Each parameter, from the configuration document to the pixels of the stored result."""

import io
import json
from typing import Any

import pytest
from PIL import ExifTags, Image, ImageChops

from tests.e2e.conftest import CONFIGURATION, PHOTOGRAPHS, World

SIZE = (240, 160)


def photograph(suffix: str = "PNG") -> bytes:
    file, rights = io.BytesIO(), Image.Exif()
    rights[ExifTags.Base.Copyright] = "Zoe Lecka"
    with Image.open(PHOTOGRAPHS / "coffee.png") as image:
        image.resize(SIZE).save(file, suffix, exif=rights, dpi=(300, 300))
    return file.getvalue()


class Results:
    """The results of one photograph under every prefix."""

    def __init__(self, world: World) -> None:
        self.world = world
        world.control("POST", "reset")
        keys = [prefix + "cup.png" for prefix in CONFIGURATION["prefixes"] if prefix[:2] == "p/"]
        own = {"Metadata": {"sku": "4711"}, "Tagging": "owner=studio"}
        uploaded = [world.upload(key, photograph(), **own) for key in keys]
        self.endings = world.endings(*(each for each in uploaded if "disabled" not in each.key))

    def stored(self, name: str) -> Any:
        return self.world.result(self.endings[f"p/{name}cup.png"].key)

    def image(self, name: str) -> Image.Image:
        """As RGBA; `name` is the prefix below `p/`, or empty for the plain result."""
        with Image.open(io.BytesIO(self.stored(name)["Body"].read())) as image:
            return image.convert("RGBA")

    def said(self, name: str, header: str) -> list[int]:
        return [int(n) for n in self.endings[f"p/{name}cup.png"].metadata[header].split()]


@pytest.fixture(scope="module")
def results(shared: World) -> Results:
    return Results(shared)


def differ(one: Image.Image, other: Image.Image) -> bool:
    if one.size != other.size:
        return True
    return ImageChops.difference(one, other).getbbox(alpha_only=False) is not None


def alpha_at(image: Image.Image, place: tuple[int, int]) -> int:
    return int(image.getchannel("A").getpixel(place))  # type: ignore[arg-type]


def test_without_any_the_cutout_is_transparent_and_of_the_same_size(results: Results) -> None:
    assert results.image("").size == SIZE
    assert alpha_at(results.image(""), (2, 2)) == 0
    assert alpha_at(results.image(""), (112, 60)) == 255


def test_test(results: Results) -> None:
    assert differ(results.image("test/"), results.image(""))
    assert results.endings["p/test/cup.png"].metadata["pixian-credits-charged"] == "0"


def test_max_pixels(results: Results) -> None:
    width, height = results.image("max_pixels/").size
    assert 900 <= width * height <= 1000


def test_background_color(results: Results) -> None:
    red, green, blue, alpha = results.image("background/").getpixel((2, 2))  # type: ignore[misc]
    assert red < 10
    assert green > 245
    assert blue < 10
    assert alpha == 255
    assert results.endings["p/background/cup.png"].key == "p/background/cup.jpg"
    assert results.stored("background/")["ContentType"] == "image/jpeg"


def test_crop_to_foreground(results: Results) -> None:
    _, _, width, height = results.said("crop/", "pixian-input-foreground")
    cropped = results.image("crop/")
    assert cropped.size == (width, height)
    assert cropped.getchannel("A").getbbox() == (0, 0, width, height)


def test_margin(results: Results) -> None:
    with_margin = results.image("margin/")
    assert with_margin.size == (SIZE[0] + 40, SIZE[1] + 20)
    inside = with_margin.crop((20, 10, SIZE[0] + 20, SIZE[1] + 10))
    assert not differ(inside, results.image(""))


def test_target_size(results: Results) -> None:
    assert results.image("target/").size == (300, 100)


def test_vertical_alignment(results: Results) -> None:
    box = results.image("bottom/").getchannel("A").getbbox()
    assert box is not None
    assert box[1] > 200
    assert box[3] == 400


def test_output_format(results: Results) -> None:
    assert results.stored("jpeg/")["ContentType"] == "image/jpeg"
    assert results.endings["p/jpeg/cup.png"].key == "p/jpeg/cup.jpg"


def test_jpeg_quality(results: Results) -> None:
    low, high = results.stored("quality/"), results.stored("jpeg/")
    assert low["ContentLength"] < high["ContentLength"] / 2


def test_delta_png_rebuilt_shows_what_a_plain_png_shows(results: Results) -> None:
    # A transparent pixel has no colour to compare.
    white = Image.new("RGBA", SIZE, "white")
    rebuilt, plain = (Image.alpha_composite(white, results.image(n)) for n in ("rebuild/", ""))
    assert not differ(rebuilt, plain)


def test_delta_png_kept_has_its_foreground_in_transparent_white(results: Results) -> None:
    assert results.image("keep/").getpixel((112, 60)) == (255, 255, 255, 0)


@pytest.mark.parametrize("way", ["url", "base64"])
def test_input(results: Results, way: str) -> None:
    # However the image travels, the result is the same
    assert not differ(results.image(f"{way}/"), results.image(""))
    # And it did travel that way
    calls = results.world.control("GET", "ledger")["requests"]
    assert [call["input"] for call in calls].count(way) == 1


def test_convert(results: Results) -> None:
    # Given WebP, which Pixian refuses
    webp = photograph("WEBP")
    # When it is uploaded where converting is allowed, and where not
    uploaded = [
        results.world.upload(f"p/{prefix}cup.webp", webp) for prefix in ("own/x/", "as-is/")
    ]
    endings = results.world.endings(*uploaded)
    # Then there is a result, or it is rejected
    assert endings["p/own/x/cup.webp"].report is None
    assert endings["p/as-is/cup.webp"].report is not None


def test_result_key(results: Results) -> None:
    assert results.endings["p/named/cup.png"].key == "p/named/done/cup-cut.png"


def test_sidecar(results: Results) -> None:
    beside = json.loads(results.world.result("p/sidecar/cup.png.json")["Body"].read())
    assert beside["result_size"] == {"width": SIZE[0], "height": SIZE[1]}
    assert 0 < beside["credits"]["charged"] < 1


def test_copy_metadata(results: Results) -> None:
    assert results.endings["p/own/cup.png"].metadata["sku"] == "4711"
    assert "sku" not in results.endings["p/cup.png"].metadata


def test_copy_tags(results: Results) -> None:
    found = results.world.client("s3").get_object_tagging(
        Bucket=results.world.stack.outputs["OutputBucket"], Key="p/own/cup.png"
    )
    assert found["TagSet"] == [{"Key": "owner", "Value": "studio"}]


@pytest.mark.parametrize("name", ["", "jpeg/", "rebuild/", "keep/"])
def test_copy_exif(results: Results, name: str) -> None:
    with Image.open(io.BytesIO(results.stored(name)["Body"].read())) as image:
        assert dict(image.getexif()) == {ExifTags.Base.Copyright: "Zoe Lecka"}
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.02)
    with Image.open(io.BytesIO(results.stored("bare/")["Body"].read())) as image:
        assert (dict(image.getexif()), image.info.get("dpi")) == ({}, None)


def test_check(results: Results) -> None:
    beside = json.loads(results.world.result("p/sidecar/cup.png.json")["Body"].read())
    assert beside["check"] == []
    assert {each.metadata["check"] for each in results.endings.values()} == {"ok"}


def test_enabled(results: Results) -> None:
    results.world.wait_for_attempts("p/disabled/cup.png", "skipped")
    assert results.world.result_keys("p/disabled/") == []
