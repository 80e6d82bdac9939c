"""An error whose message quotes the request: what a careless service would do."""

from dataclasses import replace

from flask import Request

from local.fake_pixian.errors import ApiError
from local.fake_pixian.fault import Fault
from local.fake_pixian.form import URL, Form


def with_echo(fault: Fault, request: Request, form: Form) -> Fault:
    """Give a fault that echoes the message that it asks for."""
    if not fault.echo or fault.status is None:
        return fault
    given = request.authorization
    quoted = [request.headers["Authorization"], (given and given.password) or ""]
    message = "Refused: " + " ".join(quoted + form.texts.get(URL, []))
    return replace(fault, body=ApiError(fault.status, message).document())
