"""What is in the output bucket beside a result."""

from typing import cast

from pixian_s3.aws.s3 import Buckets
from pixian_s3.aws.telemetry import Telemetry
from pixian_s3.store import Store
from tests.builders import make_job


def test_a_key_that_is_too_long_for_a_sidecar_has_none() -> None:
    # S3 would answer 400.
    nothing = object()
    store = Store(cast(Buckets, nothing), cast(Telemetry, nothing), lambda: 0, lambda _: None)
    assert not store.has_sidecar(make_job(), "x" * 1020 + ".png")
