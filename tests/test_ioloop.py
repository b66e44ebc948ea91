"""Tests of tornadic.ioloop: callbacks, timeouts, file descriptors, threads, periodic calls."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import datetime
import gc
import os
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from tornadic import gen, ioloop
from tornadic.concurrent import Future, dummy_executor
from tornadic.ioloop import IOLoop, PeriodicCallback
from tornadic.platform.asyncio import AsyncIOLoop, AsyncIOMainLoop
from tornadic.util import Configurable

LONG = 3600  # seconds: a timeout that must not be reached


@pytest.fixture
def loop() -> Iterator[IOLoop]:
    made: IOLoop = IOLoop(make_current=False)
    yield made
    made.close(all_fds=True)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    a, b = socket.socketpair()
    a.setblocking(False)
    b.setblocking(False)
    with a, b:
        yield a, b


def turn(loop: IOLoop) -> None:
    """Run ``loop`` until everything that is due now has run."""
    loop.add_callback(loop.stop)
    loop.start()


def application_errors(caplog: pytest.LogCaptureFixture) -> list[tuple[str, object]]:
    """Return message and exception type of each record of tornado.application, and forget them."""
    found: list[tuple[str, object]] = [
        (record.getMessage(), record.exc_info and record.exc_info[0])
        for record in caplog.records
        if record.name == "tornado.application"
    ]
    caplog.clear()
    return found


def test_public_names() -> None:
    assert ioloop.__all__ == ["IOLoop", "PeriodicCallback", "TimeoutError"]
    assert ioloop.TimeoutError is asyncio.TimeoutError
    assert (IOLoop.NONE, IOLoop.READ, IOLoop.WRITE, IOLoop.ERROR) == (0, 1, 4, 24)


class TestCurrent:
    def test_is_one_per_asyncio_loop(self) -> None:
        async def main() -> IOLoop:
            found = IOLoop.current()
            assert found.asyncio_loop is asyncio.get_running_loop()
            assert IOLoop.current() is found
            assert IOLoop.current(instance=False) is found
            assert IOLoop.instance() is found
            return found

        first, second = asyncio.run(main()), asyncio.run(main())
        assert isinstance(first, AsyncIOMainLoop)
        assert first is not second

    def test_none_without_instance(self) -> None:
        assert IOLoop.current(instance=False) is None

    def test_is_made_and_set_for_a_thread_that_has_none(self) -> None:
        def work() -> tuple[bool, bool]:
            assert IOLoop.current(instance=False) is None
            made = IOLoop.current()
            try:
                return made is IOLoop.current(), made.asyncio_loop is asyncio.get_event_loop()
            finally:
                made.close()
                asyncio.set_event_loop(None)

        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            assert pool.submit(work).result() == (True, True)

    def test_of_a_closed_loop_is_replaced(self) -> None:
        def work() -> bool:
            old = IOLoop.current()
            old.close()
            new = IOLoop.current()
            new.close()
            asyncio.set_event_loop(None)
            return new is not old

        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            assert pool.submit(work).result()

    def test_new_loop_becomes_current_until_it_is_closed(self) -> None:
        made: IOLoop = IOLoop()
        assert IOLoop.current() is made
        assert asyncio.get_event_loop() is made.asyncio_loop
        inner: IOLoop = IOLoop()
        assert IOLoop.current() is inner
        inner.close()
        assert IOLoop.current() is made
        made.close()
        assert IOLoop.current(instance=False) is None

    def test_make_current_and_clear_current_are_deprecated(self, loop: IOLoop) -> None:
        with pytest.warns(DeprecationWarning, match="make_current is deprecated"):
            loop.make_current()
        assert IOLoop.current() is loop
        with pytest.warns(DeprecationWarning, match="clear_current is deprecated"):
            IOLoop.clear_current()
        assert IOLoop.current(instance=False) is None
        with pytest.warns(DeprecationWarning):
            loop.install()
        assert IOLoop.current() is loop
        with pytest.warns(DeprecationWarning):
            IOLoop.clear_instance()
        assert IOLoop.current(instance=False) is None

    def test_closed_loops_leave_the_registry(self) -> None:
        async def main() -> None:
            IOLoop.current()

        asyncio.run(main())  # closes its loop without a word to us
        before = len(IOLoop._ioloop_for_asyncio)
        for _ in range(3):
            made: IOLoop = IOLoop(make_current=False)
            assert made.asyncio_loop in IOLoop._ioloop_for_asyncio
            made.close()
            assert made.asyncio_loop not in IOLoop._ioloop_for_asyncio
        assert len(IOLoop._ioloop_for_asyncio) <= before
        assert not [loop for loop in IOLoop._ioloop_for_asyncio if loop and loop.is_closed()]


class TestConfiguration:
    def test_default_class(self, loop: IOLoop) -> None:
        assert IOLoop.configurable_base() is IOLoop
        assert IOLoop.configured_class() is AsyncIOLoop
        assert type(loop) is AsyncIOLoop

    def test_only_asyncio_loops(self) -> None:
        saved = IOLoop._save_configuration()
        try:
            IOLoop.configure("tornadic.platform.asyncio.AsyncIOMainLoop")
            assert IOLoop.configured_class() is AsyncIOMainLoop
            IOLoop.configure(None)
            assert IOLoop.configured_class() is AsyncIOLoop
            for other in ("tornadic.util.ObjectDict", Configurable, IOLoop):
                with pytest.raises(RuntimeError, match="only AsyncIOLoop"):
                    IOLoop.configure(other)
        finally:
            IOLoop._restore_configuration(saved)

    def test_unknown_argument(self) -> None:
        with pytest.raises(TypeError):
            IOLoop(make_current=False, colour="red")


class TestLifecycle:
    def test_stop_before_start(self, loop: IOLoop) -> None:
        seen: list[int] = []
        loop.add_callback(seen.append, 1)
        loop.stop()
        loop.start()
        assert seen == [1]

    def test_start_twice(self, loop: IOLoop) -> None:
        async def main() -> None:
            with pytest.raises(RuntimeError, match="already running"):
                loop.start()

        loop.run_sync(main)

    def test_closing(self, loop: IOLoop) -> None:
        async def main() -> None:
            with pytest.raises(RuntimeError, match="running"):
                loop.close()
            assert IOLoop.current() is loop

        loop.run_sync(main)
        loop.close()
        loop.close()
        assert loop.asyncio_loop.is_closed()
        with pytest.raises(RuntimeError, match="closed"):
            loop.start()
        with pytest.raises(RuntimeError, match="closed"):
            loop.call_later(1, print)

    def test_callback_for_a_closed_loop_is_dropped(self, loop: IOLoop) -> None:
        loop.close()
        loop.add_callback(pytest.fail, "must not run")
        with pytest.warns(DeprecationWarning):
            loop.add_callback_from_signal(pytest.fail, "must not run")

    def test_interrupted_in_a_callback(self, loop: IOLoop) -> None:
        def interrupt() -> None:
            raise KeyboardInterrupt

        loop.add_callback(interrupt)
        with pytest.raises(KeyboardInterrupt):
            loop.start()
        turn(loop)

    def test_shared_object_is_made_once_and_dropped_on_closing(self, loop: IOLoop) -> None:
        class Thing:
            def __init__(self, owner: IOLoop) -> None:
                self.owner = owner

        thing = loop.shared(Thing)
        assert thing.owner is loop
        assert loop.shared(Thing) is thing
        reference = weakref.ref(thing)
        del thing
        assert reference() is not None
        loop.close()
        gc.collect()
        assert reference() is None

    def test_clock(self, loop: IOLoop) -> None:
        assert abs(loop.time() - time.time()) < 60


class TestRunSync:
    def test_results(self, loop: IOLoop) -> None:
        async def native() -> int:
            return 4

        @gen.coroutine
        def decorated() -> Any:
            yield None
            return 5

        assert loop.run_sync(native) == 4
        assert loop.run_sync(decorated) == 5
        assert loop.run_sync(lambda: None) is None
        assert loop.run_sync(lambda: [native(), decorated()]) == [4, 5]
        assert loop.run_sync(native, 60) == 4
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            assert loop.run_sync(lambda: pool.submit(int, "6")) == 6

    def test_runs_in_the_loop(self, loop: IOLoop) -> None:
        async def main() -> None:
            assert IOLoop.current() is loop

        loop.run_sync(main)

    def test_exceptions(self, loop: IOLoop) -> None:
        def fails() -> None:
            raise ValueError("at once")

        async def fails_later() -> None:
            await asyncio.sleep(0)
            raise KeyError("later")

        async def cancelled() -> None:
            raise asyncio.CancelledError

        with pytest.raises(ValueError, match="at once"):
            loop.run_sync(fails)
        with pytest.raises(KeyError):
            loop.run_sync(fails_later)
        with pytest.raises(asyncio.CancelledError):
            loop.run_sync(cancelled)

        def cancelled_at_once() -> None:
            raise asyncio.CancelledError

        with pytest.raises(asyncio.CancelledError):
            loop.run_sync(cancelled_at_once)

    def test_returning_something_else(self, loop: IOLoop) -> None:
        with pytest.raises(gen.BadYieldError):
            loop.run_sync(lambda: 1)

    def test_timeout_cancels(self, loop: IOLoop) -> None:
        seen: list[BaseException] = []

        async def forever() -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError as error:
                seen.append(error)
                raise

        with pytest.raises(TimeoutError, match=r"Operation timed out after 0\.01 seconds"):
            loop.run_sync(forever, timeout=0.01)
        assert len(seen) == 1

    def test_timeout_of_what_cannot_be_cancelled(self, loop: IOLoop) -> None:
        running: concurrent.futures.Future[None] = concurrent.futures.Future()
        running.set_running_or_notify_cancel()
        with pytest.raises(TimeoutError):
            loop.run_sync(lambda: running, timeout=0)

    def test_result_after_a_refused_cancellation(self, loop: IOLoop) -> None:
        async def stubborn() -> str:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                return "done all the same"
            raise AssertionError

        assert loop.run_sync(stubborn, timeout=0.01) == "done all the same"

    def test_stopped_meanwhile(self, loop: IOLoop) -> None:
        async def stops() -> None:
            loop.stop()
            await asyncio.sleep(0)
            await asyncio.sleep(0)

        with pytest.raises(RuntimeError, match="Event loop stopped before Future completed"):
            loop.run_sync(stops)
        # What is left of that run finishes in the next, and does not end it.
        assert loop.run_sync(lambda: gen.multi([gen.moment, asyncio.sleep(0.01, "x")])) == [
            None,
            "x",
        ]

    def test_leaves_no_timer_behind(self, loop: IOLoop) -> None:
        async def quick() -> object:
            marker = Marker()
            markers.append(weakref.ref(marker))
            return marker

        class Marker:
            pass

        markers: list[weakref.ref[Marker]] = []
        loop.run_sync(quick, timeout=LONG)
        gc.collect()
        assert markers[0]() is None


class TestCallbacks:
    def test_order_and_arguments(self, loop: IOLoop) -> None:
        seen: list[Any] = []
        loop.add_callback(seen.append, 1)
        loop.spawn_callback(seen.append, 2)
        loop.add_callback(lambda x, y: seen.append((x, y)), 3, y=4)
        turn(loop)
        assert seen == [1, 2, (3, 4)]

    def test_added_by_a_callback_runs_after_it(self, loop: IOLoop) -> None:
        seen: list[str] = []

        def first() -> None:
            loop.add_callback(seen.append, "second")
            seen.append("first")

        loop.add_callback(first)
        turn(loop)
        turn(loop)
        assert seen == ["first", "second"]

    def test_from_another_thread_wakes_the_loop(self, loop: IOLoop) -> None:
        seen: list[int] = []

        def work() -> None:
            loop.add_callback(lambda: seen.append(threading.get_ident()))
            loop.add_callback(loop.stop)

        thread = threading.Thread(target=work)
        loop.add_callback(thread.start)
        loop.start()
        thread.join()
        assert seen == [threading.get_ident()]

    def test_from_a_signal_handler(self, loop: IOLoop) -> None:
        with pytest.warns(DeprecationWarning, match="add_callback_from_signal is deprecated"):
            loop.add_callback_from_signal(loop.stop)
        loop.start()

    def test_context_is_that_of_the_caller(self, loop: IOLoop) -> None:
        variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)
        seen: list[int] = []
        future: Future[None] = Future(loop=loop.asyncio_loop)

        def set_up() -> None:
            variable.set(1)
            loop.add_callback(lambda: seen.append(variable.get()))
            loop.call_later(0, lambda: seen.append(variable.get()))
            loop.add_future(future, lambda _: seen.append(variable.get()))
            loop.add_future(future, lambda _: loop.stop())
            variable.set(2)
            loop.call_later(0.001, future.set_result, None)

        contextvars.copy_context().run(set_up)
        loop.start()
        assert seen == [1, 1, 1]

    def test_exception_is_logged(self, loop: IOLoop, caplog: pytest.LogCaptureFixture) -> None:
        def fails() -> None:
            raise ValueError

        loop.add_callback(fails)
        loop.call_later(0, fails)
        turn(loop)
        turn(loop)
        assert application_errors(caplog) == [(f"Exception in callback {fails!r}", ValueError)] * 2

    def test_cancellation_is_not_logged(
        self, loop: IOLoop, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fails() -> None:
            raise asyncio.CancelledError

        async def fails_later() -> None:
            raise asyncio.CancelledError

        loop.add_callback(fails)
        loop.add_callback(fails_later)
        turn(loop)
        turn(loop)
        assert not caplog.records

    def test_coroutine_is_run_and_its_exception_logged(
        self, loop: IOLoop, caplog: pytest.LogCaptureFixture
    ) -> None:
        @gen.coroutine
        def at_once() -> None:
            raise ValueError

        @gen.coroutine
        def decorated() -> Any:
            yield None
            raise KeyError

        async def native() -> None:
            await asyncio.sleep(0)
            raise LookupError

        for callback in (at_once, decorated, native):
            loop.add_callback(callback)
        for _ in range(4):
            turn(loop)
        assert application_errors(caplog) == [
            (f"Exception in callback {at_once!r}", ValueError),
            (f"Exception in callback {decorated!r}", KeyError),
            (f"Exception in callback {native!r}", LookupError),
        ]

    def test_other_return_values_are_ignored(
        self, loop: IOLoop, caplog: pytest.LogCaptureFixture
    ) -> None:
        for value in (3, "text", (), False):
            loop.add_callback(lambda value=value: value)
        turn(loop)
        assert not caplog.records

    def test_coroutine_that_nobody_holds_is_not_lost(self, loop: IOLoop) -> None:
        ended: list[str] = []
        waiting: list[weakref.ref[Any]] = []

        @gen.coroutine
        def lonely() -> Any:
            future: Future[str] = Future()
            waiting.append(weakref.ref(future))
            try:
                ended.append((yield future))
            finally:
                ended.append("closed")

        loop.add_callback(lonely)
        turn(loop)
        gc.collect()
        assert not ended
        future = waiting[0]()
        assert future is not None
        future.set_result("completed")
        turn(loop)
        turn(loop)
        assert ended == ["completed", "closed"]


class TestAddFuture:
    def test_pending_and_done(self, loop: IOLoop) -> None:
        seen: list[object] = []
        future: Future[int] = Future(loop=loop.asyncio_loop)
        loop.add_future(future, seen.append)
        future.set_result(1)
        loop.add_future(future, seen.append)
        assert not seen
        turn(loop)
        assert seen == [future, future]

    def test_of_another_thread(self, loop: IOLoop) -> None:
        seen: list[tuple[int, int]] = []

        def done(future: concurrent.futures.Future[int]) -> None:
            seen.append((future.result(), threading.get_ident()))
            loop.stop()

        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            loop.add_future(pool.submit(int, "8"), done)
            loop.start()
        assert seen == [(8, threading.get_ident())]

    def test_of_another_loop(self, loop: IOLoop) -> None:
        seen: list[int] = []

        async def main() -> None:
            future: Future[int] = Future()
            loop.add_future(future, lambda done: seen.append(done.result()))
            loop.add_future(future, lambda _: loop.stop())
            future.set_result(2)
            await asyncio.sleep(0)

        asyncio.run(main())
        assert not seen
        loop.start()
        assert seen == [2]

    def test_exception_of_the_callback_is_logged(
        self, loop: IOLoop, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fails(_: object) -> None:
            raise ValueError

        future: Future[int] = Future(loop=loop.asyncio_loop)
        future.set_result(1)
        loop.add_future(future, fails)
        turn(loop)
        ((message, kind),) = application_errors(caplog)
        assert message.startswith("Exception in callback") and kind is ValueError

    def test_takes_futures_only(self, loop: IOLoop) -> None:
        not_a_future: Any = 3
        with pytest.raises(TypeError, match="add_future needs a future"):
            loop.add_future(not_a_future, print)


class TestTimeouts:
    def test_kinds_of_deadlines(self, loop: IOLoop) -> None:
        seen: list[Any] = []
        loop.add_timeout(datetime.timedelta(milliseconds=1), seen.append, "timedelta")
        loop.add_timeout(loop.time() + 0.002, seen.append, "number")
        loop.call_at(loop.time() + 0.003, lambda x, y: seen.append(x + y), "a", y="t")
        loop.call_later(0.004, seen.append, "later")
        loop.call_later(0.1, loop.stop)
        loop.start()
        assert seen == ["timedelta", "number", "at", "later"]

    def test_past_deadlines_are_due_now(self, loop: IOLoop) -> None:
        seen: list[str] = []
        loop.call_at(0, seen.append, "at")
        loop.call_later(-LONG, seen.append, "later")
        loop.add_timeout(datetime.timedelta(days=-1), seen.append, "timedelta")
        loop.call_later(0, loop.stop)
        loop.start()
        turn(loop)
        assert sorted(seen) == ["at", "later", "timedelta"]

    def test_removed(self, loop: IOLoop) -> None:
        handle = loop.call_later(0, pytest.fail, "must not run")
        loop.remove_timeout(handle)
        loop.remove_timeout(handle)
        ran = loop.call_later(0, loop.stop)
        loop.start()
        loop.remove_timeout(ran)

    @pytest.mark.parametrize("deadline", ["soon", None, b"1"])
    def test_bad_deadline(self, loop: IOLoop, deadline: Any) -> None:
        with pytest.raises(TypeError, match="Unsupported deadline"):
            loop.add_timeout(deadline, print)

    def test_follow_the_clock_of_the_loop(self) -> None:
        class Shifted(AsyncIOLoop):
            def time(self) -> float:
                return super().time() + LONG

        loop: IOLoop = Shifted(make_current=False)
        try:
            loop.add_timeout(time.time() + LONG, loop.stop)
            loop.start()
        finally:
            loop.close()


class TestHandlers:
    def test_read(self, loop: IOLoop, pair: tuple[socket.socket, socket.socket]) -> None:
        a, b = pair
        seen: list[Any] = []

        def handler(fd: Any, events: int) -> None:
            seen.append((fd, events, fd.recv(10)))
            loop.stop()

        loop.add_handler(a, handler, IOLoop.READ)
        b.send(b"x")
        loop.start()
        assert seen == [(a, IOLoop.READ, b"x")]

    def test_number_gets_the_number(
        self, loop: IOLoop, pair: tuple[socket.socket, socket.socket]
    ) -> None:
        seen: list[Any] = []

        def handler(fd: int, events: int) -> None:
            seen.append((fd, events))
            loop.remove_handler(fd)
            loop.stop()

        loop.add_handler(pair[0].fileno(), handler, IOLoop.WRITE)
        loop.start()
        assert seen == [(pair[0].fileno(), IOLoop.WRITE)]

    def test_update(self, loop: IOLoop, pair: tuple[socket.socket, socket.socket]) -> None:
        a, b = pair
        seen: list[int] = []
        loop.add_handler(a, lambda _, events: seen.append(events), IOLoop.NONE)
        b.send(b"x")
        turn(loop)
        turn(loop)
        assert seen == []
        for events, expected in (
            (IOLoop.READ, [IOLoop.READ]),
            (IOLoop.READ | IOLoop.WRITE, [IOLoop.READ, IOLoop.WRITE]),
            (IOLoop.WRITE | IOLoop.ERROR, [IOLoop.WRITE]),
            (IOLoop.NONE, []),
        ):
            loop.update_handler(a, events)
            seen.clear()
            turn(loop)  # one turn to watch, another for the callbacks
            turn(loop)
            assert sorted(set(seen)) == expected

    def test_removed_by_another_handler_of_the_same_turn(
        self, loop: IOLoop, pair: tuple[socket.socket, socket.socket]
    ) -> None:
        a, b = pair
        seen: list[Any] = []

        def handler(fd: Any, events: int) -> None:
            seen.append(fd)
            loop.remove_handler(a)
            loop.remove_handler(b)

        loop.add_handler(a, handler, IOLoop.WRITE)
        loop.add_handler(b, handler, IOLoop.WRITE)
        turn(loop)
        turn(loop)
        assert len(seen) == 1

    def test_registration_errors(
        self, loop: IOLoop, pair: tuple[socket.socket, socket.socket]
    ) -> None:
        a, b = pair
        loop.add_handler(a, print, IOLoop.READ)
        for again in (a, a.fileno()):
            with pytest.raises(ValueError, match=f"fd {a.fileno()} added twice"):
                loop.add_handler(again, print, IOLoop.READ)
        with pytest.raises(KeyError):
            loop.update_handler(b, IOLoop.READ)
        loop.remove_handler(b)
        loop.remove_handler(a.fileno())
        loop.add_handler(a, print, IOLoop.READ)

    def test_bad_descriptor_leaves_nothing_behind(self, loop: IOLoop) -> None:
        reader, writer = os.pipe()
        os.close(reader)
        os.close(writer)
        for _ in range(2):
            with pytest.raises(OSError):
                loop.add_handler(writer, print, IOLoop.READ)

    def test_socket_closed_before_it_is_removed(self, loop: IOLoop) -> None:
        a, b = socket.socketpair()
        number = a.fileno()
        with b:
            loop.add_handler(a, print, IOLoop.READ | IOLoop.WRITE)
            a.close()
            loop.remove_handler(a)
            assert number not in loop._handlers
            loop.remove_handler(a)

    def test_exception_goes_to_asyncio(
        self,
        loop: IOLoop,
        pair: tuple[socket.socket, socket.socket],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        def handler(fd: Any, events: int) -> None:
            loop.remove_handler(fd)
            loop.stop()
            raise ValueError

        loop.add_handler(pair[0], handler, IOLoop.WRITE)
        loop.start()
        (record,) = caplog.records
        assert record.name == "asyncio"
        assert record.exc_info and record.exc_info[0] is ValueError

    def test_closing_all(self) -> None:
        loop: IOLoop = IOLoop(make_current=False)
        a, b = socket.socketpair()
        number = os.dup(b.fileno())
        loop.add_handler(a, print, IOLoop.READ)
        loop.add_handler(number, print, IOLoop.WRITE)
        loop.close(all_fds=True)
        assert a.fileno() == -1
        with pytest.raises(OSError):
            os.fstat(number)
        b.close()

    def test_closing_without_all_leaves_them_open(
        self, pair: tuple[socket.socket, socket.socket]
    ) -> None:
        loop: IOLoop = IOLoop(make_current=False)
        loop.add_handler(pair[0], print, IOLoop.READ)
        loop.close()
        pair[1].send(b"x")
        assert pair[0].recv(1) == b"x"

    def test_split_and_close(self, loop: IOLoop, pair: tuple[socket.socket, socket.socket]) -> None:
        a, b = pair
        assert loop.split_fd(a) == (a.fileno(), a)
        assert loop.split_fd(7) == (7, 7)
        number = os.dup(b.fileno())
        loop.close_fd(number)
        loop.close_fd(number)
        loop.close_fd(a)
        assert a.fileno() == -1


class TestExecutors:
    def test_run_in_executor(self) -> None:
        async def main() -> None:
            loop = IOLoop.current()
            here = threading.get_ident()
            assert await loop.run_in_executor(None, threading.get_ident) != here
            assert await loop.run_in_executor(dummy_executor, divmod, 7, 2) == (3, 1)
            with pytest.raises(ValueError):
                await loop.run_in_executor(None, int, "x")

        asyncio.run(main())

    def test_default_executor(self) -> None:
        async def main() -> None:
            loop = IOLoop.current()
            with pytest.raises(TypeError, match="ThreadPoolExecutor"):
                loop.set_default_executor(dummy_executor)
            pool = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="mine")
            loop.set_default_executor(pool)
            name = await loop.run_in_executor(None, lambda: threading.current_thread().name)
            assert name.startswith("mine")

        asyncio.run(main())


class TestPeriodicCallback:
    @staticmethod
    def schedule(periodic: PeriodicCallback, durations: list[float]) -> list[float]:
        """Return when the calls begin if they take so long, the clock being 1000 at the start."""
        periodic._next_timeout = now = 1000.0
        begins = []
        for duration in durations:
            periodic._update_next(now)
            begins.append(periodic._next_timeout)
            now = periodic._next_timeout + duration
        return begins

    def test_schedule(self) -> None:
        periodic = PeriodicCallback(lambda: None, 10_000)
        assert self.schedule(periodic, [0, 5, 9, 0]) == [1010, 1020, 1030, 1040]
        # A call that takes longer leaves out what passed meanwhile; 10 is exactly on time.
        assert self.schedule(periodic, [9, 10, 11, 25, 0]) == [1010, 1020, 1040, 1060, 1090]

    def test_clock_set_back(self) -> None:
        periodic = PeriodicCallback(lambda: None, 10_000)
        periodic._next_timeout = 1010
        periodic._update_next(1009.99)
        assert periodic._next_timeout == 1020
        periodic._update_next(900)
        assert periodic._next_timeout == 1030

    def test_clock_set_forward(self) -> None:
        periodic = PeriodicCallback(lambda: None, 10_000)
        periodic._next_timeout = 1010
        periodic._update_next(1_000_000_003)
        assert periodic._next_timeout == 1_000_000_010

    def test_jitter(self, monkeypatch: pytest.MonkeyPatch) -> None:
        periodic = PeriodicCallback(lambda: None, 10_000, jitter=0.5)
        draws = iter([0.5, 1, 0])
        monkeypatch.setattr("random.random", lambda: next(draws))
        assert self.schedule(periodic, [0, 0, 0]) == [1010, 1022.5, 1030]

    @pytest.mark.parametrize("period", [0, -1, datetime.timedelta(0)])
    def test_period_must_be_positive(self, period: Any) -> None:
        with pytest.raises(ValueError, match="positive callback_time"):
            PeriodicCallback(lambda: None, period)

    def test_timedelta(self) -> None:
        assert PeriodicCallback(lambda: None, datetime.timedelta(minutes=1)).callback_time == 60_000

    def test_starting_and_stopping(self) -> None:
        async def main() -> None:
            seen: list[int] = []
            enough = asyncio.Event()

            def callback() -> None:
                seen.append(1)
                if len(seen) == 3:
                    periodic.stop()
                    enough.set()

            periodic = PeriodicCallback(callback, 1)
            periodic.stop()
            assert not periodic.is_running()
            periodic.start()
            periodic.start()
            assert periodic.is_running()
            await enough.wait()
            assert not periodic.is_running()
            await asyncio.sleep(0.005)
            assert len(seen) == 3

        asyncio.run(main())

    def test_exceptions_are_logged_and_end_nothing(self, caplog: pytest.LogCaptureFixture) -> None:
        async def main() -> None:
            seen: list[str] = []
            enough = asyncio.Event()

            def callback() -> Any:
                seen.append("call")
                if len(seen) == 1:
                    raise ValueError
                if len(seen) == 2:
                    return failing()
                if len(seen) == 3:
                    return cancelled()
                enough.set()
                return "a value that means nothing"

            async def failing() -> None:
                await asyncio.sleep(0)
                raise KeyError

            async def cancelled() -> None:
                raise asyncio.CancelledError

            periodic = PeriodicCallback(callback, 1)
            periodic.start()
            await enough.wait()
            periodic.stop()
            assert application_errors(caplog) == [
                (f"Exception in callback {callback!r}", ValueError),
                (f"Exception in callback {callback!r}", KeyError),
            ]

        asyncio.run(main())

    @pytest.mark.parametrize("restart", [False, True])
    def test_coroutines_never_overlap(self, restart: bool) -> None:
        async def main() -> None:
            running = 0
            calls = 0
            enough = asyncio.Event()

            async def callback() -> None:
                nonlocal running, calls
                calls += 1
                running += 1
                first = calls == 1
                try:
                    if restart and first:
                        # The one that was started anew has its own schedule, and it alone.
                        periodic.stop()
                        periodic.start()
                        return
                    assert running == 1
                    await asyncio.sleep(0.003)
                finally:
                    running -= 1
                if calls == 4:
                    enough.set()

            periodic = PeriodicCallback(callback, 1)
            periodic.start()
            await enough.wait()
            periodic.stop()

        asyncio.run(main())


def test_current_needs_no_loop_to_be_imported() -> None:
    """Importing the module sets no asyncio loop, and IOLoop.current() then makes one quietly."""
    program = (
        "import asyncio\n"
        "from tornadic.ioloop import IOLoop\n"
        "assert IOLoop.current(instance=False) is None\n"
        "loop = IOLoop.current()\n"
        "assert loop.asyncio_loop is asyncio.get_event_loop()\n"
        "loop.close()\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, timeout=30)
