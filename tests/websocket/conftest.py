"""In every test here a log line that nobody expected is a failure."""

from __future__ import annotations

import pytest
from tests.certificates import Certificates, make_certificates
from tests.web.conftest import log

__all__ = ["log"]


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))
