"""No call of the service's suite can cost a credit, nor come in a flood."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from requests_toolbelt import MultipartEncoder

from tests.contract.conftest import Service, pytest_configure
from tests.contract.guard import MOST_CALLS, GuardedSession, NotSent

ROOT = Path(__file__).parents[2]
SUITE = ("tests/contract/test_service.py", "tests/contract/test_assumptions.py")
SECRET = "s3cret-of-a-live-run"


@pytest.fixture
def pauses() -> list[None]:
    return []


@pytest.fixture
def session(pauses: list[None]) -> Iterator[GuardedSession]:
    with GuardedSession(lambda: pauses.append(None)) as session:
        yield session


def send(session: requests.Session, service: Service, fields: Any) -> requests.Response:
    body = MultipartEncoder(fields)
    url = service.stand_in.url + "/api/v2/remove-background"
    headers = {"Content-Type": body.content_type}
    auth = service.credentials.api_id, service.credentials.api_secret
    return session.post(url, data=body, headers=headers, auth=auth, timeout=30)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"image.base64": "aGk="},
        {"test": "false"},
        {"test": "True"},
        {"tests": "true"},
        [("test", "true"), ("test", "false")],
        [("test", "true"), ("test", "true")],
        {"test": ("test", b"true", "text/plain")},
    ],
)
def test_what_is_no_test_is_not_sent(
    session: GuardedSession, service: Service, fields: Any
) -> None:
    with pytest.raises(NotSent):
        send(session, service, fields)
    assert (session.calls, service.calls()) == (0, [])


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "remove-background", {"data": {"test": "true"}}),
        ("POST", "remove-background", {"files": {"test": (None, "true")}}),
        ("POST", "remove-background", {}),
        ("PUT", "remove-background", {"data": MultipartEncoder({"test": "true"})}),
        ("GET", "remove-background", {}),
        ("GET", "account", {"data": "image.url=a"}),
        ("POST", "account", {}),
    ],
)
def test_nor_is_what_cant_be_seen_to_be_one(
    session: GuardedSession, service: Service, method: str, path: str, body: dict[str, Any]
) -> None:
    with pytest.raises(NotSent):
        session.request(method, f"{service.stand_in.url}/api/v2/{path}", timeout=30, **body)
    assert (session.calls, service.calls()) == (0, [])


def test_a_test_is_sent(session: GuardedSession, service: Service) -> None:
    send(session, service, {"test": "true"})
    assert service.calls()[0]["test"] is True


def test_the_account_may_be_read(session: GuardedSession, service: Service) -> None:
    url = service.stand_in.url + "/api/v2/account"
    assert session.get(url, timeout=30).status_code == 401


def test_between_two_calls_is_a_pause(
    session: GuardedSession, service: Service, pauses: list[None]
) -> None:
    for before in range(3):
        send(session, service, {"test": "true"})
        assert len(pauses) == before


def test_there_are_only_so_many(session: GuardedSession, service: Service) -> None:
    session.calls = MOST_CALLS
    with pytest.raises(NotSent, match="has sent"):
        send(session, service, {"test": "true"})
    assert service.calls() == []


def test_after_a_429_nothing_more_is_sent(session: GuardedSession, service: Service) -> None:
    # The fault strikes once an image is there.
    service.fault(status=429)
    image = {"test": "true", "image.base64": "aGk="}
    assert send(session, service, image).status_code == 429
    with pytest.raises(NotSent, match="429"):
        send(session, service, image)


# ---- the suite, as `make verify-live` runs it -----------------------------------------------


def outside() -> dict[str, str]:
    """The environment without what a run of `make` may have put there."""
    ours = ("PIXIAN_", "MAKE", "MFLAGS")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def live(service: Service, **environment: str) -> subprocess.CompletedProcess[str]:
    """A run against the fake Pixian, of a few tests that show all there is to see."""
    options = ("-q", "-p", "no:cacheprovider", "--live", "--pause", "0")
    chosen = ("-k", "bmp or test_a_url or ignores or CMYK or redirection")
    aimed = {
        "PIXIAN_ENDPOINT": service.stand_in.url,
        "PIXIAN_API_ID": service.credentials.api_id,
        "PIXIAN_API_SECRET": service.credentials.api_secret,
    }
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, *SUITE, *chosen],
        cwd=ROOT,
        env=outside() | aimed | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_live_run_prints_assumptions_costs_nothing_and_hides_the_secret(service: Service) -> None:
    # Given a service that fails once
    service.fault(status=500, match={"filename": "sample.bmp"})
    run = live(service)
    # Then the run fails for that alone, without a word of the secret
    assert run.returncode == 1
    assert len(re.findall(r"^FAILED ", run.stdout, re.MULTILINE)) == 1
    assert re.search(r"^FAILED .*\[bmp\]", run.stdout, re.MULTILINE)
    assert service.credentials.api_secret not in run.stdout + run.stderr
    # And it says what became of the assumptions
    for kind in ("holds", "does not hold", "not checked"):
        assert f" | {kind} | " in run.stdout
    # And it sent test calls only, one at a time. How many all tests send, the guard counts in the
    # ordinary run, too.
    assert all(call["test"] for call in service.calls())
    assert max(call["parallel"] for call in service.calls()) == 1


def test_a_live_run_with_bad_credentials_ends_at_the_first_call(service: Service) -> None:
    run = live(service, PIXIAN_API_SECRET=SECRET)
    assert run.returncode == 1
    assert "The first call failed" in run.stdout + run.stderr
    assert SECRET not in run.stdout + run.stderr
    assert len(service.calls()) == 1


def test_a_live_run_without_credentials_says_what_it_needs(
    monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
) -> None:
    monkeypatch.delenv("PIXIAN_API_ID", raising=False)
    monkeypatch.setattr(pytestconfig.option, "live", True, raising=False)
    with pytest.raises(pytest.UsageError, match="needs PIXIAN_API_ID and PIXIAN_API_SECRET"):
        pytest_configure(pytestconfig)
