"""Drop images, wait, and show what came back: `make demo`."""

import json
import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from admin.errors import UserError
from admin.stack import Stack, running_here
from local.endings import Dropped, Ending, wait_for
from local.ministack import ROOT
from local.page import Exhibit, page
from local.world import (
    DIRECTORY,
    STACK_FILE,
    configuration_from_environment,
    exit_on_signal,
    pixian_from_environment,
    world,
)

_PHOTOGRAPHS = ROOT / ".tools/photographs/skimage/data"
_DEFAULT_IMAGES = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
_PATIENCE_SECONDS = 240


@dataclass(frozen=True)
class Plan:
    """What the environment asks for: files to drop, the prefix to drop them under, where to put
    what comes back."""

    images: tuple[Path, ...]
    prefix: str
    out: Path

    @classmethod
    def read(cls) -> "Plan":
        """From IMAGES, PREFIX and OUT."""
        named = tuple(Path(name) for name in shlex.split(os.environ.get("IMAGES", "")))
        images = named or tuple(_PHOTOGRAPHS / name for name in _DEFAULT_IMAGES)
        for image in images:
            if not image.is_file():
                raise UserError(f"IMAGES: there is no file {image}.")
        return cls(images, os.environ.get("PREFIX", ""), Path(os.environ.get("OUT") or "demo-out"))


def main() -> int:
    """Run the demo; the number of images that didn't make it, at most 1."""
    exit_on_signal()
    plan = Plan.read()
    with _stack() as stack:
        exhibits = list(_send(plan, stack))
    index = plan.out / "index.html"
    index.write_text(page(exhibits))
    failed = [exhibit for exhibit in exhibits if not exhibit.after]
    for exhibit in failed:
        print(f"{exhibit.key}: {exhibit.problem}", file=sys.stderr)
    print(f"{len(exhibits) - len(failed)} of {len(exhibits)} images came back: {index}")
    return min(len(failed), 1)


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
        configuration=configuration_from_environment(),
    ) as stack:
        yield stack


def _send(plan: Plan, stack: Stack) -> Iterator[Exhibit]:
    sources = {_drop(image, plan.prefix, stack): image for image in plan.images}
    waiting = wait_for(list(sources), stack, _PATIENCE_SECONDS)
    # tqdm starts a thread to watch over slow bars, which outlives the program's end.
    tqdm.monitor_interval = 0
    endings = dict(tqdm(waiting, total=len(sources), unit="image"))
    for dropped, image in sources.items():
        yield _collect(dropped, image, endings.get(dropped), plan, stack)


def _drop(image: Path, prefix: str, stack: Stack) -> Dropped:
    key = prefix + image.name
    with image.open("rb") as body:
        put = stack.client("s3").put_object(Bucket=stack.outputs["InputBucket"], Key=key, Body=body)
    return Dropped(key, put["ETag"].strip('"'))


def _collect(
    dropped: Dropped, image: Path, ending: Ending | None, plan: Plan, stack: Stack
) -> Exhibit:
    """Bring one image's before and after to the output folder."""
    before = _file(plan.out / "before", dropped.key)
    shutil.copyfile(image, before)
    shown = before.relative_to(plan.out).as_posix()
    if ending is None:
        return Exhibit(dropped.key, shown, None, {}, f"nothing came in {_PATIENCE_SECONDS} s")
    if ending.report:
        return Exhibit(dropped.key, shown, None, {}, ending.report["error"])
    after = _file(plan.out / "after", ending.key)
    stack.client("s3").download_file(stack.outputs["OutputBucket"], ending.key, str(after))
    metadata = after.with_name(after.name + ".metadata.json")
    metadata.write_text(json.dumps(ending.metadata, indent=2) + "\n")
    return Exhibit(
        dropped.key, shown, after.relative_to(plan.out).as_posix(), ending.metadata, None
    )


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
