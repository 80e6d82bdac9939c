"""What the service would never offer: the ledger, faults to order, settings."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any

from flask import Blueprint, Response, jsonify, request

from local.fake_pixian.errors import ApiError
from local.fake_pixian.service import Service, Settings

LONGEST_LATENCY = 3600


@dataclass(frozen=True, kw_only=True)
class Change:
    """Settings as they shall be, and a balance where one was put."""

    settings: Settings
    credits: Decimal | None


def read_change(document: object, settings: Settings) -> Change:
    """Check what was put; ValueError says what is wrong."""
    if not isinstance(document, dict):
        raise ValueError("settings are a JSON object")
    values: dict[str, Any] = {}
    for name, value in document.items():
        if name not in READERS:
            raise ValueError(f"{name}: unknown field; there are {', '.join(READERS)}")
        values[name] = READERS[name](value)
    balance = values.pop("credits", None)
    return Change(settings=replace(settings, **values), credits=balance)


def _limit(value: object) -> int | None:
    if value is None or (type(value) is int and value >= 0):
        return value
    raise ValueError("concurrency_limit: takes a whole number from 0, or null")


def _credits(value: object) -> Decimal:
    try:
        balance = Decimal(value) if isinstance(value, str) else Decimal("NaN")
    except InvalidOperation:
        balance = Decimal("NaN")
    if not balance.is_finite():
        raise ValueError("credits: takes a decimal as a string")
    return balance


def _latency(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        value = -1
    if not 0 <= value <= LONGEST_LATENCY:
        raise ValueError(f"latency_seconds: takes seconds from 0 to {LONGEST_LATENCY}")
    return value


READERS: dict[str, Callable[[object], object]] = {
    "concurrency_limit": _limit,
    "credits": _credits,
    "latency_seconds": _latency,
}


def control_routes(service: Service) -> Blueprint:
    """Make the routes; they ask for no credentials, the server listens on loopback only."""
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
    @routes.get("/settings")
    def _settings() -> Response:
        return jsonify(_shown(service))

    @routes.put("/settings")
    def _put_settings() -> Response:
        try:
            change = read_change(_document(), service.settings)
        except ValueError as error:
            raise ApiError(400, str(error)) from error
        service.settings = change.settings
        if change.credits is not None:
            service.account.balance = change.credits
        return jsonify(_shown(service))


def _document() -> object:
    document: Any = request.get_json(force=True, silent=True)
    if document is None:
        raise ValueError("the body is a JSON object")
    return document


def _shown(service: Service) -> dict[str, object]:
    settings = service.settings
    return {
        "concurrency_limit": settings.concurrency_limit,
        "credits": str(service.account.balance),
        "latency_seconds": settings.latency_seconds,
    }


def _done() -> Response:
    return Response(status=204)
