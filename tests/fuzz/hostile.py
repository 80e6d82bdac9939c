"""EXIF, ICC and XMP blocks, and other furniture of a file, as no camera writes them."""

import struct
from collections.abc import Callable, Iterator
from functools import partial

from tests.builders import picture
from tests.fuzz.samples import chunk, sample, seeded, within
from tests.unit.pictures import grey_ink, srgb

type Named = tuple[str, Callable[[], bytes]]

_LAUGHS = b'<!DOCTYPE x [<!ENTITY a "ha">%s]>' % b"".join(
    b'<!ENTITY %c "&%c;&%c;&%c;&%c;">' % (name, *[name - 1] * 4) for name in b"bcdefghijkl"
)
_XMP = {
    "laughs": _LAUGHS + b'<x:xmpmeta tiff:Orientation="&l;"/>',
    "no number": b'<x:xmpmeta tiff:Orientation="9999999999999999999999"/>',
    "many": b'<x:xmpmeta tiff:Orientation="6"/>' * 20_000,
    "deep": b"<a>" * 100_000,
    "not UTF-8": b"\xff\xfe\xfd tiff:Orientation=\x00",
}


_WITH_PROFILES = (
    *(("JPEG", "RGB"), ("JPEG", "CMYK"), ("PNG", "RGB"), ("TIFF", "CMYK")),
    *(("WEBP", "RGB"), ("WEBP", "RGBA"), ("AVIF", "RGB")),
)


_ONE_PIXEL = {256: 1, 257: 1, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 1, 279: 1}


def _entry(tag: int, kind: int, count: int, value: int) -> bytes:
    return struct.pack("<HHII", tag, kind, count, value)


def _ifd(*entries: bytes, following: int = 0) -> bytes:
    start = struct.pack("<2sHIH", b"II", 42, 8, len(entries))
    return start + b"".join(entries) + struct.pack("<I", following)


_EXIF = {
    "follows itself": _ifd(_entry(0x112, 3, 1, 6), following=8),
    "points to itself": _ifd(_entry(0x8769, 4, 1, 8), _entry(0x8825, 4, 1, 8)),
    "thumbnail is itself": _ifd(_entry(0x201, 4, 1, 0), _entry(0x202, 4, 1, 2**32 - 1)),
    "4 billion numbers": _ifd(_entry(0x112, 3, 2**32 - 1, 0)),
    "4 billion fractions": _ifd(_entry(0x112, 5, 2**32 - 1, 8)),
    "orientation is text": _ifd(_entry(0x112, 2, 4, 0x61616161)),
    "orientation is huge": _ifd(_entry(0x112, 4, 1, 2**32 - 1)),
    "orientation is nowhere": _ifd(_entry(0x112, 5, 1, 2**32 - 8)),
    "orientation is 1/0": _ifd(_entry(0x112, 5, 1, 26)) + struct.pack("<II", 1, 0),
    "kind of number unknown": _ifd(_entry(0x112, 255, 1, 6)),
    "65535 entries": struct.pack("<2sHIH", b"II", 42, 8, 65535) + _entry(0x112, 4, 1, 6) * 5000,
    "all its maker's": _ifd(_entry(0x927C, 7, 60_000, 8)) + b"\xff" * 60_000,
    "no order": b"XX*\0" + bytes(20),
    "BigTIFF": b"II+\0\x08\0\0\0" + bytes(7) + b"\xff" * 9,
    "nothing": b"",
}


def blocks(seed: int) -> Iterator[Named]:
    """Each block in each format that can carry it."""
    for name, data in _EXIF.items():
        exif = b"Exif\0\0" + data
        yield f"exif {name}.jpg", partial(_app, 1, exif)
        yield f"exif {name}.png", partial(in_png, b"eXIf", data)
        yield f"exif {name}.webp", partial(picture, form="WEBP", exif=exif)
        yield f"exif {name}.heic", partial(picture, form="HEIF", exif=exif)
        yield f"exif {name}.tif", partial(_in_tiff, data)
    for name, profile in _profiles(seed):
        for form, mode in _WITH_PROFILES:
            make = partial(picture, form=form, mode=mode, icc_profile=profile)
            yield f"icc {name}.{mode}.{form.lower()}", make
    for name, data in _XMP.items():
        yield f"xmp {name}.jpg", partial(_app, 1, b"http://ns.adobe.com/xap/1.0/\0" + data)
        yield f"xmp {name}.png", partial(in_png, b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + data)
        yield f"xmp {name}.webp", partial(picture, form="WEBP", xmp=data)
    yield from _furniture()


def _profiles(seed: int) -> Iterator[tuple[str, bytes]]:
    yield "empty", b"\0"
    yield "short", srgb()[:100]
    yield "claims 4 GB", b"\xff" * 4 + srgb()[4:]
    yield "4 billion tags", srgb()[:128] + b"\xff" * 4 + srgb()[132:]
    yield "2 MB", srgb() + bytes(2 << 20)
    yield "for ink", grey_ink()
    for number in range(8):
        rng = seeded(seed, "profile", number)
        profile = bytearray(grey_ink() if number % 2 else srgb())
        for _ in range(12):
            profile[rng.randrange(len(profile))] = rng.randrange(256)
        yield f"changed {number}", bytes(profile)


def _app(number: int, data: bytes) -> bytes:
    """A JPEG with application segments; what is too long for one goes on in the next."""
    parts = [data[at : at + 65_000] for at in range(0, len(data), 65_000)] or [b""]
    marker = bytes([0xFF, 0xE0 + number])
    segments = [marker + struct.pack(">H", len(part) + 2) + part for part in parts]
    return within(picture(form="JPEG"), 2, b"".join(segments))


def in_png(kind: bytes, data: bytes, times: int = 1) -> bytes:
    """A PNG with so many chunks more before its data."""
    return within(picture(), 33, chunk(kind, data) * times)


def _in_tiff(data: bytes) -> bytes:
    """The entries among those of a picture of one pixel."""
    if not data.startswith(b"II*"):
        return data
    one_pixel = (_entry(tag, 4, 1, value) for tag, value in _ONE_PIXEL.items())
    entries = b"".join(one_pixel) + data[10:-4]
    return b"II*\0" + struct.pack("<IH", 8, len(entries) // 12) + entries + data[-4:]


def _furniture() -> Iterator[Named]:
    jpeg, plain = picture(form="JPEG"), picture()
    yield "padded.jpg", partial(within, jpeg, 2, b"\xff" * 500_000)
    yield "junk.jpg", partial(within, jpeg, 20, bytes(500_000))
    segment = b"\xff\xe1\xfd\xea" + b"Exif\0\0".ljust(65_000, b"x")
    yield "exif of 100 parts.jpg", partial(within, jpeg, 2, segment * 100)
    yield "200 of 1 profile.jpg", partial(_app, 2, b"ICC_PROFILE\0\xc8\x01" + bytes(100))
    yield "pictures nowhere.jpg", partial(_app, 2, b"MPF\0" + _EXIF["4 billion numbers"])
    yield "20000 chunks.png", partial(in_png, b"prVt", b"", 20_000)
    yield "chunk of 2 GB.png", partial(within, plain, 33, b"\x7f\xff\xff\xffprVt")
    yield "two headers.png", partial(within, plain, 33, plain[8:33])
    yield "4 billion frames.png", partial(in_png, b"acTL", b"\xff" * 8)
    yield "no data.png", partial(within, plain[:33], 33, chunk(b"IEND", b""))
    yield "comment.gif", _talkative
    yield "box of 2^64.heic", partial(bytes, b"\0\0\0\1ftypheic" + b"\xff" * 8 + bytes(40))
    yield "boxes in boxes.heic", lambda: sample("heic")[:24] + b"\0\0\xff\xffmeta\0\0\0\0" * 4_000


def _talkative() -> bytes:
    file = sample("gif")
    comment = b"!\xfe" + (b"\xff" + b"x" * 255) * 5_000 + b"\0"
    return within(file, file.index(b"!\xff\x0bNETSCAPE"), comment)
