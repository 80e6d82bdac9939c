"""Files that were made to cost much, each in a process of its own."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fuzz import crafted
from tests.fuzz.cost import cost
from tests.fuzz.run_corpus import MAX_PEAK_MB

SAID = {
    "10000 scans.jpg": "more than 100 scans",
    "8 million segments.jpg": "before its pixels",
    "31 MB of padding.jpg": "before its pixels",
    "one huge tile.tif": "1 parts of 42,000 x 43,000 pixels",
    "46 large tiles.tif": "46 parts of 22,000 x 22,000 pixels",
    "one huge strip.tif": "1 parts of 11,300 x 11,300 pixels",
    "20 million depths.tif": "header is too large",
    "large EXIF data.tif": "header is too large",
    "80 MB of comments.gif": "before its pixels",
    "2 million chunks.png": "more than 500,000 chunks",
    "pixels in 2 million chunks.png": "more than 500,000 chunks",
    "header of 64 MB.bmp": "before its pixels",
    "larger than its header says.avif": "larger than the 64 x 64 pixels that its header states",
    "too large.avif": "40000 x 40000 pixels, but at most 64,000,000",
}


@pytest.mark.parametrize(("name", "make"), [*crafted.costly()])
def test_a_costly_file_is_rejected_for_its_reason_in_bounded_memory(
    name: str, make: Callable[[], bytes], tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_bytes(make())
    measured = cost(file)
    assert measured.rejected is not None
    assert SAID[name] in measured.rejected
    # None of them gets as far as the pixels.
    assert measured.peak_mb < 200 < MAX_PEAK_MB


@pytest.mark.parametrize(("name", "make"), [*crafted.unusual()])
def test_an_unusual_file_is_sent_as_it_is_in_bounded_memory(
    name: str, make: Callable[[], bytes], tmp_path: Path
) -> None:
    file = tmp_path / name
    file.write_bytes(make())
    measured = cost(file)
    assert measured.rejected is None
    assert measured.peak_mb < 200 < MAX_PEAK_MB
