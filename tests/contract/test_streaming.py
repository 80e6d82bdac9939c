"""An image is never held whole in memory."""

import tempfile
import tracemalloc
from collections.abc import Iterator

import pytest
import requests

from pixian_s3.pixian.client import Pixian
from pixian_s3.pixian.credentials import Credentials
from pixian_s3.pixian.inputs import Upload
from tests.contract.serving import QuietHandler, served

MB = 1 << 20
SIZE = 40 * MB
CHUNK = bytes(1 << 16)


class Bulky(QuietHandler):
    """Takes a body of any size in small pieces and gives as much back."""

    def do_POST(self) -> None:  # noqa: N802 - http.server looks for this name
        left = int(self.headers["Content-Length"])
        while left:
            left -= len(self.rfile.read(min(left, len(CHUNK))))
        self.send_response(200)
        self.send_header("Content-Type", "image/png")
        self.send_header("Content-Length", str(SIZE))
        self.end_headers()
        for _ in range(SIZE // len(CHUNK)):
            self.wfile.write(CHUNK)


@pytest.fixture
def endpoint() -> Iterator[str]:
    with served(Bulky) as address:
        yield address


def test_forty_megabytes_both_ways_take_little_memory(endpoint: str) -> None:
    with tempfile.TemporaryFile() as file, requests.Session() as session:
        file.truncate(SIZE)
        upload = Upload(file, "big.png", "image/png")
        tracemalloc.start()
        try:
            client = Pixian(endpoint, session)
            with tempfile.TemporaryFile() as into:
                credentials = Credentials("me", "secret")
                assert client.remove_background(upload, {}, into, credentials).answer.bytes == SIZE
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 4 * MB
