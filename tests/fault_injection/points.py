"""Where a fault can strike, and what it can be."""

from enum import StrEnum


class Point(StrEnum):
    """A step of processing, in the order in which it is reached.

    `STORING` is the write check, the result and its sidecar: what the permission to write is for.
    """

    EVENT = "event in"
    CONFIGURATION = "configuration"
    HEAD = "head"
    LEASE = "lease"
    SOURCE = "source read"
    SECRET = "secret"
    CHECK = "write check"
    CONNECT = "connect"
    SENT = "after sending"
    BODY = "mid-body"
    RESULT = "result put"
    STORING = "storing"
    REPORT = "report put"
    QUEUE = "queue send"
    THROTTLES = "throttle count"
    WAIT = "lane wait"
    DELETE = "delete"
    PACE = "pace"


class Kind(StrEnum):
    """What goes wrong there."""

    EXCEPTION = "exception"
    THROTTLE = "throttle"
    TIMEOUT = "timeout"
    RESET = "reset"
    TRUNCATED = "truncated"
    SLOW = "slow"
    KILLED = "killed"
    DUPLICATE = "duplicate"
    REORDER = "reorder"
    DENIED = "denied"


PIXIAN = {Point.CONNECT, Point.SENT, Point.BODY}
