"""Does away with parts of the program, to see whether the matrix notices."""

from pixian_s3 import endings
from pixian_s3.aws.calls import Calls, Notes
from pixian_s3.aws.ledger import Ledger


def no_claim_and_no_report() -> None:
    """Every invocation does the work, whoever else is at it, and a refusal is kept to itself."""
    Calls.look = lambda *_: Notes(0, frozenset())  # type: ignore[method-assign]
    Ledger.once = lambda _self, _job, _settings, work: work()  # type: ignore[assignment, method-assign]
    endings._report = lambda *_: None
