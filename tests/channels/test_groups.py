"""Groups of clients: WebSockets and event streams, in one process and in two."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.channels.conftest import Make
from tests.channels.test_channels import flushed
from tests.eventsource.test_handler import opened
from tests.web.support import Client, LogBook, run, serving, until
from tests.websocket.support import BINARY, TEXT, Raw, frame, raw

from tornadic.channels import Channels, MemoryChannels
from tornadic.eventsource import EventSourceHandler
from tornadic.web import Application
from tornadic.websocket import WebSocketHandler


class Socket(WebSocketHandler):
    def initialize(self, channels: Channels) -> None:
        self.channels = channels

    async def open(self, room: str) -> None:
        self.room = self.channels.group(room)
        await self.room.add(self)
        await self.write_message("welcome")

    async def on_message(self, message: str | bytes) -> None:
        await self.room.publish(message)

    def on_close(self) -> None:
        self.room.discard(self)


class Stream(EventSourceHandler):
    def initialize(self, channels: Channels) -> None:
        self.channels = channels

    async def open(self, room: str) -> None:
        await self.channels.add(room, self)
        await self.send("welcome")

    def on_close(self) -> None:
        for name in list(self.channels._groups):
            self.channels.discard(name, self)


def app_of(channels: Channels) -> Application:
    arguments = {"channels": channels}
    rules = [("/socket/(.*)", Socket, arguments), ("/stream/(.*)", Stream, arguments)]
    return Application(rules, log_function=lambda handler: None)


async def socket_in(server: Any, room: str) -> Raw:
    socket = await raw(server, f"/socket/{room}")
    assert await socket.message() == "welcome"
    return socket


async def stream_in(server: Any, room: str) -> Client:
    client, _ = await opened(server, f"/stream/{room}")
    assert await client.chunk() == b"data: welcome\n\n"
    return client


@pytest.mark.parametrize(
    ("message", "frame", "event"),
    [
        ("hello", "hello", b"data: hello\n\n"),
        ({"a": "<b>"}, '{"a":"<b>"}', b'data: {"a":"<b>"}\n\n'),
        (None, "null", b"data: null\n\n"),
        (b"plain", b"plain", b"data: plain\n\n"),
    ],
)
def test_what_clients_get(make: Make, message: Any, frame: Any, event: bytes) -> None:
    async def main() -> None:
        channels = make()
        async with serving(app_of(channels)) as server:
            sockets = [await socket_in(server, "a") for _ in range(3)]
            streams = [await stream_in(server, "a") for _ in range(2)]
            other = await socket_in(server, "b")
            await channels.publish("a", message)
            await channels.publish("b", "for the other")
            for socket in sockets:
                assert await socket.message() == frame
            for stream in streams:
                assert await stream.chunk() == event
            assert await other.message() == "for the other"
        await channels.close()

    run(main)


def test_clients_talk(make: Make) -> None:
    async def main() -> None:
        channels = make()
        # With Redis two servers have channels of their own, as two processes have.
        other = channels if isinstance(channels, MemoryChannels) else make()
        async with serving(app_of(channels)) as first, serving(app_of(other)) as second:
            anne, bert = await socket_in(first, "a"), await socket_in(second, "a")
            await anne.send(frame(TEXT, b"from anne"))
            await bert.send(frame(BINARY, b"\xff"))
            for socket in (anne, bert):
                assert {await socket.message(), await socket.message()} == {"from anne", b"\xff"}
        await channels.close()
        await other.close()

    run(main)


def test_whoever_goes_is_forgotten(make: Make) -> None:
    async def main() -> None:
        channels = make()
        async with serving(app_of(channels)) as server:
            socket, stream = await socket_in(server, "a"), await stream_in(server, "a")
            group = channels.group("a")
            assert len(group) == 2
            socket.reset()
            stream.abort()
            await until(lambda: not len(group))
            assert not channels._receivers
        await channels.close()

    run(main)


def test_whoever_goes_without_a_word_is_forgotten_with_the_next_message(make: Make) -> None:
    async def main() -> None:
        channels = make()
        ends: list[str] = []

        class Careless(Socket):
            def on_close(self) -> None:
                ends.append("socket")

        class Thoughtless(Stream):
            def on_close(self) -> None:
                ends.append("stream")

        arguments = {"channels": channels}
        app = Application(
            [("/socket/(.*)", Careless, arguments), ("/stream/(.*)", Thoughtless, arguments)],
            log_function=lambda handler: None,
        )
        async with serving(app) as server:
            socket, stream = await socket_in(server, "a"), await stream_in(server, "a")
            members = list(channels.group("a"))
            socket.reset()
            stream.abort()
            await until(lambda: len(ends) == 2)
            assert len(channels.group("a")) == 2
            await channels.publish("a", "nobody is there")
            await until(lambda: not channels._receivers)
            # And one that is closed is not added.
            for member in members:
                await channels.add("a", member)
            assert not channels._receivers
        await channels.close()

    run(main)


def test_bytes_that_no_stream_can_have(make: Make, log: LogBook) -> None:
    async def main() -> None:
        channels = make()
        async with serving(app_of(channels)) as server:
            socket, stream = await socket_in(server, "a"), await stream_in(server, "a")
            await channels.publish("a", b"\xff")
            assert await socket.message() == b"\xff"
            await channels.publish("a", "better")
            assert await stream.chunk() == b"data: better\n\n"
        await channels.close()
        log.take("Uncaught exception in the channel 'a'")

    run(main)


def test_one_group_for_all_who_ask(make: Make) -> None:
    async def main() -> None:
        channels = make()
        one, other = channels.group("a"), channels.group("a")
        assert one is other
        found: list[Any] = []
        await asyncio.gather(*(channels.add("a", found.append) for _ in range(10)))
        await one.publish(1)
        await flushed(channels)
        assert found == [1]
        assert sum(map(len, channels._receivers.values())) == 1
        await channels.close()
        assert len(one) == 0

    run(main)
