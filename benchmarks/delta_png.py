"""Measure whether delta PNGs save time, against the fake Pixian: `python -m benchmarks.delta_png`.

Each photograph is sent twice in turn, for a `png` and for a `delta_png` that is rebuilt here.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Self

import requests
from PIL import Image

from local.fake_pixian import StandIn
from pixian_s3.images import delta_png

_PHOTOGRAPHS = Path(__file__).parents[1] / ".tools/photographs/skimage/data"
_NAMES = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
_MEGAPIXELS = (2, 12, 25)
_HEADINGS = ("input", "format", "received MB", "call s", "rebuild s", "total s", "stored MB")


@dataclass(frozen=True)
class Run:
    """What an image cost, in bytes and seconds; or many, added up."""

    received: int = 0
    call: float = 0
    rebuild: float = 0
    stored: int = 0

    @property
    def total(self) -> float:
        """Seconds from the request to the file that is stored."""
        return self.call + self.rebuild

    def __add__(self, other: Self) -> Self:
        return type(self)(
            self.received + other.received,
            self.call + other.call,
            self.rebuild + other.rebuild,
            self.stored + other.stored,
        )


def main() -> None:
    """Print the table, in Markdown: means over the photographs, then the ratios."""
    print(_row(*_HEADINGS))
    print(_row(*["---"] + ["---"] + ["---:"] * 5))
    with StandIn(credits=Decimal(1_000_000)) as service:
        _ask(service, _photograph(_NAMES[0], 1), "png")  # the first call finds nothing warm
        for megapixels in _MEGAPIXELS:
            for line in _compared(service, megapixels):
                print(line, flush=True)


def _compared(service: StandIn, megapixels: int) -> Iterator[str]:
    png = rebuilt = Run()
    for name in _NAMES:
        photograph = _photograph(name, megapixels)
        png += _plain(service, photograph)
        rebuilt += _rebuilt(service, photograph)
    yield _measured(f"{megapixels} MP", "png", png)
    yield _measured("", "delta_png", rebuilt)
    yield _row(
        "",
        "ratio",
        f"{rebuilt.received / png.received:.2f}",
        f"{rebuilt.call / png.call:.2f}",
        "",
        f"{rebuilt.total / png.total:.2f}",
        f"{rebuilt.stored / png.stored:.2f}",
    )


def _photograph(name: str, megapixels: int) -> bytes:
    """A photograph enlarged, as a JPEG like a camera's."""
    with Image.open(_PHOTOGRAPHS / name) as small:
        scale = (megapixels * 1_000_000 / (small.width * small.height)) ** 0.5
        size = int(small.width * scale), int(small.height * scale)
        large = small.convert("RGB").resize(size, Image.Resampling.BICUBIC)
    file = BytesIO()
    large.save(file, "JPEG", quality=92)
    return file.getvalue()


def _plain(service: StandIn, photograph: bytes) -> Run:
    body, seconds = _ask(service, photograph, "png")
    return Run(received=len(body), call=seconds, stored=len(body))


def _rebuilt(service: StandIn, photograph: bytes) -> Run:
    body, seconds = _ask(service, photograph, "delta_png")
    result = BytesIO()
    began = time.perf_counter()
    delta_png.rebuild(BytesIO(body), BytesIO(photograph), result)
    rebuild = time.perf_counter() - began
    return Run(len(body), seconds, rebuild, len(result.getvalue()))


def _ask(service: StandIn, photograph: bytes, form: str) -> tuple[bytes, float]:
    """The answer, and the seconds it took; in production mode, as a watermark costs bytes."""
    began = time.perf_counter()
    answer = requests.post(
        f"{service.url}/api/v2/remove-background",
        auth=(service.api_id, service.api_secret),
        files={"image": ("photograph.jpg", photograph, "image/jpeg")},
        data={"output.format": form},
        timeout=180,
    )
    answer.raise_for_status()
    return answer.content, time.perf_counter() - began


def _measured(size: str, form: str, runs: Run) -> str:
    count = len(_NAMES)
    seconds = (f"{value / count:.2f}" for value in (runs.call, runs.rebuild, runs.total))
    megabytes = [f"{value / count / 1e6:.2f}" for value in (runs.received, runs.stored)]
    return _row(size, f"`{form}`", megabytes[0], *seconds, megabytes[1])


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
