"""In every test here a log line that nobody expected is a failure."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.web.support import LogBook, logged


@pytest.fixture(autouse=True)
def log() -> Iterator[LogBook]:
    """The warnings and errors of the framework and of asyncio; the test takes what is due."""
    with logged() as book:
        yield book
