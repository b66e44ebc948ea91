"""Fixtures: certificates, the log in which nothing unexpected may stand, and pairs of streams."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

pytest.register_assert_rewrite("tests.iostream.support", "tests.server.logs")

from tests.certificates import Certificates, make_certificates  # noqa: E402
from tests.iostream.support import Pair, pipes, sockets, under_tls  # noqa: E402
from tests.server.logs import Log  # noqa: E402


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> Iterator[Log]:
    log = Log(caplog)
    yield log
    log.check_end()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(params=["socket", "pipe", "tls"])
def pair(request: pytest.FixtureRequest) -> Pair:
    """Opens a stream to read from and one that writes to it, of each kind there is."""
    if request.param == "tls":
        return partial(under_tls, request.getfixturevalue("certificates"))
    return sockets if request.param == "socket" else pipes


@pytest.fixture(params=["socket", "tls"])
def two_way(request: pytest.FixtureRequest) -> Pair:
    """Opens two connected streams, of each kind that goes both ways."""
    if request.param == "tls":
        return partial(under_tls, request.getfixturevalue("certificates"))
    return sockets
