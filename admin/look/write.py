"""Write the page and the pictures that it shows."""

import shutil
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from admin.look.fetch import KINDS, Folder, with_pictures
from admin.look.page import MARK, Heading, page
from admin.look.records import Record
from admin.stack import LocalStack, Stack, prices_are_real
from admin.text import counted


def write(  # noqa: PLR0913 - each is one part of the page
    records: Sequence[Record],
    stack: Stack,
    out: Path,
    title: str,
    *,
    now: datetime,
    limit_bytes: int,
) -> Path:
    """Fetch the pictures of records, and write the page; return its file.

    Reports its progress on standard error.

    Args:
        records: What to show.
        stack: Where the pictures are.
        out: The folder to write.
        title: The page's heading.
        now: When the page is made.
        limit_bytes: How much to download at most.
    """
    index = out / "index.html"
    _remove_earlier(index)
    out.mkdir(parents=True, exist_ok=True)
    shown = list[Record]()
    for record in with_pictures(records, stack, Folder(out), limit_bytes):
        shown.append(record)
        _report_progress(len(shown), len(records))
    _report(shown)
    endpoint = stack.pixian_endpoint if isinstance(stack, LocalStack) else None
    real = endpoint is None or prices_are_real(endpoint)
    heading = Heading(title, now, real)
    index.write_text(page(shown, heading), encoding="utf-8")
    return index


def _remove_earlier(index: Path) -> None:
    """Remove the pictures of an earlier page in the same folder, so that none remain unseen."""
    if index.exists() and MARK in index.read_text(encoding="utf-8", errors="replace"):
        for kind in KINDS:
            shutil.rmtree(index.parent / kind, ignore_errors=True)


def _report_progress(done: int, total: int) -> None:
    if sys.stderr.isatty():
        print(
            f"\rFetching pictures: {done} of {counted(total)}", end="", file=sys.stderr, flush=True
        )


def _report(records: Sequence[Record]) -> None:
    fetched = sum(bool(record.before or record.after) for record in records)
    text = f"Fetched the pictures of {fetched:,} of {counted(len(records))}."
    if fetched < len(records):
        text += " The page says why the rest is missing."
    start = "\r\033[K" if sys.stderr.isatty() else ""
    print(start + text, file=sys.stderr, flush=True)
