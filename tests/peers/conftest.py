"""Fixtures: our server before real clients, and real servers before ours.

As in the rooms that they look at, a log line that nobody expected is a failure.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite(
    "tests.httpclient.support",
    "tests.peers.clients",
    "tests.server.logs",
    "tests.server.peer",
    "tests.server.support",
)

from tests.certificates import Certificates, make_certificates  # noqa: E402
from tests.peers.site import BIG, TEXT, rules  # noqa: E402
from tests.server.logs import Log  # noqa: E402
from tests.server.support import Serve, Site, serving  # noqa: E402


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[Log]:
    log = Log(caplog)
    # It logs as much as the program's level allows.
    logging.getLogger("tornado.curl_httpclient").setLevel(logging.INFO)
    yield log
    log.check_end()


@pytest.fixture
def serve(log: Log) -> Iterator[Serve]:
    with serving(log) as start:
        yield start


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of files to serve."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "digits.txt").write_bytes(b"0123456789" * 10)
    (folder / "big.bin").write_bytes(BIG)
    (folder / "text.txt").write_text(TEXT)
    return folder


@pytest.fixture
def site(serve: Serve, folder: Path) -> Site:
    """Our server, with everything that `tests.peers.site` has."""
    settings = {"gone": threading.Event(), "compress_response": True}
    return serve(*rules(str(folder)), settings=settings)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))
