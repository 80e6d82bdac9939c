"""Small or ordinary-looking files that took minutes or gigabytes, or passed for what they aren't.

Each is whole, so that only its structure tells it from an honest picture.
"""

import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from functools import cache, partial

from tests.builders import picture
from tests.fuzz.hostile import in_png
from tests.fuzz.samples import chunk, sample, within

type Named = tuple[str, Callable[[], bytes]]


def costly() -> Iterator[Named]:
    """Files that must be refused for what they would cost."""
    yield "10000 scans.jpg", partial(progressive, 8000, 4000, 10_000)
    yield "8 million segments.jpg", partial(_in_jpeg, b"\xff\xfe\0\2", 8_000_000)
    yield "31 MB of padding.jpg", partial(_in_jpeg, b"\xff", 31_000_000)
    yield "one huge tile.tif", partial(tiled, (100, 100), (42_000, 43_000))
    yield "46 large tiles.tif", partial(tiled, (1, 1_000_000), (22_000, 22_000))
    yield "one huge strip.tif", partial(tiff, {256: 11_300, 257: 11_300, 277: 4, 258: 64})
    yield "20 million depths.tif", partial(_long_tag, 258, 20_000_000)
    yield "large EXIF data.tif", partial(_long_exif_tiff, 10_000_000)
    yield "80 MB of comments.gif", partial(commented_gif, 27_000_000)
    yield "2 million chunks.png", partial(in_png, b"prVt", b"", 2_000_000)
    yield "pixels in 2 million chunks.png", partial(_scattered_png, 2_000_000)
    yield "header of 64 MB.bmp", partial(_long_header_bmp, 64 << 20)
    yield "larger than its header says.avif", lying_avif
    yield "too large.avif", partial(sized_avif, 40_000, 40_000)


def at_limits() -> Iterator[Named]:
    """Files that cost as much as one may."""
    yield "100 scans.jpg", partial(progressive, 11_300, 11_300, 100)
    yield "31 MB of metadata.jpg", partial(_in_jpeg, b"\xff\xe2\xff\xff" + bytes(65_533), 473)
    yield "large tiles.tif", partial(tiled, (27_001, 4_000), (27_000, 27_000))
    yield "99000 strips.tif", partial(_strips, 99_000)
    yield "22 MB of comments.gif", partial(commented_gif, 350_000, 62)
    yield "499000 chunks.png", partial(_scattered_png, 499_000)
    yield "5000 swelling profiles.png", partial(_swelling_png, 5_000)
    yield "run lengths.bmp", partial(run_length_bmp, 2_000, 999)


def unusual() -> Iterator[Named]:
    """Files that Pillow can't decode, or takes for an attack."""
    yield "lossless.jpg", lossless_jpeg
    yield "12 bits.jpg", partial(other_jpeg, 0xC1, 12)
    yield "arithmetic.jpg", partial(other_jpeg, 0xC9, 8)
    yield "2 components.jpg", partial(other_jpeg, 0xC0, 8, 2)
    yield "WebP inside.tif", partial(tiff, {259: 50_001}, b"RIFF" + bytes(96))
    yield "Lab with alpha.tif", partial(tiff, {262: 8, 277: 4, 338: 2})
    yield "24-bit grey.tif", partial(tiff, {258: 24})
    yield "big.tif", partial(picture, form="TIFF", big_tiff=True)
    for version in (16, 40, 64):
        yield f"2 bits {version}.bmp", partial(bmp, 2, header=version)
    yield "JPEG inside.bmp", partial(bmp, 24, compression=4)
    yield "large run lengths.bmp", partial(run_length_bmp, 5000, 5000)
    yield "large profile.png", partial(profiled_png, 5 << 20)
    yield "40 MB of text.png", _long_text_png


def progressive(width: int, height: int, scans: int) -> bytes:
    """A grey JPEG whose first scan has all the light, and the others nothing but empty blocks."""
    blocks = -(-width // 8) * -(-height // 8)
    # A table of one code each, the bit 0: the same light as before, and 16,384 empty blocks. The
    # number of empty blocks follows in 14 bits, so that everything consists of zeros.
    tables = _huffman(0x00, 0x00) + _huffman(0x10, 0xE0)
    light, empty = bytes(-(-blocks // 8)), bytes(-(-blocks // 16_384) * 15 // 8 + 1)
    parts = [_QUANTIZATION, _frame(0xC2, 8, (width, height)), tables, _scan(0, 0), light]
    for number in range(scans - 1):
        # First all but the last bit of the other coefficients, then the last bit again and again.
        parts += [_scan(1, 63, 0x10 if number else 0x01), empty]
    return b"\xff\xd8" + b"".join(parts) + b"\xff\xd9"


def lossless_jpeg() -> bytes:
    """A grey JPEG of process 14: each pixel is the same as the one to the left, in one bit."""
    scan = b"\xff\xda\0\x08\1\1\0\1\0\0"
    start = b"\xff\xd8" + _frame(0xC3, 8, (64, 48)) + _huffman(0x00, 0x00)
    return start + scan + bytes(64 * 48 // 8) + b"\xff\xd9"


def other_jpeg(
    process: int, precision: int, components: int = 1, size: tuple[int, int] = (64, 48)
) -> bytes:
    """A JPEG of a process that few programs know, as `SOF` says; its data mean nothing."""
    frame = _frame(process, precision, size, components)
    tables = _QUANTIZATION + _huffman(0x00, 0x00) + _huffman(0x10, 0x00)
    scan = bytes([0xFF, 0xDA, 0, 6 + 2 * components, components])
    scan += b"".join(bytes([number + 1, 0]) for number in range(components)) + b"\0\x3f\0"
    return b"\xff\xd8" + frame + tables + scan + bytes(100) + b"\xff\xd9"


_QUANTIZATION = b"\xff\xdb\0\x43\0" + b"\1" * 64


def _huffman(table: int, value: int) -> bytes:
    return b"\xff\xc4\0\x14" + bytes([table, 1]) + bytes(15) + bytes([value])


def _frame(process: int, precision: int, size: tuple[int, int], components: int = 1) -> bytes:
    width, height = size
    start = struct.pack(">BBHBHHB", 0xFF, process, 8 + 3 * components, precision, height, width, 0)
    layers = b"".join(bytes([number + 1, 0x11, 0]) for number in range(components))
    return start[:-1] + bytes([components]) + layers


def _scan(first: int, last: int, bits: int = 0) -> bytes:
    return b"\xff\xda\0\x08\1\1\0" + bytes([first, last, bits])


def _in_jpeg(more: bytes, times: int) -> bytes:
    return within(picture(form="JPEG"), 2, more * times)


def tiff(changes: dict[int, int], data: bytes | None = None) -> bytes:
    """A grey TIFF of one strip with other tags; as much data as the tags say, if none are given."""
    tags = {256: 64, 257: 48, 258: 8, 259: 1, 262: 1, 273: 0, 277: 1, 278: 2**32 - 1, 279: 0}
    tags |= changes
    if data is None and tags[256] < 1000:
        data = bytes(tags[256] * tags[257] * tags[277] * tags[258] // 8)
    tags |= {273: 10 + 12 * len(tags), 279: len(data or b"")}
    return _directory({tag: (4, 1, value) for tag, value in tags.items()}) + (data or b"")


def tiled(size: tuple[int, int], tile: tuple[int, int]) -> bytes:
    """A grey TIFF of tiles, all of which have the same data, compressed by 1,000."""
    count = -(-size[0] // tile[0]) * -(-size[1] // tile[1])
    data = zlib_zeros(tile[0] * tile[1])
    after = 10 + 12 * 10
    offsets = struct.pack("<I", after + 8 * count) * count
    sizes = struct.pack("<I", len(data)) * count
    tags = {256: size[0], 257: size[1], 258: 8, 259: 8, 262: 1, 277: 1, 322: tile[0], 323: tile[1]}
    entries = {tag: (4, 1, value) for tag, value in tags.items()}
    if count == 1:
        entries |= {324: (4, 1, after), 325: (4, 1, len(data))}
        return _directory(entries) + data
    entries |= {324: (4, count, after), 325: (4, count, after + 4 * count)}
    return _directory(entries) + offsets + sizes + data


def _strips(count: int) -> bytes:
    """A grey TIFF in which each line is a strip; neighbours have different ones."""
    tags = {256: 100, 257: count, 258: 8, 259: 1, 262: 1, 277: 1, 278: 1}
    after = 10 + 12 * (len(tags) + 2)
    entries = {tag: (4, 1, value) for tag, value in tags.items()}
    entries |= {273: (4, count, after), 279: (4, count, after + 4 * count)}
    pixels = after + 8 * count
    offsets = struct.pack("<II", pixels, pixels + 100) * (count // 2)
    return _directory(entries) + offsets + struct.pack("<I", 100) * count + bytes(200)


def _directory(entries: dict[int, tuple[int, int, int]]) -> bytes:
    """The beginning of a TIFF: its tags, each with its type, count and value."""
    packed = (struct.pack("<HHII", tag, *entry) for tag, entry in sorted(entries.items()))
    return struct.pack("<2sHIH", b"II", 42, 8, len(entries)) + b"".join(packed)


def _long_tag(tag: int, count: int) -> bytes:
    tags = {256: 64, 257: 48, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 48, 279: 64 * 48}
    entries = {number: (4, 1, value) for number, value in tags.items()}
    entries[tag] = (3, count, 10 + 12 * len(entries))
    return _directory(entries) + b"\x08\0" * count


def _long_exif_tiff(count: int) -> bytes:
    tags = {256: 64, 257: 48, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 48, 279: 64 * 48}
    exif = 10 + 12 * (len(tags) + 1)
    entries = {number: (4, 1, value) for number, value in tags.items()} | {34_665: (4, 1, exif)}
    numbers = struct.pack("<HHHII", 1, 37_386, 4, count, exif + 18) + bytes(4)
    return _directory(entries) + numbers + b"\1\0\0\0" * count


def commented_gif(blocks: int, letters: int = 2) -> bytes:
    """A GIF with a comment of so many blocks before its picture."""
    file = picture(form="GIF")
    at = file.index(b",", 13 + (3 << (file[10] & 7) + 1 if file[10] & 128 else 0))
    block = bytes([letters]) + b"a" * letters
    return within(file, at, b"!\xfe" + block * blocks + b"\0")


def _long_text_png() -> bytes:
    return in_png(b"tEXt", b"k\0" + bytes(40 << 20))


def _scattered_png(chunks: int) -> bytes:
    file = picture()
    return file[:33] + chunk(b"IDAT", b"") * chunks + file[33:]


def _swelling_png(times: int) -> bytes:
    return in_png(b"iCCP", b"p\0\0" + zlib_zeros(4 << 20), times)


def profiled_png(size: int, mode: str = "RGB", picture_size: tuple[int, int] = (40, 30)) -> bytes:
    """A PNG with a colour profile of so many bytes; none of it can be used."""
    packed = zlib.compress(bytes(size))
    return within(picture(picture_size, mode=mode), 33, chunk(b"iCCP", b"p\0\0" + packed))


def bmp(depth: int, *, header: int = 40, compression: int = 0) -> bytes:
    """A BMP of 64 x 48 pixels with one of the headers, and as much data as they take."""
    start = struct.pack("<HHHH" if header == 12 else "<iiHH", 64, 48, 1, depth)
    start += struct.pack("<I", compression)
    size = 4096 if compression else (64 * depth + 31) // 32 * 4 * 48
    rest = (struct.pack("<I", size) + bytes(header)) if header > 16 else b""
    about = (struct.pack("<I", header) + start + rest)[:header]
    colours = bytes(4 << depth) if depth <= 8 else b""
    offset = 14 + header + len(colours)
    return struct.pack("<2sIII", b"BM", offset + size, 0, offset) + about + colours + bytes(size)


def run_length_bmp(width: int, height: int) -> bytes:
    """A BMP of one byte for each pixel, and another for its count."""
    start = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, 0, 0, 0, 0, 0)
    data = (b"\1\7" * width + b"\0\0") * height + b"\0\1"
    header = struct.pack("<2sIII", b"BM", 0, 0, 14 + 40 + 1024)
    return header + start + bytes(1024) + data


def _long_header_bmp(size: int) -> bytes:
    return b"BM" + bytes(12) + struct.pack("<I", size) + bytes(size)


@cache
def lying_avif() -> bytes:
    """An AVIF of 11,000 x 11,000 pixels whose header says 64 x 64."""
    # Encoding takes 2.4 GB, which should count for another process.
    encoder = (
        "import sys; from PIL import Image; image = Image.new('RGB', (11_000, 11_000)); "
        "image.save(sys.stdout.buffer, 'AVIF', quality=20, speed=10)"
    )
    return resized(subprocess.check_output([sys.executable, "-c", encoder]), 64, 64)


def sized_avif(width: int, height: int) -> bytes:
    """An AVIF whose header says so."""
    return resized(sample("avif"), width, height)


def resized(file: bytes, width: int, height: int) -> bytes:
    """An AVIF or HEIC with another size in its header."""
    at = file.index(b"ispe") + 8
    return file[:at] + struct.pack(">II", width, height) + file[at + 8 :]


def zlib_zeros(size: int) -> bytes:
    """So many zeros, compressed by zlib: always the same block, so that it takes no time."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    rest = packer.compress(bytes(size & 0xFFFFF)) + packer.flush()
    # Adler-32 of zeros: the first sum stays 1, so the second counts them.
    checksum = struct.pack(">HH", size % 65_521, 1)
    return b"\x78\xda" + block * (size >> 20) + rest + checksum
