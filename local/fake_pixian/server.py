"""The stand-in as an HTTP server on loopback."""

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

from local.fake_pixian import faults
from local.fake_pixian.api import api_routes
from local.fake_pixian.control import control_routes
from local.fake_pixian.cutout import load_model
from local.fake_pixian.errors import ApiError
from local.fake_pixian.faults import SeveredError
from local.fake_pixian.service import Service

MODEL = Path(__file__).parents[2] / ".tools/model/rembg/u2netp.onnx"
API_SECRET = "standin-S3cr3t+7q/Zx9Kd"  # noqa: S105 - guards nothing
"""Found nowhere by chance, and looks different where it is percent-encoded."""

# How soon the server notices that it shall stop.
POLL_SECONDS = 0.05
LONGEST_WAIT_SECONDS = 5
MAX_BODY = 100 * 1024 * 1024
LOGGER = logging.getLogger(__name__)


class StandIn:
    """Serves within a `with` block, in threads of its own.

    `credits` is the balance at the start, `ca_bundle` what verifies TLS where an `image.url` is
    fetched, port 0 any free one.
    """

    def __init__(  # noqa: PLR0913 - each has a default and a name
        self,
        *,
        port: int = 0,
        api_id: str = "standin",
        api_secret: str = API_SECRET,
        model: Path = MODEL,
        ca_bundle: str | None = None,
        credits: Decimal = Decimal(1000),  # noqa: A002 - the service's word
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
    """Put the vendor's routes and ours on one application."""
    app = Flask("local.fake_pixian")
    # base64 fields are larger than the default for fields in memory; the body's bound holds.
    app.config.update(MAX_CONTENT_LENGTH=MAX_BODY, MAX_FORM_MEMORY_SIZE=None)
    app.register_blueprint(api_routes(service), url_prefix="/api/v2")
    app.register_blueprint(control_routes(service), url_prefix="/_control")
    app.register_error_handler(Exception, _failed)
    return app


def _failed(error: Exception) -> Response:
    if isinstance(error, ApiError):
        return faults.whole(error.answer())
    if isinstance(error, HTTPException) and error.code:
        return faults.whole(ApiError(error.code, error.description or "").answer())
    LOGGER.error("The stand-in failed.", exc_info=error)
    return faults.whole(ApiError(500).answer())


class Handler(WSGIRequestHandler):
    """One connection, which a `SeveredError` or any other `ConnectionError` resets."""

    protocol_version = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Stay quiet: the ledger tells more."""

    def connection_dropped(self, error: BaseException, environ: object = None) -> None:  # noqa: ARG002
        """Reset the connection, whatever is unread."""
        self.close_connection = True
        if isinstance(error, SeveredError):
            _await_sent(self.connection)
        _reset(self.connection)


def _await_sent(connection: socket.socket) -> None:
    # A reset throws away what the system has yet to send, and half a body is to arrive.
    deadline = time.monotonic() + LONGEST_WAIT_SECONDS
    with contextlib.suppress(OSError):
        while _unsent(connection) and time.monotonic() < deadline:
            time.sleep(0.002)


def _unsent(connection: socket.socket) -> int:
    return int.from_bytes(fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)), sys.byteorder)


def _reset(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        lingering_for_nothing = struct.pack("ii", 1, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, lingering_for_nothing)
        # Detached, since the streams made from the socket would keep it open. RST, not FIN.
        os.close(connection.detach())
