"""What every store does, whatever it is made of."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest
from tests.sessions.conftest import MakeStore
from tests.sessions.support import Clock, new_key, opened
from tests.web.support import run

from tornadic.sessions import Change, MemoryStore

HOUR = 3600.0


def test_what_is_saved_is_loaded(make: MakeStore, clock: Clock) -> None:
    async def main() -> None:
        async with opened(make(clock=clock)) as store:
            key = await store.create(user='"ada"', visits="1")
            record = await store.load(key)
            assert record is not None
            assert dict(record.values) == {"user": '"ada"', "visits": "1"}
            assert record.created == clock.now

    run(main)


def test_unknown_and_strange_identifiers(make: MakeStore) -> None:
    async def main() -> None:
        async with opened(make()) as store:
            for key in (new_key(), "", "x", "'; DROP TABLE sessions; --", "*", "a\x00b"):
                assert await store.load(key) is None
                await store.touch(key)
                await store.delete(key)

    run(main)


def test_any_key_and_value(make: MakeStore) -> None:
    values = {"": '""', "a b": "[]", "=": "1", "!created": "2", "ä\x00\n'\"": '"\\ud800"'}

    async def main() -> None:
        async with opened(make()) as store:
            key = new_key()
            await store.save(key, Change(values))
            assert await store.values(key) == values
            await store.update(key, removed=values)
            assert await store.values(key) == {}

    run(main)


def test_a_session_of_many_keys(make: MakeStore) -> None:
    # More than fit into one call of a script.
    values = {f"key {number}": str(number) for number in range(10_000)}

    async def main() -> None:
        async with opened(make()) as store:
            key = new_key()
            await store.save(key, Change(values))
            assert await store.values(key) == values
            await store.update(key, removed=list(values)[1:])
            assert await store.values(key) == {"key 0": "0"}

    run(main)


def test_concurrent_changes_are_put_together(make: MakeStore) -> None:
    """Last write wins by key; what another request wrote or removed stays so."""

    async def main() -> None:
        async with opened(make()) as store:
            key = await store.create(a="1", b="1", c="1")
            seen = await store.load(key)
            await store.save(key, Change({"a": "2", "new": "2"}, [], seen))
            await store.save(key, Change({"b": "3"}, ["c"], seen))
            await store.save(key, Change({"a": "4"}, [], seen))
            assert await store.values(key) == {"a": "4", "b": "3", "new": "2"}

    run(main)


def test_hundred_at_once(make: MakeStore) -> None:
    async def main() -> None:
        async with opened(make()) as store:
            key = await store.create()
            await asyncio.gather(*(store.update(key, **{f"k{n}": str(n)}) for n in range(100)))
            assert await store.values(key) == {f"k{n}": str(n) for n in range(100)}

    run(main)


def test_what_was_loaded_does_not_change(make: MakeStore) -> None:
    async def main() -> None:
        async with opened(make()) as store:
            key = await store.create(a="1")
            record = await store.load(key)
            assert record is not None
            values = record.values
            await store.update(key, a="2")
            assert dict(values) == {"a": "1"}

    run(main)


def test_a_deleted_session_is_not_resurrected(make: MakeStore) -> None:
    async def main() -> None:
        async with opened(make()) as store:
            key = await store.create(user="1")
            seen = await store.load(key)
            await store.delete(key)
            assert await store.load(key) is None
            assert not await store.save(key, Change({"user": "2"}, [], seen))
            await store.touch(key)
            assert await store.load(key) is None

    run(main)


def test_a_renewed_session_has_its_content_and_the_old_name_is_dead(make: MakeStore) -> None:
    async def main() -> None:
        async with opened(make()) as store:
            old, new = await store.create(a="1", b="1"), new_key()
            seen = await store.load(old)
            await store.update(old, other="1")  # another request
            assert await store.save(new, Change({"user": "2"}, ["b"], seen, replaces=old))
            assert await store.values(new) == {"a": "1", "other": "1", "user": "2"}
            assert await store.load(old) is None
            assert not await store.save(old, Change({"a": "3"}, [], seen))
            assert await store.load(old) is None

    run(main)


def test_renewed_twice_at_once(make: MakeStore) -> None:
    """The second finds nothing left, and has what it wrote itself: no content comes back."""

    async def main() -> None:
        async with opened(make()) as store:
            old, first, second = await store.create(cart="1"), new_key(), new_key()
            seen = await store.load(old)
            for key in (first, second):
                assert await store.save(key, Change({"user": "1"}, [], seen, replaces=old))
            assert await store.values(first) == {"cart": "1", "user": "1"}
            assert await store.values(second) == {"user": "1"}
            assert await store.load(old) is None

    run(main)


def test_renewing_does_not_prolong(make: MakeStore, clock: Clock) -> None:
    async def main() -> None:
        async with opened(make(clock=clock, lifetime=HOUR)) as store:
            key, new = await store.create(), new_key()
            clock.now += HOUR - 1
            seen = await store.load(key)
            await store.save(new, Change({}, [], seen, replaces=key))
            record = await store.load(new)
            assert record is not None
            assert record.created == clock.now - HOUR + 1
            clock.now += 1
            assert await store.load(new) is None

    run(main)


def test_the_lifetime_ends_whatever_happens(make: MakeStore, clock: Clock) -> None:
    async def main() -> None:
        async with opened(make(clock=clock, idle_timeout=2 * HOUR, lifetime=3 * HOUR)) as store:
            key = await store.create()
            for _ in range(5):
                clock.now += HOUR / 2
                await store.update(key, a="1")
            clock.now += HOUR / 2 - 1
            assert await store.load(key) is not None
            clock.now += 1
            assert await store.load(key) is None

    run(main)


@pytest.mark.parametrize("option", ["idle_timeout", "lifetime"])
@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf])
def test_times_that_are_none(option: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{option} must be above 0"):
        MemoryStore(**{option: value})
