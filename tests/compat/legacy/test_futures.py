"""``return_future``, and ``callback=`` of what runs on an executor."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.compat.legacy.looping import run

from tornadic import concurrent, gen
from tornadic.compat.legacy.contexts import ExceptionStackContext
from tornadic.compat.legacy.futures import return_future
from tornadic.concurrent import Future, ReturnValueIgnoredError, run_on_executor
from tornadic.ioloop import IOLoop

PATIENCE = 30.0


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


@return_future
def at_once(value: Any, callback: Any) -> None:
    callback(value)


@return_future
def later(value: Any, callback: Any) -> None:
    IOLoop.current().add_callback(callback, value)


@return_future
def without_result(callback: Any) -> None:
    callback()


def test_names_warn() -> None:
    with pytest.warns(DeprecationWarning, match=r"tornado\.concurrent\.return_future was removed"):
        assert concurrent.return_future is return_future
    with pytest.warns(DeprecationWarning, match=r"tornado\.gen\.return_future was removed"):
        assert gen.return_future is return_future
    with pytest.warns(DeprecationWarning, match=r"tornado\.concurrent\.TracebackFuture"):
        assert concurrent.TracebackFuture is Future


@pytest.mark.parametrize("function", [at_once, later])
def test_a_future_of_the_result(function: Any) -> None:
    async def main() -> Any:
        return await function(5)

    assert run(main) == 5


@pytest.mark.parametrize("function", [at_once, later])
def test_a_callback_of_the_callers(function: Any) -> None:
    got: list[Any] = []

    async def main() -> None:
        assert await function(5, callback=got.append) == 5
        assert await function(6, got.append) == 6
        assert await function(7, callback=None) == 7
        await until(lambda: len(got) == 2)

    run(main)
    assert got == [5, 6]


def test_no_result() -> None:
    got: list[Any] = []

    async def main() -> None:
        assert await without_result(callback=lambda *args: got.append(args)) is None
        await until(lambda: got)

    run(main)
    assert got == [()]


def test_what_the_function_raises_is_raised_in_the_caller() -> None:
    @return_future
    def fails(callback: Any) -> None:
        raise KeyError("at once")

    async def main() -> None:
        with pytest.raises(KeyError):
            fails()
        with pytest.raises(KeyError):
            fails(callback=print)

    run(main)


def test_what_its_callbacks_raise_goes_into_the_future() -> None:
    @return_future
    def fails(callback: Any) -> None:
        IOLoop.current().add_callback(lambda: 1 / 0)

    async def main() -> None:
        with pytest.raises(ZeroDivisionError):
            await fails()

    run(main)


def test_a_failure_and_a_callback_of_the_callers() -> None:
    handled: list[Any] = []

    @return_future
    def fails(callback: Any) -> None:
        IOLoop.current().add_callback(lambda: 1 / 0)

    def handle(kind: Any, error: Any, traceback: Any) -> bool:
        handled.append(kind)
        return True

    async def main() -> None:
        with ExceptionStackContext(handle):
            fails(callback=handled.append)
        await until(lambda: handled)

    run(main)
    assert handled == [ZeroDivisionError]


def test_a_value_that_is_returned() -> None:
    @return_future
    def returns(callback: Any) -> int:
        return 3

    async def main() -> None:
        with pytest.raises(ReturnValueIgnoredError):
            returns()

    run(main)


def test_a_result_twice() -> None:
    @return_future
    def twice(callback: Any) -> None:
        callback(1)
        callback(2)

    async def main() -> None:
        with pytest.raises(asyncio.InvalidStateError):
            twice()

    run(main)


class Worker:
    def __init__(self) -> None:
        self.executor = ThreadPoolExecutor(1)

    @run_on_executor
    def double(self, value: int) -> int:
        if value < 0:
            raise ValueError("negative")
        return 2 * value

    @run_on_executor
    def own(self, callback: Any) -> Any:
        return callback


def test_run_on_executor_with_a_callback(caplog: pytest.LogCaptureFixture) -> None:
    got: list[Any] = []
    worker = Worker()

    async def main() -> None:
        with pytest.warns(DeprecationWarning, match="callback= of run_on_executor") as seen:
            assert await worker.double(2, callback=got.append) == 4
        assert seen[0].filename == __file__
        await until(lambda: got)
        assert await worker.own(callback=3) == 3
        with pytest.warns(DeprecationWarning):
            worker.double(-1, callback=got.append)
        await until(lambda: caplog.records)

    run(main)
    worker.executor.shutdown()
    assert got == [4]
    assert "negative" in caplog.text and len(caplog.records) == 1


def test_run_on_executor_with_a_loop() -> None:
    with pytest.warns(DeprecationWarning, match="io_loop= of run_on_executor"):
        decorate = run_on_executor(executor="executor", io_loop="loop")

    class Other(Worker):
        triple = decorate(lambda self, value: 3 * value)

    worker = Other()

    async def main() -> Any:
        return await worker.triple(3)

    assert run(main) == 9
    worker.executor.shutdown()
