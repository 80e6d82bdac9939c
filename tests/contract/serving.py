"""A service of a few lines on loopback."""

import socketserver
import ssl
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class QuietHandler(BaseHTTPRequestHandler):
    """Writes no log."""

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served(
    handler: type[socketserver.StreamRequestHandler], tls: ssl.SSLContext | None = None
) -> Iterator[str]:
    """The address at which a handler answers as long as the context lasts."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http{'s' * bool(tls)}://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class Answering(socketserver.StreamRequestHandler):
    """Reads a request whole, answers with bytes as they are, and ends the connection."""

    answer: Iterable[bytes]

    def handle(self) -> None:
        length = 0
        while (line := self.rfile.readline()).strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        self.rfile.read(length)
        with suppress(OSError):
            for piece in self.answer:
                self.wfile.write(piece)


@contextmanager
def answering(answer: Iterable[bytes], tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """The address of a service that answers each request with the same bytes, valid or not."""
    handler = type("Handler", (Answering,), {"answer": answer})
    with served(handler, tls) as address:
        yield address
