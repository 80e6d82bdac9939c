"""Bound the memory of decoders that take more than a file's header says."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_STATISTICS = Path("/proc/self/statm")


@contextmanager
def limited(more: int) -> Iterator[None]:
    """Let allocations fail once this process has so many bytes more than now.

    The limit holds for all threads. It has no effect where there is no /proc, as on macOS.
    """
    if not _STATISTICS.exists():
        yield
        return
    # The sixth number counts the pages that RLIMIT_DATA limits, and those of the stack.
    limit = int(_STATISTICS.read_text().split()[5]) * resource.getpagesize() + more
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if soft != resource.RLIM_INFINITY:
        limit = min(limit, soft)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
