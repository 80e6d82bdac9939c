"""Pixian's two routes: from the request to the answer."""

from dataclasses import replace
from decimal import Decimal

from flask import Blueprint, Request, Response, jsonify, request
from werkzeug.exceptions import RequestEntityTooLarge

from local.fake_pixian.errors import Answer, ApiError
from local.fake_pixian.faults import NO_FAULT, Fault, deliver, with_echo
from local.fake_pixian.form import Form, ImageInput, fetch, image_input, read_form
from local.fake_pixian.parameters import Parameters, given, read_parameters
from local.fake_pixian.remove_background import remove_background
from local.fake_pixian.service import Call, Service, made_up_price

NOTHING = Answer(status=0, body=b"")


def api_routes(service: Service) -> Blueprint:
    """Create the routes."""
    routes = Blueprint("api", __name__)

    @routes.post("/remove-background")
    def _remove_background() -> Response:
        with service.ledger.call() as call:
            answer, fault = _handle(service, request, call)
            call.fault = fault.id
            lost = fault.cut in {"before_body", "after_request"}
            call.status = None if lost else answer.status
            return deliver(answer, fault)

    # Known from public clients, not from the API page; the types of the values are assumed.
    @routes.get("/account")
    def _account() -> Response:
        _authorize(service, request)
        balance = float(service.account.balance)
        state = "active" if balance > 0 else "dormant"
        pack = {"creditPack": "standin", "state": state, "useBefore": "2099-12-31"}
        return jsonify(pack | {"credits": balance})

    return routes


def _handle(service: Service, request: Request, call: Call) -> tuple[Answer, Fault]:
    early = service.faults.at_arrival()
    if early is not NO_FAULT:
        service.wait(early.delay_seconds)
        return NOTHING, early
    try:
        form, image = _received(service, request, call)
    except ApiError as error:
        return error.answer(), NO_FAULT
    fault = with_echo(service.faults.for_image(image.filename, image.sha256), request, form)
    answer = NOTHING if fault.replaces else _answered(service, call, form, image, fault)
    service.wait(fault.delay_seconds)
    return fault.spoil(answer), fault


def _received(service: Service, request: Request, call: Call) -> tuple[Form, ImageInput]:
    _authorize(service, request)
    try:
        form = read_form(request)
    except RequestEntityTooLarge as error:
        raise ApiError(413) from error
    call.parameters = {k: v[0] if len(v) == 1 else v for k, v in form.parameters.items()}
    call.test = [text.lower() for text in given(form.texts.get("test", []))] == ["true"]
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


def _authorize(service: Service, request: Request) -> None:
    given = request.authorization
    if given is None or given.type != "basic":
        raise ApiError(401)
    if not service.knows(given.username or "", given.password or ""):
        raise ApiError(401)


def _answered(service: Service, call: Call, form: Form, image: ImageInput, fault: Fault) -> Answer:
    try:
        parameters = read_parameters(form.parameters)
        result = remove_background(image.data, parameters, service.model)
        billing = _billed(service, call, parameters, made_up_price(result.pixels), fault)
    except ApiError as error:
        return error.answer()
    service.wait(service.settings.latency_seconds)
    return Answer(
        status=200,
        body=result.body,
        content_type=result.content_type,
        headers=result.headers | billing,
    )


def _billed(
    service: Service, call: Call, parameters: Parameters, price: Decimal, fault: Fault
) -> dict[str, str]:
    call.credits_calculated = price
    if parameters.test:
        return {"X-Credits-Charged": "0", "X-Credits-Calculated": str(price)}
    if fault.charges:
        service.account.charge(price)
        call.credits_charged = price
    return {"X-Credits-Charged": str(call.credits_charged)}
