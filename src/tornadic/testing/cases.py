"""Tests with an event loop: the test case, and the decorator for coroutines.

A test is synchronous to `unittest`: it has ended when its method returns.  So `gen_test` runs the
loop until the coroutine is done, and what a test leaves behind is brought to an end before the
next one begins: tasks are cancelled, the loop is closed.

This is done in ``tearDown``; and once more in a cleanup, which `unittest` also calls when the
``setUp`` or ``tearDown`` of a subclass fails before ours is reached.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import math
import os
import sys
import unittest
import warnings
from collections.abc import Callable, Collection, Coroutine, Generator
from typing import Any, ParamSpec, overload

from tornadic import _legacy, gen
from tornadic.concurrent import Future, is_future
from tornadic.ioloop import IOLoop
from tornadic.log import app_log
from tornadic.platform.asyncio import AsyncIOMainLoop
from tornadic.process import Subprocess
from tornadic.util import TimeoutError

__all__ = ["AsyncTestCase", "gen_test", "get_async_test_timeout"]

_P = ParamSpec("_P")

DEFAULT_TIMEOUT = 5
"""Seconds for a test, or for one wait in it: far longer than any should take on loopback."""


def get_async_test_timeout() -> float:
    """Return the time-out of tests in seconds: that of the environment, or 5.

    The environment variable is ``ASYNC_TEST_TIMEOUT``; what is no number of seconds is ignored.
    """
    try:
        timeout = float(os.environ["ASYNC_TEST_TIMEOUT"])
    except (KeyError, ValueError):
        return DEFAULT_TIMEOUT
    return DEFAULT_TIMEOUT if math.isnan(timeout) or timeout < 0 else timeout


class AsyncTestCase(unittest.TestCase):
    """A test case whose every test has an event loop, ``self.io_loop``.

    ::

        class MyTest(AsyncTestCase):
            @gen_test
            async def test_sleep(self):
                self.assertIsNone(await gen.sleep(0.01))

    The loop is new, and the current one from `setUp` to `tearDown`; it does not run while the
    test method does, unless that is under `gen_test`.  A subclass that overrides `setUp` or
    `tearDown` calls these.

    A test method may return nothing but None: a generator or coroutine, which would have been
    taken for a test that passed, is a `TypeError`, anything else a `ValueError`.
    """

    def __init__(self, methodName: str = "runTest") -> None:
        super().__init__(methodName)
        self.__stopped = False
        self.__waiting = False
        self.__stop_args: Any = None
        self.__failure: BaseException | None = None
        self.__open_loop: IOLoop | None = None
        self.__earlier_tasks: Collection[asyncio.Task[Any]] = ()

    io_loop: IOLoop

    def setUp(self) -> None:
        """Make the loop, and make it the current one."""
        super().setUp()
        if type(self).get_new_ioloop is not AsyncTestCase.get_new_ioloop:
            # No line of the program is on the stack that could be pointed at.
            warnings.warn("get_new_ioloop is deprecated", DeprecationWarning, stacklevel=1)
        self.__stopped = False
        self.__stop_args = None
        self.io_loop = self.__open_loop = self.get_new_ioloop()
        self.addCleanup(self.__close_loop)
        self.io_loop._make_current()
        self.__earlier_tasks = asyncio.all_tasks(self.io_loop.asyncio_loop)

    def tearDown(self) -> None:
        """Cancel the tasks that the test has left, wait for their ends, and close the loop.

        A loop that is not the test's own (see `get_new_ioloop`) stays open, and tasks in it that
        are older than the test go on.  The loop that was current before the test is so again.

        Raises what a cancelled task raised instead of ending, and `TimeoutError` if one has not
        ended in the time of `get_async_test_timeout`.
        """
        self.__close_loop()
        super().tearDown()

    def get_new_ioloop(self) -> IOLoop:
        """Return the loop of the test: a new one.

        To override this is deprecated, and warned of.  An override may return `.IOLoop.current`,
        for programs that insist on one loop; such a loop is not closed after the test.
        """
        made: IOLoop = IOLoop(make_current=False)
        return made

    def __close_loop(self) -> None:
        loop, self.__open_loop = self.__open_loop, None
        if loop is None:
            return
        is_own = not isinstance(loop, AsyncIOMainLoop)
        try:
            _end_tasks(loop, self.__earlier_tasks, is_own)
        finally:
            self.__earlier_tasks = ()
            # It handles SIGCHLD in the loop of whoever came first.
            Subprocess.uninitialize()
            if is_own:
                loop.close(all_fds=True)

    # The hook of `unittest` for exactly this.  Its name has an underscore, and is the same from
    # Python 3.8 on; `unittest.IsolatedAsyncioTestCase` is made with it too.
    def _callTestMethod(self, method: Callable[[], Any]) -> None:
        returned = method()
        if returned is None:
            return
        if inspect.iscoroutine(returned):
            returned.close()  # else it would complain that nobody waited for it
        if isinstance(returned, Generator) or inspect.iscoroutine(returned):
            raise TypeError(
                "Generator and coroutine test methods should be decorated with "
                "tornado.testing.gen_test"
            )
        raise ValueError(f"Return value from test method ignored: {returned!r}")

    def stop(self, _arg: Any = None, **kwargs: Any) -> None:
        """End the present call of `wait`, or the next one if there is none.

        That returns ``_arg``, or a dictionary of ``kwargs`` if there are any.  Raises `ValueError`
        for both.  Deprecated: use `gen_test`.
        """
        if _arg is not None and kwargs:
            raise ValueError("stop takes one argument or keywords, not both")
        self.__stop_args = kwargs or _arg
        self.__stopped = True
        if self.__waiting:
            self.io_loop.stop()

    def wait(
        self, condition: Callable[..., bool] | None = None, timeout: float | None = None
    ) -> Any:
        """Run the loop until `stop` is called; return what that was given.

        ``condition`` of other than None is called then, and as long as it says False the loop
        runs on, until `stop` is called once more.  ``timeout`` is in seconds, for all of this;
        None is `get_async_test_timeout`, 0 no time-out.

        Raises ``failureException`` when the time is over, `RuntimeError` if the loop runs
        already, as it does under `gen_test`, and what a callback raises that only old programs
        can give, such as that of ``fetch(url, callback)``.  Deprecated: use `gen_test`.
        """
        if timeout is None:
            timeout = get_async_test_timeout()
        expired: list[bool] = []

        def expire() -> None:
            expired.append(True)
            self.io_loop.stop()

        timer = self.io_loop.call_later(timeout, expire) if timeout else None
        was_waiting, self.__waiting = self.__waiting, True
        loop: Any = self.io_loop
        log = loop.handle_callback_exception
        loop.handle_callback_exception = functools.partial(self.__callback_failed, log)
        try:
            while not self.__stopped or not (condition is None or condition()):
                if expired:
                    raise self.failureException(
                        f"Async operation timed out after {timeout} seconds"
                    )
                self.__stopped = False
                self.io_loop.start()
                if self.__failure is not None:
                    raise self.__failure
        finally:
            self.__failure = None
            self.__waiting = was_waiting
            del loop.handle_callback_exception
            if loop.handle_callback_exception != log:
                loop.handle_callback_exception = log  # it was the loop's own, and not its class's
            if timer is not None:
                self.io_loop.remove_timeout(timer)
        returned, self.__stop_args = self.__stop_args, None
        self.__stopped = False
        return returned

    def __callback_failed(self, log: Callable[..., Any], callback: Callable[[], Any]) -> None:
        error = sys.exc_info()[1]
        if error is None or self.__failure is not None or not _legacy.is_old_form(callback):
            log(callback)
            return
        self.__failure = error
        self.io_loop.stop()


def _end_tasks(
    io_loop: IOLoop, earlier: Collection[asyncio.Task[Any]], and_generators: bool
) -> None:
    """Cancel all tasks of a loop but ``earlier`` ones; see `AsyncTestCase.tearDown`.

    ``and_generators``: whether asynchronous generators end as well.  Without either the loop does
    not run: what else is scheduled on it is dropped.
    """
    loop = io_loop.asyncio_loop
    if loop.is_closed():
        return
    tasks = asyncio.all_tasks(loop).difference(earlier)
    and_generators = and_generators and bool(getattr(loop, "_asyncgens", None))
    if not tasks and not and_generators:
        return
    for task in tasks:
        task.cancel()
    limit = get_async_test_timeout()

    async def end() -> set[asyncio.Task[Any]]:
        stubborn: set[asyncio.Task[Any]] = set()
        if tasks:
            _, stubborn = await asyncio.wait(tasks, timeout=limit)
        if and_generators:
            await asyncio.wait_for(loop.shutdown_asyncgens(), limit)
        return stubborn

    stubborn: set[asyncio.Task[Any]] = io_loop.run_sync(end)
    errors = [
        error
        for task in tasks - stubborn
        if not task.cancelled() and (error := task.exception()) is not None
    ]
    for error in errors[1:]:
        app_log.error("Exception in a task that was cancelled after the test", exc_info=error)
    if errors:
        raise errors[0]
    if stubborn:
        raise TimeoutError(f"tasks go on {limit} seconds after they were cancelled: {stubborn}")


@overload
def gen_test(
    func: None = None, timeout: float | None = None
) -> Callable[[Callable[_P, Any]], Callable[_P, None]]: ...


@overload
def gen_test(func: Callable[_P, Any], timeout: float | None = None) -> Callable[_P, None]: ...


def gen_test(func: Callable[..., Any] | None = None, timeout: float | None = None) -> Any:
    """Decorator: make a coroutine a test method of an `AsyncTestCase`.

    ``func`` is a native coroutine function or a generator function, whose yields are those of
    `.gen.coroutine`; any other function is called while the loop runs, and what it returns is
    waited for if that is an awaitable.  May be used with and without parentheses; arguments are
    passed on.

    ``timeout`` is in seconds; None is `get_async_test_timeout`, at the time the test runs.  When
    it is over the coroutine is cancelled, or `TimeoutError` thrown into the generator where it
    waits, and unless it makes something else of that, the test ends in `TimeoutError`, with the
    place where it waited in the traceback.

    The loop runs meanwhile, so that ``stop``, ``wait`` and ``fetch`` of the test case cannot be
    used.  Raises `TypeError` if ``func`` is not a function.
    """
    if func is None:
        return functools.partial(gen_test, timeout=timeout)
    if not callable(func):
        raise TypeError(f"gen_test decorates a function, not {func!r}; use gen_test(timeout=...)")
    function = func

    @functools.wraps(function)
    def run_in_loop(self: AsyncTestCase, *args: Any, **kwargs: Any) -> Any:
        limit = get_async_test_timeout() if timeout is None else timeout
        run = _Run(functools.partial(function, self, *args, **kwargs))
        try:
            return self.io_loop.run_sync(run.start, timeout=limit)
        except TimeoutError as error:
            run.show_where_it_waits(error)
            raise
        finally:
            run.dispose()

    return run_in_loop


class _Run:
    """One run of a test under `gen_test`."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function
        self._generator: Generator[Any, Any, Any] | None = None
        self._coroutine: Coroutine[Any, Any, Any] | None = None
        self._cancellation: asyncio.CancelledError | None = None

    def start(self) -> Any:
        """Call the function; return something to wait for, or None."""
        returned = self._function()
        if isinstance(returned, Generator):
            self._generator = returned
            return gen.coroutine(lambda: returned)()
        if inspect.iscoroutine(returned):
            self._coroutine = returned
            return self._note_cancellation(returned)
        if returned is None or is_future(returned) or inspect.isawaitable(returned):
            return returned
        done: Future[Any] = Future()
        done.set_result(returned)
        return done

    async def _note_cancellation(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        try:
            return await coroutine
        except asyncio.CancelledError as error:
            self._cancellation = error
            raise

    def dispose(self) -> None:
        """Spare a coroutine that was cancelled before it began the warning that nobody waited."""
        coroutine = self._coroutine
        if coroutine and inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED:
            coroutine.close()

    def show_where_it_waits(self, error: TimeoutError) -> None:
        """If time is over, give ``error`` the traceback of the place; otherwise do nothing.

        A test that ended in a TimeoutError of its own has that place in its traceback already.
        """
        if self._cancellation is not None:
            raise error from self._cancellation
        generator = self._generator
        if generator is None or inspect.getgeneratorstate(generator) != inspect.GEN_SUSPENDED:
            return
        try:
            generator.throw(error)
        except StopIteration:
            return  # It took the error for the end.
        generator.close()  # It waits for something else now, and time is over.
