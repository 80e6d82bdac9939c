"""The files that a browser needs to show a picture: a thumbnail and, if it can't, a preview."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pixian_s3.images.convert import convert
from pixian_s3.images.identify import ImageInfo, inspect
from pixian_s3.images.prepare import SHRUNK_PIXELS

_SUFFIXES = {
    "AVIF": (".avif",),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "HEIF": (".heic", ".heif"),
    "JPEG": (".jpg", ".jpeg"),
    "PNG": (".png",),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
}
_NOT_SHOWN = {"HEIF", "TIFF"}
_THUMBNAIL_PIXELS = 200_000


@dataclass(frozen=True)
class Shown:
    """The files of a picture.

    Attributes:
        format: Pillow's name of the picture's format.
        thumbnail: A small copy.
        full: The picture itself, or a preview that a browser can show.
        size: The width and height of `full` as a browser shows it, upright.
    """

    format: str
    thumbnail: Path
    full: Path
    size: tuple[int, int]

    @property
    def is_preview(self) -> bool:
        """Whether `full` isn't the picture itself."""
        return self.format in _NOT_SHOWN


def shown(download: Path, place: Callable[[str, Sequence[str]], Path]) -> Shown:
    """Move an image file to its place, and make the files that a browser needs to show it.

    Args:
        download: The image; it is moved.
        place: Returns a new file of a kind ("", "small" or "preview") with one of some suffixes. A
            browser that opens a file on disk goes by its name, so a picture must not be named like
            a page.

    Raises:
        Rejected: It isn't a whole image in a supported format, or has too many pixels.
    """
    with download.open("rb") as source:
        info = inspect(source)
    file = download.rename(place("", _SUFFIXES[info.format]))
    thumbnail, _ = _converted(file, download, "small", place, _THUMBNAIL_PIXELS)
    if info.format not in _NOT_SHOWN:
        return Shown(info.format, thumbnail, file, _upright(info))
    preview, info_of_preview = _converted(file, download, "preview", place, SHRUNK_PIXELS)
    return Shown(info.format, thumbnail, preview, _upright(info_of_preview))


def _converted(
    file: Path,
    unfinished: Path,
    kind: str,
    place: Callable[[str, Sequence[str]], Path],
    pixels: int,
) -> tuple[Path, ImageInfo]:
    """As the program converts images for Pixian, so that they look the same."""
    with file.open("rb") as source, unfinished.open("w+b") as target:
        info = convert(source, target, pixels)
    return unfinished.rename(place(kind, _SUFFIXES[info.format])), info


def _upright(info: ImageInfo) -> tuple[int, int]:
    lying = info.orientation >= 5
    return (info.height, info.width) if lying else (info.width, info.height)
