"""Sinks: all that comes, straight away and in order, until they are taken off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import pytest
from tests.iostream.support import Pair, raw, receive, reset, run, sockets, turns, until
from tests.server.logs import Log

from tornadic.iostream import IOStream


class Collector:
    """Notes what it gets; ``on_feed`` is called behind each piece."""

    def __init__(self, on_feed: Callable[[bytes], object] = lambda data: None) -> None:
        self.pieces: list[bytes] = []
        self.ends = 0
        self._on_feed = on_feed

    def feed(self, data: bytes) -> None:
        assert not self.ends, "fed after the end"
        assert data
        self.pieces.append(data)
        self._on_feed(data)

    def stream_closed(self) -> None:
        self.ends += 1

    @property
    def data(self) -> bytes:
        return b"".join(self.pieces)


class TestFeeding:
    def test_all_that_comes(self, pair: Pair) -> None:
        data = bytes(range(256)) * 10_000

        async def main() -> None:
            async with pair() as (reader, writer):
                sink = Collector()
                reader.attach_sink(sink)
                sent = writer.write(data)
                await until(lambda: len(sink.data) >= len(data))
                await sent
                assert sink.data == data
                assert max(map(len, sink.pieces)) <= reader.read_chunk_size
                writer.close()
                await until(lambda: sink.ends)
                await turns()
                assert sink.ends == 1 and reader.closed()

        run(main)

    @pytest.mark.parametrize("chunk", [1, 100, 5000, 16384, 20000])
    def test_in_chunks_of_any_size(self, pair: Pair, chunk: int) -> None:
        """What a smaller chunk leaves behind is not forgotten, whoever holds it."""
        data = bytes(range(250)) * (10 if chunk == 1 else 300)

        async def main() -> None:
            async with pair(read_chunk_size=chunk) as (reader, writer):
                sink = Collector()
                reader.attach_sink(sink)
                writer.write(data)
                await until(lambda: len(sink.data) == len(data))
                assert sink.data == data
                assert max(map(len, sink.pieces)) <= chunk

        run(main)

    def test_what_is_in_the_buffer_comes_first(self, pair: Pair) -> None:
        async def main() -> None:
            async with pair() as (reader, writer):
                await writer.write(b"line\nrest")
                await reader.read_until(b"\n")
                sink = Collector()
                reader.attach_sink(sink)
                await writer.write(b" and more")
                await until(lambda: len(sink.data) == 13)
                assert sink.data == b"rest and more"

        run(main)

    def test_only_one_reader(self) -> None:
        async def main() -> None:
            async with sockets() as (stream, _):
                stream.attach_sink(Collector())
                with pytest.raises(AssertionError):
                    stream.attach_sink(Collector())
                with pytest.raises(AssertionError):
                    stream.read_bytes(1)
                stream.detach_sink()
                stream.read_bytes(1)
                with pytest.raises(AssertionError):
                    stream.attach_sink(Collector())

        run(main)

    def test_answers_within_feed(self, two_way: Pair) -> None:
        async def main() -> None:
            async with two_way() as (stream, peer):
                stream.attach_sink(Collector(stream.send))
                for text in (b"one", b"two", b"three" * 10_000):
                    peer.write(text)
                    assert await peer.read_bytes(len(text)) == text

        run(main)


class TestPausing:
    def test_nothing_comes_meanwhile(self, pair: Pair) -> None:
        async def main() -> None:
            async with pair() as (reader, writer):
                sink = Collector()
                reader.attach_sink(sink)
                reader.pause_reading()
                reader.pause_reading()
                await writer.write(b"abc")
                await turns(50)
                assert sink.data == b""
                reader.resume_reading()
                reader.resume_reading()
                await until(lambda: sink.data == b"abc")

        run(main)

    @pytest.mark.parametrize("chunk", [10, 1000, None])
    def test_after_each_piece(self, pair: Pair, chunk: int | None) -> None:
        """A pause holds, whatever is here already, and nothing is lost over it."""
        data = bytes(range(256)) * (4 if chunk == 10 else 400)

        async def main() -> None:
            async with pair(read_chunk_size=chunk) as (reader, writer):
                sink = Collector(lambda _: reader.pause_reading())

                def at_least(count: int) -> bool:
                    return len(sink.pieces) >= count

                reader.attach_sink(sink)
                writer.write(data)
                expected = 0
                while len(sink.data) < len(data):
                    expected += 1
                    await until(partial(at_least, expected))
                    await turns(5)
                    assert len(sink.pieces) == expected
                    reader.resume_reading()
                assert sink.data == data

        run(main)

    def test_holds_the_writer_back(self, pair: Pair) -> None:
        async def main() -> None:
            async with pair() as (reader, writer):
                sink = Collector()
                reader.attach_sink(sink)
                reader.pause_reading()
                future = writer.write(b"x" * 10_000_000)
                await turns(100)
                assert not future.done() and writer.unsent > 0
                reader.resume_reading()
                await future
                await until(lambda: len(sink.data) == 10_000_000)

        run(main)

    def test_the_end_waits_too(self, pair: Pair) -> None:
        async def main() -> None:
            async with pair() as (reader, writer):
                sink = Collector()
                reader.attach_sink(sink)
                reader.pause_reading()
                await writer.write(b"abc")
                writer.close()
                await turns(50)
                assert not sink.ends
                reader.resume_reading()
                await until(lambda: sink.ends)
                assert sink.data == b"abc"

        run(main)


class TestDetaching:
    def test_gives_back_what_was_not_used(self, pair: Pair) -> None:
        async def main() -> None:
            async with pair() as (reader, writer):
                sink = Collector(lambda data: reader.detach_sink(data[5:]))
                reader.attach_sink(sink)
                await writer.write(b"head\nbody\n")
                await until(lambda: sink.pieces)
                assert await reader.read_until(b"\n") == b"body\n"
                await writer.write(b"more")
                assert await reader.read_bytes(4) == b"more"
                writer.close()
                assert await reader.read_until_close() == b""
                await turns()
                assert not sink.ends

        run(main)

    def test_gives_back_more_than_fits(self, log: Log) -> None:
        async def main() -> None:
            async with sockets(max_buffer_size=10) as (stream, peer):
                stream.attach_sink(Collector())
                stream.detach_sink(b"x" * 20)
                assert await stream.read_bytes(15) == b"x" * 15
                future = stream.read_bytes(10)
                await peer.write(b"12345")
                assert await future == b"x" * 5 + b"12345"

        run(main)

    def test_for_another_sink(self, pair: Pair) -> None:
        async def main() -> None:
            async with pair() as (reader, writer):
                second = Collector()

                def change(data: bytes) -> None:
                    reader.detach_sink(data[3:])
                    reader.attach_sink(second)

                reader.attach_sink(Collector(change))
                await writer.write(b"onetwo")
                await until(lambda: second.data)
                assert second.data == b"two"
                await writer.write(b"three")
                await until(lambda: second.data == b"twothree")
                writer.close()
                await until(lambda: second.ends)
                assert second.ends == 1

        run(main)


class TestTheEnd:
    def test_is_told_later_and_once(self, pair: Pair) -> None:
        async def main() -> None:
            async with pair() as (reader, _):
                sink = Collector()
                reader.attach_sink(sink)
                reader.close()
                reader.close()
                assert sink.ends == 0
                await turns()
                assert sink.ends == 1

        run(main)

    def test_within_feed(self, pair: Pair) -> None:
        async def main() -> None:
            async with pair() as (reader, writer):
                sink = Collector(lambda _: reader.close())
                reader.attach_sink(sink)
                await writer.write(b"abc")
                await until(lambda: sink.ends)
                await turns()
                assert sink.ends == 1

        run(main)

    def test_within_the_first_feed(self) -> None:
        """With what was in the buffer the stream closes; even then the end is told once."""

        async def main() -> None:
            async with sockets() as (stream, peer):
                await peer.write(b"a\nb")
                await stream.read_until(b"\n")
                sink = Collector(lambda _: stream.close())
                stream.attach_sink(sink)
                assert sink.pieces == [b"b"]
                await turns()
                assert sink.ends == 1

        run(main)

    @pytest.mark.parametrize("rest", [b"", b"rest"])
    def test_of_a_stream_that_is_closed(self, rest: bytes) -> None:
        async def main() -> None:
            async with sockets() as (stream, peer):
                await peer.write(b"a\n" + rest)
                await stream.read_until(b"\n")
                stream.close()
                sink = Collector()
                stream.attach_sink(sink)
                assert sink.data == rest
                await turns()
                assert sink.ends == 1

        run(main)

    def test_a_reset(self) -> None:
        async def main() -> None:
            async with raw() as (stream, peer):
                sink = Collector()
                stream.attach_sink(sink)
                reset(peer)
                await until(lambda: sink.ends)
                assert isinstance(stream.error, ConnectionResetError)

        run(main)

    def test_beside_the_close_callback(self) -> None:
        async def main() -> None:
            async with sockets() as (stream, peer):
                sink = Collector()
                stream.attach_sink(sink)
                closed = asyncio.Event()
                stream.set_close_callback(closed.set)
                peer.close()
                await closed.wait()
                await until(lambda: sink.ends)

        run(main)


class TestLingering:
    """The last answer gets through to a peer that is still sending."""

    def test_the_answer_arrives(self, two_way: Pair) -> None:
        async def main() -> None:
            async with two_way() as (stream, peer):

                def answer(data: bytes) -> None:
                    if len(sink.pieces) == 1:
                        stream.send(b"enough")
                        stream.shutdown_write()

                sink = Collector(answer)
                stream.attach_sink(sink)
                sent = peer.write(b"x" * 3_000_000)
                assert await peer.read_bytes(6) == b"enough"
                # It reads no further and goes on sending, and all of it is taken.
                peer.pause_reading()
                await sent
                peer.close()
                await until(lambda: sink.ends)

        run(main)

    def test_a_peer_that_says_no_more(self) -> None:
        async def main() -> None:
            async with raw() as (stream, peer):
                sink = Collector()
                stream.attach_sink(sink)
                stream.shutdown_write()
                assert await receive(peer, 1) == b""
                peer.close()
                await until(lambda: sink.ends)

        run(main)


class TestFaults:
    def test_a_sink_that_fails(self, pair: Pair, log: Log) -> None:
        async def main() -> None:
            async with pair() as (reader, writer):
                sink = Collector(lambda _: 1 // 0)
                reader.attach_sink(sink)
                await writer.write(b"abc")
                await until(lambda: sink.ends)
                assert isinstance(reader.error, ZeroDivisionError)

        run(main)
        [record] = log.take()
        assert record.name == "tornado.application"
        assert record.exc_info is not None and record.exc_info[0] is ZeroDivisionError

    def test_a_sink_that_fails_with_what_was_buffered(self, log: Log) -> None:
        async def main() -> None:
            async with sockets() as (stream, peer):
                await peer.write(b"a\nb")
                await stream.read_until(b"\n")
                sink = Collector(lambda _: 1 // 0)
                stream.attach_sink(sink)
                assert stream.closed()
                await until(lambda: sink.ends)

        run(main)
        [record] = log.take()
        assert record.exc_info is not None

    def test_does_not_disturb_others(self, log: Log) -> None:
        async def main() -> None:
            async with sockets() as (bad, bad_peer), sockets() as (good, good_peer):
                bad.attach_sink(Collector(lambda _: 1 // 0))
                good.attach_sink(Collector(good.send))
                for peer in (bad_peer, good_peer):
                    peer.write(b"hello")
                assert await good_peer.read_bytes(5) == b"hello"
                assert bad.closed() and isinstance(good, IOStream) and not good.closed()

        run(main)
        assert len(log.take()) == 1
