"""Read the chunks of a PNG in bounded memory, without Pillow's limits on profiles and text.

A chunk is the length of its data in 4 bytes, its type in 4 letters, the data, and a CRC-32 of type
and data in 4 bytes.
"""

import os
import zlib
from collections.abc import Iterator
from typing import IO, NamedTuple

from pixian_s3.errors import Rejected
from pixian_s3.images.ranges import Range, joined

SIGNATURE = b"\x89PNG\r\n\x1a\n"

MAX_INFLATED_BYTES = 4 << 20
"""Pillow treats a larger ICC profile or text as an attack; in other formats it takes any size."""

_MAX_KEPT_BYTES = 8 << 20
"""The most profiles and text in all: Pillow keeps text eleven times over."""

_MAX_CHUNKS = 500_000
"""A file of 400 MB in pieces of 8 KB, which is the default of libpng, has 50,000."""

_MAX_CRITICAL_BYTES = 1 << 16

_CRITICAL = {b"IHDR", b"PLTE", b"tRNS", b"IEND"}
_DESCRIPTIVE = {b"iCCP", b"eXIf", b"pHYs", b"tEXt", b"zTXt", b"iTXt"}


class Chunk(NamedTuple):
    """Where a chunk starts, with its length, and how many bytes of data it has."""

    kind: bytes
    start: int
    length: int

    @property
    def end(self) -> int:
        """Where the next chunk starts."""
        return self.start + self.length + 12


def is_whole(file: IO[bytes]) -> bool:
    """Whether a PNG has a header, pixels and an end, and all its checksums are right; rewinds it.

    Raises:
        Rejected: It has too many chunks.
    """
    kinds: set[bytes] = set()
    for chunk in chunks(file):
        if not (chunk.kind.isalpha() and _has_its_checksum(file, chunk)):
            break
        if not kinds and chunk.kind != b"IHDR":
            break
        kinds.add(chunk.kind)
    file.seek(0)
    return kinds >= {b"IHDR", b"IDAT", b"IEND"}


def essence(file: IO[bytes]) -> IO[bytes]:
    """A PNG without the chunks that don't matter here, or that Pillow would refuse to read.

    Keeps the header, the palette, the resolution and the pixels, and as much of the profile, EXIF
    data and text as Pillow takes. EXIF data that follow the pixels are put before them, because
    Pillow would have to decode these first. Reads nothing but these and the starts of the others.

    Raises:
        Rejected: It has too many chunks.
    """
    size = file.seek(0, os.SEEK_END)
    ranges, left = [Range(file, 0, len(SIGNATURE))], _MAX_KEPT_BYTES
    pixels, late = 0, list[Range]()  # the number of the first range of pixels
    for chunk in chunks(file):
        wanted = chunk.kind == b"IDAT"
        if chunk.kind in _CRITICAL:
            wanted = chunk.length <= _MAX_CRITICAL_BYTES
        elif chunk.kind in _DESCRIPTIVE and left > 0:
            # One that is too large uses up what is left as well, because finding out takes time.
            weight = _weight(file, chunk)
            left -= weight
            wanted = weight < MAX_INFLATED_BYTES and left >= 0
        if wanted and pixels and chunk.kind == b"eXIf":
            late = [Range(file, chunk.start, chunk.end)] if chunk.end <= size else []
        elif wanted:
            is_first = chunk.kind == b"IDAT" and not pixels
            pixels = len(ranges) if is_first else pixels
            joins = ranges[-1].end == chunk.start and not is_first
            start = ranges.pop().start if joins else chunk.start
            ranges.append(Range(file, start, min(chunk.end, size)))
    ranges[pixels:pixels] = late
    file.seek(0)
    return joined(ranges)


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk as it is written."""
    return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)


def chunks(file: IO[bytes]) -> Iterator[Chunk]:
    """The chunks up to the end, or to where the file ends or goes wrong.

    Raises:
        Rejected: It has too many.
    """
    start = len(SIGNATURE)
    for _ in range(_MAX_CHUNKS):
        file.seek(start)
        head = file.read(8)
        if len(head) < 8 or not head[4:].isalpha():
            return
        yield (chunk := Chunk(head[4:], start, int.from_bytes(head[:4])))
        if chunk.kind == b"IEND":
            return
        start = chunk.end
    raise Rejected(
        f"The PNG consists of more than {_MAX_CHUNKS:,} chunks. Export the image again, then "
        "upload the new file."
    )


def _has_its_checksum(file: IO[bytes], chunk: Chunk) -> bool:
    file.seek(chunk.start + 8)
    checksum, left = zlib.crc32(chunk.kind), chunk.length
    while left and (data := file.read(min(left, 1 << 20))):
        checksum = zlib.crc32(data, checksum)
        left -= len(data)
    return not left and file.read(4) == checksum.to_bytes(4)


def _weight(file: IO[bytes], chunk: Chunk) -> int:
    """How many bytes Pillow makes of a descriptive chunk, counted up to what it takes."""
    if chunk.length >= MAX_INFLATED_BYTES:
        return MAX_INFLATED_BYTES
    file.seek(chunk.start + 8)
    data = file.read(chunk.length)
    # Its name ends with a zero byte. The method of compression follows; in iTXt, a flag that says
    # whether there is one, the method, and two texts that end with zero bytes.
    name, _, rest = data.partition(b"\0")
    if chunk.kind in {b"iCCP", b"zTXt"}:
        if rest[:1] != b"\0":
            return MAX_INFLATED_BYTES  # Pillow refuses another method
        packed = rest[1:]
    elif chunk.kind == b"iTXt" and rest[:1] == b"\1":
        packed = rest[2:].split(b"\0", 2)[-1]
    else:
        return len(data)
    try:
        text = zlib.decompressobj().decompress(packed, MAX_INFLATED_BYTES)
    except zlib.error:
        return len(data)
    return min(len(name) + len(text), MAX_INFLATED_BYTES)
