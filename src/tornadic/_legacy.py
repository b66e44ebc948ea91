"""The hooks by which modules reach what Tornado had once and has removed.

The old forms live in ``compat.legacy``, above all other floors, and are loaded when a program first
uses one: a program without them loads no line of it, and pays nothing.  A module has up to two
kinds of hook::

    __getattr__ = _legacy.names_of(__name__)  # names that are gone

    if callback is not None:  # an argument that is gone
        return _legacy.room("callbacks").call_back(future, callback)

`called_back` is the latter for methods that return an awaitable.

Whatever goes this way warns once at each place that uses it, and says what to write today.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import os
import sys
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeVar, cast

__all__ = ["called_back", "is_old_form", "names_of", "room", "warn", "warn_of_definition"]

_Method = TypeVar("_Method", bound=Callable[..., Any])

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep


def names_of(module: str) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of ``module``: its names that are gone, each with a warning.

    Which names, from which room of ``compat.legacy``, and what to write today stands in
    ``compat.legacy.NAMES``.  The function raises AttributeError for any other name.
    """
    path = module.partition(".")[2]

    def __getattr__(name: str) -> Any:
        if not name.startswith("__"):
            known = importlib.import_module("tornadic.compat.legacy").NAMES.get(path, {}).get(name)
            if known is not None:
                where, instead = known
                warn(f"tornado.{path}.{name}", instead)
                return getattr(room(where), name)
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return __getattr__


def room(name: str) -> ModuleType:
    """Return the module ``name`` of ``compat.legacy``, loaded now if this is its first use."""
    return importlib.import_module(f"tornadic.compat.legacy.{name}")


def called_back(method: _Method) -> _Method:
    """Decorator: let a method that returns an awaitable take a ``callback`` for the result.

    It may be the last argument by its place, too; nothing else there can be called.
    """

    @functools.wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("callback") is not None or (args and callable(args[-1])):
            return room("futures").call_method(method, self, args, kwargs)
        return method(self, *args, **kwargs)

    return cast(_Method, call)


def is_old_form(callback: Callable[..., Any]) -> bool:
    """Return whether ``callback``, of the loop, is one by which old forms call a program back."""
    while isinstance(callback, functools.partial):
        callback = callback.func
    module = getattr(callback, "__module__", None) or ""
    return module.startswith(("tornadic.compat.legacy.", "tornado.compat.legacy."))


def warn(old: str, instead: str) -> None:
    """Warn (DeprecationWarning) that ``old`` is gone from Tornado, and what is written today.

    The warning names the first caller outside Tornadic, so that it is shown once for each line of
    a program, and in ``__main__`` without being asked for.
    """
    frame = sys._getframe(1)
    while frame.f_back is not None and _is_no_program(frame.f_code.co_filename):
        frame = frame.f_back
    _warn_at(frame.f_code.co_filename, frame.f_lineno, frame.f_globals, old, instead)


def warn_of_definition(function: Any, old: str, instead: str) -> None:
    """Warn as `warn` does, at the line where a program defines ``function``."""
    function = inspect.unwrap(getattr(function, "__func__", function))
    code = getattr(function, "__code__", None)
    if code is None:
        warn(old, instead)
    else:
        _warn_at(code.co_filename, code.co_firstlineno, function.__globals__, old, instead)


def _warn_at(file: str, line: int, names: dict[str, Any], old: str, instead: str) -> None:
    warnings.warn_explicit(
        f"{old} was removed from Tornado and is kept for old programs; {instead}",
        DeprecationWarning,
        file,
        line,
        module=names.get("__name__", "<unknown>"),
        registry=names.setdefault("__warningregistry__", {}),
    )


def _is_no_program(file: str) -> bool:
    """Whether code of ours is in ``file``, or of the import system, by which some come to us."""
    return file.startswith((_PACKAGE, "<frozen importlib."))
