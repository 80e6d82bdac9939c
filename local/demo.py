"""Upload images, wait for the results, and show them on a page: `make demo`."""

import os
import shlex
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from glob import glob
from pathlib import Path
from typing import Any, Self

from PIL import Image

from admin.config import in_force
from admin.errors import UserError, run
from admin.look.fetch import described, listing
from admin.look.records import Outcome, Record, missing
from admin.look.write import write
from admin.stack import STACK_FILE, LocalStack, prices_are_real, running_here
from admin.terminal import confirm
from admin.text import counted, escaped
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
        left_out: What else is in the folders, and why it isn't uploaded.
        prefix: The prefix to upload them under; None for all prefixes in the configuration.
        out: The folder for the results.
        yes: Whether to upload images that cost credits without a question.
    """

    images: tuple[Path, ...]
    left_out: tuple[tuple[Path, str], ...]
    prefix: str | None
    out: Path
    yes: bool

    @classmethod
    def read(cls) -> Self:
        """Read IMAGES, PREFIX, OUT and YES; the default for IMAGES is a few photographs."""
        named, left_out = _named_images(os.environ.get("IMAGES", ""))
        prefix = os.environ.get("PREFIX") or ("" if named else None)
        images = named or (_enlarged(), *(_PHOTOGRAPHS / name for name in _DEFAULT_IMAGES))
        out, yes = Path(os.environ.get("OUT") or "demo-out"), os.environ.get("YES") == "1"
        return cls(images, left_out, prefix, out, yes)

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


def _named_images(names: str) -> tuple[tuple[Path, ...], tuple[tuple[Path, str], ...]]:
    """The files that are named or in a named folder, and what is left out of the folders."""
    matches = [
        Path(match)
        for name in shlex.split(names)
        for match in sorted(glob(name)) or [name]  # noqa: PTH207 - it may be absolute
    ]
    listed = [each for match in matches for each in _files(match)]
    found = [file for file, why_not in listed if not why_not]
    for image in found:
        if not image.is_file():
            raise UserError(f"IMAGES: there is no file {image}. Put names with spaces in quotes.")
    if len({image.name for image in found}) < len(found):
        raise UserError("IMAGES: two files have the same name, so they would have the same key.")
    return tuple(found), tuple((file, why_not) for file, why_not in listed if why_not)


def _files(match: Path) -> list[tuple[Path, str]]:
    """What is in a folder, and why it isn't uploaded, if so; anything else as it is."""
    if not match.is_dir():
        return [(match, "")]
    files = [(file, _why_not(file)) for file in sorted(match.iterdir())]
    if all(why_not for _, why_not in files):
        raise UserError(f"IMAGES: the folder {match} has no files that could be images.")
    return files


def _why_not(file: Path) -> str:
    if reason := why_not_an_image(file.name):
        return reason
    if file.name.startswith("."):
        return "It is hidden, because its name begins with a dot."
    if file.is_dir():
        return "It is a folder within a folder. Name it in IMAGES to upload its files."
    return "" if file.is_file() else "It is no file."


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
    for file, reason in plan.left_out:
        print(f"Left out {escaped(str(file))}: {reason}")
    with _stack() as stack:
        records = _records(plan, stack)
        print("Fetching the results …", flush=True)
        now = datetime.now(UTC)
        index = write(records, stack, plan.out, "Demo", now=now, limit_bytes=sys.maxsize)
    failed = [record for record in records if record.outcome is not Outcome.PROCESSED]
    for record in failed:
        print(escaped(f"{record.source}: {record.error}"), file=sys.stderr)
    print(f"{_summary(records)} Open {index}")
    return min(len(failed), 1)


def _summary(records: Sequence[Record]) -> str:
    done = sum(record.outcome is Outcome.PROCESSED for record in records)
    closer = sum(bool(record.check) for record in records)
    has = "has" if len(records) == 1 else "have"
    look = f", {closer:,} to look at closer" if closer else ""
    return f"{done:,} of {counted(len(records))} {has} a result{look}."


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
    wanted = [(image, prefix) for image in plan.images for prefix in plan.prefixes(configuration)]
    keys = [prefix + image.name for image, prefix in wanted]
    _tell_live(keys, configuration, real=prices_are_real(stack.pixian_endpoint), yes=plan.yes)
    log = AttemptLog(stack)
    list(log.read())  # skip what happened before
    uploads = [_upload(image, prefix, stack) for image, prefix in wanted]
    print(f"Uploaded {counted(len(uploads))}. Waiting for the results …", flush=True)
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


def _tell_live(keys: Sequence[str], configuration: Configuration, *, real: bool, yes: bool) -> None:
    """Say which uploads aren't in test mode; if they cost real credits, ask.

    Raises:
        NeedsAnswer: There is nobody to ask.
        UserError: The answer is no.
    """
    settings = [configuration.settings_for(key) for key in keys]
    live = Counter(each.prefix or "(defaults)" for each in settings if not each.flag("test"))
    if not live:
        return
    under = ", ".join(f"{counted(number)} under {prefix}" for prefix, number in live.items())
    prices = "" if real else ", with made-up prices"
    print(f"Live, not in test mode{prices}: {escaped(under)}.", flush=True)
    if real:
        confirm(f"Upload {counted(len(keys))}, of which {live.total():,} cost credits?", yes=yes)


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
    run(lambda: sys.exit(main()))
