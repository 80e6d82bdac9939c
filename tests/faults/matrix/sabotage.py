"""Does away with parts of the program, to see whether the matrix notices."""

from pixian_s3 import endings
from pixian_s3.ledger import Ledger


def no_claim_and_no_report() -> None:
    """Every invocation does the work, and a refusal is kept to itself."""
    Ledger.once = lambda _self, _job, _settings, work: work()  # type: ignore[assignment, method-assign]
    endings._report = lambda *_: None
