"""``tornado.stack_context``: what was entered around a callback when it was scheduled.

Inside ``with StackContext(factory)`` or ``with ExceptionStackContext(handler)`` whatever is given
to the loop, or to `wrap`, is run later as if it stood in that ``with`` as well.

Context variables carry it: one holds the contexts that are entered, asyncio hands it on to
callbacks, and a coroutine has a copy of its own.  All that is left to do is to enter the contexts
around a callback.  The loop learns to do so when a program first enters one; before, it does not
ask.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from contextvars import ContextVar
from types import TracebackType
from typing import Any, TypeVar

from tornadic.concurrent import Future
from tornadic.ioloop import IOLoop

__all__ = [
    "ExceptionStackContext",
    "NullContext",
    "StackContext",
    "StackContextInconsistentError",
    "run_with_stack_context",
    "wrap",
]

_T = TypeVar("_T")

Handler = Callable[[Any, Any, Any], Any]


class StackContextInconsistentError(Exception):
    """Contexts were left in another order than they were entered."""

    __module__ = "tornado.stack_context"


class _Context:
    """What is entered in a ``with``, and again around each callback that is scheduled there."""

    def __init__(self) -> None:
        self.is_active = True
        self._entered: list[tuple[tuple[_Context, ...], tuple[_Context, ...]]] = []

    def _enter(self) -> None:
        before = _contexts.get()
        inside = (*before, self)
        _teach_loops()
        self._entered.append((before, inside))
        _contexts.set(inside)

    def _leave(self) -> None:
        before, inside = self._entered.pop()
        found = _contexts.get()
        _contexts.set(before)
        if found is not inside:
            raise StackContextInconsistentError(
                "stack contexts were not left in the order they were entered in"
            )

    def _deactivate(self) -> None:
        self.is_active = False

    def enter_again(self, stack: ExitStack) -> None:
        """Enter it around a callback."""
        raise NotImplementedError


_contexts: ContextVar[tuple[_Context, ...]] = ContextVar("stack contexts", default=())

# Those that are entered around the callback which this thread runs.
_around = threading.local()


class StackContext(_Context):
    """Enters ``context_factory()``, a context manager, here and around the callbacks.

    The ``with`` statement gives a function which, once called, keeps callbacks that have not run
    yet from it.
    """

    def __init__(self, context_factory: Callable[[], AbstractContextManager[Any]]) -> None:
        super().__init__()
        self._factory = context_factory
        self._here: list[AbstractContextManager[Any]] = []

    def enter_again(self, stack: ExitStack) -> None:
        stack.enter_context(self._factory())

    def __enter__(self) -> Callable[[], None]:
        entered = self._factory()
        entered.__enter__()
        self._here.append(entered)
        self._enter()
        return self._deactivate

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        try:
            return self._here.pop().__exit__(kind, error, traceback)
        finally:
            self._leave()


class ExceptionStackContext(_Context):
    """Gives ``exception_handler(type, value, traceback)`` the exceptions of here and of callbacks.

    If it returns a true value, the exception is dealt with and goes no further.
    """

    def __init__(self, exception_handler: Handler) -> None:
        super().__init__()
        self._handler = exception_handler

    def enter_again(self, stack: ExitStack) -> None:
        stack.push(self._handle)

    def __enter__(self) -> Callable[[], None]:
        self._enter()
        return self._deactivate

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        try:
            return self._handle(kind, error, traceback)
        finally:
            self._leave()

    def _handle(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        return error is not None and bool(self._handler(kind, error, traceback))

    def stay(self) -> None:
        """Enter it for as long as the present context of variables lives."""
        _teach_loops()
        _contexts.set((*_contexts.get(), self))


class NullContext:
    """Leaves all stack contexts: what is scheduled in this ``with`` runs outside of them."""

    def __init__(self) -> None:
        self._before: list[tuple[_Context, ...]] = []

    def __enter__(self) -> None:
        self._before.append(_contexts.get())
        _contexts.set(())

    def __exit__(self, *exc_info: object) -> None:
        _contexts.set(self._before.pop())


def wrap(fn: Any) -> Any:
    """Return a function that calls ``fn`` in the stack contexts of now, whoever calls it.

    None gives None, and a function that was wrapped already gives itself.
    """
    if fn is None or hasattr(fn, "has_stack_contexts"):
        return fn
    contexts = tuple(context for context in _contexts.get() if context.is_active)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return _run_in(contexts, fn, *args, **kwargs)

    with contextlib.suppress(AttributeError):
        functools.update_wrapper(wrapped, fn)
    wrapped.__dict__["has_stack_contexts"] = True
    return wrapped


def run_with_stack_context(context: AbstractContextManager[Any], func: Callable[[], _T]) -> _T:
    """Call ``func()``, which may start a coroutine, in ``context``, and return what it returns.

    ::

        yield run_with_stack_context(StackContext(factory), lambda: fetch_things(url))
    """
    with context:
        return func()


def _run_in(contexts: tuple[_Context, ...], fn: Callable[..., Any], *args: Any, **kw: Any) -> Any:
    """Call ``fn`` in ``contexts``, unless they are entered already; None for what was handled."""
    outside = getattr(_around, "contexts", ())
    if outside == contexts and _contexts.get() == contexts:
        return fn(*args, **kw)
    token = _contexts.set(contexts)
    _around.contexts = contexts
    try:
        with ExitStack() as stack:
            for context in contexts:
                if context.is_active:
                    context.enter_again(stack)
            return fn(*args, **kw)
    finally:
        _around.contexts = outside
        _contexts.reset(token)
    return None


_plain_run_callback = IOLoop._run_callback
_plain_add_handler = IOLoop.add_handler
_plain_add_future = IOLoop.add_future
_plain_spawn = IOLoop.spawn_callback
_plain_add_from_signal = IOLoop.add_callback_from_signal


def _run_callback(self: IOLoop, callback: Callable[[], Any]) -> None:
    contexts = _contexts.get()
    if contexts:
        callback = functools.partial(_run_in, contexts, callback)
    _plain_run_callback(self, callback)


def _add_handler(self: IOLoop, fd: Any, handler: Callable[..., Any], events: int) -> None:
    _plain_add_handler(self, fd, wrap(handler) if _contexts.get() else handler, events)


def _add_future(self: IOLoop, future: Future[Any], callback: Callable[[Any], Any]) -> None:
    # It may be another thread that completes it, where these contexts are not.
    _plain_add_future(self, future, wrap(callback) if _contexts.get() else callback)


# These two are meant to leave the contexts of whoever calls, or was interrupted, behind.
def _spawn_callback(self: IOLoop, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    with NullContext():
        _plain_spawn(self, callback, *args, **kwargs)


def _add_from_signal(self: IOLoop, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    with NullContext():
        _plain_add_from_signal(self, callback, *args, **kwargs)


def _teach_loops() -> None:
    """From now on, have all loops run what is scheduled in contexts inside of them."""
    if IOLoop._run_callback is _plain_run_callback:
        for name, function in (
            ("_run_callback", _run_callback),
            ("add_handler", _add_handler),
            ("add_future", _add_future),
            ("spawn_callback", _spawn_callback),
            ("add_callback_from_signal", _add_from_signal),
        ):
            setattr(IOLoop, name, function)
