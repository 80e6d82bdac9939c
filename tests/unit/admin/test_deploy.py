"""What `make deploy` asks, says and has the SAM CLI do."""

import io
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from admin import deploy, preflight
from admin.cloudformation import Described
from admin.errors import NeedsAnswer, UserError
from admin.parameters import Answers, Parameter
from tests.unit.admin.appconfig import sit_at_terminal

NAME = "pixian-s3"
TOPIC = "arn:aws:sns:eu-central-1:123456789012:alarms"


@pytest.fixture
def stacks() -> dict[str, Described]:
    """Those that exist already."""
    return {}


@pytest.fixture
def commands(
    aws: None,  # noqa: ARG001 - it sets the environment
    stacks: dict[str, Described],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> list[tuple[str, ...]]:
    """The SAM CLI's, which isn't run. Nobody sits at the terminal, and no check finds anything."""
    run: list[tuple[str, ...]] = []

    def sam(*arguments: str) -> None:
        run.append(arguments)
        both = "    AllowedValues:\n    - x86_64\n    - arm64\n"
        (tmp_path / "template.yaml").write_text(both)

    monkeypatch.setattr(deploy, "BUILT", tmp_path)
    monkeypatch.setattr(deploy, "ANSWERS", tmp_path / "answers.toml")
    monkeypatch.setattr(deploy, "_sam", sam)
    monkeypatch.setattr(deploy, "print_outputs", lambda _: None)
    monkeypatch.setattr(preflight, "current", lambda target: stacks.get(target.stack_name))
    for check in ("problems", "notes"):
        monkeypatch.setattr(preflight, check, lambda *_: [])
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    return run


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["deploy", *arguments])
    deploy.main()


def stack(**parameters: str) -> dict[str, Any]:
    return {
        "StackStatus": "CREATE_COMPLETE",
        "Parameters": [
            {"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()
        ],
    }


def overrides(command: tuple[str, ...]) -> dict[str, str]:
    words = command[command.index("--parameter-overrides") + 1 :]
    return {name: value.strip('"') for name, _, value in (word.partition("=") for word in words)}


def test_a_deployment_to_a_local_stack_is_refused_first(
    commands: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "AWS_ENDPOINT_URL", "https://127.0.0.1:4566")
    with pytest.raises(UserError, match="unset AWS_ENDPOINT_URL"):
        run(monkeypatch, "--yes")
    assert commands == []


def test_without_a_terminal_all_that_is_missing_is_listed(
    commands: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NeedsAnswer) as error:
        run(monkeypatch)
    _, *missing = str(error.value).splitlines()
    assert [line.partition(":")[0] for line in missing] == [
        '- PARAMETERS="AlarmEmail=…"',
        "- YES=1",
    ]
    assert commands == []


def test_without_a_terminal_it_deploys_what_it_is_told(
    commands: list[tuple[str, ...]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run(
        monkeypatch,
        *("--yes", "--stack", "shop", "--parameters", "AlarmTopicArn= RampMinutes=7"),
    )
    built, deployed = commands
    assert (built[0], deployed[0]) == ("build", "deploy")
    assert deployed[deployed.index("--stack-name") + 1] == "shop"
    assert deployed[deployed.index("--region") + 1] == "eu-central-1"
    given = overrides(deployed)
    assert (given["RampMinutes"], given["AlarmTopicArn"]) == ("7", "")
    assert (given["MaxConcurrency"], given["Architecture"]) == ("25", "x86_64")
    told = capsys.readouterr().out
    assert told.startswith("Deploying to account 123456789012 in eu-central-1.\n")
    assert "Creates the stack shop" in told
    assert "  RampMinutes: 5 -> 7\n" in told
    assert "MaxConcurrency" not in told
    assert "make credentials STACK=shop " in told


def test_only_what_has_no_good_default_is_asked_with_its_description(
    commands: list[tuple[str, ...]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    terminal = sit_at_terminal(monkeypatch, "")
    answers = iter(["me", "me@example.org", "y"])

    def ask(question: str) -> str:
        terminal.questions.append(question)
        return next(answers)

    monkeypatch.setattr("builtins.input", ask)
    run(monkeypatch)
    assert terminal.questions == ["AlarmEmail: ", "AlarmEmail: ", "Deploy? [y/N] "]
    told = capsys.readouterr().out
    assert "\nAn e-mail address to notify of alarms." in told
    assert "\nIt must be an e-mail address, or empty." in told
    assert overrides(commands[-1])["AlarmEmail"] == "me@example.org"


def test_the_values_of_the_deployed_stack_are_the_defaults(
    commands: list[tuple[str, ...]],
    stacks: dict[str, Described],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stacks[NAME] = stack(MaxConcurrency="50", AlarmTopicArn=TOPIC, Architecture="arm64", Gone="1")
    Answers(NAME, "", {"MaxConcurrency": "9"}).save(deploy.ANSWERS)
    run(monkeypatch, "--yes", "--parameters", "MaxConcurrency=60")
    given = overrides(commands[-1])
    assert (given["MaxConcurrency"], given["AlarmTopicArn"]) == ("60", TOPIC)
    assert given["Architecture"] == "arm64"
    assert "Gone" not in given
    assert commands[0][-1] == "Architecture=arm64"
    told = capsys.readouterr().out
    assert "Updates the stack pixian-s3." in told
    assert "  MaxConcurrency: 50 -> 60\n" in told
    assert "AlarmTopicArn" not in told
    # And what the new version adds is explained.
    assert "  KeepOldVersionsDays: 30, a new parameter. The number of days to keep" in told


def test_the_answers_are_kept_for_a_stack_that_does_not_exist_yet(
    commands: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(monkeypatch, "--yes", "--stack", "shop", "--parameters", f"AlarmTopicArn={TOPIC}")
    run(monkeypatch, "--yes")
    assert commands[-1] == commands[1]
    with pytest.raises(NeedsAnswer, match="AlarmEmail"):
        run(monkeypatch, "--yes", "--stack", "another")


def test_the_architecture_is_chosen_with_an_option(
    commands: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(monkeypatch, "--yes", "--architecture", "arm64", "--parameters", "AlarmTopicArn=")
    assert commands[0][-1] == "Architecture=arm64"
    assert overrides(commands[1])["Architecture"] == "arm64"


def test_the_built_template_allows_the_one_architecture_of_its_packages() -> None:
    built = "    AllowedValues:\n    - x86_64\n    - arm64\n    Description: …\n"
    expected = "    AllowedValues:\n    - arm64\n    Description: …\n"
    assert deploy.only("arm64", built) == expected


def test_nothing_is_built_if_the_answer_is_no(
    commands: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    sit_at_terminal(monkeypatch, "")
    with pytest.raises(UserError, match="Nothing was changed"):
        run(monkeypatch)
    assert commands == []
    assert not deploy.ANSWERS.exists()


def test_nothing_is_built_if_a_check_or_a_value_fails(
    commands: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "problems", lambda *_: ["The bucket exists."])
    with pytest.raises(UserError) as error:
        run(monkeypatch, "--yes", "--parameters", "RampMinutes=0 AlarmTopicArn=")
    assert str(error.value).splitlines() == [
        "The bucket exists.",
        "RampMinutes is 0, but must be a number from 1 to 1440.",
    ]
    assert commands == []


def test_it_says_so_if_the_region_is_another_one_than_last_time(
    commands: list[tuple[str, ...]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Answers(NAME, "eu-west-1", {"AlarmTopicArn": ""}).save(deploy.ANSWERS)
    run(monkeypatch, "--yes")
    assert "pixian-s3 was last deployed in eu-west-1" in capsys.readouterr().out
    assert len(commands) == 2


def test_the_next_commands_name_a_region_that_the_shell_does_not(
    commands: list[tuple[str, ...]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Answers(NAME, "eu-west-1", {"AlarmTopicArn": ""}).save(deploy.ANSWERS)
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    run(monkeypatch, "--yes")
    assert commands[1][commands[1].index("--region") + 1] == "eu-west-1"
    assert "make check-stack STACK=pixian-s3 REGION=eu-west-1" in capsys.readouterr().out


@pytest.mark.usefixtures("commands")
def test_a_bucket_of_ones_own_must_be_attached(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, "--yes", "--parameters", "AlarmTopicArn=")
    assert "make attach" not in capsys.readouterr().out
    run(monkeypatch, "--yes", "--parameters", "ExistingInputBucket=photos")
    assert "make attach STACK=pixian-s3 " in capsys.readouterr().out


def test_the_cli_is_asked_no_questions_and_no_tracked_file_changes(
    commands: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (deploy.ROOT / "samconfig.toml").read_text()
    run(monkeypatch, "--yes", "--parameters", "AlarmTopicArn=")
    assert "--no-confirm-changeset" in commands[1]
    assert "--guided" not in commands[1]
    assert (deploy.ROOT / "samconfig.toml").read_text() == before


@pytest.mark.parametrize(
    ("answered", "asked"),
    [
        ([], ["AlarmEmail", "Needed"]),
        # A stack of an earlier version, or a topic that was given
        (["AlarmTopicArn"], ["Needed"]),
        (["AlarmEmail", "Needed"], []),
    ],
)
def test_who_is_told_of_alarms_is_asked_unless_it_is_known(
    answered: list[str], asked: list[str]
) -> None:
    known = {
        name: Parameter(name, "", default)
        for name, default in (("AlarmTopicArn", ""), ("AlarmEmail", ""), ("Needed", None))
    }
    assert [each.name for each in deploy.to_ask(known, answered)] == asked
