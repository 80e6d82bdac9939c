"""Time and memory of finding the images without an ending: `python -m benchmarks.listing`.

The answers of S3 are made up, but boto3 parses them as it would parse S3's. No time on the network.
"""

import argparse
import io
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import boto3
from botocore import UNSIGNED
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config

from admin.listing import Wanted, Work, find, listed
from pixian_s3.config.document import parse

_PAGE = 1000
_UNENDED = 9
"""One of so many images has no ending."""

CONFIGURATION = """{"defaults": {"test": true}, "prefixes": {
    "products/": {"test": false, "background.color": "#FFFFFF"},
    "products/shelf/": {"pipeline": {"result_key": "cut/{path}{stem}{suffix}"}}}}"""
_FOLDERS = ("archive", "products", "products/shelf")


class _Body(io.BytesIO):
    def stream(self, **_: object) -> Iterator[bytes]:
        yield self.read()


def _keys(number: int, bucket: str) -> tuple[str, int]:
    """The key of an object, and its time; each bucket is sorted by key."""
    folder = _FOLDERS[number // (_COUNT // len(_FOLDERS) + 1)]
    name = f"{folder}/season/2026/photo-of-a-shoe-{number:09}"
    if bucket == "input":
        return f"{name}.jpg", 0
    if folder == "archive":
        return f"{name}.png", 9
    return (f"{name}.jpg" if folder == "products" else f"cut/{name}.jpg"), 9


def _answer(request: AWSPreparedRequest, **_: object) -> AWSResponse:
    url = urlsplit(request.url)
    bucket = "input" if "input" in url.netloc + url.path else "output"
    start = int(parse_qs(url.query).get("continuation-token", ["0"])[0])
    end = min(start + _PAGE, _COUNT)
    wanted = (n for n in range(start, end) if bucket == "input" or n % _UNENDED)
    rows = "".join(
        f"<Contents><Key>{key}</Key><LastModified>2026-01-01T00:00:0{at}.000Z</LastModified>"
        f"<ETag>&quot;{n:032x}&quot;</ETag><Size>2000000</Size></Contents>"
        for n, (key, at) in ((n, _keys(n, bucket)) for n in wanted)
    )
    more = f"<NextContinuationToken>{end}</NextContinuationToken>" if end < _COUNT else ""
    body = (
        '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>{more}{rows}</ListBucketResult>"
    )
    return AWSResponse(request.url, 200, {}, _Body(body.encode()))  # type: ignore[arg-type]


_COUNT = 1_000_000


def main() -> None:
    """Print the time and memory of each step."""
    global _COUNT  # noqa: PLW0603 - set once
    parser = argparse.ArgumentParser(prog="python -m benchmarks.listing", description=__doc__)
    parser.add_argument("--count", type=int, default=_COUNT)
    _COUNT = parser.parse_args().count
    s3 = boto3.client("s3", "us-east-1", config=Config(signature_version=UNSIGNED))
    s3.meta.events.register("before-send.s3.ListObjectsV2", _answer)  # type: ignore[arg-type]
    configuration = parse(CONFIGURATION)
    _report("at the start", time.perf_counter(), time.process_time())
    with tempfile.TemporaryDirectory() as directory:
        work = Work.at(Path(directory) / "sent.sqlite")
        clock, cpu = time.perf_counter(), time.process_time()
        work.set_outputs(listed(s3, "output", ""))
        _report("output bucket listed", clock, cpu)
        clock, cpu = time.perf_counter(), time.process_time()
        objects = listed(s3, "input", "")
        left = find(objects, work, configuration, lambda _: {}, Wanted(), same_bucket=False)
        _report("input bucket listed and joined", clock, cpu)
        print(f"{work.counts()[0]:,} found, {dict(left)}")
        clock, cpu = time.perf_counter(), time.process_time()
        work.groups()
        work.sample("products/", 20)
        _report("counted by prefix and sampled", clock, cpu)
        clock, cpu = time.perf_counter(), time.process_time()
        after = ""
        while images := work.unsent(after, _PAGE):
            work.mark_sent(images, 1.0)
            after = images[-1].object.key
        work.endings()
        _report("marked as sent and looked for their endings", clock, cpu)
        work.close()


def _report(step: str, clock: float, cpu: float) -> None:
    # In KiB on Linux, in bytes on macOS.
    unit = 1024 if sys.platform == "linux" else 1
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    seconds = f"{time.perf_counter() - clock:.1f} s, {time.process_time() - cpu:.1f} s of CPU time"
    print(f"{step}: {seconds}, at most {peak:.0f} MB so far", flush=True)


if __name__ == "__main__":
    main()
