"""The vendor's routes."""

from dataclasses import dataclass, replace
from decimal import Decimal

from flask import Blueprint, Request, Response, jsonify, request
from werkzeug.exceptions import RequestEntityTooLarge

from local.fake_pixian import faults
from local.fake_pixian.errors import Answer, ApiError
from local.fake_pixian.faults import NO_FAULT, Fault, with_echo
from local.fake_pixian.form import Form, ImageInput, fetch, image_input, read_form
from local.fake_pixian.parameters import Parameters, read_parameters
from local.fake_pixian.remove_background import Result, remove_background
from local.fake_pixian.service import Call, Service, price

NOTHING = Answer(status=0, body=b"")


@dataclass(frozen=True)
class Outcome:
    """The answer, and how the fault lets it get through."""

    answer: Answer
    fault: Fault


def handle(service: Service, request: Request) -> Outcome:
    """Answer the request and keep the ledger."""
    with service.ledger.call() as call:
        outcome = _handle(service, request, call)
        call.fault = outcome.fault.id
        lost = outcome.fault.cut in {"before_body", "after_request"}
        call.status = None if lost else outcome.answer.status
        return outcome


def _handle(service: Service, request: Request, call: Call) -> Outcome:
    early = service.faults.at_arrival()
    if early is not NO_FAULT:
        service.wait(early.delay_seconds)
        return Outcome(NOTHING, early)
    try:
        form, image = _received(service, request, call)
    except ApiError as error:
        return Outcome(error.answer(), NO_FAULT)
    fault = with_echo(service.faults.for_image(image.filename, image.sha256), request, form)
    answer = NOTHING if fault.replaces else _answered(service, call, form, image, fault)
    service.wait(fault.delay_seconds)
    return Outcome(fault.spoil(answer), fault)


def _received(service: Service, request: Request, call: Call) -> tuple[Form, ImageInput]:
    try:
        form = read_form(request)
    except RequestEntityTooLarge as error:
        raise ApiError(413) from error
    call.parameters = {k: v[0] if len(v) == 1 else v for k, v in form.parameters.items()}
    call.test = form.texts.get("test") == ["true"]
    authorize(service, request)
    image = image_input(form)
    call.input, call.filename = image.kind, image.filename
    call.sha256 = image.sha256 if image.data else None
    limit = service.settings.concurrency_limit
    if limit is not None and call.parallel > limit:
        raise ApiError(429)
    if image.url:
        image = replace(image, data=fetch(image.url, service.ca_bundle))
        call.sha256 = image.sha256
    return form, image


def authorize(service: Service, request: Request) -> None:
    """Check the Basic credentials, or raise a 401."""
    given = request.authorization
    if given is None or given.type != "basic":
        raise ApiError(401)
    if not service.knows(given.username or "", given.password or ""):
        raise ApiError(401)


def _answered(service: Service, call: Call, form: Form, image: ImageInput, fault: Fault) -> Answer:
    try:
        parameters = read_parameters(form.parameters)
        result = remove_background(image.data, parameters, service.model)
        billing = _billed(service, call, parameters, price(result.pixels), fault)
    except ApiError as error:
        return error.answer()
    service.wait(service.settings.latency_seconds)
    return _success(result, billing)


def _billed(
    service: Service, call: Call, parameters: Parameters, cost: Decimal, fault: Fault
) -> dict[str, str]:
    call.credits_calculated = cost
    if parameters.test:
        return {"X-Credits-Charged": "0", "X-Credits-Calculated": str(cost)}
    if fault.charges:
        service.account.charge(cost)
        call.credits_charged = cost
    return {"X-Credits-Charged": str(call.credits_charged)}


def _success(result: Result, billing: dict[str, str]) -> Answer:
    return Answer(
        status=200,
        body=result.body,
        content_type=result.content_type,
        headers=result.headers | billing,
    )


def api_routes(service: Service) -> Blueprint:
    """Make the two routes of the API."""
    routes = Blueprint("api", __name__)

    @routes.post("/remove-background")
    def _remove_background() -> Response:
        outcome = handle(service, request)
        if outcome.fault.cut:
            return faults.cut(outcome.answer, outcome.fault.cut)
        if outcome.fault.truncate:
            return faults.truncated(outcome.answer)
        return faults.whole(outcome.answer)

    # Open point: seen in public clients, not on the API page; the values' types are assumed.
    @routes.get("/account")
    def _account() -> Response:
        authorize(service, request)
        balance = float(service.account.balance)
        state = "active" if balance > 0 else "dormant"
        pack = {"creditPack": "standin", "state": state, "useBefore": "2099-12-31"}
        return jsonify(pack | {"credits": balance})

    return routes
