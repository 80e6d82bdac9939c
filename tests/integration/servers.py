"""Two services on loopback that answer as tests ask: Pixian and AppConfig's data plane."""

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flask import Flask, Response, request
from werkzeug.serving import WSGIRequestHandler, make_server

from tests.builders import picture

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


class _Quiet(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


@contextmanager
def serve(app: "WSGIApplication", handler: type[WSGIRequestHandler] = _Quiet) -> Iterator[str]:
    """Serve an application within the context, at the URL that it yields."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass(frozen=True)
class Answer:
    """What Pixian says to one call."""

    status: int = 200
    body: bytes = picture((20, 10))
    content_type: str = "image/png"
    headers: dict[str, str] = field(default_factory=dict)


CUT_OUT = Answer(
    headers={
        "X-Credits-Charged": "0.5",
        "X-Credits-Calculated": "0.5",
        "X-Input-Orientation": "1",
        "X-Input-Size": "40 30",
        "X-Result-Size": "20 10",
        "X-Input-Foreground": "1 2 3 4",
        "X-Result-Foreground": "5 6 7 8",
    }
)


def refusal(
    status: int, message: str = "No.", code: int = 7, retry_after: str | None = None
) -> Answer:
    """An error in Pixian's JSON."""
    text = f'{{"error": {{"status": {status}, "code": {code}, "message": "{message}"}}}}'
    headers = {"Retry-After": retry_after} if retry_after else {}
    return Answer(status, text.encode(), "application/json", headers)


@dataclass(frozen=True)
class Call:
    """What Pixian was asked once."""

    form: dict[str, str]
    file_name: str | None
    image: bytes
    api_id: str | None
    api_secret: str | None


class FakePixian:
    """Gives each of `answers` once, then cut-outs; `meanwhile` happens during each call."""

    def __init__(self) -> None:
        self.url = ""
        self.clear()

    def clear(self) -> None:
        self.calls: list[Call] = []
        self.answers: list[Answer] = []
        self.meanwhile: Callable[[], object] = lambda: None

    def app(self) -> Flask:
        app = Flask("pixian")

        @app.post("/api/v2/remove-background")
        def _remove_background() -> Response:
            self._note()
            self.meanwhile()
            answer = self.answers.pop(0) if self.answers else CUT_OUT
            response = Response(answer.body, answer.status, answer.headers)
            response.headers["Content-Type"] = answer.content_type
            return response

        return app

    def _note(self) -> None:
        image = request.files.get("image")
        who = request.authorization
        self.calls.append(
            Call(
                dict(request.form),
                image.filename if image else None,
                image.read() if image else b"",
                who.username if who else None,
                who.password if who else None,
            )
        )


class FakeAppConfig:
    """AppConfig's data plane with one document; `away` makes it refuse every request."""

    def __init__(self) -> None:
        self.url = ""
        self.clear()

    def clear(self) -> None:
        self.document = '{"defaults": {"test": true}}'
        self.away = False
        self.sessions = 0
        self.polls = 0
        self._numbers = itertools.count(1)
        self._sent: dict[str, str] = {}
        self._valid: set[str] = set()

    def expire_sessions(self) -> None:
        """Refuse all tokens given out so far, as the service does after a day."""
        self._valid.clear()

    def app(self) -> Flask:
        app = Flask("appconfigdata")

        @app.post("/configurationsessions")
        def _start() -> tuple[dict[str, str], int]:
            self.sessions += 1
            if self.away:
                return {"Message": "away"}, 404
            return {"InitialConfigurationToken": self._token("")}, 201

        @app.get("/configuration")
        def _latest() -> Response:
            self.polls += 1
            token = request.args["configuration_token"]
            if self.away or token not in self._valid:
                return Response('{"Message": "The token is not valid."}', 400)
            # Nothing, where the session has the newest document already.
            news = "" if self._sent[token] == self.document else self.document
            headers = {"Next-Poll-Configuration-Token": self._token(self.document)}
            return Response(news, 200, headers, content_type="application/json")

        return app

    def _token(self, sent: str) -> str:
        token = f"token-{next(self._numbers)}"
        self._valid.add(token)
        self._sent[token] = sent
        return token
