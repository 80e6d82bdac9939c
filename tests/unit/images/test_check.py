"""Each sign of trouble: when there is one, and when there is none."""

import io
from collections.abc import Mapping
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageDraw

from pixian_s3.geometry import Box, Size
from pixian_s3.images import check, identify
from pixian_s3.images.check import CannotLook, look, said_in, signs_of
from tests.builders import fresh_seed, make_settings

SIZE = Size(400, 300)
SUBJECT = Box(60, 100, 160, 180)
GREEN = (46, 125, 50)


def subject(box: Box = SUBJECT, size: Size = SIZE, alpha: int = 255) -> Image.Image:
    """A cutout of a disc."""
    image = Image.new("RGBA", size)
    corners = (box.left, box.top, box.left + box.width - 1, box.top + box.height - 1)
    ImageDraw.Draw(image).ellipse(corners, fill=(194, 65, 12, alpha))
    return image


def on(color: tuple[int, int, int], cutout: Image.Image) -> Image.Image:
    ground = Image.new("RGB", cutout.size, color)
    ground.paste(cutout, mask=cutout.getchannel("A"))
    return ground


def encoded(image: Image.Image, form: str = "PNG", **options: Any) -> io.BytesIO:
    file = io.BytesIO()
    image.save(file, form, **options)
    file.seek(0)
    return file


def said(
    result: Box | None = SUBJECT, source: Box | None = SUBJECT, size: Size | None = SIZE
) -> dict[str, str]:
    values = {"Input-Size": size, "Input-Foreground": source, "Result-Foreground": result}
    return {f"X-{name}": " ".join(map(str, value)) for name, value in values.items() if value}


def found(
    image: Image.Image,
    headers: Mapping[str, str] | None = None,
    form: str = "PNG",
    **parameters: Any,
) -> tuple[str, ...]:
    names = {name.replace("_", ".", 1): value for name, value in parameters.items()}
    settings = make_settings(defaults=names)
    return signs_of(encoded(image, form), said() if headers is None else headers, settings)


WHITE = (255, 255, 255)
ON_WHITE: dict[str, Any] = {"background_color": "#FFFFFF"}


def test_a_good_cutout_has_no_sign() -> None:
    assert found(subject()) == ()
    assert found(subject(), {}) == ()


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
@pytest.mark.parametrize("quality", [10, 75])
def test_nor_has_one_on_the_colour_that_was_asked_for(form: str, quality: int) -> None:
    file = encoded(on(GREEN, subject()), form, quality=quality)
    settings = make_settings(defaults={"background.color": "#2E7D32"})
    assert signs_of(file, said(), settings) == ()


# ---- nothing kept -------------------------------------------------------------------------------

NOTHING = Box(0, 0, 0, 0)


def test_a_transparent_result_kept_nothing() -> None:
    assert found(Image.new("RGBA", SIZE), said(NOTHING, NOTHING)) == ("nothing-kept",)
    assert found(Image.new("RGBA", SIZE), {}) == ("nothing-kept",)


def test_so_did_one_of_nothing_but_background() -> None:
    ground = Image.new("RGB", SIZE, WHITE)
    assert found(ground, {}, "JPEG", **ON_WHITE) == ("nothing-kept",)
    assert found(ground, {}, "JPEG", output_format="jpeg") == ("nothing-kept",)
    assert found(on(WHITE, subject()), said(NOTHING, NOTHING), "JPEG", **ON_WHITE) == (
        "nothing-kept",
    )


def test_a_few_stray_pixels_are_nothing() -> None:
    image = Image.new("RGBA", SIZE)
    image.putpixel((200, 150), (0, 0, 0, 255))
    assert found(image, {}) == ("nothing-kept",)


# ---- all kept -----------------------------------------------------------------------------------

WHOLE = Box(0, 0, *SIZE)


def photograph() -> Image.Image:
    return on((90, 110, 130), subject())


def test_an_opaque_result_kept_all() -> None:
    assert found(photograph(), said(WHOLE, WHOLE)) == ("all-kept",)
    assert found(photograph().convert("RGBA"), {}) == ("all-kept",)
    assert found(photograph(), said(WHOLE, WHOLE), "JPEG", **ON_WHITE) == ("all-kept",)


def test_it_did_within_a_margin_and_in_a_picture_that_was_turned() -> None:
    canvas = Image.new("RGBA", (440, 340))
    canvas.paste(photograph(), (20, 20))
    headers = said(Box(20, 20, *SIZE), WHOLE, Size(SIZE.height, SIZE.width))
    assert found(canvas, headers, result_margin="20px") == ("all-kept",)


def test_a_subject_that_reaches_all_sides_is_not_all() -> None:
    disc = subject(WHOLE)
    assert found(disc, said(WHOLE, WHOLE)) == ()
    assert found(on(WHITE, disc), said(WHOLE, WHOLE), "JPEG", **ON_WHITE) == ()


def test_nor_is_a_rectangle_that_the_result_is_cropped_to() -> None:
    box = Image.new("RGBA", (160, 180), (194, 65, 12, 255))
    headers = said(Box(0, 0, 160, 180))
    assert found(box, headers, result_crop_to_foreground=True) == ()


# ---- touches the border -------------------------------------------------------------------------

AT_THE_LEFT = Box(60, 0, 160, 180)


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_a_subject_at_a_border_that_it_does_not_reach_in_the_input_is_odd(form: str) -> None:
    parameters: dict[str, Any] = ON_WHITE if form == "JPEG" else {}
    image: Image.Image = subject(AT_THE_LEFT)
    image = on(WHITE, image) if form == "JPEG" else image
    assert found(image, said(AT_THE_LEFT), form, **parameters) == ("touches-border",)
    assert found(image, said(AT_THE_LEFT, AT_THE_LEFT), form, **parameters) == ()


def test_whether_it_reaches_it_must_be_known() -> None:
    assert found(subject(AT_THE_LEFT), {}) == ()
    assert found(subject(AT_THE_LEFT), said(AT_THE_LEFT, size=None)) == ()


def test_the_border_is_no_sign_in_a_result_that_is_cropped_without_margin() -> None:
    tight = subject(Box(0, 0, 160, 180), Size(160, 180))
    headers = said(Box(0, 0, 160, 180))
    assert found(tight, headers, result_crop_to_foreground=True) == ()
    margin: dict[str, Any] = {"result_crop_to_foreground": True, "result_margin": "0px 5%"}
    assert found(tight, headers, **margin) == ("touches-border",)


@pytest.mark.parametrize(
    ("margin", "touching"),
    [
        ("5%", "top right bottom left"),
        ("5% 0px", "top bottom"),
        ("0px 5% 0px", "right left"),
        ("0px 0px 9px", "bottom"),
        ("0px 0px 0px 9px", "left"),
        ("1px", ""),
    ],
)
def test_margins_are_in_the_order_of_css(margin: str, touching: str) -> None:
    boxes = {
        "top": Box(0, 100, 160, 180),
        "right": Box(60, 240, 160, 180),
        "bottom": Box(120, 100, 160, 180),
        "left": AT_THE_LEFT,
    }
    odd = [
        side
        for side, box in boxes.items()
        if found(subject(box), said(box, box), result_margin=margin)
    ]
    assert odd == touching.split()


def test_a_subject_that_lost_a_part_is_cut_off_wherever_it_is() -> None:
    part = Box(60, 100, 100, 180)
    cut = Image.new("RGBA", SIZE)
    cut.paste(subject().crop((160, 0, 400, 300)), (100, 0))
    assert found(cut, said(part)) == ("touches-border",)
    half_size = subject(Box(30, 50, 80, 90), Size(200, 150))
    assert found(half_size, said(Box(30, 50, 80, 90)), result_target_size="200 150") == ()


# ---- half transparent ---------------------------------------------------------------------------


def test_a_thin_matte_is_half_transparent() -> None:
    assert found(subject(alpha=120)) == ("half-transparent",)


def test_a_soft_edge_is_not() -> None:
    soft = subject()
    alpha = soft.getchannel("A").resize((50, 38)).resize(SIZE, Image.Resampling.BICUBIC)
    soft.putalpha(alpha)
    assert found(soft, {}) == ()


def test_how_much_may_be_half_transparent_is_configurable() -> None:
    part = subject()
    part.paste(subject(alpha=120).crop((0, 60, 400, 120)), (0, 60))
    assert found(part) == ("half-transparent",)
    assert found(part, pipeline={"check_max_half_transparent": 50}) == ()
    assert found(subject(alpha=120), pipeline={"check_max_half_transparent": 100}) == ()


# ---- wrong background ---------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_another_colour_than_asked_for_is_wrong(form: str) -> None:
    assert found(on((215, 255, 255), subject()), None, form, **ON_WHITE) == ("wrong-background",)


def test_transparency_is_wrong_if_a_colour_was_asked_for() -> None:
    assert found(subject(), output_format="png", **ON_WHITE) == ("wrong-background",)


@pytest.mark.parametrize(
    ("ground", "signs"), [(WHITE, ()), (GREEN, ("wrong-background",)), (None, ())]
)
def test_of_a_result_without_margin_the_corners_tell(
    ground: tuple[int, int, int] | None, signs: tuple[str, ...]
) -> None:
    tight = subject(Box(0, 0, 160, 180), Size(160, 180))
    image = on(ground, tight) if ground else _textured(Size(160, 180))
    headers = said(Box(0, 0, 160, 180))
    assert found(image, headers, "JPEG", result_crop_to_foreground=True, **ON_WHITE) == signs


def _textured(size: Size) -> Image.Image:
    """A rectangular subject, which hides the background; dark above, bright below."""
    return Image.linear_gradient("L").resize(size).point(lambda v: v // 2 + 50).convert("RGB")


def test_a_colour_may_be_converted_to_the_profile_of_the_picture() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    # 46, 125, 50 in Adobe RGB.
    file = encoded(on((84, 124, 58), subject()), "JPEG", icc_profile=profile, quality=95)
    settings = make_settings(defaults={"background.color": "#2E7D32"})
    assert signs_of(file, said(), settings) == ()


# ---- small subject ------------------------------------------------------------------------------

SMALL = Box(140, 190, 34, 34)


def test_how_small_a_subject_may_be_is_configurable() -> None:
    tiny, headers = subject(SMALL), said(SMALL, SMALL)
    assert found(tiny, headers) == ("small-subject",)
    assert found(tiny, {}) == ("small-subject",)
    assert found(on(WHITE, tiny), headers, "JPEG", **ON_WHITE) == ("small-subject",)
    assert found(tiny, headers, pipeline={"check_min_fill": 0}) == ()
    assert found(subject(), pipeline={"check_min_fill": 25}) == ("small-subject",)
    assert found(subject(), pipeline={"check_min_fill": 20}) == ()


# ---- files --------------------------------------------------------------------------------------


def test_a_delta_png_is_read_as_the_cutout_that_it_stands_for() -> None:
    delta = subject()
    delta.paste((255, 255, 255, 0), mask=delta.getchannel("A"))
    assert found(delta, output_format="delta_png") == ()
    assert found(delta) == ("nothing-kept",)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "I;16"])
def test_pngs_of_any_kind_are_read(mode: str) -> None:
    image = Image.new(mode, SIZE) if mode == "I;16" else subject().convert(mode)
    form = "TIFF" if mode == "PA" else "PNG"
    assert look(encoded(image, form)).size == SIZE


def test_a_file_is_rewound() -> None:
    file = encoded(subject())
    file.seek(7)
    look(file)
    assert file.tell() == 0


def test_a_large_result_is_looked_at_in_few_pixels() -> None:
    png = look(encoded(subject(size=Size(3000, 2000))))
    jpeg = look(encoded(Image.new("RGB", (3000, 2000)), "JPEG"))
    assert png.sample.size == jpeg.sample.size == (512, 341)
    assert png.size == jpeg.size == (3000, 2000)


def test_a_huge_or_damaged_result_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CannotLook, match="decoded"):
        look(io.BytesIO(encoded(photograph()).getvalue()[:300]))
    # Of many lines, each takes memory of its own.
    monkeypatch.setattr(identify, "MAX_LINES", 299)
    with pytest.raises(CannotLook, match="400 x 300 pixels"):
        look(encoded(subject()))
    monkeypatch.undo()
    monkeypatch.setattr(check, "MAX_PIXELS", 399 * 300)
    with pytest.raises(CannotLook, match="400 x 300 pixels"):
        look(encoded(subject()))


@pytest.mark.parametrize("text", ["", "1", "1 2 3", "a b", "-1 2", "1.5 2", "1 2 3 4 5"])
def test_headers_that_are_not_understood_count_as_missing(text: str) -> None:
    names = ("X-Input-Size", "X-Input-Foreground", "X-Result-Foreground")
    assert said_in(dict.fromkeys(names, text)) == check.Said()


@given(
    st.dictionaries(
        st.sampled_from(["X-Input-Size", "X-Input-Foreground", "X-Result-Foreground"]),
        st.lists(st.integers(0, 10**9), max_size=5).map(lambda n: " ".join(map(str, n))),
    ),
    st.sampled_from(["PNG", "JPEG"]),
)
def test_any_numbers_in_headers_give_signs(headers: dict[str, str], form: str) -> None:
    small = subject(Box(5, 5, 20, 20), Size(40, 30))
    image = on(WHITE, small) if form == "JPEG" else small
    parameters: dict[str, Any] = ON_WHITE if form == "JPEG" else {}
    assert set(found(image, headers, form, **parameters)) <= set(check.SIGNS)


@pytest.mark.parametrize("seed", [fresh_seed()])
def test_pictures_of_any_size_and_subjects_anywhere_give_signs(seed: int) -> None:
    random = Random(seed)  # noqa: S311
    for _ in range(30):
        size = Size(random.randint(1, 900), random.randint(1, 900))
        box = Box(*(random.randint(1, 900) for _ in range(4)))
        image = subject(box, size, random.randint(0, 255))
        assert set(found(image, {})) <= set(check.SIGNS)
        assert set(found(on(WHITE, image), {}, "JPEG", **ON_WHITE)) <= set(check.SIGNS)
