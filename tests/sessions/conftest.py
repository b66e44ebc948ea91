"""Stores and the servers behind them; a log line that nobody expected is a failure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.services import any_redis, redis_server
from tests.sessions.support import STORES, Clock, make_store
from tests.web.conftest import log

from tornadic.sessions import SessionStore

__all__ = ["log"]

MakeStore = Callable[..., SessionStore]


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    with any_redis() as url:
        yield url


@pytest.fixture(scope="session")
def redis_urls() -> Iterator[list[str]]:
    """Three servers that stay."""
    with ExitStack() as stack:
        yield [stack.enter_context(redis_server()).url for _ in range(3)]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=STORES)
def make(request: pytest.FixtureRequest, tmp_path: Path) -> MakeStore:
    """Makes a store of each kind."""
    kind = request.param
    urls: list[str] = []
    if kind == "redis":
        urls = [request.getfixturevalue("redis_url")]
    elif kind == "ring":
        urls = request.getfixturevalue("redis_urls")

    def make(**options: Any) -> SessionStore:
        return make_store(kind, tmp_path, urls, **options)

    return make
