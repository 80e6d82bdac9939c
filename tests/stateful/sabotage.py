"""Five sabotages of the program, which the model must find: otherwise it proves nothing."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import Any
from unittest.mock import patch

from pixian_s3.aws import lease, s3
from pixian_s3.aws.lease import Lease, Leases, Record
from pixian_s3.aws.s3 import Buckets
from pixian_s3.output import metadata

_MUCH_LATER = 10**6


@contextmanager
def _no_lease() -> Iterator[None]:
    """Everyone gets the lease, as if that of every holder had expired."""
    acquire = Leases.acquire

    @wraps(acquire)
    def always(self: Leases, key: str, now: float, seconds_left: float) -> Lease:
        return acquire(self, key, now + _MUCH_LATER, seconds_left - _MUCH_LATER)

    def note(self: Leases, held: Lease, record: Record) -> Record:
        self.release(held, record)
        return record

    with patch.object(Leases, "acquire", always), patch.object(Leases, "note", note):
        yield


@contextmanager
def _no_note() -> Iterator[None]:
    """A call isn't noted before it is made."""
    with patch.object(Leases, "note", lambda _self, _lease, record: record):
        yield


@contextmanager
def _no_sequencers() -> Iterator[None]:
    """No upload is newer than another one."""

    def never(*_: object, **__: object) -> bool:
        return False

    with patch.object(lease, "is_later", never), patch.object(metadata, "is_later", never):
        yield


@contextmanager
def _no_condition() -> Iterator[None]:
    """Objects are written whatever is there."""
    with patch.object(s3, "_condition", lambda _: {}):
        yield


@contextmanager
def _no_care() -> Iterator[None]:
    """Reports are deleted whatever upload they are about, and whatever is there by now."""

    def delete(self: Buckets, key: str, keep: Callable[[Mapping[str, str]], bool]) -> bool:  # noqa: ARG001 - as the original
        client: Any = self._s3
        client.delete_object(Bucket=self._output_bucket, Key=key)
        return True

    with patch.object(Buckets, "delete", delete):
        yield


SABOTAGES = {
    "the lease is dropped": _no_lease,
    "the note of the call is dropped": _no_note,
    "the check of sequencers is dropped": _no_sequencers,
    "the conditions of writes are dropped": _no_condition,
    "reports are removed unconditionally": _no_care,
}
