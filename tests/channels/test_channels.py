"""Publishing and subscribing, the same in one process and over Redis."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.channels.conftest import Make
from tests.web.support import LogBook, run, until

from tornadic.channels import Channels, ChannelsError


async def flushed(channels: Channels) -> None:
    """Wait until all has come that was published on these channels before."""
    async with channels.subscribe("flush") as subscription:
        await channels.publish("flush", None)
        async for _ in subscription:
            return


@pytest.mark.parametrize(
    "message", ["grün 😀", b"\0\xff", {"a": [1, 2.5, None, True]}, [], 7, None, "", b""]
)
def test_there_and_back(make: Make, message: Any) -> None:
    async def main() -> None:
        channels = make()
        async with channels.subscribe("news") as subscription:
            await channels.publish("news", message)
            assert await anext(subscription) == message
        await channels.close()

    run(main)


def test_who_does_not_listen_gets_nothing(make: Make) -> None:
    async def main() -> None:
        channels = make()
        await channels.publish("news", "before")
        async with channels.subscribe("news") as one, channels.subscribe("other") as other:
            await channels.publish("news", 1)
            await channels.publish("news", 2)
            assert [await anext(one), await anext(one)] == [1, 2]
            await channels.publish("other", 3)
            assert await anext(other) == 3
        await channels.publish("news", "after")
        await channels.close()

    run(main)


def test_several_names(make: Make) -> None:
    async def main() -> None:
        channels = make()
        async with channels.subscribe("a", "grün", "a") as subscription:
            for name in ("a", "grün", "a"):
                await channels.publish(name, f"in {name}")
                assert await anext(subscription) == f"in {name}"
                assert subscription.channel == name
        await channels.close()

    run(main)


def test_everyone_gets_the_same_object(make: Make) -> None:
    async def main() -> None:
        channels = make()
        message = {"a": (1, 2)}
        async with channels.subscribe("a") as one, channels.subscribe("a") as other:
            await channels.publish("a", message)
            received = await anext(one)
            assert received is await anext(other)
            assert received == {"a": [1, 2]}
        await channels.close()

    run(main)


def test_iterating_ends_with_the_channels(make: Make) -> None:
    async def main() -> None:
        channels = make()
        found = []

        async def listen() -> None:
            async with channels.subscribe("a") as subscription:
                async for message in subscription:
                    found.append(message)

        task = asyncio.create_task(listen())
        await until(lambda: channels._receivers)
        await flushed(channels)
        await channels.publish("a", 1)
        await flushed(channels)
        await channels.close()
        await task
        assert found == [1]
        assert not channels._receivers

    run(main)


def test_one_that_is_cancelled_leaves(make: Make) -> None:
    async def main() -> None:
        channels = make()

        async def listen() -> None:
            async with channels.subscribe("a") as subscription:
                async for _ in subscription:
                    raise AssertionError

        task = asyncio.create_task(listen())
        await until(lambda: channels._receivers)
        await flushed(channels)
        task.cancel()
        await asyncio.wait([task])
        assert not channels._receivers
        await channels.close()

    run(main)


@pytest.mark.parametrize(
    ("policy", "expected"), [("drop_oldest", [2, 3, 4]), ("drop_newest", [0, 1, 2])]
)
def test_the_bound(make: Make, policy: Any, expected: list[int]) -> None:
    async def main() -> None:
        channels = make()
        async with channels.subscribe("a", max_messages=3, when_full=policy) as subscription:
            for number in range(3):
                await channels.publish("a", number)
            await flushed(channels)
            assert subscription.dropped == 0
            for number in range(3, 5):
                await channels.publish("a", number)
            await flushed(channels)
            assert subscription.dropped == 2
            assert [await anext(subscription) for _ in range(3)] == expected
        await channels.close()

    run(main)


def test_one_that_does_not_keep_up_is_closed(make: Make) -> None:
    async def main() -> None:
        channels = make()
        async with channels.subscribe("a", max_messages=2, when_full="close") as subscription:
            for number in range(3):
                await channels.publish("a", number)
            await flushed(channels)
            assert [await anext(subscription) for _ in range(2)] == [0, 1]
            for _ in range(2):
                with pytest.raises(ChannelsError, match="did not keep up"):
                    await anext(subscription)
            assert subscription.dropped == 1
            assert not channels._receivers
        await channels.close()

    run(main)


def test_leaving_and_coming_back_in_a_turn(make: Make) -> None:
    async def main() -> None:
        channels = make()
        for number in range(50):
            async with channels.subscribe("a") as subscription:
                await channels.publish("a", number)
                assert await anext(subscription) == number
        await channels.close()

    run(main)


def test_a_subscription_can_begin_again(make: Make) -> None:
    async def main() -> None:
        channels = make()
        subscription = channels.subscribe("a")
        for number in range(2):
            async with subscription:
                await channels.publish("a", number)
                await channels.publish("a", "nobody asks for this")
                await flushed(channels)
                assert await anext(subscription) == number
                with pytest.raises(RuntimeError, match="begun already"):
                    async with subscription:
                        pass
        await channels.close()

    run(main)


def test_one_task_at_a_time(make: Make) -> None:
    async def main() -> None:
        channels = make()
        async with channels.subscribe("a") as subscription:
            first = asyncio.ensure_future(anext(subscription))
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="Another task"):
                await anext(subscription)
            await channels.publish("a", 1)
            assert await first == 1
        await channels.close()

    run(main)


def test_errors_of_the_caller(make: Make) -> None:
    async def main() -> None:
        channels = make()
        for wrong in ({"max_messages": 0}, {"when_full": "wait"}):
            with pytest.raises(ValueError):
                channels.subscribe("a", **wrong)
        with pytest.raises(ValueError):
            channels.subscribe()
        with pytest.raises(TypeError):
            channels.group(b"bytes")  # type: ignore[arg-type]
        with pytest.raises(ValueError):
            async with channels.subscribe("\ud800"):
                pass
        for message, error in ((object(), TypeError), (float("nan"), ValueError)):
            with pytest.raises(error):
                await channels.publish("a", message)
        assert not channels._receivers
        await channels.close()

    run(main)


def test_functions(make: Make, log: LogBook) -> None:
    async def main() -> None:
        channels = make()
        found: list[Any] = []

        def fail(message: Any) -> None:
            found.append("fails")
            raise RuntimeError("not for me")

        async def coroutine(message: Any) -> None: ...

        await channels.add("a", fail)
        await channels.add("a", found.append)
        await channels.publish("a", {"n": 1})
        await flushed(channels)
        assert len(found) == 2 and {"n": 1} in found
        log.take("Uncaught exception in the channel 'a'")
        group = channels.group("a")
        assert fail in group and len(group) == 2 and set(group) == {fail, found.append}
        channels.discard("a", fail)
        group.discard(found.append)
        channels.discard("a", fail)
        await channels.publish("a", 2)
        await flushed(channels)
        assert len(found) == 2
        assert not channels._receivers
        with pytest.raises(TypeError, match="cannot be a member"):
            channels.add("a", coroutine)
        await channels.close()

    run(main)
