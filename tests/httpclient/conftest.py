"""In every test here a log line that nobody expected is a failure."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite("tests.httpclient.support", "tests.server.logs")

from tests.certificates import Certificates, make_certificates  # noqa: E402
from tests.server.logs import Log  # noqa: E402


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> Iterator[Log]:
    """What was logged; the test takes what is due."""
    log = Log(caplog)
    yield log
    log.check_end()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session", autouse=True)
def _small_heap() -> Iterator[None]:
    """Spare the collector, which every test calls, what was there before the first of them."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
