"""The vendor's routes."""

import logging

from flask import Blueprint, Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from local.fake_pixian import delivery
from local.fake_pixian.call import authorize, handle
from local.fake_pixian.control import control_routes
from local.fake_pixian.errors import ApiError
from local.fake_pixian.service import Service

MAX_BODY = 100 * 1024 * 1024
LOGGER = logging.getLogger(__name__)


def create_app(service: Service) -> Flask:
    """Put the vendor's routes and ours on one application."""
    app = Flask("local.fake_pixian")
    # base64 fields are larger than the default for fields in memory; the body's bound holds.
    app.config.update(MAX_CONTENT_LENGTH=MAX_BODY, MAX_FORM_MEMORY_SIZE=None)
    app.register_blueprint(api_routes(service), url_prefix="/api/v2")
    app.register_blueprint(control_routes(service), url_prefix="/_control")
    app.register_error_handler(Exception, _failed)
    return app


def api_routes(service: Service) -> Blueprint:
    """Make the two routes of the API."""
    routes = Blueprint("api", __name__)

    @routes.post("/remove-background")
    def _remove_background() -> Response:
        outcome = handle(service, request)
        if outcome.fault.cut:
            return delivery.cut(outcome.answer, outcome.fault.cut)
        if outcome.fault.truncate:
            return delivery.truncated(outcome.answer)
        return delivery.whole(outcome.answer)

    # Open point: seen in public clients, not on the API page; the values' types are assumed.
    @routes.get("/account")
    def _account() -> Response:
        authorize(service, request)
        balance = float(service.account.balance)
        state = "active" if balance > 0 else "dormant"
        pack = {"creditPack": "standin", "state": state, "useBefore": "2099-12-31"}
        return jsonify(pack | {"credits": balance})

    return routes


def _failed(error: Exception) -> Response:
    if isinstance(error, ApiError):
        return delivery.whole(error.answer())
    if isinstance(error, HTTPException) and error.code:
        return delivery.whole(ApiError(error.code, error.description or "").answer())
    LOGGER.error("The stand-in failed.", exc_info=error)
    return delivery.whole(ApiError(500).answer())
