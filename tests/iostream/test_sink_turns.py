"""How much a sink is fed in one turn of the loop: several chunks, but not all there is."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import pytest
from tests.iostream.support import run, turns, until
from tests.server.logs import Log

from tornadic.iostream import IOStream
from tornadic.iostream.base import _FEEDS_PER_TURN

CHUNK = 10


class Sink:
    """Notes in which turn of the loop it got what; ``on_feed`` is called behind each piece."""

    def __init__(self, on_feed: Callable[[int], object] = lambda count: None) -> None:
        self.pieces: list[bytes] = []
        self.turns: list[int] = []
        self.turn = 0
        self._on_feed = on_feed
        self._loop = asyncio.get_running_loop()
        self._handle: asyncio.Handle | None = None

    def feed(self, data: bytes) -> None:
        if self._handle is None:
            self._handle = self._loop.call_soon(self._next_turn)
        self.pieces.append(data)
        self.turns.append(self.turn)
        self._on_feed(len(self.pieces))

    def _next_turn(self) -> None:
        self.turn += 1
        self._handle = None

    def stream_closed(self) -> None: ...


def pair_with(data: bytes) -> tuple[IOStream, socket.socket]:
    ours, theirs = socket.socketpair()
    theirs.sendall(data)
    return IOStream(ours, read_chunk_size=CHUNK), theirs


def test_several_chunks_in_a_turn_and_no_more() -> None:
    data = bytes(range(250)) * 2

    async def main() -> None:
        stream, peer = pair_with(data)
        with peer:
            sink = Sink()
            stream.attach_sink(sink)
            await until(lambda: b"".join(sink.pieces) == data)
            most = max(sink.turns.count(turn) for turn in sink.turns)
            assert most == _FEEDS_PER_TURN
            stream.close()
            await turns()

    run(main)


@pytest.mark.parametrize("how", ["pause", "close", "detach"])
def test_who_has_enough_gets_no_more(how: str) -> None:
    async def main() -> None:
        stream, peer = pair_with(bytes(range(100)))

        def stop(count: int) -> None:
            if count == 3:
                if how == "pause":
                    stream.pause_reading()
                elif how == "close":
                    stream.close()
                else:
                    stream.detach_sink()

        with peer:
            sink = Sink(stop)
            stream.attach_sink(sink)
            await until(lambda: len(sink.pieces) == 3)
            await turns()
            assert b"".join(sink.pieces) == bytes(range(30))
            if how == "detach":
                assert await stream.read_bytes(70) == bytes(range(30, 100))
            elif how == "pause":
                stream.resume_reading()
                await until(lambda: b"".join(sink.pieces) == bytes(range(100)))
            stream.close()
            await turns()

    run(main)


def test_a_sink_that_fails_is_not_fed_again(log: Log) -> None:
    async def main() -> None:
        stream, peer = pair_with(bytes(100))

        def fail(count: int) -> None:
            raise ZeroDivisionError

        with peer:
            sink = Sink(fail)
            stream.attach_sink(sink)
            await until(stream.closed)
            await turns()
            assert len(sink.pieces) == 1

    run(main)
    [record] = log.take()
    assert record.exc_info and record.exc_info[0] is ZeroDivisionError
