"""Stack contexts: what is entered around callbacks that were scheduled inside of one."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import logging
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import pytest

from tornadic import gen
from tornadic.compat.legacy import contexts
from tornadic.compat.legacy.contexts import (
    ExceptionStackContext,
    NullContext,
    StackContext,
    StackContextInconsistentError,
    run_with_stack_context,
    wrap,
)
from tornadic.ioloop import IOLoop

PATIENCE = 30.0


class Seen:
    """What has happened, in order."""

    def __init__(self) -> None:
        self.log: list[Any] = []

    @contextlib.contextmanager
    def around(self, name: str) -> Iterator[None]:
        self.log.append(f"in {name}")
        try:
            yield
        finally:
            self.log.append(f"out {name}")

    def factory(self, name: str) -> Callable[[], Any]:
        return functools.partial(self.around, name)

    def handler(self, handles: bool) -> Callable[..., bool]:
        def handle(kind: Any, error: Any, traceback: Any) -> bool:
            assert kind is type(error) and traceback is not None
            self.log.append((handles, str(error)))
            return handles

        return handle


@pytest.fixture
def seen() -> Seen:
    return Seen()


def fail(*args: Any) -> None:
    raise ZeroDivisionError("failed")


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.001)


def test_an_exception_of_the_block(seen: Seen) -> None:
    with ExceptionStackContext(seen.handler(True)):
        fail()
    assert seen.log == [(True, "failed")]


def test_an_exception_that_is_not_handled(seen: Seen) -> None:
    with pytest.raises(ZeroDivisionError), ExceptionStackContext(seen.handler(False)):
        fail()
    assert seen.log == [(False, "failed")]


def test_wrapped_functions_carry_the_contexts(seen: Seen) -> None:
    def called(value: int) -> int:
        seen.log.append(value)
        return value

    with StackContext(seen.factory("a")), StackContext(seen.factory("b")):
        wrapped = wrap(called)
    seen.log.clear()
    assert wrapped(5) == 5
    assert seen.log == ["in a", "in b", 5, "out b", "out a"]


def test_wrap_leaves_none_and_the_wrapped_alone() -> None:
    assert wrap(None) is None
    wrapped = wrap(fail)
    assert wrap(wrapped) is wrapped


def test_wrap_of_anything_callable() -> None:
    class Odd:
        __slots__ = ()

        def __call__(self) -> int:
            return 3

    assert wrap(Odd())() == 3
    assert wrap(functools.partial(int, "4"))() == 4


def test_what_is_handled_gives_none(seen: Seen) -> None:
    with ExceptionStackContext(seen.handler(True)):
        wrapped = wrap(fail)
    assert wrapped() is None
    assert seen.log == [(True, "failed")]


def test_inner_handlers_come_first(seen: Seen) -> None:
    with ExceptionStackContext(seen.handler(True)), ExceptionStackContext(seen.handler(False)):
        wrapped = wrap(fail)
    wrapped()
    assert seen.log == [(False, "failed"), (True, "failed")]


def test_a_handler_that_fails_is_the_next_ones_affair(seen: Seen) -> None:
    def worse(*args: Any) -> bool:
        raise KeyError("worse")

    with ExceptionStackContext(seen.handler(True)), ExceptionStackContext(worse):
        wrapped = wrap(fail)
    wrapped()
    assert seen.log == [(True, "'worse'")]


def test_deactivated(seen: Seen) -> None:
    with StackContext(seen.factory("a")) as deactivate, StackContext(seen.factory("b")):
        before = wrap(lambda: seen.log.append("before"))
        deactivate()
        after = wrap(lambda: seen.log.append("after"))
    seen.log.clear()
    before()
    after()
    assert seen.log == ["in b", "before", "out b", "in b", "after", "out b"]


def test_null_context(seen: Seen) -> None:
    with StackContext(seen.factory("a")):
        with NullContext():
            wrapped = wrap(lambda: seen.log.append("free"))
        seen.log.clear()
        wrapped()
        assert seen.log == ["free"]


def test_run_with_stack_context(seen: Seen) -> None:
    assert run_with_stack_context(StackContext(seen.factory("a")), lambda: 5) == 5
    assert seen.log == ["in a", "out a"]


def test_left_in_another_order(seen: Seen) -> None:
    first, second = StackContext(seen.factory("a")), StackContext(seen.factory("b"))
    first.__enter__()
    second.__enter__()
    with pytest.raises(StackContextInconsistentError):
        first.__exit__(None, None, None)
    with pytest.raises(StackContextInconsistentError):
        second.__exit__(None, None, None)
    contexts._contexts.set(())


def test_the_same_context_twice(seen: Seen) -> None:
    context = ExceptionStackContext(seen.handler(True))
    with context, context:
        wrapped = wrap(fail)
    wrapped()
    assert seen.log == [(True, "failed")]


@pytest.mark.parametrize(
    "schedule",
    [
        lambda loop: loop.add_callback(fail),
        lambda loop: loop.call_later(0, fail),
        lambda loop: loop.add_timeout(loop.time(), fail),
        lambda loop: loop.add_future(gen.sleep(0), fail),
        lambda loop: loop.add_future(futures.ThreadPoolExecutor(1).submit(int), fail),
    ],
    ids=["callback", "later", "timeout", "future", "future of a thread"],
)
def test_the_loop_runs_callbacks_in_contexts(schedule: Callable[[IOLoop], None]) -> None:
    seen = Seen()

    async def main() -> None:
        with ExceptionStackContext(seen.handler(True)), StackContext(seen.factory("a")):
            schedule(IOLoop.current())
        assert seen.log == ["in a", "out a"]
        await until(lambda: len(seen.log) == 5)

    asyncio.run(main())
    assert seen.log[2:] == ["in a", "out a", (True, "failed")]


@pytest.mark.filterwarnings("ignore:add_callback_from_signal is deprecated")
@pytest.mark.parametrize("name", ["spawn_callback", "add_callback_from_signal"])
def test_some_methods_leave_the_contexts_behind(
    name: str, seen: Seen, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        with ExceptionStackContext(seen.handler(True)):
            getattr(IOLoop.current(), name)(fail)
        await until(lambda: caplog.records)

    asyncio.run(main())
    assert seen.log == []


def test_callbacks_of_callbacks(seen: Seen) -> None:
    async def main() -> None:
        loop = IOLoop.current()
        with ExceptionStackContext(seen.handler(True)):
            loop.add_callback(lambda: loop.add_callback(lambda: loop.call_later(0, fail)))
        await until(lambda: seen.log)

    asyncio.run(main())
    assert seen.log == [(True, "failed")]


def test_what_was_scheduled_outside_is_not_concerned(
    seen: Seen, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        loop = IOLoop.current()
        with ExceptionStackContext(seen.handler(True)):
            with NullContext():
                loop.add_callback(fail)
            await asyncio.sleep(0)
        loop.add_callback(fail)
        await until(lambda: len(caplog.records) == 2)

    asyncio.run(main())
    assert seen.log == []


def test_from_another_thread(seen: Seen) -> None:
    async def main() -> None:
        loop = IOLoop.current()

        def work() -> None:
            with ExceptionStackContext(seen.handler(True)):
                loop.add_callback(fail)

        thread = threading.Thread(target=work)
        thread.start()
        await until(lambda: seen.log)
        thread.join()

    asyncio.run(main())
    assert seen.log == [(True, "failed")]


def test_handlers_of_descriptors(seen: Seen) -> None:
    async def main() -> None:
        loop = IOLoop.current()
        here, there = socket.socketpair()

        def readable(fd: socket.socket, events: int) -> None:
            loop.remove_handler(fd)
            fail()

        with here, there:
            with ExceptionStackContext(seen.handler(True)):
                loop.add_handler(here, readable, IOLoop.READ)
            there.send(b"x")
            await until(lambda: seen.log)

    asyncio.run(main())
    assert seen.log == [(True, "failed")]


def test_a_wrapped_callback_is_not_entered_twice(seen: Seen) -> None:
    async def main() -> None:
        with StackContext(seen.factory("a")):
            IOLoop.current().add_callback(wrap(lambda: seen.log.append("called")))
        seen.log.clear()
        await until(lambda: "called" in seen.log)

    asyncio.run(main())
    assert seen.log == ["in a", "called", "out a"]


def test_a_coroutine_has_its_own(seen: Seen) -> None:
    @gen.coroutine
    def waits() -> Any:
        with StackContext(seen.factory("a")):
            yield gen.moment
            wrapped = wrap(lambda: seen.log.append("called"))
        return wrapped

    async def main() -> None:
        future = waits()
        outside = wrap(lambda: seen.log.append("outside"))
        wrapped = await future
        seen.log.clear()
        outside()
        wrapped()

    asyncio.run(main())
    assert seen.log == ["outside", "in a", "called", "out a"]


def test_unhandled_is_logged_once(seen: Seen, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        with ExceptionStackContext(seen.handler(False)):
            IOLoop.current().add_callback(fail)
        await until(lambda: caplog.records)

    with caplog.at_level(logging.ERROR):
        asyncio.run(main())
    assert len(caplog.records) == 1
    assert seen.log == [(False, "failed")]


def test_nothing_is_kept(seen: Seen) -> None:
    async def main() -> list[weakref.ref[Any]]:
        context = StackContext(seen.factory("a"))
        done = asyncio.Event()
        with context:
            IOLoop.current().add_callback(done.set)
        await done.wait()
        return [weakref.ref(context)]

    references = asyncio.run(main())
    gc.collect()
    assert [reference() for reference in references] == [None]


def test_programs_without_them_pay_nothing() -> None:
    code = (
        "import sys; from tornadic.ioloop import IOLoop; from tornadic import gen, web\n"
        "before = IOLoop._run_callback\n"
        "@gen.coroutine\n"
        "def f(): yield [gen.moment]\n"
        "IOLoop(make_current=False).run_sync(f)\n"
        "assert not [m for m in sys.modules if 'legacy.' in m or m.endswith('.legacy')]\n"
        "import tornadic.compat.legacy.contexts\n"
        "assert IOLoop._run_callback is before\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=50)
