"""The services that moto doesn't have, or not fast enough: queues, secret, AppConfig, Pixian."""

import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, override

from PIL import Image
from requests import PreparedRequest, Response
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPResponse

SIZE = (12, 9)


@dataclass
class Message:
    """A message in the retry queue; `due` in seconds since the epoch."""

    body: str
    due: float
    receipts: int = 0


class Queues:
    """SQS's client for two queues, whose URLs are `retries` and `dead`."""

    def __init__(
        self, retry: Callable[[str, int], None], dead: Callable[[str], None], letters: list[str]
    ) -> None:
        self._retry = retry
        self._dead = dead
        self._letters = letters

    def send_message(self, QueueUrl: str, MessageBody: str, DelaySeconds: int = 0) -> None:  # noqa: N803
        if QueueUrl == "retries":
            self._retry(MessageBody, DelaySeconds)
        else:
            self._dead(MessageBody)

    def receive_message(self, **_: object) -> dict[str, list[dict[str, str]]]:
        """The dead letters, each once."""
        messages = [
            {"MessageId": str(number), "Body": body, "ReceiptHandle": body}
            for number, body in enumerate(self._letters)
        ]
        self._letters.clear()
        return {"Messages": messages}

    def send_message_batch(self, QueueUrl: str, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803
        for entry in Entries:
            self.send_message(QueueUrl, entry["MessageBody"])
        return {"Successful": Entries}

    @staticmethod
    def delete_message_batch(Entries: list[dict[str, str]], **_: object) -> dict[str, Any]:  # noqa: N803
        """What was received is gone."""
        return {"Successful": Entries}


class Secrets:
    """Secrets Manager's client."""

    @staticmethod
    def get_secret_value(**_: object) -> dict[str, str]:
        return {"SecretString": json.dumps({"api_id": "me", "api_secret": "of-the-model"})}


class AppConfig:
    """AppConfig's client; it returns `document` at each poll."""

    def __init__(self) -> None:
        self.document = "{}"

    @staticmethod
    def start_configuration_session(**_: object) -> dict[str, str]:
        return {"InitialConfigurationToken": "token"}

    def get_latest_configuration(self, **_: object) -> dict[str, Any]:
        return {
            "NextPollConfigurationToken": "token",
            "Configuration": io.BytesIO(self.document.encode()),
        }


@dataclass(frozen=True)
class Reply:
    """What Pixian does with a call; without a status it resets the connection."""

    status: int | None
    charged: bool = False
    body: str = "asked"


REPLIES: Mapping[str, Reply] = {
    "asked": Reply(200, charged=True),
    "another type": Reply(200, charged=True, body="other"),
    "damaged": Reply(200, charged=True, body="damaged"),
    "misfit": Reply(200, charged=True, body="misfit"),
    "html": Reply(200, charged=True, body="html"),
    "reset": Reply(None),
    "reset after the charge": Reply(None, charged=True),
    "502 after the charge": Reply(502, charged=True),
    "504 after the charge": Reply(504, charged=True),
} | {str(status): Reply(status) for status in (400, 401, 402, 429, 500, 502, 503)}


class Transport(BaseAdapter):
    """Carries the requests of a session to a function in this process."""

    def __init__(
        self, answer: Callable[[Mapping[str, Any]], Reply], numbers: Iterator[int]
    ) -> None:
        super().__init__()
        self._answer = answer
        self._numbers = numbers

    @override
    def send(self, request: PreparedRequest, *_: object, **__: object) -> Response:
        body: Any = request.body
        while body.read(1 << 16):
            pass
        reply = self._answer(body.fields)
        if reply.status is None:
            raise ConnectionResetError(104, "Connection reset by peer")
        content, mime_type = _content(reply, body.fields, next(self._numbers))
        headers = {
            "Content-Type": mime_type,
            "Content-Length": str(len(content)),
            "X-Credits-Charged": "1.0",
            "X-Result-Size": "12 9",
        }
        response = Response()
        response.status_code = reply.status
        response.reason = "OK"
        response.url = str(request.url)
        response.headers = CaseInsensitiveDict(headers)
        response.request = request
        response.raw = HTTPResponse(
            io.BytesIO(content), headers=headers, status=reply.status, preload_content=False
        )
        return response

    @override
    def close(self) -> None: ...


def _content(reply: Reply, fields: Mapping[str, Any], number: int) -> tuple[bytes, str]:
    if reply.status != 200:
        return b'{"error": {"code": 7, "message": "No."}}', "application/json"
    wanted = fields.get("output.format", "auto")
    jpeg = (wanted == "jpeg") != (reply.body == "other")
    match reply.body:
        case "html":
            return b"<html>", "text/html"
        case "misfit":
            return _cutout("PNG", number, (3, 3)), "image/png"
        case "damaged":
            return _cutout("PNG", number)[:-20], "image/png"
        case _ if jpeg:
            return _cutout("JPEG", number), "image/jpeg"
        case _:
            return _cutout("PNG", number), "image/png"


def _cutout(form: str, number: int, size: tuple[int, int] = SIZE) -> bytes:
    """A picture unlike that of any other call, so that its ETag shows what is replaced."""
    colour = (number % 256, number // 256 % 256, number // 65536, 255)
    into = io.BytesIO()
    mode = "RGBA" if form == "PNG" else "RGB"
    comment = {"comment": str(number)} if form == "JPEG" else {}
    Image.new(mode, size, colour[: len(mode)]).save(into, form, **comment)
    return into.getvalue()
