"""Memory that decoders may take."""

import resource
from pathlib import Path

import pytest

from pixian_s3.images import memory

_MB = 1 << 20

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux")


def test_only_so_much_more_can_be_taken() -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with memory.limited(200 * _MB):
        assert len(bytearray(100 * _MB)) == 100 * _MB
        with pytest.raises(MemoryError):
            bytearray(300 * _MB)
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    assert len(bytearray(300 * _MB)) == 300 * _MB


def test_an_error_lifts_the_limit() -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with pytest.raises(ValueError, match="broken"), memory.limited(200 * _MB):
        raise ValueError("broken")
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


def test_a_lower_limit_stays() -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with memory.limited(200 * _MB):
        lower = resource.getrlimit(resource.RLIMIT_DATA)
        with memory.limited(400 * _MB):
            assert resource.getrlimit(resource.RLIMIT_DATA) == lower
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


def test_without_proc_there_is_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_STATISTICS", Path("/nowhere"))
    with memory.limited(1):
        assert len(bytearray(100 * _MB)) == 100 * _MB
