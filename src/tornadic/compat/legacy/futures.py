"""Futures and callbacks side by side: `return_future`, and ``callback=`` of what returns a future.

A callback gets the result, in a turn of its own.  It is not called if there is an exception: that
goes to the stack contexts that the callback was given in, or is logged.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from tornadic import _legacy
from tornadic._yieldable import convert_yielded
from tornadic.compat.legacy.contexts import ExceptionStackContext
from tornadic.concurrent import Future, ReturnValueIgnoredError
from tornadic.ioloop import IOLoop
from tornadic.util import ArgReplacer

__all__ = [
    "TracebackFuture",
    "call_coroutine",
    "call_method",
    "call_with_result",
    "return_future",
    "submit",
    "takes_callback",
]

TracebackFuture = Future

_NOTHING: Any = object()


def return_future(f: Callable[..., Any]) -> Callable[..., Future[Any]]:
    """Decorator: have a function that calls its argument ``callback`` return a future as well.

    The future gets what ``callback`` is called with.  It is given an exception by what callbacks
    raise that the function schedules; what the function itself raises is raised in the caller.
    The caller may give a ``callback`` too, which is called with the result.

    Raises `ReturnValueIgnoredError` if the function returns something.
    """
    replacer = ArgReplacer(f, "callback")

    @functools.wraps(f)
    def wrapper(*args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        is_running = True
        results: list[Any] = []

        def called_back(value: Any = _NOTHING) -> None:
            future.set_result(None if value is _NOTHING else value)
            results.append(value)

        def failed(kind: Any, error: BaseException, traceback: Any) -> bool:
            if is_running or future.done() or not isinstance(error, Exception):
                return False
            future.set_exception(error)
            return True

        callback, given, kwargs = replacer.replace(called_back, args, kwargs)
        with ExceptionStackContext(failed):
            returned = f(*given, **kwargs)
            if returned is not None:
                raise ReturnValueIgnoredError(
                    f"a function under return_future cannot return a value: {returned!r}"
                )
        is_running = False
        if callback is not None:

            def give(done: Future[Any]) -> None:
                value = done.result()
                if results and results[0] is _NOTHING:
                    callback()
                else:
                    callback(value)

            IOLoop.current().add_future(future, give)
        return future

    return wrapper


def call_with_result(future: Future[Any], callback: Callable[[Any], Any] | None) -> Future[Any]:
    """Call ``callback(result)`` when ``future`` has one, and return the future; None calls nobody.

    An exception is raised in the loop instead.
    """
    if callback is not None:
        IOLoop.current().add_future(future, lambda done: callback(done.result()))
    return future


def takes_callback(func: Callable[..., Any]) -> bool:
    """Return whether ``func`` can be called with the keyword ``callback``, or may be."""
    try:
        parameters = inspect.signature(func).parameters.values()
    except (TypeError, ValueError):
        return True
    return any(
        parameter.kind is parameter.VAR_KEYWORD
        or (parameter.name == "callback" and parameter.kind is not parameter.POSITIONAL_ONLY)
        for parameter in parameters
    )


def call_coroutine(
    func: Callable[..., Future[Any]], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Future[Any]:
    """Call a coroutine function with a ``callback`` among ``kwargs`` that is meant for us."""
    callback = kwargs.pop("callback")
    _legacy.warn("callback= of a coroutine", "wait for what the coroutine returns")
    return call_with_result(func(*args, **kwargs), callback)


def call_method(
    method: Callable[..., Any], owner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Future[Any]:
    """Call a method under `tornadic._legacy.called_back` with the callback in its arguments."""
    callback = kwargs.pop("callback", None)
    if callback is None:
        callback, args = args[-1], args[:-1]
    if not callable(callback):
        raise TypeError(f"{method.__name__} cannot call {callback!r}")
    _legacy.warn(f"callback of {method.__name__}", "await what it returns")
    return call_with_result(convert_yielded(method(owner, *args, **kwargs)), callback)


def submit(
    method: Callable[..., Future[Any]], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Future[Any]:
    """Call a method under ``run_on_executor`` with a ``callback`` that is meant for us."""
    callback = kwargs.pop("callback")
    _legacy.warn("callback= of run_on_executor", "wait for the future that is returned")
    return call_with_result(method(*args, **kwargs), callback)
