"""Upload images, wait for the results, and show them on a page: `make demo`."""

import os
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from glob import glob
from pathlib import Path
from typing import Any, Self

from PIL import Image

from admin.config import in_force
from admin.errors import UserError
from admin.look.fetch import described, listing
from admin.look.records import Outcome, Record, missing
from admin.look.write import write
from admin.stack import STACK_FILE, LocalStack, prices_are_real, running_here
from admin.text import escaped
from local.attempts import AttemptLines, AttemptLog
from local.ministack import ROOT
from local.outcomes import Output, Uploaded, wait_for
from local.world import (
    DIRECTORY,
    configuration_from_environment,
    exit_on_signal,
    pixian_from_environment,
    world,
)
from pixian_s3.config.document import Configuration
from pixian_s3.output.keys import why_not_an_image

_PHOTOGRAPHS = ROOT / ".tools/photographs/skimage/data"
_DEFAULT_IMAGES = ("chelsea.png", "coffee.png", "rocket.jpg")
# The photographs are small. This one is enlarged, to show edges at the size of a camera's pictures.
_ENLARGED = "astronaut.png"
_ENLARGED_PIXELS = (3584, 3584)
_CONFIGURATION = ROOT / "local/demo.json"
_PATIENCE_SECONDS = 240
_LOG_SECONDS = 5
_FINAL = {"processed", "skipped", "rejected", "exhausted"}


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
        images = named or (_enlarged(), *(_PHOTOGRAPHS / name for name in _DEFAULT_IMAGES))
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
    images = [f for f in files if not (f.name.startswith(".") or why_not_an_image(f.name))]
    if not images:
        raise UserError(f"IMAGES: the folder {match} has no files.")
    return images


def _enlarged() -> Path:
    """A photograph of 12.8 megapixels, made once from a smaller one."""
    file = DIRECTORY / "photographs" / Path(_ENLARGED).with_suffix(".jpg")
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_suffix(".part")
        with Image.open(_PHOTOGRAPHS / _ENLARGED) as small:
            large = small.resize(_ENLARGED_PIXELS, Image.Resampling.LANCZOS)
        large.save(unfinished, "JPEG", quality=90)
        unfinished.replace(file)
    return file


def main() -> int:
    """Run the demo; return 0 if all images were processed, else 1."""
    exit_on_signal()
    plan = Plan.read()
    with _stack() as stack:
        records = _records(plan, stack)
        print("Fetching the results …", flush=True)
        now = datetime.now(UTC)
        index = write(records, stack, plan.out, "Demo", now=now, limit_bytes=sys.maxsize)
    failed = [record for record in records if record.outcome is not Outcome.PROCESSED]
    for record in failed:
        print(escaped(f"{record.source}: {record.error}"), file=sys.stderr)
    print(f"{len(records) - len(failed)} of {len(records)} images have a result. Open {index}")
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


def _records(plan: Plan, stack: LocalStack) -> list[Record]:
    """Upload the images, and return what became of them."""
    configuration = in_force(stack)
    prefixes = plan.prefixes(configuration)
    log = AttemptLog(stack)
    list(log.read())  # skip what happened before
    uploads = [_upload(image, prefix, stack) for image in plan.images for prefix in prefixes]
    print(f"Uploaded {len(uploads)} images. Waiting for the results …", flush=True)
    progress = _Progress(uploads, stack, log)
    outputs = dict(wait_for(uploads, stack, _PATIENCE_SECONDS, progress.print_new))
    if len(outputs) == len(uploads):
        progress.print_last()
    records = _described(outputs, configuration, stack)
    return [
        records.get(outputs[upload].key) or _missing(upload, configuration)
        if upload in outputs
        else _missing(upload, configuration)
        for upload in uploads
    ]


def _described(
    outputs: dict[Uploaded, Output], configuration: Configuration, stack: LocalStack
) -> dict[str, Record]:
    """The records of results and reports, by key."""
    wanted, found = {output.key for output in outputs.values()}, listing(stack)
    objects = [each for each in found if each.key in wanted]
    records = described(stack, configuration, objects, {each.key for each in found})
    return {record.result or record.report or "": record for record in records}


def _missing(upload: Uploaded, configuration: Configuration) -> Record:
    error = f"No result or error report appeared within {_PATIENCE_SECONDS} s."
    return missing(upload.key, upload.etag, error, configuration)


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
            UserError: An image is blocked or paused, and all others probably are, too.
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
        if image["outcome"] in {"blocked", "paused"}:
            reason = escaped(image.get("reason", ""))
            raise UserError(f"Stopped, because images are {image['outcome']}: {reason}")
        if image["outcome"] in _FINAL:
            self._unfinished.discard(upload)


def _upload(image: Path, prefix: str, stack: LocalStack) -> Uploaded:
    key = prefix + image.name
    with image.open("rb") as body:
        put = stack.client("s3").put_object(Bucket=stack.outputs["InputBucket"], Key=key, Body=body)
    return Uploaded(key, put["ETag"].strip('"'))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("Stopped.")
    except UserError as error:
        sys.exit(str(error))
