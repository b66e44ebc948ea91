"""Tests of tornadic.platform.asyncio: the loop classes, and the selector in a thread."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import gc
import os
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tornadic import gen
from tornadic.ioloop import IOLoop
from tornadic.platform import asyncio as platform_asyncio
from tornadic.platform.asyncio import (
    AddThreadSelectorEventLoop,
    AsyncIOLoop,
    AsyncIOMainLoop,
    BaseAsyncIOLoop,
    SelectorThread,
    to_asyncio_future,
    to_tornado_future,
)

TIMEOUT = 30  # seconds, against a test that hangs


def test_public_names() -> None:
    assert all(hasattr(platform_asyncio, name) for name in platform_asyncio.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = platform_asyncio.nothing


class TestLoops:
    def test_of_a_running_asyncio_loop(self) -> None:
        async def main() -> None:
            asyncio_loop = asyncio.get_running_loop()
            loop = IOLoop.current()
            assert type(loop) is AsyncIOMainLoop
            assert loop.asyncio_loop is asyncio_loop
            with pytest.raises(RuntimeError, match="already associated"):
                AsyncIOMainLoop()
            with pytest.raises(RuntimeError, match="already associated"):
                AsyncIOLoop(asyncio_loop=asyncio_loop)
            assert IOLoop.current() is loop

        asyncio.run(main())

    def test_given_loop(self) -> None:
        asyncio_loop = asyncio.new_event_loop()
        loop: IOLoop = AsyncIOLoop(asyncio_loop=asyncio_loop, make_current=False)
        assert loop.asyncio_loop is asyncio_loop
        assert isinstance(loop, BaseAsyncIOLoop)

        async def main() -> bool:
            return IOLoop.current() is loop

        assert asyncio_loop.run_until_complete(main())
        loop.close()
        assert asyncio_loop.is_closed()

    def test_main_loop_of_a_thread_without_one(self) -> None:
        def work() -> bool:
            loop: IOLoop = AsyncIOMainLoop()
            try:
                return loop is IOLoop.current()
            finally:
                loop.close()
                asyncio.set_event_loop(None)

        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            assert pool.submit(work).result()

    def test_failed_set_up_closes_the_new_loop(self) -> None:
        with pytest.raises(TypeError):
            AsyncIOLoop(colour="red")
        gc.collect()  # an unclosed loop would warn here

    def test_mixing_coroutines(self) -> None:
        async def native() -> Any:
            return await decorated()

        @gen.coroutine
        def decorated() -> Any:
            yield asyncio.sleep(0)
            value = yield asyncio.gather(asyncio.sleep(0, 1), asyncio.sleep(0, 2))
            return value

        loop: IOLoop = AsyncIOLoop(make_current=False)
        assert loop.run_sync(native) == [1, 2]
        assert loop.asyncio_loop.run_until_complete(native()) == [1, 2]
        loop.close()

    def test_task_groups_and_timeouts_work_in_yielded_coroutines(self) -> None:
        async def native() -> int:
            async with asyncio.timeout(TIMEOUT), asyncio.TaskGroup() as group:
                task = group.create_task(asyncio.sleep(0, 3))
            return task.result()

        @gen.coroutine
        def decorated() -> Any:
            return (yield native())

        async def main() -> None:
            assert await decorated() == 3

        asyncio.run(main())

    def test_future_conversions(self) -> None:
        async def main() -> None:
            future: asyncio.Future[int] = asyncio.Future()
            assert to_tornado_future(future) is future
            assert to_asyncio_future(future) is future
            assert await to_asyncio_future([asyncio.sleep(0, 1)]) == [1]

        asyncio.run(main())


def test_any_thread_policy() -> None:
    with pytest.warns(DeprecationWarning, match="AnyThreadEventLoopPolicy is deprecated"):
        policy = platform_asyncio.AnyThreadEventLoopPolicy()
    assert platform_asyncio.AnyThreadEventLoopPolicy is type(policy)

    def work() -> bool:
        loop = policy.get_event_loop()
        try:
            return loop is policy.get_event_loop()
        finally:
            loop.close()

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        assert pool.submit(work).result()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    a, b = socket.socketpair()
    a.setblocking(False)
    b.setblocking(False)
    with a, b:
        yield a, b


@pytest.fixture
def selecting() -> Iterator[AddThreadSelectorEventLoop]:
    loop = AddThreadSelectorEventLoop(asyncio.SelectorEventLoop())
    yield loop
    loop.close()


def run(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    loop.run_until_complete(asyncio.wait_for(event.wait(), TIMEOUT))


class TestSelectorThread:
    def test_reading_and_writing(
        self, selecting: AddThreadSelectorEventLoop, pair: tuple[socket.socket, socket.socket]
    ) -> None:
        a, b = pair
        received: list[bytes] = []
        here = threading.get_ident()
        finished = asyncio.Event()

        def writable() -> None:
            selecting.remove_writer(b)
            b.send(b"%d" % len(received))

        def readable(name: str) -> None:
            assert threading.get_ident() == here
            assert name == "a"
            received.append(a.recv(10))
            if len(received) == 3:
                finished.set()
            else:
                selecting.add_writer(b, writable)

        selecting.add_reader(a, readable, "a")
        selecting.add_writer(b, writable)
        run(selecting, finished)
        assert received == [b"0", b"1", b"2"]
        assert selecting.remove_reader(a)
        assert not selecting.remove_reader(a)
        assert not selecting.remove_writer(b)

    def test_context_is_that_of_add_reader(
        self, selecting: AddThreadSelectorEventLoop, pair: tuple[socket.socket, socket.socket]
    ) -> None:
        variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)
        seen: list[int] = []
        finished = asyncio.Event()

        def readable() -> None:
            seen.append(variable.get())
            pair[0].recv(1)
            finished.set()

        def register() -> None:
            variable.set(4)
            selecting.add_reader(pair[0], readable)

        contextvars.copy_context().run(register)
        pair[1].send(b"x")
        run(selecting, finished)
        assert seen == [4]

    def test_exception_in_a_callback_ends_nothing(
        self, selecting: AddThreadSelectorEventLoop, pair: tuple[socket.socket, socket.socket]
    ) -> None:
        errors: list[dict[str, Any]] = []
        finished = asyncio.Event()
        selecting.set_exception_handler(lambda _, context: errors.append(context))

        def readable() -> None:
            if pair[0].recv(1) == b"2":
                finished.set()
            raise ValueError

        selecting.add_reader(pair[0], readable)
        pair[1].send(b"12")
        run(selecting, finished)
        assert {type(context["exception"]) for context in errors} == {ValueError}

    def test_interrupted_callback_ends_nothing(
        self, selecting: AddThreadSelectorEventLoop, pair: tuple[socket.socket, socket.socket]
    ) -> None:
        finished = asyncio.Event()

        def readable() -> None:
            if pair[0].recv(1) == b"1":
                raise KeyboardInterrupt
            finished.set()

        selecting.add_reader(pair[0], readable)
        pair[1].send(b"12")
        with pytest.raises(KeyboardInterrupt):
            selecting.run_forever()
        run(selecting, finished)

    def test_descriptor_closed_while_it_is_watched(
        self, selecting: AddThreadSelectorEventLoop, pair: tuple[socket.socket, socket.socket]
    ) -> None:
        reader, writer = os.pipe()
        finished = asyncio.Event()

        def bad() -> None:
            assert selecting.remove_reader(reader)
            pair[1].send(b"x")

        def readable() -> None:
            pair[0].recv(1)
            finished.set()

        selecting.add_reader(reader, bad)
        selecting.add_reader(pair[0], readable)
        os.close(writer)
        os.close(reader)
        run(selecting, finished)

    def test_everything_else_is_the_real_loop(self, selecting: AddThreadSelectorEventLoop) -> None:
        assert selecting.get_debug() is selecting._real_loop.get_debug()
        assert selecting.run_until_complete(asyncio.sleep(0, "slept")) == "slept"

    def test_io_loop_on_it(self, pair: tuple[socket.socket, socket.socket]) -> None:
        loop: IOLoop = AsyncIOLoop(make_current=False)
        loop.selector_loop = AddThreadSelectorEventLoop(loop.asyncio_loop)
        seen: list[Any] = []

        def handler(fd: Any, events: int) -> None:
            seen.append((fd.recv(5), events))
            loop.stop()

        loop.add_handler(pair[0], handler, IOLoop.READ)
        pair[1].send(b"hello")
        loop.start()
        assert seen == [(b"hello", IOLoop.READ)]
        loop.close()
        assert loop.asyncio_loop.is_closed()

    def test_closing(self) -> None:
        real = asyncio.SelectorEventLoop()
        loop = AddThreadSelectorEventLoop(real)
        loop.close()
        loop.close()
        assert real.is_closed()

    def test_closed_with_the_loop_of_asyncio_run(self) -> None:
        before = threading.active_count()
        selectors: list[SelectorThread] = []

        async def main() -> None:
            selectors.append(SelectorThread(asyncio.get_running_loop()))
            assert threading.active_count() == before + 1
            await asyncio.sleep(0)
            await asyncio.sleep(0)

        asyncio.run(main())
        assert threading.active_count() == before
        selectors[0].close()

    def test_closed_at_the_end_of_the_program(self) -> None:
        real = asyncio.new_event_loop()
        selector = SelectorThread(real)
        platform_asyncio._atexit_callback()
        assert selector not in platform_asyncio._selector_loops
        real.close()

    def test_loop_closed_before_the_thread(self, pair: tuple[socket.socket, socket.socket]) -> None:
        real = asyncio.new_event_loop()
        selector = SelectorThread(real)
        real.close()
        selector.add_reader(pair[0], print)  # wakes the thread, which finds the loop closed
        selector.close()
