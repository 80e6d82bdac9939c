"""From a planned fault to what is done at the gates, to Pixian and to the functions."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Never

from local.fake_pixian.faults import SeveredError
from tests.fault_injection import actions
from tests.fault_injection.aws import Aws
from tests.fault_injection.environments import Environments
from tests.fault_injection.gate import Action, Strike
from tests.fault_injection.lambda_service import Event, LambdaService
from tests.fault_injection.plan import Fault, deletes_message
from tests.fault_injection.points import PIXIAN, Kind, Point
from tests.fault_injection.standin import Pixian

type Struck = Callable[[], int]

_CONNECTS = ("refused", "unreachable", "no name")
_AT_CONNECT = {Kind.EXCEPTION, Kind.TIMEOUT, Kind.SLOW}
_TROUBLES = {
    Kind.EXCEPTION: "raises",
    Kind.THROTTLE: "no room",
    Kind.TIMEOUT: "hangs",
    Kind.RESET: "lost",
    Kind.KILLED: "killed",
}
_ACTIONS: dict[Kind, Callable[..., Any]] = {
    Kind.DENIED: actions.deny,
    Kind.EXCEPTION: actions.refuse,
    Kind.THROTTLE: actions.refuse,
    Kind.TIMEOUT: actions.silent,
    Kind.SLOW: actions.silent,
    Kind.RESET: actions.reset,
    Kind.TRUNCATED: actions.truncate,
}


@dataclass(frozen=True)
class Stage:
    """Where a fault is put on.

    Attributes:
        later: has the same event come once more after so many seconds.
        overtake: drops a newer version and handles its event.
    """

    aws: Aws
    pixian: Pixian
    environments: Environments
    lambda_service: LambdaService
    later: Callable[[float], None]
    overtake: Callable[[], None]


def put_on(fault: Fault, stage: Stage) -> Struck:
    """Have it strike; the answer tells how often it has."""
    if fault.point is Point.EVENT:
        return _at_function(fault, stage)
    if deletes_message(fault):
        return _at_deletion(fault, stage)
    if fault.point is Point.WAIT:
        stage.environments.waits = fault.times
        return lambda: stage.environments.waits_killed
    if fault.point is Point.CONNECT and fault.kind in _AT_CONNECT:
        return _at_connect(fault, stage)
    if fault.point in PIXIAN and (order := _order(fault)):
        # Faults ordered before it take the calls that it would skip.
        stage.pixian.fail(**order, times=fault.times)
        return partial(stage.pixian.struck, order)
    gate = stage.pixian.gate if fault.point in PIXIAN else stage.aws.gate
    strike = Strike(fault.point, _action(fault, stage), fault.skip, fault.times)
    gate.strikes.append(strike)
    return lambda: strike.struck


def _at_function(fault: Fault, stage: Stage) -> Struck:
    # The other kinds are in how the event is delivered: see `play`.
    if fault.kind not in _TROUBLES:
        return lambda: 1
    troubles = stage.lambda_service.troubles
    troubles.extend([_TROUBLES[fault.kind]] * fault.times)
    return lambda: fault.times - len(troubles)


def _at_deletion(fault: Fault, stage: Stage) -> Struck:
    """A message that is done isn't deleted, or comes again all the same."""
    lambda_service, cuts = stage.lambda_service, stage.lambda_service.cuts

    def cut(record: Event) -> None:
        if fault.kind in {Kind.DUPLICATE, Kind.REORDER}:
            _meanwhile(fault, stage)()
        if fault.after:
            lambda_service.delete(record)

    cuts.extend([cut] * fault.times)
    return lambda: fault.times - len(cuts)


def _at_connect(fault: Fault, stage: Stage) -> Struck:
    named = {Kind.TIMEOUT: "timeout", Kind.SLOW: "slow"}
    what = named.get(fault.kind) or _CONNECTS[fault.detail % len(_CONNECTS)]
    stage.environments.connects = (what,) * fault.times
    return lambda: stage.environments.connects_struck


# ---- With Pixian, as `/_control` takes it -------------------------------------------------------

_STATUSES = (500, 502, 503, 401, 402, 403, 400, 413)
_NOTHING = {"status": 200, "body": "", "content_type": "image/png"}


def _order(fault: Fault) -> dict[str, Any] | None:
    """None for what a gate does."""
    odd = fault.detail % 2 == 1
    asks = {"headers": {"Retry-After": "30"}} if odd else {}
    orders: dict[tuple[Point, Kind], dict[str, Any]] = {
        (Point.CONNECT, Kind.RESET): {"cut": "before_body"},
        (Point.SENT, Kind.EXCEPTION): {"status": _STATUSES[fault.detail % len(_STATUSES)]},
        (Point.SENT, Kind.THROTTLE): {"status": 429, **asks},
        (Point.SENT, Kind.RESET): {"cut": "after_request", "charge": fault.after},
        (Point.SENT, Kind.TRUNCATED): {"content_type": "text/html"} if odd else _NOTHING,
        # Errors that are cut short are errors all the same, and cost nothing.
        (Point.BODY, Kind.EXCEPTION): {"status": 503, "truncate": True, "charge": False},
        (Point.BODY, Kind.THROTTLE): {"status": 429, "cut": "mid_body", "charge": False, **asks},
        (Point.BODY, Kind.RESET): {"cut": "mid_body"},
        (Point.BODY, Kind.TRUNCATED): {"truncate": True},
    }
    return orders.get((fault.point, fault.kind))


# ---- At a gate ----------------------------------------------------------------------------------


def _action(fault: Fault, stage: Stage) -> Action:
    if act := _ACTIONS.get(fault.kind):
        return partial(act, fault)
    return partial(actions.hold, fault, _meanwhile(fault, stage))


def _meanwhile(fault: Fault, stage: Stage) -> Callable[[], None]:
    """What happens while the function waits for an answer."""

    def kill() -> Never:
        stage.environments.kill()
        raise SeveredError

    if fault.kind is Kind.KILLED:
        return kill
    if fault.kind is Kind.REORDER:
        return stage.overtake
    if fault.late_seconds:
        return partial(stage.later, fault.late_seconds)
    return stage.lambda_service.again
