"""What holds for all tests."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator

import pytest
from hypothesis import settings
from tests.browser import Browser, Page, chromium

# The same examples every time, so that a failure is never news of yesterday; HYPOTHESIS_PROFILE
# set to "explore" looks for new ones.  No deadlines: the machine may be busy.
settings.register_profile("repeat", deadline=None, derandomize=True, database=None)
settings.register_profile("explore", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeat"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--uvloop", action="store_true", help="run every event loop on uvloop")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--uvloop"):
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One Chromium for all tests that look at pages."""
    chromium()
    browser = Browser(tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that nobody has used; its console must be silent to the end.

    Where complaints are expected, a test looks at them and clears them.
    """
    page = browser.new_page()
    yield page
    complaints = page.complaints
    page.close()
    assert complaints == []
