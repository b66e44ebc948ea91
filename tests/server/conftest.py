"""Fixtures: a server for each test, and its log, in which nothing unexpected may stand."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite("tests.server.logs", "tests.server.peer", "tests.server.support")

from tests.server.logs import Log  # noqa: E402
from tests.server.support import Serve, Site, serving  # noqa: E402


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[Log]:
    log = Log(caplog)
    yield log
    log.check_end()


@pytest.fixture
def serve(log: Log) -> Iterator[Serve]:
    with serving(log) as start:
        yield start


@pytest.fixture
def site(serve: Serve) -> Site:
    """A server with nothing set."""
    return serve()
