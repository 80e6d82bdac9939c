"""The images that the service's suite sends: a cup of coffee, 300 x 200, in many forms."""

import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from tests.unit.pictures import grey_ink

_COFFEE = Path(__file__).parents[2] / ".tools/photographs/skimage/data/coffee.png"

SIZE = (300, 200)


@dataclass(frozen=True)
class Sample:
    """An image file."""

    data: bytes
    form: str = "png"

    @property
    def name(self) -> str:
        return f"sample.{self.form}"

    @property
    def mime_type(self) -> str:
        return f"image/{self.form}"

    @property
    def part(self) -> tuple[str, bytes, str]:
        """As a part of a multipart form."""
        return self.name, self.data, self.mime_type


@cache
def cup() -> Image.Image:
    with Image.open(_COFFEE) as image:
        return image.convert("RGB").resize(SIZE)


def sample(form: str = "png", image: Image.Image | None = None, **options: Any) -> Sample:
    """The cup, or another image, as a file of one of Pillow's formats."""
    file = io.BytesIO()
    (image or cup()).save(file, form, **options)
    return Sample(file.getvalue(), form)


def lying(form: str) -> Sample:
    """The cup on its side, with the EXIF orientation that puts it upright."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    return sample(form, cup().transpose(Image.Transpose.ROTATE_90), exif=exif)


def followed(form: str) -> Sample:
    """The cup, and after it a second picture of another kind."""
    second = Image.new("RGB", SIZE, "white")
    return sample(form, save_all=True, append_images=[second])


def padded(size: int) -> Sample:
    """The cup as a PNG of so many bytes, filled up with a chunk that no reader knows."""
    overhead = 12
    filling = PngInfo()
    filling.add(b"paDd", bytes(size - len(sample().data) - overhead))
    return sample(pnginfo=filling)


def sixteen_bits() -> Sample:
    """The cup in grey of 16 bits."""
    grey = np.asarray(cup().convert("L")).astype(np.uint16) * 257
    return sample(image=Image.fromarray(grey))


def floating() -> Sample:
    """The cup in grey of 32 bits, from 0.0 to 0.5, as a TIFF."""
    grey = np.asarray(cup().convert("L")).astype(np.float32)
    return sample("tiff", Image.fromarray((grey - grey.min()) / np.ptp(grey) / 2))


def inked() -> Sample:
    """The cup in black ink of CMYK, under other inks that its profile makes invisible."""
    tinted = ImageOps.invert(cup())
    inks = Image.merge("CMYK", (*tinted.split(), ImageOps.invert(cup().convert("L"))))
    return sample("jpeg", inks, icc_profile=grey_ink())


def holed() -> Sample:
    """The cup with a transparent square in its middle, from 130, 80 to 170, 120."""
    image = cup().convert("RGBA")
    image.paste((0, 0, 0, 0), (130, 80, 170, 120))
    return sample(image=image)
