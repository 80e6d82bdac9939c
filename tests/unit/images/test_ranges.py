"""Parts of files as one file."""

import io
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixian_s3.images.ranges import Range, joined, spliced

EDITS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 5), st.binary(max_size=5)))


@given(st.binary(min_size=40, max_size=200_000), EDITS, st.integers(1, 70_000))
def test_a_spliced_file_reads_as_if_it_had_been_written(
    content: bytes, wanted: list[tuple[int, int, bytes]], size: int
) -> None:
    edits, expected, at = list[tuple[int, int, bytes]](), b"", 0
    for start, length, data in sorted(wanted):
        if start >= at and start + length <= len(content):
            edits.append((start, start + length, data))
            expected += content[at:start] + data
            at = start + length
    expected += content[at:]
    file = spliced(io.BytesIO(content), *edits)
    assert b"".join(iter(lambda: file.read(size), b"")) == expected
    assert file.seek(0, os.SEEK_END) == file.tell() == len(expected)
    file.seek(-3, os.SEEK_END)
    assert file.read() == expected[-3:]


@pytest.mark.parametrize("at", [0, 3, 4, 7, 100])
def test_ranges_may_be_of_several_files(at: int) -> None:
    one, other = io.BytesIO(b"abcdef"), io.BytesIO(b"123")
    file = joined([Range(one, 2, 6), Range(other, 1, 1), Range(other, 0, 3)])
    file.seek(at)
    assert file.read() == b"cdef123"[at:]
