"""Show results beside their originals: `make look`."""

import argparse
import os
import sys
import webbrowser
from datetime import UTC, datetime
from pathlib import Path

from admin.config import in_force
from admin.errors import UserError, run
from admin.look.fetch import newest
from admin.look.records import Outcome
from admin.look.write import write
from admin.stack import add_stack_option, chosen


def main() -> None:
    """Fetch, write and open the page."""
    arguments = _arguments()
    stack = chosen(arguments.stack)
    prefix = arguments.prefix
    print("Looking for results and error reports …", flush=True)
    records = newest(stack, in_force(stack), prefix, arguments.last, failed=arguments.failed)
    if not records:
        kind = "error report" if arguments.failed else "result or error report"
        under = f" of an original under {prefix}" if prefix else ""
        raise UserError(f"s3://{stack.outputs['OutputBucket']} has no {kind}{under}.")
    name = arguments.stack or "the stack on this machine"
    title = f"{prefix} in {name}" if prefix else f"Results of {name}"
    index = write(
        records,
        stack,
        Path(arguments.out),
        title,
        now=datetime.now(UTC),
        limit_bytes=arguments.megabytes * 1_000_000,
    )
    failed = sum(record.outcome is not Outcome.PROCESSED for record in records)
    print(f"{len(records)} images, {failed} of them without a result.")
    if not _open(index):
        print(f"Open {index} in a browser.")


def _open(index: Path) -> bool:
    """Open the page, unless there is no screen or no browser."""
    has_screen = sys.platform in {"darwin", "win32"} or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
    return has_screen and webbrowser.open(index.resolve().as_uri())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m admin.look",
        usage="make look [STACK=NAME] [PREFIX=products/] [LAST=50] [FAILED=1] [OUT=look-out] "
        "[MEGABYTES=1000]",
        description="Show results beside their originals on a page.",
    )
    parser.add_argument("--prefix", default="", help="what the originals' keys begin with")
    parser.add_argument("--last", type=_number, default=50, help="how many of the newest images")
    parser.add_argument("--failed", action="store_true", help="only images without a result")
    parser.add_argument("--out", default="look-out", help="the folder to write")
    parser.add_argument(
        "--megabytes", type=_number, default=1000, help="how much to download at most"
    )
    add_stack_option(parser)
    return parser.parse_args()


def _number(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} isn't a whole number of 1 or more")
    return int(text)


if __name__ == "__main__":
    run(main)
