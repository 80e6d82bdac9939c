"""Drop images, wait, and show what came back: `make demo`."""

import json
import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import Self

from tqdm import tqdm

from admin.config import in_force
from admin.errors import UserError
from admin.stack import STACK_FILE, Stack, running_here
from local.endings import Dropped, Ending, wait_for
from local.ministack import ROOT
from local.page import Exhibit, Shown, page
from local.world import (
    DIRECTORY,
    configuration_from_environment,
    exit_on_signal,
    pixian_from_environment,
    world,
)
from pixian_s3.config.document import Configuration
from pixian_s3.config.parameters import Value

_PHOTOGRAPHS = ROOT / ".tools/photographs/skimage/data"
_DEFAULT_IMAGES = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
_CONFIGURATION = ROOT / "local/demo.json"
_PATIENCE_SECONDS = 240


@dataclass(frozen=True)
class Plan:
    """What the environment asks for.

    Attributes:
        images: files to drop.
        prefix: to drop them under; None for every prefix that is configured.
        out: where to put what comes back.
    """

    images: tuple[Path, ...]
    prefix: str | None
    out: Path

    @classmethod
    def read(cls) -> Self:
        """From IMAGES, PREFIX and OUT; a person's own images go under one prefix only."""
        named = _named_images(os.environ.get("IMAGES", ""))
        prefix = os.environ.get("PREFIX") or ("" if named else None)
        images = named or tuple(_PHOTOGRAPHS / name for name in _DEFAULT_IMAGES)
        return cls(images, prefix, Path(os.environ.get("OUT") or "demo-out"))

    def prefixes(self, configuration: Configuration) -> list[str]:
        """The prefixes to drop each image under.

        Raises:
            UserError: none of them is processed.
        """
        wanted = ["", *configuration.prefixes] if self.prefix is None else [self.prefix]
        enabled = [p for p in wanted if configuration.settings_for(p).flag("pipeline.enabled")]
        if not enabled:
            raise UserError(f"The configuration disables the prefix {self.prefix!r}.")
        return enabled


def _named_images(names: str) -> tuple[Path, ...]:
    found = [
        Path(match)
        for name in shlex.split(names)
        for match in sorted(glob(name)) or [name]  # noqa: PTH207 - it may be absolute
    ]
    for image in found:
        if not image.is_file():
            raise UserError(
                f"IMAGES: there is no file {image}. (Put a name with spaces in quotes.)"
            )
    if len({image.name for image in found}) < len(found):
        raise UserError("IMAGES: two files have the same name, and would have the same key.")
    return tuple(found)


def main() -> int:
    """Run the demo; 0 if every image came back, else 1."""
    exit_on_signal()
    plan = Plan.read()
    with _stack() as stack:
        exhibits = _show(plan, stack)
    index = plan.out / "index.html"
    index.write_text(page(exhibits, _cut_out_by()))
    shown = [one for exhibit in exhibits for one in exhibit.shown]
    failed = [one for one in shown if not one.after]
    for one in failed:
        print(f"{one.key}: {one.problem}", file=sys.stderr)
    print(f"{len(shown) - len(failed)} of {len(shown)} results came back: {index}")
    return min(len(failed), 1)


def _cut_out_by() -> str:
    return os.environ.get("PIXIAN_ENDPOINT") or "the stand-in on this machine, not by Pixian itself"


@contextmanager
def _stack() -> Iterator[Stack]:
    """The stack that `make local` runs, or one of our own."""
    if stack := running_here(STACK_FILE):
        print("Using the stack that is running here.")
        yield stack
        return
    print("Starting Pixian's stand-in and the local AWS, then building and deploying the stack …")
    with world(
        DIRECTORY / "demo",
        pixian=pixian_from_environment(),
        configuration=configuration_from_environment() or _CONFIGURATION.read_bytes(),
    ) as started:
        yield started


def _show(plan: Plan, stack: Stack) -> list[Exhibit]:
    configuration = in_force(stack)
    prefixes = plan.prefixes(configuration)
    dropped = {(i, p): _drop(i, p, stack) for i in plan.images for p in prefixes}
    waiting = wait_for(list(dropped.values()), stack, _PATIENCE_SECONDS)
    # tqdm's thread that watches over slow bars would outlive the program's end.
    tqdm.monitor_interval = 0
    endings = dict(tqdm(waiting, total=len(dropped), unit="image"))
    return [
        Exhibit(
            image.name,
            _copy(image, plan.out),
            [
                _collect(
                    dropped[image, p],
                    endings.get(dropped[image, p]),
                    configuration.settings_for(p).values,
                    plan.out,
                    stack,
                )
                for p in prefixes
            ],
        )
        for image in plan.images
    ]


def _drop(image: Path, prefix: str, stack: Stack) -> Dropped:
    key = prefix + image.name
    with image.open("rb") as body:
        put = stack.client("s3").put_object(Bucket=stack.outputs["InputBucket"], Key=key, Body=body)
    return Dropped(key, put["ETag"].strip('"'))


def _copy(image: Path, out: Path) -> str:
    copy = _file(out / "before", image.name)
    shutil.copyfile(image, copy)
    return copy.relative_to(out).as_posix()


def _collect(
    dropped: Dropped,
    ending: Ending | None,
    parameters: Mapping[str, Value],
    out: Path,
    stack: Stack,
) -> Shown:
    """Bring one result to the output folder, its metadata beside it."""
    if ending is None:
        problem = f"nothing came in {_PATIENCE_SECONDS} s"
        return Shown(dropped.key, parameters, None, {}, problem)
    if ending.report:
        return Shown(dropped.key, parameters, None, {}, ending.report["error"])
    after = _file(out / "after", ending.key)
    stack.client("s3").download_file(stack.outputs["OutputBucket"], ending.key, str(after))
    metadata = after.with_name(after.name + ".metadata.json")
    metadata.write_text(json.dumps(ending.metadata, indent=2) + "\n")
    shown = after.relative_to(out).as_posix()
    return Shown(dropped.key, parameters, shown, ending.metadata, None)


def _file(folder: Path, key: str) -> Path:
    """Where an object is kept, with all folders made; no key leads out of the folder."""
    parts = [part for part in key.split("/") if part not in ("", ".", "..")]
    file = folder.joinpath(*parts)
    file.parent.mkdir(parents=True, exist_ok=True)
    return file


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("Stopped.")
    except UserError as error:
        sys.exit(str(error))
