"""Fixtures: the log, in which nothing unexpected may stand."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite("tests.http1connection.support", "tests.server.logs")

from tests.server.logs import Log  # noqa: E402


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> Iterator[Log]:
    log = Log(caplog)
    yield log
    log.check_end()
