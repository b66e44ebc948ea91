"""How a test runs what it has to await."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

__all__ = ["run"]

PATIENCE = 40.0 * float(os.environ.get("TEST_TIMEOUT_FACTOR", "1"))
"""Seconds: far more than any test takes, on a machine that has other things to do too."""

_T = TypeVar("_T")


def run(main: Callable[[], Awaitable[_T]]) -> _T:
    """Run ``main`` in a loop of its own; what nobody caught in that loop is an error."""
    uncaught: list[dict[str, Any]] = []

    async def watched() -> _T:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: uncaught.append(context))
        async with asyncio.timeout(PATIENCE):
            return await main()

    result = asyncio.run(watched())
    assert uncaught == []
    return result
