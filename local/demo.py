"""Upload images, wait for the results, and show them on a page: `make demo`."""

import json
import os
import shlex
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import Any, Self

from admin.config import in_force
from admin.errors import UserError
from admin.stack import STACK_FILE, LocalStack, prices_are_real, running_here
from local.attempts import AttemptLines, AttemptLog
from local.ministack import ROOT
from local.outcomes import Output, Uploaded, wait_for
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
_LOG_SECONDS = 5
_FINAL = {"processed", "skipped", "rejected", "exhausted"}
_NO_IMAGES = {"Thumbs.db", "desktop.ini"}


@dataclass(frozen=True)
class Plan:
    """What to do, according to the environment.

    Attributes:
        images: The files to upload.
        prefix: The prefix to upload them under; None for all prefixes in the configuration.
        out: The folder for the results.
    """

    images: tuple[Path, ...]
    prefix: str | None
    out: Path

    @classmethod
    def read(cls) -> Self:
        """Read IMAGES, PREFIX and OUT; the default for IMAGES is a few photographs."""
        named = _named_images(os.environ.get("IMAGES", ""))
        prefix = os.environ.get("PREFIX") or ("" if named else None)
        images = named or tuple(_PHOTOGRAPHS / name for name in _DEFAULT_IMAGES)
        return cls(images, prefix, Path(os.environ.get("OUT") or "demo-out"))

    def prefixes(self, configuration: Configuration) -> list[str]:
        """The prefixes to upload each image under.

        Raises:
            UserError: The configuration disables all of them.
        """
        wanted = ["", *configuration.prefixes] if self.prefix is None else [self.prefix]
        enabled = [p for p in wanted if configuration.settings_for(p).flag("pipeline.enabled")]
        if not enabled:
            names = ", ".join(prefix or "(defaults)" for prefix in wanted)
            raise UserError(f"The configuration disables all images under: {names}.")
        return enabled


def _named_images(names: str) -> tuple[Path, ...]:
    matches = [
        Path(match)
        for name in shlex.split(names)
        for match in sorted(glob(name)) or [name]  # noqa: PTH207 - it may be absolute
    ]
    found = [image for match in matches for image in _files(match)]
    for image in found:
        if not image.is_file():
            raise UserError(f"IMAGES: there is no file {image}. Put names with spaces in quotes.")
    if len({image.name for image in found}) < len(found):
        raise UserError("IMAGES: two files have the same name, so they would have the same key.")
    return tuple(found)


def _files(match: Path) -> list[Path]:
    """The files in a folder, without hidden ones; anything else is returned as it is."""
    if not match.is_dir():
        return [match]
    files = [file for file in sorted(match.iterdir()) if file.is_file()]
    images = [f for f in files if not f.name.startswith(".") and f.name not in _NO_IMAGES]
    if not images:
        raise UserError(f"IMAGES: the folder {match} has no files.")
    return images


def main() -> int:
    """Run the demo; return 0 if all images were processed, else 1."""
    exit_on_signal()
    plan = Plan.read()
    with _stack() as stack:
        exhibits = _show(plan, stack)
        endpoint = stack.pixian_endpoint
    index = plan.out / "index.html"
    index.write_text(page(exhibits, endpoint, prices=prices_are_real(endpoint)))
    shown = [one for exhibit in exhibits for one in exhibit.shown]
    failed = [one for one in shown if not one.after]
    for one in failed:
        print(f"{one.key}: {one.problem}", file=sys.stderr)
    print(f"{len(shown) - len(failed)} of {len(shown)} images have a result. Open {index}")
    return min(len(failed), 1)


@contextmanager
def _stack() -> Iterator[LocalStack]:
    """The stack that `make local` runs, or a new one."""
    if stack := running_here(STACK_FILE):
        print("Using the stack that make local runs.")
        yield stack
        return
    with world(
        DIRECTORY / "demo",
        pixian=pixian_from_environment(),
        configuration=configuration_from_environment() or _CONFIGURATION.read_bytes(),
    ) as started:
        yield started


def _show(plan: Plan, stack: LocalStack) -> list[Exhibit]:
    configuration = in_force(stack)
    prefixes = plan.prefixes(configuration)
    log = AttemptLog(stack)
    list(log.read())  # skip what happened before
    uploads = {(i, p): _upload(i, p, stack) for i in plan.images for p in prefixes}
    print(f"Uploaded {len(uploads)} images. Waiting for the results …", flush=True)
    progress = _Progress(list(uploads.values()), stack, log)
    outputs = dict(wait_for(progress.uploads, stack, _PATIENCE_SECONDS, progress.print_new))
    if len(outputs) == len(uploads):
        progress.print_last()
    return [
        Exhibit(
            image.name,
            _copy(image, plan.out),
            [
                _collect(
                    uploads[image, p],
                    outputs.get(uploads[image, p]),
                    configuration.settings_for(p).values,
                    plan.out,
                    stack,
                )
                for p in prefixes
            ],
        )
        for image in plan.images
    ]


class _Progress:
    """Prints the attempts to process our uploads."""

    def __init__(self, uploads: list[Uploaded], stack: LocalStack, log: AttemptLog) -> None:
        self.uploads = uploads
        self._log = log
        self._lines = AttemptLines(prices=prices_are_real(stack.pixian_endpoint))
        self._unfinished = set(uploads)

    def print_new(self) -> None:
        """Print what happened since the last call.

        Raises:
            UserError: An image is blocked, as all others probably are until the cause is fixed.
        """
        for record in self._log.read():
            self._print(record)

    def print_last(self) -> None:
        """Print the rest: the log line of an image follows a moment after its result."""
        deadline = time.monotonic() + _LOG_SECONDS
        while self._unfinished and time.monotonic() < deadline:
            self.print_new()
            time.sleep(0.2)

    def _print(self, record: dict[str, Any]) -> None:
        image = record["image"]
        upload = Uploaded(image["key"], image.get("etag", ""))
        if upload not in self.uploads:
            return
        print(self._lines.line(record), flush=True)
        if image["outcome"] == "blocked":
            raise UserError(f"Stopped, because images are blocked: {image.get('reason', '')}")
        if image["outcome"] in _FINAL:
            self._unfinished.discard(upload)


def _upload(image: Path, prefix: str, stack: LocalStack) -> Uploaded:
    key = prefix + image.name
    with image.open("rb") as body:
        put = stack.client("s3").put_object(Bucket=stack.outputs["InputBucket"], Key=key, Body=body)
    return Uploaded(key, put["ETag"].strip('"'))


def _copy(image: Path, out: Path) -> str:
    copy = _file(out / "before", image.name)
    shutil.copyfile(image, copy)
    return copy.relative_to(out).as_posix()


def _collect(
    upload: Uploaded,
    output: Output | None,
    parameters: Mapping[str, Value],
    out: Path,
    stack: LocalStack,
) -> Shown:
    """Download one result into the output folder, along with its metadata."""
    if output is None:
        problem = f"No result or error report appeared within {_PATIENCE_SECONDS} s."
        return Shown(upload.key, parameters, problem=problem)
    if output.report:
        return Shown(upload.key, parameters, problem=output.report["error"])
    after = _file(out / "after", output.key)
    stack.client("s3").download_file(stack.outputs["OutputBucket"], output.key, str(after))
    metadata = after.with_name(after.name + ".metadata.json")
    metadata.write_text(json.dumps(output.metadata, indent=2) + "\n")
    shown = after.relative_to(out).as_posix()
    return Shown(upload.key, parameters, output.key, shown, output.metadata)


def _file(folder: Path, key: str) -> Path:
    """The file for an object, with its folders created; a key can't lead out of `folder`."""
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
