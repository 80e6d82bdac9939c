"""The client and a service that speaks Pixian's API, over HTTP."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import Any

import pytest
import requests

from local.fake_pixian import StandIn
from pixian_s3.errors import PixianS3Error
from pixian_s3.pixian.client import Cutout, Pixian
from pixian_s3.pixian.credentials import Credentials
from pixian_s3.pixian.inputs import Upload
from tests.builders import picture
from tests.contract.caller import Caller
from tests.contract.verdicts import VERDICTS, Verdict, table


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
    def cutout(
        self, name: str = "a.png", credentials: Credentials | None = None, **form: str
    ) -> Iterator[Cutout]:
        """Send a small picture in test mode, with fields whose dots are written `__`."""
        fields = {"test": "true"} | {key.replace("__", "."): text for key, text in form.items()}
        upload = Upload(io.BytesIO(picture()), name, "image/png")
        who = credentials or self.credentials
        with TemporaryFile() as file:
            yield self.client.remove_background(upload, fields, file, who)

    def fails(self, **form: Any) -> None:
        """Send a small picture for the error that it ends in."""
        with self.cutout(**form):
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


# ---- the suite that the real service can be put to, too -------------------------------------

_PIXIAN = "https://api.pixian.ai"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--live", action="store_true", help="ask the real Pixian, in test mode")
    parser.addoption("--pause", type=float, default=1.0, help="seconds between two live calls")


def pytest_configure(config: pytest.Config) -> None:
    if not config.getoption("live", default=False):
        return
    if not (os.environ.get("PIXIAN_API_ID") and os.environ.get("PIXIAN_API_SECRET")):
        raise pytest.UsageError("--live needs PIXIAN_API_ID and PIXIAN_API_SECRET.")
    # A long traceback prints the arguments of each frame, among them the secret.
    config.option.tbstyle, config.option.showlocals = "short", False


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    told: dict[str, Verdict] = config.stash.get(VERDICTS, {})
    if told:
        terminalreporter.section("assumptions about Pixian")
        for line in table(told):
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def caller(request: pytest.FixtureRequest) -> Iterator[Caller]:
    """The service to put to the test: the stand-in, or with --live Pixian."""
    live = request.config.getoption("live", default=False)
    caller = _real(request.config) if live else _local(request.getfixturevalue("_stand_in"))
    yield caller
    caller.close()


def _local(stand_in: StandIn) -> Caller:
    return Caller(stand_in.url, Credentials(stand_in.api_id, stand_in.api_secret))


def _real(config: pytest.Config) -> Caller:
    credentials = Credentials(os.environ["PIXIAN_API_ID"], os.environ["PIXIAN_API_SECRET"])
    endpoint = os.environ.get("PIXIAN_ENDPOINT") or _PIXIAN
    caller = Caller(endpoint, credentials, live=True, pause=config.getoption("pause"))
    try:
        caller.cutout()
    except PixianS3Error as error:
        pytest.exit(f"The first call failed, so no more were made. {error}", returncode=1)
    return caller
