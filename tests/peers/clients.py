"""Our two clients, and what holds for either."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from tests.httpclient.support import run
from tests.tools import module

from tornadic.httpclient import AsyncHTTPClient
from tornadic.simple_httpclient import SimpleAsyncHTTPClient

__all__ = ["BOTH", "Test", "fetching", "opened"]

BOTH = ["simple", "curl"]

Test = Callable[[AsyncHTTPClient], Awaitable[None]]


@asynccontextmanager
async def opened(kind: str, **arguments: Any) -> AsyncIterator[AsyncHTTPClient]:
    """A client, whose places are all free at the end."""
    made: Any
    if kind == "simple":
        made = SimpleAsyncHTTPClient(force_instance=True, **arguments)
    else:
        module("pycurl")
        made = module("tornadic.curl_httpclient").CurlAsyncHTTPClient(
            force_instance=True, **arguments
        )
    try:
        yield made
        assert not (made.active if kind == "simple" else made._active)
    finally:
        made.close()
        await asyncio.sleep(0)


def fetching(kind: str, test: Test, **arguments: Any) -> None:
    """Run ``test`` with a client; no error and no socket is left behind."""

    async def main() -> None:
        async with opened(kind, **arguments) as client:
            await test(client)

    run(main)
