"""``gen.engine``, ``Task``, ``Callback`` and ``Wait``, under either decorator."""

from __future__ import annotations

import asyncio
import functools
import gc
import logging
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from tests.compat.legacy.looping import PATIENCE, run, until

from tornadic import gen
from tornadic.compat.legacy.contexts import ExceptionStackContext
from tornadic.gen import BadYieldError, KeyReuseError, LeakedCallbackError, UnknownKeyError
from tornadic.ioloop import IOLoop

# What warns is seen to in `test_each_name_warns`.
pytestmark = pytest.mark.filterwarnings("ignore:.*was removed from Tornado:DeprecationWarning")


def run_coroutine(function: Callable[[], Any]) -> Any:
    """Run a generator function under ``gen.coroutine``."""
    return run(gen.coroutine(function))


def later(*args: Any, callback: Callable[..., Any], **kwargs: Any) -> None:
    IOLoop.current().add_callback(callback, *args, **kwargs)


def never(callback: Callable[..., Any]) -> None:
    """Call back never."""


@gen.coroutine
def answer(value: Any) -> Any:
    yield gen.moment
    return value


async def native_answer(value: Any) -> Any:
    await asyncio.sleep(0)
    return value


def test_each_name_warns() -> None:
    for name in ("engine", "Task", "Callback", "Wait", "WaitAll", "YieldPoint", "Arguments"):
        with pytest.warns(DeprecationWarning, match=rf"tornado\.gen\.{name} was removed") as seen:
            getattr(gen, name)
        assert seen[0].filename == __file__


def test_other_names_are_not_there() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = gen.nothing


# Task


def test_task() -> None:
    def body() -> Any:
        value = yield gen.Task(later, 5)
        assert value == 5
        return (yield gen.Task(later))

    assert run_coroutine(body) is None


def test_task_with_several_results() -> None:
    def body() -> Any:
        return (yield gen.Task(later, 1, 2))

    result = run_coroutine(body)
    assert result == gen.Arguments((1, 2), {})
    assert (result.args, result.kwargs) == ((1, 2), {})


def test_task_with_keywords() -> None:
    def call(callback: Any) -> None:
        callback(1, extra=2)

    def body() -> Any:
        return (yield gen.Task(call))

    assert run_coroutine(body) == gen.Arguments((1,), {"extra": 2})


@pytest.mark.parametrize(
    "function",
    [
        answer,
        native_answer,
        functools.partial(answer),
        functools.partial(native_answer),
    ],
)
def test_task_of_a_coroutine_function(function: Any) -> None:
    def body() -> Any:
        return (yield gen.Task(function, 7))

    assert run_coroutine(body) == 7


def test_task_of_a_coroutine_function_that_fails() -> None:
    @gen.coroutine
    def fails() -> Any:
        yield gen.moment
        raise KeyError("no")

    def body() -> Any:
        with pytest.raises(KeyError):
            yield gen.Task(fails)
        return "caught"

    assert run_coroutine(body) == "caught"


def test_task_of_a_method_with_callback() -> None:
    class Client:
        @gen.coroutine
        def fetch(self, value: Any, callback: Any = None) -> Any:
            yield gen.moment
            if callback:
                callback(value)

    def body() -> Any:
        return (yield gen.Task(Client().fetch, 8))

    assert run_coroutine(body) == 8


def test_task_of_the_loop() -> None:
    def body() -> Any:
        loop = IOLoop.current()
        yield gen.Task(loop.add_timeout, loop.time() + 0.001)
        yield gen.Task(loop.add_callback)
        return "over"

    assert run_coroutine(body) == "over"


def test_tasks_in_a_list_and_a_dict() -> None:
    def body() -> Any:
        both = yield [gen.Task(later, 1), gen.Task(answer, 2)]
        named = yield {"a": gen.Task(later, 3), "b": answer(4)}
        return both, named

    assert run_coroutine(body) == ([1, 2], {"a": 3, "b": 4})


def test_what_the_function_raises() -> None:
    def fails(callback: Any) -> None:
        raise ZeroDivisionError("at once")

    def body() -> Any:
        with pytest.raises(ZeroDivisionError):
            yield gen.Task(fails)
        return "caught"

    assert run_coroutine(body) == "caught"


def test_what_a_callback_of_the_function_raises() -> None:
    def fails(callback: Any) -> None:
        IOLoop.current().add_callback(lambda: 1 / 0)

    def body() -> Any:
        with pytest.raises(ZeroDivisionError):
            yield gen.Task(fails)
        return "caught"

    assert run_coroutine(body) == "caught"


def test_a_callback_that_is_called_twice() -> None:
    def twice(callback: Any) -> None:
        callback(1)
        callback(2)

    def body() -> Any:
        first = yield gen.Task(twice)
        return first, (yield gen.Task(later, 3))

    assert run_coroutine(body) == (1, 3)


def test_await_of_a_task() -> None:
    async def main() -> Any:
        return await gen.Task(later, 5)

    assert run(main) == 5


def test_a_task_that_is_never_done_can_be_timed_out() -> None:
    def body() -> Any:
        deadline = IOLoop.current().time() + 0.01
        with pytest.raises(gen.TimeoutError):
            yield gen.with_timeout(deadline, gen.Task(never))
        return "in time"

    assert run_coroutine(body) == "in time"


def test_a_coroutine_that_waits_for_ever_is_released() -> None:
    class Held:
        pass

    async def main() -> None:
        held = Held()
        reference = weakref.ref(held)

        @gen.engine
        def waits(held: Any) -> Any:
            yield gen.Task(never)

        @gen.engine
        def waits_for_key(held: Any) -> Any:
            yield gen.Callback("key")
            yield gen.Wait("key")

        waits(held)
        waits_for_key(held)
        del held
        await asyncio.sleep(0)
        gc.collect()
        assert reference() is None

    run(main)


# Callback and Wait


def test_callback_and_wait() -> None:
    def body() -> Any:
        later(4, callback=(yield gen.Callback("key")))
        return (yield gen.Wait("key"))

    assert run_coroutine(body) == 4


def test_a_result_that_is_here_already() -> None:
    def body() -> Any:
        callback = yield gen.Callback("key")
        callback(4)
        return (yield gen.Wait("key"))

    assert run_coroutine(body) == 4


def test_several_at_once() -> None:
    def body() -> Any:
        later(4, callback=(yield gen.Callback("a")))
        later(5, 6, callback=(yield gen.Callback("b")))
        together = yield gen.WaitAll(["a", "b"])
        later(7, callback=(yield gen.Callback("a")))
        later(8, callback=(yield gen.Callback(("b", 2))))
        listed = yield [gen.Wait("a"), gen.Wait(("b", 2)), answer(9)]
        later(1, callback=(yield gen.Callback(1)))
        named = yield {"one": gen.Wait(1), "two": answer(2)}
        return together, listed, named

    together, listed, named = run_coroutine(body)
    assert together == [4, gen.Arguments((5, 6), {})]
    assert listed == [7, 8, 9]
    assert named == {"one": 1, "two": 2}


def test_keys_belong_to_one_coroutine() -> None:
    def inner() -> Any:
        later("inner", callback=(yield gen.Callback("key")))
        return (yield gen.Wait("key"))

    def body() -> Any:
        later("outer", callback=(yield gen.Callback("key")))
        found = yield gen.coroutine(inner)()
        return found, (yield gen.Wait("key"))

    assert run_coroutine(body) == ("inner", "outer")


def test_a_key_twice() -> None:
    def body() -> Any:
        later(1, callback=(yield gen.Callback("key")))
        with pytest.raises(KeyReuseError, match="'key' is already pending"):
            yield gen.Callback("key")
        return (yield gen.Wait("key"))

    assert run_coroutine(body) == 1


@pytest.mark.parametrize("wait", [lambda: gen.Wait("key"), lambda: gen.WaitAll(["key"])])
def test_a_key_that_nobody_knows(wait: Callable[[], Any]) -> None:
    def body() -> Any:
        with pytest.raises(UnknownKeyError, match="'key' is not pending"):
            yield wait()
        return "told"

    assert run_coroutine(body) == "told"


def test_a_callback_that_nobody_waited_for() -> None:
    def body() -> Any:
        yield gen.Callback("key")
        yield gen.moment

    with pytest.raises(LeakedCallbackError, match="'key'"):
        run_coroutine(body)


def test_a_callback_that_nobody_waited_for_at_once() -> None:
    def body() -> Any:
        yield gen.Callback("key")
        return 5

    with pytest.raises(LeakedCallbackError, match="'key'"):
        run_coroutine(body)


def test_a_failure_is_told_rather_than_the_callbacks_left_over() -> None:
    def body() -> Any:
        yield gen.Callback("key")
        raise KeyError("the reason")

    with pytest.raises(KeyError):
        run_coroutine(body)


def test_a_callback_after_the_end() -> None:
    kept = []

    def body() -> Any:
        callback = yield gen.Callback("key")
        kept.append(callback)
        callback(1)
        return (yield gen.Wait("key"))

    assert run_coroutine(body) == 1
    kept[0](2)


def test_what_is_raised_in_what_the_coroutine_has_scheduled() -> None:
    def body() -> Any:
        callback = yield gen.Callback("key")
        IOLoop.current().add_callback(lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            yield gen.Wait("key")
        callback("after all")
        return (yield gen.Wait("key"))

    assert run_coroutine(body) == "after all"


def test_what_is_raised_while_another_thing_is_awaited() -> None:
    def body() -> Any:
        callback = yield gen.Callback("key")
        IOLoop.current().add_callback(lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            yield gen.sleep(PATIENCE * 2)
        callback(3)
        return (yield gen.Wait("key"))

    assert run_coroutine(body) == 3


def test_a_return_value_and_return() -> None:
    def body() -> Any:
        later(1, callback=(yield gen.Callback("key")))
        raise gen.Return((yield gen.Wait("key")))

    assert run_coroutine(body) == 1


def test_generators_within() -> None:
    def part(key: str) -> Any:
        later(key, callback=(yield gen.Callback(key)))
        return (yield gen.Wait(key))

    def body() -> Any:
        first = yield from part("a")
        return first + (yield from part("b"))

    assert run_coroutine(body) == "ab"


def test_yield_points_of_ones_own() -> None:
    class Pair(gen.YieldPoint):  # type: ignore[misc]
        def start(self, runner: Any) -> None:
            self.runner = runner
            later(1, callback=runner.result_callback("left"))
            later(2, callback=runner.result_callback("right"))

        def is_ready(self) -> bool:
            return bool(self.runner.is_ready("left") and self.runner.is_ready("right"))

        def get_result(self) -> Any:
            return self.runner.pop_result("left"), self.runner.pop_result("right")

    def body() -> Any:
        return (yield Pair())

    assert run_coroutine(body) == (1, 2)


def test_yield_future() -> None:
    def body() -> Any:
        done = yield gen.YieldFuture(gen.maybe_future(1))
        both = yield [gen.YieldFuture(answer(2)), gen.Task(later, 3)]
        with pytest.raises(KeyError):
            yield gen.YieldFuture(failing())
        return done, both

    @gen.coroutine
    def failing() -> Any:
        yield gen.moment
        raise KeyError("no")

    assert run_coroutine(body) == (1, [2, 3])


def test_multi_yield_point() -> None:
    def body() -> Any:
        later(1, callback=(yield gen.Callback("key")))
        both = yield gen.MultiYieldPoint([gen.Wait("key"), answer(2)])
        named = yield gen.MultiYieldPoint({"a": answer(3)})
        with pytest.raises(UnknownKeyError):
            yield gen.MultiYieldPoint([gen.Wait("nobody's")])
        return both, named

    assert run_coroutine(body) == ([1, 2], {"a": 3})


# engine


def run_engine(function: Callable[[], Any], caplog: pytest.LogCaptureFixture) -> list[str]:
    """Run a generator function under ``gen.engine`` until it has ended; return what was logged."""
    ended = []

    def watched() -> Any:
        try:
            return (yield from function())
        finally:
            ended.append(True)

    async def main() -> None:
        assert gen.engine(watched)() is None
        await until(lambda: ended)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    with caplog.at_level(logging.ERROR):
        run(main)
    return [str(record.exc_info[1]) for record in caplog.records if record.exc_info]


def test_engine(caplog: pytest.LogCaptureFixture) -> None:
    got = []

    def body() -> Any:
        got.append((yield gen.Task(later, 5)))
        later(6, callback=(yield gen.Callback("key")))
        got.append((yield gen.Wait("key")))
        got.append((yield answer(7)))

    assert run_engine(body, caplog) == []
    assert got == [5, 6, 7]


def test_engine_keeps_the_name_and_the_arguments() -> None:
    got = []

    @gen.engine
    def named(first: int, second: int = 2) -> Any:
        """What it does."""
        got.append((first, second))
        yield None

    async def main() -> None:
        named(1)
        named(1, second=3)

    run(main)
    assert got == [(1, 2), (1, 3)]
    assert (named.__name__, named.__doc__) == ("named", "What it does.")


def test_engine_of_a_plain_function() -> None:
    async def main() -> None:
        assert gen.engine(lambda: None)() is None
        with pytest.raises(gen.ReturnValueIgnoredError):
            gen.engine(lambda: 5)()

    run(main)


def test_engine_raises_in_the_caller_at_first() -> None:
    @gen.engine
    def fails() -> Any:
        raise KeyError("at once")
        yield

    async def main() -> None:
        with pytest.raises(KeyError):
            fails()

    run(main)


def test_engine_logs_what_is_raised_later(caplog: pytest.LogCaptureFixture) -> None:
    def body() -> Any:
        yield gen.moment
        raise KeyError("later")

    assert run_engine(body, caplog) == ["'later'"]


def test_engine_cannot_return_a_value(caplog: pytest.LogCaptureFixture) -> None:
    def body() -> Any:
        yield gen.moment
        return 5

    [message] = run_engine(body, caplog)
    assert "cannot return a value: 5" in message


def test_engine_tells_the_stack_contexts() -> None:
    handled = []

    def handle(kind: Any, error: Any, traceback: Any) -> bool:
        handled.append(str(error))
        return True

    @gen.engine
    def fails() -> Any:
        yield gen.Task(later)
        raise KeyError("later")

    async def main() -> None:
        with ExceptionStackContext(handle):
            fails()
        await until(lambda: handled)

    run(main)
    assert handled == ["'later'"]


def test_engine_of_a_bad_yield() -> None:
    @gen.engine
    def bad() -> Any:
        yield 5

    async def main() -> None:
        with pytest.raises(BadYieldError):
            bad()

    run(main)


# Under await


@pytest.mark.parametrize("name", ["Callback", "Wait", "WaitAll"])
def test_await_of_a_yield_point(name: str) -> None:
    async def main() -> None:
        with pytest.raises(BadYieldError, match=f"{name} works with yield"):
            await getattr(gen, name)("key")

    run(main)


def test_yield_points_outside_of_a_coroutine() -> None:
    async def main() -> None:
        with pytest.raises(BadYieldError):
            gen.convert_yielded(gen.Wait("key"))
        with pytest.raises(BadYieldError):
            gen.multi([gen.Wait("key")])

    run(main)


def test_engine_of_an_async_function() -> None:
    with pytest.raises(TypeError, match="async def"):
        gen.engine(native_answer)


def test_await_of_an_engine() -> None:
    @gen.engine
    def nothing() -> Any:
        yield gen.moment

    async def main() -> None:
        with pytest.raises(TypeError, match="await"):
            await nothing()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    run(main)


# callback= of coroutines


def test_coroutine_with_a_callback() -> None:
    got: list[Any] = []

    async def main() -> None:
        with pytest.warns(DeprecationWarning, match="callback= of a coroutine") as seen:
            future = answer(5, callback=got.append)
        assert seen[0].filename == __file__
        assert await future == 5
        await until(lambda: got)

    run(main)
    assert got == [5]


def test_function_under_coroutine_with_a_callback() -> None:
    @gen.coroutine
    def add(a: int, b: int) -> int:
        return a + b

    got: list[Any] = []

    async def main() -> None:
        add(1, b=2, callback=got.append)
        assert await add(1, 2, callback=None) == 3
        await until(lambda: got)

    run(main)
    assert got == [3]


def test_callback_that_is_the_coroutines_own() -> None:
    @gen.coroutine
    def own(callback: Any) -> Any:
        yield gen.moment
        return callback

    @gen.coroutine
    def anything(**kwargs: Any) -> Any:
        yield gen.moment
        return kwargs

    async def main() -> Any:
        return await own(callback=3), await anything(callback=4)

    assert run(main) == (3, {"callback": 4})


def test_coroutine_that_fails_calls_nobody(caplog: pytest.LogCaptureFixture) -> None:
    got: list[Any] = []

    @gen.coroutine
    def fails() -> Any:
        yield gen.moment
        raise KeyError("no")

    async def main() -> None:
        fails(callback=got.append)
        await until(lambda: caplog.records)

    run(main)
    assert got == [] and len(caplog.records) == 1
    assert "KeyError" in caplog.text


def test_a_wrong_argument_is_still_one() -> None:
    async def main() -> None:
        with pytest.raises(TypeError, match="wrong"):
            await answer(1, wrong=2)
        with pytest.raises(TypeError, match="wrong"):
            await answer(1, wrong=2, callback=print)

    run(main)
