"""How a posted fault reads, and what is refused."""

from collections.abc import Callable, Collection

from local.fake_pixian.fault import OK, Fault


def read_fault(document: object, number: str) -> Fault:
    """Check a posted fault; ValueError says what is wrong."""
    if not isinstance(document, dict):
        raise ValueError("a fault is a JSON object")
    for name, value in document.items():
        if name not in CHECKS:
            raise ValueError(f"{name}: unknown field; there are {', '.join(CHECKS)}")
        good, wanted = CHECKS[name]
        if not good(value):
            raise ValueError(f"{name}: takes {wanted}")
    fault = Fault(**document, id=number)
    _check_together(fault)
    return fault


def _check_together(fault: Fault) -> None:
    if fault.cut == "before_body" and fault.match:
        raise ValueError("cut before_body takes no match: the name is in the body")
    if fault.cut and fault.truncate:
        raise ValueError("cut and truncate exclude each other")
    if fault.body is not None and fault.status is None:
        raise ValueError("body: needs a status")
    if fault.echo and (fault.status is None or fault.status < ERRORS or fault.body is not None):
        raise ValueError("echo: needs a status from 400, and no body")
    if fault.status is not None and fault.status < ERRORS and fault.body is None:
        raise ValueError("status: below 400 needs a body")


def _is_whole(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_seconds(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 0 <= value <= LONGEST_DELAY


def _is_texts(value: object, names: Collection[str]) -> bool:
    if not isinstance(value, dict) or not value.keys() <= set(names):
        return False
    return all(isinstance(text, str) and text.isprintable() for text in value.values())


def _is_headers(value: object) -> bool:
    if not isinstance(value, dict) or FRAMING & {name.lower() for name in value}:
        return False
    return _is_texts(value, value.keys())


MOST = 1_000_000
LONGEST_DELAY = 3600
ERRORS = 400
MATCHED = ("filename", "sha256")
FRAMING = {"content-length", "transfer-encoding", "content-type", "connection"}
CUTS = ("before_body", "after_request", "mid_body")

CHECKS: dict[str, tuple[Callable[[object], bool], str]] = {
    "match": (lambda v: _is_texts(v, MATCHED), "an object with filename, sha256 or both"),
    "times": (lambda v: v is None or _is_whole(v, 1, MOST), "a whole number from 1, or null"),
    "skip": (lambda v: _is_whole(v, 0, MOST), "a whole number from 0"),
    "status": (lambda v: _is_whole(v, OK, 599), "a whole number from 200 to 599"),
    "body": (lambda v: v is not None, "a string or JSON other than null"),
    "echo": (lambda v: isinstance(v, bool), "true or false"),
    "content_type": (lambda v: isinstance(v, str) and v.isprintable(), "a string"),
    "headers": (_is_headers, "an object of strings, without those that frame the body"),
    "delay_seconds": (_is_seconds, f"seconds from 0 to {LONGEST_DELAY}"),
    "cut": (lambda v: v in CUTS, f"one of {', '.join(CUTS)}"),
    "truncate": (lambda v: isinstance(v, bool), "true or false"),
    "charge": (lambda v: isinstance(v, bool), "true or false"),
}
