"""An answer that breaks the rules of HTTP is an answer of unknown outcome, never a crash."""

import gzip
import io
import secrets
from random import Random

import pytest
import requests

from pixian_s3.errors import PixianS3Error, Unavailable
from pixian_s3.pixian.client import Cutout, Pixian
from pixian_s3.pixian.credentials import Credentials
from pixian_s3.pixian.inputs import Upload
from tests.builders import picture
from tests.contract.serving import answering


def ask(answer: bytes) -> Cutout:
    """Send a small image to a service that answers with these bytes."""
    upload = Upload(io.BytesIO(picture()), "a.png", "image/png")
    with requests.Session() as session, answering([answer]) as address:
        pixian = Pixian(address, session)
        return pixian.remove_background(upload, {}, io.BytesIO(), Credentials("me", "secret"))


def head(*lines: bytes, status: bytes = b"200 OK") -> bytes:
    return b"\r\n".join([b"HTTP/1.1 " + status, b"Content-Type: image/png", *lines, b"", b""])


CHUNKED = head(b"Transfer-Encoding: chunked")
GZIP = head(b"Content-Encoding: gzip")

BROKEN = {
    "no answer": b"",
    "HTTP/0.9": b"<html>not an image</html>",
    "HTTP/0.9 with a version": b"HTTP/0.9 200 OK\r\n\r\nan image",
    "HTTP/2": b"HTTP/2 200 OK\r\nContent-Type: image/png\r\n\r\nan image",
    "TLS": b"\x15\x03\x01\x00\x02\x02\x50",
    "status that is no number": head(status="²00 OK".encode("latin-1")),
    "status of four digits": head(status=b"2000 OK"),
    "status line too long": head(status=b"200 " + b"O" * 70_000),
    "nothing but 100": head(status=b"100 Continue") * 9,
    "nothing but 103": head(status=b"103 Early Hints") * 9,
    "switching protocols": head(status=b"101 Switching Protocols") + b"\x81\x05hello",
    "headers cut short": b"HTTP/1.1 200 OK\r\nContent-Ty",
    "header too long": head(b"X-A: " + b"a" * 70_000) + b"an image",
    "too many headers": head(*[b"X-A: a"] * 200) + b"an image",
    "type that isn't ASCII": b"HTTP/1.1 200 OK\r\nContent-Type: \xe9\xff\r\n\r\nan image",
    "no body": head(b"Content-Length: 0"),
    "no content": head(status=b"204 No Content"),
    "length too large": head(b"Content-Length: " + b"9" * 30) + b"an image",
    "two lengths": head(b"Content-Length: 5", b"Content-Length: 6") + b"an image",
    "negative chunk": CHUNKED + b"-5\r\nimage\r\n0\r\n\r\n",
    "huge chunk": CHUNKED + b"f" * 60_000 + b"\r\nimage\r\n0\r\n\r\n",
    "chunk size that isn't hexadecimal": CHUNKED + b"five\r\nimage\r\n0\r\n\r\n",
    "no chunk size": CHUNKED + b"\r\nimage\r\n0\r\n\r\n",
    "chunk size too long": CHUNKED + b"0" * 70_000 + b"5\r\nimage\r\n0\r\n\r\n",
    "no last chunk": CHUNKED + b"5\r\nimage\r\n",
    "trailer too long": CHUNKED + b"5\r\nimage\r\n0\r\nX-A: " + b"a" * 70_000,
    "not gzip": GZIP + b"an image",
    "gzip cut short": GZIP + gzip.compress(b"an image")[:10],
    "gzip, fifty times": head(b"Content-Encoding: " + b", ".join([b"gzip"] * 50)) + b"an image",
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
def test_a_broken_answer_may_have_cost(answer: bytes) -> None:
    with pytest.raises(Unavailable) as caught:
        ask(answer)
    assert caught.value.maybe_charged


@pytest.mark.parametrize(
    ("lines", "body"),
    [
        ([b"Transfer-Encoding: chunked"], b"-5\r\nno\r\n0\r\n\r\n"),
        ([b"Transfer-Encoding: chunked"], b"zz\r\n"),
        ([b"Content-Encoding: gzip"], b"no"),
        ([b"Content-Length: 99999999999999999999"], b"no"),
        ([b"Retry-After: " + b"9" * 5000], b"no"),
        ([], b'{"error": {"message": "no", "code": ' + b"9" * 5000 + b"}}"),
    ],
)
def test_an_error_in_a_broken_answer_cost_nothing(lines: list[bytes], body: bytes) -> None:
    with pytest.raises(Unavailable, match="Pixian answered 500") as caught:
        ask(head(*lines, status=b"500 Internal Server Error") + body)
    assert not caught.value.maybe_charged


@pytest.mark.parametrize(
    "target",
    [b"", b"//", b"http://[", b"http://\xe9\xff/", b"http://a:999999/", b"file:///etc/passwd"],
)
def test_a_redirection_to_nowhere_is_one_that_is_not_followed(target: bytes) -> None:
    with pytest.raises(Unavailable, match="Pixian answered 302") as caught:
        ask(head(b"Location: " + target, status=b"302 Found"))
    assert not caught.value.maybe_charged


def test_the_body_of_a_redirection_is_read_like_any_other() -> None:
    lines = b"Location: https://pixian.test/", b"Transfer-Encoding: chunked"
    with pytest.raises(Unavailable, match="Pixian answered 302: Found"):
        ask(head(*lines, status=b"302 Found") + b"-5\r\nmoved")


@pytest.mark.parametrize("status", [b"100 Continue", b"102 Processing", b"103 Early Hints"])
def test_informational_answers_come_before_the_answer(status: bytes) -> None:
    hint = b"HTTP/1.1 " + status + b"\r\nLink: </style.css>\r\n\r\n"
    answer = head(b"Content-Length: 8") + b"an image"
    assert ask(hint * 2 + answer).file.read() == b"an image"


TOKENS = [
    *(b"\r\n", b"\n", b"\0", b":", b";", b",", b" ", b"\xff\xfe", b"\x85", b"-1", b"9" * 5000),
    *(b"HTTP/1.1", b"chunked", b"gzip", b"Content-Length: ", b"Content-Encoding: deflate\r\n"),
    *(
        b"Transfer-Encoding: chunked\r\n",
        b"Location: http://[",
        b"Set-Cookie: ",
        b"=?utf-8?q?=ff?=",
    ),
    *(b"Content-Type: text/html; charset=", b"Connection: keep-alive\r\n", b"302", b"429", b"503"),
]


def changed(answer: bytes, chance: Random) -> bytes:
    """An answer with a few random changes near its start."""
    changing = bytearray(answer)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(min(len(changing), 300) + 1)
        cut = chance.choice([0, 0, chance.randint(1, 20)])
        put = chance.choice([b"", chance.randbytes(1), chance.choice(TOKENS)])
        changing[at : at + cut] = put
    return bytes(changing)


@pytest.mark.parametrize("seed", [secrets.randbelow(2**32)])
def test_no_answer_is_a_crash(seed: int) -> None:
    chance = Random(seed)  # noqa: S311 - protects nothing
    whole = head(b"Content-Length: 8") + b"an image"
    moved = head(b"Location: https://pixian.test/", status=b"302 Found")
    for start in chance.choices([*BROKEN.values(), whole, moved], k=100):
        answer = changed(start, chance)
        try:
            ask(answer)
        except PixianS3Error:
            pass
        except Exception as error:
            pytest.fail(f"{error!r} at {answer!r}")
