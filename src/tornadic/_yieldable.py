"""What a coroutine may yield, and how it becomes a future.

This room lies below `tornadic.ioloop` and `tornadic.gen`: both turn what users' functions return
into futures.  Everything public in it is reached through `tornadic.gen`.

A future is taken as it is.  A native coroutine becomes a task, started at once.  A list or dict
of these becomes one future, and nothing else: no future is made per element.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from inspect import isawaitable
from types import CoroutineType
from typing import Any

from tornadic.concurrent import Future, _call_when_done, _hold, is_future
from tornadic.log import app_log

# Futures, awaitables, lists and dicts of yieldables, None, and whatever was registered with
# `convert_yielded`: no type can say so.
Yieldable = Any

ExceptionTypes = type[BaseException] | Sequence[type[BaseException]]


class BadYieldError(Exception):
    """A coroutine yielded something that cannot be waited for."""

    __module__ = f"{__package__}.gen"


class _NullFuture:
    """Looks like a finished future whose result is None, and belongs to no loop."""

    __module__ = f"{__package__}.gen"

    def result(self) -> None:
        return None

    def exception(self) -> None:
        return None

    def done(self) -> bool:
        return True


# What a coroutine is resumed with after it has waited for nothing but the loop's next turn.
ready = _NullFuture()

# Typed as what users take it for: a future like any other.
moment: Any = _NullFuture()
moment.__doc__ = """Yielded in a coroutine, lets the loop run for one turn.

``yield None``, or a bare ``yield``, is the same.  Useful between the steps of a long calculation;
in a native coroutine write ``await asyncio.sleep(0)``.
"""

# asyncio refers to its tasks only weakly, and nobody else need hold one that was yielded.
_started_tasks: set[Future[Any]] = set()


@functools.singledispatch
def convert_yielded(yielded: Any) -> Future[Any]:
    """Return a future for an object that a coroutine may yield.

    A future is returned as it is, and a coroutine or other awaitable is started in a task of the
    current loop.  A list or dict becomes a future as `multi` makes it, and None the ready-made
    `moment`.  Other types are added with ``convert_yielded.register(type)``, which takes a
    function from the object to a future.

    Raises `BadYieldError` for anything else.
    """
    if yielded is None:
        yielded = moment
    if yielded is moment or is_future(yielded):
        future: Future[Any] = yielded
        return future
    if isinstance(yielded, (list, dict)):
        return multi(yielded)
    if isawaitable(yielded):
        return _start(yielded)
    raise BadYieldError(f"yielded unknown object {yielded!r}")


def awaitable_of(yielded: Any) -> Any:
    """Return ``yielded`` as something to be awaited at once: a coroutine itself, else a future.

    A coroutine that is awaited needs no task, which would live for as long as it waits.  Raises
    `BadYieldError` as `convert_yielded` does.
    """
    return yielded if type(yielded) is CoroutineType else convert_yielded(yielded)


def _start(awaitable: Awaitable[Any]) -> Future[Any]:
    task = asyncio.ensure_future(awaitable)
    if not task.done():
        _started_tasks.add(task)
        task.add_done_callback(_started_tasks.discard)
    return task


def multi(
    children: Iterable[Yieldable] | Mapping[Any, Yieldable],
    quiet_exceptions: ExceptionTypes = (),
) -> Future[Any]:
    """Wait for several things at once.

    ``children`` are yieldable objects in a list (or any iterable) or as the values of a dict.
    Returns a future of the list of their results in the same order, or of a dict with the same
    keys.  It is done on return if all the children are.

    If children fail, the future gets the first exception in the order of the children, once all
    of them are done; the others are logged, unless they are of ``quiet_exceptions``.  A cancelled
    child counts as a failure with `asyncio.CancelledError`, which is never logged.  Cancelling
    the future does not cancel the children.

    Raises `BadYieldError` for a child that is not yieldable; those before it are started.
    """
    keys: list[Any] | None = None
    if isinstance(children, Mapping):
        keys = list(children.keys())
        children = children.values()
    waited = [convert_yielded(child) for child in children]
    quiet = exception_types(quiet_exceptions)
    result: Future[Any] = Future()
    # A child given twice is waited for once.
    pending = {future for future in waited if not future.done()}
    remaining = len(pending)

    def child_done(_: Any) -> None:
        nonlocal remaining
        remaining -= 1
        if not remaining:
            _hold(result, None)
            _collect(waited, keys, result, quiet)

    if pending:
        _hold(result, waited)
        loop = result.get_loop()
        for future in pending:
            _call_when_done(future, child_done, loop)
    else:
        _collect(waited, keys, result, quiet)
    return result


def _collect(
    waited: list[Future[Any]],
    keys: list[Any] | None,
    result: Future[Any],
    quiet: tuple[type[BaseException], ...],
) -> None:
    values: list[Any] = []
    # Whoever cancelled the result sees no exception at all, so that all of them are logged.
    unseen = result.cancelled()
    failure: BaseException | None = None
    for future in waited:
        error: BaseException | None
        try:
            error = future.exception()
        except asyncio.CancelledError as cancelled:
            # It has met this frame, which refers to the result it is going to be part of.
            error = cancelled.with_traceback(None)
        if error is None:
            values.append(future.result())
        elif failure is None and not unseen:
            failure = error
        elif error is not failure and not isinstance(error, (asyncio.CancelledError, *quiet)):
            app_log.error("Multiple exceptions in yield list", exc_info=error)
    if failure is not None:
        result.set_exception(failure)
    elif not unseen:
        result.set_result(values if keys is None else dict(zip(keys, values, strict=True)))


def exception_types(given: ExceptionTypes) -> tuple[type[BaseException], ...]:
    """Return ``given`` as a tuple, as `isinstance` wants it."""
    return (given,) if isinstance(given, type) else tuple(given)


def multi_future(
    children: Iterable[Yieldable] | Mapping[Any, Yieldable],
    quiet_exceptions: ExceptionTypes = (),
) -> Future[Any]:
    """Do what `multi` does.  The older name."""
    return multi(children, quiet_exceptions)
