"""Tests of tornadic.concurrent: outcomes that pass between the two kinds of futures."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import weakref
from collections.abc import Awaitable, Callable
from concurrent import futures
from typing import Any

import pytest

from tornadic import concurrent
from tornadic.concurrent import (
    FUTURES,
    DummyExecutor,
    Future,
    ReturnValueIgnoredError,
    chain_future,
    dummy_executor,
    future_add_done_callback,
    future_set_exc_info,
    future_set_exception_unless_cancelled,
    future_set_result_unless_cancelled,
    is_future,
    run_on_executor,
)

AnyFuture = Any


def make(kind: str) -> AnyFuture:
    return Future() if kind == "asyncio" else futures.Future()


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until ``condition`` holds."""
    while not condition():
        await asyncio.sleep(0)


def test_public_names() -> None:
    assert Future is asyncio.Future
    assert (futures.Future, asyncio.Future) == FUTURES
    assert issubclass(ReturnValueIgnoredError, Exception)
    assert all(hasattr(concurrent, name) for name in concurrent.__all__)


def test_is_future() -> None:
    async def main() -> None:
        task = asyncio.ensure_future(asyncio.sleep(0))
        assert is_future(task)
        assert is_future(Future())
        assert is_future(futures.Future())
        assert not is_future(task.get_coro())
        assert not is_future(None)
        await task

    asyncio.run(main())


class TestDummyExecutor:
    def test_runs_in_this_thread_before_it_returns(self) -> None:
        future = dummy_executor.submit(threading.get_ident)
        assert future.result(timeout=0) == threading.get_ident()

    def test_passes_arguments(self) -> None:
        assert DummyExecutor().submit(divmod, 7, 2).result(timeout=0) == (3, 1)
        assert DummyExecutor().submit(dict, a=1).result(timeout=0) == {"a": 1}
        assert DummyExecutor().submit(fn=int).result(timeout=0) == 0

    def test_keeps_an_exception(self) -> None:
        assert isinstance(dummy_executor.submit(int, "x").exception(timeout=0), ValueError)

    def test_raises_what_is_no_exception(self) -> None:
        def interrupted() -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            dummy_executor.submit(interrupted)

    def test_shutdown_and_map(self) -> None:
        with DummyExecutor() as executor:
            assert list(executor.map(str, [1, 2])) == ["1", "2"]
        executor.shutdown(False, True)

    def test_exception_leaves_no_cycle(self) -> None:
        class Marked(Exception):
            pass

        def fail() -> None:
            raise Marked

        gc.collect()
        gc.disable()
        try:
            future: Any = dummy_executor.submit(fail)
            error = weakref.ref(future.exception())
            del future
            assert error() is None
        finally:
            gc.enable()


class Worker:
    def __init__(self) -> None:
        self.executor: futures.Executor = dummy_executor
        self.pool = futures.ThreadPoolExecutor(1)

    @run_on_executor
    def add(self, x: int, y: int = 2) -> int:
        """Add two numbers."""
        return x + y

    @run_on_executor(executor="pool")
    def thread(self) -> int:
        return threading.get_ident()

    @run_on_executor()
    def fail(self) -> None:
        raise ValueError("worker")

    @run_on_executor(executor="missing")
    def nowhere(self) -> None: ...


class TestRunOnExecutor:
    def test_outcomes(self) -> None:
        async def main() -> None:
            worker = Worker()
            try:
                assert await worker.add(1) == 3
                assert await worker.add(1, y=4) == 5
                assert isinstance(worker.add(1), asyncio.Future)
                assert await worker.thread() != threading.get_ident()
                with pytest.raises(ValueError, match="worker"):
                    await worker.fail()
                with pytest.raises(AttributeError):
                    worker.nowhere()
            finally:
                worker.pool.shutdown()

        asyncio.run(main())

    def test_keeps_name_and_docstring(self) -> None:
        assert Worker.add.__name__ == "add"
        assert Worker.add.__doc__ == "Add two numbers."

    def test_misuse(self) -> None:
        with pytest.raises(ValueError, match="expected 1 argument"):
            run_on_executor(int, str)
        with pytest.raises(ValueError, match="not both"):
            run_on_executor(int, executor="x")
        with pytest.raises(TypeError):
            run_on_executor(callback=3)(int)


@pytest.mark.parametrize("target", ["asyncio", "concurrent"])
@pytest.mark.parametrize("source", ["asyncio", "concurrent"])
class TestChainFuture:
    def test_result(self, source: str, target: str) -> None:
        async def main() -> None:
            a, b = make(source), make(target)
            chain_future(a, b)
            assert not b.done()
            a.set_result(5)
            await until(b.done)
            assert b.result() == 5

        asyncio.run(main())

    def test_exception(self, source: str, target: str) -> None:
        async def main() -> None:
            a, b = make(source), make(target)
            chain_future(a, b)
            a.set_exception(KeyError("k"))
            await until(b.done)
            assert isinstance(b.exception(), KeyError)

        asyncio.run(main())

    def test_cancellation_of_the_first_cancels_the_second(self, source: str, target: str) -> None:
        async def main() -> None:
            a, b = make(source), make(target)
            chain_future(a, b)
            a.cancel()
            await until(b.done)
            assert b.cancelled()

        asyncio.run(main())

    def test_second_done_before(self, source: str, target: str) -> None:
        async def main() -> None:
            a, b = make(source), make(target)
            chain_future(a, b)
            b.set_result("first")
            a.set_result("late")
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert b.result() == "first"

        asyncio.run(main())

    def test_cancelling_the_second_leaves_the_first(self, source: str, target: str) -> None:
        async def main() -> None:
            a, b = make(source), make(target)
            chain_future(a, b)
            b.cancel()
            await asyncio.sleep(0)
            assert not a.done()
            a.set_result(1)
            await asyncio.sleep(0)
            assert b.cancelled()

        asyncio.run(main())

    def test_first_done_already(self, source: str, target: str) -> None:
        async def main() -> None:
            a, b = make(source), make(target)
            a.set_result(1)
            chain_future(a, b)
            assert b.result() == 1

        asyncio.run(main())


def test_chain_from_another_thread_completes_in_the_loop() -> None:
    async def main() -> None:
        a: futures.Future[int] = futures.Future()
        b: Future[int] = Future()
        chain_future(a, b)
        seen: list[int] = []
        b.add_done_callback(lambda _: seen.append(threading.get_ident()))
        thread = threading.Thread(target=a.set_result, args=(1,))
        thread.start()
        assert await b == 1
        thread.join()
        await until(lambda: bool(seen))
        assert seen == [threading.get_ident()]

    asyncio.run(main())


def test_chain_needs_futures() -> None:
    async def main() -> None:
        not_a_future: Any = 3
        with pytest.raises(TypeError):
            chain_future(not_a_future, Future())

    asyncio.run(main())


def test_chained_to_a_loop_that_was_closed_meanwhile() -> None:
    source: futures.Future[int] = futures.Future()

    async def main() -> None:
        target: Future[int] = Future()
        chain_future(source, target)

    asyncio.run(main())
    source.set_result(1)


@pytest.mark.parametrize("kind", ["asyncio", "concurrent"])
class TestSetters:
    def test_set_while_pending(self, kind: str) -> None:
        async def main() -> None:
            future = make(kind)
            future_set_result_unless_cancelled(future, 3)
            assert future.result() == 3
            future = make(kind)
            error = ValueError("x")
            future_set_exception_unless_cancelled(future, error)
            assert future.exception() is error
            future = make(kind)
            try:
                raise KeyError("k")
            except KeyError:
                future_set_exc_info(future, sys.exc_info())
            assert isinstance(future.exception(), KeyError)

        asyncio.run(main())

    def test_cancelled(self, kind: str, caplog: pytest.LogCaptureFixture) -> None:
        async def main() -> None:
            future = make(kind)
            future.cancel()
            future_set_result_unless_cancelled(future, 3)
            assert not caplog.records
            future_set_exception_unless_cancelled(future, ValueError("lost"))
            assert future.cancelled()

        asyncio.run(main())
        (record,) = caplog.records
        assert record.name == "tornado.application"
        assert record.getMessage() == "Exception after Future was cancelled"
        assert record.exc_info and record.exc_info[0] is ValueError

    def test_done_otherwise(self, kind: str) -> None:
        async def main() -> None:
            future = make(kind)
            future.set_result(1)
            with pytest.raises((asyncio.InvalidStateError, futures.InvalidStateError)):
                future_set_result_unless_cancelled(future, 2)
            with pytest.raises((asyncio.InvalidStateError, futures.InvalidStateError)):
                future_set_exception_unless_cancelled(future, ValueError())

        asyncio.run(main())

    def test_no_exception_to_set(self, kind: str) -> None:
        async def main() -> None:
            with pytest.raises(ValueError, match="no exception"):
                future_set_exc_info(make(kind), (None, None, None))

        asyncio.run(main())


@pytest.mark.parametrize("kind", ["asyncio", "concurrent"])
def test_add_done_callback(kind: str) -> None:
    async def main() -> None:
        seen: list[object] = []
        future = make(kind)
        future_add_done_callback(future, seen.append)
        assert not seen
        future.set_result(1)
        await until(lambda: bool(seen))
        assert seen == [future]
        future_add_done_callback(future, seen.append)
        assert seen == [future, future]

    asyncio.run(main())


def test_done_callback_that_fails_at_once_raises_here() -> None:
    async def main() -> None:
        future: Future[int] = Future()
        future.set_result(1)

        def fail(_: Awaitable[int]) -> None:
            raise ValueError("callback")

        with pytest.raises(ValueError, match="callback"):
            future_add_done_callback(future, fail)

    asyncio.run(main())
