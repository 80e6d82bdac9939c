"""What is checked before the SAM CLI deploys."""

import io
import sys
from pathlib import Path

import pytest

from admin import deploy
from admin.errors import UserError


def test_it_refuses_to_deploy_to_anything_but_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://127.0.0.1:4566")
    with pytest.raises(UserError, match="unset AWS_ENDPOINT_URL"):
        deploy.require_aws()


@pytest.mark.usefixtures("no_aws_account")
def test_it_says_how_to_set_a_region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(UserError, match="export AWS_DEFAULT_REGION"):
        deploy.require_aws()


@pytest.mark.usefixtures("no_aws_account")
def test_it_says_how_to_set_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(UserError, match="Set AWS_PROFILE"):
        deploy.require_aws()


@pytest.mark.usefixtures("aws")
def test_it_names_the_account_and_the_region() -> None:
    assert deploy.require_aws() == "account 123456789012 in eu-central-1"


@pytest.fixture
def commands(
    aws: None,  # noqa: ARG001 - it sets the environment
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> list[tuple[str, ...]]:
    """The SAM CLI's, which isn't run."""
    run: list[tuple[str, ...]] = []

    def sam(*arguments: str) -> None:
        run.append(arguments)

    template = tmp_path / "template.yaml"
    template.write_text("    AllowedValues:\n    - x86_64\n    - arm64\n")
    monkeypatch.setattr(deploy, "BUILT", tmp_path)
    monkeypatch.setattr(deploy, "ANSWERS", tmp_path / "answers.toml")
    monkeypatch.setattr(deploy, "_sam", sam)
    monkeypatch.setattr(sys, "argv", ["deploy"])
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", terminal)
    return run


def test_it_says_that_it_needs_a_terminal(
    commands: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(UserError, match="needs a terminal"):
        deploy.main()
    assert commands == []


def test_it_builds_and_deploys_for_one_architecture(
    commands: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["deploy", "--architecture", "arm64"])
    deploy.main()
    assert [command[0] for command in commands] == ["build", "deploy"]
    assert all(command[-1] == "Architecture=arm64" for command in commands)
    built = (deploy.BUILT / "template.yaml").read_text()
    assert built == "    AllowedValues:\n    - arm64\n"


def test_it_remembers_the_answers(commands: list[tuple[str, ...]]) -> None:
    deploy.ANSWERS.write_text(
        "[default.deploy.parameters]\n"
        r'parameter_overrides = "Architecture=\"arm64\" AlarmTopicArn=\"\" RampMinutes=\"7\""'
    )
    deploy.main()
    _, answered = commands
    assert answered[-2:] == ("Architecture=arm64", "RampMinutes=7")


def test_a_first_deployment_starts_from_the_defaults(commands: list[tuple[str, ...]]) -> None:
    deploy.main()
    assert commands[1][-1] == "Architecture=x86_64"
    assert deploy.ANSWERS.read_text() == (deploy.ROOT / "samconfig.toml").read_text()
