"""Streams with callbacks, on real sockets."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import socket
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from tests.certificates import Certificates, make_certificates
from tests.compat.legacy.looping import PATIENCE, run, until

from tornadic.compat.legacy.contexts import ExceptionStackContext
from tornadic.ioloop import IOLoop
from tornadic.iostream import IOStream, PipeIOStream, SSLIOStream, StreamClosedError
from tornadic.netutil import bind_sockets

pytestmark = pytest.mark.filterwarnings("ignore:.*was removed from Tornado:DeprecationWarning")


class Log(list[Any]):
    """What was called back, in order."""

    def to(self, name: str) -> Callable[..., None]:
        return lambda *args: self.append((name, *args))


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def log() -> Log:
    return Log()


def pair() -> tuple[Any, Any]:
    """Two streams that talk to each other; untyped, for old arguments."""
    here, there = socket.socketpair()
    return IOStream(here), IOStream(there)


def test_each_kind_of_read(log: Log) -> None:
    async def main() -> None:
        here, there = pair()
        there.write(b"until\nregex123 bytesinto")
        assert here.read_until(b"\n", log.to("until")) is None
        await until(lambda: len(log) == 1)
        assert here.read_until_regex(rb"\d+ ", callback=log.to("regex")) is None
        await until(lambda: len(log) == 2)
        assert here.read_bytes(5, log.to("bytes")) is None
        await until(lambda: len(log) == 3)
        assert here.read_into(bytearray(4), callback=log.to("into")) is None
        await until(lambda: len(log) == 4)
        there.write(b"rest")
        there.close()
        assert here.read_until_close(log.to("close")) is None
        await until(lambda: len(log) == 5)

    run(main)
    assert log == [
        ("until", b"until\n"),
        ("regex", b"regex123 "),
        ("bytes", b"bytes"),
        ("into", 4),
        ("close", b"rest"),
    ]


@pytest.mark.parametrize(
    ("name", "begin"),
    [
        ("read_until", lambda stream, callback: stream.read_until(b"\n", callback)),
        ("read_until_regex", lambda stream, callback: stream.read_until_regex(b"\n", callback)),
        ("read_bytes", lambda stream, callback: stream.read_bytes(1, callback)),
        ("read_into", lambda stream, callback: stream.read_into(bytearray(1), callback)),
        ("read_until_close", lambda stream, callback: stream.read_until_close(callback)),
        ("write", lambda stream, callback: stream.write(b"x", callback)),
    ],
)
def test_each_warns(name: str, begin: Callable[[Any, Any], Any]) -> None:
    async def main() -> None:
        here, there = pair()
        with pytest.warns(DeprecationWarning, match=rf"callback of IOStream\.{name} was") as seen:
            begin(here, print)
        assert seen[0].filename == __file__
        here.close()
        there.close()

    run(main)


def test_no_callback_is_called_before_the_method_returns(log: Log) -> None:
    async def main() -> None:
        here, there = pair()
        there.write(b"abc\ndef\n")
        assert await here.read_until(b"\n") == b"abc\n"
        here.read_until(b"\n", log.to("read"))
        there.write(b"x", log.to("written"))
        assert log == []
        await until(lambda: len(log) == 2)
        here.close()
        there.close()

    run(main)


def test_a_long_chain_does_not_nest() -> None:
    count = 5000

    async def main() -> int:
        here, there = pair()
        there.write(b"\n" * count)
        lines = 0
        done = asyncio.Event()

        def next_line(data: bytes) -> None:
            nonlocal lines
            lines += 1
            if lines == count:
                done.set()
            else:
                here.read_until(b"\n", next_line)

        here.read_until(b"\n", next_line)
        await done.wait()
        here.close()
        there.close()
        return lines

    assert run(main) == count


def test_what_is_here_already_comes_before_the_close_callback(log: Log) -> None:
    async def main() -> None:
        here, there = pair()
        here.set_close_callback(log.to("closed"))

        def first(data: bytes) -> None:
            log.append(data)
            here.read_until(b"\n", second)

        def second(data: bytes) -> None:
            log.append(data)
            here.read_bytes(4, log.to("rest"))

        here.read_until(b"\n", first)
        there.write(b"one\ntwo\nrest")
        there.close()
        await until(lambda: ("closed",) in log)

    run(main)
    assert log == [b"one\n", b"two\n", ("rest", b"rest"), ("closed",)]


def test_a_read_that_is_broken_off_is_told_by_the_close_callback_alone(log: Log) -> None:
    async def main() -> None:
        here, there = pair()
        here.set_close_callback(log.to("closed"))
        here.read_bytes(10, log.to("bytes"))
        there.write(b"short")
        there.close()
        await until(lambda: log)
        await asyncio.sleep(0)

    run(main)
    assert log == [("closed",)]


def test_on_a_closed_stream(log: Log) -> None:
    async def main() -> None:
        here, there = pair()
        there.close()
        here.close()
        with pytest.raises(StreamClosedError):
            here.read_bytes(1, log.to("bytes"))
        with pytest.raises(StreamClosedError):
            here.read_bytes(1, streaming_callback=log.to("bytes"))
        with pytest.raises(StreamClosedError):
            here.write(b"x", log.to("written"))
        here.read_until_close(log.to("all"))
        await until(lambda: log)

    run(main)
    assert log == [("all", b"")]


def test_two_reads_at_once(log: Log) -> None:
    async def main() -> None:
        here, there = pair()
        here.read_bytes(1, log.to("first"))
        with pytest.raises(AssertionError, match="Already reading"):
            here.read_bytes(1, log.to("second"))
        with pytest.raises(AssertionError, match="Already reading"):
            here.read_until_close(streaming_callback=log.to("second"))
        there.write(b"x")
        await until(lambda: log)
        here.close()
        there.close()

    run(main)
    assert log == [("first", b"x")]


def test_what_cannot_be_called() -> None:
    async def main() -> None:
        here, there = pair()
        with pytest.raises(TypeError, match="cannot call 5"):
            here.write(b"x", 5)
        here.close()
        there.close()

    run(main)


# Streaming


def test_read_bytes_in_pieces(log: Log) -> None:
    async def main() -> None:
        here, there = pair()
        here.read_bytes(12, log.to("all"), streaming_callback=log.to("piece"))
        there.write(b"abcdefghij")
        await until(lambda: log)
        there.write(b"1234567")
        await until(lambda: ("all", b"") in log)
        assert await here.read_bytes(5) == b"34567"
        here.close()
        there.close()

    run(main)
    assert log == [("piece", b"abcdefghij"), ("piece", b"12"), ("all", b"")]


def test_read_bytes_in_pieces_with_a_future(log: Log) -> None:
    async def main() -> None:
        here, there = pair()
        there.write(b"abc")
        assert await here.read_bytes(3, streaming_callback=log.to("piece")) == b""
        there.write(b"de")
        assert await here.read_bytes(9, partial=True, streaming_callback=log.to("piece")) == b""
        here.close()
        there.close()

    run(main)
    assert log == [("piece", b"abc"), ("piece", b"de")]


def test_positional_streaming_callback(log: Log) -> None:
    async def main() -> None:
        here, there = pair()
        there.write(b"abc")
        here.read_bytes(3, log.to("all"), log.to("piece"))
        await until(lambda: len(log) == 2)
        here.close()
        there.close()

    run(main)
    assert log == [("piece", b"abc"), ("all", b"")]


def test_read_until_close_in_pieces(log: Log) -> None:
    async def main() -> None:
        here, there = pair()
        here.set_close_callback(log.to("closed"))
        here.read_until_close(log.to("all"), log.to("piece"))
        there.write(b"abc")
        await until(lambda: log)
        there.write(b"def")
        there.close()
        await until(lambda: ("closed",) in log)

    run(main)
    assert log == [("piece", b"abc"), ("piece", b"def"), ("all", b""), ("closed",)]


def test_pieces_that_are_broken_off(log: Log) -> None:
    async def main() -> None:
        here, there = pair()
        here.set_close_callback(log.to("closed"))
        here.read_bytes(12, log.to("all"), streaming_callback=log.to("piece"))
        there.write(b"abc")
        there.close()
        await until(lambda: ("closed",) in log)

    run(main)
    assert log == [("piece", b"abc"), ("closed",)]


# Failures


def test_a_callback_that_fails_closes_the_stream(
    log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(data: bytes) -> None:
        raise KeyError("in the callback")

    async def main() -> None:
        here, there = pair()
        here.set_close_callback(lambda: log.append(repr(here.error)))
        here.read_until(b"\n", fails)
        there.write(b"x\n")
        await until(lambda: log)
        there.close()

    with caplog.at_level(logging.ERROR):
        run(main)
    assert log == ["KeyError('in the callback')"]
    [record] = caplog.records
    assert record.message.startswith("Exception in callback ")
    assert record.exc_info is not None and record.exc_info[0] is KeyError


def test_a_callback_that_fails_in_a_stack_context(log: Log) -> None:
    def handle(kind: Any, error: Any, traceback: Any) -> bool:
        log.append(kind)
        return True

    def fails(data: bytes) -> None:
        raise KeyError("in the callback")

    async def main() -> None:
        here, there = pair()
        with ExceptionStackContext(handle):
            here.read_until(b"\n", fails)
        there.write(b"x\n")
        await until(lambda: log)
        assert not here.closed()
        here.close()
        there.close()

    run(main)
    assert log == [KeyError]


def test_a_streaming_callback_that_fails(log: Log, caplog: pytest.LogCaptureFixture) -> None:
    def fails(data: bytes) -> None:
        raise KeyError("in the callback")

    async def main() -> None:
        here, there = pair()
        here.set_close_callback(log.to("closed"))
        here.read_bytes(10, log.to("all"), streaming_callback=fails)
        there.write(b"x")
        await until(lambda: log)
        there.close()

    with caplog.at_level(logging.ERROR):
        run(main)
    assert log == [("closed",)] and len(caplog.records) == 1


def test_a_callback_that_is_a_coroutine(log: Log) -> None:
    async def main() -> None:
        here, there = pair()

        async def callback(data: bytes) -> None:
            await asyncio.sleep(0)
            log.append(data)

        here.read_bytes(1, callback)
        there.write(b"x")
        await until(lambda: log)
        here.close()
        there.close()

    run(main)
    assert log == [b"x"]


# Writing and connecting


def test_a_write_callback_takes_the_place_of_the_one_before(log: Log) -> None:
    async def main() -> None:
        here, there = pair()
        here.write(b"x" * 10_000_000, log.to("first"))
        here.write(b"y", log.to("second"))
        assert len(await there.read_bytes(10_000_001)) == 10_000_001
        await until(lambda: log)
        await asyncio.sleep(0)
        here.write(b"z", log.to("third"))
        here.write(b"z", log.to("fourth"))
        await until(lambda: len(log) == 3)
        here.close()
        there.close()

    run(main)
    assert log == [("second",), ("third",), ("fourth",)]


def test_connect(log: Log) -> None:
    async def main() -> None:
        [listening] = bind_sockets(0, "127.0.0.1")
        address = listening.getsockname()
        callback: Any = log.to("connected")
        for arguments, named in (((callback,), {}), ((), {"callback": callback})):
            stream: Any = IOStream(socket.socket())
            with pytest.warns(DeprecationWarning, match=r"callback of IOStream\.connect"):
                assert stream.connect(address, *arguments, **named) is None
            await until(lambda: log)
            assert log.pop() == ("connected",)
            stream.close()
        listening.close()

    run(main)


def test_connect_that_is_refused(log: Log) -> None:
    async def main() -> None:
        [listening] = bind_sockets(0, "127.0.0.1")
        address = listening.getsockname()
        listening.close()
        stream: Any = IOStream(socket.socket())
        stream.set_close_callback(log.to("closed"))
        stream.connect(address, log.to("connected"))
        await until(lambda: log)
        assert isinstance(stream.error, ConnectionRefusedError)

    run(main)
    assert log == [("closed",)]


def test_tls(log: Log, certificates: Certificates) -> None:
    async def main() -> None:
        server_context = certificates.server_context()
        [listening] = bind_sockets(0, "127.0.0.1")
        client: Any = SSLIOStream(socket.socket(), ssl_options=certificates.client_context())
        client.connect(listening.getsockname(), log.to("connected"), "localhost")
        await until(lambda: accept(listening, connections))
        wrapped = server_context.wrap_socket(
            connections[0], server_side=True, do_handshake_on_connect=False
        )
        server: Any = SSLIOStream(wrapped)
        server.wait_for_handshake(log.to("shaken"))
        await until(lambda: len(log) == 2)
        server.write(b"line\n", log.to("written"))
        client.read_until(b"\n", log.to("read"))
        await until(lambda: len(log) == 4)
        client.close()
        server.close()
        listening.close()

    connections: list[socket.socket] = []
    run(main)
    assert sorted(log) == [("connected",), ("read", b"line\n"), ("shaken",), ("written",)]


def accept(listening: socket.socket, connections: list[socket.socket]) -> bool:
    try:
        connections.append(listening.accept()[0])
    except BlockingIOError:
        return False
    connections[-1].setblocking(False)
    return True


def test_pipes(log: Log) -> None:
    async def main() -> None:
        reading, writing = os.pipe()
        here: Any = PipeIOStream(reading)
        there: Any = PipeIOStream(writing)
        here.read_until(b"\n", log.to("read"))
        there.write(b"line\n", log.to("written"))
        await until(lambda: len(log) == 2)
        here.close()
        there.close()

    run(main)
    assert sorted(log) == [("read", b"line\n"), ("written",)]


# The loop


def test_io_loop_of_a_stream() -> None:
    async def main() -> None:
        loop: Any = IOLoop.current()
        make: Any = IOStream
        for arguments, named in (((loop, 1000), {}), ((1000,), {"io_loop": loop})):
            here, there = socket.socketpair()
            with pytest.warns(DeprecationWarning, match="io_loop= of IOStream") as seen:
                stream = make(here, *arguments, **named)
            assert seen[0].filename == __file__
            assert (stream.io_loop, stream.max_buffer_size) == (loop, 1000)
            there.sendall(b"x")
            assert await stream.read_bytes(1) == b"x"
            stream.close()
            there.close()
        with socket.socket() as unused, pytest.raises(TypeError, match="is no IOLoop"):
            make(unused, io_loop="loop")

    run(main)


def test_io_loop_that_is_not_the_current_one() -> None:
    other = IOLoop(make_current=False)
    make: Any = IOStream
    here, there = socket.socketpair()
    stream = make(here, io_loop=other)
    assert stream.io_loop is other
    there.sendall(b"x")

    def read() -> Any:
        return stream.read_bytes(1)

    assert other.run_sync(read, timeout=PATIENCE) == b"x"
    stream.close()
    there.close()
    other.close()


def test_streams_and_callbacks_are_released(log: Log) -> None:
    async def main() -> None:
        here, there = pair()
        reference = weakref.ref(here)
        here.set_close_callback(log.to("closed"))
        here.read_until_close(log.to("all"), streaming_callback=log.to("piece"))
        there.write(b"x")
        there.close()
        await until(lambda: ("closed",) in log)
        del here
        await asyncio.sleep(0)
        gc.collect()
        assert reference() is None

    run(main)
