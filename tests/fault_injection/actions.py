"""What a gate can do to a call."""

import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Never

from local.fake_pixian.faults import SeveredError
from tests.fault_injection.aws import service
from tests.fault_injection.gate import Exchange, Reply, refusal
from tests.fault_injection.plan import Fault
from tests.fault_injection.points import PIXIAN, Kind, Point

_THROTTLES = {
    "s3": (503, "SlowDown"),
    "dynamodb": (400, "ProvisionedThroughputExceededException"),
    "sqs": (403, "RequestThrottled"),
    "secretsmanager": (400, "ThrottlingException"),
    "appconfigdata": (429, "ThrottlingException"),
    "lambda": (429, "TooManyRequestsException"),
}
_DENIALS = {"s3": (403, "AccessDenied"), "appconfigdata": (403, "AccessDeniedException")}
_DENIALS["lambda"] = _DENIALS["appconfigdata"]
_DENIAL = (400, "AccessDeniedException")
_SECONDS = (2, 10, 19)
_PIXIAN_SECONDS = (10, 60, 170)
"""All of them shorter than the program's patience, which takes one silence after another."""


def refuse(fault: Fault, exchange: Exchange) -> Iterable[bytes]:
    """Answer with an error; one of the server may come although the call was done."""
    name = service(exchange.environ)
    exchange.read()
    if fault.kind is Kind.THROTTLE:
        return exchange.send(refusal(name, *_THROTTLES[name]))
    if fault.detail % 3 == 0:
        return exchange.send(refusal(name, *_DENIALS.get(name, _DENIAL)))
    if fault.after:
        exchange.execute()
    code = "InternalError" if name == "s3" else "InternalServerError"
    return exchange.send(refusal(name, 500, code))


def deny(_: Fault, exchange: Exchange) -> Iterable[bytes]:
    """Answer that the permission is missing."""
    exchange.read()
    return exchange.send(refusal("s3", *_DENIALS["s3"]))


def silent(fault: Fault, exchange: Exchange) -> Iterable[bytes]:
    """Say nothing for a while, or for ever."""
    choices = _PIXIAN_SECONDS if fault.point in PIXIAN else _SECONDS
    seconds = choices[fault.detail % len(choices)] if fault.kind is Kind.SLOW else math.inf
    if fault.point is Point.BODY:
        return exchange.send_halves(exchange.execute(), partial(exchange.pause, seconds))
    exchange.read()
    if fault.after or fault.kind is Kind.SLOW:
        reply = exchange.execute()
        exchange.pause(seconds)
        return exchange.send(reply)
    exchange.pause(seconds)
    raise SeveredError


def reset(fault: Fault, exchange: Exchange) -> Never:
    """Reset the connection, whether the call was done or not."""
    exchange.read()
    if fault.after:
        exchange.execute()
    raise SeveredError


def truncate(_: Fault, exchange: Exchange) -> Never:
    """Do what is asked, and hang up in the midst of the answer."""
    reply = exchange.execute()
    exchange.break_off(reply.raw()[: _kept(reply)])


def _kept(reply: Reply) -> int:
    """Up to half of the body; of the first line, where there is no body."""
    size = len(reply.body)
    return len(reply.raw()) - size // 2 if size > 1 else len("HTTP/1")


def hold(fault: Fault, meanwhile: Callable[[], None], exchange: Exchange) -> Iterable[bytes]:
    """Keep the function waiting while something else happens."""
    if fault.point is Point.BODY:
        return exchange.send_halves(exchange.execute(), meanwhile)
    if fault.point is not Point.CONNECT:
        exchange.read()
        if fault.after:
            reply = exchange.execute()
            meanwhile()
            return exchange.send(reply)
    meanwhile()
    return exchange.forward()
