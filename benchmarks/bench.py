"""Compare a naive Lambda function with ours: `make bench`, or `python -m benchmarks.bench`.

Each runs in its own process. They process the same images in turn, against the local AWS and a
Pixian that answers at once. Prints tables in Markdown.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from itertools import product
from math import pi, sqrt
from pathlib import Path
from random import Random
from statistics import median
from typing import Any, NamedTuple, Self

from PIL import Image, ImageDraw
from tqdm import tqdm

from admin.errors import UserError
from benchmarks.speed.replay import Answer, Replay, ask, replay
from benchmarks.speed.resources import Deployed
from local.ministack import MiniStack

_ROOT = Path(__file__).parents[1]
_FOLDERS = {"naive": _ROOT / "benchmarks/naive", "ours": _ROOT / "functions/upload"}
_BYTES_A_PIXEL = {"PNG": 3.0, "JPEG": 0.91}
"""Of noise; a JPEG's at the quality below."""

_QUALITY = 90
_ADDED_MS = (0, 6)
_KINDS = ((1, "PNG"), (6, "PNG"), (18, "PNG"), (6, "JPEG"))
"""MB and format. To see whether it is whole, a JPEG is decoded; a PNG has checksums."""

_WARM_UP = 2
_CREDENTIALS = ("bench", "bench-secret")
_CARRIERS = {"GetObject", "PutObject"}
"""Their time depends on the image, so they don't say what a call takes."""


class Sample(NamedTuple):
    """An image, and what Pixian answers."""

    name: str
    image: bytes
    answer: Answer


class Case(NamedTuple):
    """What is measured: which of the two, the image's name, milliseconds added to each AWS call."""

    who: str
    image: str
    added_ms: int = 0


@dataclass
class Figures:
    """All that was measured, each list in the order of the rounds; milliseconds and bytes."""

    images: dict[Case, list[float]] = field(default_factory=lambda: defaultdict(list))
    calls: dict[Case, list[list[tuple[str, float]]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    starts: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    firsts: dict[Case, list[float]] = field(default_factory=lambda: defaultdict(list))
    peaks: dict[Case, list[int]] = field(default_factory=lambda: defaultdict(list))
    first_calls: dict[str, list[str]] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """Of the images."""
        return list(dict.fromkeys(case.image for case in self.images))


class Function:
    """A function in its own process, which ends with the context.

    Attributes:
        start_ms: milliseconds of its initialization.
    """

    def __init__(self, who: str, variables: dict[str, str], *options: str) -> None:
        program = _ROOT / "benchmarks/speed/function.py"
        self._process = subprocess.Popen(  # noqa: S603 - our own
            [sys.executable, program, _FOLDERS[who], *options],
            env=variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.start_ms: float = self._read()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def handle(self, event: dict[str, Any], added_ms: int = 0) -> Any:  # noqa: ANN401 - JSON
        """Pass an event; the answer has `milliseconds`, `peak_bytes` and `calls`."""
        assert self._process.stdin  # noqa: S101 - a pipe
        order = {"event": event, "added_seconds": added_ms / 1000}
        print(json.dumps(order), file=self._process.stdin, flush=True)
        return self._read()

    def _read(self) -> Any:  # noqa: ANN401 - JSON
        assert self._process.stdout  # noqa: S101 - a pipe
        line = self._process.stdout.readline()
        if not line:
            sys.exit("A function ended; its error is above.")
        return json.loads(line)


class Bench:
    """What the measurements share.

    Args:
        deployed: the resources.
        pixian: is told what to answer.
        variables: of the functions' processes.
    """

    def __init__(self, deployed: Deployed, pixian: Replay, variables: dict[str, str]) -> None:
        self.variables = variables
        self._s3 = deployed.client("s3")
        self._input = deployed.outputs["InputBucket"]
        self._output = deployed.outputs["OutputBucket"]
        self._pixian = pixian
        self._number = 0

    @contextmanager
    def uploaded(self, sample: Sample) -> Iterator[dict[str, Any]]:
        """Upload an image under a new key and yield its event; its result must exist afterwards."""
        self._number += 1
        self._pixian.answer = sample.answer
        stem = f"bench/{self._number:06}"
        put = self._s3.put_object(Bucket=self._input, Key=f"{stem}.image", Body=sample.image)
        about = {"key": f"{stem}.image", "eTag": put["ETag"].strip('"'), "size": len(sample.image)}
        about |= {"versionId": put["VersionId"], "sequencer": f"{self._number:016X}"}
        record = {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "eventTime": datetime.now(UTC).isoformat(),
            "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": self._input}, "object": about},
        }
        yield {"Records": [record]}
        found = self._emptied(self._output, stem)
        if found != [(f"{stem}.png", len(sample.answer.body))]:
            sys.exit(f"Not exactly one result for {stem}: {found}")
        self._emptied(self._input, stem)

    def _emptied(self, bucket: str, prefix: str) -> list[tuple[str, int]]:
        """Key and size of each version under a prefix; the local AWS keeps them in memory."""
        found = self._s3.list_object_versions(Bucket=bucket, Prefix=prefix).get("Versions", [])
        for version in found:
            self._s3.delete_object(
                Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"]
            )
        return [(version["Key"], version["Size"]) for version in found]


def main() -> None:
    """Measure, then print."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.bench", description=__doc__)
    options.add_argument("--rounds", type=int, default=24, help="images of each kind")
    options.add_argument("--starts", type=int, default=8, help="new processes of each kind")
    chosen = options.parse_args()
    with _bench() as (bench, samples):
        figures = Figures()
        _measure_images(bench, samples, chosen.rounds, figures)
        _measure_starts(bench, samples, chosen.starts, figures)
    for line in _report(figures):
        print(line)


@contextmanager
def _bench() -> Iterator[tuple[Bench, list[Sample]]]:
    samples = list(_samples())
    with (
        tempfile.TemporaryDirectory() as directory,
        replay() as pixian,
        MiniStack(Path(directory)) as aws,
    ):
        deployed = Deployed(aws, pixian.url)
        deployed.client("secretsmanager").put_secret_value(
            SecretId=deployed.outputs["CredentialsSecretArn"],
            SecretString=json.dumps(dict(zip(("api_id", "api_secret"), _CREDENTIALS, strict=True))),
        )
        yield Bench(deployed, pixian, _variables(deployed, aws, directory)), samples


def _variables(deployed: Deployed, aws: MiniStack, directory: str) -> dict[str, str]:
    """As Lambda and the template give them, and the naive one's own."""
    naive = {
        "OUTPUT_BUCKET": deployed.outputs["OutputBucket"],
        "PIXIAN_ENDPOINT": deployed.pixian_endpoint,
        "PIXIAN_API_ID": _CREDENTIALS[0],
        "PIXIAN_API_SECRET": _CREDENTIALS[1],
    }
    machine = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(_ROOT / "layers/common"),
        "TMPDIR": directory,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_LAMBDA_FUNCTION_NAME": "bench",
    }
    return machine | aws.environment | naive | deployed.variables


def _samples() -> Iterator[Sample]:
    answers: dict[int, Answer] = {}
    program = [sys.executable, "-m", "local.fake_pixian"]
    program += ["--api-id", _CREDENTIALS[0], "--api-secret", _CREDENTIALS[1]]
    with subprocess.Popen(program, cwd=_ROOT, stdout=subprocess.PIPE, text=True) as service:  # noqa: S603
        try:
            assert service.stdout  # noqa: S101 - a pipe
            url = service.stdout.readline().strip()
            for megabytes, form in _KINDS:
                # A JPEG gets the answer of the PNG of its size, so that the two can be compared.
                if form == "PNG":
                    answers[megabytes] = ask(url, _CREDENTIALS, _picture(megabytes, form))
                image = _picture(megabytes, form)
                yield Sample(f"{megabytes} MB {form}", image, answers[megabytes])
        finally:
            service.terminate()


def _picture(megabytes: int, form: str) -> bytes:
    """A noisy disc on a plain ground; its noise is the same in each run, and most of its bytes."""
    side = int(sqrt(megabytes * 1e6 / _BYTES_A_PIXEL[form] / (pi / 4)))
    noise = Image.frombytes("RGB", (side, side), Random(megabytes).randbytes(3 * side * side))  # noqa: S311
    mask = Image.new("L", noise.size)
    ImageDraw.Draw(mask).ellipse((0, 0, side, side), fill=255)
    image = Image.new("RGB", noise.size, (240, 240, 240))
    image.paste(noise, mask=mask)
    file = BytesIO()
    image.save(file, form, quality=_QUALITY)
    return file.getvalue()


def _measure_images(bench: Bench, samples: Sequence[Sample], rounds: int, figures: Figures) -> None:
    with ExitStack() as stack:
        functions = {
            who: stack.enter_context(Function(who, bench.variables, "--count")) for who in _FOLDERS
        }
        for who, function in functions.items():
            with bench.uploaded(samples[0]) as event:
                answer = function.handle(event)
            figures.first_calls[who] = [name for name, _ in answer["calls"]]
        for number in tqdm(range(-_WARM_UP, rounds), desc="images", disable=None):
            for sample, added_ms, who in _in_turn(samples, number):
                with bench.uploaded(sample) as event:
                    answer = functions[who].handle(event, added_ms)
                if number >= 0:
                    case = Case(who, sample.name, added_ms)
                    figures.images[case].append(answer["milliseconds"])
                    figures.calls[case].append(answer["calls"])


def _in_turn(samples: Sequence[Sample], number: int) -> Iterator[tuple[Sample, int, str]]:
    """All cases; the two, whose figures are compared, follow each other and take turns."""
    for sample, added_ms in product(samples, _ADDED_MS):
        for who in list(_FOLDERS)[:: 1 if number % 2 else -1]:
            yield sample, added_ms, who


def _measure_starts(bench: Bench, samples: Sequence[Sample], starts: int, figures: Figures) -> None:
    for _ in tqdm(range(starts), desc="starts", disable=None):
        for sample, who in product(samples, _FOLDERS):
            with bench.uploaded(sample) as event, Function(who, bench.variables) as function:
                answer = function.handle(event)
            case = Case(who, sample.name)
            figures.starts[who].append(function.start_ms)
            figures.firsts[case].append(answer["milliseconds"])
            figures.peaks[case].append(answer["peak_bytes"])


def _report(figures: Figures) -> Iterator[str]:
    yield (
        f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()} on "
        f"{platform.system()}. Each cell: least / median / most. *Extra* is ours less naive, image "
        "by image; *a call* is the median of ours that carry no image."
    )
    yield ""
    yield from _table_of_times(figures)
    yield ""
    yield from _table_of_calls(figures)
    yield ""
    yield from _table_of_starts(figures)


def _table_of_times(figures: Figures) -> Iterator[str]:
    yield from _heading(
        *("image", "added to a call", "naive ms", "ours ms", "extra ms", "a call ms"),
        "extra in calls",
    )
    for image, added_ms in product(figures.names, _ADDED_MS):
        naive, ours = (figures.images[Case(who, image, added_ms)] for who in _FOLDERS)
        extra = [one - other for one, other in zip(ours, naive, strict=True)]
        # Of the same image, so that a busy moment of the machine is in both.
        units = [_call_ms(calls) for calls in figures.calls[Case("ours", image, added_ms)]]
        ratios = [more / unit for more, unit in zip(extra, units, strict=True)]
        yield _row(
            image,
            f"{added_ms} ms",
            *(_spread(values) for values in (naive, ours, extra)),
            f"{median(units):.1f}",
            f"{min(ratios):.1f} / **{median(ratios):.1f}** / {max(ratios):.1f}",
        )


def _call_ms(calls: Sequence[tuple[str, float]]) -> float:
    """What a call takes that carries no image."""
    return median(duration for name, duration in calls if name not in _CARRIERS)


def _table_of_calls(figures: Figures) -> Iterator[str]:
    yield from _heading("", "calls", "in order")
    for who in _FOLDERS:
        seen = Counter(
            tuple(name for name, _ in calls)
            for case, images in figures.calls.items()
            if case.who == who
            for calls in images
        )
        [(usual, times)] = seen.most_common(1)
        first = figures.first_calls[who]
        yield _row(f"{who}, first image", str(len(first)), ", ".join(first))
        share = f"{who}, {times} of {seen.total()} others"
        yield _row(share, str(len(usual)), ", ".join(usual))


def _table_of_starts(figures: Figures) -> Iterator[str]:
    yield from _heading("new process", "naive", "ours", "ratio")
    yield _compared("initialization, ms", *figures.starts.values())
    for image in figures.names:
        both = [figures.firsts[Case(who, image)] for who in _FOLDERS]
        yield _compared(f"its first image, {image}, ms", *both)
    for image in figures.names:
        both = [[peak / 2**20 for peak in figures.peaks[Case(who, image)]] for who in _FOLDERS]
        yield _compared(f"peak memory, {image}, MiB", *both)


def _compared(what: str, naive: Sequence[float], ours: Sequence[float]) -> str:
    ratio = median(one / other for one, other in zip(ours, naive, strict=True))
    return _row(what, _spread(naive), _spread(ours), f"**{ratio:.2f}**")


def _spread(values: Sequence[float]) -> str:
    return f"{min(values):.0f} / {median(values):.0f} / {max(values):.0f}"


def _heading(*names: str) -> Iterator[str]:
    yield _row(*names)
    yield _row(*["---"] * len(names))


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    try:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        main()
    except KeyboardInterrupt:
        sys.exit("Stopped.")
    except UserError as error:
        sys.exit(str(error))
