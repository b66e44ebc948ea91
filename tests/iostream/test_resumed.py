"""Whoever waits is resumed in the middle of the stream's work, and may do there what they like."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import os
import random
import signal
import socket
import sys
import threading
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.certificates import Certificates
from tests.iostream.support import (
    Collector,
    Pair,
    fails_with,
    listening,
    run,
    sockets,
    turns,
    until,
)
from tests.server.logs import Log

from tornadic import gen
from tornadic.ioloop import IOLoop
from tornadic.iostream import (
    BaseIOStream,
    IOStream,
    PipeIOStream,
    SSLIOStream,
    StreamClosedError,
)

LARGE = b"x" * 5_000_000
"""More than any kernel takes at once."""


@asynccontextmanager
async def many(number: int) -> AsyncIterator[list[tuple[IOStream, IOStream]]]:
    """So many pairs of streams, to read from and to write to."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(sockets()) for _ in range(number)]


class TestStreams:
    """What the resumed program does with its stream, and with others."""

    def test_closes_it(self, pair: Pair) -> None:
        async def main() -> None:
            async with pair(read_chunk_size=4) as (reader, writer):

                async def read() -> None:
                    assert await reader.read_bytes(2) == b"ab"
                    reader.close()

                task = asyncio.create_task(read())
                await turns()
                await writer.write(b"abcdefgh")
                await task
                with pytest.raises(StreamClosedError):
                    await reader.read_bytes(100)
                assert await reader.read_until_close() == b"cd"

        run(main)

    def test_closes_the_others_that_are_ready_too(self) -> None:
        async def main() -> None:
            async with many(10) as pairs:
                got: list[bytes] = []

                async def read(reader: IOStream) -> None:
                    got.append(await reader.read_bytes(1))
                    for other, _ in pairs:
                        other.close()

                tasks = [asyncio.create_task(read(reader)) for reader, _ in pairs]
                await turns()
                for _, writer in pairs:
                    await writer.write(b"x")
                outcomes = await asyncio.gather(*tasks, return_exceptions=True)
                assert got == [b"x"]
                assert sum(isinstance(o, StreamClosedError) for o in outcomes) == 9

        run(main)

    def test_reads_on_and_calls_that_off(self) -> None:
        """What a read moved away and gave back is not lost behind what comes next."""

        async def main() -> None:
            async with sockets(read_chunk_size=4) as (reader, writer):

                async def read() -> bytes:
                    assert await reader.read_bytes(2) == b"ab"
                    reader.read_into(bytearray(1000)).cancel()
                    return await reader.read_bytes(998)

                task = asyncio.create_task(read())
                await turns()
                await writer.write(b"ab" * 500)
                assert await task == b"ab" * 499

        run(main)

    def test_attaches_a_sink_and_takes_it_off(self, pair: Pair) -> None:
        async def main() -> None:
            async with pair(read_chunk_size=4) as (reader, writer):
                sink = Collector()

                async def read() -> Any:
                    assert await reader.read_bytes(2) == b"ab"
                    reader.attach_sink(sink)
                    reader.detach_sink(b"".join(sink.got))
                    return await reader.read_bytes(998)

                task = asyncio.create_task(read())
                await turns()
                await writer.write(b"ab" * 500)
                assert await task == b"ab" * 499

        run(main)

    def test_hands_it_to_a_sink(self, pair: Pair) -> None:
        async def main() -> None:
            async with pair(read_chunk_size=4) as (reader, writer):
                sink = Collector()

                async def read() -> None:
                    assert await reader.read_bytes(2) == b"ab"
                    reader.attach_sink(sink)

                task = asyncio.create_task(read())
                await turns()
                await writer.write(b"ab" * 500)
                await task
                await until(lambda: sum(map(len, sink.got)) == 998)
                assert b"".join(sink.got) == b"ab" * 499

        run(main)

    @pytest.mark.parametrize("when", ["read", "written"])
    def test_starts_tls(self, when: str, certificates: Certificates) -> None:
        async def main() -> None:
            async with sockets() as (server, client):

                async def serve() -> IOStream:
                    if when == "read":
                        await server.read_bytes(5)
                        server.write(b"go ahead\n")
                    else:
                        await server.write(LARGE)
                    return await server.start_tls(True, certificates.server_options())

                task = asyncio.create_task(serve())
                await turns()
                if when == "read":
                    await client.write(b"TLS?\n")
                    await client.read_until(b"\n")
                else:
                    await client.read_bytes(len(LARGE))
                options = certificates.client_options()
                second = await client.start_tls(False, options, "localhost")
                first = await task
                await first.write(b"hello")
                assert await second.read_bytes(5) == b"hello"
                first.close()
                second.close()

        run(main)

    def test_writes_more_than_the_kernel_takes(self) -> None:
        async def main() -> None:
            async with sockets() as (server, client):

                async def serve() -> None:
                    for _ in range(3):
                        await server.write(LARGE)
                    await server.read_bytes(1)
                    await server.write(LARGE)
                    server.close_when_written()

                task = asyncio.create_task(serve())
                await client.write(b"x")
                assert len(await client.read_until_close()) == 4 * len(LARGE)
                await task

        run(main)

    def test_closes_it_when_written(self) -> None:
        async def main() -> None:
            async with sockets() as (server, client):

                async def serve(future: asyncio.Future[None]) -> None:
                    await future
                    server.close()

                first, second = server.write(LARGE), server.write(b"the rest")
                tasks = [asyncio.create_task(serve(future)) for future in (first, second)]
                assert (await client.read_until_close())[: len(LARGE)] == LARGE
                await asyncio.gather(*tasks)

        run(main)

    def test_waits_for_both_ways_of_one(self, two_way: Pair) -> None:
        """The reader is resumed before the writer where both could be."""

        async def main() -> None:
            async with two_way() as (first, second):
                order: list[str] = []

                async def read() -> None:
                    await first.read_bytes(1)
                    order.append("read")
                    await first.read_bytes(1)
                    order.append("read")

                async def write() -> None:
                    await first.write(LARGE)
                    order.append("written")

                tasks = [asyncio.create_task(read()), asyncio.create_task(write())]
                await turns()
                await second.write(b"a")
                await until(lambda: order)
                assert len(await second.read_bytes(len(LARGE))) == len(LARGE)
                await tasks[1]
                await second.write(b"b")
                await tasks[0]
                assert order == ["read", "written", "read"]

        run(main)

    def test_writers_are_resumed_in_their_order(self) -> None:
        async def main() -> None:
            async with sockets() as (server, client):
                order: list[int] = []

                async def write(number: int, data: bytes) -> None:
                    await server.write(data)
                    order.append(number)

                pieces = [LARGE, b"a", b"b", LARGE, b"c"]
                tasks = [asyncio.create_task(write(*piece)) for piece in enumerate(pieces)]
                assert await client.read_bytes(sum(map(len, pieces))) == b"".join(pieces)
                await asyncio.gather(*tasks)
                assert order == [0, 1, 2, 3, 4]

        run(main)


class TestSevereExceptions:
    @pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
    @pytest.mark.parametrize("decorated", [False, True])
    def test_come_out_of_the_loop_which_can_go_on(
        self, kind: type[BaseException], decorated: bool
    ) -> None:
        loop = asyncio.new_event_loop()

        async def open_pairs() -> list[tuple[IOStream, IOStream]]:
            pairs = [socket.socketpair() for _ in range(5)]
            return [(IOStream(ours), IOStream(theirs)) for ours, theirs in pairs]

        async def read(reader: IOStream) -> bytes:
            return await reader.read_bytes(1)

        async def fail(reader: IOStream) -> None:
            await reader.read_bytes(1)
            raise kind

        @gen.coroutine
        def fail_decorated(reader: IOStream) -> Any:
            yield reader.read_bytes(1)
            raise kind

        async def write() -> None:
            for _, writer in pairs:
                writer.write(b"x")
            await asyncio.sleep(3600)

        async def begin(reader: IOStream) -> list[asyncio.Future[Any]]:
            return [fail_decorated(reader) if decorated else asyncio.create_task(fail(reader))]

        pairs = loop.run_until_complete(open_pairs())
        [bad] = loop.run_until_complete(begin(pairs[2][0]))
        good = [loop.create_task(read(pairs[i][0])) for i in (0, 1, 3, 4)]
        writing = loop.create_task(write())
        with pytest.raises(kind):
            loop.run_until_complete(writing)
        assert loop.run_until_complete(asyncio.gather(*good)) == [b"x"] * 4
        writing.cancel()
        assert isinstance(bad.exception(), kind)
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(writing)
        for reader, writer in pairs:
            reader.close()
            writer.close()
        loop.run_until_complete(asyncio.sleep(0))
        IOLoop._ioloop_for_asyncio[loop].close()

    @pytest.mark.skipif(sys.platform == "win32", reason="no signals there")
    def test_an_interrupt_loses_nothing(self) -> None:
        async def main() -> None:
            async with sockets() as (reader, writer):

                async def read() -> bytes:
                    await reader.read_bytes(1)
                    signal.raise_signal(signal.SIGINT)
                    return b""

                task = asyncio.create_task(read())
                await turns()
                await writer.write(b"xyz")
                try:
                    await task
                finally:
                    assert await reader.read_bytes(2) == b"yz"

        with pytest.raises((KeyboardInterrupt, asyncio.CancelledError)):
            run(main)


class TestFairness:
    def test_a_reader_that_always_finds_something(self, pair: Pair) -> None:
        """The peer is as fast as the reader, and yet the loop gets to turn."""

        async def main() -> None:
            async with pair(read_chunk_size=10) as (reader, writer):
                for delay in (0, 1e-9):
                    turned: list[int] = []
                    asyncio.get_running_loop().call_later(delay, turned.append, 1)
                    reads = 0
                    while not turned:
                        writer.write(b"x" * 10)
                        assert await reader.read_bytes(10) == b"x" * 10
                        reads += 1
                        assert reads <= 1000

        run(main)

    def test_a_reader_of_a_stream_of_one_s_own(self) -> None:
        """Such a stream may hold bytes of which its descriptor knows nothing."""

        class Endless(IOStream):
            calls = 0

            def read_from_fd(self, buf: bytearray | memoryview) -> int:
                self.calls += 1
                buf[:] = bytes(len(buf))
                return len(buf)

        async def main() -> None:
            ours, theirs = socket.socketpair()
            stream = Endless(ours, read_chunk_size=10)
            turned: list[int] = []
            asyncio.get_running_loop().call_soon(turned.append, 1)
            reads = 0
            while not turned:
                assert await stream.read_bytes(10) == bytes(10)
                reads += 1
            assert reads <= 100
            # More than it is read in one turn, and nothing ever comes to the descriptor.
            assert await stream.read_bytes(10_000) == bytes(10_000)
            before = stream.calls
            await turns()
            assert stream.calls == before
            stream.close()
            theirs.close()

        run(main)

    def test_a_peer_that_takes_all_there_is(self) -> None:
        class Wide(IOStream):
            """Refuses once, and takes everything from then on."""

            taken: list[int] = []

            def write_to_fd(self, data: memoryview) -> int:
                if not self.taken:
                    self.taken.append(0)
                    return 0
                self.taken[-1] += len(data)
                return len(data)

        async def main() -> None:
            ours, theirs = socket.socketpair()
            stream = Wide(ours)
            for _ in range(1000):
                future = stream.write(bytes(100_000))
            while not future.done():
                await asyncio.sleep(0)
                stream.taken.append(0)
            assert sum(stream.taken) == 100_000_000
            assert max(stream.taken) < 2_000_000
            stream.close()
            theirs.close()

        run(main)


class TestTasks:
    def test_of_one_context(self) -> None:
        """Tasks that share a context are never resumed one within the other."""
        variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)

        async def main() -> None:
            async with many(5) as pairs:
                context = contextvars.copy_context()
                loop = asyncio.get_running_loop()

                async def read(reader: IOStream) -> None:
                    for _ in range(3):
                        await reader.read_bytes(1)
                        variable.set(variable.get() + 1)

                tasks = [loop.create_task(read(reader), context=context) for reader, _ in pairs]
                for _ in range(3):
                    await turns()
                    for _, writer in pairs:
                        await writer.write(b"x")
                await asyncio.gather(*tasks)
                assert context[variable] == 15
                assert variable.get() == 0

        run(main)

    @pytest.mark.skipif(sys.version_info < (3, 12), reason="new in Python 3.12")
    def test_that_are_eager(self, pair: Pair) -> None:
        def make_task(loop: Any, coro: Any, **options: Any) -> Any:
            options["eager_start"] = True  # as by asyncio.eager_task_factory
            return asyncio.Task(coro, loop=loop, **options)

        async def main() -> None:
            asyncio.get_running_loop().set_task_factory(make_task)
            async with pair() as (reader, writer):
                me = asyncio.current_task()

                async def one() -> Any:
                    data = await reader.read_bytes(1)
                    assert asyncio.current_task() is not me
                    return data

                async def all_of_them() -> list[bytes]:
                    return [await asyncio.create_task(one()) for _ in range(3)]

                task = asyncio.create_task(all_of_them())
                await writer.write(b"ab")
                await turns()
                # This one does not wait at all, or from its first step on.
                await writer.write(b"c")
                assert await task == [b"a", b"b", b"c"]
                await writer.write(b"d")
                assert await asyncio.create_task(one()) == b"d"
                assert asyncio.current_task() is me

        run(main)

    def test_that_make_others(self) -> None:
        async def main() -> None:
            async with many(2) as [(first, one), (second, two)]:
                seen: list[Any] = []

                async def child() -> None:
                    seen.append(asyncio.current_task())
                    seen.append(await second.read_bytes(1))

                async def parent() -> None:
                    await first.read_bytes(1)
                    task = asyncio.create_task(child())
                    seen.append(asyncio.current_task())
                    await task
                    assert seen == [parent_task, task, b"y"]

                parent_task = asyncio.create_task(parent())
                await turns()
                await one.write(b"x")
                await two.write(b"y")
                await parent_task

        run(main)

    def test_in_debug_mode(self, pair: Pair) -> None:
        async def main() -> None:
            asyncio.get_running_loop().set_debug(True)
            asyncio.get_running_loop().slow_callback_duration = 60
            async with pair() as (reader, writer):

                async def read() -> list[bytes]:
                    return [await reader.read_until(b"\n") for _ in range(3)]

                task = asyncio.create_task(read())
                for line in (b"a\n", b"b\n", b"c\n"):
                    await turns()
                    assert "ReadUntil" in repr(reader._pending)
                    await writer.write(line)
                assert await task == [b"a\n", b"b\n", b"c\n"]
            asyncio.get_running_loop().set_debug(False)

        run(main)

    def test_implemented_in_python(self, pair: Pair) -> None:
        async def main() -> None:
            async with pair() as (reader, writer):

                async def read() -> list[bytes]:
                    return [await reader.read_bytes(1) for _ in range(3)]

                python_task: Any = asyncio.tasks._PyTask  # type: ignore[attr-defined]
                task = python_task(read(), loop=asyncio.get_running_loop())
                for byte in (b"a", b"b", b"c"):
                    await turns()
                    await writer.write(byte)
                assert await task == [b"a", b"b", b"c"]

        run(main)

    def test_several_that_wait_for_one_read(self) -> None:
        async def main() -> None:
            async with sockets() as (reader, writer):
                read = reader.read_bytes(3)

                async def wait() -> bytes:
                    return await read

                @gen.coroutine
                def wait_decorated() -> Any:
                    return (yield read)

                waiting: list[Awaitable[bytes]] = [asyncio.create_task(wait()) for _ in range(3)]
                await turns()
                waiting += [wait_decorated(), asyncio.shield(read), asyncio.wait_for(wait(), 60)]
                await writer.write(b"abc")
                assert await asyncio.gather(*waiting) == [b"abc"] * 6
                # It is done, and stays so.
                assert await read == await wait() == await wait_decorated() == b"abc"
                assert not read.cancel()

        run(main)

    def test_one_of_several_is_cancelled(self) -> None:
        async def main() -> None:
            async with sockets() as (reader, writer):
                read = reader.read_bytes(3)

                async def wait() -> bytes:
                    return await read

                tasks = [asyncio.create_task(wait()) for _ in range(3)]
                await turns()
                tasks[0].cancel()
                outcomes = await asyncio.gather(*tasks, return_exceptions=True)
                assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError] * 3
                await writer.write(b"abc")
                assert await reader.read_bytes(3) == b"abc"

        run(main)

    def test_a_callback_that_fails_disturbs_nobody(self) -> None:
        async def main() -> None:
            contexts: list[dict[str, Any]] = []
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(lambda _, context: contexts.append(context))
            async with sockets() as (reader, writer):
                read = reader.read_bytes(1)
                read.add_done_callback(lambda _: 1 // 0)

                async def wait() -> bytes:
                    return await read

                task = asyncio.create_task(wait())
                await turns()
                await writer.write(b"a")
                assert await task == b"a"
                await until(lambda: contexts)
                assert isinstance(contexts[0]["exception"], ZeroDivisionError)

        run(main)

    def test_two_loops_in_two_threads(self) -> None:
        def talk() -> None:
            async def main() -> None:
                async with sockets() as (first, second):

                    async def echo() -> None:
                        while True:
                            await second.write(await second.read_bytes(10))

                    task = asyncio.create_task(echo())
                    for _ in range(200):
                        await first.write(b"0123456789")
                        assert await first.read_bytes(10) == b"0123456789"
                    task.cancel()
                done.append(1)

            asyncio.run(main())

        done: list[int] = []
        threads = [threading.Thread(target=talk) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(done) == 3


class TestCancelling:
    def test_of_others_that_are_ready(self) -> None:
        """Whoever is cancelled by one that was resumed first has got nothing."""

        async def main() -> None:
            async with many(10) as pairs:
                got: list[int] = []

                async def read(number: int) -> None:
                    await pairs[number][0].read_bytes(1)
                    got.append(number)
                    for other in tasks:
                        if other is not asyncio.current_task():
                            other.cancel()

                tasks = [asyncio.create_task(read(number)) for number in range(10)]
                await turns()
                for _, writer in pairs:
                    await writer.write(b"x")
                await asyncio.wait(tasks)
                assert len(got) == 1
                for number, (reader, _) in enumerate(pairs):
                    if number not in got:
                        assert await reader.read_bytes(1) == b"x"

        run(main)

    @pytest.mark.parametrize("seed", range(4))
    def test_at_any_moment(self, seed: int, pair: Pair) -> None:
        """However reads are called off, what is read in the end is what was written."""
        chance = random.Random(seed)
        data = chance.randbytes(30_000)

        async def main() -> None:
            async with pair(read_chunk_size=chance.choice([7, 100, 65536])) as (reader, writer):
                received = bytearray()

                async def read_into(size: int, partial: bool) -> bytes:
                    target = bytearray(size)
                    got = await reader.read_into(target, partial)
                    return bytes(target[:got])

                async def write() -> None:
                    rest = data
                    while rest:
                        size = chance.randrange(1, 500)
                        await writer.write(rest[:size])
                        rest = rest[size:]
                        if chance.random() < 0.5:
                            await asyncio.sleep(0)

                def some_read() -> Awaitable[bytes]:
                    size = min(chance.randrange(1, 400), len(data) - len(received))
                    reads: list[Callable[[], Awaitable[bytes]]] = [
                        lambda: reader.read_bytes(size),
                        lambda: reader.read_bytes(size, partial=True),
                        lambda: read_into(size, False),
                        lambda: read_into(size, True),
                        lambda: reader.read_until(data[len(received) :][size - 1 : size]),
                    ]
                    return chance.choice(reads)()

                async def read() -> None:
                    received.extend(await some_read())

                writing = asyncio.create_task(write())
                while len(received) < len(data):
                    way = chance.randrange(4)
                    if way == 0:
                        try:
                            async with asyncio.timeout(0):
                                await read()
                        except TimeoutError:
                            pass
                    elif way == 1:
                        task = asyncio.create_task(read())
                        await turns(chance.randrange(4))
                        task.cancel()
                        await asyncio.wait([task])
                    elif way == 2:
                        task = asyncio.create_task(read())
                        await asyncio.wait([task], timeout=0)
                        task.cancel()
                        await asyncio.wait([task])
                    else:
                        await read()
                await writing
                assert received == data

        run(main)

    def test_a_read_that_was_called_off_does_not_go_on(self, log: Log) -> None:
        """The stream reads one chunk ahead, as if nobody had ever asked."""

        async def main() -> None:
            async with sockets(read_chunk_size=1000, max_buffer_size=10_000) as (reader, writer):
                reader.read_bytes(1_000_000).cancel()
                writing = writer.write(LARGE)
                await turns(100)
                assert reader._buffer is not None and reader._buffer.size <= 2000
                assert not reader.closed()
                while not writing.done():
                    assert len(await reader.read_bytes(1000)) == 1000

        run(main)

    def test_the_buffer_is_the_caller_s_again(self) -> None:
        async def main() -> None:
            async with sockets() as (reader, writer):
                target = bytearray(8)
                read = reader.read_into(target)
                await writer.write(b"abc")
                await turns()
                assert read.cancel()
                assert not read.cancel()
                target[:3] = b"XYZ"
                target.clear()
                await writer.write(b"def")
                assert await reader.read_bytes(6) == b"abcdef"

        run(main)

    @pytest.mark.parametrize("came", [b"", b"abc"])
    def test_before_tls(self, came: bytes, certificates: Certificates) -> None:
        """Nobody reads any more; but what has come must not pass for encrypted."""

        async def main() -> None:
            async with sockets() as (server, client):
                read = server.read_into(bytearray(8))
                await client.write(came)
                await turns()
                read.cancel()
                options = certificates.server_options()
                if came:
                    with pytest.raises(ValueError, match="not idle"):
                        server.start_tls(True, options)
                    assert await server.read_bytes(3) == b"abc"
                accepted = server.start_tls(True, options)
                connected = client.start_tls(False, certificates.client_options(), "localhost")
                for stream in (await accepted, await connected):
                    stream.close()

        run(main)

    @pytest.mark.parametrize("called_off", [False, True])
    def test_what_was_moved_when_the_stream_closed(self, called_off: bool, pair: Pair) -> None:
        async def main() -> None:
            async with pair() as (reader, writer):
                read = reader.read_into(bytearray(8))
                await writer.write(b"abc")
                await until(lambda: reader._pending is None or reader._pending.filled)
                if called_off:
                    read.cancel()
                writer.close()
                await until(reader.closed)
                if not called_off:
                    await fails_with(read, None)
                assert await reader.read_until_close() == b"abc"

        run(main)

    def test_a_connection_that_is_being_made(self) -> None:
        async def main() -> None:
            with socket.create_server(("127.0.0.1", 0)) as listening:
                stream = IOStream(socket.socket())
                connecting = stream.connect(listening.getsockname())
                connecting.cancel()
                accepted, _ = listening.accept()
                await stream.write(b"all the same")
                assert accepted.recv(100) == b"all the same"
                accepted.close()
                stream.close()

        run(main)


@pytest.mark.skipif(sys.platform != "linux", reason="a matter of epoll")
def test_a_descriptor_that_cannot_be_watched(tmp_path: Path) -> None:
    async def main() -> None:
        (tmp_path / "file").write_bytes(b"abc")
        stream = PipeIOStream(os.open(tmp_path / "file", os.O_RDONLY), read_chunk_size=3)
        assert await stream.read_bytes(2) == b"ab"
        for _ in range(2):
            with pytest.raises(PermissionError):
                stream.set_close_callback(lambda: None)
        stream.set_close_callback(None)
        assert await stream.read_until_close() == b"c"
        assert stream.closed()

    run(main)


class TestSubclasses:
    """`read_from_fd` and `write_to_fd` are asked wherever a subclass has them."""

    class Counter:
        """To be put before any of the streams."""

        received = 0
        sent = 0

        def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
            got: int | None = super().read_from_fd(buf)  # type: ignore[misc]
            self.received += got or 0
            return got

        def write_to_fd(self, data: memoryview) -> int:
            sent: int = super().write_to_fd(data)  # type: ignore[misc]
            self.sent += sent
            return sent

    class Counting(Counter, IOStream):
        pass

    class CountingToo(Counting):
        """Overrides nothing, and inherits."""

    class CountingTls(Counter, SSLIOStream):
        pass

    class CountingPipe(Counter, PipeIOStream):
        pass

    def test_over_tls(self, certificates: Certificates) -> None:
        async def main() -> None:
            async with listening(certificates.server_context()) as (address, accepted):
                stream = self.CountingTls(
                    socket.socket(), ssl_options=certificates.client_options()
                )
                await stream.connect(address, "localhost")
                await stream.write(b"question")
                [peer] = accepted
                assert await peer.read_bytes(8) == b"question"
                peer.write(LARGE)
                assert await stream.read_bytes(len(LARGE)) == LARGE
                writing = stream.write(LARGE)
                assert await peer.read_bytes(len(LARGE)) == LARGE
                await writing
                assert (stream.received, stream.sent) == (len(LARGE), 8 + len(LARGE))
                stream.close()

        run(main)

    def test_over_a_pipe(self) -> None:
        async def main() -> None:
            reading, writing = (self.CountingPipe(fd) for fd in os.pipe())
            sent = writing.write(LARGE)
            assert await reading.read_bytes(len(LARGE)) == LARGE
            await sent
            assert (reading.received, writing.sent) == (len(LARGE), len(LARGE))
            reading.close()
            writing.close()

        run(main)

    @pytest.mark.parametrize("kind", [Counting, CountingToo])
    def test_that_look_at_what_goes_through(self, kind: type[Counting]) -> None:
        async def main() -> None:
            with socket.create_server(("127.0.0.1", 0)) as listening:
                stream = kind(socket.socket())
                connecting = stream.connect(listening.getsockname())
                early = stream.write(b"early ")
                accepted, _ = listening.accept()
                await connecting
                await early
                peer = IOStream(accepted)
                await stream.write(b"then")
                assert await peer.read_bytes(10) == b"early then"
                writing = stream.write(LARGE)
                await peer.read_bytes(len(LARGE))
                await writing
                await peer.write(b"answer")
                assert await stream.read_bytes(6) == b"answer"
                sink = Collector()
                stream.attach_sink(sink)
                await peer.write(b"more")
                await until(lambda: sink.got)
                assert (stream.received, stream.sent) == (10, 10 + len(LARGE))
                stream.close()
                peer.close()

        run(main)

    @pytest.mark.parametrize("for_a_sink", [False, True])
    def test_that_fail(self, for_a_sink: bool, log: Log) -> None:
        """A fault that is no `OSError` closes the stream too, and does not come again and again."""

        class Bad(IOStream):
            def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
                raise ZeroDivisionError

        async def main() -> None:
            ours, theirs = socket.socketpair()
            stream = Bad(ours)
            with pytest.raises(ZeroDivisionError):
                stream.read_bytes(1)
            closed: list[int] = []
            stream.set_close_callback(lambda: closed.append(1))
            if for_a_sink:
                stream.attach_sink(Collector())
            theirs.send(b"x")
            await until(lambda: closed)
            assert isinstance(stream.error, ZeroDivisionError)
            theirs.close()

        run(main)
        if sys.platform == "linux":
            [record] = log.take()
            assert record.exc_info is not None and record.exc_info[0] is ZeroDivisionError

    def test_that_fail_to_write(self, log: Log) -> None:
        class Bad(IOStream):
            calls = 0

            def write_to_fd(self, data: memoryview) -> int:
                self.calls += 1
                if self.calls > 1:
                    raise ZeroDivisionError
                return 0

        async def main() -> None:
            ours, theirs = socket.socketpair()
            stream = Bad(ours)
            await fails_with(stream.write(b"x"), ZeroDivisionError)
            theirs.close()

        run(main)
        if sys.platform == "linux":
            [record] = log.take()
            assert record.exc_info is not None and record.exc_info[0] is ZeroDivisionError


class TestNothingIsLeft:
    @pytest.mark.parametrize("end", ["served", "cancelled", "closed", "failed"])
    def test_no_circles(self, end: str) -> None:
        """A stream is gone when the last who knows it lets go, without the garbage collector."""

        async def main() -> None:
            ours, theirs = socket.socketpair()
            stream, peer = IOStream(ours), IOStream(theirs)

            async def read(stream: BaseIOStream) -> bytes:
                return await stream.read_until(b"\n", max_bytes=10)

            task = asyncio.create_task(read(stream))
            await turns()
            if end == "served":
                await peer.write(b"line\n")
                assert await task == b"line\n"
            elif end == "cancelled":
                task.cancel()
            elif end == "closed":
                peer.close()
            else:
                stream.close(exc_info=OSError("broken"))
            await asyncio.wait([task])
            assert task.cancelled() == (end == "cancelled")
            assert task.cancelled() or (task.exception() is None) == (end == "served")
            del task
            watched = weakref.ref(stream)
            stream.close()
            peer.close()
            await turns()
            del stream, peer
            assert watched() is None

        gc.collect()
        gc.disable()
        try:
            run_without_collecting(main)
        finally:
            gc.enable()

    def test_a_socket_closed_behind_the_stream_s_back(self) -> None:
        async def main() -> None:
            async with many(3) as pairs:
                readers = [reader for reader, _ in pairs]
                reads = [reader.read_bytes(1) for reader in readers]
                for reader in readers:
                    reader.write(LARGE)
                await turns()
                for reader in readers[:2]:
                    reader.socket.close()
                readers[0].close()
                await fails_with(reads[0], None)
                # Their numbers are used again, each for what the one before was not.
                async with many(2) as others:
                    for first, second in others:
                        writing = first.write(LARGE)
                        assert len(await second.read_bytes(len(LARGE))) == len(LARGE)
                        await writing
                        await second.write(b"x")
                        assert await first.read_bytes(1) == b"x"
                readers[1].close()
                await fails_with(reads[1], None)
                await pairs[2][1].write(b"x")
                assert await reads[2] == b"x"

        run(main)


def run_without_collecting(main: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(10):
            await main()

    asyncio.run(bounded())
