"""``callback=`` of the mixins' methods, and calls that nobody waits for, as Tornado 3 had them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

from tornadic import _legacy

__all__ = ["with_callback"]

_Method = TypeVar("_Method", bound=Callable[..., Any])


def with_callback(method: _Method) -> _Method:
    """Decorator: let a method take a ``callback``, for old programs.

    It gets the result, or None after an `AuthError`, which is logged.  It is found among the
    positional arguments too, wherever it once was: no other of them can be called.

    In a handler that finishes by itself, the method begins at once and not when it is awaited.
    """

    @functools.wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if (
            kwargs.get("callback") is not None
            or any(callable(argument) for argument in args)
            or not getattr(self, "_auto_finish", True)
        ):
            return _legacy.room("logins").call(method, self, args, kwargs)
        return method(self, *args, **kwargs)

    return cast(_Method, call)
