"""From an answer to HTTP, whole or spoilt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Response

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from local.fake_pixian.answer import Answer
    from local.fake_pixian.fault import Cut


class SeveredError(ConnectionError):
    """Ends a request without an answer; the server resets the connection."""


def whole(answer: Answer) -> Response:
    """Give the response as it should be."""
    return _filled(Response(answer.body), answer)


def truncated(answer: Answer) -> Response:
    """Declare the full length, send half, close in order."""
    response = _filled(Response(iter([_half(answer.body)])), answer)
    response.headers["Content-Length"] = str(len(answer.body))
    return response


def cut(answer: Answer, where: Cut) -> Response:
    """Reset the connection, for `mid_body` after the headers and half of the body."""
    response = _SeveredResponse(answer.body)
    response.mid_body = where == "mid_body"
    return _filled(response, answer)


def _filled(response: Response, answer: Answer) -> Response:
    response.status_code = answer.status
    response.headers.update(answer.headers)
    response.headers["Content-Type"] = answer.content_type
    return response


def _half(body: bytes) -> bytes:
    return body[: len(body) // 2]


class _SeveredResponse(Response):
    mid_body = False

    # Raised here and not while the body is iterated: after that the server would first read on
    # until the client closes, and the client waits for the server.
    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if self.mid_body:
            headers = self.get_wsgi_headers(environ).to_wsgi_list()
            start_response(self.status, headers)(_half(self.get_data()))
        raise SeveredError
