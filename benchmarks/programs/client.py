# mypy: disable-error-code = "import-not-found"
"""Fetches of something small, so many at a time, by the client of each peer."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any

from benchmarks.programs import require
from benchmarks.scenarios import HELLO

_package = os.environ["BENCH_PACKAGE"]
CONCURRENT_FETCHES = 32
# The status and the body.
Fetch = Callable[[str], Awaitable[tuple[int, bytes]]]


async def _fetch_all(fetch: Fetch, count: int, port: int) -> None:
    left = iter(range(count))
    url = f"http://127.0.0.1:{port}/"
    right = 0

    async def work() -> None:
        nonlocal right
        for _ in left:
            require(await fetch(url), (200, HELLO))
            right += 1

    await asyncio.gather(*(work() for _ in range(CONCURRENT_FETCHES)))
    require(right, count)


async def tornado_like(count: int, port: int) -> None:
    """The simple client, with as many at a time as are asked for."""
    httpclient: Any = import_module(f"{_package}.httpclient")
    client = httpclient.AsyncHTTPClient(force_instance=True, max_clients=CONCURRENT_FETCHES)

    async def fetch(url: str) -> tuple[int, bytes]:
        response = await client.fetch(url)
        return response.code, response.body

    try:
        await _fetch_all(fetch, count, port)
    finally:
        client.close()


async def aiohttp(count: int, port: int) -> None:
    """A session, whose connections are kept, as its documentation has it."""
    import aiohttp

    async with aiohttp.ClientSession() as session:

        async def fetch(url: str) -> tuple[int, bytes]:
            async with session.get(url) as response:
                return response.status, await response.read()

        await _fetch_all(fetch, count, port)


async def fetch(count: int, port: int) -> None:
    """The fetches by the client of the peer."""
    await (aiohttp if _package == "aiohttp" else tornado_like)(count, port)
