"""Tests of tornadic.queues: what comes out, in which order, and that nothing is lost."""

from __future__ import annotations

import asyncio
import contextvars
import datetime
import gc
import random
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule
from tests.turns import (
    TurnLoop,
    Wait,
    WaitMachine,
    cancel,
    no_garbage_collection,
    started,
    timers,
    turns,
)

from tornadic import gen, queues
from tornadic._waiters import MOST_GONE
from tornadic.ioloop import IOLoop
from tornadic.queues import LifoQueue, PriorityQueue, Queue, QueueEmpty, QueueFull

HOUR = datetime.timedelta(hours=1)  # a time that must not be over
AT_ONCE = datetime.timedelta(0)

KINDS: list[type[Queue[Any]]] = [Queue, PriorityQueue, LifoQueue]
for_each_kind = pytest.mark.parametrize("kind", KINDS)

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")


class Item:
    """Something that can be referred to weakly, and compared."""

    def __lt__(self, other: Item) -> bool:
        return False


def drained(queue: Queue[Any]) -> list[Any]:
    items = []
    while not queue.empty():
        items.append(queue.get_nowait())
    return items


def waits(queue: Queue[Any]) -> tuple[int, int]:
    """How many wait to get, and to put."""
    return queue._getters.waiting(), queue._putters.waiting()


def test_public_names() -> None:
    names = ["LifoQueue", "PriorityQueue", "Queue", "QueueEmpty", "QueueFull"]
    assert sorted(queues.__all__) == names
    for error in (QueueEmpty, QueueFull):
        assert issubclass(error, Exception)
        assert error.__module__ == "tornadic.queues"


@for_each_kind
class TestWithoutWaiting:
    def test_maxsize(self, kind: type[Queue[Any]]) -> None:
        with pytest.raises(TypeError, match="can't be None"):
            kind(None)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="can't be negative"):
            kind(-1)
        for maxsize in (0, 1, 5):
            queue = kind(maxsize=maxsize)
            assert queue.maxsize == maxsize
            with pytest.raises(AttributeError):
                queue.maxsize = 7  # type: ignore[misc]

    @pytest.mark.parametrize("maxsize", [1, 2, 3])
    def test_room_for_so_many_and_no_more(self, kind: type[Queue[Any]], maxsize: int) -> None:
        queue = kind(maxsize)
        for number in range(maxsize):
            assert not queue.full()
            assert queue.empty() == (number == 0)
            assert queue.qsize() == number
            queue.put_nowait(number)
        assert queue.full()
        with pytest.raises(QueueFull):
            queue.put_nowait(0)
        assert queue.qsize() == maxsize
        assert sorted(drained(queue)) == list(range(maxsize))
        with pytest.raises(QueueEmpty):
            queue.get_nowait()

    def test_any_number(self, kind: type[Queue[Any]]) -> None:
        queue = kind()
        for number in range(10_000):
            queue.put_nowait(number)
        assert not queue.full()
        assert queue.qsize() == 10_000

    def test_order(self, kind: type[Queue[Any]]) -> None:
        queue = kind()
        numbers = random.Random(1).sample(range(100), 50)
        for number in numbers:
            queue.put_nowait(number)
        expected = {
            Queue: numbers,
            PriorityQueue: sorted(numbers),
            LifoQueue: numbers[::-1],
        }[kind]
        assert drained(queue) == expected

    def test_subscript(self, kind: type[Queue[Any]]) -> None:
        queue: Queue[int] = kind[int]()  # type: ignore[index]
        assert type(queue) is kind

    def test_repr(self, kind: type[Queue[Any]]) -> None:
        async def main() -> None:
            queue = kind(2)
            name = kind.__name__
            assert str(queue) == f"<{name} maxsize=2>"
            assert repr(queue) == f"<{name} at {hex(id(queue))} maxsize=2>"
            getters: list[Any] = [queue.get(), queue.get(HOUR)]
            assert str(queue) == f"<{name} maxsize=2 getters[2]>"
            getters[0].cancel()
            assert str(queue) == f"<{name} maxsize=2 getters[1]>"
            getters[1].cancel()
            for number in (1, 2, 3, 4):
                queue.put(number)
            items = "deque([1, 2])" if kind is Queue else "[1, 2]"
            expected = f"maxsize=2 queue={items} putters[2] tasks=2>"
            assert str(queue) == f"<{name} {expected}"
            assert repr(queue) == f"<{name} at {hex(id(queue))} {expected}"

        asyncio.run(main())


class TestPriorityQueue:
    def test_entries(self) -> None:
        queue: PriorityQueue[tuple[int, str]] = PriorityQueue()
        for entry in [(1, "medium"), (0, "high"), (10, "low")]:
            queue.put_nowait(entry)
        assert drained(queue) == [(0, "high"), (1, "medium"), (10, "low")]

    def test_put_of_what_cannot_be_compared(self) -> None:
        async def main() -> None:
            queue: PriorityQueue[Any] = PriorityQueue()
            queue.put_nowait(1)
            for put in (queue.put, queue.put_nowait):
                with pytest.raises(TypeError, match="not supported"):
                    put("one")
            assert str(queue) == "<PriorityQueue maxsize=0 queue=[1] tasks=1>"
            assert await queue.get() == 1
            queue.task_done()
            await queue.join()

        asyncio.run(main())

    def test_get_where_two_cannot_be_compared(self) -> None:
        async def main() -> None:
            queue: PriorityQueue[Any] = PriorityQueue()
            entries: list[Any] = [(0, 0), (1, {}), (1, []), (2, 0)]
            for entry in entries:
                queue.put_nowait(entry)
            for get in (queue.get, queue.get_nowait):
                with pytest.raises(TypeError, match="not supported"):
                    get()
            assert queue._queue == entries

        asyncio.run(main())

    @given(
        st.lists(st.integers(0, 5) | st.sampled_from("ab"), max_size=30),
        st.lists(st.booleans(), min_size=30, max_size=60),
    )
    def test_failing_changes_nothing(self, numbers: list[Any], operations: list[bool]) -> None:
        queue: PriorityQueue[Any] = PriorityQueue()
        # Two of them can be compared unless a text meets a number in the same place.
        entries = [(0, number) if index % 3 else (number,) for index, number in enumerate(numbers)]
        for is_put in operations:
            before = list(queue._queue)
            try:
                if is_put and entries:
                    queue.put_nowait(entries.pop())
                else:
                    queue.get_nowait()
            except TypeError:
                assert queue._queue == before
            except QueueEmpty:
                assert not before

    def test_who_waits_to_put_is_to_blame(self) -> None:
        async def main() -> None:
            queue: PriorityQueue[Any] = PriorityQueue(2)
            for item in (1, 2, "bad", 3):
                future = queue.put(item)
                if item == "bad":
                    bad = future
            assert queue.get_nowait() == 1
            with pytest.raises(TypeError, match="not supported"):
                await bad
            assert future.done()  # there was room for the next one
            assert drained(queue) == [2, 3]
            assert str(queue) == "<PriorityQueue maxsize=2 tasks=3>"

        asyncio.run(main())

    def test_the_same_order_whatever_is_given_back(self) -> None:
        async def main() -> None:
            queue: PriorityQueue[int] = PriorityQueue()
            tasks = [await started(queue.get()) for _ in range(3)]
            for number in (5, 3, 4):
                queue.put_nowait(number)
            queue.put_nowait(1)
            queue.put_nowait(9)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            assert drained(queue) == [1, 3, 4, 5, 9]

        asyncio.run(main())


@for_each_kind
class TestGet:
    def test_item_that_is_there(self, kind: type[Queue[Any]]) -> None:
        async def main() -> None:
            queue = kind()
            for timeout in (None, 0, AT_ONCE, HOUR):
                queue.put_nowait(7)
                future: Any = queue.get(timeout)
                assert isinstance(future, asyncio.Future)
                assert future.done()
                assert future.result() == await future == 7
            assert not timers()

        asyncio.run(main())

    @pytest.mark.parametrize("timeout", [None, HOUR])
    def test_waits_for_an_item(self, kind: type[Queue[Any]], timeout: Any) -> None:
        async def main() -> None:
            queue = kind(1)
            first: Any = queue.get(timeout)
            second = await started(queue.get(timeout))
            assert not first.done()
            queue.put_nowait(1)
            assert first.result() == 1
            assert queue.empty()
            await queue.put(2)
            assert await second == 2
            assert not timers()

        asyncio.run(main())

    @pytest.mark.parametrize("timeout", [0, 0.0, -1, AT_ONCE, -HOUR])
    def test_time_that_is_past(self, kind: type[Queue[Any]], timeout: Any) -> None:
        async def main() -> None:
            queue = kind()
            with pytest.raises(TimeoutError):
                await queue.get(timeout)
            future: Any = queue.get(timeout)
            queue.put_nowait(1)
            assert await future == 1
            assert waits(queue) == (0, 0)

        asyncio.run(main())

    def test_time_as_number_and_as_timedelta(self, kind: type[Queue[Any]]) -> None:
        async def main() -> None:
            queue = kind()
            now = IOLoop.current().time()
            on_time: list[Any] = [queue.get(now + 3600), queue.get(HOUR)]
            late: list[Any] = [
                queue.get(now + 0.001),
                queue.get(datetime.timedelta(milliseconds=1)),
            ]
            await asyncio.wait(late)
            for future in late:
                assert isinstance(future.exception(), TimeoutError)
            assert timers() == 2
            queue.put_nowait(1)
            queue.put_nowait(2)
            assert [future.result() for future in on_time] == [1, 2]
            assert not timers()

        asyncio.run(main())

    def test_what_is_no_time(self, kind: type[Queue[Any]]) -> None:
        async def main() -> None:
            queue = kind(1)
            with pytest.raises(TypeError, match="deadline"):
                queue.get("1")  # type: ignore[arg-type]
            queue.put_nowait(1)
            with pytest.raises(TypeError, match="deadline"):
                queue.put(2, "1")  # type: ignore[arg-type]
            with pytest.raises(TypeError, match="deadline"):
                queue.join("1")  # type: ignore[arg-type]
            assert waits(queue) == (0, 0)
            assert drained(queue) == [1]

        asyncio.run(main())

    @pytest.mark.parametrize("timeout", [None, HOUR])
    def test_cancelled_is_passed_over(self, kind: type[Queue[Any]], timeout: Any) -> None:
        async def main() -> None:
            queue = kind()
            first: Any = queue.get(timeout)
            task = await started(queue.get(timeout))
            third: Any = queue.get(timeout)
            first.cancel()
            task.cancel()
            queue.put_nowait(1)
            assert third.result() == 1
            queue.put_nowait(2)
            await turns()
            assert task.cancelled()
            assert drained(queue) == [2]
            assert not timers()

        asyncio.run(main())

    def test_async_for(self, kind: type[Queue[Any]]) -> None:
        async def main() -> None:
            queue = kind()
            queue.put_nowait(0)
            seen = []

            async def consume() -> None:
                async for item in queue:
                    seen.append(item)
                    queue.task_done()

            task = asyncio.ensure_future(consume())
            for number in range(1, 4):
                await turns()
                await queue.put(number)
            await queue.join()
            assert seen == [0, 1, 2, 3]
            await cancel(task)
            queue.put_nowait(4)
            assert drained(queue) == [4]

        asyncio.run(main())

    def test_in_old_coroutines(self, kind: type[Queue[Any]]) -> None:
        @gen.coroutine
        def consumer(queue: Queue[int]) -> Any:
            first = yield queue.get()
            second = yield queue.get(HOUR)
            third = yield queue.get()
            return [first, second, third]

        @gen.coroutine
        def producer(queue: Queue[int]) -> Any:
            for number in range(3):
                yield queue.put(number, HOUR)
                yield gen.moment

        async def main() -> None:
            queue = kind(1)
            both = await gen.multi([consumer(queue), producer(queue)])
            assert both == [[0, 1, 2], None]

        asyncio.run(main())

    def test_context_variables(self, kind: type[Queue[Any]]) -> None:
        async def consumer(queue: Queue[Any]) -> None:
            variable.set("consumer")
            assert await queue.get() == 1
            assert variable.get() == "consumer"
            await queue.put(2)
            await queue.put(3)
            assert variable.get() == "consumer"

        async def main() -> None:
            queue = kind(1)
            variable.set("producer")
            task = await started(consumer(queue))
            await queue.put(1)
            await turns()
            assert queue.get_nowait() == (3 if kind is LifoQueue else 2)
            await task
            assert variable.get() == "producer"

        asyncio.run(main())


# asyncio.wait_for awaits in ways of its own, which differ from Python to Python.
async def with_wait_for(queue: Queue[Any]) -> Any:
    return await asyncio.wait_for(queue.get(), 3600)


async def with_timeout(queue: Queue[Any]) -> Any:
    async with asyncio.timeout(3600):
        return await queue.get()


async def plainly(queue: Queue[Any]) -> Any:
    return await queue.get()


async def with_timeout_of_get(queue: Queue[Any]) -> Any:
    return await queue.get(HOUR)


async def in_a_loop(queue: Queue[Any]) -> Any:
    async for item in queue:
        return item


each_way = pytest.mark.parametrize(
    "way",
    [plainly, with_timeout, with_wait_for, with_timeout_of_get, in_a_loop],
    ids=lambda way: way.__name__,
)


class TestCancelledGet:
    @for_each_kind
    @each_way
    def test_item_is_not_lost(self, kind: type[Queue[Any]], way: Any) -> None:
        async def main() -> None:
            queue = kind()
            task = asyncio.ensure_future(way(queue))
            await turns()
            queue.put_nowait(1)
            task.cancel()
            await asyncio.wait([task])
            assert drained(queue) == ([1] if task.cancelled() else [])
            assert str(queue).endswith(" tasks=1>")
            assert not timers()

        asyncio.run(main())

    @for_each_kind
    @each_way
    def test_item_goes_to_the_next(self, kind: type[Queue[Any]], way: Any) -> None:
        async def main() -> None:
            queue = kind()
            tasks = [asyncio.ensure_future(way(queue)) for _ in range(3)]
            await turns()
            last: Any = queue.get()
            queue.put_nowait(1)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            received = [task.result() for task in tasks if not task.cancelled()]
            if last.done():
                received.append(last.result())
            assert received == [1]
            assert queue.empty()

        asyncio.run(main())

    @for_each_kind
    def test_in_time_and_out_of_time_at_once(self, kind: type[Queue[Any]]) -> None:
        """Whoever is told that it is too late has not got the item."""

        for put_at in range(6):
            for late_at in range(6):
                loop = TurnLoop()
                queue = kind()

                async def consumer(queue: Queue[Any] = queue) -> Any:
                    return await asyncio.wait_for(queue.get(), 1)

                task = loop.create_task(consumer())
                for number in range(6):
                    if number == late_at:
                        loop.now += 1
                    if number == put_at:
                        with loop.inside():
                            queue.put_nowait(1)
                    loop.turn()
                while not task.done():
                    loop.now += 1
                    loop.turn()
                loop.close()
                if task.exception() is None:
                    assert task.result() == 1
                    assert queue.empty()
                else:
                    assert isinstance(task.exception(), TimeoutError)
                    assert drained(queue) == [1]

    def test_order_is_kept(self) -> None:
        async def main() -> None:
            queue: Queue[int] = Queue()
            tasks = [await started(queue.get()) for _ in range(4)]
            for number in range(6):
                queue.put_nowait(number)
            for task in tasks[:1] + tasks[2:]:
                task.cancel()
            await asyncio.wait(tasks)
            assert tasks[1].result() == 1
            assert drained(queue) == [0, 2, 3, 4, 5]

        asyncio.run(main())

    def test_order_is_kept_when_some_were_taken_meanwhile(self) -> None:
        async def main() -> None:
            queue: Queue[int] = Queue()
            tasks = [await started(queue.get()) for _ in range(2)]
            queue.put_nowait(0)
            queue.put_nowait(1)
            queue.put_nowait(2)
            tasks[0].cancel()
            await asyncio.wait(tasks)
            assert tasks[1].result() == 1
            assert queue.get_nowait() == 0
            task = await started(Queue.get(queue))
            assert await task == 2
            task = await started(queue.get())
            queue.put_nowait(3)
            queue.put_nowait(4)
            task.cancel()
            await asyncio.wait([task])
            assert drained(queue) == [3, 4]

        asyncio.run(main())

    def test_one_too_many(self) -> None:
        """An item that comes back finds its place taken; then one more must go first."""

        async def main() -> None:
            queue: Queue[int] = Queue(2)
            task = await started(queue.get())
            for number in range(3):
                queue.put_nowait(number)
            assert queue.full()
            putter = queue.put(3)
            await cancel(task)
            assert queue.qsize() == 3
            assert queue.full()
            with pytest.raises(QueueFull):
                queue.put_nowait(9)
            assert queue.get_nowait() == 0
            assert not putter.done()
            assert queue.get_nowait() == 1
            assert putter.done()
            assert drained(queue) == [2, 3]

        asyncio.run(main())

    @for_each_kind
    def test_of_a_subclass(self, kind: type[Queue[Any]]) -> None:
        async def main() -> None:
            queue = distinct(kind)()
            task = await started(queue.get())
            queue.put_nowait(1)
            queue.put_nowait(2)
            await cancel(task)
            assert sorted(drained(queue)) == [1, 2]

        asyncio.run(main())

    def test_who_has_read_the_result_has_the_item(self) -> None:
        async def main() -> None:
            queue: Queue[int] = Queue()
            future: Any = queue.get()
            task = await started(future)
            queue.put_nowait(1)
            assert future.result() == 1
            await cancel(task)
            assert queue.empty()
            assert future.result() == 1

        asyncio.run(main())

    def test_callback_has_the_item(self) -> None:
        async def main() -> None:
            queue: Queue[int] = Queue()
            seen: list[int] = []
            future: Any = queue.get()
            future.add_done_callback(lambda done: seen.append(done.result()))
            task = await started(future)
            queue.put_nowait(1)
            await cancel(task)
            assert seen == [1]
            assert queue.empty()

        asyncio.run(main())

    def test_gathered(self) -> None:
        async def main() -> None:
            queue: Queue[int] = Queue()
            both = asyncio.gather(queue.get(), queue.get())
            queue.put_nowait(1)
            queue.put_nowait(2)
            assert list(await both) == [1, 2]

        asyncio.run(main())


@for_each_kind
class TestPut:
    def test_where_there_is_room(self, kind: type[Queue[Any]]) -> None:
        async def main() -> None:
            queue = kind(4)
            for timeout in (None, 0, AT_ONCE, HOUR):
                future = queue.put(1, timeout)
                assert isinstance(future, asyncio.Future)
                assert future.done()
                await future
                assert future.result() is None
            assert queue.qsize() == 4
            assert not timers()

        asyncio.run(main())

    def test_each_has_a_future(self, kind: type[Queue[Any]]) -> None:
        """Who counts those that are done counts items."""

        async def main() -> None:
            queue = kind(3)
            futures = {queue.put(number): number for number in range(5)}
            done, _ = await asyncio.wait(futures, timeout=0)
            assert sorted(futures[future] for future in done) == [0, 1, 2]

        asyncio.run(main())

    @pytest.mark.parametrize("timeout", [None, HOUR])
    def test_waits_for_room(self, kind: type[Queue[Any]], timeout: Any) -> None:
        async def main() -> None:
            queue = kind(1)
            queue.put_nowait(5)
            futures = [queue.put(number, timeout) for number in (1, 7)]
            assert not any(future.done() for future in futures)
            # One of those who wait is let in first, and may come out at once.
            assert queue.get_nowait() == (5 if kind is Queue else 1)
            assert [future.done() for future in futures] == [True, False]
            assert queue.full()
            rest = [queue.get_nowait(), queue.get_nowait()]
            assert rest == {Queue: [1, 7], PriorityQueue: [5, 7], LifoQueue: [7, 5]}[kind]
            await futures[1]
            assert not timers()

        asyncio.run(main())

    @pytest.mark.parametrize("timeout", [0, -1, AT_ONCE, -HOUR])
    def test_time_that_is_past(self, kind: type[Queue[Any]], timeout: Any) -> None:
        async def main() -> None:
            queue = kind(1)
            queue.put_nowait(1)
            with pytest.raises(TimeoutError):
                await queue.put(2, timeout)
            future = queue.put(3, timeout)
            queue.get_nowait()
            await future
            assert queue.qsize() == 1
            assert waits(queue) == (0, 0)

        asyncio.run(main())

    @pytest.mark.parametrize("timeout", [None, HOUR])
    def test_cancelled_is_not_put(self, kind: type[Queue[Any]], timeout: Any) -> None:
        async def main() -> None:
            queue = kind(1)
            queue.put_nowait(1)
            first = queue.put(2, timeout)
            task = await started(queue.put(3, timeout))
            last = queue.put(4, timeout)
            first.cancel()
            task.cancel()
            assert {queue.get_nowait(), queue.get_nowait()} == {1, 4}
            assert last.done()
            await asyncio.wait([task])
            assert task.cancelled()
            assert queue.empty()
            assert not timers()

        asyncio.run(main())

    @pytest.mark.parametrize("timeout", [None, HOUR])
    def test_cancelled_when_it_is_put_already(self, kind: type[Queue[Any]], timeout: Any) -> None:
        async def main() -> None:
            queue = kind(1)
            queue.put_nowait(1)
            task = await started(queue.put(2, timeout))
            queue.get_nowait()
            await cancel(task)
            assert queue.qsize() == 1

        asyncio.run(main())

    def test_goes_straight_to_who_waits(self, kind: type[Queue[Any]]) -> None:
        async def main() -> None:
            queue = kind(1)
            futures: list[Any] = [queue.get(), queue.get()]
            for number in (1, 2, 3):
                assert queue.put(number).done()
            assert [future.result() for future in futures] == [1, 2]
            assert drained(queue) == [3]

        asyncio.run(main())

    def test_item_that_will_not_be_put_is_let_go(self, kind: type[Queue[Any]]) -> None:
        async def main() -> None:
            queue = kind(1)
            queue.put_nowait(Item())
            late, cancelled, put = Item(), Item(), Item()
            references = [weakref.ref(item) for item in (late, cancelled, put)]
            futures = [queue.put(late, AT_ONCE), queue.put(cancelled, HOUR), queue.put(put)]
            del late, cancelled, put
            futures[1].cancel()
            with pytest.raises(TimeoutError):
                await futures[0]
            assert [reference() is None for reference in references] == [True, True, False]
            queue.get_nowait()
            queue.get_nowait()
            assert futures[2].done()
            assert references[2]() is None

        with no_garbage_collection():
            asyncio.run(main())


class TestJoin:
    @for_each_kind
    def test_waits_until_all_is_done(self, kind: type[Queue[Any]]) -> None:
        async def main() -> None:
            queue = kind()
            assert queue.join().done()  # type: ignore[attr-defined]
            for number in range(3):
                queue.put_nowait(number)
            waiting: list[Any] = [queue.join(), queue.join(HOUR)]
            for _ in range(3):
                assert not any(future.done() for future in waiting)
                queue.get_nowait()
                assert not any(future.done() for future in waiting)
                queue.task_done()
            assert [await future for future in waiting] == [None, None]
            await queue.join()
            queue.put_nowait(4)
            assert not queue.join().done()  # type: ignore[attr-defined]
            assert not timers()

        asyncio.run(main())

    def test_counts_what_was_handed_over(self) -> None:
        async def main() -> None:
            queue: Queue[int] = Queue(1)
            future: Any = queue.get()
            queue.put_nowait(1)
            assert future.done()
            joining = await started(queue.join())
            assert not joining.done()
            queue.task_done()
            await joining

        asyncio.run(main())

    @pytest.mark.parametrize("timeout", [0, AT_ONCE, datetime.timedelta(milliseconds=1)])
    def test_time(self, timeout: Any) -> None:
        async def main() -> None:
            queue: Queue[int] = Queue()
            await queue.join(timeout)
            queue.put_nowait(1)
            with pytest.raises(TimeoutError):
                await queue.join(timeout)

        asyncio.run(main())

    def test_task_done_too_often(self) -> None:
        queue: Queue[int] = Queue()
        with pytest.raises(ValueError, match="too many times"):
            queue.task_done()
        queue.put_nowait(1)
        queue.task_done()
        with pytest.raises(ValueError, match="too many times"):
            queue.task_done()

    def test_what_came_back_is_still_to_do(self) -> None:
        async def main() -> None:
            queue: Queue[int] = Queue()
            task = await started(queue.get())
            queue.put_nowait(1)
            await cancel(task)
            joining = await started(queue.join())
            queue.get_nowait()
            assert not joining.done()
            queue.task_done()
            await joining

        asyncio.run(main())


def distinct(kind: type[Queue[Any]]) -> Callable[..., Queue[Any]]:
    """A kind of queue of its own that goes by the way of ``kind``, where an item is once only."""

    class Distinct(kind):  # type: ignore[valid-type, misc]
        def _put(self, item: Any) -> None:
            if item not in self._queue:
                super()._put(item)

    return Distinct


class TestSubclasses:
    def test_container_of_its_own(self) -> None:
        class SetQueue(Queue[Any]):
            def _init(self) -> None:
                self._queue = set()

            def _put(self, item: Any) -> None:
                self._queue.add(item)

            def _get(self) -> Any:
                return self._queue.pop()

        async def main() -> None:
            queue = SetQueue(2)
            for item in (1, 1, 2, 2, 3):
                queue.put(item)
            assert str(queue) == "<SetQueue maxsize=2 queue={1, 2} putters[2] tasks=3>"
            got = {await queue.get(), await queue.get(), await queue.get()}
            assert got == {1, 2, 3}
            assert queue.empty()
            assert waits(queue) == (0, 0)
            future: Any = queue.get()
            queue.put_nowait(4)
            assert future.result() == 4

        asyncio.run(main())

    @for_each_kind
    def test_what_is_dropped_makes_room_for_the_next(self, kind: type[Queue[Any]]) -> None:
        async def main() -> None:
            queue = distinct(kind)(1)
            futures = [queue.put(item) for item in (1, 1, 2)]
            assert queue.get_nowait() == 1
            assert all(future.done() for future in futures)
            assert drained(queue) == [2]

        asyncio.run(main())

    def test_dropped_item_wakes_nobody(self) -> None:
        class Picky(Queue[int]):
            def _put(self, item: int) -> None:
                if item:
                    super()._put(item)

        async def main() -> None:
            queue = Picky()
            future: Any = queue.get()
            queue.put_nowait(0)
            assert not future.done()
            queue.put_nowait(1)
            assert future.result() == 1

        asyncio.run(main())

    def test_an_item_that_is_waited_for_goes_through_them_too(self) -> None:
        class Noting(Queue[int]):
            def _put(self, item: int) -> None:
                noted.append(item)
                super()._put(item)

        class Doubling(Queue[int]):
            def _get(self) -> int:
                return 2 * super()._get()

        class Closed(Queue[int]):
            def full(self) -> bool:
                return True

        noted: list[int] = []

        async def main() -> None:
            for kind, expected in ((Noting, 7), (Doubling, 14)):
                queue = kind()
                getting = await started(queue.get())
                queue.put_nowait(7)
                assert await getting == expected
                assert queue._unfinished_tasks == 1
            closed = Closed()
            getting = await started(closed.get())
            with pytest.raises(QueueFull):
                closed.put_nowait(1)
            await cancel(getting)

        asyncio.run(main())
        assert noted == [7]

    def test_methods_that_others_go_through(self) -> None:
        class Ring(Queue[int]):
            """Forgets the oldest where there is no room."""

            def put_nowait(self, item: int) -> None:
                if self.full():
                    self.get_nowait()
                super().put_nowait(item)

        class Closing(Queue[int]):
            def get_nowait(self) -> int:
                if closed:
                    raise RuntimeError("closed")
                return super().get_nowait()

        class Heavy(Queue[int]):
            """Full by the sum of the items."""

            def full(self) -> bool:
                total: int = sum(self._queue)
                return total >= 10

        closed: list[bool] = []

        async def main() -> None:
            ring = Ring(2)
            assert all(ring.put(number).done() for number in range(4))
            assert drained(ring) == [2, 3]
            closing = Closing()
            future: Any = closing.get()
            assert not future.done()
            closed.append(True)
            with pytest.raises(RuntimeError, match="closed"):
                closing.get()
            heavy = Heavy()
            futures = [heavy.put(number) for number in (6, 5, 1, 1)]
            assert [future.done() for future in futures] == [True, True, False, False]
            assert heavy.get_nowait() == 6
            assert all(future.done() for future in futures)
            assert drained(heavy) == [5, 1, 1]

        asyncio.run(main())

    def test_get_of_a_subclass_in_async_for(self) -> None:
        class Doubling(Queue[int]):
            async def get(self, timeout: Any = None) -> int:
                return 2 * await super().get(timeout)

        async def main() -> None:
            queue = Doubling()
            queue.put_nowait(21)
            async for item in queue:
                assert item == 42
                break

        asyncio.run(main())


class TestGarbage:
    @pytest.mark.parametrize("end", ["served", "late", "cancelled", "back"])
    def test_nothing_refers_in_a_circle(self, end: str) -> None:
        class Local:
            """What a frame holds on to."""

        async def use(queue: Queue[Any], local: object) -> None:
            item = await queue.get(AT_ONCE if end == "late" else None)
            assert item is not None

        async def main() -> None:
            local, item = Local(), Item()
            queue: Queue[Any] = Queue()
            task = await started(use(queue, local))
            references: list[weakref.ref[Any]] = [
                weakref.ref(local),
                weakref.ref(item),
                weakref.ref(queue),
            ]
            if end in ("served", "back"):
                queue.put_nowait(item)
            if end in ("cancelled", "back"):
                task.cancel()
            await asyncio.wait([task])
            if end == "late":
                assert isinstance(task.exception(), TimeoutError)
            del task, local, item
            await turns()
            assert references[0]() is None
            assert (references[1]() is None) == (end != "back")
            del queue
            await turns()
            assert [reference() for reference in references] == [None] * 3

        with no_garbage_collection():
            asyncio.run(main())

    def test_failed_put_in_no_circle(self) -> None:
        async def main() -> None:
            queue: PriorityQueue[Any] = PriorityQueue(2)
            queue.put_nowait(1)
            queue.put_nowait(2)
            future = queue.put("bad")
            reference = weakref.ref(future)
            queue.get_nowait()
            assert isinstance(future.exception(), TypeError)
            del future
            assert reference() is None

        with no_garbage_collection():
            asyncio.run(main())

    def test_those_who_stopped_waiting_are_forgotten(self) -> None:
        async def main() -> None:
            queue: Queue[int] = Queue(1)
            getters: list[Any] = [queue.get(HOUR) for _ in range(MOST_GONE + 1)]
            for future in getters[:MOST_GONE]:
                future.cancel()
            assert len(queue._getters) == MOST_GONE + 1
            getters[MOST_GONE].cancel()
            assert len(queue._getters) == 0
            queue.put_nowait(0)
            # Without a deadline they do not tell; they are looked for when there are many.
            for count in range(1, 2 * MOST_GONE + 1):
                queue.put(count).cancel()
                assert len(queue._putters) == count
            queue.put(1)
            assert len(queue._putters) == 1

        asyncio.run(main())

    def test_many_wait_and_stop(self) -> None:
        # Looking for each of them in the line would take minutes.
        async def main() -> None:
            queue: Queue[int] = Queue(1)
            for timeout in (None, HOUR):
                getters: list[Any] = [queue.get(timeout) for _ in range(20_000)]
                for future in getters[:-1]:
                    future.cancel()
                queue.put_nowait(1)
                assert getters[-1].result() == 1
                queue.put_nowait(1)
                putters = [queue.put(2, timeout) for _ in range(20_000)]
                for putter in putters[:-1]:
                    putter.cancel()
                assert drained(queue) == [1, 2]

        asyncio.run(main())

    def test_late_and_not_looked_at(self, caplog: pytest.LogCaptureFixture) -> None:
        """As with any future, an exception that nobody looks at is logged; and only such."""

        async def main() -> None:
            queue: Queue[int] = Queue()
            task = await started(queue.get(AT_ONCE))
            await asyncio.wait([task])
            assert isinstance(task.exception(), TimeoutError)
            queue.get(AT_ONCE)
            await asyncio.sleep(0.001)
            await turns()

        asyncio.run(main())
        gc.collect()
        assert [record.name for record in caplog.records] == ["asyncio"]
        assert "never retrieved" in caplog.text


class QueueMachine(WaitMachine):
    """A queue and its model."""

    def __init__(self) -> None:
        super().__init__()
        self.getters: list[Wait] = []
        self.putters: list[Wait] = []
        self.lines = [self.getters, self.putters]
        self.items: list[Any] = []
        self.returned = 0
        self.unfinished_items = 0
        self.serial = 0
        self.kind: type[Queue[Any]] = Queue
        self.queue: Queue[Any] = Queue()
        self.came_in: list[Any] = []
        self.taken: list[Any] = []

    @initialize(kind=st.sampled_from(KINDS), maxsize=st.integers(0, 3))
    def make(self, kind: type[Queue[Any]], maxsize: int) -> None:
        self.kind = kind
        self.queue = kind(maxsize)

    # The model

    def is_full(self, more: int = 0) -> bool:
        return 0 < self.queue.maxsize <= len(self.items) - more

    def pop(self) -> Any:
        if self.kind is PriorityQueue:
            self.items.sort()
        self.returned = max(0, self.returned - 1)
        return self.items.pop(-1 if self.kind is LifoQueue else 0)

    def insert(self, item: Any) -> None:
        self.items.append(item)
        self.came_in.append(item)
        self.unfinished_items += 1
        self.feed()

    def feed(self) -> None:
        while self.items and self.getters:
            self.serve(self.getters, self.pop())

    def admit(self) -> None:
        self.insert(self.serve(self.putters, None).extra)

    def get_from_model(self) -> Any:
        if self.putters and not self.is_full(more=1):
            self.admit()
        item = self.pop()
        while self.putters and not self.is_full():
            self.admit()
        return item

    def begin_get(self, wait: Wait) -> None:
        if self.items:
            item = self.get_from_model()
            self.taken.append(item)
            self.finish(wait, item)
        else:
            self.join(wait, self.getters)

    def begin_put(self, wait: Wait) -> None:
        if self.is_full():
            self.join(wait, self.putters)
        else:
            self.insert(wait.extra)
            self.finish(wait, None)

    def finish(self, wait: Wait, outcome: Any) -> None:
        if wait.state == "served" and isinstance(outcome, tuple):
            self.taken.append(outcome)
        super().finish(wait, outcome)

    def take_back(self, wait: Wait) -> None:
        if wait.given is None:
            return  # what was put stays
        if self.kind is Queue:
            self.items.insert(self.returned, wait.given)
            self.returned += 1
        else:
            self.items.append(wait.given)
        self.feed()

    # What is done to both

    def new_item(self, priority: int) -> tuple[int, int]:
        self.serial += 1
        return priority, self.serial

    @rule(seconds=st.none() | st.integers(1, 3))
    def get(self, seconds: int | None) -> None:
        async def wait() -> Any:
            timeout = None if seconds is None else datetime.timedelta(seconds=seconds)
            return await self.queue.get(timeout)

        self.start(wait, self.begin_get, seconds)

    @rule(seconds=st.none() | st.integers(1, 3), priority=st.integers(0, 3))
    def put(self, seconds: int | None, priority: int) -> None:
        item = self.new_item(priority)

        async def wait() -> None:
            timeout = None if seconds is None else datetime.timedelta(seconds=seconds)
            await self.queue.put(item, timeout)

        self.start(wait, self.begin_put, seconds, item)

    @rule(priority=st.integers(0, 3))
    def put_nowait(self, priority: int) -> None:
        item = self.new_item(priority)
        with self.loop.inside():
            if self.is_full():
                with pytest.raises(QueueFull):
                    self.queue.put_nowait(item)
            else:
                self.queue.put_nowait(item)
                self.insert(item)

    @rule()
    def get_nowait(self) -> None:
        with self.loop.inside():
            if not self.items:
                with pytest.raises(QueueEmpty):
                    self.queue.get_nowait()
            else:
                item = self.queue.get_nowait()
                assert item == self.get_from_model()
                self.taken.append(item)

    @precondition(lambda self: self.unfinished_items)
    @rule()
    def task_done(self) -> None:
        with self.loop.inside():
            self.queue.task_done()
        self.unfinished_items -= 1

    # What is compared

    @invariant()
    def items_are_the_same(self) -> None:
        items = list(self.queue._queue)
        if self.kind is PriorityQueue:
            items.sort()
            self.items.sort()
        assert items == self.items
        assert self.queue.qsize() == len(self.items)
        assert self.queue.full() == self.is_full()
        assert self.queue._unfinished_tasks == self.unfinished_items

    @invariant()
    def nobody_waits_in_vain(self) -> None:
        assert not (self.items and self.getters)
        assert not self.putters or self.is_full()

    def teardown(self) -> None:
        try:
            self.settle()
            while self.items:
                self.get_nowait()
                self.settle()
            assert not self.putters
            # What came in has come out, and once each.
            assert sorted(self.taken) == sorted(self.came_in)
        finally:
            super().teardown()


TestQueueAgainstModel = QueueMachine.TestCase
