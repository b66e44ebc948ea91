"""A Redis that dies, comes back, or falls silent, and what goes over its wire."""

from __future__ import annotations

import asyncio
import gc
import json
import secrets
import subprocess
import sys
from typing import Any

import pytest
import redis.asyncio
from tests.channels.test_channels import flushed
from tests.services import RedisServer, free_port
from tests.web.support import LogBook, run

from tornadic.channels import ChannelsError, RedisChannels


async def in_time(condition: Any) -> None:
    """Wait until ``condition`` is true; as the server is another process, without haste."""
    while not condition():
        await asyncio.sleep(0.005)


def test_one_subscription_of_a_process(redis_url: str) -> None:
    async def main() -> None:
        prefix = f"test-{secrets.token_hex(8)}:"
        channels = RedisChannels(redis_url, prefix=prefix)
        client = redis.asyncio.Redis.from_url(redis_url)

        async def count() -> int:
            [(_, number)] = await client.pubsub_numsub(f"{prefix}a")
            return int(number)

        found: list[Any] = []
        async with channels.subscribe("a"), channels.subscribe("a", "b") as other:
            await channels.add("a", found.append)
            assert await count() == 1
            await channels.publish("a", 1)
            assert await anext(other) == 1
            assert found == [1]
        assert await count() == 1
        channels.discard("a", found.append)
        while await count():
            await asyncio.sleep(0.005)
        await client.aclose()
        await channels.close()

    run(main)


def test_thousands_of_names(redis_url: str) -> None:
    async def main() -> None:
        channels = RedisChannels(redis_url, prefix=f"test-{secrets.token_hex(8)}:")
        found: list[Any] = []
        await asyncio.gather(*(channels.add(f"room {n}", found.append) for n in range(2000)))
        for number in (0, 999, 1999):
            await channels.publish(f"room {number}", number)
        await flushed(channels)
        assert found == [0, 999, 1999]
        await channels.close()

    run(main)


def test_others_may_publish_json(redis_url: str, log: LogBook) -> None:
    async def main() -> None:
        prefix = f"test-{secrets.token_hex(8)}:"
        channels = RedisChannels(redis_url, prefix=prefix)
        client = redis.asyncio.Redis.from_url(redis_url)
        async with channels.subscribe("a") as subscription:
            await client.publish(f"{prefix}a", "no message")
            await client.publish(f"{prefix}a", b"\xff")
            await client.publish(f"{prefix}a", json.dumps({"from": "elsewhere"}))
            assert await anext(subscription) == {"from": "elsewhere"}
        assert len(log.take_all("is no message")) == 2
        await client.aclose()
        await channels.close()

    run(main)


def test_a_server_that_dies_and_comes_back(own_redis: RedisServer, log: LogBook) -> None:
    async def main() -> None:
        channels = RedisChannels(own_redis.url)
        found: list[Any] = []
        async with channels.subscribe("a", "b") as subscription:
            await channels.add("c", found.append)
            await channels.publish("a", "before")
            assert await anext(subscription) == "before"
            for _ in range(2):
                own_redis.kill()
                await in_time(lambda: log.unread)
                log.take("No messages from Redis")
                with pytest.raises(ChannelsError, match=f"127.0.0.1:{own_redis.port}"):
                    await channels.publish("a", "lost")
                # It is asked again, and that is no news.
                delay = channels._delay
                await in_time(lambda delay=delay: channels._delay > delay)
                assert log.unread == []
                # Whoever comes meanwhile has to wait, and whoever goes need not.
                waiting = channels.add("d", found.append)
                channels.discard("d", found.append)
                await waiting
                waiting = channels.add("e", found.append)
                assert not waiting.done()
                own_redis.start()
                await waiting
                await flushed(channels)
                log.take("Messages come again from Redis")
                channels.discard("e", found.append)
                for name in "abcd":
                    await channels.publish(name, f"after in {name}")
                assert [await anext(subscription) for _ in "ab"] == ["after in a", "after in b"]
                await flushed(channels)
                assert found == ["after in c"]
                found.clear()
        await channels.close()

    run(main)


def test_a_server_that_is_not_there(log: LogBook) -> None:
    async def main() -> None:
        channels = RedisChannels(f"redis://127.0.0.1:{free_port()}", timeout=0.05)
        with pytest.raises(ChannelsError, match="does not answer"):
            async with channels.subscribe("a"):
                raise AssertionError
        assert not channels._receivers
        with pytest.raises(ChannelsError):
            await channels.publish("a", 1)
        log.take("No messages from Redis")
        await channels.close()

    run(main)


def test_a_server_that_falls_silent(own_redis: RedisServer, log: LogBook) -> None:
    async def main() -> None:
        channels = RedisChannels(own_redis.url, ping_interval=0.02, timeout=0.75)
        async with channels.subscribe("a") as subscription:
            own_redis.program.suspend()
            await in_time(lambda: log.unread)
            log.take("no sign of life")
            own_redis.program.resume()
            await in_time(lambda: log.unread)
            log.take("Messages come again")
            await flushed(channels)
            await channels.publish("a", "after")
            assert await anext(subscription) == "after"
        await channels.close()

    run(main)


def test_silence_is_no_fault(own_redis: RedisServer) -> None:
    async def main() -> None:
        channels = RedisChannels(own_redis.url, ping_interval=0.01, timeout=1.0)
        pings = []
        async with channels.subscribe("a"):
            send = channels._send

            async def noted(connection: Any, *command: str) -> None:
                pings.append(command)
                await send(connection, *command)

            channels._send = noted  # type: ignore[method-assign]
            await in_time(lambda: len(pings) >= 2)
        await channels.close()
        assert pings[:2] == [("PING",)] * 2

    run(main)


def test_wrong_password(own_redis: RedisServer, log: LogBook) -> None:
    async def main() -> None:
        client = redis.asyncio.Redis.from_url(own_redis.url)
        await client.config_set("requirepass", "right")
        for password, is_right in (("wrong", False), ("right", True)):
            url = own_redis.url.replace("//", f"//:{password}@")
            channels = RedisChannels(url, timeout=2.0 if is_right else 0.2)
            assert password not in repr(channels)
            if is_right:
                await flushed(channels)
            else:
                with pytest.raises(ChannelsError) as caught:
                    await flushed(channels)
                assert password not in str(caught.value)
                assert password not in log.take("No messages from Redis").getMessage()
            await channels.close()
        await client.aclose()

    run(main)


def test_closed(redis_url: str) -> None:
    async def main() -> None:
        channels = RedisChannels(redis_url)
        await channels.close()
        await channels.close()
        with pytest.raises(ChannelsError, match="closed"):
            await channels.publish("a", 1)
        with pytest.raises(ChannelsError, match="closed"):
            channels.add("a", print)
        assert not channels._receivers

    run(main)


def test_the_loop_ends_and_nothing_is_left(redis_url: str) -> None:
    async def main() -> None:
        channels = RedisChannels(redis_url)
        await channels.add("a", print)
        await channels.publish("b", 1)
        # and that is all: nobody closes them

    run(main)
    gc.collect()  # a connection that is open would be a warning, and so an error


@pytest.mark.parametrize("is_closed", [True, False])
@pytest.mark.parametrize("turns", range(6))
def test_the_end_while_somebody_publishes(redis_url: str, is_closed: bool, turns: int) -> None:
    async def main() -> None:
        channels = RedisChannels(redis_url)
        task = asyncio.create_task(channels.publish("a", 1))
        for _ in range(turns):
            await asyncio.sleep(0)
        if is_closed:
            await channels.close()
            # What had begun is brought to its end.
            if turns:
                await task
            else:
                with pytest.raises(ChannelsError, match="closed"):
                    await task

    run(main)
    gc.collect()


@pytest.mark.parametrize("url", ["http://127.0.0.1", "127.0.0.1:6379", ""])
def test_other_urls(url: str) -> None:
    with pytest.raises(ValueError):
        RedisChannels(url)


def test_without_redis_py() -> None:
    code = """
import sys
sys.modules['redis'] = None
import asyncio
from tornadic.channels import MemoryChannels, RedisChannels
asyncio.run(MemoryChannels().publish('a', 1))
try:
    RedisChannels()
except ImportError:
    print('needs redis')
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=50
    )
    assert (done.stdout, done.stderr) == ("needs redis\n", "")
