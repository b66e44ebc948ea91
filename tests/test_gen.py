"""Tests of tornadic.gen: coroutines, what they may yield, and what becomes of their outcomes."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import datetime
import gc
import threading
import time
import types
import weakref
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from tornadic import gen
from tornadic.concurrent import Future
from tornadic.gen import WaitIterator
from tornadic.ioloop import IOLoop

LONG = datetime.timedelta(hours=1)  # a timeout that must not be reached

variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)


def succeeded(value: Any = None) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_result(value)
    return future


def failed(error: BaseException) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_exception(error)
    return future


def pending() -> Future[Any]:
    return Future()


def cancelled() -> Future[Any]:
    future: Future[Any] = Future()
    future.cancel()
    return future


async def turns(count: int = 3) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def native(value: Any = None) -> Any:
    await asyncio.sleep(0)
    return value


@gen.coroutine
def passing(awaited: Any) -> Any:
    """Yield what it is given, and return what comes of it."""
    return (yield awaited)


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def messages(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, object]]:
    found: list[tuple[str, str, object]] = [
        (record.name, record.getMessage().partition("<")[0], record.exc_info and record.exc_info[0])
        for record in caplog.records
    ]
    caplog.clear()
    return found


def test_public_names() -> None:
    assert all(hasattr(gen, name) for name in gen.__all__)
    assert gen.Multi is gen.multi
    assert gen.TimeoutError is asyncio.TimeoutError
    for error in ("KeyReuseError", "UnknownKeyError", "LeakedCallbackError", "BadYieldError"):
        assert issubclass(getattr(gen, error), Exception)
    assert gen.BadYieldError.__module__ == "tornadic.gen"


class TestDecorator:
    def test_marks_and_names_the_function(self) -> None:
        def original(x: int) -> Any:
            """What it does."""
            yield x

        decorated: Any = gen.coroutine(original)
        assert gen.is_coroutine_function(decorated)
        assert decorated.__name__ == "original"
        assert decorated.__doc__ == "What it does."
        assert decorated.__wrapped__ is original
        for other in (original, native, 3, None):
            assert not gen.is_coroutine_function(other)

    def test_is_a_method_too(self) -> None:
        class Thing:
            factor = 3

            @gen.coroutine
            def times(self, x: int, *, plus: int = 0) -> Any:
                yield None
                return self.factor * x + plus

        async def main() -> None:
            assert await Thing().times(2, plus=1) == 7

        asyncio.run(main())

    def test_without_yield(self) -> None:
        @gen.coroutine
        def plain(x: Any) -> Any:
            return x

        async def main() -> None:
            for value in (5, None, "text", pending()):
                future = plain(value)
                assert type(future) is Future
                assert future.result() is value
            coroutine = native()
            assert plain(coroutine).result() is coroutine  # not awaited: only yields are
            await coroutine

        asyncio.run(main())

    def test_function_that_returns_a_generator(self) -> None:
        def body() -> Any:
            x = yield succeeded(1)
            y = yield pending_later()
            return x + y

        def pending_later() -> Future[Any]:
            future = pending()
            asyncio.get_running_loop().call_soon(future.set_result, 2)
            return future

        async def main() -> None:
            assert await gen.coroutine(lambda: body())() == 3

        asyncio.run(main())

    def test_runs_at_once_until_it_waits(self) -> None:
        steps: list[int] = []

        @gen.coroutine
        def stepping(awaited: Future[Any]) -> Any:
            steps.append(1)
            yield succeeded()
            steps.append(2)
            yield [succeeded(), succeeded()]
            steps.append(3)
            yield awaited
            steps.append(4)

        async def main() -> None:
            awaited = pending()
            future = stepping(awaited)
            assert steps == [1, 2, 3]
            awaited.set_result(None)
            await asyncio.sleep(0)
            assert steps == [1, 2, 3, 4]
            assert future.done()

        asyncio.run(main())

    def test_never_waiting_costs_one_future(self, monkeypatch: pytest.MonkeyPatch) -> None:
        made: list[Future[Any]] = []

        def counting() -> Future[Any]:
            made.append(asyncio.get_running_loop().create_future())
            return made[-1]

        @gen.coroutine
        def generator() -> Any:
            return 1
            yield

        @gen.coroutine
        def failing() -> Any:
            raise ValueError
            yield

        @gen.coroutine
        def plain() -> int:
            return 1

        async def main() -> None:
            with monkeypatch.context() as patch:
                patch.setattr(gen, "Future", counting)
                for function in (generator, failing, plain):
                    made.clear()
                    future = function()
                    assert made == [future]
                    assert future.done()
                    future.exception()

        asyncio.run(main())

    def test_native_and_decorated_call_one_another(self) -> None:
        @gen.coroutine
        def decorated(x: int) -> Any:
            y = yield outer_native(x)
            (z,) = yield [native(y)]
            return z

        async def outer_native(x: int) -> Any:
            return await passing(succeeded(x + 1))

        async def main() -> None:
            assert await decorated(1) == 2

        asyncio.run(main())

    def test_concurrent_future(self) -> None:
        threads: list[int] = []

        @gen.coroutine
        def waiting(future: Any) -> Any:
            value = yield future
            threads.append(threading.get_ident())
            return value, variable.get()

        async def main() -> None:
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                go = threading.Event()
                variable.set(3)
                future = waiting(pool.submit(go.wait, 30))
                variable.set(4)
                go.set()
                assert await future == (True, 3)
                done = pool.submit(int, "1")
                concurrent.futures.wait([done])
                assert waiting(done).result() == (1, 4)

        asyncio.run(main())
        assert set(threads) == {threading.get_ident()}

    def test_yielding_nothing_waits_for_a_turn(self) -> None:
        async def main() -> None:
            for nothing in (None, gen.moment):
                seen: list[str] = []
                asyncio.get_running_loop().call_soon(seen.append, "other")
                future = passing(nothing)
                assert not future.done()
                await asyncio.sleep(0)
                assert future.done() and future.result() is None
                assert seen == ["other"]

        asyncio.run(main())

    def test_many_ready_yields_do_not_recurse(self) -> None:
        @gen.coroutine
        def long() -> Any:
            total = 0
            for _ in range(5000):
                total += yield succeeded(1)
            return total

        async def main() -> None:
            assert long().result() == 5000

        asyncio.run(main())

    @pytest.mark.parametrize("bad", [1, "text", (), {1}, b"", object])
    def test_bad_yield_is_raised_in_the_generator(self, bad: Any) -> None:
        @gen.coroutine
        def yielding() -> Any:
            with pytest.raises(gen.BadYieldError) as caught:
                yield bad
            assert str(caught.value) == f"yielded unknown object {bad!r}"
            return "went on"

        async def main() -> None:
            assert await yielding() == "went on"

        asyncio.run(main())

    def test_bad_yield_in_a_list(self) -> None:
        async def main() -> None:
            with pytest.raises(gen.BadYieldError):
                await passing([succeeded(), 3])

        asyncio.run(main())


class TestReturn:
    def test_value(self) -> None:
        assert gen.Return(4).value == 4
        assert gen.Return().value is None
        assert gen.Return(4).args == (4,)

    def test_raised_anywhere(self) -> None:
        def plain() -> Any:
            raise gen.Return("plain")

        def at_once() -> Any:
            raise gen.Return("at once")
            yield

        def later() -> Any:
            yield None
            raise gen.Return("later")

        async def main() -> None:
            for function, value in ((plain, "plain"), (at_once, "at once"), (later, "later")):
                assert await gen.coroutine(function)() == value

        asyncio.run(main())

    def test_stop_iteration(self) -> None:
        def plain() -> Any:
            raise StopIteration("value")

        def generator() -> Any:
            yield None
            raise StopIteration("value")

        async def main() -> None:
            assert await gen.coroutine(plain)() == "value"
            with pytest.raises(RuntimeError, match="generator raised StopIteration"):
                await gen.coroutine(generator)()

        asyncio.run(main())


class TestExceptions:
    @staticmethod
    def raising(error: BaseException) -> list[Callable[[], Future[Any]]]:
        """Return coroutines that raise ``error`` without yield, before and after they wait."""

        def plain() -> Any:
            raise error

        def at_once() -> Any:
            raise error
            yield

        def later() -> Any:
            yield None
            raise error

        return [gen.coroutine(plain), gen.coroutine(at_once), gen.coroutine(later)]

    def test_goes_into_the_future(self) -> None:
        async def main() -> None:
            error = ValueError("x")
            for function in self.raising(error):
                with pytest.raises(ValueError) as caught:
                    await function()
                assert caught.value is error

        asyncio.run(main())

    def test_wrong_arguments_too(self) -> None:
        async def main() -> None:
            untyped: Any = passing
            with pytest.raises(TypeError, match="argument"):
                await untyped()

        asyncio.run(main())

    def test_cancellation_cancels_the_future(self) -> None:
        async def main() -> None:
            for function in self.raising(asyncio.CancelledError()):
                future = function()
                await turns()
                assert future.cancelled()
            for future in (passing(cancelled()), passing([cancelled()])):
                await turns()
                assert future.cancelled()

        asyncio.run(main())

    @pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
    def test_severe_ones_are_raised_in_the_caller(self, kind: type[BaseException]) -> None:
        async def main() -> None:
            for function in self.raising(kind())[:2]:
                with pytest.raises(kind):
                    function()

        asyncio.run(main())

    def test_severe_ones_come_out_of_the_loop_later(self) -> None:
        loop: IOLoop = IOLoop(make_current=False)
        futures: list[Future[Any]] = []
        function = self.raising(SystemExit(3))[2]
        loop.add_callback(lambda: futures.append(function()))
        with pytest.raises(SystemExit):
            loop.start()
        assert isinstance(futures[0].exception(), SystemExit)
        loop.close()

    def test_raised_in_the_generator_and_caught(self) -> None:
        @gen.coroutine
        def catching() -> Any:
            seen: list[type[BaseException]] = []
            for awaited in (failed(KeyError()), native_failing(), [succeeded(), failed(OSError())]):
                try:
                    yield awaited
                except Exception as error:
                    seen.append(type(error))
            try:
                yield cancelled()
            except asyncio.CancelledError as error:
                seen.append(type(error))
            return seen

        async def native_failing() -> None:
            raise LookupError

        async def main() -> None:
            assert await catching() == [KeyError, LookupError, OSError, asyncio.CancelledError]

        asyncio.run(main())

    def test_the_next_one_has_no_context_of_the_last(self) -> None:
        @gen.coroutine
        def catching() -> Any:
            for number in (1, 2):
                try:
                    yield inner(number)
                except ValueError as error:
                    assert error.args == (number,)
                    assert error.__context__ is None

        @gen.coroutine
        def inner(number: int) -> None:
            raise ValueError(number)

        async def main() -> None:
            await catching()

        asyncio.run(main())

    def test_traceback_shows_the_users_lines(self) -> None:
        @gen.coroutine
        def outermost() -> Any:
            yield innermost()

        @gen.coroutine
        def innermost() -> Any:
            yield None
            raise ValueError

        async def main() -> None:
            with pytest.raises(ValueError) as caught:
                await outermost()
            names = [entry.name for entry in caught.traceback]
            assert names.index("outermost") < names.index("innermost")

        asyncio.run(main())

    def test_nobody_looks(self, caplog: pytest.LogCaptureFixture) -> None:
        async def main() -> None:
            for function in self.raising(ValueError()):
                function()
                await turns()

        with no_garbage_collection():
            asyncio.run(main())
        gc.collect()
        assert (
            messages(caplog)
            == [("asyncio", "Future exception was never retrieved\nfuture: ", ValueError)] * 3
        )


class TestCancelling:
    def test_the_coroutine_goes_on(self, caplog: pytest.LogCaptureFixture) -> None:
        seen: list[object] = []

        @gen.coroutine
        def going_on(awaited: Future[Any], error: Exception | None) -> Any:
            seen.append((yield awaited))
            if error is not None:
                raise error
            return "dropped"

        async def main() -> None:
            for error in (None, ValueError()):
                awaited = pending()
                future = going_on(awaited, error)
                future.cancel()
                await turns()
                assert not awaited.done()
                awaited.set_result(5)
                await turns()
                assert future.cancelled()

        asyncio.run(main())
        assert seen == [5, 5]
        assert messages(caplog) == [
            ("tornado.application", "Exception after Future was cancelled", ValueError)
        ]

    def test_of_the_task_that_awaits_it(self) -> None:
        async def main() -> None:
            awaited = pending()
            task = asyncio.ensure_future(passing(awaited))
            await turns()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert not awaited.done()
            awaited.set_result(None)
            await turns()

        asyncio.run(main())

    def test_asyncio_timeout_around_it(self) -> None:
        async def main() -> None:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await passing(pending())

        asyncio.run(main())


class TestContext:
    def test_changes_stay_inside(self) -> None:
        seen: list[int] = []

        @gen.coroutine
        def plain() -> None:
            variable.set(1)

        @gen.coroutine
        def generator() -> Any:
            variable.set(2)
            yield succeeded()
            seen.append(variable.get())
            variable.set(3)
            yield None
            seen.append(variable.get())
            variable.set(4)
            yield inner()
            seen.append(variable.get())
            seen.append((yield native_inner()))
            seen.extend((yield [native_inner()]))

        @gen.coroutine
        def inner() -> Any:
            seen.append(variable.get())
            variable.set(50)
            yield None

        async def native_inner() -> int:
            return variable.get()

        async def main() -> None:
            variable.set(9)
            await plain()
            assert variable.get() == 9
            future = generator()
            assert variable.get() == 9
            variable.set(10)
            await future
            assert variable.get() == 10

        asyncio.run(main())
        assert seen == [2, 3, 4, 4, 4, 4]

    def test_each_call_has_its_own(self) -> None:
        @gen.coroutine
        def setting(value: int) -> Any:
            variable.set(value)
            yield None
            return variable.get()

        async def main() -> None:
            assert await gen.multi([setting(value) for value in range(5)]) == list(range(5))

        asyncio.run(main())


class Held:
    """Something that a frame holds, and whose end can be watched."""

    def describe(self) -> str:
        return "held"


class TestMemory:
    def test_all_is_freed_with_the_outcome(self) -> None:
        def returning(held: Held) -> Any:
            yield None

        def raising(held: Held) -> Any:
            yield None
            raise ValueError

        def raising_at_once(held: Held) -> Any:
            raise ValueError
            yield

        def raising_plainly(held: Held) -> Any:
            raise ValueError

        def raising_after_ready(held: Held) -> Any:
            yield succeeded()
            raise ValueError

        def yielding_badly(held: Held) -> Any:
            yield 3

        def yielding_failures(held: Held) -> Any:
            yield [gen.coroutine(raising_at_once)(held)]

        def cancelling(held: Held) -> Any:
            yield None
            raise asyncio.CancelledError

        def nesting(held: Held) -> Any:
            try:
                yield gen.coroutine(raising)(held)
            except ValueError:
                yield None

        def nesting_at_once(held: Held) -> Any:
            try:
                yield gen.coroutine(raising_after_ready)(held)
            except ValueError:
                yield None

        def timing_out(held: Held) -> Any:
            yield gen.with_timeout(LONG, gen.coroutine(raising)(held))

        async def check(function: Callable[[Held], Any]) -> None:
            held = Held()
            reference = weakref.ref(held)
            try:
                await gen.coroutine(function)(held)
            except (ValueError, gen.BadYieldError, asyncio.CancelledError):
                pass
            del held
            await turns()
            assert reference() is None, function.__name__

        async def main() -> None:
            for function in (
                returning,
                raising,
                raising_at_once,
                raising_plainly,
                raising_after_ready,
                yielding_badly,
                yielding_failures,
                cancelling,
                nesting,
                nesting_at_once,
                timing_out,
            ):
                await check(function)

        with no_garbage_collection():
            asyncio.run(main())

    def test_freed_with_run_sync(self) -> None:
        references: list[weakref.ref[Held]] = []

        @gen.coroutine
        def inner() -> Any:
            held = Held()
            references.append(weakref.ref(held))
            yield succeeded()
            raise ValueError

        @gen.coroutine
        def outer() -> Any:
            with pytest.raises(ValueError):
                yield inner()

        loop: IOLoop = IOLoop(make_current=False)
        with no_garbage_collection():
            with pytest.raises(ValueError):
                loop.run_sync(inner)
            loop.run_sync(outer)
            # The exception may pass through `pytest.raises`, whose own frames take a collection.
            gc.collect()
            assert [reference() for reference in references] == [None, None]
        loop.close()

    @pytest.mark.parametrize(
        "wrap", ["none", "decorated", "multi", "with_timeout", "wait_iterator"]
    )
    def test_result_future_keeps_the_coroutine_alive(self, wrap: str) -> None:
        waiting: list[weakref.ref[Future[Any]]] = []

        @gen.coroutine
        def innermost() -> Any:
            future = pending()
            waiting.append(weakref.ref(future))
            return (yield future)

        async def main() -> None:
            iterator = WaitIterator(innermost()) if wrap == "wait_iterator" else None
            future: Future[Any]
            if iterator is not None:
                future = iterator.next()
            elif wrap == "multi":
                future = gen.multi([innermost()])
            elif wrap == "with_timeout":
                future = gen.with_timeout(LONG, innermost())
            else:
                future = passing(innermost()) if wrap == "decorated" else innermost()
            gc.collect()
            found = waiting[0]()
            assert found is not None
            found.set_result("alive")
            assert await future in ("alive", ["alive"])

        asyncio.run(main())

    def test_abandoned_coroutine_is_closed(self) -> None:
        ended: list[str] = []

        @gen.coroutine
        def abandoned() -> Any:
            try:
                yield pending()
            finally:
                ended.append("closed")

        async def main() -> None:
            future = abandoned()
            gc.collect()
            assert not ended
            del future
            gc.collect()
            assert ended == ["closed"]

        asyncio.run(main())

    def test_native_coroutine_that_nobody_holds(self) -> None:
        seen: list[str] = []

        async def lonely() -> None:
            await asyncio.sleep(0)
            seen.append("ran")

        async def main() -> None:
            gen.convert_yielded(lonely())
            gc.collect()
            await turns()
            assert seen == ["ran"]

        asyncio.run(main())


def test_debug_mode_names_the_line_of_the_caller() -> None:
    async def main() -> None:
        asyncio.get_running_loop().set_debug(True)
        awaited = pending()
        future = passing(awaited)
        assert f"created at {__file__}" in repr(future)
        awaited.set_result(None)
        await future

    asyncio.run(main())


class TestRunner:
    def test_drives_any_generator(self) -> None:
        def body(values: list[Any]) -> Generator[Any, Any, str]:
            values.append((yield succeeded("first")))
            values.append((yield None))
            return "returned"

        async def main() -> None:
            values: list[Any] = []
            generator = body(values)
            result = pending()
            gen.Runner(contextvars.copy_context().run, generator, result, next(generator))
            assert await result == "returned"
            assert values == ["first", None]

        asyncio.run(main())

    def test_without_a_context(self) -> None:
        def body() -> Generator[Any, Any, None]:
            yield None
            raise gen.Return("returned")

        async def main() -> None:
            generator = body()
            result = pending()
            gen.Runner(lambda function, *args: function(*args), generator, result, next(generator))
            assert await result == "returned"

        asyncio.run(main())


class TestConvertYielded:
    def test_kinds(self) -> None:
        class Custom:
            def __await__(self) -> Generator[Any, Any, str]:
                yield from asyncio.sleep(0).__await__()
                return "custom"

        @types.coroutine
        def legacy() -> Generator[Any, Any, str]:
            yield
            return "legacy"

        async def main() -> None:
            future = pending()
            other: Any = concurrent.futures.Future()
            assert gen.convert_yielded(future) is future
            assert gen.convert_yielded(other) is other
            assert gen.convert_yielded(None) is gen.moment
            assert gen.convert_yielded(gen.moment) is gen.moment
            assert gen.convert_yielded([]).result() == []
            assert gen.convert_yielded({"a": None}).result() == {"a": None}
            assert await gen.convert_yielded(native(1)) == 1
            assert await gen.convert_yielded(Custom()) == "custom"
            assert await gen.convert_yielded(legacy()) == "legacy"
            assert await passing(Custom()) == "custom"
            assert await passing(legacy()) == "legacy"
            for bad in (1, (), "text", iter("")):
                with pytest.raises(gen.BadYieldError, match="yielded unknown object"):
                    gen.convert_yielded(bad)

        asyncio.run(main())

    def test_other_types_can_be_registered(self) -> None:
        class Box:
            def __init__(self, value: Any) -> None:
                self.value = value

        class Broken:
            pass

        @gen.convert_yielded.register(Box)
        def _(box: Box) -> Future[Any]:
            return succeeded(box.value)

        @gen.convert_yielded.register(Broken)
        def _(broken: Broken) -> Future[Any]:
            raise LookupError("conversion")

        async def main() -> None:
            assert await passing(Box(3)) == 3
            assert await gen.multi([Box(4), Box(5)]) == [4, 5]
            assert await gen.with_timeout(LONG, Box(6)) == 6
            with pytest.raises(LookupError, match="conversion"):
                await passing(Broken())

        asyncio.run(main())

    def test_maybe_future(self) -> None:
        async def main() -> None:
            future = pending()
            other: Any = concurrent.futures.Future()
            assert gen.maybe_future(future) is future
            assert gen.maybe_future(other) is other
            assert gen.maybe_future(3).result() == 3
            assert gen.maybe_future([future]).result() == [future]

        asyncio.run(main())


class TestMulti:
    def test_lists_and_dicts(self) -> None:
        async def main() -> None:
            assert gen.multi([]).result() == []
            assert gen.multi({}).result() == {}
            assert gen.multi([succeeded(1), None]).result() == [1, None]
            assert gen.multi(types.MappingProxyType({"a": succeeded(1)})).result() == {"a": 1}
            assert await gen.multi_future([native(1), passing(native(2))]) == [1, 2]
            assert await gen.multi({"a": native(1), "b": [native(2)]}) == {"a": 1, "b": [2]}
            mixed = (native(n) if n % 2 else succeeded(n) for n in range(4))
            assert await gen.multi(mixed) == [0, 1, 2, 3]
            assert await passing({"x": [native(1)], "y": {"z": native(2)}}) == {
                "x": [1],
                "y": {"z": 2},
            }

        asyncio.run(main())

    def test_order_is_that_of_the_children(self) -> None:
        async def main() -> None:
            first, second = pending(), pending()
            both = gen.multi([first, second, first])
            second.set_result(2)
            await turns()
            assert not both.done()
            first.set_result(1)
            assert await both == [1, 2, 1]

        asyncio.run(main())

    def test_from_another_thread(self) -> None:
        async def main() -> None:
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                both = gen.multi([pool.submit(time.sleep, 0.001), pool.submit(int, "2")])
                where: list[int] = []
                both.add_done_callback(lambda _: where.append(threading.get_ident()))
                assert await both == [None, 2]
                await turns()
                assert where == [threading.get_ident()]

        asyncio.run(main())

    def test_not_iterable_or_not_yieldable(self) -> None:
        async def main() -> None:
            bad: Any
            for bad in (None, 3):
                with pytest.raises(TypeError):
                    gen.multi(bad)
            with pytest.raises(gen.BadYieldError):
                gen.multi([3])

        asyncio.run(main())

    def test_first_exception_in_order_others_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        async def main() -> None:
            children = [pending(), pending(), pending()]
            all_of_them = gen.multi(children)
            children[2].set_exception(OSError())
            await turns()
            assert not all_of_them.done()  # waits for the rest
            children[0].set_exception(KeyError())
            children[1].set_result(1)
            with pytest.raises(KeyError):
                await all_of_them

        asyncio.run(main())
        assert messages(caplog) == [
            ("tornado.application", "Multiple exceptions in yield list", OSError)
        ]

    @pytest.mark.parametrize(
        ("quiet", "logged"),
        [
            ((), [KeyError, OSError]),
            (KeyError, [OSError]),
            ((KeyError, OSError), []),
            ([LookupError, EnvironmentError], []),
        ],
    )
    def test_quiet_exceptions(
        self, quiet: Any, logged: list[type], caplog: pytest.LogCaptureFixture
    ) -> None:
        async def main() -> None:
            children = [failed(ValueError()), failed(KeyError()), failed(OSError()), cancelled()]
            with pytest.raises(ValueError):
                await gen.multi(children, quiet_exceptions=quiet)

        asyncio.run(main())
        assert [kind for _, _, kind in messages(caplog)] == logged

    def test_cancelled_child(self, caplog: pytest.LogCaptureFixture) -> None:
        async def main() -> None:
            future = gen.multi([cancelled(), succeeded()])
            with pytest.raises(asyncio.CancelledError):
                await future
            child = pending()
            future = gen.multi([child])
            child.cancel()
            with pytest.raises(asyncio.CancelledError):
                await future
            assert not future.cancelled()

        asyncio.run(main())
        assert not caplog.records

    def test_cancelling_it_leaves_the_children(self, caplog: pytest.LogCaptureFixture) -> None:
        async def main() -> None:
            children = [pending(), pending()]
            future = gen.multi(children)
            future.cancel()
            await turns()
            assert not children[0].done()
            children[0].set_result(1)
            children[1].set_exception(ValueError())
            await turns()

        asyncio.run(main())
        # Nobody else will see it.
        assert [kind for _, _, kind in messages(caplog)] == [ValueError]


class TestWithTimeout:
    def test_in_time(self) -> None:
        async def main() -> None:
            for deadline in (LONG, time.time() + 3600):
                for awaited, value in (
                    (native(1), 1),
                    (succeeded(2), 2),
                    (passing(native(3)), 3),
                    ([native(4)], [4]),
                    (None, None),
                ):
                    assert await gen.with_timeout(deadline, awaited) == value
            with pytest.raises(KeyError):
                await gen.with_timeout(LONG, passing(failed(KeyError())))
            with pytest.raises(asyncio.CancelledError):
                await gen.with_timeout(LONG, cancelled())

        asyncio.run(main())

    def test_what_is_done_wins_over_a_past_deadline(self) -> None:
        async def main() -> None:
            assert gen.with_timeout(0, succeeded(1)).result() == 1
            with pytest.raises(TimeoutError):
                await gen.with_timeout(0, pending())

        asyncio.run(main())

    def test_in_time_from_another_thread(self) -> None:
        async def main() -> None:
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                assert await gen.with_timeout(LONG, pool.submit(int, "3")) == 3

        asyncio.run(main())

    @pytest.mark.parametrize(
        ("message", "text"), [(None, "Timeout"), ("too late", "too late"), (lambda: "made", "made")]
    )
    def test_too_late(self, message: Any, text: str) -> None:
        async def main() -> None:
            awaited = pending()
            with pytest.raises(gen.TimeoutError) as caught:
                await gen.with_timeout(datetime.timedelta(0), awaited, message=message)
            assert str(caught.value) == text
            assert not awaited.done()
            later = gen.with_timeout(LONG, awaited)
            awaited.set_result("after all")
            assert await later == "after all"

        asyncio.run(main())

    def test_message_is_made_only_when_needed(self) -> None:
        def message() -> str:
            raise LookupError("message")

        async def main() -> None:
            assert await gen.with_timeout(LONG, native(1), message=message) == 1
            with pytest.raises(LookupError, match="message"):
                await gen.with_timeout(0, pending(), message=message)

        asyncio.run(main())

    @pytest.mark.parametrize(
        ("quiet", "logged"),
        [((), True), (ValueError, False), ((OSError, ValueError), False), ([OSError], True)],
    )
    def test_failure_after_the_timeout(
        self, quiet: Any, logged: bool, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def main() -> None:
            awaited = pending()
            with pytest.raises(TimeoutError):
                await gen.with_timeout(0, awaited, quiet_exceptions=quiet)
            awaited.set_exception(ValueError())
            await turns()

        asyncio.run(main())
        expected = ("tornado.application", "Exception in Future ", ValueError)
        assert messages(caplog) == ([expected] if logged else [])

    def test_cancellation_after_the_timeout_is_quiet(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def main() -> None:
            awaited = pending()
            with pytest.raises(TimeoutError):
                await gen.with_timeout(0, awaited)
            awaited.cancel()
            await turns()

        asyncio.run(main())
        assert not caplog.records

    @pytest.mark.parametrize("end", ["result", "cancel"])
    def test_leaves_no_timer_behind(self, end: str) -> None:
        async def main() -> None:
            held = Held()
            reference = weakref.ref(held)
            awaited = pending()
            future = gen.with_timeout(LONG, awaited, message=held.describe)
            if end == "result":
                awaited.set_result(None)
            else:
                future.cancel()
            await turns()
            del held, future, awaited
            gc.collect()
            # asyncio drops cancelled timers from its heap when there are many of them; until then
            # it keeps the empty handle, not what it refers to.
            assert reference() is None

        asyncio.run(main())

    def test_misuse(self) -> None:
        async def main() -> None:
            bad: Any = 3
            with pytest.raises(gen.BadYieldError):
                gen.with_timeout(LONG, bad)
            deadline: Any = "soon"
            with pytest.raises(TypeError, match="Unsupported deadline"):
                gen.with_timeout(deadline, pending())

        asyncio.run(main())


class TestSleep:
    def test_sleeps(self) -> None:
        async def main() -> None:
            before = time.monotonic()
            await gen.sleep(0.02)
            assert time.monotonic() - before >= 0.015
            await gen.sleep(0)
            await gen.sleep(-1)
            await passing(gen.sleep(0))

        asyncio.run(main())

    def test_cancelled(self) -> None:
        async def main() -> None:
            future = gen.sleep(3600)
            reference = weakref.ref(future)
            future.cancel()
            await turns()
            del future
            gc.collect()
            assert reference() is None

        asyncio.run(main())

    def test_not_a_number(self) -> None:
        async def main() -> None:
            duration: Any = "1"
            with pytest.raises(TypeError):
                gen.sleep(duration)

        asyncio.run(main())


class TestWaitIterator:
    def test_as_they_finish(self) -> None:
        async def main() -> None:
            first, second = pending(), pending()
            iterator = WaitIterator(first, second)
            assert not iterator.done()
            assert iterator.current_index is None and iterator.current_future is None
            following = iterator.next()
            assert following is not first
            second.set_result("b")
            assert await following == "b"
            assert iterator.current_index == 1
            assert iterator.current_future is second
            first.set_exception(KeyError())
            await turns()
            assert not iterator.done()
            with pytest.raises(KeyError):
                await iterator.next()
            assert iterator.current_index == 0
            assert iterator.done()
            assert iterator.current_index is None and iterator.current_future is None

        asyncio.run(main())

    def test_keywords(self) -> None:
        async def main() -> None:
            iterator = WaitIterator(a=succeeded(1), b=succeeded(2))
            seen = {}
            while not iterator.done():
                value = await iterator.next()
                seen[iterator.current_index] = value
            assert seen == {"a": 1, "b": 2}

        asyncio.run(main())

    def test_both_kinds_of_arguments(self) -> None:
        async def main() -> None:
            with pytest.raises(ValueError, match="args or kwargs"):
                WaitIterator(succeeded(), a=succeeded())

        asyncio.run(main())

    def test_async_for(self) -> None:
        async def main() -> None:
            late = passing(None)
            iterator = WaitIterator(late, succeeded("early"), native("native"))
            assert isinstance(iterator, AsyncIterator)
            assert {value async for value in iterator} == {None, "early", "native"}
            assert [value async for value in iterator] == []
            assert [value async for value in WaitIterator()] == []
            with pytest.raises(KeyError):
                async for _ in WaitIterator(failed(KeyError())):
                    pass

        asyncio.run(main())

    def test_in_a_decorated_coroutine(self) -> None:
        @gen.coroutine
        def collecting() -> Any:
            iterator = WaitIterator(native(1), passing(native(2)))
            values = []
            while not iterator.done():
                values.append((yield iterator.next()))
            return sorted(values)

        async def main() -> None:
            assert await collecting() == [1, 2]

        asyncio.run(main())

    def test_same_future_twice(self) -> None:
        async def main() -> None:
            future = pending()
            iterator = WaitIterator(future, future)
            future.set_result(1)
            seen = []
            while not iterator.done():
                await iterator.next()
                seen.append(iterator.current_index)
            assert seen == [0, 1]

        asyncio.run(main())

    def test_cancelled_next_loses_nothing(self) -> None:
        async def main() -> None:
            future = pending()
            iterator = WaitIterator(future)
            iterator.next().cancel()
            future.set_result(1)
            await turns()
            assert not iterator.done()
            assert await iterator.next() == 1

        asyncio.run(main())

    def test_cancelled_child(self) -> None:
        async def main() -> None:
            iterator = WaitIterator(cancelled())
            with pytest.raises(asyncio.CancelledError):
                await iterator.next()
            assert iterator.done()

        asyncio.run(main())

    def test_concurrent_futures(self) -> None:
        async def main() -> None:
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                go = threading.Event()
                submitted: Any = pool.submit(go.wait, 30)
                iterator = WaitIterator(submitted)
                following = iterator.next()
                go.set()
                assert await following is True
                assert iterator.current_future is submitted

        asyncio.run(main())

    def test_beyond_the_end(self) -> None:
        async def main() -> None:
            iterator = WaitIterator()
            assert iterator.done()
            assert not iterator.next().done()
            with pytest.raises(gen.BadYieldError):
                WaitIterator(3)

        asyncio.run(main())


def test_works_inside_an_async_context_manager() -> None:
    @asynccontextmanager
    async def managed() -> AsyncIterator[int]:
        yield await passing(native(1))

    @gen.coroutine
    def decorated() -> Any:
        async def use() -> int:
            async with managed() as value:
                return value

        return (yield use())

    async def main() -> None:
        assert await decorated() == 1

    asyncio.run(main())
