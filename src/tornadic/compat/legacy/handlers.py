"""Handlers that answer from callbacks: `asynchronous`, and what `RequestHandler` had beside it.

What a callback raises that such a handler has scheduled is the handler's: a stack context around
its method takes it there, as if the method itself had raised it.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable
from typing import Any

from tornadic import _legacy
from tornadic._yieldable import awaitable_of
from tornadic.compat.legacy.contexts import ExceptionStackContext, wrap
from tornadic.ioloop import IOLoop
from tornadic.web.execution import _fail
from tornadic.web.handler import RequestHandler

__all__ = ["async_callback", "asynchronous", "error_html", "flush_then"]


def asynchronous(method: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: the response is not finished when ``method`` returns; `finish` is called later.

    What ``method`` raises, or a callback that it has given to the loop, is answered with an error
    page, if nothing has gone out.  Where it returns a future or a coroutine, the response is
    finished when that is done, unless it was before.  Anything else but None is an error.
    """

    @functools.wraps(method)
    def begin(self: RequestHandler, *args: Any, **kwargs: Any) -> Any:
        self._auto_finish = False
        ExceptionStackContext(functools.partial(_take_exception, self)).stay()
        returned = method(self, *args, **kwargs)
        if returned is None or inspect.isgenerator(returned):
            return returned  # a generator is for `gen.engine` or `gen.coroutine`, further up
        return _finish_after(self, awaitable_of(returned))

    return begin


async def _finish_after(handler: RequestHandler, waiting: Any) -> None:
    await waiting
    if not handler._finished:
        handler.finish()


def _take_exception(handler: RequestHandler, kind: Any, error: Any, traceback: Any) -> bool:
    if not isinstance(error, Exception):
        return False
    _fail(handler, error)
    return True


def async_callback(
    handler: RequestHandler, callback: Callable[..., Any] | None, *args: Any, **kwargs: Any
) -> Callable[..., Any] | None:
    """What `RequestHandler.async_callback` does."""
    _legacy.warn("RequestHandler.async_callback", "write async def, and await what you wait for")
    if callback is None:
        return None
    given = functools.partial(callback, *args, **kwargs)
    with ExceptionStackContext(functools.partial(_take_exception, handler)):
        wrapped: Callable[..., Any] = wrap(given)
    return wrapped


def flush_then(
    handler: RequestHandler, include_footers: bool, callback: Callable[[], Any]
) -> asyncio.Future[None]:
    """Flush, and call ``callback`` when what was written has gone out, if it has."""
    _legacy.warn("callback= of RequestHandler.flush", "await what it returns")
    sent = handler.flush(include_footers)

    def call(done: asyncio.Future[None]) -> None:
        if not done.cancelled() and done.exception() is None:
            callback()

    IOLoop.current().add_future(sent, call)
    return sent


def error_html(handler: RequestHandler, status_code: int, kwargs: dict[str, Any]) -> None:
    """Answer with what a handler's ``get_error_html(status_code, **kwargs)`` returns.

    Of ``exc_info`` it gets the exception, as ``exception``.  It may also finish by itself.
    """
    if "exc_info" in kwargs:
        kwargs["exception"] = kwargs.pop("exc_info")[1]
    owner: Any = handler
    _legacy.warn_of_definition(
        owner.get_error_html,
        "RequestHandler.get_error_html",
        "define write_error, and write the page there",
    )
    page = owner.get_error_html(status_code, **kwargs)
    if not handler._finished:
        handler.finish(page)
