"""`make credentials`: asked for without echo, tried for free, stored, and never shown."""

import getpass
import io
import sys
from collections.abc import Callable, Iterator

import pytest
import requests

from admin import credentials
from admin.errors import NeedsAnswer, UserError
from local.fake_pixian import StandIn
from tests.unit.admin.appconfig import Terminal, sit_at_terminal
from tests.unit.admin.stacks import FakeStack, deployed

SECRET = 'pa/ss+w"ord'
GOOD = {"api_id": "me", "api_secret": SECRET}
PLACEHOLDER = {"api_id": "REPLACE_ME", "api_secret": "REPLACE_ME"}


@pytest.fixture(scope="module")
def pixian() -> Iterator[StandIn]:
    with StandIn(api_id="me", api_secret=SECRET) as stand_in:
        yield stand_in


def _control(pixian: StandIn, method: str, what: str, body: object = None) -> requests.Response:
    answer = requests.request(method, f"{pixian.url}/_control/{what}", json=body, timeout=30)
    answer.raise_for_status()
    return answer


@pytest.fixture
def stack(
    aws: None,  # noqa: ARG001 - it sets the environment
    pixian: StandIn,
    monkeypatch: pytest.MonkeyPatch,
) -> FakeStack:
    _control(pixian, "POST", "reset")
    for name in (credentials.ID, credentials.SECRET):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    return deployed(pixian.url)


@pytest.fixture
def enter(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Terminal]:
    """Somebody enters these at the prompts without echo, and this answer to a question."""

    def enter(*entered: str, answer: str = "") -> Terminal:
        answers = iter(entered)
        monkeypatch.setattr(getpass, "getpass", lambda _: next(answers))
        return sit_at_terminal(monkeypatch, answer)

    return enter


def test_good_credentials_are_tried_with_a_free_call_and_stored(
    stack: FakeStack, pixian: StandIn, enter: Callable[..., Terminal]
) -> None:
    enter("me ", SECRET)
    credentials.set_credentials(stack, yes=False)
    assert stack.secret == GOOD
    [call] = _control(pixian, "GET", "ledger").json()["requests"]
    assert (call["test"], call["status"], call["credits_charged"]) == (True, 200, "0")


def test_a_wrong_pair_is_not_stored(
    stack: FakeStack, enter: Callable[..., Terminal], capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = enter("me", "wrong-one", answer="n")
    with pytest.raises(UserError, match="Nothing was changed"):
        credentials.set_credentials(stack, yes=False)
    assert stack.secret == PLACEHOLDER
    assert terminal.questions == ["Store them all the same? [y/N] "]
    told = capsys.readouterr().out
    assert "Pixian answered 401" in told
    assert "Copy both again" in told


def test_a_wrong_pair_is_stored_if_asked_to(
    stack: FakeStack, enter: Callable[..., Terminal]
) -> None:
    enter("me", "wrong-one")
    credentials.set_credentials(stack, yes=True)
    assert stack.secret == {"api_id": "me", "api_secret": "wrong-one"}


def test_they_are_never_printed_even_if_pixian_quotes_them(
    stack: FakeStack,
    pixian: StandIn,
    enter: Callable[..., Terminal],
    capsys: pytest.CaptureFixture[str],
) -> None:
    _control(pixian, "POST", "faults", {"status": 500, "echo": True})
    enter("me", SECRET)
    credentials.set_credentials(stack, yes=True)
    told = capsys.readouterr()
    assert "Pixian answered 500: " in told.out
    for form in (SECRET, "pa/ss", "ss%2Bw"):
        assert form not in told.out + told.err


def test_an_endpoint_that_cannot_be_reached_is_named(
    stack: FakeStack, enter: Callable[..., Terminal], capsys: pytest.CaptureFixture[str]
) -> None:
    assert stack.cloudformation.described
    [endpoint] = stack.cloudformation.described["Parameters"]
    endpoint["ParameterValue"] = "http://127.0.0.1:9"
    enter("me", SECRET, answer="n")
    with pytest.raises(UserError, match="Nothing was changed"):
        credentials.set_credentials(stack, yes=False)
    assert "http://127.0.0.1:9 can't be reached" in capsys.readouterr().out


def test_what_cannot_be_credentials_is_not_tried(
    stack: FakeStack, pixian: StandIn, enter: Callable[..., Terminal]
) -> None:
    enter("me", "two words")
    with pytest.raises(UserError, match="contains spaces"):
        credentials.set_credentials(stack, yes=True)
    assert _control(pixian, "GET", "ledger").json()["requests"] == []
    assert stack.secret == PLACEHOLDER


def test_without_a_terminal_they_come_from_the_environment(
    stack: FakeStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NeedsAnswer, match="set PIXIAN_API_ID and PIXIAN_API_SECRET"):
        credentials.set_credentials(stack, yes=True)
    monkeypatch.setenv(credentials.ID, "me")
    monkeypatch.setenv(credentials.SECRET, SECRET)
    credentials.set_credentials(stack, yes=False)
    assert stack.secret == GOOD
