"""A picture for trial runs, and the names under which `make check-stack` uploads pictures."""

import math
import re
import struct
import zlib
from datetime import datetime

_GROUND, _DISC = bytes((236, 236, 232)), bytes((178, 58, 46))


_NAME = re.compile(r"(.*/)?check-stack-\d{8}T\d{12}Z(\.[^/]*)?", re.DOTALL)


def name(now: datetime, suffix: str) -> str:
    """The name of an upload of `make check-stack`."""
    return f"check-stack-{now:%Y%m%dT%H%M%S%fZ}{suffix}"


def is_named_so(key: str) -> bool:
    """Whether a key ends in such a name."""
    return _NAME.fullmatch(key) is not None


def picture(width: int = 320, height: int = 240) -> bytes:
    """A PNG file of this size in pixels: a disc on a plain background."""
    radius = min(width, height) // 3
    rows = bytearray()
    for y in range(height):
        above = y - height // 2
        half = math.isqrt(radius**2 - above**2) if abs(above) <= radius else 0
        left = width // 2 - half
        rows += b"\0" + _GROUND * left + _DISC * (2 * half) + _GROUND * (width - left - 2 * half)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(bytes(rows)))
    return b"\x89PNG\r\n\x1a\n" + chunks + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)
