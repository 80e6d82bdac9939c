"""The stack of these tests, and who sits at the terminal."""

import io
import sys

import pytest

from admin import config, pause
from tests.unit.admin.appconfig import FakeAppConfig


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> FakeAppConfig:
    """A new stack in test mode; nobody sits at the terminal."""
    fake = FakeAppConfig()
    fake.deploy({"defaults": {"test": True}})
    for module in (config, pause):
        monkeypatch.setattr(module, "chosen", lambda _: fake)
    monkeypatch.setattr(config, "running_here", lambda _: fake)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    return fake
