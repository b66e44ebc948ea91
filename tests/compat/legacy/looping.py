"""Old forms in a loop of this process, which has to end clean."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from typing import Any

from tests import running

__all__ = ["PATIENCE", "run", "until"]

PATIENCE = 30.0
"""Seconds after which a test that hangs is given up; no test waits for it to pass."""


def run(main: Callable[[], Awaitable[Any]]) -> Any:
    """Run ``main``; what nobody caught in its loop is an error, and so is a task that is left."""

    async def counted() -> Any:
        result = await main()
        gc.collect()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return result

    return running.run(counted)


async def until(condition: Callable[[], object]) -> None:
    """Wait for what other callbacks of the loop bring about."""
    while not condition():
        await asyncio.sleep(0.001)
