"""Replay an answer of Pixian, so that the fake service's own work isn't measured."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests


@dataclass(frozen=True)
class Answer:
    """A whole response."""

    body: bytes = field(repr=False)
    headers: dict[str, str]


@dataclass
class Replay:
    """A server that reads each request, then returns the same answer at once."""

    url: str = ""
    answer: Answer | None = None


@contextmanager
def replay() -> Iterator[Replay]:
    """Run the server while the context is open."""
    state = Replay()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, state))
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def ask(url: str, credentials: tuple[str, str], image: bytes) -> Answer:
    """The answer of the local service in test mode, to be given again."""
    response = requests.post(
        f"{url}/api/v2/remove-background",
        auth=credentials,
        files={"image": image},
        data={"test": "true"},
        timeout=180,
    )
    response.raise_for_status()
    kept = ("content-type", "x-")
    headers = {k: v for k, v in response.headers.items() if k.lower().startswith(kept)}
    return Answer(response.content, headers)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # headers and body in one go

    def __init__(self, state: Replay, *arguments: object) -> None:
        self._state = state
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_POST(self) -> None:
        left = int(self.headers["Content-Length"])
        while left:
            left -= len(self.rfile.read1(min(left, 1 << 20)))
        answer = self._state.answer
        assert answer  # noqa: S101 - set before each image
        self.send_response(200)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, *_: object) -> None:
        """Stay quiet."""
