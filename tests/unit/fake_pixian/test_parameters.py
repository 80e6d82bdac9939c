import pytest

from local.fake_pixian.errors import FieldError
from local.fake_pixian.parameters import Parameters, read_parameters


def test_defaults() -> None:
    parameters = read_parameters({})
    assert parameters == Parameters()
    assert (parameters.max_pixels, parameters.jpeg_quality) == (25_000_000, 75)
    assert (parameters.output_format, parameters.vertical_alignment) == ("auto", "middle")


def test_every_field() -> None:
    fields = {
        "test": "true",
        "max_pixels": "100",
        "background.color": "#0055fF",
        "result.crop_to_foreground": "true",
        "result.margin": "1.5px",
        "result.target_size": "1920 1080",
        "result.vertical_alignment": "bottom",
        "output.format": "delta_png",
        "output.jpeg_quality": "1",
    }
    parameters = read_parameters({name: [value] for name, value in fields.items()})
    assert parameters.test
    assert parameters.max_pixels == 100
    assert parameters.background == (0, 0x55, 0xFF)
    assert parameters.crop_to_foreground
    assert parameters.margin.left == (1.5, "px")
    assert parameters.target_size == (1920, 1080)
    assert parameters.vertical_alignment == "bottom"
    assert parameters.output_format == "delta_png"
    assert parameters.jpeg_quality == 1


@pytest.mark.parametrize(
    ("name", "values"),
    {
        "test": ["True", "1", "yes", "", " true"],
        "max_pixels": ["99", "25000001", "1e6", "1000.0", "-100", "+100", " 100", "", "\u0661000"],
        "background.color": ["0055FF", "#05F", "#0055FF00", "#GG0000", "white", "", "#0055FF\n"],
        "result.crop_to_foreground": ["TRUE", "on", ""],
        "result.margin": ["5", "", "auto"],
        "result.target_size": ["1920", "1920x1080", "0 10", "10 0", "1920  1080", "-1 5", "1.5 2"],
        "result.vertical_alignment": ["center", "Top", ""],
        "output.format": ["jpg", "PNG", "webp", "delta-png", ""],
        "output.jpeg_quality": ["0", "101", "75.0", ""],
        "unknown": ["x"],
        "background_color": ["#0055FF"],
        "Test": ["true"],
    }.items(),
)
def test_what_is_refused_is_named(name: str, values: list[str]) -> None:
    for value in values:
        with pytest.raises(FieldError) as caught:
            read_parameters({name: [value]})
        assert caught.value.message.startswith(f"{name}: ")
        assert caught.value.status == 400


def test_a_repeated_field_is_refused() -> None:
    with pytest.raises(FieldError, match="test: repeated"):
        read_parameters({"test": ["true", "true"]})
