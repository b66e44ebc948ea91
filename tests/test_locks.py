"""Tests of tornadic.locks: who is woken, who is not, and that nothing is lost on the way."""

from __future__ import annotations

import asyncio
import contextvars
import datetime
import gc
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule
from tests.turns import Wait, WaitMachine, cancel, no_garbage_collection, started, timers, turns

from tornadic import gen, locks
from tornadic._waiters import MOST_GONE
from tornadic.ioloop import IOLoop
from tornadic.locks import BoundedSemaphore, Condition, Event, Lock, Semaphore

HOUR = datetime.timedelta(hours=1)  # a time that must not be over
AT_ONCE = datetime.timedelta(0)

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")


class Waited:
    """Something that is waited for: how to wait, and how to wake one who waits."""

    wait: Callable[..., Any]
    wake: Callable[[], None]

    def __init__(self, kind: str) -> None:
        made: Any = Semaphore(0) if kind == "Semaphore" else getattr(locks, kind)()
        self.thing = made
        if kind in ("Lock", "BoundedSemaphore"):
            self.thing.acquire()
        if kind in ("Condition", "Event"):
            self.wait = self.thing.wait
            self.wake = self.thing.notify if kind == "Condition" else self.thing.set
        else:
            self.wait = self.thing.acquire
            self.wake = self.thing.release

    @property
    def line(self) -> Any:
        return getattr(self.thing, "_block", self.thing)._waiters


class Local:
    """What a frame holds on to."""


KINDS = ["Condition", "Event", "Lock", "Semaphore", "BoundedSemaphore"]
for_each_kind = pytest.mark.parametrize("kind", KINDS)


def test_public_names() -> None:
    assert sorted(locks.__all__) == sorted(KINDS)


@for_each_kind
class TestEveryWait:
    def test_is_a_future(self, kind: str) -> None:
        async def main() -> None:
            for timeout in (None, HOUR):
                waited = Waited(kind)
                future = waited.wait(timeout)
                assert isinstance(future, asyncio.Future)
                assert not future.done()
                seen: list[Any] = []
                future.add_done_callback(seen.append)
                waited.wake()
                assert future.done()
                assert not future.cancelled()
                assert future.exception() is None
                assert not seen  # callbacks run in a later turn
                await turns()
                assert seen == [future]
                assert await future is future.result()

        asyncio.run(main())

    def test_in_coroutines_of_both_kinds(self, kind: str) -> None:
        async def main() -> None:
            waited = Waited(kind)
            log: list[str] = []

            @gen.coroutine
            def old() -> Any:
                yield waited.wait()
                log.append("old")

            async def new() -> None:
                await waited.wait()
                log.append("new")

            both = gen.multi([old(), new()])
            await turns()
            waited.wake()
            await turns()
            assert log == (["old", "new"] if kind == "Event" else ["old"])
            waited.wake()
            await both
            assert log == ["old", "new"]

        asyncio.run(main())

    def test_with_add_future(self, kind: str) -> None:
        async def main() -> None:
            waited = Waited(kind)
            seen: list[Any] = []
            future = waited.wait()
            IOLoop.current().add_future(future, seen.append)
            waited.wake()
            await turns()
            assert seen == [future]

        asyncio.run(main())

    @pytest.mark.parametrize("timeout", [0, 0.0, -1, AT_ONCE, -HOUR])
    def test_time_that_is_past(self, kind: str, timeout: Any) -> None:
        async def main() -> None:
            waited = Waited(kind)
            future = waited.wait(timeout=timeout)
            assert not future.done()
            if kind == "Condition":
                assert await future is False
            else:
                with pytest.raises(TimeoutError):
                    await future
            # In the turns before that, it may still be served.
            future = waited.wait(timeout=timeout)
            waited.wake()
            assert future.done()
            assert await future is not False

        asyncio.run(main())

    def test_time_as_number_and_as_timedelta(self, kind: str) -> None:
        async def main() -> None:
            now = IOLoop.current().time()
            waited = Waited(kind)
            late = [waited.wait(now + 0.001), waited.wait(datetime.timedelta(milliseconds=1))]
            on_time = [waited.wait(now + 3600), waited.wait(HOUR)]
            await asyncio.wait(late)
            for future in late:
                assert (future.exception() is None) == (kind == "Condition")
            assert not any(future.done() for future in on_time)
            assert timers() == 2
            waited.wake()
            waited.wake()
            assert all(future.done() for future in on_time)
            assert timers() == 0

        asyncio.run(main())

    def test_what_is_no_time(self, kind: str) -> None:
        async def main() -> None:
            waited = Waited(kind)
            before = repr(waited.thing)
            for timeout in ("1", [], object()):
                with pytest.raises(TypeError, match="deadline"):
                    waited.wait(timeout)
            assert repr(waited.thing) == before

        asyncio.run(main())

    def test_leaves_no_timer(self, kind: str) -> None:
        async def main() -> None:
            waited = Waited(kind)
            served = waited.wait(HOUR)
            waited.wake()
            assert served.done()
            assert timers() == 0
            waited = Waited(kind)
            waited.wait(HOUR).cancel()
            assert timers() == 0
            await cancel(await started(waited.wait(HOUR)))
            assert timers() == 0
            waited.wait(HOUR).set_result("by the program")
            assert timers() == 0

        asyncio.run(main())

    @pytest.mark.parametrize("timeout", [None, HOUR])
    def test_cancelled_is_passed_over(self, kind: str, timeout: Any) -> None:
        async def main() -> None:
            waited = Waited(kind)
            first, second, third = (waited.wait(timeout) for _ in range(3))
            task = await started(second)
            assert first.cancel()
            task.cancel()  # it does not even know yet
            waited.wake()
            assert third.done()
            assert first.cancelled()
            await turns()
            assert task.cancelled()
            assert second.cancelled()

        asyncio.run(main())

    def test_ended_by_the_program(self, kind: str) -> None:
        async def main() -> None:
            for timeout in (None, HOUR):
                waited = Waited(kind)
                first, second, third = (waited.wait(timeout) for _ in range(3))
                tasks = [await started(first), await started(second)]
                first.set_result("enough")
                second.set_exception(KeyError("enough"))
                assert await tasks[0] == "enough"
                with pytest.raises(KeyError):
                    await tasks[1]
                waited.wake()
                assert third.done()

        asyncio.run(main())

    def test_cancelled_by_whoever_has_the_future(self, kind: str) -> None:
        async def main() -> None:
            for timeout in (None, HOUR):
                waited = Waited(kind)
                future = waited.wait(timeout)
                task = await started(future)
                future.cancel("because")
                with pytest.raises(asyncio.CancelledError) as caught:
                    await task
                assert caught.value.args == ("because",)
                assert not future.cancel()

        asyncio.run(main())

    def test_two_tasks_await_one_future(self, kind: str) -> None:
        async def main() -> None:
            waited = Waited(kind)
            future = waited.wait()
            tasks = [await started(future), await started(future)]
            waited.wake()
            assert await tasks[0] is await tasks[1]
            waited = Waited(kind)
            future = waited.wait()
            tasks = [await started(future), await started(future)]
            tasks[0].cancel()
            # As with any future: who waits for it cancels it, for all others too.
            for task in tasks:
                with pytest.raises(asyncio.CancelledError):
                    await task
            assert future.cancelled()

        asyncio.run(main())

    def test_awaited_in_another_loop(self, kind: str) -> None:
        async def begin() -> Any:
            return Waited(kind).wait()

        async def go_on(future: Any) -> None:
            with pytest.raises(RuntimeError, match="different loop"):
                await future

        asyncio.run(go_on(asyncio.run(begin())))

    def test_in_loops_one_after_another(self, kind: str) -> None:
        kept: list[Waited] = []

        async def main() -> None:
            if not kept:
                kept.append(Waited(kind))
            waited = kept[0]
            for timeout in (None, HOUR):
                task = await started(waited.wait(timeout))
                waited.wake()
                await task
                if kind == "Event":
                    assert waited.wait().get_loop() is asyncio.get_running_loop()
                    waited.thing.clear()

        for _ in range(2):
            asyncio.run(main())

    def test_context_variables(self, kind: str) -> None:
        seen: list[tuple[str, str]] = []

        async def waiter(waited: Waited, name: str) -> None:
            variable.set(name)
            future = waited.wait(HOUR)
            future.add_done_callback(lambda _: seen.append(("callback", variable.get())))
            await future
            seen.append(("task", variable.get()))

        @gen.coroutine
        def old_waiter(waited: Waited, name: str) -> Any:
            variable.set(name)
            yield waited.wait(HOUR)
            seen.append(("old", variable.get()))

        async def main() -> None:
            variable.set("main")
            waited = Waited(kind)
            both = [asyncio.ensure_future(waiter(waited, "a")), old_waiter(waited, "b")]
            await turns()
            waited.wake()
            waited.wake()
            await asyncio.gather(*both)
            assert sorted(seen) == [("callback", "a"), ("old", "b"), ("task", "a")]
            assert variable.get() == "main"

        if kind in ("Lock", "BoundedSemaphore"):
            return  # it has one permit only, and Semaphore's are the same
        asyncio.run(main())

    def test_late_and_cancelled(self, kind: str, caplog: pytest.LogCaptureFixture) -> None:
        async def main() -> None:
            waited = Waited(kind)
            future = waited.wait(AT_ONCE)
            task = await started(future)
            while not future.done():
                await asyncio.sleep(0)
            if type(asyncio.get_running_loop()).__module__.startswith("uvloop") and task.done():
                task.exception()
                pytest.skip("on uvloop the task has run in the same turn")
            assert not task.done()
            # The task is woken, and has not run yet.
            other = waited.wait()
            await cancel(task)
            assert not other.done()  # there was nothing to give back

        asyncio.run(main())
        gc.collect()
        assert not caplog.records

    @pytest.mark.parametrize(
        ("timeout", "end"),
        [
            (None, "served"),
            (HOUR, "served"),
            (AT_ONCE, "late"),
            (None, "cancelled"),
            (HOUR, "cancelled"),
        ],
    )
    def test_nothing_refers_in_a_circle(self, kind: str, timeout: Any, end: str) -> None:
        async def use(waited: Waited, local: object) -> None:
            await waited.wait(timeout)

        async def main() -> None:
            local = Local()
            waited = Waited(kind)
            task = await started(use(waited, local))
            if end == "served":
                waited.wake()
            elif end == "cancelled":
                task.cancel()
            await asyncio.wait([task])
            assert task.cancelled() == (end == "cancelled")
            if end == "late":
                assert (task.exception() is None) == (kind == "Condition")
            frame = weakref.ref(local)
            del task, local
            await turns()
            assert frame() is None
            references = [weakref.ref(waited.thing), weakref.ref(waited.line)]
            del waited
            await turns()
            assert [reference() for reference in references] == [None, None]

        with no_garbage_collection():
            asyncio.run(main())

    def test_failed_by_the_program_in_no_circle(self, kind: str) -> None:
        async def use(waited: Waited) -> None:
            await waited.wait(HOUR)

        async def main() -> None:
            waited = Waited(kind)
            task = await started(use(waited))
            reference = weakref.ref(waited.line[0])
            waited.line[0].set_exception(KeyError())
            await asyncio.wait([task])
            assert isinstance(task.exception(), KeyError)
            waited.wake()  # and it is out of line
            del task
            await turns()
            assert reference() is None

        with no_garbage_collection():
            asyncio.run(main())

    def test_those_who_stopped_waiting_are_forgotten(self, kind: str) -> None:
        async def main() -> None:
            waited = Waited(kind)
            futures = [waited.wait(HOUR) for _ in range(MOST_GONE + 1)]
            for future in futures[:MOST_GONE]:
                future.cancel()
            assert len(waited.line) == MOST_GONE + 1
            futures[MOST_GONE].cancel()
            assert len(waited.line) == 0
            futures = [waited.wait(HOUR) for _ in range(10)]
            for future in futures[:9]:
                future.cancel()
            assert len(waited.line) == 10
            futures.append(waited.wait(HOUR))
            assert list(waited.line) == futures[9:]

        asyncio.run(main())

    def test_many_wait_and_stop(self, kind: str) -> None:
        # Looking for each of them in the line would take minutes.
        async def main() -> None:
            waited = Waited(kind)
            for timeout in (None, HOUR):
                futures = [waited.wait(timeout) for _ in range(20_000)]
                for future in futures[:-1]:
                    future.cancel()
                waited.wake()
                assert futures[-1].done()
                if kind == "Event":
                    waited.thing.clear()

        asyncio.run(main())


# asyncio.wait_for awaits in ways of its own, which differ from Python to Python.
async def with_wait_for(awaitable: Awaitable[Any]) -> Any:
    return await asyncio.wait_for(awaitable, 3600)


async def with_timeout(awaitable: Awaitable[Any]) -> Any:
    async with asyncio.timeout(3600):
        return await awaitable


async def plainly(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


WAYS_TO_AWAIT = [plainly, with_timeout, with_wait_for]

each_way = pytest.mark.parametrize("way", WAYS_TO_AWAIT, ids=lambda way: way.__name__)


async def ended(task: asyncio.Task[Any]) -> bool:
    """Wait for ``task``, and return whether it was cancelled."""
    await asyncio.wait([task])
    return task.cancelled()


class TestCondition:
    def test_repr(self) -> None:
        class Mine(Condition):
            pass

        async def main() -> None:
            condition = Mine()
            assert repr(condition) == str(condition) == "<Mine>"
            condition.wait()
            future = condition.wait(HOUR)
            assert repr(condition) == "<Mine waiters[2]>"
            future.cancel()  # type: ignore[attr-defined]
            assert repr(condition) == "<Mine waiters[1]>"
            condition.notify()
            assert repr(condition) == "<Mine>"

        asyncio.run(main())

    @pytest.mark.parametrize(
        ("n", "woken"), [(-1, 0), (0, 0), (1, 1), (2, 2), (3, 3), (4, 3), (None, 1)]
    )
    def test_wakes_the_longest_waiting(self, n: int | None, woken: int) -> None:
        async def main() -> None:
            condition = Condition()
            futures: list[Any] = [condition.wait() for _ in range(3)]
            if n is None:
                condition.notify()
            else:
                condition.notify(n)
            assert [future.done() for future in futures] == [i < woken for i in range(3)]
            condition.notify_all()
            assert await asyncio.gather(*futures) == [True] * 3

        asyncio.run(main())

    def test_nobody_who_comes_later_is_woken(self) -> None:
        async def main() -> None:
            condition = Condition()
            condition.notify()
            condition.notify_all()
            future: Any = condition.wait()
            await turns()
            assert not future.done()

        asyncio.run(main())

    def test_notify_all_is_a_notify(self) -> None:
        class Mine(Condition):
            def notify(self, n: int = 1) -> None:
                seen.append(n)
                super().notify(n)

        seen: list[int] = []

        async def main() -> None:
            condition = Mine()
            condition.wait()
            condition.wait()
            condition.notify_all()

        asyncio.run(main())
        assert seen == [2]

    @each_way
    def test_notification_of_the_cancelled_is_passed_on(self, way: Any) -> None:
        async def main() -> None:
            condition = Condition()
            first = asyncio.ensure_future(way(condition.wait()))
            await turns()
            second: Any = condition.wait()
            condition.notify()
            first.cancel()
            came_later: Any = condition.wait()
            # Either it was cancelled or it was notified, and the other one never.
            assert await ended(first) != (not second.done())
            assert not came_later.done()

        asyncio.run(main())

    def test_passed_on_more_than_once(self) -> None:
        async def main() -> None:
            condition = Condition()
            futures: list[Any] = [condition.wait() for _ in range(4)]
            tasks = [await started(future) for future in futures]
            for future, task in zip(futures[:3], tasks, strict=False):
                # Run after it is notified and before its task goes on.
                future.add_done_callback(lambda _, task=task: task.cancel())
            condition.notify()
            later: Any = condition.wait()
            assert await tasks[3] is True
            assert all(task.cancelled() for task in tasks[:3])
            assert not later.done()

        asyncio.run(main())

    def test_all_notified_leave_nothing_to_pass_on(self) -> None:
        async def main() -> None:
            condition = Condition()
            tasks = [await started(condition.wait()) for _ in range(3)]
            condition.notify_all()
            tasks[1].cancel()
            later: Any = condition.wait()
            await asyncio.wait(tasks)
            assert [task.cancelled() for task in tasks] == [False, True, False]
            assert not later.done()
            condition.notify()
            assert later.done()

        asyncio.run(main())


class TestEvent:
    def test_repr(self) -> None:
        class Mine(Event):
            pass

        event = Mine()
        assert repr(event) == "<Mine clear>"
        event.set()
        assert repr(event) == "<Mine set>"

    def test_flag(self) -> None:
        event = Event()
        assert event.is_set() is False
        for _ in range(2):
            event.set()
            assert event.is_set() is True
        for _ in range(2):
            event.clear()
            assert event.is_set() is False

    def test_wakes_all(self) -> None:
        async def main() -> None:
            event = Event()
            tasks = [await started(event.wait(timeout)) for timeout in (None, HOUR, None)]
            event.set()
            event.clear()  # which changes nothing for them
            await asyncio.gather(*tasks)
            future: Any = event.wait()
            await turns()
            assert not future.done()

        asyncio.run(main())

    def test_set_needs_no_wait(self) -> None:
        async def main() -> None:
            event = Event()
            event.set()
            for timeout in (None, 0, AT_ONCE, HOUR):
                future: Any = event.wait(timeout)
                assert isinstance(future, asyncio.Future)
                assert future.done()
                assert future.result() is None
                assert not future.cancel()
                assert await future is None

        asyncio.run(main())

    def test_two_set_events_have_two_futures(self) -> None:
        """So that they can be told apart by who waits for the first of several."""

        async def main() -> None:
            one, other = Event(), Event()
            one.set()
            other.set()
            assert one.wait() is not other.wait()
            names: dict[Any, str] = {one.wait(): "one", other.wait(): "other"}
            done, _ = await asyncio.wait(names)
            assert {names[future] for future in done} == {"one", "other"}

        asyncio.run(main())


def semaphore_of(kind: str) -> tuple[Any, Any]:
    """A lock or semaphore of one permit, and the semaphore in it."""
    made = getattr(locks, kind)()
    return made, getattr(made, "_block", made)


for_each_semaphore = pytest.mark.parametrize("kind", ["Semaphore", "BoundedSemaphore", "Lock"])


@for_each_semaphore
class TestEverySemaphore:
    def test_first_come_first_served(self, kind: str) -> None:
        async def main() -> None:
            lock, _ = semaphore_of(kind)
            log: list[int] = []

            async def worker(number: int) -> None:
                if number % 2:
                    async with lock:
                        log.append(number)
                        await asyncio.sleep(0)
                else:
                    with await lock.acquire():
                        log.append(number)
                        await asyncio.sleep(0)

            await asyncio.gather(*[worker(number) for number in range(6)])
            assert log == [0, 1, 2, 3, 4, 5]
            assert lock.acquire().done()

        asyncio.run(main())

    def test_nobody_gets_ahead(self, kind: str) -> None:
        async def main() -> None:
            lock, semaphore = semaphore_of(kind)
            await lock.acquire()
            task = await started(lock.acquire())
            lock.release()
            assert semaphore._value == 0
            ahead = lock.acquire()
            assert not ahead.done()
            await task

        asyncio.run(main())

    def test_does_not_wait(self, kind: str) -> None:
        async def main() -> None:
            lock, _ = semaphore_of(kind)
            for timeout in (None, 0, AT_ONCE, HOUR):
                future = lock.acquire(timeout)
                assert future.done()
                assert not future.cancel()
                lock.release()
            async with lock as given:
                assert given is None
            with await lock.acquire() as given:
                assert given is None

        asyncio.run(main())

    def test_each_acquire_has_a_future(self, kind: str) -> None:
        """Who counts those that are done counts permits."""

        async def main() -> None:
            semaphore = Semaphore(2)
            futures: list[Any] = [semaphore.acquire() for _ in range(3)]
            done, pending = await asyncio.wait(futures, timeout=0)
            assert (len(done), len(pending)) == (2, 1)

        asyncio.run(main())

    def test_with_statement_of_old_coroutines(self, kind: str) -> None:
        async def main() -> None:
            lock, _ = semaphore_of(kind)

            @gen.coroutine
            def worker(fail: bool) -> Any:
                with (yield lock.acquire()):
                    yield gen.moment
                    if fail:
                        raise KeyError
                return "done"

            failing, working = worker(True), worker(False)
            with pytest.raises(KeyError):
                await failing
            assert await working == "done"
            assert lock.acquire().done()

        asyncio.run(main())

    def test_with_statement_without_waiting(self, kind: str) -> None:
        lock, semaphore = semaphore_of(kind)
        with pytest.raises(RuntimeError, match="async with"), lock:
            raise AssertionError("not here")
        with pytest.raises(RuntimeError, match="async with"):
            lock.__exit__(None, None, None)
        assert semaphore._value == 1

    def test_failing_body_releases(self, kind: str) -> None:
        async def main() -> None:
            lock, semaphore = semaphore_of(kind)
            with pytest.raises(KeyError):
                async with lock:
                    raise KeyError
            assert semaphore._value == 1

        asyncio.run(main())

    def test_subclass_decides(self, kind: str) -> None:
        log: list[str] = []

        class Mine(getattr(locks, kind)):  # type: ignore[misc]
            def acquire(self, timeout: Any = None) -> Any:
                log.append("acquire")
                return super().acquire(timeout)

            def release(self) -> None:
                log.append("release")
                super().release()

        async def main() -> None:
            async with Mine():
                log.append("body")

        asyncio.run(main())
        assert log == ["acquire", "body", "release"]

    @each_way
    def test_permit_of_the_cancelled_is_not_lost(self, kind: str, way: Any) -> None:
        async def main() -> None:
            lock, semaphore = semaphore_of(kind)
            await lock.acquire()
            task = asyncio.ensure_future(way(lock.acquire()))
            await turns()
            lock.release()
            task.cancel()
            if not await ended(task):
                lock.release()
            assert semaphore._value == 1

        asyncio.run(main())

    @each_way
    def test_permit_of_the_cancelled_goes_to_the_next(self, kind: str, way: Any) -> None:
        async def main() -> None:
            lock, semaphore = semaphore_of(kind)
            await lock.acquire()
            tasks = [asyncio.ensure_future(way(lock.acquire())) for _ in range(3)]
            await turns()
            lock.release()
            for task in tasks:
                task.cancel()
            last = await started(lock.acquire())
            for task in tasks:
                if not await ended(task):
                    lock.release()
            await last
            assert semaphore._value == 0

        asyncio.run(main())

    def test_async_with_cancelled(self, kind: str) -> None:
        async def main() -> None:
            lock, semaphore = semaphore_of(kind)

            async def worker() -> None:
                async with lock:
                    raise AssertionError("was cancelled before")

            await lock.acquire()
            tasks = [await started(worker()) for _ in range(3)]
            tasks[0].cancel()
            lock.release()  # to the second
            tasks[1].cancel()
            tasks[2].cancel()
            await asyncio.wait(tasks)
            assert all(task.cancelled() for task in tasks)
            assert semaphore._value == 1
            assert "waiters" not in repr(lock)

        asyncio.run(main())

    def test_closed_coroutine_waits_no_more(self, kind: str) -> None:
        async def main() -> None:
            lock, semaphore = semaphore_of(kind)
            await lock.acquire()

            async def explicitly() -> None:
                await lock.acquire()

            for served in (False, True):
                for coroutine in (lock.__aenter__(), explicitly()):
                    coroutine.send(None)
                    if served:
                        lock.release()
                    coroutine.close()
                    if served:
                        assert semaphore._value == 1
                        await lock.acquire()
            lock.release()
            assert semaphore._value == 1

        asyncio.run(main())

    def test_who_has_read_the_result_has_the_permit(self, kind: str) -> None:
        async def main() -> None:
            lock, semaphore = semaphore_of(kind)
            await lock.acquire()
            future = lock.acquire()
            task = await started(future)
            lock.release()
            with future.result():
                task.cancel()
                await ended(task)
                assert semaphore._value == 0
            assert semaphore._value == 1

        asyncio.run(main())

    def test_who_has_asked_too_early_has_no_permit(self, kind: str) -> None:
        async def main() -> None:
            lock, semaphore = semaphore_of(kind)
            await lock.acquire()
            future = lock.acquire()
            task = await started(future)
            for look in (future.result, future.exception):
                with pytest.raises(asyncio.InvalidStateError):
                    look()
            lock.release()
            await cancel(task)
            assert semaphore._value == 1

        asyncio.run(main())

    def test_result_that_was_given_back_is_gone(self, kind: str) -> None:
        async def main() -> None:
            lock, semaphore = semaphore_of(kind)
            await lock.acquire()
            future = lock.acquire()
            task = await started(future)
            lock.release()
            assert future.done()
            assert not future.cancelled()
            await cancel(task)
            assert semaphore._value == 1
            # For whoever else has the future it is as if the cancellation had been first.
            assert future.done()
            assert future.cancelled()
            for look in (future.result, future.exception):
                with pytest.raises(asyncio.CancelledError):
                    look()
            with pytest.raises(asyncio.CancelledError):
                await future
            assert semaphore._value == 1

        asyncio.run(main())

    def test_two_await_and_one_is_cancelled(self, kind: str) -> None:
        async def main() -> None:
            for who in (0, 1):
                lock, semaphore = semaphore_of(kind)
                await lock.acquire()
                future = lock.acquire()
                tasks = [await started(future), await started(future)]
                lock.release()
                tasks[who].cancel()
                await asyncio.wait(tasks)
                # The permit is with the other one, or back; never both.
                given = [not task.cancelled() for task in tasks]
                assert sum(given) + semaphore._value == 1

        asyncio.run(main())

    def test_ended_by_the_program_gives_nothing_back(self, kind: str) -> None:
        async def main() -> None:
            lock, semaphore = semaphore_of(kind)
            await lock.acquire()
            future = lock.acquire()
            task = await started(future)
            future.set_result(None)
            await cancel(task)
            assert semaphore._value == 0

        asyncio.run(main())


class TestSemaphore:
    def test_repr(self) -> None:
        async def main() -> None:
            semaphore = Semaphore(2)
            start = f"<tornadic.locks.Semaphore object at {hex(id(semaphore))} ["
            assert repr(semaphore) == start + "unlocked,value:2]>"
            await semaphore.acquire()
            assert repr(semaphore) == start + "unlocked,value:1]>"
            await semaphore.acquire()
            assert repr(semaphore) == start + "locked]>"
            semaphore.acquire()
            future: Any = semaphore.acquire(HOUR)
            assert repr(semaphore) == start + "locked,waiters:2]>"
            future.cancel()
            assert repr(semaphore) == start + "locked,waiters:1]>"

        asyncio.run(main())

    @pytest.mark.parametrize("kind", [Semaphore, BoundedSemaphore])
    def test_value(self, kind: type[Semaphore]) -> None:
        with pytest.raises(ValueError, match=">= 0"):
            kind(-1)

        async def main() -> None:
            for value in range(3):
                semaphore = kind(value)
                futures: list[Any] = [semaphore.acquire() for _ in range(4)]
                assert [future.done() for future in futures] == [n < value for n in range(4)]

        asyncio.run(main())

    def test_released_more_often_than_acquired(self) -> None:
        semaphore = Semaphore()
        semaphore.release()
        assert "value:2" in repr(semaphore)

    @pytest.mark.parametrize("value", [0, 1, 2])
    def test_bounded(self, value: int) -> None:
        async def main() -> None:
            semaphore = BoundedSemaphore(value)
            with pytest.raises(ValueError, match="too many times"):
                semaphore.release()
            for _ in range(value):
                await semaphore.acquire()
            for _ in range(value):
                semaphore.release()
            with pytest.raises(ValueError, match="too many times"):
                semaphore.release()

        asyncio.run(main())

    def test_bounded_is_not_released_beyond_by_giving_back(self) -> None:
        async def main() -> None:
            semaphore = BoundedSemaphore(1)
            await semaphore.acquire()
            task = await started(semaphore.acquire())
            semaphore.release()
            await cancel(task)
            with pytest.raises(ValueError, match="too many times"):
                semaphore.release()

        asyncio.run(main())

    def test_context_manager_keeps_the_semaphore(self) -> None:
        async def main() -> None:
            with await Semaphore().acquire():
                gc.collect()

        asyncio.run(main())


class TestLock:
    def test_repr(self) -> None:
        class Mine(Lock):
            pass

        async def main() -> None:
            lock = Mine()
            start = "<Mine _block=<tornadic.locks.BoundedSemaphore object at "
            assert repr(lock).startswith(start)
            assert repr(lock).endswith(" [unlocked,value:1]>>")
            await lock.acquire()
            lock.acquire()
            assert repr(lock).endswith(" [locked,waiters:1]>>")

        asyncio.run(main())

    def test_release_of_an_unlocked_lock(self) -> None:
        async def main() -> None:
            lock = Lock()
            for _ in range(2):
                with pytest.raises(RuntimeError, match="release unlocked lock"):
                    lock.release()
                async with lock:
                    pass

        asyncio.run(main())


class ConditionMachine(WaitMachine):
    """A `Condition` and its model."""

    late = False

    def __init__(self) -> None:
        super().__init__()
        self.condition = Condition()
        self.line: list[Wait] = []
        self.lines = [self.line]
        self.number = 0

    def begin(self, wait: Wait) -> None:
        wait.extra = self.number
        self.join(wait, self.line)

    @rule(seconds=st.none() | st.integers(1, 3))
    def wait(self, seconds: int | None) -> None:
        async def wait() -> bool:
            timeout = None if seconds is None else datetime.timedelta(seconds=seconds)
            return await self.condition.wait(timeout)

        self.start(wait, self.begin, seconds)

    @rule(n=st.integers(0, 4))
    def notify(self, n: int) -> None:
        with self.loop.inside():
            self.condition.notify(n)
        self.number += 1
        for _ in range(min(n, len(self.line))):
            self.serve(self.line, True).extra = self.number

    @rule()
    def notify_all(self) -> None:
        with self.loop.inside():
            self.condition.notify_all()
        self.number += 1
        while self.line:
            self.serve(self.line, True).extra = self.number

    def take_back(self, wait: Wait) -> None:
        if self.line and self.line[0].extra < wait.extra:
            self.serve(self.line, True).extra = wait.extra


class EventMachine(WaitMachine):
    """An `Event` and its model."""

    def __init__(self) -> None:
        super().__init__()
        self.event = Event()
        self.is_set = False
        self.line: list[Wait] = []
        self.lines = [self.line]

    def begin(self, wait: Wait) -> None:
        if self.is_set:
            self.finish(wait, None)
        else:
            self.join(wait, self.line)

    @rule(seconds=st.none() | st.integers(1, 3))
    def wait(self, seconds: int | None) -> None:
        async def wait() -> None:
            timeout = None if seconds is None else datetime.timedelta(seconds=seconds)
            await self.event.wait(timeout)

        self.start(wait, self.begin, seconds)

    @rule()
    def set(self) -> None:
        with self.loop.inside():
            self.event.set()
        self.is_set = True
        while self.line:
            self.serve(self.line, None)

    @rule()
    def clear(self) -> None:
        self.event.clear()
        self.is_set = False

    def take_back(self, wait: Wait) -> None:
        """The flag is not used up."""


class SemaphoreMachine(WaitMachine):
    """A `Semaphore` or a `Lock` and its model."""

    def __init__(self) -> None:
        super().__init__()
        self.line: list[Wait] = []
        self.lines = [self.line]
        self.value = 0

    @initialize(kind=st.sampled_from(["Semaphore", "Lock"]), value=st.integers(0, 2))
    def make(self, kind: str, value: int) -> None:
        self.value = 1 if kind == "Lock" else value
        self.semaphore: Any = Lock() if kind == "Lock" else Semaphore(value)

    def begin(self, wait: Wait) -> None:
        if self.value:
            self.value -= 1
            self.finish(wait, "got it")
        else:
            self.join(wait, self.line)

    @rule(seconds=st.none() | st.integers(1, 3))
    def acquire(self, seconds: int | None) -> None:
        async def wait() -> str:
            timeout = None if seconds is None else datetime.timedelta(seconds=seconds)
            await self.semaphore.acquire(timeout)
            return "got it"

        self.start(wait, self.begin, seconds)

    @rule()
    def enter(self) -> None:
        async def wait() -> str:
            await self.semaphore.__aenter__()
            return "got it"

        self.start(wait, self.begin)

    @precondition(lambda self: not (self.value and isinstance(self.semaphore, Lock)))
    @rule()
    def release(self) -> None:
        with self.loop.inside():
            self.semaphore.release()
        self.give()

    def give(self) -> None:
        if self.line:
            self.serve(self.line, "got it")
        else:
            self.value += 1

    def take_back(self, wait: Wait) -> None:
        self.give()

    @invariant()
    def value_is_the_same(self) -> None:
        if hasattr(self, "semaphore"):
            assert getattr(self.semaphore, "_block", self.semaphore)._value == self.value


TestConditionAgainstModel = ConditionMachine.TestCase
TestEventAgainstModel = EventMachine.TestCase
TestSemaphoreAgainstModel = SemaphoreMachine.TestCase
