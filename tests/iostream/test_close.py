"""The end of a stream: who is told, how often, and what is left behind."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest
from tests.iostream.support import (
    Pair,
    fails_with,
    open_descriptors,
    pipes,
    raw,
    receive,
    reset,
    run,
    sockets,
    turns,
    until,
)
from tests.server.logs import Log

from tornadic.iostream import IOStream, PipeIOStream, StreamClosedError


class TestCloseCallback:
    def test_the_peer_closes(self, pair: Pair) -> None:
        async def main() -> None:
            async with pair() as (reader, writer):
                calls: list[bool] = []
                reader.set_close_callback(lambda: calls.append(reader.closed()))
                writer.close()
                await until(lambda: calls)
                await turns()
                assert calls == [True]

        run(main)

    def test_this_side_closes(self, pair: Pair) -> None:
        async def main() -> None:
            async with pair() as (reader, _):
                calls: list[int] = []
                reader.set_close_callback(lambda: calls.append(1))
                reader.close()
                reader.close()
                assert calls == []  # not within `close`
                await turns()
                assert calls == [1]

        run(main)

    def test_the_writing_side_learns_of_it(self, pair: Pair) -> None:
        async def main() -> None:
            async with pair() as (reader, writer):
                closed = asyncio.Event()
                writer.set_close_callback(closed.set)
                await turns()
                reader.close()
                await closed.wait()

        run(main)

    def test_set_after_the_end(self) -> None:
        async def main() -> None:
            async with sockets() as (stream, _):
                calls: list[int] = []
                stream.close()
                stream.set_close_callback(lambda: calls.append(1))
                await turns()
                assert calls == [1]

        run(main)

    def test_taken_back(self) -> None:
        async def main() -> None:
            async with sockets() as (stream, _):
                calls: list[int] = []
                stream.set_close_callback(lambda: calls.append(1))
                stream.set_close_callback(lambda: calls.append(2))
                stream.set_close_callback(None)
                stream.close()
                await turns()
                assert calls == []

        run(main)

    def test_comes_after_the_futures(self) -> None:
        async def main() -> None:
            async with sockets() as (stream, peer):
                order: list[str] = []
                read, written = stream.read_bytes(1), stream.write(b"x" * 5_000_000)
                read.add_done_callback(lambda _: order.append("read"))
                written.add_done_callback(lambda _: order.append("written"))
                stream.set_close_callback(lambda: order.append("closed"))
                peer.close()
                await until(lambda: "closed" in order)
                assert sorted(order[:2]) == ["read", "written"]
                assert order[2:] == ["closed"]

        run(main)

    def test_may_be_a_coroutine(self) -> None:
        async def main() -> None:
            async with sockets() as (stream, _):
                done: list[int] = []

                async def callback() -> None:
                    await asyncio.sleep(0)
                    done.append(1)

                stream.set_close_callback(callback)
                stream.close()
                await until(lambda: done)

        run(main)

    def test_one_that_fails(self, log: Log) -> None:
        async def main() -> None:
            async with sockets() as (stream, _):
                stream.set_close_callback(lambda: 1 // 0)
                stream.close()
                await turns()

        run(main)
        [record] = log.take()
        assert record.exc_info is not None and record.exc_info[0] is ZeroDivisionError

    def test_behind_data_that_nobody_read(self) -> None:
        """Once the buffer has been emptied the stream looks on, also without another read."""

        async def main() -> None:
            async with sockets(read_chunk_size=1000) as (stream, peer):
                closed = asyncio.Event()
                stream.set_close_callback(closed.set)
                await peer.write(b"x" * 3000)
                await turns()
                peer.close()
                assert await stream.read_bytes(3000) == b"x" * 3000
                await closed.wait()

        run(main)

    def test_data_before_the_end_is_kept(self) -> None:
        async def main() -> None:
            async with sockets() as (stream, peer):
                closed = asyncio.Event()
                stream.set_close_callback(closed.set)
                await peer.write(b"last words")
                peer.close()
                await closed.wait()
                assert await stream.read_bytes(4) == b"last"
                assert await stream.read_until_close() == b" words"

        run(main)

    def test_a_reset(self) -> None:
        async def main() -> None:
            async with raw() as (stream, peer):
                closed = asyncio.Event()
                stream.set_close_callback(closed.set)
                reset(peer)
                await closed.wait()
                assert isinstance(stream.error, ConnectionResetError)

        run(main)


class TestError:
    def test_of_an_exception(self) -> None:
        async def main() -> None:
            async with sockets() as (stream, _):
                error = ValueError("why")
                stream.close(exc_info=error)
                assert stream.error is error

        run(main)

    def test_of_the_exception_being_handled(self) -> None:
        async def main() -> None:
            async with sockets() as (stream, _):
                try:
                    raise ValueError("why")
                except ValueError as e:
                    stream.close(exc_info=True)
                    assert stream.error is e

        run(main)

    def test_of_a_triple(self) -> None:
        async def main() -> None:
            async with sockets() as (stream, _):
                error = ValueError("why")
                stream.close(exc_info=(ValueError, error, None))
                assert stream.error is error

        run(main)

    def test_the_first_one_counts(self) -> None:
        async def main() -> None:
            async with sockets() as (stream, _):
                stream.close()
                stream.close(exc_info=ValueError())
                assert stream.error is None
                with pytest.raises(StreamClosedError) as caught:
                    stream.write(b"x")
                assert caught.value.real_error is None
                assert str(caught.value) == "Stream is closed"
                assert isinstance(caught.value, OSError)

        run(main)


class TestConnect:
    def test_connects(self) -> None:
        async def main() -> None:
            with socket.create_server(("127.0.0.1", 0)) as listening:
                stream = IOStream(socket.socket())
                # What is written and asked for meanwhile waits.
                future = stream.connect(listening.getsockname())
                early = stream.write(b"early")
                read = stream.read_bytes(2)
                assert await future is stream
                with listening.accept()[0] as peer:
                    peer.setblocking(False)
                    await early
                    assert await receive(peer, 5) == b"early"
                    peer.send(b"ok")
                    assert await read == b"ok"
                    assert not stream.encrypted
                    stream.set_nodelay(True)
                    assert stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                stream.close()

        run(main)

    def test_unix_socket(self, tmp_path: object) -> None:
        async def main() -> None:
            path = f"{tmp_path}/socket"
            with socket.socket(socket.AF_UNIX) as listening:
                listening.bind(path)
                listening.listen()
                stream = IOStream(socket.socket(socket.AF_UNIX))
                await stream.connect(path)
                stream.set_nodelay(True)  # means nothing here
                stream.close()

        run(main)

    @pytest.mark.parametrize("waiting", [False, True])
    def test_refused(self, waiting: bool) -> None:
        async def main() -> None:
            with socket.create_server(("127.0.0.1", 0)) as listening:
                address = listening.getsockname()
            stream = IOStream(socket.socket())
            future = stream.connect(address)
            calls: list[int] = []
            if waiting:
                stream.set_close_callback(lambda: calls.append(1))
                written, read = stream.write(b"early"), stream.read_bytes(1)
            await fails_with(future, ConnectionRefusedError)
            assert stream.closed() and isinstance(stream.error, ConnectionRefusedError)
            if waiting:
                await fails_with(written, ConnectionRefusedError)
                await fails_with(read, ConnectionRefusedError)
                await turns()
                assert calls == [1]

        run(main)

    def test_a_name_that_is_none(self) -> None:
        async def main() -> None:
            stream = IOStream(socket.socket())
            await fails_with(stream.connect(("no such host", 80)), socket.gaierror)

        run(main)

    def test_closed_meanwhile(self) -> None:
        async def main() -> None:
            with socket.create_server(("127.0.0.1", 0)) as listening:
                stream = IOStream(socket.socket())
                future = stream.connect(listening.getsockname())
                stream.close()
                await fails_with(future, None)

        run(main)

    def test_on_a_closed_stream(self) -> None:
        async def main() -> None:
            stream = IOStream(socket.socket())
            stream.close()
            with pytest.raises(StreamClosedError):
                stream.connect(("127.0.0.1", 1))

        run(main)


class TestShutdownWrite:
    def test_the_peer_reads_the_end_and_may_answer(self, two_way: Pair) -> None:
        async def main() -> None:
            async with two_way() as (stream, peer):
                stream.write(b"question")
                stream.shutdown_write()
                # The other stream closes as soon as it sees the end; by hand it answers.
                assert await peer.read_bytes(8) == b"question"
                peer.write(b"answer")
                assert await stream.read_bytes(6) == b"answer"
                assert await peer.read_until_close() == b""
                assert await stream.read_until_close() == b""

        run(main)

    def test_the_peer_has_gone(self) -> None:
        async def main() -> None:
            async with raw() as (stream, peer):
                reset(peer)
                stream.shutdown_write()
                assert stream.closed()

        run(main)


class TestPipes:
    def test_the_reader_leaves(self) -> None:
        async def main() -> None:
            async with pipes() as (reader, writer):
                reader.close()
                with pytest.raises(StreamClosedError) as caught:
                    await writer.write(b"x")
                assert isinstance(caught.value.real_error, BrokenPipeError)
                assert isinstance(writer.error, BrokenPipeError)

        run(main)

    def test_the_reader_leaves_an_idle_pipe(self) -> None:
        async def main() -> None:
            async with pipes() as (reader, writer):
                closed = asyncio.Event()
                writer.set_close_callback(closed.set)
                reader.close()
                await closed.wait()
                assert isinstance(writer.error, BrokenPipeError)

        run(main)

    def test_the_wrong_end(self, log: Log) -> None:
        async def main() -> None:
            async with pipes() as (reader, writer):
                with pytest.raises(StreamClosedError):
                    await writer.read_bytes(1)
                with pytest.raises(StreamClosedError):
                    await reader.write(b"x")

        run(main)
        log.one("error on write")

    def test_documented_methods(self) -> None:
        async def main() -> None:
            reading, writing = os.pipe()
            reader, writer = PipeIOStream(reading), PipeIOStream(writing)
            assert (reader.fileno(), writer.fileno()) == (reading, writing)
            buffer = bytearray(10)
            assert reader.read_from_fd(buffer) is None
            assert writer.write_to_fd(memoryview(b"abc")) == 3
            assert reader.read_from_fd(buffer) == 3
            assert buffer[:3] == b"abc"
            writer.close()
            assert reader.read_from_fd(buffer) == 0
            reader.close()

        run(main)


class TestNothingIsLeft:
    def test_many_streams(self, pair: Pair) -> None:
        async def main() -> None:
            before = open_descriptors()
            for number in range(50):
                async with pair() as (reader, writer):
                    await writer.write(b"x" * number)
                    if number % 3:
                        reader.set_close_callback(lambda: None)
                        await turns(1)
                    if number % 2:
                        reader.read_until_close()
            await turns()
            assert open_descriptors() <= before

        run(main)

    def test_a_stream_that_outlives_its_loop(self) -> None:
        streams: list[IOStream] = []

        async def main() -> None:
            ours, theirs = socket.socketpair()
            for sock in (ours, theirs):
                stream = IOStream(sock)
                stream.read_bytes(1).cancel()
                stream.write(b"x" * 5_000_000).cancel()
                streams.append(stream)

        before = open_descriptors()
        asyncio.run(main())
        for stream in streams:
            stream.close()
            assert stream.closed() and stream.socket.fileno() == -1
        # The loop's own watcher may be there still, until the next loop comes.
        assert open_descriptors() <= before + 1
