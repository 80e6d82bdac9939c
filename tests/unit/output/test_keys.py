"""Keys in the output bucket."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixian_s3.errors import Rejected
from pixian_s3.output.keys import file_name, report_key, result_key, why_not_an_image
from tests.builders import make_settings

SETTINGS = make_settings()
CHARACTERS = st.characters(exclude_categories=["Cs"])
KEYS = st.text(CHARACTERS, min_size=1).map(lambda s: s.encode()[:1024].decode(errors="ignore"))
LONG_KEYS = st.text(st.sampled_from("aß€😀/."), min_size=200, max_size=1024).map(
    lambda s: (s * 6).encode()[:1024].decode(errors="ignore")
)


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("shoes/a.jpg", "shoes/a.png"),
        ("a.jpg", "a.png"),
        ("a.b.c.TIFF", "a.b.c.png"),
        ("a.jpg.jpg", "a.jpg.png"),
        ("no suffix", "no suffix.png"),
        ("v1.2/plain", "v1.2/plain.png"),
        (".hidden", ".hidden.png"),
        ("a//b.jpg", "a//b.png"),
        ("/a.jpg", "/a.png"),
        ("./a.jpg", "./a.png"),
        ("été/ü ö+.gif", "été/ü ö+.png"),
    ],
)
def test_a_result_keeps_the_path_and_gets_its_own_suffix(source: str, result: str) -> None:
    assert result_key(source, ".png", SETTINGS) == result


@given(KEYS | LONG_KEYS, st.sampled_from([".png", ".jpg"]))
def test_a_result_key_is_one_that_s3_takes(source: str, suffix: str) -> None:
    try:
        key = result_key(source, suffix, SETTINGS)
    except Rejected:
        return
    assert len(key.encode()) <= 1024


@pytest.mark.parametrize(("length", "fits"), [(1020, True), (1021, False)])
def test_a_name_too_long_for_its_result_is_rejected(length: int, *, fits: bool) -> None:
    if fits:
        assert len(result_key("a" * length, ".png", SETTINGS)) == 1024
    else:
        with pytest.raises(Rejected, match="shorter name"):
            result_key("a" * length, ".png", SETTINGS)


@given(KEYS | LONG_KEYS)
def test_a_report_key_is_one_that_s3_takes(source: str) -> None:
    key = report_key(source)
    assert len(key.encode()) <= 1024
    assert key.endswith(".error.json")


def test_a_report_stands_beside_the_result() -> None:
    assert report_key("shoes/a.jpg") == "shoes/a.jpg.error.json"


@pytest.mark.parametrize("letter", ["a", "€"])
def test_long_keys_that_differ_at_their_end_have_reports_of_their_own(letter: str) -> None:
    long = letter * (1023 // len(letter.encode()))
    assert report_key(long + "1") != report_key(long + "2")


def test_the_report_of_a_long_key_is_not_that_of_a_shorter_one() -> None:
    report = report_key("a" * 1020)
    assert report_key(report.removesuffix(".error.json")) != report


@pytest.mark.parametrize(("key", "name"), [("a/b/ü.jpg", "ü.jpg"), ("a.jpg", "a.jpg")])
def test_pixian_hears_the_last_part_of_the_key(key: str, name: str) -> None:
    assert file_name(key) == name


@pytest.mark.parametrize(
    ("key", "pattern", "expected"),
    [
        ("shoes/a.jpg", "{path}{stem}{suffix}", "shoes/a.png"),
        ("shoes/a.jpg", "{path}{stem}{source_suffix}{suffix}", "shoes/a.jpg.png"),
        ("shoes/a.jpg", "cut/{stem}{suffix}", "cut/a.png"),
        ("a.jpg", "{path}{stem}-cut{suffix}", "a-cut.png"),
        ("{stem}/{x}.jpg", "{path}{stem}{suffix}", "{stem}/{x}.png"),
    ],
)
def test_a_pattern_makes_the_results_key(key: str, pattern: str, expected: str) -> None:
    settings = make_settings(defaults={"pipeline": {"result_key": pattern}})
    assert result_key(key, ".png", settings) == expected


def test_a_sidecar_whose_name_would_be_too_long_is_rejected() -> None:
    settings = make_settings(defaults={"pipeline": {"sidecar": True}})
    assert result_key("a" * 1015, ".png", settings)
    with pytest.raises(Rejected):
        result_key("a" * 1016, ".png", settings)


@pytest.mark.parametrize(
    "name", ["Thumbs.db", "thumbs.DB", "DESKTOP.INI", "desktop.ini", ".DS_Store", "._a.jpg", "._"]
)
@pytest.mark.parametrize("path", ["", "shoes/", "a.jpg/"])
def test_what_windows_and_macos_add_is_no_image(path: str, name: str) -> None:
    assert why_not_an_image(path + name) == (
        "The file was added by Windows or macOS and isn't an image."
    )


@pytest.mark.parametrize(
    "key",
    ["a.jpg", ".a.jpg", "_a.jpg", "._shoes/a.jpg", "Thumbs.db/a.jpg", "Thumbs.db.jpg", "a.db"],
)
def test_other_names_are_those_of_images(key: str) -> None:
    assert why_not_an_image(key) is None
