"""Writes over sockets, pipes and TLS: in order, all of it, and no more held than allowed."""

from __future__ import annotations

import array
import asyncio
import tracemalloc
from typing import Any

import pytest
from tests.iostream.support import (
    Pair,
    fails_with,
    raw,
    receive,
    reset,
    run,
    sockets,
    turns,
    until,
)

from tornadic.iostream import StreamBufferFullError, StreamClosedError

BIG = bytes(range(256)) * 20_000  # 5 MB: more than any kernel takes at once


class TestOrder:
    def test_many_small_ones(self, pair: Pair) -> None:
        async def main() -> None:
            async with pair() as (reader, writer):
                expected = b"".join(b"%d," % i for i in range(2000))
                for i in range(2000):
                    writer.write(b"%d," % i)
                assert await reader.read_bytes(len(expected)) == expected

        run(main)

    def test_small_ones_behind_a_large_one(self, pair: Pair) -> None:
        """What waits in the queue is put together without being mixed up."""

        async def main() -> None:
            async with pair() as (reader, writer):
                pieces = [BIG, *(b"%d," % i for i in range(3000)), b"", BIG[:5000], b"", BIG, b"."]
                futures = [writer.write(piece) for piece in pieces]
                assert writer.writing()
                expected = b"".join(pieces)
                assert await reader.read_bytes(len(expected)) == expected
                await asyncio.gather(*futures)
                assert not writer.writing()

        run(main)

    def test_futures_are_done_in_order(self, pair: Pair) -> None:
        async def main() -> None:
            async with pair() as (reader, writer):
                done: list[int] = []
                futures = [writer.write(BIG) for _ in range(4)]
                for number, future in enumerate(futures):
                    future.add_done_callback(lambda _, number=number: done.append(number))
                await turns()
                assert done == []
                for number in range(4):
                    assert await reader.read_bytes(len(BIG)) == BIG
                    if number == 1:
                        assert done[:1] == [0] and not futures[3].done()
                await asyncio.gather(*futures)
                assert done == [0, 1, 2, 3]

        run(main)

    def test_both_ways_at_once(self, two_way: Pair) -> None:
        async def main() -> None:
            async with two_way() as (first, second):
                sent = [first.write(BIG), second.write(BIG)]
                received = [first.read_bytes(len(BIG)), second.read_bytes(len(BIG))]
                assert await asyncio.gather(*received) == [BIG, BIG]
                await asyncio.gather(*sent)

        run(main)


class TestWhatMayBeWritten:
    @pytest.mark.parametrize("busy", [False, True])
    @pytest.mark.parametrize(
        "data",
        [
            b"bytes",
            bytearray(b"bytearray"),
            memoryview(b"memoryview"),
            memoryview(bytearray(b"mutable")),
            memoryview(b"a.b.c.")[::2],
            memoryview(array.array("I", [1, 2, 3])),
            memoryview(array.array("I", [1, 2, 3])).toreadonly(),
            b"",
        ],
        ids=lambda data: type(data).__name__,
    )
    def test_bytes_of_any_kind(self, data: Any, busy: bool) -> None:
        async def main() -> None:
            async with sockets() as (reader, writer):
                before = BIG if busy else b""
                writer.write(before)
                writer.write(data)
                writer.write(b"end")
                expected = before + bytes(data) + b"end"
                assert await reader.read_bytes(len(expected)) == expected

        run(main)

    def test_nothing_between_large_ones(self) -> None:
        async def main() -> None:
            async with sockets() as (reader, writer):
                for data in (BIG, b"", BIG, b"", b""):
                    writer.write(data)
                nothing = writer.write(b"")
                assert not nothing.done()  # as what came before it has not gone out
                assert await reader.read_bytes(2 * len(BIG)) == 2 * BIG
                await nothing

        run(main)

    def test_the_caller_may_change_it_afterwards(self) -> None:
        async def main() -> None:
            async with sockets() as (reader, writer):
                writer.write(BIG)
                data: Any = bytearray(b"x" * 100_000)
                writer.write(data)
                data[:] = b"y" * 100_000
                await reader.read_bytes(len(BIG))
                assert await reader.read_bytes(100_000) == b"x" * 100_000

        run(main)


class TestWhenItIsDone:
    def test_at_once_if_the_kernel_takes_it(self, pair: Pair) -> None:
        async def main() -> None:
            async with pair() as (reader, writer):
                assert writer.write(b"small").done()
                assert writer.unsent == 0
                assert await reader.read_bytes(5) == b"small"

        run(main)

    def test_not_before_the_kernel_has_it(self, pair: Pair) -> None:
        async def main() -> None:
            async with pair() as (reader, writer):
                future = writer.write(BIG)
                await turns(100)
                assert not future.done() and writer.writing() and writer.unsent
                progress = writer.sent_from_queue
                await reader.read_bytes(len(BIG) // 2)
                await turns(100)
                assert not future.done()
                assert writer.sent_from_queue > progress
                await reader.read_bytes(len(BIG) - len(BIG) // 2)
                await future
                assert not writer.writing() and writer.unsent == 0

        run(main)

    def test_a_cancelled_future_changes_nothing(self) -> None:
        async def main() -> None:
            async with sockets() as (reader, writer):
                first, second = writer.write(BIG), writer.write(b"end")
                first.cancel()
                assert await reader.read_bytes(len(BIG) + 3) == BIG + b"end"
                await second

        run(main)

    def test_drained(self) -> None:
        async def main() -> None:
            async with sockets() as (reader, writer):
                assert writer.drained().done()
                assert writer.send(b"small")
                assert not writer.send(BIG)
                drained = writer.drained()
                assert not drained.done()
                await reader.read_bytes(len(BIG) + 5)
                await drained
                reader.close()
                writer.close()
                await fails_with(writer.drained(), None)
                assert writer.send(b"x") is False

        run(main)


class TestMaxWriteBufferSize:
    def test_to_the_byte(self) -> None:
        async def main() -> None:
            async with sockets(max_write_buffer_size=1000) as (stream, peer):
                stream.write(b"x" * 1000)
                with pytest.raises(StreamBufferFullError):
                    stream.write(b"x" * 1001)
                assert not stream.closed()
                assert await peer.read_bytes(1000) == b"x" * 1000

        run(main)

    def test_counts_what_waits(self) -> None:
        async def main() -> None:
            async with sockets(max_write_buffer_size=10_000_000) as (stream, peer):
                stream.write(BIG)
                room = 10_000_000 - stream.unsent
                with pytest.raises(StreamBufferFullError):
                    stream.write(bytes(room + 1))
                last = stream.write(bytes(room))
                stream.write(b"")
                with pytest.raises(StreamBufferFullError):
                    stream.write(b"x")
                # The bound is on what waits; what went out makes room.
                await peer.read_bytes(len(BIG) + room)
                await last
                stream.write(b"x")
                assert await peer.read_bytes(1) == b"x"

        run(main)

    def test_none_is_no_bound(self) -> None:
        async def main() -> None:
            async with sockets() as (stream, _):
                assert stream.max_write_buffer_size is None
                for _ in range(10):
                    stream.write(BIG)
                assert stream.unsent > 9 * len(BIG)

        run(main)


def test_a_large_write_is_not_copied(pair: Pair) -> None:
    async def main() -> None:
        async with pair() as (reader, writer):
            tracemalloc.start()
            try:
                before, _ = tracemalloc.get_traced_memory()
                writer.write(BIG)
                writer.write(memoryview(BIG))
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            assert peak - before < 500_000
            assert await reader.read_bytes(2 * len(BIG)) == 2 * BIG

    run(main)


class TestPeersThatDoNotRead:
    def test_are_waited_for_without_work(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A full kernel is no reason to spin."""

        async def main() -> None:
            async with sockets() as (stream, _):
                stream.write(BIG)
                await turns()
                calls = 0
                transmit = stream._transmit

                def counted(data: Any) -> int:
                    nonlocal calls
                    calls += 1
                    return transmit(data)

                monkeypatch.setattr(stream, "_transmit", counted)
                await turns(50)
                assert calls == 0

        run(main)

    def test_that_hang_up(self, pair: Pair) -> None:
        async def main() -> None:
            async with pair() as (reader, writer):
                futures = [writer.write(BIG), writer.write(b"more")]
                await turns()
                reader.close()
                for future in futures:
                    await fails_with(future, OSError)
                assert writer.closed() and not writer.writing()
                with pytest.raises(StreamClosedError):
                    writer.write(b"x")

        run(main)

    def test_that_reset(self) -> None:
        async def main() -> None:
            async with raw() as (stream, peer):
                future = stream.write(BIG)
                await receive(peer, 10)
                reset(peer)
                await fails_with(future, ConnectionError)
                assert isinstance(stream.error, ConnectionError)

        run(main)

    def test_that_have_gone_already(self) -> None:
        async def main() -> None:
            async with raw() as (stream, peer):
                reset(peer)
                try:
                    await until(lambda: stream.write(b"x") is None)
                except StreamClosedError as e:
                    assert isinstance(e.real_error, ConnectionError)
                assert stream.closed()

        run(main)

    def test_that_only_stop_sending(self) -> None:
        """Whoever does not read does not notice, and can write on."""

        async def main() -> None:
            async with raw() as (stream, peer):
                peer.shutdown(1)
                future = stream.write(BIG)
                assert await receive(peer, len(BIG)) == BIG
                await future

        run(main)


class TestClosing:
    def test_loses_what_waits(self, pair: Pair) -> None:
        async def main() -> None:
            async with pair() as (_, writer):
                future = writer.write(BIG)
                writer.close()
                await fails_with(future, None)

        run(main)

    def test_nobody_needs_to_look_at_the_future(self) -> None:
        async def main() -> None:
            async with sockets() as (_, writer):
                writer.write(BIG)
                writer.close()

        run(main)

    def test_when_written(self, pair: Pair) -> None:
        async def main() -> None:
            async with pair() as (reader, writer):
                future = writer.write(BIG)
                writer.close_when_written()
                assert not writer.closed()
                assert await reader.read_until_close() == BIG
                await future
                assert writer.closed() and writer.error is None

        run(main)

    def test_when_written_already(self, pair: Pair) -> None:
        async def main() -> None:
            async with pair() as (reader, writer):
                writer.write(b"small")
                writer.close_when_written()
                assert writer.closed()
                assert await reader.read_until_close() == b"small"

        run(main)
