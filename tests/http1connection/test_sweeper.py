"""One timer for all connections of a loop, on a loop whose clock the test moves."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import cast

import pytest
from tests.http1connection.support import OK, Program, connected, get, run, served, turns

from tornadic.http1connection import HTTP1ServerConnection
from tornadic.http1connection.sweeper import Sweeper
from tornadic.ioloop import IOLoop


class Timer:
    """What `Clock.call_later` gives."""

    def __init__(self, when: float, callback: Callable[[], None]) -> None:
        self.when = when
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Clock:
    """A loop of which only the time is real, and that is the test's."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._timers: list[Timer] = []

    @property
    def asyncio_loop(self) -> Clock:
        return self

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        assert delay > 0 and math.isfinite(delay)
        timer = Timer(self.now + delay, callback)
        self._timers.append(timer)
        return timer

    def pending(self) -> list[Timer]:
        return [timer for timer in self._timers if not timer.cancelled]

    def advance(self, seconds: float) -> None:
        """Let time pass, and whatever is due happen at its time."""
        end = self.now + seconds
        while due := [timer for timer in self.pending() if timer.when <= end]:
            timer = min(due, key=lambda timer: timer.when)
            self._timers.remove(timer)
            self.now = timer.when
            timer.callback()
        self.now = end

    def sweeper(self) -> Sweeper:
        return Sweeper(cast(IOLoop, self))


class Watched:
    """Something that is overdue ``limit`` seconds after it began."""

    def __init__(self, clock: Clock, sweeper: Sweeper, limit: float, leaves: bool = True) -> None:
        self.began = clock.now
        self.limit = limit
        self.clock = clock
        self.sweeper = sweeper
        self.leaves = leaves
        self.expired: list[float] = []
        sweeper.add(self)

    @property
    def shortest_timeout(self) -> float:
        return self.limit

    def overdue(self, now: float) -> bool:
        return now - self.began > self.limit

    def expire(self) -> None:
        self.expired.append(self.clock.now)
        if self.leaves:
            self.sweeper.discard(self)


def test_nothing_runs_before_there_is_anything_to_watch() -> None:
    clock = Clock()
    sweeper = clock.sweeper()
    assert clock.pending() == [] and sweeper.now == clock.now


@pytest.mark.parametrize("limit", [0.1, 0.5, 1.0, 2.0, 30.0, 1000.0])
def test_the_late_are_closed_soon_after_their_time_and_not_before(limit: float) -> None:
    clock = Clock()
    watched = Watched(clock, clock.sweeper(), limit)
    clock.advance(limit)
    assert watched.expired == []
    clock.advance(limit)
    [when] = watched.expired
    assert limit <= when - watched.began <= limit * 1.13 + 0.01


def test_a_time_of_nothing_is_no_busy_loop() -> None:
    clock = Clock()
    watched = Watched(clock, clock.sweeper(), 0.0)
    clock.advance(1.0)
    assert len(watched.expired) == 1
    sweeper = clock.sweeper()
    stays = Watched(clock, sweeper, 0.0, leaves=False)
    clock.advance(1.0)
    assert 1 <= len(stays.expired) <= 101


@pytest.mark.parametrize("limit", [math.inf, 1e9])
def test_who_is_never_late_costs_few_sweeps(limit: float) -> None:
    clock = Clock()
    watched = Watched(clock, clock.sweeper(), limit)
    assert len(clock.pending()) == 1
    clock.advance(10.0)
    assert watched.expired == [] and len(clock.pending()) == 1


def test_one_timer_for_all() -> None:
    clock = Clock()
    sweeper = clock.sweeper()
    watched = [Watched(clock, sweeper, 10.0 + i) for i in range(100)]
    assert len(clock.pending()) == 1
    clock.advance(60.5)
    assert [len(each.expired) for each in watched] == [1] * 51 + [0] * 49
    assert len(clock.pending()) == 1


@pytest.mark.parametrize("order", [1, -1])
def test_the_shortest_time_sets_the_pace(order: int) -> None:
    clock = Clock()
    sweeper = clock.sweeper()
    watched = [Watched(clock, sweeper, limit) for limit in [100.0, 0.4][::order]]
    clock.advance(0.5)
    assert sorted(len(each.expired) for each in watched) == [0, 1]
    assert len(clock.pending()) == 1


def test_the_clock_stands_still_between_two_sweeps() -> None:
    clock = Clock()
    sweeper = clock.sweeper()
    Watched(clock, sweeper, 100.0)
    before = sweeper.now
    clock.now += 0.01
    assert sweeper.now == before
    clock.advance(1.0)
    assert before < sweeper.now <= clock.now
    assert clock.now - sweeper.now <= 0.25


def test_the_timer_ends_with_the_last() -> None:
    clock = Clock()
    sweeper = clock.sweeper()
    first, second = Watched(clock, sweeper, 1.0), Watched(clock, sweeper, 1.0)
    sweeper.discard(first)
    assert len(clock.pending()) == 1
    sweeper.discard(second)
    assert clock.pending() == []
    sweeper.discard(second)
    clock.advance(10.0)
    assert first.expired == second.expired == []


def test_the_timer_ends_when_the_last_one_is_late() -> None:
    clock = Clock()
    sweeper = clock.sweeper()
    watched = [Watched(clock, sweeper, 1.0) for _ in range(3)]
    clock.advance(2.0)
    assert [len(each.expired) for each in watched] == [1, 1, 1]
    assert clock.pending() == []


def test_after_a_pause_time_is_not_what_it_was_before_it() -> None:
    # Nobody swept meanwhile; who comes now must not be late already.
    clock = Clock()
    sweeper = clock.sweeper()
    sweeper.discard(Watched(clock, sweeper, 0.1))
    clock.advance(1000.0)
    watched = Watched(clock, sweeper, 10.0)
    assert sweeper.now == clock.now
    clock.advance(10.0)
    assert watched.expired == []
    clock.advance(1.0)
    assert len(watched.expired) == 1


def test_a_pace_that_nobody_needs_any_more_is_given_up() -> None:
    clock = Clock()
    sweeper = clock.sweeper()
    sweeper.discard(Watched(clock, sweeper, 0.01))
    Watched(clock, sweeper, 100.0)
    [timer] = clock.pending()
    assert timer.when - clock.now > 0.1


@pytest.mark.parametrize("others", [0, 3])
def test_a_pace_that_nobody_needs_any_more_is_given_up_beside_others(others: int) -> None:
    clock = Clock()
    sweeper = clock.sweeper()
    watched = [Watched(clock, sweeper, 100.0) for _ in range(others + 1)]
    # As by `set_body_timeout`, and then the body is there.
    watched[0].limit = 0.01
    sweeper.add(watched[0])
    watched[0].limit = 100.0
    clock.advance(2.0)
    [timer] = clock.pending()
    assert timer.when - clock.now <= 0.25
    before = sweeper.now
    clock.advance(0.2)
    assert sweeper.now - before in (0.0, 0.25)


def test_a_pace_that_somebody_needs_is_kept() -> None:
    clock = Clock()
    sweeper = clock.sweeper()
    for limit in (100.0, 0.4):
        Watched(clock, sweeper, limit, leaves=False)
    for _ in range(50):
        clock.advance(0.1)
        [timer] = clock.pending()
        assert timer.when - clock.now <= 0.05


def test_whoever_is_closed_may_take_others_along() -> None:
    clock = Clock()
    sweeper = clock.sweeper()
    watched: list[Watched] = []

    class Last(Watched):
        def expire(self) -> None:
            super().expire()
            for each in watched:
                sweeper.discard(each)

    watched.extend(Last(clock, sweeper, 1.0) for _ in range(3))
    clock.advance(5.0)
    assert sum(len(each.expired) for each in watched) >= 1
    assert clock.pending() == []


def test_who_is_watched_twice_is_closed_once() -> None:
    clock = Clock()
    sweeper = clock.sweeper()
    watched = Watched(clock, sweeper, 1.0)
    sweeper.add(watched)
    assert len(clock.pending()) == 1
    clock.advance(5.0)
    assert len(watched.expired) == 1


def test_all_connections_of_a_loop_share_one() -> None:
    async def main() -> None:
        shared = IOLoop.current().shared(Sweeper)
        timers: list[object] = []
        loop = asyncio.get_running_loop()
        original = loop.call_later

        def call_later(delay: float, callback: Callable[[], object]) -> asyncio.TimerHandle:
            timers.append(callback)
            return original(delay, callback)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(loop, "call_later", call_later)
            async with served(Program()) as (_, first), served(Program()) as (_, second):
                for _ in range(50):
                    for peer in (first, second):
                        peer.send(get())
                        await peer.reads(OK)
                # Requests set no timer of their own.
                assert len(timers) <= 3
        assert IOLoop.current().shared(Sweeper) is shared

    run(main)


def test_nothing_runs_on_when_the_last_connection_has_closed() -> None:
    async def main() -> None:
        cancelled: list[bool] = []
        async with connected() as (stream, _):
            with pytest.MonkeyPatch.context() as patch:
                loop = asyncio.get_running_loop()
                handles: list[asyncio.TimerHandle] = []
                original = loop.call_later

                def call_later(delay: float, callback: Callable[[], object]) -> object:
                    handles.append(original(delay, callback))
                    return handles[-1]

                patch.setattr(loop, "call_later", call_later)
                server = HTTP1ServerConnection(stream)
                server.start_serving(Program())
                await turns()
                await server.close()
                cancelled = [handle.cancelled() for handle in handles]
        assert cancelled and all(cancelled)

    run(main)
