"""The test case with a loop: what it sets up, and what it leaves behind."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
import unittest
from collections.abc import AsyncIterator, Generator, Iterator
from typing import Any

import pytest
from tests.testing.support import run_case

from tornadic import gen
from tornadic.ioloop import IOLoop
from tornadic.process import Subprocess
from tornadic.testing import AsyncTestCase, gen_test, get_async_test_timeout


@pytest.fixture(autouse=True)
def no_loop_is_left() -> Iterator[None]:
    """A test that ends well leaves the thread without a loop, as it began."""
    yield
    assert IOLoop.current(instance=False) is None


@pytest.fixture
def short_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests in which time has to run out."""
    monkeypatch.setenv("ASYNC_TEST_TIMEOUT", "0.05")


class TestTimeout:
    def test_default(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("ASYNC_TEST_TIMEOUT", raising=False)
        assert get_async_test_timeout() == 5

    @pytest.mark.parametrize(
        ("text", "seconds"),
        [("7.5", 7.5), ("0", 0), ("inf", float("inf")), *[(bad, 5) for bad in ("", "x", "-1")]],
    )
    def test_environment(self, monkeypatch: pytest.MonkeyPatch, text: str, seconds: float) -> None:
        monkeypatch.setenv("ASYNC_TEST_TIMEOUT", text)
        assert get_async_test_timeout() == seconds

    def test_no_number(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ASYNC_TEST_TIMEOUT", "nan")
        assert get_async_test_timeout() == 5


class TestLoop:
    def test_each_test_has_a_loop_of_its_own(self) -> None:
        loops: list[IOLoop] = []

        class Case(AsyncTestCase):
            def setUp(self) -> None:
                super().setUp()
                assert IOLoop.current() is self.io_loop

            def test(self) -> None:
                assert IOLoop.current() is self.io_loop
                loops.append(self.io_loop)

            @gen_test
            async def test_coroutine(self) -> None:
                assert asyncio.get_running_loop() is self.io_loop.asyncio_loop
                loops.append(self.io_loop)

            def tearDown(self) -> None:
                assert IOLoop.current() is self.io_loop
                super().tearDown()
                assert self.io_loop.asyncio_loop.is_closed()

        assert run_case(Case).passed()
        assert len(set(loops)) == 2

    def test_the_former_loop_comes_back(self) -> None:
        former = asyncio.new_event_loop()
        asyncio.set_event_loop(former)

        class Case(AsyncTestCase):
            def test(self) -> None:
                assert self.io_loop.asyncio_loop is not former

        try:
            assert run_case(Case).passed()
            assert IOLoop.current().asyncio_loop is former
        finally:
            former.close()
            asyncio.set_event_loop(None)

    def test_what_the_loop_watches_is_closed(self) -> None:
        sockets = socket.socketpair()

        class Case(AsyncTestCase):
            def test(self) -> None:
                for sock in sockets:
                    self.io_loop.add_handler(sock, lambda *_: None, IOLoop.READ)

        assert run_case(Case).passed()
        assert [sock.fileno() for sock in sockets] == [-1, -1]

    @pytest.mark.parametrize("method", ["setUp", "tearDown"])
    def test_closed_also_if_a_subclass_fails(self, method: str) -> None:
        loops: list[IOLoop] = []

        class Case(AsyncTestCase):
            def test(self) -> None:
                pass

        def fail(self: AsyncTestCase) -> None:
            if method == "setUp":
                AsyncTestCase.setUp(self)
            loops.append(self.io_loop)
            raise OSError("no such luck")

        setattr(Case, method, fail)
        results = run_case(Case)
        assert isinstance(results.error(), OSError)
        assert results.warnings == []
        assert loops[0].asyncio_loop.is_closed()

    def test_a_case_can_run_again(self) -> None:
        class Case(AsyncTestCase):
            def test(self) -> None:
                self.io_loop.add_callback(self.stop, 3)
                assert self.wait() == 3
                self.stop("for nobody")

        case = Case("test")
        result = unittest.TestResult()
        case.run(result)
        case.run(result)
        assert result.testsRun == 2 and result.wasSuccessful()

    def test_debug_runs_it_without_a_result(self) -> None:
        class Case(AsyncTestCase):
            async def test(self) -> None:
                pass

        case = Case("test")
        with pytest.raises(TypeError):
            case.debug()
        case.doCleanups()  # It leaves all as it was, to be looked at.

    def test_without_a_method(self) -> None:
        AsyncTestCase()
        with pytest.raises(ValueError):
            AsyncTestCase("no_such_method")

    @pytest.mark.skipif(not hasattr(signal, "SIGCHLD"), reason="there are no such signals")
    def test_child_processes_of_two_tests(self) -> None:
        before = signal.getsignal(signal.SIGCHLD)

        class Case(AsyncTestCase):
            @gen_test(timeout=50)
            async def test_first(self) -> None:
                assert await Subprocess([sys.executable, "-c", ""]).wait_for_exit() == 0

            test_second = test_first

        assert run_case(Case).passed()
        assert signal.getsignal(signal.SIGCHLD) == before


class TestForeignLoop:
    """`get_new_ioloop` overridden, for a loop that is everybody's."""

    @pytest.fixture
    def shared(self) -> Iterator[asyncio.AbstractEventLoop]:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        yield loop
        IOLoop.current().close()
        asyncio.set_event_loop(None)

    def test_stays_open_and_is_warned_of(self, shared: asyncio.AbstractEventLoop) -> None:
        class Case(AsyncTestCase):
            def get_new_ioloop(self) -> IOLoop:
                return IOLoop.current()

            @gen_test
            async def test_first(self) -> None:
                assert asyncio.get_running_loop() is shared

            test_second = test_first

        results = run_case(Case)
        assert results.outcomes == {"test_first": ["passed"], "test_second": ["passed"]}
        assert [str(one.message) for one in results.warnings] == [
            "get_new_ioloop is deprecated",
            "get_new_ioloop is deprecated",
        ]
        assert {one.category for one in results.warnings} == {DeprecationWarning}
        assert not shared.is_closed()
        assert IOLoop.current().asyncio_loop is shared

    def test_only_the_tests_tasks_are_cancelled(self, shared: asyncio.AbstractEventLoop) -> None:
        tasks: list[asyncio.Task[Any]] = [shared.create_task(asyncio.sleep(1000))]

        class Case(AsyncTestCase):
            def get_new_ioloop(self) -> IOLoop:
                return IOLoop.current()

            @gen_test
            async def test(self) -> None:
                tasks.append(asyncio.ensure_future(asyncio.sleep(1000)))

        assert run_case(Case).outcomes == {"test": ["passed"]}
        assert [task.cancelled() for task in tasks] == [False, True]
        tasks[0].cancel()
        shared.run_until_complete(asyncio.wait(tasks))

    def test_a_new_one_of_its_own_is_closed(self) -> None:
        loops: list[IOLoop] = []

        class Case(AsyncTestCase):
            def get_new_ioloop(self) -> IOLoop:
                loops.append(super().get_new_ioloop())
                return loops[0]

            @gen_test
            async def test(self) -> None:
                assert IOLoop.current() is loops[0]

        assert run_case(Case).outcomes == {"test": ["passed"]}
        assert loops[0].asyncio_loop.is_closed()


class TestLeftOvers:
    def test_tasks_are_cancelled_and_waited_for(self) -> None:
        events: list[str] = []

        class Case(AsyncTestCase):
            @gen_test
            async def test(self) -> None:
                async def work() -> None:
                    try:
                        await asyncio.sleep(1000)
                    finally:
                        await asyncio.sleep(0)
                        events.append("cleaned up")

                asyncio.ensure_future(work()).set_name("left")
                await asyncio.sleep(0)

            def tearDown(self) -> None:
                assert events == []
                super().tearDown()
                assert events == ["cleaned up"]

        assert run_case(Case).passed()

    def test_one_that_never_began(self) -> None:
        class Case(AsyncTestCase):
            def test(self) -> None:
                self.io_loop.asyncio_loop.create_task(asyncio.sleep(1000))

        assert run_case(Case).passed()

    def test_what_a_cancelled_task_raises(self, caplog: pytest.LogCaptureFixture) -> None:
        loops: list[IOLoop] = []

        class Case(AsyncTestCase):
            @gen_test
            async def test(self) -> None:
                async def work() -> None:
                    try:
                        await asyncio.sleep(1000)
                    finally:
                        raise OSError("while it was cancelled")

                tasks = {asyncio.ensure_future(work()) for _ in range(2)}
                await asyncio.wait(tasks, timeout=0)
                loops.append(self.io_loop)

        results = run_case(Case)
        assert isinstance(results.error(), OSError)
        assert loops[0].asyncio_loop.is_closed()
        # The other is told of as well, and asyncio has nothing left to complain of.
        [record] = caplog.records
        assert record.name == "tornado.application"
        assert record.exc_info is not None and isinstance(record.exc_info[1], OSError)

    def test_one_that_will_not_end(self, short_timeout: None) -> None:
        tasks: list[asyncio.Task[None]] = []

        class Case(AsyncTestCase):
            @gen_test(timeout=50)
            async def test(self) -> None:
                async def work() -> None:
                    while not self.io_loop.asyncio_loop.is_closed():
                        try:
                            await asyncio.sleep(1000)
                        except asyncio.CancelledError:
                            pass

                tasks.append(asyncio.ensure_future(work()))
                await asyncio.sleep(0)

        error = run_case(Case).error()
        assert isinstance(error, TimeoutError)
        assert "go on 0.05 seconds after they were cancelled" in str(error)
        assert "work()" in str(error)
        # It hangs for good, but for the sake of other tests it must not say so when it goes.
        tasks.pop()._log_destroy_pending = False  # type: ignore[attr-defined]
        gc.collect()

    def test_asynchronous_generators_end(self) -> None:
        events: list[str] = []

        async def numbers() -> AsyncIterator[int]:
            try:
                yield 1
            finally:
                await asyncio.sleep(0)
                events.append("ended")

        class Case(AsyncTestCase):
            @gen_test
            async def test(self) -> None:
                self.numbers = numbers()
                assert await anext(self.numbers) == 1

        assert run_case(Case).passed()
        assert events == ["ended"]

    def test_callbacks_are_dropped(self) -> None:
        class Case(AsyncTestCase):
            def test(self) -> None:
                self.io_loop.add_callback(lambda: os.abort())

        assert run_case(Case).passed()


class TestReturnValues:
    """A test that returns something was not run to its end."""

    def test_generators_and_coroutines(self) -> None:
        class Case(AsyncTestCase):
            def test_generator(self) -> Generator[None, None, None]:
                yield

            async def test_coroutine(self) -> None:
                pass

        results = run_case(Case)
        # Nothing complains of a coroutine that was never awaited.
        assert results.warnings == []
        for name in ("test_generator", "test_coroutine"):
            error = results.error(name)
            assert isinstance(error, TypeError)
            assert str(error) == (
                "Generator and coroutine test methods should be decorated with "
                "tornado.testing.gen_test"
            )

    def test_anything_else(self) -> None:
        class Case(AsyncTestCase):
            def test_number(self) -> int:
                return 42

            @gen_test
            async def test_coroutine(self) -> str:
                return "done"

            @gen_test
            def test_generator(self) -> Generator[None, None, list[int]]:
                yield
                return [1]

            @gen_test
            def test_function(self) -> int:
                return 0

            @gen.coroutine
            def test_undecorated(self) -> Generator[None, None, None]:
                yield

        results = run_case(Case)
        for name, returned in [
            ("test_number", "42"),
            ("test_coroutine", "'done'"),
            ("test_generator", r"\[1\]"),
            ("test_function", "0"),
            ("test_undecorated", "<Future"),
        ]:
            error = results.error(name)
            assert isinstance(error, ValueError)
            assert f"Return value from test method ignored: {returned}".replace("\\", "") in str(
                error
            )

    def test_skipped_ones_are_not_even_called(self) -> None:
        class Case(AsyncTestCase):
            @unittest.skip("not today")
            async def test_undecorated(self) -> None:
                raise AssertionError

            @unittest.skip("not today")
            @gen_test
            async def test_outside(self) -> None:
                raise AssertionError

            @gen_test
            @unittest.skip("not today")
            async def test_inside(self) -> None:
                raise AssertionError

            @gen_test
            async def test_skips(self) -> None:
                self.skipTest("not today")

        results = run_case(Case)
        assert results.warnings == []
        assert len(results.outcomes) == 4
        for outcomes in results.outcomes.values():
            assert outcomes == ["skipped: not today"]


class TestStopAndWait:
    def test_what_stop_is_given_wait_returns(self) -> None:
        class Case(AsyncTestCase):
            def test(self) -> None:
                for before in (False, True):
                    call = self.stop if before else self.later
                    call(5)
                    assert self.wait() == 5
                    call(first=1, second=2)
                    assert self.wait() == {"first": 1, "second": 2}
                    call()
                    assert self.wait() is None

            def later(self, *args: Any, **kwargs: Any) -> None:
                self.io_loop.add_callback(self.stop, *args, **kwargs)

            def test_the_last_counts(self) -> None:
                self.stop(1)
                self.stop(2)
                assert self.wait() == 2

            def test_not_both(self) -> None:
                with pytest.raises(ValueError):
                    self.stop(1, second=2)

        assert run_case(Case).passed()

    def test_time_is_over(self, short_timeout: None) -> None:
        class Case(AsyncTestCase):
            def test(self) -> None:
                for timeout, seconds in [(None, 0.05), (0.01, 0.01)]:
                    with pytest.raises(self.failureException) as caught:
                        self.wait(timeout=timeout)
                    assert str(caught.value) == f"Async operation timed out after {seconds} seconds"
                # A time-out that was not needed ends nothing later on.
                self.stop()
                self.wait(timeout=0.01)
                self.io_loop.call_later(0.02, self.stop, "in time")
                assert self.wait(timeout=50) == "in time"

            def test_zero_is_none(self) -> None:
                self.io_loop.call_later(0.1, self.stop)
                self.wait(timeout=0)

        assert run_case(Case).passed()

    def test_condition(self) -> None:
        class Case(AsyncTestCase):
            calls = 0

            def call(self) -> None:
                self.calls += 1
                self.stop(self.calls)
                self.io_loop.add_callback(self.call)

            def test(self) -> None:
                self.io_loop.add_callback(self.call)
                assert self.wait(lambda: self.calls >= 3) == 3

            def test_stopped_before(self) -> None:
                self.stop()
                self.io_loop.add_callback(self.call)
                assert self.wait(lambda: self.calls >= 1) == 1

            def test_never_true(self) -> None:
                self.io_loop.add_callback(self.call)
                with pytest.raises(self.failureException):
                    self.wait(lambda: False, timeout=0.02)

            def test_that_raises(self) -> None:
                self.stop()
                with pytest.raises(ZeroDivisionError):
                    self.wait(lambda: bool(1 / 0))

        assert run_case(Case).passed()

    def test_stopping_the_loop_itself_does_not_end_it(self) -> None:
        class Case(AsyncTestCase):
            def test(self) -> None:
                self.io_loop.add_callback(self.io_loop.stop)
                self.io_loop.call_later(0.01, self.stop, 1)
                assert self.wait() == 1

        assert run_case(Case).passed()

    def test_not_while_the_loop_runs(self) -> None:
        class Case(AsyncTestCase):
            @gen_test
            async def test(self) -> None:
                with pytest.raises(RuntimeError):
                    self.wait()

        assert run_case(Case).passed()

    def test_an_exception_in_a_callback_is_logged_only(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Case(AsyncTestCase):
            def test(self) -> None:
                self.io_loop.add_callback(lambda: 1 / 0)
                self.io_loop.add_callback(self.stop)
                self.wait()

        assert run_case(Case).passed()
        assert [record.levelno for record in caplog.records] == [logging.ERROR]
