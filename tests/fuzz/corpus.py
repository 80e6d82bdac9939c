"""Hostile and broken files, generated from a seed: the same seed gives the same files."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count as numbers

from tests.fuzz import bombs, crafted, hostile, names, samples
from tests.fuzz.samples import sample, seeded

STEP = 100
"""Each sample is cut at every so many bytes."""

# What the configuration of the run does to each: nothing, other ways in, and conversions.
PREFIXES = ("", "shoes/", "url/", "base64/", "delta/", "small/")

_SUFFIXES = ("jpg", "png", "gif", "tif", "bmp", "webp", "avif", "heic", "txt", "")
_HEADER_BYTES = 200


@dataclass(frozen=True)
class Case:
    """A file to be: its kind, a name for people, its key, and how to make it."""

    kind: str
    name: str
    key: str
    make: Callable[[], bytes]


def corpus(seed: int, count: int) -> Iterator[tuple[str, str, bytes]]:
    """So many files: name, key and content."""
    for case in plan(seed, count):
        yield f"{case.kind}: {case.name}", case.key, case.make()


def plan(seed: int, count: int) -> list[Case]:
    """So many cases: some of each kind if they are few, ever more changed ones if many."""
    fixed = [*_fixed(seed)]
    changed = _changed(seed)
    if len(fixed) < count:
        return fixed + [next(changed) for _ in range(count - len(fixed))]
    # As many of them changed as a full corpus has, at least.
    share = count // 4
    chosen = sorted(seeded(seed, "choice").sample(range(len(fixed)), count - share))
    return [fixed[number] for number in chosen] + [next(changed) for _ in range(share)]


def _fixed(seed: int) -> Iterator[Case]:
    of_kinds: dict[str, Iterator[bombs.Bomb]] = {
        "whole": ((name, partial(sample, name)) for name in samples.NAMES),
        "odd mode": iter(samples.odd_ones()),
        "claimed size": bombs.claims(),
        "swelling": bombs.swelling(),
        "costly": crafted.costly(),
        "at the limits": crafted.at_limits(),
        "unusual": crafted.unusual(),
        "hostile block": hostile.blocks(seed),
        "cut short": _truncated(),
    }
    for kind, files in of_kinds.items():
        for number, (name, make) in enumerate(files):
            yield Case(kind, name, _key(seed, kind, number, name), make)
    yield from _wrongly_named()
    for key in names.odd_keys():
        yield Case("odd name", ascii(key[:30]), key, lambda: sample("progressive.jpg"))


def _key(seed: int, kind: str, number: int, name: str) -> str:
    prefix = seeded(seed, kind, name).choice(PREFIXES)
    # A fresh stem each: two files of one stem would be made into the same result.
    return f"{prefix}{kind} {number} {name}"


def _start(name: str, end: int) -> bytes:
    return sample(name)[:end]


def _truncated() -> Iterator[bombs.Bomb]:
    for name in samples.NAMES:
        for end in range(0, len(sample(name)), STEP):
            yield f"at {end}.{name}", partial(_start, name, end)


def _wrongly_named() -> Iterator[Case]:
    for name in samples.NAMES:
        for suffix in _SUFFIXES:
            if not name.endswith(suffix or "-"):
                wrong = f"{name} as {suffix or 'nothing'}"
                key = f"wrong/{wrong}.{suffix}".rstrip(".")
                yield Case("wrong suffix", wrong, key, partial(sample, name))


def _changed(seed: int) -> Iterator[Case]:
    """Every sample in turn with other bytes in its header, then with other bytes anywhere."""
    for number in numbers():
        name = samples.NAMES[number % len(samples.NAMES)]
        in_header = number // len(samples.NAMES) % 2 == 0
        kind = "changed header" if in_header else "changed anywhere"
        make = _mutation(f"{seed} {number}", name, _HEADER_BYTES if in_header else None)
        yield Case(kind, f"{number}.{name}", _key(seed, kind, number, name), make)


def _mutation(seed: str, name: str, within: int | None) -> Callable[[], bytes]:
    def make() -> bytes:
        rng, file = seeded(seed), bytearray(sample(name))
        for _ in range(rng.choice((1, 2, 4, 16))):
            at = rng.randrange(min(within or len(file), len(file)))
            file[at] = rng.choice(
                (0, 0xFF, 0x7F, file[at] ^ 1 << rng.randrange(8), rng.randrange(256))
            )
        return bytes(file)

    return make
