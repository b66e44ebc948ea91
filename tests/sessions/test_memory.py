"""Sessions in memory: expiry, and how many there may be."""

from __future__ import annotations

import pytest
from tests.sessions.support import Clock, new_key

from tornadic.sessions import Change, MemoryStore
from tornadic.sessions.memory import SWEPT_AT_ONCE

HOUR = 3600.0


def create(store: MemoryStore, count: int = 1) -> list[str]:
    keys = [new_key() for _ in range(count)]
    for key in keys:
        assert store.save(key, Change({"a": "1"}))
    return keys


def test_a_session_expires_when_it_is_not_used(clock: Clock) -> None:
    store = MemoryStore(clock=clock, idle_timeout=HOUR)
    used, touched, idle = create(store, 3)
    clock.now += HOUR - 1
    assert store.load(used) is not None
    store.touch(touched)
    clock.now += 1
    assert store.load(idle) is None
    assert not store.save(idle, Change({"a": "2"}, (), store.load(used)))
    clock.now += HOUR - 2
    assert store.load(used) is not None
    assert store.load(touched) is not None
    clock.now += HOUR
    assert store.load(used) is None


def test_expired_sessions_go_as_others_come(clock: Clock) -> None:
    store = MemoryStore(clock=clock, idle_timeout=HOUR)
    create(store, 100)
    clock.now += HOUR
    for _ in range(50):
        create(store)
    assert len(store._records) == 50
    # Those that are still in use stay.
    create(store, 100)
    assert len(store._records) == 150


def test_what_is_used_stays_behind_what_is_not(clock: Clock) -> None:
    store = MemoryStore(clock=clock, idle_timeout=HOUR)
    used = create(store, 10)[0]
    clock.now += HOUR / 2
    store.load(used)
    clock.now += HOUR / 2
    assert store.sweep() == 9
    assert list(store._records) == [used]


def test_a_sweep_is_bounded(clock: Clock) -> None:
    store = MemoryStore(clock=clock, idle_timeout=HOUR)
    create(store, SWEPT_AT_ONCE + 1)
    clock.now += HOUR
    assert store.sweep() == SWEPT_AT_ONCE
    assert store.sweep() == 1
    assert store.sweep() == 0


def test_the_one_not_used_for_longest_makes_room() -> None:
    store = MemoryStore(max_sessions=3)
    first, second, third = create(store, 3)
    assert store.load(first) is not None
    (fourth,) = create(store)
    assert store.load(second) is None
    assert all(store.load(key) for key in (first, third, fourth))
    with pytest.raises(ValueError, match="max_sessions"):
        MemoryStore(max_sessions=0)
