"""Sessions in one Redis: how often it is asked, and when it forgets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from tests.services import RedisServer, redis_server
from tests.sessions.support import Asked, Clock, Notes, Visitor, handler, make_store, opened, site
from tests.web.support import LogBook, run

from tornadic._redis import node_name
from tornadic.sessions import RedisStore
from tornadic.web import RequestHandler

HOUR = 3600.0


class Counter:
    """Stands between a client and Redis, and counts what is sent without an answer between."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.trips = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self.port)
        asked = False

        async def ask() -> None:
            nonlocal asked
            while data := await reader.read(65536):
                if not asked:
                    self.trips += 1
                asked = True
                there_writer.write(data)
            there_writer.close()

        async def answer() -> None:
            nonlocal asked
            while data := await there_reader.read(65536):
                asked = False
                writer.write(data)
            writer.close()

        await asyncio.gather(ask(), answer(), return_exceptions=True)

    def took(self) -> int:
        """The round trips since the last time."""
        trips, self.trips = self.trips, 0
        return trips


@contextlib.asynccontextmanager
async def counted(url: str, folder: Path, **options: Any) -> AsyncIterator[tuple[Any, Counter]]:
    """A store whose questions are counted; its connection is there, and the scripts are known."""
    counter = Counter(int(url.rpartition(":")[2]))
    server = await asyncio.start_server(counter.serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        store = make_store("redis", folder, [f"redis://127.0.0.1:{port}"], **options)
        asked = Asked(store)
        key = await asked.create()
        await asked.load(key)
        await asked.delete(key)
        counter.took()
        yield store, counter
        await store.close()  # type: ignore[misc]


@pytest.fixture(scope="module")
def own() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


def test_round_trips(redis_url: str, tmp_path: Path) -> None:
    """One to read, one to save, and none for whoever has nothing to do with sessions."""

    def login(self: RequestHandler) -> None:
        self.session.regenerate()
        self.session["user"] = "ada"

    def out(self: RequestHandler) -> None:
        self.session.clear()

    async def main() -> None:
        async with counted(redis_url, tmp_path) as (store, counter):
            rules = [("/", Notes), ("/login", handler(login)), ("/out", handler(out))]
            async with site(None, *rules, session_store=store) as server:
                visitor = Visitor(server)
                for target, trips in (
                    ("/", 0),  # no cookie, nothing to remember
                    ("/?a=1", 1),
                    ("/", 1),
                    ("/?a=1", 1),  # no change
                    ("/?a=2&b=3", 2),
                    ("/login", 2),
                    ("/out", 2),
                    ("/", 0),
                ):
                    await visitor.get(target)
                    assert (target, counter.took()) == (target, trips)
                visitor.cookies["session"] = "forged"
                await visitor.get()
                assert counter.took() == 0  # it cannot be one of ours

    run(main)


def test_redis_forgets_what_is_not_used(own: RedisServer, tmp_path: Path) -> None:
    async def main() -> None:
        client = Redis.from_url(own.url)
        options: dict[str, Any] = {"idle_timeout": HOUR, "lifetime": 1.5 * HOUR, "prefix": "s:"}
        clock = Clock()
        async with opened(RedisStore(own.url, clock=clock, **options)) as store:
            key = await store.create()
            (name,) = client.keys()
            assert name.startswith(b"s:") and key.encode() not in name

            def left() -> Any:
                return client.pttl(name) / 1000

            assert HOUR - 30 < left() <= HOUR
            client.pexpire(name, 1000_000)
            await store.load(key)
            assert HOUR - 30 < left() <= HOUR
            client.pexpire(name, 1000_000)
            await store.update(key, a="1")
            assert HOUR - 30 < left() <= HOUR
            clock.now += HOUR
            await store.touch(key)
            assert HOUR / 2 - 30 < left() <= HOUR / 2
            assert await store.sweep() == 0
            await store.delete(key)
            assert client.keys() == []
        client.close()

    run(main)


def test_a_server_that_has_forgotten_the_scripts(own: RedisServer) -> None:
    async def main() -> None:
        async with opened(RedisStore(own.url)) as store:
            key = await store.create(a="1")
            with Redis.from_url(own.url) as client:
                client.script_flush()
            assert await store.values(key) == {"a": "1"}
            assert await store.update(key, b="2")

    run(main)


def test_connections_that_were_closed_meanwhile(own: RedisServer) -> None:
    async def main() -> None:
        async with opened(RedisStore(own.url)) as store:
            key = await store.create(a="1")
            for _ in range(3):
                with Redis.from_url(own.url) as client:
                    client.client_kill_filter(_type="normal", skipme=True)
                assert await store.values(key) == {"a": "1"}

    run(main)


def test_a_server_that_does_not_answer(log: LogBook) -> None:
    async def main() -> None:
        with redis_server() as server:
            store = RedisStore(server.url, timeout=0.05)
            async with site(store, ("/", Notes)) as web_server:
                visitor = Visitor(web_server)
                await visitor.get("/?a=1")
                server.program.suspend()
                assert (await visitor.get()).status == 503
                assert (await visitor.get()).status == 503
                server.program.resume()
                while (await visitor.get()).status == 503:
                    pass
                assert (await visitor.get()).text == '{"a": "1"}'
        log.take("Sessions cannot be loaded")
        log.take("Sessions can be loaded again")

    run(main)


def test_a_server_that_takes_nothing_more(own: RedisServer, log: LogBook) -> None:
    async def main() -> None:
        store = RedisStore(own.url)
        async with site(store, ("/", Notes)) as server:
            visitor = Visitor(server)
            await visitor.get("/?a=1")
            with Redis.from_url(own.url) as client:
                client.config_set("maxmemory", 1)
                try:
                    assert (await visitor.get("/?b=2")).status == 503
                    assert (await visitor.get()).text == '{"a": "1"}'
                    assert (await Visitor(server).get("/?b=2")).status == 503
                finally:
                    client.config_set("maxmemory", 0)
            assert (await visitor.get("/?c=3")).text == '{"a": "1", "c": "3"}'
            log.take("Sessions cannot be saved")
            log.take("Sessions can be saved again")

    run(main)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("redis://localhost", "localhost:6379"),
        ("redis://:secret@10.0.0.1:7000/0", "10.0.0.1:7000"),
        ("rediss://ada:secret@cache.example.com/3", "cache.example.com:6379/3"),
        ("unix:///run/redis.sock", "/run/redis.sock"),
    ],
)
def test_names(url: str, name: str) -> None:
    assert node_name(url) == name


@pytest.mark.parametrize("url", ["", "localhost:6379", "http://localhost"])
def test_urls_of_others(url: str) -> None:
    with pytest.raises(ValueError, match="is not redis"):
        RedisStore(url)
