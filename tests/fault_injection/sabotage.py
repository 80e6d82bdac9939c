"""What the matrix must notice: a program without leases and reports."""

from typing import Any
from uuid import uuid4

from pixian_s3.aws.lease import Lease, Leases, Record
from pixian_s3.aws.s3 import Buckets


def no_lease_and_no_report() -> None:
    """Every invocation gets every lease and finds nothing recorded; no report is written."""

    def acquire(_: Leases, result: str, *__: Any) -> Lease:
        return Lease(result, uuid4().hex, Record())

    def note(_: Leases, __: Lease, record: Record) -> Record:
        return record

    def nothing(*_: Any) -> None: ...

    Leases.acquire = acquire  # type: ignore[assignment, method-assign]
    Leases.note = note  # type: ignore[assignment, method-assign]
    Leases.release = nothing  # type: ignore[assignment, method-assign]
    Buckets.put_document = nothing  # type: ignore[assignment, method-assign]
