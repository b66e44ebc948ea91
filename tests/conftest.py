"""What holds for all tests."""

from __future__ import annotations

import asyncio
import os

import pytest
from hypothesis import settings

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
