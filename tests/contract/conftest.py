"""The client and a service that speaks Pixian's API, over HTTP."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from local.pixian import StandIn
from pixian_s3.credentials import Credentials
from pixian_s3.pixian import CutOut, Pixian, Upload
from tests.builders import picture


@dataclass(frozen=True)
class Service:
    """The stand-in, its control plane and a client of it."""

    stand_in: StandIn
    session: requests.Session
    client: Pixian

    @property
    def credentials(self) -> Credentials:
        return Credentials(self.stand_in.api_id, self.stand_in.api_secret)

    @contextmanager
    def cut_out(
        self, name: str = "a.png", credentials: Credentials | None = None, **form: str
    ) -> Iterator[CutOut]:
        """Send a small picture in test mode, with fields whose dots are written `__`."""
        fields = {"test": "true"} | {key.replace("__", "."): text for key, text in form.items()}
        upload = Upload(io.BytesIO(picture()), name, "image/png")
        who = credentials or self.credentials
        with self.client.remove_background(who, upload, fields) as cut_out:
            yield cut_out

    def fails(self, **form: Any) -> None:
        """Send a small picture for the error that it ends in."""
        with self.cut_out(**form):
            pass

    def fault(self, **document: Any) -> None:
        self._control("POST", "faults", document)

    def calls(self) -> list[dict[str, Any]]:
        calls = self._control("GET", "ledger").json()["requests"]
        assert isinstance(calls, list)
        return calls

    def reset(self) -> None:
        self._control("POST", "reset")

    def _control(self, method: str, path: str, document: object = None) -> requests.Response:
        url = f"{self.stand_in.url}/_control/{path}"
        answer = requests.request(method, url, json=document, timeout=30)
        answer.raise_for_status()
        return answer


@pytest.fixture(scope="session")
def _stand_in() -> Iterator[StandIn]:
    with StandIn() as stand_in:
        yield stand_in


@pytest.fixture
def service(_stand_in: StandIn) -> Iterator[Service]:
    with requests.Session() as session:
        service = Service(_stand_in, session, Pixian(_stand_in.url, session))
        service.reset()
        yield service
        service.reset()
