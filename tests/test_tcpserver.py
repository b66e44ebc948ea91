"""TCP servers: they listen in four ways, hand on streams, and stop."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Generator
from typing import Any

import pytest
from tests.running import run

from tornadic import gen
from tornadic.iostream import IOStream, StreamClosedError
from tornadic.netutil import bind_sockets, bind_unix_socket
from tornadic.tcpserver import TCPServer


class Echo(TCPServer):
    """Sends every line back."""

    async def handle_stream(self, stream: IOStream, address: Any) -> None:
        try:
            while True:
                await stream.write(await stream.read_until(b"\n"))
        except StreamClosedError:
            pass


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
    return port


async def echoes(port: int, text: bytes = b"hello\n") -> None:
    """Assert that somebody at ``port`` echoes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(text)
    assert await reader.readexactly(len(text)) == text
    writer.close()
    await writer.wait_closed()


async def settled() -> None:
    """Let what has begun come to its end."""
    for _ in range(10):
        await asyncio.sleep(0)


class TestWaysToListen:
    def test_listen(self) -> None:
        async def main() -> None:
            server = Echo()
            ports = [free_port(), free_port()]
            server.listen(ports[0], "127.0.0.1")
            server.listen(ports[1], address="127.0.0.1", family=socket.AF_INET, backlog=5, flags=0)
            for port in ports:
                await echoes(port)
            server.stop()

        run(main)

    def test_listen_with_reuse_port(self) -> None:
        async def main() -> None:
            servers = [Echo(), Echo()]
            port = free_port()
            for server in servers:
                server.listen(port, "127.0.0.1", reuse_port=True)
            await echoes(port)
            servers[0].stop()
            await echoes(port)
            servers[1].stop()

        run(main)

    def test_add_sockets(self) -> None:
        async def main() -> None:
            sockets = bind_sockets(0, "127.0.0.1") + bind_sockets(0, "127.0.0.1")
            server = Echo()
            server.add_sockets(sockets)
            for sock in sockets:
                await echoes(sock.getsockname()[1])
            server.stop()
            assert [sock.fileno() for sock in sockets] == [-1, -1]

        run(main)

    def test_add_socket(self) -> None:
        async def main() -> None:
            (sock,) = bind_sockets(0, "127.0.0.1")
            server = Echo()
            server.add_socket(sock)
            await echoes(sock.getsockname()[1])
            server.stop()

        run(main)

    def test_unix_socket(self, tmp_path: Any) -> None:
        async def main() -> None:
            file = str(tmp_path / "s")
            server = Echo()
            server.add_socket(bind_unix_socket(file))
            reader, writer = await asyncio.open_unix_connection(file)
            writer.write(b"x\n")
            assert await reader.readline() == b"x\n"
            writer.close()
            await settled()
            server.stop()

        run(main)

    def test_bind_and_start(self) -> None:
        async def main() -> None:
            server = Echo()
            ports = [free_port(), free_port()]
            for port in ports:
                server.bind(port, "127.0.0.1")
            # The kernel takes the connection already, but nobody serves it yet.
            reader, writer = await asyncio.open_connection("127.0.0.1", ports[0])
            writer.write(b"early\n")
            await settled()
            server.start()
            assert await reader.readline() == b"early\n"
            writer.close()
            await echoes(ports[1])
            server.stop()

        run(main)

    def test_start_with_one_process(self) -> None:
        async def main() -> None:
            server: Any = Echo()
            port = free_port()
            server.bind(port, "127.0.0.1")
            try:
                server.start(1, max_restarts=None)
                await echoes(port)
            finally:
                server.stop()

        run(main)

    def test_bind_after_start(self) -> None:
        async def main() -> None:
            server = Echo()
            server.start()
            port = free_port()
            server.bind(port, "127.0.0.1")
            await echoes(port)
            server.stop()

        run(main)

    def test_start_twice(self) -> None:
        async def main() -> None:
            server = Echo()
            server.start()
            with pytest.raises((RuntimeError, AssertionError)):
                server.start()

        run(main)

    def test_port_in_use(self) -> None:
        async def main() -> None:
            first = Echo()
            port = free_port()
            first.listen(port, "127.0.0.1")
            with pytest.raises(OSError, match="in use"):
                Echo().listen(port, "127.0.0.1")
            first.stop()

        run(main)


class TestStop:
    def test_takes_no_more_connections(self) -> None:
        async def main() -> None:
            server = Echo()
            port = free_port()
            server.listen(port, "127.0.0.1")
            await echoes(port)
            server.stop()
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", port)
            server.stop()

        run(main)

    def test_open_connections_go_on(self) -> None:
        async def main() -> None:
            server = Echo()
            port = free_port()
            server.listen(port, "127.0.0.1")
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"one\n")
            assert await reader.readline() == b"one\n"
            server.stop()
            writer.write(b"two\n")
            assert await reader.readline() == b"two\n"
            writer.close()
            await writer.wait_closed()
            await settled()

        run(main)

    def test_before_start(self) -> None:
        async def main() -> None:
            server = Echo()
            port = free_port()
            server.bind(port, "127.0.0.1")
            server.stop()
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", port)

        run(main)

    def test_in_handle_stream(self) -> None:
        async def main() -> None:
            handled: list[Any] = []

            class Once(TCPServer):
                def handle_stream(self, stream: IOStream, address: Any) -> None:
                    self.stop()
                    handled.append(address)
                    stream.close()

            server = Once()
            (sock,) = bind_sockets(0, "127.0.0.1")
            port = sock.getsockname()[1]
            server.add_socket(sock)
            clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
            while not handled:
                await asyncio.sleep(0)
            await settled()
            assert len(handled) == 1
            for client in clients:
                client.close()

        run(main)


async def handled_by(handle: Callable[..., Any], **options: Any) -> bytes:
    """All that a client gets of a server whose streams go to ``handle``."""

    class Server(TCPServer):
        def handle_stream(self, stream: IOStream, address: Any) -> Any:
            return handle(stream, address)

    server = Server(**options)
    (sock,) = bind_sockets(0, "127.0.0.1")
    server.add_socket(sock)
    reader, writer = await asyncio.open_connection("127.0.0.1", sock.getsockname()[1])
    writer.write(b"question\n")
    data = await reader.read()
    writer.close()
    server.stop()
    await settled()
    return data


class TestHandleStream:
    def test_must_be_defined(self) -> None:
        async def main() -> None:
            with pytest.raises(NotImplementedError):
                stream: Any = None
                TCPServer().handle_stream(stream, ())

        run(main)

    def test_plain(self) -> None:
        async def main() -> None:
            def handle(stream: IOStream, address: Any) -> None:
                assert isinstance(stream, IOStream)
                assert address[0] == "127.0.0.1"
                stream.write(b"plain")
                stream.close()

            assert await handled_by(handle) == b"plain"

        run(main)

    def test_native_coroutine(self) -> None:
        async def main() -> None:
            async def handle(stream: IOStream, address: Any) -> None:
                await stream.write(await stream.read_until(b"\n"))
                stream.close()

            assert await handled_by(handle) == b"question\n"

        run(main)

    def test_gen_coroutine(self) -> None:
        async def main() -> None:
            @gen.coroutine
            def handle(stream: IOStream, address: Any) -> Generator[Any, Any, None]:
                data = yield stream.read_until(b"\n")
                yield stream.write(data)
                stream.close()

            assert await handled_by(handle) == b"question\n"

        run(main)

    def test_coroutines_do_not_hold_each_other_up(self) -> None:
        async def main() -> None:
            arrived: list[int] = []
            everybody = asyncio.Event()

            class Together(TCPServer):
                async def handle_stream(self, stream: IOStream, address: Any) -> None:
                    arrived.append(1)
                    if len(arrived) == 3:
                        everybody.set()
                    await everybody.wait()
                    await stream.write(b"all here")
                    stream.close()

            server = Together()
            (sock,) = bind_sockets(0, "127.0.0.1")
            server.add_socket(sock)
            port = sock.getsockname()[1]
            pairs = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
            for reader, writer in pairs:
                assert await reader.read() == b"all here"
                writer.close()
            server.stop()

        run(main)

    @pytest.mark.parametrize("kind", ["plain", "native", "decorated", "later"])
    def test_an_exception_is_logged_and_the_server_goes_on(
        self, kind: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def native(stream: IOStream, address: Any) -> None:
            if kind == "later":
                await asyncio.sleep(0)
            stream.close()
            raise ZeroDivisionError("in handle_stream")

        @gen.coroutine
        def decorated(stream: IOStream, address: Any) -> None:
            stream.close()
            raise ZeroDivisionError("in handle_stream")

        def plain(stream: IOStream, address: Any) -> None:
            stream.close()
            raise ZeroDivisionError("in handle_stream")

        handle: Any = {"plain": plain, "decorated": decorated}.get(kind, native)

        async def main() -> None:
            class Failing(TCPServer):
                def handle_stream(self, stream: IOStream, address: Any) -> Any:
                    return handle(stream, address)

            server = Failing()
            (sock,) = bind_sockets(0, "127.0.0.1")
            server.add_socket(sock)
            for _ in range(2):
                reader, writer = await asyncio.open_connection("127.0.0.1", sock.getsockname()[1])
                assert await reader.read() == b""
                writer.close()
            await settled()
            server.stop()

        with caplog.at_level(logging.ERROR):
            run(main)
        assert len(caplog.records) == 2
        for record in caplog.records:
            assert record.name == "tornado.application"
            assert record.exc_info is not None and record.exc_info[0] is ZeroDivisionError

    def test_sizes_reach_the_stream(self) -> None:
        async def main() -> None:
            seen: list[tuple[int, int]] = []

            def handle(stream: IOStream, address: Any) -> None:
                seen.append((stream.max_buffer_size, stream.read_chunk_size))
                stream.close()

            await handled_by(handle, max_buffer_size=1000, read_chunk_size=100)
            assert seen == [(1000, 100)]

        run(main)

    def test_an_over_full_buffer_closes_the_stream(self, caplog: pytest.LogCaptureFixture) -> None:
        async def main() -> None:
            errors: list[BaseException | None] = []

            async def handle(stream: IOStream, address: Any) -> None:
                try:
                    await stream.read_until(b"never")
                except StreamClosedError as e:
                    errors.append(e.real_error)

            class Server(TCPServer):
                async def handle_stream(self, stream: IOStream, address: Any) -> None:
                    await handle(stream, address)

            server = Server(max_buffer_size=1000)
            (sock,) = bind_sockets(0, "127.0.0.1")
            server.add_socket(sock)
            reader, writer = await asyncio.open_connection("127.0.0.1", sock.getsockname()[1])
            writer.write(b"x" * 5000)
            try:
                assert await reader.read() == b""
            except ConnectionResetError:
                pass
            writer.close()
            server.stop()
            await settled()
            assert [type(error).__name__ for error in errors] == ["StreamBufferFullError"]

        with caplog.at_level(logging.ERROR):
            run(main)
        assert [record.name for record in caplog.records] == ["tornado.general"]


class TestDrain:
    """`close_all_connections`, which waits for the coroutines of `handle_stream`."""

    @staticmethod
    async def connected(server: TCPServer, text: bytes = b"1\n") -> tuple[Any, Any, int]:
        port = free_port()
        server.listen(port, "127.0.0.1")
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(text)
        assert await reader.readline() == text
        return reader, writer, port

    def test_a_conversation_comes_to_its_end(self) -> None:
        async def main() -> None:
            server = Echo()
            reader, writer, port = await self.connected(server)
            draining = asyncio.ensure_future(server.close_all_connections(timeout=10))
            await asyncio.sleep(0)
            with pytest.raises(ConnectionError):
                await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"2\n")
            assert await reader.readline() == b"2\n"
            assert not draining.done()
            writer.close()
            await draining

        run(main)

    @pytest.mark.parametrize("timeout", [0, 0.05])
    def test_one_that_does_not_end_is_closed(self, timeout: float) -> None:
        async def main() -> None:
            server = Echo()
            reader, writer, _ = await self.connected(server)
            await server.close_all_connections(timeout)
            assert await reader.read() == b""
            writer.close()
            server.stop()

        run(main)

    def test_a_coroutine_that_does_not_notice_is_not_waited_for(self) -> None:
        async def main() -> None:
            release = asyncio.Event()

            class Deaf(TCPServer):
                async def handle_stream(self, stream: IOStream, address: Any) -> None:
                    await stream.write(await stream.read_until(b"\n"))
                    await release.wait()

            server = Deaf()
            reader, writer, _ = await self.connected(server)
            await server.close_all_connections()
            assert await reader.read() == b""
            writer.close()
            release.set()
            await settled()
            server.stop()

        run(main)

    def test_nobody_there(self) -> None:
        async def main() -> None:
            await Echo().close_all_connections()
            await Echo().close_all_connections(timeout=10)

        run(main)
