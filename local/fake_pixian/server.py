"""The HTTP server: Flask on Werkzeug's threaded server, on loopback only."""

import contextlib
import fcntl
import logging
import os
import socket
import struct
import sys
import termios
import threading
import time
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Self

from flask import Flask, Response
from werkzeug.exceptions import HTTPException
from werkzeug.serving import WSGIRequestHandler, make_server

from local.fake_pixian.api import api_routes
from local.fake_pixian.control import control_routes
from local.fake_pixian.cutout import load_model
from local.fake_pixian.errors import ApiError
from local.fake_pixian.faults import SeveredError
from local.fake_pixian.service import Service

MODEL = Path(__file__).parents[2] / ".tools/model/rembg/u2netp.onnx"
API_ID = "standin"
# Easy to search for in logs, and different when percent-encoded.
API_SECRET = "standin-S3cr3t+7q/Zx9Kd"  # noqa: S105 - it protects nothing
MAX_BODY = 100 * 1024 * 1024
POLL_SECONDS = 0.05
LONGEST_WAIT_SECONDS = 5
LOGGER = logging.getLogger(__name__)


class StandIn:
    """The fake Pixian, which serves in its own threads inside a `with` block.

    Args:
        port: 0 for any free port.
        api_id: user name of HTTP Basic.
        api_secret: password of HTTP Basic.
        model: U²-Net-p as an ONNX file.
        ca_bundle: certificates to trust when it fetches an `image.url`; None for the usual ones.
        credits: balance at the start.
    """

    def __init__(  # noqa: PLR0913 - keyword-only, each with a default
        self,
        *,
        port: int = 0,
        api_id: str = API_ID,
        api_secret: str = API_SECRET,
        model: Path = MODEL,
        ca_bundle: str | None = None,
        credits: Decimal = Decimal(1000),  # noqa: A002 - Pixian's word
    ) -> None:
        self._service = Service(
            api_id=api_id,
            api_secret=api_secret,
            credits=credits,
            ca_bundle=ca_bundle,
            model=load_model(model),
        )
        self._port = port

    def __enter__(self) -> Self:
        self._service.stopping.clear()
        self._server = make_server(
            "127.0.0.1",
            self._port,
            create_app(self._service),
            threaded=True,
            request_handler=Handler,
        )
        serve = partial(self._server.serve_forever, POLL_SECONDS)
        self._thread = threading.Thread(target=serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._service.stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """The origin, `http://127.0.0.1:PORT`."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def api_id(self) -> str:
        """The user name of HTTP Basic."""
        return self._service.api_id

    @property
    def api_secret(self) -> str:
        """The password of HTTP Basic."""
        return self._service.api_secret


def create_app(service: Service) -> Flask:
    """Create the application with Pixian's routes and `/_control`."""
    app = Flask("local.fake_pixian")
    # An image.base64 is larger than Flask's limit for fields; the body's limit is enough.
    app.config.update(MAX_CONTENT_LENGTH=MAX_BODY, MAX_FORM_MEMORY_SIZE=None)
    app.register_blueprint(api_routes(service), url_prefix="/api/v2")
    app.register_blueprint(control_routes(service), url_prefix="/_control")
    app.register_error_handler(Exception, _failed)
    return app


def _failed(error: Exception) -> Response:
    if isinstance(error, HTTPException) and error.code:
        error = ApiError(error.code, error.description or "")
    elif not isinstance(error, ApiError):
        LOGGER.error("The fake Pixian failed.", exc_info=error)
        error = ApiError(500)
    return error.answer().response()


class Handler(WSGIRequestHandler):
    """One connection. A `SeveredError`, or any other `ConnectionError`, resets it."""

    protocol_version = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Write no access log: `/_control/ledger` has more."""

    def connection_dropped(self, error: BaseException, environ: object = None) -> None:  # noqa: ARG002
        """Reset the connection, even if the request hasn't been read to its end."""
        self.close_connection = True
        if isinstance(error, SeveredError):
            _await_sent(self.connection)
        _reset(self.connection)


def _await_sent(connection: socket.socket) -> None:
    # A reset discards what the kernel hasn't sent yet, but half of the body must arrive.
    deadline = time.monotonic() + LONGEST_WAIT_SECONDS
    with contextlib.suppress(OSError):
        while _unsent(connection) and time.monotonic() < deadline:
            time.sleep(0.002)


def _unsent(connection: socket.socket) -> int:
    return int.from_bytes(fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)), sys.byteorder)


def _reset(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        linger_zero_seconds = struct.pack("ii", 1, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_zero_seconds)
        # Closing the descriptor itself sends RST: the streams made from the socket keep it open.
        os.close(connection.detach())
