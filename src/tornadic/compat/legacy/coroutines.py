"""What `tornadic.gen` had for functions with callbacks: `engine`, `Task`, `Callback`, `Wait`.

`Task` gives a future, which every coroutine understands.  The others, yield points, belong to the
coroutine that yields them: it has keys, for callbacks it has handed out and has to wait for.  When
a coroutine first yields one, its generator is put into a `_Keyed`, which has these keys, and looks
after them when the generator ends.
"""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import Callable, Generator, Hashable, Iterable
from typing import Any, NamedTuple

from tornadic import gen
from tornadic.compat.legacy.contexts import ExceptionStackContext
from tornadic.compat.legacy.futures import takes_callback
from tornadic.concurrent import Future, ReturnValueIgnoredError, chain_future
from tornadic.gen import (
    BadYieldError,
    KeyReuseError,
    LeakedCallbackError,
    Runner,
    UnknownKeyError,
    convert_yielded,
    is_coroutine_function,
    multi,
)
from tornadic.ioloop import IOLoop

__all__ = [
    "Arguments",
    "Callback",
    "Keys",
    "MultiYieldPoint",
    "Task",
    "Wait",
    "WaitAll",
    "YieldFuture",
    "YieldPoint",
    "engine",
]


class Arguments(NamedTuple):
    """What a callback was called with, if that was more than one argument, or keywords."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def _result_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What a callback's arguments are for the coroutine that waits for them."""
    if kwargs or len(args) > 1:
        return Arguments(args, kwargs)
    return args[0] if args else None


def engine(func: Callable[..., Any]) -> Callable[..., None]:
    """Decorator: make a generator function a coroutine that nobody waits for.

    It returns None.  What it raises before its first wait is raised in the caller; after that it
    goes to the stack contexts of the caller, or is logged.  A return value other than None is a
    `ReturnValueIgnoredError`.

    Raises TypeError for an ``async def`` function.
    """
    if inspect.iscoroutinefunction(func):
        raise TypeError("gen.engine is for generator functions; an async def function needs none")
    start = gen.coroutine(func)

    def look(future: Future[Any]) -> None:
        value = future.result()
        if value is not None:
            raise ReturnValueIgnoredError(
                f"a function under gen.engine cannot return a value: {value!r}"
            )

    @functools.wraps(func)
    def run(*args: Any, **kwargs: Any) -> None:
        future = start(*args, **kwargs)
        try:
            if future.done():
                look(future)
            else:
                IOLoop.current().add_future(future, look)
        finally:
            # This frame is in the traceback of the exception that the future may hold.
            del future

    return run


def Task(func: Callable[..., Any], *args: Any, **kwargs: Any) -> Future[Any]:
    """Call ``func(*args, callback=..., **kwargs)``; return a future of what the callback gets.

    Several arguments, or keywords, become `Arguments`.  What ``func`` raises, and what callbacks
    raise that it has scheduled, goes into the future; and what the callback gets after the first
    call nowhere.  A coroutine function without such an argument is just called.
    """
    future: Future[Any] = Future()
    if _is_coroutine_function(func) and not takes_callback(func):
        chain_future(convert_yielded(func(*args, **kwargs)), future)
        return future

    def called_back(*args: Any, **kwargs: Any) -> None:
        if not future.done():
            future.set_result(_result_of(args, kwargs))

    def failed(kind: Any, error: BaseException, traceback: Any) -> bool:
        if future.done() or not isinstance(error, Exception):
            return False
        future.set_exception(error)
        return True

    with ExceptionStackContext(failed):
        func(*args, callback=called_back, **kwargs)
    return future


def _is_coroutine_function(func: Any) -> bool:
    while isinstance(func, functools.partial):
        func = func.func
    return is_coroutine_function(func) or inspect.iscoroutinefunction(func)


class YieldPoint:
    """What a coroutine yields to do something with its keys; a program may define its own.

    ``start(runner)`` is called first, once, with the `Keys` of the coroutine.  The coroutine goes
    on when ``is_ready()`` says so, with what ``get_result()`` returns or raises.
    """

    def start(self, runner: Any) -> None:
        raise NotImplementedError

    def is_ready(self) -> bool:
        raise NotImplementedError

    def get_result(self) -> Any:
        raise NotImplementedError

    def __await__(self) -> Generator[Any, Any, Any]:
        raise BadYieldError(
            f"{type(self).__name__} works with yield under gen.coroutine or gen.engine only; "
            f"in an async function, await a Future"
        )


class Callback(YieldPoint):
    """Gives, at once, a function whose arguments a `Wait` with the same ``key`` gives later.

    Raises `KeyReuseError` in the coroutine if the key is in use.
    """

    def __init__(self, key: Hashable) -> None:
        self.key = key

    def start(self, runner: Keys) -> None:
        self._result = runner.result_callback(self.key)

    def is_ready(self) -> bool:
        return True

    def get_result(self) -> Callable[..., None]:
        return self._result


class Wait(YieldPoint):
    """Waits until the function that `Callback` gave for ``key`` was called; gives its argument.

    Raises `UnknownKeyError` in the coroutine if there is no such key.
    """

    def __init__(self, key: Hashable) -> None:
        self.key = key

    def start(self, runner: Keys) -> None:
        self._runner = runner
        runner.is_ready(self.key)

    def is_ready(self) -> bool:
        return self._runner.is_ready(self.key)

    def get_result(self) -> Any:
        return self._runner.pop_result(self.key)


class WaitAll(YieldPoint):
    """Waits as `Wait` does for several ``keys``, and gives a list."""

    def __init__(self, keys: Iterable[Hashable]) -> None:
        self.keys = list(keys)

    def start(self, runner: Keys) -> None:
        self._runner = runner
        for key in self.keys:
            runner.is_ready(key)

    def is_ready(self) -> bool:
        return all([self._runner.is_ready(key) for key in self.keys])

    def get_result(self) -> list[Any]:
        return [self._runner.pop_result(key) for key in self.keys]


class YieldFuture(YieldPoint):
    """Waits for ``future``, as yielding the future itself does.  ``io_loop`` has no effect."""

    def __init__(self, future: Future[Any], io_loop: IOLoop | None = None) -> None:
        self.future = future

    def start(self, runner: Keys) -> None:
        if not self.future.done():
            IOLoop.current().add_future(self.future, lambda _: runner.look_again())

    def is_ready(self) -> bool:
        return self.future.done()

    def get_result(self) -> Any:
        return self.future.result()


class MultiYieldPoint(YieldPoint):
    """Waits for all ``children``, yield points and futures, in a list or a dict."""

    def __init__(self, children: Any, quiet_exceptions: Any = ()) -> None:
        self._children = children
        self._quiet = quiet_exceptions

    def start(self, runner: Keys) -> None:
        self._future = runner.begin_all(self._children, self._quiet)
        if not self._future.done():
            IOLoop.current().add_future(self._future, lambda _: runner.look_again())

    def is_ready(self) -> bool:
        return self._future.done()

    def get_result(self) -> Any:
        return self._future.result()


class Keys:
    """The callbacks that a coroutine has handed out, by key, and what they were called with.

    This is what `YieldPoint.start` gets.
    """

    def __init__(self) -> None:
        self.pending: dict[Hashable, None] = {}
        self._results: dict[Hashable, Any] = {}
        self._waiting: list[tuple[YieldPoint, Future[Any]]] = []

    def register_callback(self, key: Hashable) -> None:
        """Note that a result for ``key`` will come; raises `KeyReuseError` if that is known."""
        if key in self.pending:
            raise KeyReuseError(f"key {key!r} is already pending")
        self.pending[key] = None

    def is_ready(self, key: Hashable) -> bool:
        """Return whether the result for ``key`` is here; raises `UnknownKeyError`."""
        if key not in self.pending:
            raise UnknownKeyError(f"key {key!r} is not pending")
        return key in self._results

    def set_result(self, key: Hashable, result: Any) -> None:
        """Give the result for ``key``, and let the coroutine go on if it waits for that."""
        self._results[key] = result
        self.look_again()

    def pop_result(self, key: Hashable) -> Any:
        """Take the result for ``key``, which is free for another use then."""
        del self.pending[key]
        return self._results.pop(key)

    def result_callback(self, key: Hashable) -> Callable[..., None]:
        """Register ``key``, and return a function whose arguments become its result."""
        self.register_callback(key)

        def called_back(*args: Any, **kwargs: Any) -> None:
            self.set_result(key, _result_of(args, kwargs))

        return called_back

    def begin(self, point: YieldPoint) -> Future[Any]:
        """Start ``point`` and return a future of its result."""
        future: Future[Any] = Future()
        point.start(self)
        if point.is_ready():
            future.set_result(point.get_result())
        else:
            self._waiting.append((point, future))
        return future

    def begin_all(self, children: Any, quiet: Any = ()) -> Future[Any]:
        """Start those of ``children`` that are yield points; return a future of all results."""

        def begin(child: Any) -> Any:
            return self.begin(child) if isinstance(child, YieldPoint) else child

        if isinstance(children, dict):
            return multi({name: begin(child) for name, child in children.items()}, quiet)
        return multi([begin(child) for child in children], quiet)

    def look_again(self) -> None:
        """Complete what waits for something that is here now."""
        waiting, self._waiting = self._waiting, []
        for point, future in waiting:
            if future.done():
                continue
            try:
                if not point.is_ready():
                    self._waiting.append((point, future))
                    continue
                future.set_result(point.get_result())
            except Exception as error:
                future.set_exception(error)

    def give_up(self) -> None:
        """Forget who waits; the results still come."""
        self._waiting.clear()

    def check(self) -> None:
        """Raise `LeakedCallbackError` if a result was not waited for."""
        if self.pending:
            raise LeakedCallbackError(
                f"finished without waiting for callbacks {{{', '.join(map(repr, self.pending))}}}"
            )


class _Keyed(Generator[Any, Any, Any]):
    """The generator of a coroutine that has yielded a yield point."""

    def __init__(self, outer: Generator[Any, Any, Any]) -> None:
        # What `gen` wraps around a user's generator sets the result when that has ended, and it
        # is not known yet whether it has ended well.  Kept, for it would close the other.
        self._outer = outer
        is_wrapped = getattr(outer, "gi_code", None) is gen._deliver.__code__
        self._inner: Any = getattr(outer, "gi_yieldfrom", None) if is_wrapped else outer
        self._has_failed = False
        self.keys = Keys()

    def send(self, value: Any) -> Any:
        try:
            return self._inner.send(value)
        except (StopIteration, gen.Return):
            if not self._has_failed:
                self.keys.check()
            raise

    def throw(self, error: Any, value: Any = None, traceback: Any = None) -> Any:
        # Something has gone wrong that explains callbacks which are left over.
        self._has_failed = True
        return self._inner.throw(error)


def _begin(runner: Runner, yielded: Any) -> Future[Any]:
    """Do what `convert_yielded` does, for yield points too, in a list or dict as well."""
    if isinstance(yielded, YieldPoint):
        return _keys_of(runner).begin(yielded)
    if isinstance(yielded, (list, dict)):
        children = yielded.values() if isinstance(yielded, dict) else yielded
        if any(isinstance(child, YieldPoint) for child in children):
            return _keys_of(runner).begin_all(yielded)
    return convert_yielded(yielded)


def _keys_of(runner: Runner) -> Keys:
    generator = runner._generator
    if not isinstance(generator, _Keyed):
        generator = runner._generator = _Keyed(generator)
        _throw_into(weakref.ref(runner))
    return generator.keys


def _throw_into(reference: weakref.ref[Runner]) -> None:
    """From here on, what callbacks raise that a coroutine schedules is thrown into it."""

    def failed(kind: Any, error: BaseException, traceback: Any) -> bool:
        runner = reference()
        waited = None if runner is None else runner._waiting_for
        if runner is None or not isinstance(waited, Future) or not isinstance(error, Exception):
            return False
        waited.remove_done_callback(runner._resume)
        runner._waiting_for = None
        if isinstance(runner._generator, _Keyed):
            runner._generator.keys.give_up()
        failure: Future[Any] = Future()
        failure.set_exception(error)
        runner._loop.call_soon(runner._resume, failure, context=runner._context)
        return True

    ExceptionStackContext(failed).stay()


@convert_yielded.register(YieldPoint)
def _refuse(point: YieldPoint) -> Future[Any]:
    # Only a coroutine that yields it has keys.
    raise BadYieldError(f"{type(point).__name__} can be yielded by a coroutine only, or in a list")


gen._begin_old_form = _begin
