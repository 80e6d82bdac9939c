"""Measure how well the signs of trouble find failures: `make bench-check`.

Photographs get a mask that is drawn here by hand, and from it a cutout as Pixian would send it, for
random parameters. Some are left as they are; the others get a failure that is made on purpose. The
thresholds were chosen with the photographs in `_TUNED_ON`; the others were held out. Prints tables
in Markdown.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from pathlib import Path
from random import Random
from statistics import median

from PIL import Image, ImageChops, ImageDraw, ImageFilter
from tqdm import tqdm

from local.fake_pixian import render
from local.fake_pixian.parameters import Parameters, Size, read_parameters
from pixian_s3.config.document import Settings, parse
from pixian_s3.images import check, identify

type Drawing = Callable[[ImageDraw.ImageDraw], None]
type Headers = dict[str, str]

_PHOTOGRAPHS = Path(__file__).parents[1] / ".tools/photographs/skimage/data"
_TUNED_ON = ("astronaut.png", "coffee.png", "camera.png", "rocket.jpg")
_HELD_OUT = ("chelsea.png", "clock_motion.png")
_BACKGROUNDS = ("#FFFFFF", "#FFFFFF", "#000000", "#F4F1EA", "#2E7D32")
_COST_SIZE = (4000, 3000)
_WHITE = (255, 255, 255)

GOOD = "good"
LEFT_OVER = "background left at the border"
"""The foreground touches a border, and Pixian says that it does so in the input, too."""


def _astronaut(draw: ImageDraw.ImageDraw) -> None:
    draw.ellipse((152, 14, 303, 189), fill=255)
    body = "123,171 57,246 23,377 25,457 69,512 512,512 503,411 457,354 389,343 366,331 349,274"
    draw.polygon(_points(body + " 303,217 291,171"), fill=255)


def _coffee(draw: ImageDraw.ImageDraw) -> None:
    draw.ellipse((76, 54, 478, 388), fill=255)
    draw.ellipse((174, 16, 408, 221), fill=255)


def _camera(draw: ImageDraw.ImageDraw) -> None:
    man = "160,74 194,63 263,86 274,149 326,143 331,183 297,309 229,303 171,377 149,512 23,512"
    draw.polygon(_points(man + " 0,434 0,229 34,183 149,109"), fill=255)
    tripod = "291,194 303,194 400,512 377,512 299,343 246,512 229,512 288,320"
    draw.polygon(_points(tripod), fill=255)


def _chelsea(draw: ImageDraw.ImageDraw) -> None:
    cat = "0,123 31,67 33,0 396,0 379,45 368,67 363,145 324,257 268,300 0,300"
    draw.polygon(_points(cat), fill=255)


def _rocket(draw: ImageDraw.ImageDraw) -> None:
    draw.polygon(_points("310,136 320,127 330,136 334,407 310,407"), fill=255)


def _clock(draw: ImageDraw.ImageDraw) -> None:
    draw.ellipse((140, 94, 278, 214), fill=255)


def _points(text: str) -> list[tuple[int, int]]:
    pairs = (word.split(",") for word in text.split())
    return [(int(x), int(y)) for x, y in pairs]


_DRAWN: dict[str, Drawing] = {
    "astronaut.png": _astronaut,
    "coffee.png": _coffee,
    "camera.png": _camera,
    "chelsea.png": _chelsea,
    "rocket.jpg": _rocket,
    "clock_motion.png": _clock,
}


@dataclass(frozen=True)
class Photograph:
    """A photograph, RGB, and the mask of its subject, L, of the same size."""

    image: Image.Image
    mask: Image.Image


@dataclass(frozen=True)
class Case:
    """An answer.

    Attributes:
        kind: The failure, named by its sign; or `GOOD` or `LEFT_OVER`.
        body: The file.
        headers: What Pixian would say about it.
        settings: What was asked for.
    """

    kind: str
    body: bytes
    headers: Headers
    settings: Settings

    @property
    def truth(self) -> str | None:
        """The sign that it should have."""
        if self.kind == LEFT_OVER:
            return check.TOUCHES_BORDER
        return None if self.kind == GOOD else self.kind


def main() -> None:
    """Make the cases, judge them, and print the tables."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.check", description=__doc__)
    options.add_argument("--seed", type=int, default=Random().randrange(1_000_000))  # noqa: S311
    options.add_argument("--count", type=int, default=40, help="of each failure, per set")
    chosen = options.parse_args()
    print(f"Seed {chosen.seed}, {chosen.count} of each failure in each set.")
    for title, names in (("Tuned on", _TUNED_ON), ("Held out", _HELD_OUT)):
        random = Random(f"{chosen.seed} {title}")  # noqa: S311
        print(f"\n{title}: {', '.join(names)}\n")
        for line in _judged(list(_cases(names, chosen.count, random))):
            print(line)
    print("\nCost at 12 megapixels\n")
    for line in _costs():
        print(line, flush=True)


# ---- the cases ----------------------------------------------------------------------------------


def _cases(names: Sequence[str], count: int, random: Random) -> Iterator[Case]:
    """As many good ones as failures, and `count` of each kind of failure."""
    failures = [*check.SIGNS, LEFT_OVER]
    kinds = [GOOD] * (count * len(failures)) + failures * count
    for number, kind in enumerate(tqdm(kinds, desc="cases", disable=None, leave=False)):
        yield _case(kind, _varied(names[number % len(names)], random), random)


def _varied(name: str, random: Random) -> Photograph:
    """A photograph, perhaps mirrored, at a random size, with a soft edge around its subject."""
    with Image.open(_PHOTOGRAPHS / name) as opened:
        image = opened.convert("RGB")
    mask = Image.new("L", image.size)
    _DRAWN[name](ImageDraw.Draw(mask))
    scale = random.uniform(0.8, 3)
    size = round(image.width * scale), round(image.height * scale)
    image = image.resize(size, Image.Resampling.BICUBIC)
    mask = mask.resize(size, Image.Resampling.BICUBIC)
    mask = _blurred(mask, scale * random.uniform(0.5, 2))
    if random.random() < 0.5:
        flip = Image.Transpose.FLIP_LEFT_RIGHT
        image, mask = image.transpose(flip), mask.transpose(flip)
    return Photograph(image, mask)


def _case(kind: str, photograph: Photograph, random: Random) -> Case:
    form = _form(kind, photograph, random)
    parameters = read_parameters({name: [value] for name, value in form.items()})
    match kind:
        case check.NOTHING_KEPT:
            photograph = replace(photograph, mask=_specks(photograph.mask, random))
        case check.ALL_KEPT:
            photograph = replace(photograph, mask=Image.new("L", photograph.mask.size, 255))
        case check.HALF_TRANSPARENT:
            photograph = replace(photograph, mask=_half(photograph.mask, random))
        case check.SMALL_SUBJECT:
            photograph = replace(photograph, mask=_tiny(photograph.mask, random))
        case _ if kind == LEFT_OVER:
            photograph = replace(photograph, mask=_left_over(photograph.mask, random))
    shift = (0, 0)
    if kind == check.TOUCHES_BORDER:
        shift = _shift(photograph.mask, random, cropped=parameters.crop_to_foreground)
    wrong = _other(parameters, random) if kind == check.WRONG_BACKGROUND else parameters.background
    body, headers = _answer(photograph, parameters, shift, wrong)
    document = {"defaults": {name: _value(value) for name, value in form.items()}}
    return Case(kind, body, headers, parse(json.dumps(document)).settings_for("a.jpg"))


def _value(text: str) -> object:
    return text == "true" if text in {"true", "false"} else text


def _form(kind: str, photograph: Photograph, random: Random) -> dict[str, str]:
    form: dict[str, str] = {}
    opaque = kind == check.WRONG_BACKGROUND or random.random() < 0.5
    if opaque and kind != check.HALF_TRANSPARENT:
        form["background.color"] = random.choice(_BACKGROUNDS)
        if random.random() < 0.3:
            form["output.format"] = "png"
    # A small subject is one in a picture that isn't cropped to it.
    if kind != check.SMALL_SUBJECT and random.random() < 0.4:
        form["result.crop_to_foreground"] = "true"
    if random.random() < 0.4:
        form["result.margin"] = random.choice(("5%", "20px", "2% 8%"))
    if random.random() < 0.3:
        width = photograph.image.width
        form["result.target_size"] = random.choice((f"{width // 2} {width // 2}", "800 600"))
    return form


def _answer(
    photograph: Photograph,
    parameters: Parameters,
    shift: tuple[int, int],
    background: tuple[int, int, int] | None,
) -> tuple[bytes, Headers]:
    """The file and headers that Pixian would send; the picture moved, on a background."""
    cutout = photograph.image.copy()
    cutout.putalpha(photograph.mask)
    cutout.paste((0, 0, 0, 0), mask=photograph.mask.point([255] + [0] * 255))
    size, box = Size(*cutout.size), render.foreground_of(cutout)
    moved = Image.new("RGBA", cutout.size)
    moved.paste(cutout, shift)
    result = render.place(moved, render.lay_out(size, box, parameters))
    headers = {
        "X-Input-Size": _spaced(size),
        "X-Input-Foreground": _spaced(box),
        "X-Result-Size": _spaced(result.size),
        "X-Result-Foreground": _spaced(render.foreground_of(result)),
    }
    if parameters.background and background:
        flat = render.flatten(result, background)
        if parameters.output_format != "png":
            return render.jpeg(flat, parameters.jpeg_quality), headers
        return render.png(flat), headers
    return render.png(result), headers


def _spaced(numbers: tuple[int, ...]) -> str:
    return " ".join(map(str, numbers))


# ---- the failures -------------------------------------------------------------------------------


def _specks(mask: Image.Image, random: Random) -> Image.Image:
    """Nothing, or a few stray pixels."""
    kept = Image.new("L", mask.size)
    for _ in range(random.choice((0, 0, 3))):
        kept.putpixel((random.randrange(mask.width), random.randrange(mask.height)), 255)
    return kept


def _half(mask: Image.Image, random: Random) -> Image.Image:
    """A matte that is thin in at least a third of the subject, or blurred far into it."""
    left, top, right, bottom = mask.getbbox() or (0, 0, 1, 1)
    if random.random() < 0.3:
        return _blurred(mask, 0.25 * min(right - left, bottom - top))
    level = round(255 * random.uniform(0.25, 0.8))
    thin = ImageChops.darker(mask, Image.new("L", mask.size, level))
    where = Image.new("L", mask.size)
    part = top + round((bottom - top) * random.uniform(0.4, 1))
    ImageDraw.Draw(where).rectangle((left, top, right, part), fill=255)
    return Image.composite(thin, mask, where)


def _tiny(mask: Image.Image, random: Random) -> Image.Image:
    """A spot of the subject: a thousandth to 1.5 % of the picture."""
    share = random.uniform(0.001, 0.015)
    half_side = max(2, round((share * mask.width * mask.height) ** 0.5 / 2))
    left, top, right, bottom = mask.getbbox() or (0, 0, *mask.size)
    x = min(max((left + right) // 2, half_side + 1), mask.width - half_side - 2)
    y = min(max((top + bottom) // 2, half_side + 1), mask.height - half_side - 2)
    spot = Image.new("L", mask.size)
    corners = (x - half_side, y - half_side, x + half_side, y + half_side)
    ImageDraw.Draw(spot).ellipse(corners, fill=255)
    return spot


def _left_over(mask: Image.Image, random: Random) -> Image.Image:
    """A patch of the background at a side that the subject doesn't reach."""
    width, height = mask.size
    reach = round(0.12 * min(width, height))
    patches = {
        "left": (-reach, height // 4, reach, height // 2),
        "right": (width - reach, height // 4, width + reach, height // 2),
        "top": (width // 3, -reach, width * 2 // 3, reach),
        "bottom": (width // 3, height - reach, width * 2 // 3, height + reach),
    }
    free = [side for side, gap in zip(patches, _gaps(mask), strict=True) if gap > 2]
    kept = mask.copy()
    ImageDraw.Draw(kept).ellipse(patches[random.choice(free)], fill=255)
    return kept


def _shift(mask: Image.Image, random: Random, *, cropped: bool) -> tuple[int, int]:
    """So far that a quarter of the subject is cut off at a side that it doesn't touch."""
    left, top, right, bottom = mask.getbbox() or (0, 0, 1, 1)
    across, down = (right - left) // 4, (bottom - top) // 4
    gaps = _gaps(mask)
    to_left, to_right, up, down_to = (0, 0, 0, 0) if cropped else gaps
    moves = [(-to_left - across, 0), (to_right + across, 0), (0, -up - down), (0, down_to + down)]
    return random.choice([move for move, gap in zip(moves, gaps, strict=True) if gap > 2])


def _gaps(mask: Image.Image) -> tuple[int, int, int, int]:
    """From the subject to the left, right, top and bottom."""
    left, top, right, bottom = mask.getbbox() or (0, 0, *mask.size)
    return left, mask.width - right, top, mask.height - bottom


def _other(parameters: Parameters, random: Random) -> tuple[int, int, int] | None:
    """Another colour, at least 30 levels away; or transparent."""
    if random.random() < 0.3:
        return None
    asked = parameters.background or _WHITE
    while True:
        other = (random.randrange(256), random.randrange(256), random.randrange(256))
        if max(abs(one - two) for one, two in zip(asked, other, strict=True)) >= 30:
            return other


def _blurred(mask: Image.Image, radius: float) -> Image.Image:
    return mask.filter(ImageFilter.GaussianBlur(radius))


# ---- the tables ---------------------------------------------------------------------------------


def _judged(cases: Sequence[Case]) -> Iterator[str]:
    found = [
        (case, check.signs_of(BytesIO(case.body), case.headers, case.settings)) for case in cases
    ]
    yield _row("sign", "failures", "found", "by mistake", "precision", "recall")
    yield _row("---", *["---:"] * 5)
    for sign in check.SIGNS:
        made = [signs for case, signs in found if case.truth == sign and case.kind != LEFT_OVER]
        wrong = sum(sign in signs for case, signs in found if case.truth != sign)
        yield _scores(f"`{sign}`", len(made), sum(sign in signs for signs in made), wrong)
    left = [signs for case, signs in found if case.kind == LEFT_OVER]
    hits = sum(check.TOUCHES_BORDER in signs for signs in left)
    yield _row(LEFT_OVER, str(len(left)), str(hits), "", "", f"{hits / len(left):.2f}")
    failed = [signs for case, signs in found if case.kind not in {GOOD, LEFT_OVER}]
    good = [signs for case, signs in found if case.kind == GOOD]
    any_good = sum(map(bool, good))
    title = f"any sign, with {len(good)} good cutouts"
    yield _scores(title, len(failed), sum(map(bool, failed)), any_good)


def _scores(name: str, made: int, hits: int, wrong: int) -> str:
    precision = f"{hits / (hits + wrong):.2f}" if hits + wrong else "-"
    return _row(name, str(made), str(hits), str(wrong), precision, f"{hits / made:.2f}")


def _costs() -> Iterator[str]:
    """Of a cutout of `_COST_SIZE` as JPEG and as PNG; noise makes them as large as a camera's."""
    with Image.open(_PHOTOGRAPHS / "coffee.png") as opened:
        image = opened.convert("RGB").resize(_COST_SIZE, Image.Resampling.BICUBIC)
    noise = Image.effect_noise(_COST_SIZE, 8).convert("RGB")
    image = ImageChops.add(image, noise, offset=-128)
    mask = Image.new("L", opened.size)
    _coffee(ImageDraw.Draw(mask))
    photograph = Photograph(image, mask.resize(_COST_SIZE, Image.Resampling.BICUBIC))
    yield _row("result", "MB", "check whether it is whole, ms", "look for signs, ms")
    yield _row("---", *["---:"] * 3)
    forms: dict[str, dict[str, str]] = {"JPEG": {"background.color": "#FFFFFF"}, "PNG": {}}
    for name, form in forms.items():
        parameters = read_parameters({key: [value] for key, value in form.items()})
        body, headers = _answer(photograph, parameters, (0, 0), parameters.background)
        settings = parse(json.dumps({"defaults": form})).settings_for("a.jpg")
        file, mime_type = BytesIO(body), f"image/{name.lower()}"
        whole = _milliseconds(partial(identify.flaw, file, mime_type))
        signs = _milliseconds(partial(check.signs_of, file, headers, settings))
        yield _row(name, f"{len(body) / 1e6:.1f}", whole, signs)


def _milliseconds(run: Callable[[], object]) -> str:
    """Processor time: the least, the median and the most of several runs."""
    times = []
    for _ in range(9):
        began = time.process_time()
        run()
        times.append((time.process_time() - began) * 1000)
    return f"{min(times):.0f} / {median(times):.0f} / {max(times):.0f}"


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
