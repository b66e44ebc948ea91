"""Channels of both kinds; a log line that nobody expected is a failure."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator

import pytest
from tests.services import RedisServer, any_redis, redis_server
from tests.web.conftest import log

from tornadic.channels import Channels, MemoryChannels, RedisChannels

__all__ = ["log"]

Make = Callable[[], Channels]


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    with any_redis() as url:
        yield url


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A Redis that the test may kill."""
    with redis_server() as server:
        yield server


@pytest.fixture(params=["memory", "redis"])
def make(request: pytest.FixtureRequest) -> Make:
    """Makes channels of each kind; all that one test makes share their names."""
    if request.param == "memory":
        return MemoryChannels
    url = request.getfixturevalue("redis_url")
    prefix = f"test-{secrets.token_hex(8)}:"
    return lambda: RedisChannels(url, prefix=prefix)
