"""Read how image files are built, without decoding them, in bounded memory and time.

Pillow and its libraries believe what a file says about itself. `outline` refuses files whose parts
would cost far more than their pixels, and knows those that Pillow can't decode although Pixian may
take them. `is_whole` tells whether such a file is cut short.
"""

import os
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from typing import IO, NamedTuple

from pixian_s3.errors import Rejected

MAX_SCANS = 100
"""How often a JPEG may go over its pixels: a progressive photograph has about 10 scans, and libtiff
has the same limit. At 128 million pixels, 100 scans without any data take 13 s."""

MAX_TIFF_PART_BYTES = 768 << 20
"""The most that a strip or tile of a TIFF may take, decompressed: libtiff holds a whole one."""

MAX_TIFF_BYTES = 3 << 29
"""The most that all strips or tiles may take: 128 million pixels of 8 bytes, and their padding."""

_MAX_TIFF_TAGS = 65_535
_MAX_TIFF_NUMBERS = 200_000
"""The most numbers in a TIFF's header, which are two for each strip or tile: Pillow makes Python
objects of them, and takes 40 µs for each uncompressed strip."""

_MAX_TIFF_BLOB_BYTES = 256 << 20
"""The most metadata in a TIFF: Pillow keeps them twice."""

_MAX_CAMERA_TAGS, _MAX_SUB_IFDS = 500, 8
"""Of a TIFF that a camera wrote, in each directory, and below the first one."""

_MAX_JPEG_SEGMENTS = 10_000
_MAX_BOXES = 100
_MAX_RUN_LENGTH_PIXELS = 2_000_000
"""The largest run-length encoded BMP that is decoded: Pillow does it in Python, at 2 µs a run."""

_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
SOF = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
"""The markers of a JPEG's frame header."""

# Baseline, extended and progressive, by Huffman's method and by arithmetic coding.
_DECODABLE_SOF = {0xC0, 0xC1, 0xC2, 0xC9, 0xCA}
_PROGRESSIVE_SOF = {0xC2, 0xCA}
# Neither a zero byte, which belongs to the pixels, nor padding, nor what has no segment.
_MARKER = re.compile(rb"\xff[\x02-\xcf\xd8-\xfe]")

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_SAMPLES, _ROWS_PER_STRIP, _PLANES, _TILE_WIDTH, _TILE_HEIGHT = 277, 278, 284, 322, 323
_STRIPS, _TILES = (273, 279), (324, 325)
_EXIF, _GPS, _INTEROPERABILITY, _SUB_IFDS = 34_665, 34_853, 40_965, 330
# TIFF's types of whole numbers, as `struct` names them, and the sizes of the others. Pillow makes
# Python objects of all but bytes and text.
_WHOLE = {3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q"}
_BYTES = {1: 1, 2: 1, 7: 1}
_WIDTHS = {kind: struct.calcsize("=" + form) for kind, form in _WHOLE.items()} | _BYTES
_WIDTHS |= {5: 8, 10: 8, 11: 4, 12: 8}
_WEBP = 50_001
_YCBCR = 6


@dataclass(frozen=True)
class Outline:
    """What a file says about itself.

    Attributes:
        format: JPEG, TIFF or BMP.
        size: Width and height in stored pixels.
        decodable: Whether Pillow knows this kind of file, as far as can be told.
    """

    format: str
    size: tuple[int, int]
    decodable: bool


def outline(file: IO[bytes]) -> Outline | None:
    """Read the structure of a JPEG, TIFF or BMP, and rewind it; None if it isn't one.

    Raises:
        Rejected: Decoding it would take too much memory or time.
    """
    file.seek(0)
    start = file.read(4)
    try:
        if start.startswith(b"\xff\xd8"):
            return _jpeg(file)
        if _is_tiff(file):
            return tiff.outline if (tiff := _tiff(file)) else None
        if start.startswith(b"BM"):
            return bmp.outline if (bmp := _bmp(file)) else None
    finally:
        file.seek(0)
    return None


def is_whole(file: IO[bytes], form: str) -> bool:
    """Whether nothing is missing from a file that `outline` knows; rewinds it.

    A JPEG must have an end marker, and the pixels of a TIFF or BMP must lie within the file.
    """
    try:
        match form:
            case "JPEG":
                return _Scans.of(file).ended
            case "TIFF":
                return (tiff := _tiff(file)) is not None and tiff.is_whole(file)
            case "BMP":
                return (bmp := _bmp(file)) is not None and bmp.end <= _size(file)
            case _:
                return False
    finally:
        file.seek(0)


def jpeg_segments(file: IO[bytes]) -> Iterator[tuple[int, int]]:
    """The segments of a JPEG up to its pixels, and their start, which is included.

    Yields:
        The segment's marker, and where its length is; the file is there.
    """
    file.seek(2)
    for _ in range(_MAX_JPEG_SEGMENTS):
        marker, start = _next_marker(file), file.tell()
        if marker in {None, _SOI, _EOI}:
            return
        yield marker, start
        if marker == _SOS:
            return
        file.seek(start)
        _skip_segment(file)


def heif(file: IO[bytes]) -> tuple[str, tuple[int, int]] | None:
    """Whether it is an AVIF or HEIF, and the largest size in its header; None if it has none."""
    file.seek(0)
    brand, at, size = file.read(12)[4:], 0, _size(file)
    sizes: list[tuple[bytes, bytes]] = []
    for _ in range(_MAX_BOXES):
        file.seek(at)
        head = file.read(16)
        length = int.from_bytes(head[8:] if head[:4] == b"\0\0\0\1" else head[:4])
        if head[4:8] == b"meta":
            sizes += re.findall(rb"ispe\0{4}(.{4})(.{4})", file.read(1 << 20), re.DOTALL)
        at += length
        if length < 8 or at >= size:
            break
    file.seek(0)
    if not (sizes and brand.startswith(b"ftyp")):
        return None
    pairs = ((int.from_bytes(width), int.from_bytes(height)) for width, height in sizes)
    form = "AVIF" if brand[4:] in {b"avif", b"avis"} else "HEIF"
    return form, max(pairs, key=lambda pair: pair[0] * pair[1])


def _size(file: IO[bytes]) -> int:
    return file.seek(0, os.SEEK_END)


class _Frame(NamedTuple):
    """The header of a JPEG's pixels."""

    process: int
    precision: int
    height: int
    width: int
    components: int

    @property
    def decodable(self) -> bool:
        known = self.process in _DECODABLE_SOF and self.components in {1, 3, 4}
        return known and self.precision == 8


def _jpeg(file: IO[bytes]) -> Outline | None:
    frame, scanned = None, 0
    for marker, _ in jpeg_segments(file):
        if marker == _SOS:
            scanned = int.from_bytes(file.read(3)[2:])
        elif marker in SOF and len(header := file.read(8)) == 8:
            frame = _Frame(marker, *struct.unpack(">2xBHHB", header))
    # libjpeg goes over the pixels of a sequential JPEG only once, if its first scan has them all.
    if frame is None or frame.process in _PROGRESSIVE_SOF or scanned < frame.components:
        _require_few_scans(file)
    if frame is None:
        return None
    return Outline("JPEG", (frame.width, frame.height), frame.decodable)


def _require_few_scans(file: IO[bytes]) -> None:
    # Compressed pixels never contain a start of scan, but metadata and what follows the picture
    # may. So there are at most as many scans as starts, which are counted fast.
    file.seek(0)
    starts, last = 0, b""
    while block := file.read(1 << 20):
        starts += block.count(b"\xff\xda") + (last + block[:1] == b"\xff\xda")
        last = block[-1:]
    if starts > MAX_SCANS and _Scans.of(file).number > MAX_SCANS:
        raise Rejected(
            f"The JPEG has more than {MAX_SCANS} scans, which takes too long to decode; an "
            "ordinary photograph has 1 to 10. Export it again as an ordinary (baseline, not "
            "progressive) JPEG, then upload the new file."
        )


class _Scans(NamedTuple):
    """How many scans a JPEG has, counted up to the limit, and whether its end was found."""

    number: int
    ended: bool

    @classmethod
    def of(cls, file: IO[bytes]) -> "_Scans":
        file.seek(2)
        number = segments = 0
        while number <= MAX_SCANS and segments <= _MAX_JPEG_SEGMENTS:
            marker = _next_marker(file)
            if marker is None or marker == _EOI:
                return cls(number, ended=number > 0 and marker == _EOI)
            number += marker == _SOS
            segments += 1
            _skip_segment(file)
        # Many segments are no better than many scans.
        return cls(MAX_SCANS + 1, ended=False)


def _next_marker(file: IO[bytes]) -> int | None:
    """Go on behind the next marker, past padding, pixels and anything else; return its code."""
    block, before = 256, b""
    while data := file.read(block):
        text = before + data
        if found := _MARKER.search(text):
            file.seek(found.end() - len(text), os.SEEK_CUR)
            return text[found.end() - 1]
        before = text[-1:]  # perhaps the first half of a marker
        block = min(4 * block, 1 << 20)
    return None


def _skip_segment(file: IO[bytes]) -> None:
    length = int.from_bytes(file.read(2))
    file.seek(max(0, length - 2), os.SEEK_CUR)


class _Tag(NamedTuple):
    """Where the values of a TIFF's tag are, and how to read them."""

    format: str
    length: int
    at: int

    def values(self, file: IO[bytes], count: int) -> tuple[int, ...]:
        """The first values; fewer if the file ends before."""
        file.seek(self.at)
        width = struct.calcsize(self.format)
        data = file.read(width * min(count, self.length))
        data = data[: len(data) // width * width]
        return struct.unpack(f"{self.format[0]}{len(data) // width}{self.format[1]}", data)


@dataclass(frozen=True)
class _Tiff:
    """The first picture of a TIFF."""

    tags: Mapping[int, _Tag]
    numbers: Mapping[int, int]
    bits: int

    @property
    def outline(self) -> Outline:
        size = self.numbers[_WIDTH], self.numbers[_HEIGHT]
        return Outline("TIFF", size, decodable=self.numbers[_COMPRESSION] != _WEBP)

    @property
    def part(self) -> tuple[int, int]:
        """Width and height of a strip or tile."""
        if _TILES[0] in self.tags and _STRIPS[0] not in self.tags:
            return self.numbers[_TILE_WIDTH], self.numbers[_TILE_HEIGHT]
        return self.numbers[_WIDTH], min(self.numbers[_HEIGHT], self.numbers[_ROWS_PER_STRIP])

    @property
    def parts(self) -> int:
        """The number of strips or tiles."""
        width, height = (max(1, side) for side in self.part)
        across, down = ceil(self.numbers[_WIDTH] / width), ceil(self.numbers[_HEIGHT] / height)
        return across * down * (self.numbers[_SAMPLES] if self._has_planes else 1)

    @property
    def part_bytes(self) -> int:
        """What a strip or tile takes once it is decompressed."""
        width, height = self.part
        samples = 1 if self._has_planes else self.numbers[_SAMPLES]
        # libtiff makes pixels of 4 bytes of YCbCr.
        bits = max(samples * self.bits, 32 if self.numbers[_PHOTOMETRIC] == _YCBCR else 0)
        return width * height * bits // 8

    @property
    def _has_planes(self) -> bool:
        return self.numbers[_PLANES] == 2

    def is_whole(self, file: IO[bytes]) -> bool:
        """Whether every strip or tile lies within the file."""
        offsets, lengths = (
            self.tags[tag].values(file, _MAX_TIFF_NUMBERS) if tag in self.tags else ()
            for tag in (_STRIPS if _STRIPS[0] in self.tags else _TILES)
        )
        size = _size(file)
        return len(offsets) == len(lengths) >= self.parts and all(
            0 < length <= size - offset for offset, length in zip(offsets, lengths, strict=True)
        )


def _tiff(file: IO[bytes]) -> _Tiff | None:
    tags = _tiff_tags(file)
    numbers = {_COMPRESSION: 1, _PHOTOMETRIC: 0, _SAMPLES: 1, _PLANES: 1, _ROWS_PER_STRIP: 2**32}
    numbers |= {_TILE_WIDTH: 1, _TILE_HEIGHT: 1}
    for tag in (*numbers, _WIDTH, _HEIGHT):
        if tag in tags and (values := tags[tag].values(file, 1)):
            numbers[tag] = values[0]
    if min(numbers.get(_WIDTH, 0), numbers.get(_HEIGHT, 0)) <= 0:
        return None
    bits = max(tags[_BITS].values(file, 16), default=1) if _BITS in tags else 1
    tiff = _Tiff(tags, numbers, bits)
    if tiff.part_bytes > MAX_TIFF_PART_BYTES or tiff.part_bytes * tiff.parts > MAX_TIFF_BYTES:
        width, height = tiff.part
        raise Rejected(
            f"The TIFF is stored in {tiff.parts:,} parts of {width:,} x {height:,} pixels, which "
            "take too much memory or time to decode. Export it again with the usual options of "
            "your program, or as PNG or JPEG, then upload the new file."
        )
    return tiff


def _tiff_tags(file: IO[bytes]) -> Mapping[int, _Tag]:
    """The tags of the first picture that have whole numbers.

    Raises:
        Rejected: Its header is too large, including EXIF data.
    """
    layout, at = _layout(file)
    first = _directory(file, layout, at)
    known = [first]
    # Pillow reads these as well when it decodes the pixels.
    for pointer in (_EXIF, _GPS, _INTEROPERABILITY):
        tags = [each.tags[pointer] for each in known if pointer in each.tags]
        known += [_directory(file, layout, at) for tag in tags for at in tag.values(file, 1)]
    entries = max(directory.entries for directory in known)
    numbers = sum(directory.numbers for directory in known)
    size = sum(directory.size for directory in known)
    if entries > _MAX_TIFF_TAGS or numbers > _MAX_TIFF_NUMBERS or size > _MAX_TIFF_BLOB_BYTES:
        raise Rejected(
            f"The TIFF's header is too large to be processed: it has {entries:,} tags of "
            f"{numbers:,} numbers and {size >> 20:,} MB. Export it again without layers and "
            "metadata, or as PNG or JPEG, then upload the new file."
        )
    return first.tags


def tiff_directories(file: IO[bytes]) -> "list[Directory]":
    """The first directory of a TIFF and those below it, which say what its pictures are; rewinds.

    Reads only so many and such small ones as a camera writes; none of a file that isn't a TIFF.
    """
    try:
        if not _is_tiff(file):
            return []
        layout, at = _layout(file)
        first = _directory(file, layout, at, _MAX_CAMERA_TAGS)
        below = first.tags[_SUB_IFDS].values(file, _MAX_SUB_IFDS) if _SUB_IFDS in first.tags else ()
        return [first, *(_directory(file, layout, each, _MAX_CAMERA_TAGS) for each in below)]
    finally:
        file.seek(0)


def _is_tiff(file: IO[bytes]) -> bool:
    file.seek(0)
    start = file.read(4)
    return start[:2] in {b"II", b"MM"} and bool({*start[2:]} & {42, 43})


def _layout(file: IO[bytes]) -> "tuple[_Layout, int]":
    """How a TIFF is written, and where its first directory is."""
    file.seek(0)
    head = file.read(16)
    order, big = "<" if head[:2] == b"II" else ">", 43 in head[2:4]
    layout = _Layout(order, "Q", "Q", 20) if big else _Layout(order, "H", "I", 12)
    return layout, layout.pointer(head[8 if big else 4 :])


class _Layout(NamedTuple):
    """How a TIFF writes numbers: byte order, counts of entries and values, bytes of an entry."""

    order: str
    counter: str
    value: str
    entry: int

    def pointer(self, data: bytes) -> int:
        """The number at the start of the data; 0 if they are too short."""
        return self._number(self.value, data)

    def entries(self, file: IO[bytes]) -> int:
        """The number of entries that follow in the file."""
        return self._number(self.counter, file.read(struct.calcsize("=" + self.counter)))

    def _number(self, form: str, data: bytes) -> int:
        width = struct.calcsize("=" + form)
        return int.from_bytes(data[:width], "little" if self.order == "<" else "big")


class Directory(NamedTuple):
    """A directory of a TIFF.

    Attributes:
        tags: Where its whole numbers are.
        texts: Where its bytes and texts are.
        entries: The number of all entries.
        numbers: How many numbers they have.
        size: How many bytes they take.
    """

    tags: Mapping[int, _Tag]
    texts: Mapping[int, _Tag]
    entries: int = 0
    numbers: int = 0
    size: int = 0

    def number(self, tag: int, file: IO[bytes]) -> int:
        """The first number of a tag; 0 if it is missing."""
        return next(iter(self.tags[tag].values(file, 1)), 0) if tag in self.tags else 0

    def text(self, tag: int, file: IO[bytes]) -> str:
        """The beginning of a text; empty if it is missing."""
        return (
            bytes(self.texts[tag].values(file, 64)).decode("ascii", "replace")
            if (tag in self.texts)
            else ""
        )


def _directory(file: IO[bytes], layout: _Layout, at: int, most: int = _MAX_TIFF_TAGS) -> Directory:
    """Read a directory up to a number of entries; of several for a tag, the first counts."""
    end = _size(file)
    if not 0 < at < end:
        return Directory({}, {})
    file.seek(at)
    entries = layout.entries(file)
    start = file.tell()
    data = file.read(layout.entry * min(entries, most))
    tags: dict[int, _Tag] = {}
    texts: dict[int, _Tag] = {}
    numbers = size = 0
    form = f"{layout.order}HH{layout.value * 2}"
    inline = struct.calcsize("=" + layout.value)
    for number in range(len(data) // layout.entry):
        entry = data[number * layout.entry : (number + 1) * layout.entry]
        tag, kind, count, where = struct.unpack(form, entry)
        length = count * _WIDTHS.get(kind, 0)
        if length <= inline:
            where = start + (number + 1) * layout.entry - inline
        if not length or where + length > end:
            continue  # Pillow skips it, too
        size += length
        numbers += count if kind not in _BYTES else 0
        if kind in _WHOLE:
            tags.setdefault(tag, _Tag(layout.order + _WHOLE[kind], count, where))
        elif kind in _BYTES:
            texts.setdefault(tag, _Tag(layout.order + "B", count, where))
    return Directory(tags, texts, entries, numbers, size)


@dataclass(frozen=True)
class _Bmp:
    """A BMP, and where its pixels end."""

    outline: Outline
    end: int


def _bmp(file: IO[bytes]) -> _Bmp | None:
    size = _size(file)
    file.seek(0)
    head = file.read(38).ljust(38, b"\0")
    offset, header = struct.unpack("<10xII", head[:18])
    compression, length = 0, 0
    if header == 12:
        width, height, bits = struct.unpack("<HH2xH", head[18:26])
    elif 16 <= header <= 64 or header in {108, 124}:
        width, height, bits, compression, length = struct.unpack("<ii2xHII", head[18:38])
        if header < 24:
            compression = length = 0
    else:
        return None
    if width <= 0 or not height:
        return None
    pixels = width * abs(height)
    runs = compression in {1, 2}
    known = not runs or max(pixels, size / 2) <= _MAX_RUN_LENGTH_PIXELS
    if compression in {0, 3, 6}:
        length = (width * bits + 31) // 32 * 4 * abs(height)
    return _Bmp(Outline("BMP", (width, abs(height)), decodable=known), offset + max(1, length))
