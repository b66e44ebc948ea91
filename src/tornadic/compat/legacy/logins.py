"""The mixins of `tornadic.auth` with callbacks, and without anybody who waits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tornadic import _legacy
from tornadic.auth.errors import AuthError
from tornadic.compat.legacy.coroutines import Task
from tornadic.concurrent import Future, chain_future
from tornadic.gen import convert_yielded
from tornadic.ioloop import IOLoop
from tornadic.log import gen_log

__all__ = ["call", "get_user"]


def call(
    method: Callable[..., Any], mixin: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Call a method that `.with_callback` decorates, and the callback in its arguments.

    Returns a future, of a method that is a coroutine.  Exceptions that nobody waits for go to the
    stack contexts of the caller, or are logged.
    """
    callback, args = _callback_of(args, kwargs)
    if callback is not None:
        _legacy.warn(f"callback of {method.__name__}", "await what it returns")
    returned = method(mixin, *args, **kwargs)
    if returned is None:
        if callback is not None:
            IOLoop.current().add_callback(callback)
        return None
    done: Future[Any] = Future()

    def finished(running: Future[Any]) -> Any:
        has_failed = not running.cancelled() and running.exception() is not None
        if callback is None and has_failed and not getattr(done, "_callbacks", None):
            # Nobody waits: the exception would be lost, and the request never answered.
            return running.result()
        chain_future(running, done)
        if callback is None:
            return None
        if has_failed:
            done.exception()  # it is the callback's affair
        return callback(_user_of(running))

    IOLoop.current().add_future(convert_yielded(returned), finished)
    return done


def _user_of(future: Future[Any]) -> Any:
    """The result of ``future``, or None for an `AuthError`."""
    try:
        return future.result()
    except AuthError as error:
        gen_log.warning("%s", error)
        return None


def _callback_of(
    args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Callable[..., Any] | None, tuple[Any, ...]]:
    """Take the callback out of the arguments."""
    callback = kwargs.pop("callback", None)
    rest = []
    for argument in args:
        if callback is None and callable(argument):
            callback = argument
        else:
            rest.append(argument)
    return callback, tuple(rest)


async def get_user(mixin: Any, access_token: dict[str, Any]) -> Any:
    """Call the method of a subclass which was there before `_oauth_get_user_future`."""
    _legacy.warn("_oauth_get_user", "define _oauth_get_user_future, as a coroutine")
    return await Task(mixin._oauth_get_user, access_token)
