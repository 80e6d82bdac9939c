"""Services on loopback, AWS in memory, and the program connected to them."""

from collections.abc import Iterator

import pytest

from tests.integration.servers import FakeAppConfig, FakePixian, serve
from tests.integration.world import World


@pytest.fixture(scope="session")
def _pixian_server() -> Iterator[FakePixian]:
    fake = FakePixian()
    with serve(fake.app()) as fake.url:
        yield fake


@pytest.fixture(scope="session")
def _appconfig_server() -> Iterator[FakeAppConfig]:
    fake = FakeAppConfig()
    with serve(fake.app()) as fake.url:
        yield fake


@pytest.fixture
def pixian(_pixian_server: FakePixian) -> FakePixian:
    _pixian_server.clear()
    return _pixian_server


@pytest.fixture
def appconfig(_appconfig_server: FakeAppConfig) -> FakeAppConfig:
    _appconfig_server.clear()
    return _appconfig_server


@pytest.fixture
def world(
    aws: None,  # noqa: ARG001 - it must be there first
    monkeypatch: pytest.MonkeyPatch,
    pixian: FakePixian,
    appconfig: FakeAppConfig,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[World]:
    """The stack: its AWS parts in memory, Pixian and AppConfig on loopback."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_APPCONFIGDATA", appconfig.url)
    world = World(pixian, appconfig, capsys)
    yield world
    world.close()
