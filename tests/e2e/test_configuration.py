"""The configuration: published, paused, shown and rolled back with AppConfig's own history."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from admin import config, pause
from tests.e2e.conftest import CONFIGURATION, World

PREFIX = "configured/"


@pytest.fixture
def command(
    deployed: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., str]]:
    """Runs a command; returns what it printed on standard output."""
    version = config.history(deployed.stack).in_force.version

    def ran(main: Callable[[], None], *arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["command", *arguments])
        main()
        return capsys.readouterr().out

    for module in (config, pause):
        monkeypatch.setattr(module, "chosen", lambda _: deployed.stack)
    yield ran
    if config.history(deployed.stack).in_force.version != version:
        config.deploy(version, deployed.stack)


def test_a_configuration_is_published_paused_and_rolled_back(
    command: Callable[..., str], tmp_path: Path
) -> None:
    def shown() -> Any:
        return json.loads(command(config.main, "--show"))

    # Given a document with one prefix more, published
    prefixes = CONFIGURATION["prefixes"] | {PREFIX: {"test": False}}
    file = tmp_path / "config.json"
    file.write_text(json.dumps(CONFIGURATION | {"prefixes": prefixes}))
    told = command(config.main, str(file), "--yes")
    assert f"These prefixes will cost credits from now on: {PREFIX}\n" in told
    assert shown()["prefixes"] == prefixes
    # When it is paused and resumed
    command(pause.main, "pause", "--prefix", PREFIX)
    assert shown()["prefixes"][PREFIX] == {"test": False, "pipeline": {"paused": True}}
    command(pause.main, "resume", "--prefix", PREFIX, "--yes")
    assert shown()["prefixes"] == prefixes
    # Then a rollback goes back over both
    command(config.main, "--rollback", "--yes")
    assert shown() == CONFIGURATION
