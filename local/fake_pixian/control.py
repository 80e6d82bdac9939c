"""`/_control`: tests order faults, change settings and read the calls here. No credentials needed.

    GET    /_control/ledger     {"requests": [call, …]}, in the order of arrival
    DELETE /_control/ledger     204; removes the calls so far
    GET    /_control/faults     {"faults": [fault, …]}; `times` and `skip` are what is left
    POST   /_control/faults     a fault; 201 {"id": "fault-1"}
    DELETE /_control/faults     204; removes all faults
    GET    /_control/settings   the settings
    PUT    /_control/settings   the settings to change; 200 with all settings
    POST   /_control/reset      204; back to the state at the start

For example, to answer the next two uploads of a.jpg with 429 and a Retry-After of 7 seconds:

    curl http://127.0.0.1:PORT/_control/faults -d '{"status": 429, "times": 2,
        "match": {"filename": "a.jpg"}, "headers": {"Retry-After": "7"}}'

A document that isn't valid is answered with 400, and changes nothing.

A **fault** applies to a remove-background request with valid credentials and exactly one image,
within the concurrency limit. At most one applies: the first that matches and has times left. All
fields are optional:

- `match`: `{"filename": …, "sha256": …}`, one of them or both; default `{}`: every image
- `skip`: how many matching requests to let through first; default 0
- `times`: how many requests it then applies to; default 1; null: all, until it is deleted
- `status`: 200 to 599; replaces the real answer; default null: the real answer
- `body`: with `status`: a string (text/plain) or JSON; default: Pixian's error object. A status
  below 400 needs a body
- `echo`: with a `status` of 400 or above and no `body`: true makes the error message quote the
  credentials and the image.url, as a careless service might; default false
- `headers`: added to the answer, real or not; default `{}`. Content-Type, Content-Length,
  Transfer-Encoding and Connection aren't allowed
- `content_type`: replaces that of the answer
- `delay_seconds`: 0 to 3600, before the answer; default 0
- `cut`: resets the connection: `before_body`, before the request's body is read (without `match`;
  it needs no credentials either); `after_request`, in place of the answer; `mid_body`, after the
  headers and half of the body
- `truncate`: true closes the connection in order after half of the body; default false
- `charge`: whether the credits are charged; default: only if the answer is the real one or has
  status 200, or is cut (not before the body) or truncated. A test is always free

The **settings**, with their defaults:

- `concurrency_limit`: null; more calls at a time than this get 429
- `credits`: "1000", a decimal as a string; the balance
- `latency_seconds`: 0, up to 3600; added to each success

A **call** is one remove-background request, also one that was refused:

- `id`, and `arrived_at` and `finished_at` in seconds since 1970; `finished_at` is null in progress
- `parallel`: how many calls were in progress, this one included
- `input`: `upload`, `base64` or `url`; `filename` and `sha256` of the image
- `parameters`: the other fields as sent, those in the URL included; `test`: whether it is a test
- `status`: null if no answer was sent; `fault`: the id of the fault that applied, or null
- `credits_charged`, and `credits_calculated`, which a test would have cost: decimals as strings,
  from made-up prices (`service.made_up_price`)
"""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any

from flask import Blueprint, Response, jsonify, request

from local.fake_pixian.errors import ApiError
from local.fake_pixian.service import Service

LONGEST_LATENCY = 3600


def control_routes(service: Service) -> Blueprint:
    """Create the routes."""
    routes = Blueprint("control", __name__)
    _add_ledger(routes, service)
    _add_faults(routes, service)
    _add_settings(routes, service)

    @routes.post("/reset")
    def _reset() -> Response:
        service.reset()
        return _done()

    return routes


def _add_ledger(routes: Blueprint, service: Service) -> None:
    @routes.get("/ledger")
    def _ledger() -> Response:
        return jsonify({"requests": service.ledger.entries()})

    @routes.delete("/ledger")
    def _clear_ledger() -> Response:
        service.ledger.clear()
        return _done()


def _add_faults(routes: Blueprint, service: Service) -> None:
    @routes.get("/faults")
    def _faults() -> Response:
        return jsonify({"faults": service.faults.entries()})

    @routes.post("/faults")
    def _post_fault() -> tuple[Response, int]:
        try:
            return jsonify({"id": service.faults.post(_document())}), 201
        except ValueError as error:
            raise ApiError(400, str(error)) from error

    @routes.delete("/faults")
    def _clear_faults() -> Response:
        service.faults.clear()
        return _done()


def _add_settings(routes: Blueprint, service: Service) -> None:
    def shown() -> Response:
        settings = service.settings
        return jsonify(
            {
                "concurrency_limit": settings.concurrency_limit,
                "credits": str(service.account.balance),
                "latency_seconds": settings.latency_seconds,
            }
        )

    @routes.get("/settings")
    def _settings() -> Response:
        return shown()

    @routes.put("/settings")
    def _put_settings() -> Response:
        try:
            changes = _read_settings(_document())
        except ValueError as error:
            raise ApiError(400, str(error)) from error
        if "credits" in changes:
            service.account.balance = changes.pop("credits")
        service.settings = replace(service.settings, **changes)
        return shown()


def _document() -> object:
    document: Any = request.get_json(force=True, silent=True)
    if document is None:
        raise ValueError("the body must be a JSON object")
    return document


def _done() -> Response:
    return Response(status=204)


def _read_settings(document: object) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise ValueError("settings must be a JSON object")
    for name in document:
        if name not in READERS:
            raise ValueError(f"{name}: unknown field; known are {', '.join(READERS)}")
    return {name: READERS[name](value) for name, value in document.items()}


def _limit(value: object) -> int | None:
    if value is None or (type(value) is int and value >= 0):
        return value
    raise ValueError("concurrency_limit: must be a whole number from 0, or null")


def _credits(value: object) -> Decimal:
    try:
        balance = Decimal(value) if isinstance(value, str) else Decimal("NaN")
    except InvalidOperation:
        balance = Decimal("NaN")
    if not balance.is_finite():
        raise ValueError("credits: must be a decimal as a string")
    return balance


def _latency(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        value = -1
    if not 0 <= value <= LONGEST_LATENCY:
        raise ValueError(f"latency_seconds: must be seconds from 0 to {LONGEST_LATENCY}")
    return value


READERS: dict[str, Callable[[object], object]] = {
    "concurrency_limit": _limit,
    "credits": _credits,
    "latency_seconds": _latency,
}
