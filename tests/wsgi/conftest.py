"""What runs the applications; and an unexpected log line is a failure."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor

import pytest
from tests.web.conftest import log as log


@pytest.fixture(params=["loop", "threads"])
def executor(request: pytest.FixtureRequest) -> Iterator[Executor | None]:
    """What runs the application: None for the thread of the loop, or a pool of threads."""
    if request.param == "loop":
        yield None
        return
    with ThreadPoolExecutor(4) as pool:
        yield pool
