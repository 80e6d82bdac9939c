"""Where a fault can strike, and what it can be."""

from enum import StrEnum


class Point(StrEnum):
    """A step of processing, in the order in which it is reached."""

    EVENT = "event in"
    CONFIGURATION = "configuration"
    HEAD = "head"
    LEASE = "lease"
    SOURCE = "source read"
    SECRET = "secret"
    CONNECT = "connect"
    SENT = "after sending"
    BODY = "mid-body"
    RESULT = "result put"
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


PIXIAN = {Point.CONNECT, Point.SENT, Point.BODY}
