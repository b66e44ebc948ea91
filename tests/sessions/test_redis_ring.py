"""Sessions on several servers, which are killed, suspended, started, added and removed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from redis import Redis
from tests.services import RedisServer, redis_server
from tests.sessions.support import Asked, Notes, Visitor, new_key, opened, site
from tests.web.support import LogBook, run

from tornadic._redis import node_name
from tornadic.sessions import Change, RedisRingStore

# A pause that does not end while a test runs; those that want it to end say so.
LONG = 3600.0


@pytest.fixture
def servers() -> Iterator[list[RedisServer]]:
    with ExitStack() as stack:
        yield [stack.enter_context(redis_server()) for _ in range(3)]


def ring(servers: list[RedisServer], **options: Any) -> RedisRingStore:
    options.setdefault("timeout", 2.0)
    options.setdefault("retry_after", LONG)
    return RedisRingStore([server.url for server in servers], **options)


def order(store: RedisRingStore, key: str, servers: list[RedisServer]) -> list[RedisServer]:
    """The servers in the order in which they have a key."""
    by_name = {node_name(server.url): server for server in servers}
    return [by_name[name] for name in store._ring.iterate_nodes(key)]


def sizes(servers: list[RedisServer]) -> list[int]:
    """How many sessions each server has."""
    found = []
    for server in servers:
        with Redis.from_url(server.url) as client:
            found.append(client.dbsize())
    return found


async def back(store: RedisRingStore, server: RedisServer, log: LogBook) -> None:
    """Wait until a server is asked again, and answers."""
    member = store._members[node_name(server.url)]
    member.retry_at = 0.0
    while member.is_down:
        store._ask_again()
        await asyncio.sleep(0)
    log.take("is back")


def test_each_has_its_share(servers: list[RedisServer]) -> None:
    async def main() -> None:
        async with opened(ring(servers)) as store:
            keys = [await store.create(n=str(n)) for n in range(60)]
            assert sum(sizes(servers)) == 60
            assert all(size > 5 for size in sizes(servers))
            for number, key in enumerate(keys):
                assert await store.values(key) == {"n": str(number)}

    run(main)


def test_weights() -> None:
    urls = [f"redis://127.0.0.1:{port}" for port in (1, 2)]
    store = RedisRingStore(urls, {urls[0]: 0})
    assert store._ring.get_node("key") == "127.0.0.1:2"


def test_no_session_is_lost_but_the_dead_servers(servers: list[RedisServer], log: LogBook) -> None:
    async def main() -> None:
        async with opened(ring(servers)) as asked:
            store = asked.store
            assert isinstance(store, RedisRingStore)
            keys = [await asked.create(n="1") for _ in range(60)]
            dead = servers[0]
            dead.kill()
            for key in keys:
                found = await asked.values(key)
                assert (found is None) == (order(store, key, servers)[0] is dead)
            log.take("A server of the sessions is left out")
            # What comes now has a place.
            for _ in range(20):
                key = await asked.create(n="2")
                assert await asked.update(key, m="3")
                assert await asked.values(key) == {"n": "2", "m": "3"}

    run(main)


def test_a_session_whose_server_dies_under_it_is_made_anew(
    servers: list[RedisServer], log: LogBook
) -> None:
    async def main() -> None:
        async with opened(ring(servers)) as asked:
            store = asked.store
            assert isinstance(store, RedisRingStore)
            names = (f"key {number}" for number in range(9999))
            own = (key for key in names if order(store, key, servers)[0] is servers[0])
            saved, renewed = next(own), next(own)
            seen = []
            for key in (saved, renewed):
                assert await asked.save(key, Change({"user": "1", "old": "1"}))
                seen.append(await asked.load(key))
            servers[0].kill()
            assert await asked.save(saved, Change({"new": "2"}, ["old"], seen[0]))
            assert await asked.values(saved) == {"user": "1", "new": "2"}
            key = new_key()
            change = Change({"new": "2"}, ["old"], seen[1], replaces=renewed)
            assert await asked.save(key, change)
            assert await asked.values(key) == {"user": "1", "new": "2"}
            assert await asked.load(renewed) is None
            log.take("left out")
            # A second request that had loaded it is put together with the first.
            assert await asked.save(saved, Change({"more": "3"}, [], seen[0]))
            assert await asked.values(saved) == {"user": "1", "new": "2", "more": "3"}

    run(main)


def test_sessions_move_to_a_new_server(servers: list[RedisServer]) -> None:
    async def main() -> None:
        async with opened(ring(servers[:2])) as asked:
            store = asked.store
            assert isinstance(store, RedisRingStore)
            keys = [await asked.create(n=str(n)) for n in range(60)]
            store.add_node(servers[2].url)
            assert sizes(servers)[2] == 0
            for number, key in enumerate(keys):
                assert await asked.values(key) == {"n": str(number)}
            moved = sizes(servers)[2]
            assert 8 < moved < 35
            assert sum(sizes(servers)) == 60  # each is in one place
            assert moved == sum(order(store, key, servers)[0] is servers[2] for key in keys)
            # And back again.
            store.remove_node(servers[2].url)
            for number, key in enumerate(keys):
                assert await asked.values(key) == {"n": str(number)}
            assert sizes(servers)[2] == 0

    run(main)


def test_what_is_changed_while_it_moves(servers: list[RedisServer]) -> None:
    async def main() -> None:
        async with opened(ring(servers[:2])) as asked:
            store = asked.store
            assert isinstance(store, RedisRingStore)
            keys = [await asked.create(n="0") for _ in range(20)]
            before = {key: await asked.load(key) for key in keys}
            store.add_node(servers[2].url)

            async def change(key: str, name: str) -> None:
                # Some have it from where it was, some bring it home.
                seen = before[key] if name == "a" else await asked.load(key)
                assert await asked.save(key, Change({name: "1"}, [], seen))

            await asyncio.gather(*(change(key, name) for key in keys for name in "abcd"))
            for key in keys:
                assert await asked.values(key) == {"n": "0", **dict.fromkeys("abcd", "1")}

    run(main)


def test_a_server_that_comes_back_with_old_sessions(
    servers: list[RedisServer], log: LogBook
) -> None:
    """It was only away.  What was changed or ended without it stays so."""

    async def main() -> None:
        async with opened(ring(servers, timeout=0.2)) as asked:
            store = asked.store
            assert isinstance(store, RedisRingStore)
            names = (f"key {number}" for number in range(9999))
            own = (key for key in names if order(store, key, servers)[0] is servers[0])
            changed, ended, renewed, untouched, fresh = [next(own) for _ in range(5)]
            seen = {}
            for key in (changed, ended, renewed, untouched):
                assert await asked.save(key, Change({"a": "1"}))
                seen[key] = await asked.load(key)
            servers[0].program.suspend()
            assert await asked.save(changed, Change({"b": "2"}, [], seen[changed]))
            await asked.delete(ended)
            new = new_key()
            assert await asked.save(new, Change({"b": "2"}, [], seen[renewed], replaces=renewed))
            assert await asked.save(fresh, Change({"c": "3"}))
            log.take("left out")
            # While it is away, none of the requests that began before resurrects anything.
            assert not await asked.save(ended, Change({"b": "2"}, [], seen[ended]))
            servers[0].program.resume()
            await back(store, servers[0], log)
            assert await asked.values(changed) == {"a": "1", "b": "2"}
            assert await asked.load(ended) is None
            assert await asked.load(renewed) is None
            assert await asked.values(new) == {"a": "1", "b": "2"}
            assert await asked.values(untouched) == {"a": "1"}
            assert await asked.values(fresh) == {"c": "3"}
            for key in (changed, untouched, fresh):
                record = await asked.load(key)
                assert record is not None
                assert record.origin is store._members[node_name(servers[0].url)].node
            assert not await asked.save(ended, Change({"b": "2"}, [], seen[ended]))
            assert await asked.load(ended) is None

    run(main)


def test_a_server_that_is_started_anew(servers: list[RedisServer], log: LogBook) -> None:
    async def main() -> None:
        async with opened(ring(servers)) as asked:
            store = asked.store
            assert isinstance(store, RedisRingStore)
            servers[0].kill()
            keys = [await asked.create(n=str(n)) for n in range(30)]
            log.take("left out")
            servers[0].start()
            await back(store, servers[0], log)
            for number, key in enumerate(keys):
                assert await asked.values(key) == {"n": str(number)}
            assert sizes(servers)[0] == sum(
                order(store, key, servers)[0] is servers[0] for key in keys
            )
            assert sum(sizes(servers)) == 30

    run(main)


def test_a_server_that_stays_away_is_asked_in_the_background(
    servers: list[RedisServer], log: LogBook
) -> None:
    async def main() -> None:
        async with opened(ring(servers, retry_after=0.0)) as asked:
            store = asked.store
            assert isinstance(store, RedisRingStore)
            servers[0].kill()
            member = store._members[node_name(servers[0].url)]
            pings = 0
            ping = member.node.ping

            async def counting() -> None:
                nonlocal pings
                pings += 1
                await ping()

            member.node.ping = counting  # type: ignore[method-assign]
            while pings < 3:
                await asked.create()
            # It was logged once, however often.
            log.take("left out")

    run(main)


def test_nothing_of_it_is_left(servers: list[RedisServer], log: LogBook) -> None:
    async def main() -> None:
        async with site(ring(servers), ("/", Notes)) as server:
            visitor = Visitor(server)
            await visitor.get("/?a=1")
            for each in servers:
                each.kill()
            for _ in range(3):
                assert (await visitor.get()).status == 503
            assert (await Visitor(server).get("/?a=1")).status == 503
            assert len(log.take_all("A server of the sessions is left out")) == 3
            log.take("Sessions cannot be loaded: no server of the ring answers")
            log.take("Sessions cannot be saved: no server of the ring answers")

    run(main)


def test_under_load_one_dies_and_one_comes(servers: list[RedisServer], log: LogBook) -> None:
    """Nobody sees an error, and only who had a session on the dead server begins anew."""

    async def main() -> None:
        store = ring(servers[:2])
        async with site(store, ("/", Notes)) as server:
            visitors = [Visitor(server) for _ in range(24)]
            await asyncio.gather(*(v.get(f"/?name={n}") for n, v in enumerate(visitors)))
            homes = {v.key: order(store, v.key, servers[:2])[0] for v in visitors}
            lost: set[int] = set()
            stop = False
            rounds = 0

            async def visit(number: int, visitor: Visitor) -> None:
                nonlocal rounds
                count = 0
                while not stop:
                    count += 1
                    key = visitor.key
                    response = await visitor.get(f"/?count={count}")
                    assert response.status == 200
                    found = json.loads(response.body)
                    assert found["count"] == str(count)
                    if "name" not in found:
                        assert homes[key] is servers[0]
                        lost.add(number)
                        await visitor.get(f"/?name={number}")
                        homes[visitor.key] = servers[1]
                    else:
                        assert found["name"] == str(number)
                    rounds += 1

            tasks = [asyncio.create_task(visit(n, v)) for n, v in enumerate(visitors)]

            async def more(count: int) -> None:
                goal = rounds + count
                while rounds < goal:
                    await asyncio.sleep(0)
                    assert not any(task.done() for task in tasks)

            await more(100)
            servers[0].kill()
            await more(200)
            store.add_node(servers[2].url)
            await more(200)
            stop = True
            await asyncio.gather(*tasks)
            # They were in the middle of requests, some of which have saved their sessions.
            assert len(lost) < len(visitors)
            assert sizes(servers[1:])[1] > 0
            log.take("A server of the sessions is left out")

    run(main)


def test_the_ring_itself() -> None:
    urls = [f"redis://127.0.0.1:{port}" for port in (1, 2)]
    with pytest.raises(ValueError, match="a ring needs a server"):
        RedisRingStore([])
    with pytest.raises(ValueError, match="in the ring already"):
        RedisRingStore([urls[0], urls[0]])
    store = RedisRingStore(urls)
    with pytest.raises(ValueError, match="in the ring already"):
        store.add_node(urls[1])
    with pytest.raises(KeyError):
        store.remove_node("redis://127.0.0.1:3")
    store.remove_node(urls[0])
    with pytest.raises(ValueError, match="last server"):
        store.remove_node(urls[1])


def test_answers_of_a_server_that_left(servers: list[RedisServer]) -> None:
    """It is asked for as long as sessions can last, and then no more."""

    async def main() -> None:
        async with opened(ring(servers[:2])) as asked:
            store = asked.store
            assert isinstance(store, RedisRingStore)
            keys = [await asked.create() for _ in range(20)]
            home = {key: order(store, key, servers[:2])[0] for key in keys}
            own = [key for key in keys if home[key] is servers[0]]
            store.remove_node(servers[0].url)
            assert await asked.values(own[0]) == {}
            store._leaving[0].leaves_at = 0.0
            assert await asked.load(own[1]) is None
            while store._tasks:  # its connections are closed
                await asyncio.sleep(0)

    run(main)


def test_it_is_asked_like_any_other(redis_urls: list[str]) -> None:
    async def main() -> None:
        store = RedisRingStore(redis_urls, timeout=5.0, prefix=f"test-{new_key()}:")
        async with opened(store) as asked:
            assert isinstance(asked, Asked)
            key = await asked.create(a="1")
            await asked.touch(key)
            assert await asked.sweep() == 0

    run(main)
