"""Parts of files, one after the other, read as one file without a copy."""

import io
import itertools
import os
from bisect import bisect_right
from collections.abc import Sequence
from typing import IO, NamedTuple

_BUFFER_BYTES = 1 << 16


class Range(NamedTuple):
    """The bytes of a file from `start` up to `end`."""

    file: IO[bytes]
    start: int
    end: int


def joined(ranges: Sequence[Range]) -> IO[bytes]:
    """The ranges as one file. It is read from theirs, which must stay open."""
    return io.BufferedReader(_Ranges(ranges), _BUFFER_BYTES)


def spliced(file: IO[bytes], *edits: tuple[int, int, bytes]) -> IO[bytes]:
    """A file with parts of it replaced.

    Args:
        file: The file, which must stay open and as it is.
        edits: From where, up to where, and by what it is replaced; in order, without overlaps.
    """
    ranges, at = list[Range](), 0
    for start, end, data in edits:
        ranges += [Range(file, at, start), Range(io.BytesIO(data), 0, len(data))]
        at = end
    return joined([*ranges, Range(file, at, file.seek(0, os.SEEK_END))])


class _Ranges(io.RawIOBase):
    def __init__(self, ranges: Sequence[Range]) -> None:
        self._ranges, self._at = ranges, 0
        self._ends = [*itertools.accumulate(part.end - part.start for part in ranges)]

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._ends[-1]}[whence]
        self._at = max(0, origin + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        number = bisect_right(self._ends, self._at)
        if number == len(self._ends):
            return 0
        left, part = self._ends[number] - self._at, self._ranges[number]
        part.file.seek(part.end - left)
        data = part.file.read(min(left, len(buffer)))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
