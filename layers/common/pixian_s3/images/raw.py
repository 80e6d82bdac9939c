"""Recognize camera RAW files, by their content.

Most of them are TIFFs whose first picture is a small preview. Pixian would be paid for a cutout of
the preview.
"""

from typing import IO

from pixian_s3.images import structure

# Where a format has its signature.
_SIGNATURES = (
    (0, b"II*\0\x10\0\0\0CR\2", "Canon CR2"),
    (4, b"ftypcrx ", "Canon CR3"),
    (6, b"HEAPCCDR", "Canon CRW"),
    (0, b"FUJIFILMCCD-RAW", "Fujifilm RAF"),
    (0, b"IIRO", "Olympus ORF"),
    (0, b"IIRS", "Olympus ORF"),
    (0, b"MMOR", "Olympus ORF"),
    (0, b"IIU\0", "Panasonic RW2"),
    (0, b"FOVb", "Sigma X3F"),
    (0, b"\0MRM", "Minolta MRW"),
)
_LONGEST = 16

_NEW_SUBFILE_TYPE, _PHOTOMETRIC, _MAKE, _DNG_VERSION = 254, 262, 271, 50_706
_REDUCED = 1
# The light that the sensor measured: a colour filter array (TIFF/EP), and DNG's linear RAW.
_OF_SENSOR = {32_803, 34_892}

_FORMATS = {
    "NIKON": "Nikon NEF",
    "SONY": "Sony ARW",
    "PENTAX": "Pentax PEF",
    "SAMSUNG": "Samsung SRW",
    "HASSELBLAD": "Hasselblad 3FR",
}


def camera_raw(file: IO[bytes]) -> str | None:
    """The maker and format of a camera RAW file, empty if unknown; None of any other file.

    Rewinds the file. A TIFF is one if it is a DNG, if a picture in it has the sensor's pixels, or
    if its first picture is a preview of another one and a camera's maker is named.
    """
    file.seek(0)
    start = file.read(_LONGEST)
    file.seek(0)
    for at, signature, name in _SIGNATURES:
        if start[at:].startswith(signature):
            return name
    directories = structure.tiff_directories(file)
    if not directories:
        return None
    first, *below = directories
    make = first.text(_MAKE, file).strip(" \0")
    is_preview = first.number(_NEW_SUBFILE_TYPE, file) & _REDUCED
    kinds = {each.number(_PHOTOMETRIC, file) for each in directories}
    file.seek(0)
    if _DNG_VERSION in first.texts:
        return "DNG"
    if kinds & _OF_SENSOR or (is_preview and below and make):
        return _FORMATS.get(make.upper().partition(" ")[0], "")
    return None
