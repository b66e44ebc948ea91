"""Tasks that wait: helpers, a loop that runs turn by turn, and a state machine upon it."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tornadic.ioloop import IOLoop


async def turns(count: int = 3) -> None:
    """Let the loop run for a few turns."""
    for _ in range(count):
        await asyncio.sleep(0)


async def started(awaitable: Awaitable[Any]) -> asyncio.Task[Any]:
    """A task that awaits ``awaitable``, and does so already."""

    async def wait() -> Any:
        return await awaitable

    task = asyncio.ensure_future(wait())
    await asyncio.sleep(0)
    return task


async def cancel(task: asyncio.Future[Any]) -> None:
    """Cancel ``task`` and see it end so."""
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def timers(loop: asyncio.AbstractEventLoop | None = None) -> int:
    """How many timers are pending on ``loop``, or the one that runs."""
    inside = vars(loop or asyncio.get_running_loop())
    if "_scheduled" not in inside:
        pytest.skip("only asyncio's own loop tells of its timers")
    scheduled: list[asyncio.TimerHandle] = inside["_scheduled"]
    return sum(not timer.cancelled() for timer in scheduled)


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class TurnLoop(asyncio.SelectorEventLoop):
    """Runs when it is told to, and its clock stands still until it is set."""

    now = 0.0

    def time(self) -> float:
        return self.now

    def turn(self) -> None:
        self.call_soon(self.stop)
        self.run_forever()

    @contextmanager
    def inside(self) -> Iterator[None]:
        """As if the block were a callback of the loop."""
        asyncio._set_running_loop(self)
        try:
            yield
        finally:
            asyncio._set_running_loop(None)


class Wait:
    """What the model knows of a task that waits: one of the states, and at last the outcome."""

    def __init__(self, begin: Callable[[Wait], None], seconds: int | None) -> None:
        self.begin = begin
        self.seconds = seconds
        self.deadline = 0.0
        self.state = "new"
        self.cancelled = False
        self.given: Any = None
        self.extra: Any = None


class WaitMachine(RuleBasedStateMachine):
    """Tasks that wait for one thing each, on a real loop and in a model of it.

    A subclass adds rules that call `start` and `serve`, and defines `take_back`.  The waits that
    are in the list ``line`` are those that wait, in their order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.loop = TurnLoop()
        with self.loop.inside():
            self.io_loop = IOLoop.current()
        self.tasks: list[tuple[asyncio.Task[Any], Wait]] = []
        self.ready: list[Wait] = []
        self.lines: list[list[Wait]] = []

    # What subclasses use

    def start(
        self,
        wait: Callable[[], Coroutine[Any, Any, Any]],
        begin: Callable[[Wait], None],
        seconds: int | None = None,
        extra: Any = None,
    ) -> None:
        """Start a task of ``wait()``; the model does ``begin`` when it first runs."""
        one = Wait(begin, seconds)
        one.extra = extra
        with self.loop.inside():
            self.tasks.append((self.loop.create_task(wait()), one))
        self.ready.append(one)

    def finish(self, wait: Wait, outcome: Any) -> None:
        wait.state = "done"
        wait.given = outcome

    def join(self, wait: Wait, line: list[Wait]) -> None:
        wait.state = "waiting"
        if wait.seconds is not None:
            wait.deadline = self.loop.now + wait.seconds
        line.append(wait)

    def serve(self, line: list[Wait], given: Any) -> Wait:
        wait = line.pop(0)
        wait.state = "served"
        wait.given = given
        self.ready.append(wait)
        return wait

    def take_back(self, wait: Wait) -> None:
        """The task of ``wait`` is cancelled, and will never see what it was given."""
        raise NotImplementedError

    late: Any = TimeoutError

    # The model of tasks

    def step(self, wait: Wait) -> None:
        if wait.state == "new" and not wait.cancelled:
            wait.begin(wait)
            return
        if wait.state == "served" and wait.cancelled:
            self.take_back(wait)
        self.finish(wait, asyncio.CancelledError if wait.cancelled else wait.given)

    def settle(self) -> None:
        while self.ready:
            self.turn()

    @rule()
    def turn(self) -> None:
        self.loop.turn()
        ready, self.ready = self.ready, []
        for wait in ready:
            self.step(wait)
        for line in self.lines:
            for wait in list(line):
                if wait.seconds is not None and wait.deadline <= self.loop.now:
                    line.remove(wait)
                    wait.state = "late"
                    wait.given = self.late
                    self.ready.append(wait)

    @rule(seconds=st.integers(1, 3))
    def let_time_pass(self, seconds: int) -> None:
        self.loop.now += seconds
        self.turn()

    @precondition(lambda self: self.unfinished())
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        task, wait = data.draw(st.sampled_from(self.unfinished()))
        with self.loop.inside():
            task.cancel()
        wait.cancelled = True
        for line in self.lines:
            if wait in line:
                line.remove(wait)
                wait.state = "cancelled"
                self.ready.append(wait)

    def unfinished(self) -> list[tuple[asyncio.Task[Any], Wait]]:
        return [(task, wait) for task, wait in self.tasks if wait.state != "done"]

    # What is compared

    @invariant()
    def outcomes_are_the_same(self) -> None:
        for task, wait in self.tasks:
            assert task.done() == (wait.state == "done")
            if task.done():
                assert outcome_of(task) == wait.given

    def teardown(self) -> None:
        try:
            self.settle()
            self.outcomes_are_the_same()
            for task, wait in self.unfinished():
                assert wait.state == "waiting"
                with self.loop.inside():
                    task.cancel()
            self.loop.turn()
            self.loop.turn()
            for task, wait in self.unfinished():
                assert outcome_of(task) is asyncio.CancelledError, wait.state
            assert not timers(self.loop)
        finally:
            self.io_loop.close()


def outcome_of(task: asyncio.Task[Any]) -> Any:
    """The result of ``task``, or the type of what it raised."""
    if task.cancelled():
        return asyncio.CancelledError
    error = task.exception()
    return task.result() if error is None else type(error)
