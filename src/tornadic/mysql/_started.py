"""Coroutines that begin when they are called.

Programs of the callback and ``yield`` days ask for a query and may never wait for it.  So what
they get is a future, and the query goes out all the same.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from tornadic import _tasks

__all__ = ["done", "start", "started"]

_P = ParamSpec("_P")
_T = TypeVar("_T")


def start(coroutine: Coroutine[Any, Any, _T]) -> asyncio.Future[_T]:
    """A task that carries out ``coroutine``, and has begun where Python can do that.

    Raises RuntimeError where no loop runs.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        coroutine.close()
        raise
    return _tasks.start(coroutine, loop)


def started(
    function: Callable[_P, Coroutine[Any, Any, _T]],
) -> Callable[_P, asyncio.Future[_T]]:
    """Let a call of ``function`` return a task; it needs a loop that runs."""

    @functools.wraps(function)
    def begin(*args: _P.args, **kwargs: _P.kwargs) -> asyncio.Future[_T]:
        return start(function(*args, **kwargs))

    return begin


def done(result: _T) -> asyncio.Future[_T]:
    """A future for what needed no waiting."""
    future: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
    future.set_result(result)
    return future
