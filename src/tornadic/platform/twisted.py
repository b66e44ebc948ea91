"""Bridges between Twisted and Tornadic, both of which run on asyncio.

Importing this module lets a `tornadic.gen.coroutine` yield Twisted's ``Deferred`` objects; native
coroutines await them by ``Deferred.asFuture``.  `install` makes Twisted run on asyncio.

Needs Twisted (``pip install tornadic[twisted]``).  New programs had better use asyncio, which
both packages speak.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet import asyncioreactor
from twisted.internet.defer import Deferred

from tornadic._yieldable import convert_yielded
from tornadic.concurrent import Future, future_set_result_unless_cancelled
from tornadic.ioloop import IOLoop

__all__ = ["install"]

# Twisted says nothing of its arguments.
_install_reactor: Callable[[object], None] = asyncioreactor.install


def install() -> None:
    """Install Twisted's ``AsyncioSelectorReactor`` as its reactor, on the current loop.

    Call it before ``twisted.internet.reactor`` is imported, then start the loop instead of the
    reactor.  Deprecated: ``twisted.internet.asyncioreactor.install`` does the same.

    Raises ``twisted.internet.error.ReactorAlreadyInstalledError`` if there is a reactor already.
    """
    _install_reactor(IOLoop.current().asyncio_loop)


@convert_yielded.register(Deferred)
def _future_of(deferred: Any) -> Future[Any]:
    """A future of what comes of ``deferred``; cancelling the one cancels the other."""
    future: Future[Any] = Future()

    def succeed(result: Any) -> None:
        future_set_result_unless_cancelled(future, result)

    def fail(failure: Any) -> None:
        error = failure.value
        if isinstance(error, StopIteration):
            # Which no future can hold, since it would end the coroutine that waits.
            error = RuntimeError("Deferred failed with StopIteration")
            error.__cause__ = failure.value
        if not future.cancelled():
            future.set_exception(error)

    def cancel(done: Future[Any]) -> None:
        if done.cancelled():
            deferred.cancel()

    deferred.addCallbacks(succeed, fail)
    if not future.done():
        future.add_done_callback(cancel)
    return future
