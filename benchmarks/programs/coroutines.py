# mypy: disable-error-code = "untyped-decorator"
"""Awaits of a decorated coroutine (`gen.coroutine`) of Tornado and Tornadic.

The caller is native (`async def`) or decorated; what is called never waits, or waits for one turn
of the loop.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Generator
from importlib import import_module
from typing import Any

from benchmarks.programs import require

_package = os.environ["BENCH_PACKAGE"]
gen: Any = import_module(f"{_package}.gen")

Callee = Callable[[int], Any]


@gen.coroutine
def at_once(number: int) -> Generator[Any, Any, int]:
    """Never waits."""
    if number < 0:
        yield gen.moment
    return number


@gen.coroutine
def after_moment(number: int) -> Generator[Any, Any, int]:
    """Waits for `gen.moment`."""
    yield gen.moment
    return number


@gen.coroutine
def after_sleep(number: int) -> Generator[Any, Any, int]:
    """Waits for `asyncio.sleep(0)`."""
    yield asyncio.sleep(0)
    return number


async def _native(callee: Callee, count: int) -> None:
    total = 0
    for number in range(count):
        total += await callee(number)
    require(total, sum(range(count)))


@gen.coroutine
def _decorated(callee: Callee, count: int) -> Generator[Any, Any, None]:
    total = 0
    for number in range(count):
        total += yield callee(number)
    require(total, sum(range(count)))


async def native_at_once(count: int, port: int) -> None:
    await _native(at_once, count)


async def native_moment(count: int, port: int) -> None:
    await _native(after_moment, count)


async def native_sleep(count: int, port: int) -> None:
    await _native(after_sleep, count)


async def decorated_at_once(count: int, port: int) -> None:
    await _decorated(at_once, count)


async def decorated_moment(count: int, port: int) -> None:
    await _decorated(after_moment, count)


async def decorated_sleep(count: int, port: int) -> None:
    await _decorated(after_sleep, count)
