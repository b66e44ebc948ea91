"""Every kind of read, over sockets, pipes and TLS: what it gives, when, and where it ends."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable
from contextvars import ContextVar
from itertools import pairwise
from typing import Any, Final
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.iostream.support import (
    Pair,
    fails_with,
    feed_slowly,
    raw,
    reset,
    run,
    sockets,
    turns,
    until,
)
from tests.server.logs import Log

from tornadic import gen
from tornadic.iostream import (
    BaseIOStream,
    IOStream,
    StreamBufferFullError,
    StreamClosedError,
    UnsatisfiableReadError,
)
from tornadic.iostream.buffers import ReadBuffer
from tornadic.iostream.reads import PendingRead, ReadBytes, ReadInto, ReadUntil, ReadUntilRegex


class TestReadBytes:
    def test_gives_just_so_many(self, pair: Pair) -> None:
        async def main() -> None:
            async with pair() as (reader, writer):
                await writer.write(b"abcdef")
                assert await reader.read_bytes(2) == b"ab"
                assert await reader.read_bytes(3) == b"cde"
                assert await reader.read_bytes(1) == b"f"

        run(main)

    def test_waits_for_the_last_byte(self, pair: Pair) -> None:
        async def main() -> None:
            async with pair() as (reader, writer):
                future = reader.read_bytes(4)
                assert reader.reading()
                await writer.write(b"abc")
                await turns()
                assert not future.done()
                await writer.write(b"de")
                assert await future == b"abcd"
                assert not reader.reading()
                assert await reader.read_bytes(1) == b"e"

        run(main)

    def test_partial_gives_what_is_here(self, pair: Pair) -> None:
        async def main() -> None:
            async with pair() as (reader, writer):
                future = reader.read_bytes(100, partial=True)
                await turns()
                assert not future.done()
                await writer.write(b"abc")
                assert await future == b"abc"

        run(main)

    def test_partial_gives_no_more_than_asked(self, pair: Pair) -> None:
        async def main() -> None:
            async with pair() as (reader, writer):
                await writer.write(b"abc")
                assert await reader.read_bytes(2, partial=True) == b"ab"
                assert await reader.read_bytes(2, partial=True) == b"c"

        run(main)

    def test_none_at_all(self) -> None:
        async def main() -> None:
            async with sockets() as (reader, _):
                assert await reader.read_bytes(0) == b""

        run(main)

    @pytest.mark.parametrize("chunk", [1, 7, 1000, 65536])
    def test_large(self, pair: Pair, chunk: int) -> None:
        size = 2_000_000 if chunk > 7 else 20_000
        data = bytes(range(256)) * (size // 256)

        async def main() -> None:
            async with pair(read_chunk_size=chunk) as (reader, writer):
                sent = writer.write(data)
                assert await reader.read_bytes(len(data)) == data
                await sent

        run(main)

    def test_a_fast_sender_does_not_hold_up_the_loop(self) -> None:
        async def main() -> None:
            async with sockets(read_chunk_size=16) as (reader, writer):
                await writer.write(b"x" * 10_000)
                future = reader.read_bytes(10_000)
                # All of it is here, but others get their turn in between.
                await asyncio.sleep(0)
                assert not future.done()
                assert await future == b"x" * 10_000

        run(main)


class TestReadInto:
    def test_fills_the_buffer(self, pair: Pair) -> None:
        async def main() -> None:
            async with pair() as (reader, writer):
                buffer = bytearray(5)
                future = reader.read_into(buffer)
                await writer.write(b"abc")
                await turns()
                assert not future.done()
                await writer.write(b"defgh")
                assert await future == 5
                assert buffer == b"abcde"
                assert await reader.read_bytes(3) == b"fgh"

        run(main)

    def test_partial(self, pair: Pair) -> None:
        async def main() -> None:
            async with pair() as (reader, writer):
                buffer = bytearray(b"......")
                future = reader.read_into(buffer, partial=True)
                await writer.write(b"abc")
                assert await future == 3
                assert buffer == b"abc..."

        run(main)

    def test_what_is_in_the_stream_s_buffer_comes_first(self, pair: Pair) -> None:
        async def main() -> None:
            async with pair() as (reader, writer):
                await writer.write(b"line\nrest")
                assert await reader.read_until(b"\n") == b"line\n"
                buffer = bytearray(6)
                future = reader.read_into(buffer)
                await writer.write(b"++")
                assert await future == 6
                assert buffer == b"rest++"

        run(main)

    def test_larger_than_the_stream_s_buffer(self, pair: Pair) -> None:
        async def main() -> None:
            async with pair(max_buffer_size=1000) as (reader, writer):
                buffer = bytearray(50_000)
                future = reader.read_into(buffer)
                sent = writer.write(b"xyz" * 20_000)
                assert await future == 50_000
                assert buffer == (b"xyz" * 20_000)[:50_000]
                assert await reader.read_bytes(10) == (b"xyz" * 20_000)[50_000:50_010]
                reader.close()
                await asyncio.wait([sent])

        run(main)

    def test_the_buffer_is_the_caller_s_again(self) -> None:
        async def main() -> None:
            async with sockets() as (reader, writer):
                buffer = bytearray(2)
                future = reader.read_into(buffer)
                await writer.write(b"ab")
                await future
                buffer += b"can grow"

        run(main)

    def test_a_buffer_that_cannot_be_written_to(self) -> None:
        async def main() -> None:
            async with sockets() as (reader, writer):
                fixed: Any = b"fixed"
                with pytest.raises(TypeError):
                    reader.read_into(fixed)
                await writer.write(b"ab")
                assert await reader.read_bytes(2) == b"ab"

        run(main)


class TestReadUntil:
    def test_gives_the_delimiter_too(self, pair: Pair) -> None:
        async def main() -> None:
            async with pair() as (reader, writer):
                await writer.write(b"one\r\ntwo\r\nthr")
                assert await reader.read_until(b"\r\n") == b"one\r\n"
                assert await reader.read_until(b"\r\n") == b"two\r\n"
                future = reader.read_until(b"\r\n")
                await turns()
                assert not future.done()
                await writer.write(b"ee\r\n")
                assert await future == b"three\r\n"

        run(main)

    def test_a_delimiter_in_pieces(self, pair: Pair) -> None:
        async def main() -> None:
            async with pair() as (reader, writer):
                future = reader.read_until(b"<end>")
                await feed_slowly(writer, b"<en<<end<end>rest")
                assert await future == b"<en<<end<end>"

        run(main)

    @pytest.mark.parametrize("in_pieces", [False, True])
    def test_within_max_bytes(self, pair: Pair, in_pieces: bool) -> None:
        async def main() -> None:
            async with pair() as (reader, writer):
                future = reader.read_until(b"\n", max_bytes=10)
                await feed_slowly(writer, b"123456789\n", 1 if in_pieces else 10)
                assert await future == b"123456789\n"

        run(main)

    @pytest.mark.parametrize("in_pieces", [False, True])
    @pytest.mark.parametrize("data", [b"1234567890\n", b"12345678901", b"1" * 50 + b"\n"])
    def test_one_byte_over_max_bytes(
        self, pair: Pair, data: bytes, in_pieces: bool, log: Log
    ) -> None:
        async def main() -> None:
            async with pair() as (reader, writer):
                future = reader.read_until(b"\n", max_bytes=10)
                try:
                    await feed_slowly(writer, data, 1 if in_pieces else len(data))
                except StreamClosedError:
                    pass  # the reader did not wait for the rest
                await fails_with(future, UnsatisfiableReadError)
                assert reader.closed()
                assert isinstance(reader.error, UnsatisfiableReadError)

        run(main)
        log.one("Unsatisfiable read")

    def test_max_bytes_without_the_delimiter(self) -> None:
        """So many and no end are no fault yet."""

        async def main() -> None:
            async with sockets() as (reader, writer):
                future = reader.read_until(b"\n", max_bytes=10)
                await writer.write(b"1234567890")
                await turns()
                assert not future.done() and not reader.closed()

        run(main)

    def test_over_max_bytes_in_the_buffer(self, log: Log) -> None:
        async def main() -> None:
            async with sockets() as (reader, writer):
                await writer.write(b"x" + b"1234567890\n")
                await reader.read_bytes(1)
                await fails_with(reader.read_until(b"\n", max_bytes=10), UnsatisfiableReadError)

        run(main)
        log.one("Unsatisfiable read")

    def test_a_delimiter_that_is_no_bytes(self) -> None:
        async def main() -> None:
            async with sockets() as (reader, writer):
                text: Any = "\n"
                with pytest.raises(TypeError):
                    reader.read_until(text)
                await writer.write(b"1\n")
                assert await reader.read_until(b"\n") == b"1\n"

        run(main)


class TestReadUntilRegex:
    def test_gives_all_up_to_the_match(self, pair: Pair) -> None:
        async def main() -> None:
            async with pair() as (reader, writer):
                await writer.write(b"GET /\nHost: a\n\nbody")
                assert await reader.read_until_regex(rb"\r?\n\r?\n") == b"GET /\nHost: a\n\n"
                assert await reader.read_bytes(4) == b"body"

        run(main)

    def test_in_pieces(self, pair: Pair) -> None:
        async def main() -> None:
            async with pair() as (reader, writer):
                future = reader.read_until_regex(b"b{3}c")
                await feed_slowly(writer, b"abbabbbc!")
                assert await future == b"abbabbbc"

        run(main)

    def test_max_bytes(self, pair: Pair) -> None:
        async def main() -> None:
            async with pair() as (reader, writer):
                await writer.write(b"123456789a")
                assert await reader.read_until_regex(b"[a-z]", max_bytes=10) == b"123456789a"

        run(main)

    @pytest.mark.parametrize("data", [b"1234567890a", b"12345678901"])
    def test_one_byte_over_max_bytes(self, pair: Pair, data: bytes, log: Log) -> None:
        async def main() -> None:
            async with pair() as (reader, writer):
                await writer.write(data)
                await fails_with(
                    reader.read_until_regex(b"[a-z]", max_bytes=10), UnsatisfiableReadError
                )

        run(main)
        log.one("Unsatisfiable read")

    def test_a_bad_pattern(self) -> None:
        async def main() -> None:
            async with sockets() as (reader, writer):
                text: Any = "[a-z]"
                with pytest.raises(TypeError):
                    reader.read_until_regex(text)
                with pytest.raises(re.error):
                    reader.read_until_regex(b"(")
                await writer.write(b"1\n")
                assert await reader.read_until_regex(b"\n") == b"1\n"

        run(main)


class TestReadUntilClose:
    def test_gives_all_there_was(self, pair: Pair) -> None:
        async def main() -> None:
            async with pair() as (reader, writer):
                await writer.write(b"first\nthen ")
                await reader.read_until(b"\n")
                future = reader.read_until_close()
                await writer.write(b"more")
                writer.close()
                assert await future == b"then more"
                assert reader.closed()

        run(main)

    def test_large(self, pair: Pair) -> None:
        data = b"0123456789" * 100_000

        async def main() -> None:
            async with pair() as (reader, writer):
                future = reader.read_until_close()
                await writer.write(data)
                writer.close()
                assert await future == data

        run(main)

    def test_nothing(self, pair: Pair) -> None:
        async def main() -> None:
            async with pair() as (reader, writer):
                writer.close()
                assert await reader.read_until_close() == b""
                assert await reader.read_until_close() == b""

        run(main)

    def test_what_was_left_when_the_stream_closed(self, pair: Pair) -> None:
        async def main() -> None:
            async with pair() as (reader, writer):
                await writer.write(b"one\ntwo\nthree")
                writer.close()
                assert await reader.read_until(b"\n") == b"one\n"
                await fails_with(reader.read_bytes(100), None)
                assert reader.closed()
                # What is in the buffer can be read; what is not, cannot.
                assert await reader.read_until(b"\n") == b"two\n"
                with pytest.raises(StreamClosedError):
                    reader.read_until(b"\n")
                assert await reader.read_until_close() == b"three"

        run(main)

    def test_closed_on_this_side(self, pair: Pair) -> None:
        async def main() -> None:
            async with pair() as (reader, writer):
                future = reader.read_until_close()
                await writer.write(b"abc")
                await turns(100)
                reader.close()
                assert await future == b"abc"

        run(main)


class TestMaxBufferSize:
    """What was read and not asked for is bounded, to the byte."""

    @pytest.mark.parametrize("chunk", [1, 300, 500, None])
    def test_as_much_as_fits(self, pair: Pair, chunk: int | None) -> None:
        async def main() -> None:
            async with pair(max_buffer_size=1000, read_chunk_size=chunk) as (reader, writer):
                await writer.write(b"x" * 1100)
                assert await reader.read_bytes(1000) == b"x" * 1000
                assert await reader.read_bytes(100) == b"x" * 100

        run(main)

    @pytest.mark.parametrize("chunk", [1, 300, 500, None])
    def test_one_byte_more(self, pair: Pair, chunk: int | None, log: Log) -> None:
        async def main() -> None:
            async with pair(max_buffer_size=1000, read_chunk_size=chunk) as (reader, writer):
                await writer.write(b"x" * 1001)
                await fails_with(reader.read_bytes(1001), StreamBufferFullError)
                assert isinstance(reader.error, StreamBufferFullError)

        run(main)
        assert [record.getMessage() for record in log.take()] == [
            "Reached maximum read buffer size",
            "error on read: Reached maximum read buffer size",
        ]

    @pytest.mark.parametrize("size", [1000, 1001])
    def test_until_close(self, size: int, log: Log) -> None:
        async def main() -> None:
            async with sockets(max_buffer_size=1000) as (reader, writer):
                future = reader.read_until_close()
                await writer.write(b"x" * size)
                await turns()
                writer.close()
                if size > 1000:
                    # What was cut off is not taken for all there was.
                    with pytest.raises(StreamClosedError):
                        await future
                else:
                    assert await future == b"x" * size
                assert isinstance(reader.error, StreamBufferFullError) == (size > 1000)

        run(main)
        assert len(log.take()) == 2 * (size - 1000)

    def test_who_does_not_ask_does_not_buffer(self) -> None:
        """An idle stream that is watched for its end takes one chunk, and no more."""

        async def main() -> None:
            async with raw(read_chunk_size=1000) as (reader, peer):
                reader.set_close_callback(lambda: None)
                sent = 0
                loop = asyncio.get_running_loop()
                try:
                    async with asyncio.timeout(0.1):
                        while sent < 100_000_000:
                            await loop.sock_sendall(peer, b"x" * 65536)
                            sent += 65536
                except TimeoutError:
                    pass
                assert sent < 100_000_000
                assert len(reader._take_buffer()) <= 2000
                reader.set_close_callback(None)

        run(main)


class TestOneReadAtATime:
    @pytest.mark.parametrize(
        "read",
        ["read_bytes(1)", "read_until(b'x')", "read_until_close()", "read_into(bytearray(1))"],
    )
    def test_a_second_one_is_refused(self, read: str) -> None:
        async def main() -> None:
            async with sockets() as (reader, writer):
                future = reader.read_bytes(1)
                with pytest.raises(AssertionError, match="Already reading"):
                    eval(f"reader.{read}", {"reader": reader})
                await writer.write(b"a")
                assert await future == b"a"

        run(main)

    def test_a_cancelled_one_is_out_of_the_way_and_took_nothing(self, pair: Pair) -> None:
        async def main() -> None:
            async with pair() as (reader, writer):
                reads: tuple[Callable[[], asyncio.Future[Any]], ...] = (
                    lambda: reader.read_bytes(4),
                    lambda: reader.read_until(b"c"),
                    lambda: reader.read_until_regex(b"c"),
                    lambda: reader.read_into(bytearray(4)),
                    lambda: reader.read_bytes(4, partial=True),
                    lambda: reader.read_until_close(),
                )
                for read in reads:
                    future = read()
                    if not future.done():
                        future.cancel()
                    await writer.write(b"abc")
                    assert await reader.read_bytes(3) == b"abc"
                    future = reader.read_bytes(10)
                    await writer.write(b"abc")
                    await turns()
                    assert future.cancel()
                    assert not reader.reading()
                    await writer.write(b"de")
                    assert await reader.read_until(b"e") == b"abcde"

        run(main)

    def test_what_was_moved_into_a_buffer_comes_back(self, pair: Pair) -> None:
        async def main() -> None:
            async with pair() as (reader, writer):
                future = reader.read_into(bytearray(8))
                await writer.write(b"abc")
                await turns()
                future.cancel()
                await writer.write(b"def")
                assert await reader.read_bytes(6) == b"abcdef"

        run(main)

    def test_a_task_that_is_cancelled_loses_nothing(self, pair: Pair) -> None:
        async def main() -> None:
            async with pair() as (reader, writer):
                for _ in range(3):
                    with pytest.raises(TimeoutError):
                        async with asyncio.timeout(0):
                            await reader.read_until(b"\n")
                    await writer.write(b"more ")
                await writer.write(b"\n")
                assert await reader.read_until(b"\n") == b"more more more \n"

        run(main)

    def test_who_waits_is_resumed_in_a_context_of_its_own(self, pair: Pair) -> None:
        variable: ContextVar[str] = ContextVar("variable", default="nobody")

        async def main() -> None:
            async with pair() as (reader, writer):

                async def ask(name: str) -> None:
                    variable.set(name)
                    for _ in range(3):
                        await reader.read_bytes(1)
                        task = asyncio.current_task()
                        assert task is not None
                        assert (variable.get(), task.get_name()) == (name, name)

                for name in ("a", "b"):
                    task = asyncio.create_task(ask(name), name=name)
                    for _ in range(3):
                        await turns()
                        await writer.write(b"x")
                    await task
                assert variable.get() == "nobody"

        run(main)

    def test_others_who_look_at_it_are_called_in_the_next_turn(self) -> None:
        async def main() -> None:
            async with sockets() as (reader, writer):
                calls: list[str] = []
                read = reader.read_bytes(1)
                read.add_done_callback(lambda _: calls.append("callback"))
                removed = calls.append
                read.add_done_callback(removed)  # type: ignore[arg-type]
                assert read.remove_done_callback(removed) == 1  # type: ignore[arg-type]

                async def wait() -> None:
                    await read
                    calls.append("task")

                tasks = [asyncio.create_task(wait()) for _ in range(3)]
                await turns()
                await writer.write(b"x")
                await asyncio.gather(*tasks)
                assert sorted(calls) == ["callback", "task", "task", "task"]

        run(main)

    def test_decorated_coroutines_wait_too(self, pair: Pair) -> None:
        async def main() -> None:
            async with pair() as (reader, writer):

                @gen.coroutine
                def lines() -> Any:
                    found = []
                    for _ in range(3):
                        found.append((yield reader.read_until(b"\n")))
                    return found

                future = lines()
                for line in (b"1\n", b"2\n", b"3\n"):
                    await turns()
                    await writer.write(line)
                assert await future == [b"1\n", b"2\n", b"3\n"]

        run(main)

    def test_a_reader_that_fails_harms_nobody(self) -> None:
        async def main() -> None:
            async with sockets() as (first, one), sockets() as (second, two):

                async def fail() -> None:
                    await first.read_bytes(1)
                    raise RuntimeError("mine")

                task = asyncio.create_task(fail())
                other = asyncio.create_task(_one_byte(second))
                await turns()
                await one.write(b"x")
                await two.write(b"x")
                assert await other == b"x"
                with pytest.raises(RuntimeError, match="mine"):
                    await task

        run(main)

    def test_a_cancelled_one_does_no_harm(self) -> None:
        async def main() -> None:
            async with sockets() as (reader, writer):
                reader.read_bytes(2).cancel()
                await writer.write(b"ab")
                await until(lambda: not reader.reading())
                writer.close()

        run(main)


class TestClosing:
    @pytest.mark.parametrize(
        "read", ["read_bytes(5)", "read_until(b'x')", "read_until_regex(b'x')"]
    )
    def test_by_the_peer(self, read: str, pair: Pair) -> None:
        async def main() -> None:
            async with pair() as (reader, writer):
                future = eval(f"reader.{read}", {"reader": reader})
                await writer.write(b"abc")
                writer.close()
                await fails_with(future, None)
                assert reader.closed() and not reader.reading() and reader.error is None

        run(main)

    def test_on_this_side(self, pair: Pair) -> None:
        async def main() -> None:
            async with pair() as (reader, _):
                future = reader.read_bytes(5)
                reader.close(exc_info=ZeroDivisionError("why"))
                await fails_with(future, ZeroDivisionError)
                with pytest.raises(StreamClosedError) as caught:
                    reader.read_bytes(1)
                assert isinstance(caught.value.real_error, ZeroDivisionError)

        run(main)

    def test_by_a_reset(self) -> None:
        async def main() -> None:
            async with raw() as (reader, peer):
                future = reader.read_bytes(5)
                reset(peer)
                await fails_with(future, ConnectionResetError)
                assert isinstance(reader.error, ConnectionResetError)

        run(main)

    def test_half(self) -> None:
        """A peer that has no more to say is as good as gone."""

        async def main() -> None:
            async with raw() as (reader, peer):
                future = reader.read_until_close()
                peer.send(b"last words")
                peer.shutdown(socket.SHUT_WR)
                assert await future == b"last words"
                assert reader.closed()

        run(main)

    def test_nobody_needs_to_look_at_the_future(self, pair: Pair) -> None:
        async def main() -> None:
            async with pair() as (reader, _):
                reader.read_bytes(5)
                reader.close()

        run(main)


class FromMemory(BaseIOStream):
    """A stream of which only the documented methods are defined."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        sock.setblocking(False)
        super().__init__()

    def fileno(self) -> socket.socket:
        return self._sock

    def close_fd(self) -> None:
        self._sock.close()

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        try:
            return self._sock.recv_into(buf)
        except BlockingIOError:
            return None

    def write_to_fd(self, data: memoryview) -> int:
        return self._sock.send(data)


def test_a_stream_of_one_s_own() -> None:
    async def main() -> None:
        ours, theirs = socket.socketpair()
        stream, peer = FromMemory(ours), IOStream(theirs)
        future = stream.read_until(b"\n")
        await peer.write(b"question\nmore")
        assert await future == b"question\n"
        sent = stream.write(b"answer" * 100_000)
        assert await peer.read_bytes(600_000) == b"answer" * 100_000
        await sent
        peer.close()
        assert await stream.read_until_close() == b"more"
        assert stream.get_fd_error() is None
        stream.set_nodelay(True)

    run(main)


LOOP: Final = Mock(spec=asyncio.AbstractEventLoop, get_debug=lambda: False)


async def _one_byte(stream: IOStream) -> bytes:
    return await stream.read_bytes(1)


class TestHowTheBytesAreCut:
    """A read gives the same, however the bytes come in."""

    @staticmethod
    def outcome(read: PendingRead, pieces: list[bytes]) -> object:
        buffer = ReadBuffer()
        for piece in pieces:
            if piece and not buffer.size and read.is_all(piece):
                return piece
            buffer.append(piece)
            try:
                size = read.find(buffer)
            except UnsatisfiableReadError:
                return "unsatisfiable"
            if size is not None:
                return read.take(buffer, size)
        return "more"

    @given(
        data=st.text(alphabet="ab\n", max_size=40).map(str.encode),
        cuts=st.lists(st.integers(0, 40), max_size=6),
        delimiter=st.sampled_from([b"\n", b"ab", b"aab", b"\n\n"]),
        max_bytes=st.none() | st.integers(0, 20),
    )
    def test_same_result(
        self, data: bytes, cuts: list[int], delimiter: bytes, max_bytes: int | None
    ) -> None:
        places = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
        pieces = [data[i:j] for i, j in pairwise(places)]
        assert b"".join(pieces) == data

        def read() -> list[PendingRead]:
            return [
                ReadUntil(LOOP, delimiter, max_bytes),
                ReadUntilRegex(LOOP, re.compile(re.escape(delimiter)), max_bytes),
            ]

        found = data.find(delimiter)
        end = found + len(delimiter)
        whole = [self.outcome(kind, [data]) for kind in read()]
        cut = [self.outcome(kind, pieces) for kind in read()]
        expected: object = "more"
        if max_bytes is not None and (end if found >= 0 else len(data)) > max_bytes:
            expected = "unsatisfiable"
        elif found >= 0:
            expected = data[:end]
        assert whole == cut == [expected] * 2

    @given(
        data=st.binary(min_size=1, max_size=40),
        cuts=st.lists(st.integers(0, 40), max_size=6),
        size=st.integers(1, 40),
    )
    def test_so_many_bytes(self, data: bytes, cuts: list[int], size: int) -> None:
        places = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
        pieces = [data[i:j] for i, j in pairwise(places)]
        target = bytearray(size)
        into = self.outcome(ReadInto(LOOP, memoryview(target), False), pieces)
        assert self.outcome(ReadBytes(LOOP, size, False), pieces) == (
            data[:size] if len(data) >= size else "more"
        )
        assert into == (size if len(data) >= size else "more")
        assert target[: len(data)] == data[:size]
