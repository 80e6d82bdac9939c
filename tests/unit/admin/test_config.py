"""What `make config` publishes, asks and tells."""

import json
import sys
from pathlib import Path

import pytest

from admin import config
from admin.errors import NeedsAnswer, UserError, run
from tests.unit.admin.appconfig import FakeAppConfig, sit_at_terminal

TEST = {"defaults": {"test": True}}
LIVE = {"defaults": {"test": True}, "prefixes": {"products/": {"test": False}}}
UNSTATED = {"prefixes": {"products/": {"test": False}}}


def command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["config", *arguments])
    config.main()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A document in which one prefix goes live."""
    written = tmp_path / "config.json"
    written.write_text(json.dumps(LIVE))
    return written


def test_it_shows_what_will_cost_credits_before_it_asks(
    stack: FakeAppConfig,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    terminal = sit_at_terminal(monkeypatch, "y")
    command(monkeypatch, str(file))
    assert capsys.readouterr().out.splitlines() == [
        "products/  new",
        "products/  test: true -> false",
        "These prefixes will cost credits from now on: products/",
        "Published version 2. It applies to every image within two minutes.",
    ]
    assert terminal.questions == ["Publish this configuration? [y/N] "]
    assert stack.document == LIVE


@pytest.mark.parametrize("answer", ["", "n", "no", "what?"])
def test_it_publishes_nothing_unless_the_answer_is_yes(
    stack: FakeAppConfig, file: Path, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    sit_at_terminal(monkeypatch, answer)
    with pytest.raises(UserError, match=r"Nothing was changed\."):
        command(monkeypatch, str(file))
    assert stack.document == TEST


def test_a_script_must_say_yes(
    stack: FakeAppConfig,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["config", str(file)])
    with pytest.raises(SystemExit) as ended:
        run(config.main)
    assert ended.value.code == 2
    assert "add YES=1" in capsys.readouterr().err
    assert stack.document == TEST
    command(monkeypatch, str(file), "--yes")
    assert stack.document == LIVE


LOWER = {"credits_per_day": 5, "credits_per_month": 100}


@pytest.mark.parametrize(
    "budget",
    [{"credits_per_day": 20}, {"credits_per_day": 10, "credits_per_month": 300}, {}, LOWER],
)
def test_a_higher_budget_says_how_long_images_may_wait(
    stack: FakeAppConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    budget: dict[str, int],
) -> None:
    stack.deploy(TEST | {"budget": {"credits_per_day": 10, "credits_per_month": 100}})
    (tmp_path / "new.json").write_text(json.dumps(TEST | {"budget": budget}))
    command(monkeypatch, str(tmp_path / "new.json"), "--yes")
    told = capsys.readouterr().out
    assert ("continue automatically within 17 minutes" in told) is (budget != LOWER)


def test_it_doesnt_ask_if_nothing_changes(
    stack: FakeAppConfig,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stack.deploy(LIVE)
    command(monkeypatch, str(file))
    assert capsys.readouterr().out == "Nothing changes.\n"
    assert len(stack.versions) == 2


def test_a_check_shows_the_changes_and_publishes_nothing(
    stack: FakeAppConfig,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command(monkeypatch, str(file), "--check")
    told = capsys.readouterr().out
    assert "These prefixes will cost credits from now on: products/" in told
    assert told.endswith("The configuration is valid. Nothing was published.\n")
    assert stack.document == TEST


def test_a_check_needs_no_stack(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(config, "running_here", lambda _: None)
    command(monkeypatch, str(file), "--check")
    assert capsys.readouterr().out == "The configuration is valid.\n"


@pytest.mark.parametrize("option", ["--check", "--yes"])
def test_a_document_that_doesnt_state_test_is_refused(
    stack: FakeAppConfig, file: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    file.write_text(json.dumps(UNSTATED))
    with pytest.raises(UserError, match=r'defaults\.test: isn\'t set.*write "test": true'):
        command(monkeypatch, str(file), option)
    assert stack.document == TEST


@pytest.mark.parametrize("option", ["--yes", "--check"])
def test_it_refuses_results_that_would_become_images(
    stack: FakeAppConfig, file: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    one_bucket = {"OutputBucket": "images", "InputPrefix": "photos/"}
    monkeypatch.setattr(stack, "outputs", stack.outputs | one_bucket)
    with pytest.raises(UserError, match=r"defaults\.pipeline\.result_key: .*another image"):
        command(monkeypatch, str(file), option)
    assert stack.document == TEST
    apart = {"test": True, "pipeline": {"result_key": "cutouts/{path}{stem}{suffix}"}}
    file.write_text(json.dumps({"defaults": apart}))
    command(monkeypatch, str(file), option)


def test_it_warns_but_publishes(
    stack: FakeAppConfig,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    document = {"defaults": {"test": True}, "prefixes": {"products": {}}}
    file.write_text(json.dumps(document))
    command(monkeypatch, str(file), "--yes")
    assert capsys.readouterr().out.startswith('Warning: prefixes["products"]: also matches ')
    assert stack.document == document


def test_it_doesnt_overwrite_what_was_published_while_it_asked(
    stack: FakeAppConfig, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    somebody_elses = {"defaults": {"test": True, "max_pixels": 100}}
    terminal = sit_at_terminal(monkeypatch, "y")

    def ask(question: str) -> str:
        stack.deploy(somebody_elses)
        return terminal.ask(question)

    monkeypatch.setattr("builtins.input", ask)
    with pytest.raises(UserError, match="Somebody else published"):
        command(monkeypatch, str(file))
    assert stack.document == somebody_elses


@pytest.mark.parametrize("arguments", [(), ("a.json", "--show"), ("--rollback", "--check")])
def test_it_does_one_thing_at_a_time(
    monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    with pytest.raises(SystemExit) as ended:
        command(monkeypatch, *arguments)
    assert ended.value.code == 2


def test_show_prints_the_document_so_that_it_can_be_saved(
    stack: FakeAppConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.deploy(LIVE)
    command(monkeypatch, "--show")
    shown = capsys.readouterr()
    assert json.loads(shown.out) == LIVE
    assert shown.out == json.dumps(LIVE, indent=2) + "\n"
    assert shown.err == "Version 2, published 2026-03-02 12:00 UTC:\n"


def test_show_knows_deployments_that_arent_listed(
    stack: FakeAppConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.listed = 1
    stack.deploy(LIVE, TEST, LIVE)
    command(monkeypatch, "--show")
    assert "Version 4" in capsys.readouterr().err


def test_show_ignores_a_deployment_that_was_rolled_back(
    stack: FakeAppConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.deploy(LIVE)
    stack.deployments[-1]["State"] = "ROLLED_BACK"
    command(monkeypatch, "--show")
    assert json.loads(capsys.readouterr().out) == TEST


def test_a_rollback_shows_what_changes_and_asks(
    stack: FakeAppConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.deploy(LIVE, TEST)
    with pytest.raises(NeedsAnswer):
        command(monkeypatch, "--rollback")
    assert capsys.readouterr().out.splitlines() == [
        "Back to version 2 from version 3:",
        "products/  new",
        "products/  test: true -> false",
        "These prefixes will cost credits from now on: products/",
    ]
    command(monkeypatch, "--rollback", "--yes")
    assert stack.document == LIVE


def test_each_rollback_goes_one_version_further_back(
    stack: FakeAppConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given version 3, from which somebody went back to 2, and then a version 4
    documents = [{"defaults": {"test": True, "max_pixels": 100 + n}} for n in range(3)]
    stack.deploy(*documents[:2])
    command(monkeypatch, "--rollback", "--yes")
    stack.deploy(documents[2])
    # When it is rolled back, then version 3 stays out
    command(monkeypatch, "--rollback", "--yes")
    assert stack.document == documents[0]
    command(monkeypatch, "--rollback", "--yes")
    assert stack.document == TEST
    with pytest.raises(UserError, match="There is no version before"):
        command(monkeypatch, "--rollback", "--yes")


def test_a_rollback_goes_back_over_pauses(
    stack: FakeAppConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    paused = {"pipeline": {"paused": True}}
    stack.deploy(LIVE, TEST, TEST | {"paused": True}, TEST | {"prefixes": {"a/": paused}})
    command(monkeypatch, "--rollback", "--yes")
    assert stack.document == LIVE


def test_a_rollback_finds_no_version_that_differs_in_more_than_pauses(
    stack: FakeAppConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.deploy(TEST | {"paused": True}, TEST | {"paused": False})
    with pytest.raises(UserError, match="There is no version before"):
        command(monkeypatch, "--rollback", "--yes")


def test_a_rollback_refuses_a_document_that_doesnt_state_test(
    stack: FakeAppConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.deploy(UNSTATED, TEST)
    with pytest.raises(UserError, match=r"Version 2 can't be published again(?s:.*)products/"):
        command(monkeypatch, "--rollback", "--yes")
    assert stack.document == TEST
