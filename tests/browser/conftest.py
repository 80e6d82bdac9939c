"""Chromium from the machine; without it, these tests are skipped."""

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_MISSING = (
    "No Chromium on this machine, so nobody tried the page. Install it (Debian: apt-get install "
    "chromium), or set CHROMIUM to its path."
)


# Not for the session: while Playwright runs, no other test could run an event loop.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        pytest.skip(_MISSING)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path,
            # Most desktops show them, and they take room.
            ignore_default_args=["--hide-scrollbars"],
        )
        yield browser
        browser.close()
