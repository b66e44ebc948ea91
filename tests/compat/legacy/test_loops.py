"""``io_loop=`` wherever Tornado 4 took one, and the old methods of the loop."""

from __future__ import annotations

import asyncio
import datetime
import logging
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from tests import running

from tornadic import autoreload, gen
from tornadic.compat.legacy.loops import as_current
from tornadic.httpclient import AsyncHTTPClient
from tornadic.httpserver import HTTPServer
from tornadic.ioloop import IOLoop, PeriodicCallback
from tornadic.iostream import IOStream
from tornadic.netutil import (
    BlockingResolver,
    ExecutorResolver,
    Resolver,
    add_accept_handler,
    bind_sockets,
)
from tornadic.process import Subprocess
from tornadic.tcpclient import TCPClient
from tornadic.tcpserver import TCPServer
from tornadic.web import Application, RequestHandler
from tornadic.websocket import WebSocketHandler, websocket_connect

PATIENCE = 30.0


def run(main: Callable[[Any], Any]) -> Any:
    """Run ``main(loop)``, untyped for old arguments."""

    async def with_loop() -> Any:
        return await main(IOLoop.current())

    return running.run(with_loop)


def warns(owner: str) -> Any:
    return pytest.warns(DeprecationWarning, match=rf"^io_loop= of {owner} was removed")


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


class Greeter(TCPServer):
    def handle_stream(self, stream: IOStream, address: Any) -> None:
        stream.write(b"hello")
        stream.close_when_written()


class Hello(RequestHandler):
    def get(self) -> None:
        self.write("hello")


class Echo(WebSocketHandler):
    def on_message(self, message: Any) -> None:
        self.write_message(message)


@pytest.mark.parametrize(
    "make",
    [lambda loop: Greeter(io_loop=loop), lambda loop: Greeter(loop)],
    ids=["by name", "first"],
)
def test_tcp_server(make: Callable[[Any], TCPServer]) -> None:
    async def main(loop: Any) -> None:
        with warns("TCPServer") as seen:
            server = make(loop)
        assert seen[0].filename == __file__
        assert server.io_loop is loop
        [sock] = bind_sockets(0, "127.0.0.1")
        server.add_sockets([sock])
        stream = await TCPClient().connect(*sock.getsockname())
        assert await stream.read_until_close() == b"hello"
        stream.close()
        server.stop()

    run(main)


def test_tcp_server_of_a_loop_that_does_not_run_yet() -> None:
    other: Any = IOLoop(make_current=False)
    [sock] = bind_sockets(0, "127.0.0.1")
    with warns("TCPServer"):
        server = Greeter(io_loop=other)
    server.add_sockets([sock])

    async def talk() -> bytes:
        stream = await TCPClient().connect(*sock.getsockname())
        try:
            return await stream.read_until_close()
        finally:
            stream.close()

    assert other.run_sync(talk, timeout=PATIENCE) == b"hello"
    server.stop()
    other.close()


@pytest.mark.parametrize(
    "make",
    [
        lambda app, loop: HTTPServer(app, io_loop=loop),
        lambda app, loop: HTTPServer(app, False, loop),
    ],
    ids=["by name", "third"],
)
def test_http_server(make: Callable[[Any, Any], HTTPServer]) -> None:
    async def main(loop: Any) -> None:
        with warns("TCPServer"):
            server = make(Application([("/", Hello)]), loop)
        [sock] = bind_sockets(0, "127.0.0.1")
        server.add_sockets([sock])
        response = await AsyncHTTPClient().fetch(f"http://127.0.0.1:{sock.getsockname()[1]}/")
        assert response.body == b"hello"
        server.stop()
        await server.close_all_connections()

    run(main)


@pytest.mark.parametrize(
    "make",
    [
        lambda callback, loop: PeriodicCallback(callback, 1, io_loop=loop),
        lambda callback, loop: PeriodicCallback(callback, 1, loop),
    ],
    ids=["by name", "third"],
)
def test_periodic_callback(make: Callable[[Any, Any], PeriodicCallback]) -> None:
    calls: list[int] = []

    async def main(loop: Any) -> None:
        with warns("PeriodicCallback"):
            periodic = make(lambda: calls.append(1), loop)
        periodic.start()
        await until(lambda: len(calls) >= 2)
        periodic.stop()
        assert periodic.io_loop is loop

    run(main)


def test_periodic_callback_of_another_loop() -> None:
    other: Any = IOLoop(make_current=False)
    with warns("PeriodicCallback"):
        periodic = PeriodicCallback(other.stop, 1, io_loop=other)
    periodic.start()
    other.start()
    periodic.stop()
    other.close()


@pytest.mark.parametrize("kind", [Resolver, BlockingResolver, ExecutorResolver])
def test_resolvers(kind: Any) -> None:
    async def main(loop: Any) -> None:
        with warns(kind.__name__):
            resolver = kind(io_loop=loop)
        assert await resolver.resolve("127.0.0.1", 80) == [(socket.AF_INET, ("127.0.0.1", 80))]
        resolver.close()

    run(main)


def test_tcp_client() -> None:
    async def main(loop: Any) -> None:
        with warns("TCPClient"):
            TCPClient(io_loop=loop).close()

    run(main)


@pytest.mark.parametrize("kind", [Resolver, BlockingResolver, ExecutorResolver])
def test_resolving_with_a_callback(kind: Any) -> None:
    async def main(loop: Any) -> None:
        got: list[Any] = []
        resolver = kind()
        with pytest.warns(DeprecationWarning, match="callback of resolve was removed") as seen:
            resolver.resolve("127.0.0.1", 80, callback=got.append)
        assert seen[0].filename == __file__
        with pytest.warns(DeprecationWarning, match="callback of resolve was removed"):
            resolver.resolve("127.0.0.1", 80, socket.AF_INET, got.append)
        await until(lambda: len(got) == 2)
        assert got == [[(socket.AF_INET, ("127.0.0.1", 80))]] * 2
        with pytest.raises(TypeError, match="cannot call 5"):
            resolver.resolve("127.0.0.1", 80, callback=5)
        resolver.close()

    run(main)


def test_connecting_with_a_callback() -> None:
    async def main(loop: Any) -> None:
        server = Greeter()
        [sock] = bind_sockets(0, "127.0.0.1")
        server.add_sockets([sock])
        got: list[Any] = []
        client: Any = TCPClient()
        with pytest.warns(DeprecationWarning, match="callback of connect was removed"):
            client.connect(*sock.getsockname(), callback=got.append)
        await until(lambda: got)
        assert await got[0].read_until_close() == b"hello"
        got[0].close()
        server.stop()

    run(main)


def test_subprocess() -> None:
    async def main(loop: Any) -> None:
        with warns("Subprocess.initialize"):
            Subprocess.initialize(io_loop=loop)
        with warns("Subprocess"):
            process = Subprocess([sys.executable, "-c", ""], io_loop=loop)
        assert await process.wait_for_exit() == 0
        assert process.io_loop is loop
        Subprocess.uninitialize()

    run(main)


def test_accept_handler() -> None:
    async def main(loop: Any) -> None:
        accepted: list[socket.socket] = []
        [sock] = bind_sockets(0, "127.0.0.1")
        with warns("add_accept_handler"):
            remove = add_accept_handler(sock, lambda s, _: accepted.append(s), loop)
        with socket.create_connection(sock.getsockname()):
            await until(lambda: accepted)
        remove()
        sock.close()
        accepted[0].close()

    run(main)


def test_with_timeout() -> None:
    async def main(loop: Any) -> None:
        for arguments, named in (((loop,), {}), ((), {"io_loop": loop})):
            deadline = datetime.timedelta(milliseconds=1)
            with warns("with_timeout"):
                future = gen.with_timeout(deadline, gen.sleep(PATIENCE), *arguments, **named)
            with pytest.raises(gen.TimeoutError):
                await future

    run(main)


def test_autoreload() -> None:
    async def main(loop: Any) -> None:
        with warns("autoreload.start"):
            autoreload.start(loop)
        with warns("autoreload.start"):
            autoreload.start(io_loop=loop, check_time=500)

    run(main)


def test_websocket_connect() -> None:
    async def main(loop: Any) -> None:
        server = HTTPServer(Application([("/", Echo)]))
        [sock] = bind_sockets(0, "127.0.0.1")
        server.add_sockets([sock])
        url = f"ws://127.0.0.1:{sock.getsockname()[1]}/"
        with warns("websocket_connect"):
            connection = await websocket_connect(url, loop)
        await connection.write_message("text")
        assert await connection.read_message() == "text"
        connection.close()
        connected: list[Any] = []
        with pytest.warns(DeprecationWarning):
            websocket_connect(url, loop, connected.append, 20)
        with pytest.warns(DeprecationWarning):
            websocket_connect(url, io_loop=loop, callback=connected.append)
        await until(lambda: len(connected) == 2)
        for future in connected:
            future.result().close()
        server.stop()
        await server.close_all_connections()

    run(main)


def test_as_current() -> None:
    other: Any = IOLoop(make_current=False)
    with as_current(other):
        assert IOLoop.current() is other

    async def main(loop: Any) -> None:
        with as_current(other):
            assert IOLoop.current() is other
        assert IOLoop.current() is loop
        with as_current(loop):
            assert IOLoop.current() is loop

    run(main)
    other.close()


# The loop itself


def test_instance() -> None:
    async def main(loop: Any) -> None:
        assert IOLoop.instance() is loop

    run(main)


def test_instance_in_a_thread_without_a_loop() -> None:
    called: list[str] = []

    async def main(loop: Any) -> None:
        assert IOLoop.instance() is loop

        def work() -> None:
            IOLoop.instance().add_callback(called.append, "from a thread")

        thread = threading.Thread(target=work)
        thread.start()
        await until(lambda: called)
        thread.join()

    run(main)
    assert called == ["from a thread"]


def test_instance_in_a_thread_with_a_loop() -> None:
    found: list[bool] = []

    async def main(loop: Any) -> None:
        IOLoop.instance()

        async def in_thread() -> None:
            found.append(IOLoop.instance() is IOLoop.current() is not loop)

        thread = threading.Thread(target=asyncio.run, args=(in_thread(),))
        thread.start()
        await until(lambda: found)
        thread.join()

    run(main)
    assert found == [True]


def test_initialized() -> None:
    async def main(loop: Any) -> None:
        with pytest.warns(DeprecationWarning, match=r"IOLoop\.initialized was removed"):
            assert IOLoop.initialized()

    run(main)


def test_initialized_without_a_loop() -> None:
    found: list[bool] = []

    def work() -> None:
        with pytest.warns(DeprecationWarning, match=r"IOLoop\.initialized was removed"):
            found.append(IOLoop.initialized())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [False]


def test_thresholds() -> None:
    async def main(loop: Any) -> None:
        with pytest.warns(DeprecationWarning, match="set_blocking_log_threshold was removed"):
            loop.set_blocking_log_threshold(0.5)
        with pytest.warns(DeprecationWarning, match="set_blocking_signal_threshold was removed"):
            loop.set_blocking_signal_threshold(0.5, None)

    run(main)


def test_timeouts_of_every_kind() -> None:
    called: list[Any] = []

    async def main(loop: Any) -> None:
        loop.add_timeout(loop.time(), called.append, "number")
        loop.add_timeout(datetime.timedelta(milliseconds=1), called.append, "timedelta")
        loop.add_timeout(loop.time(), lambda *args, **named: called.append((args, named)), 1, a=2)
        kept = loop.add_timeout(loop.time() + PATIENCE, called.append, "never")
        loop.remove_timeout(kept)
        await until(lambda: len(called) == 3)

    run(main)
    assert sorted(map(str, called)) == ["((1,), {'a': 2})", "number", "timedelta"]


def test_handle_callback_exception(caplog: pytest.LogCaptureFixture) -> None:
    failures: list[Any] = []

    async def main(loop: Any) -> None:
        def handle(callback: Any) -> None:
            failures.append((sys.exc_info()[0], callback))

        def fails() -> None:
            raise KeyError("one")

        async def fails_later() -> None:
            raise ValueError("two")

        loop.handle_callback_exception = handle
        loop.add_callback(fails)
        loop.add_callback(fails_later)
        await until(lambda: len(failures) == 2)
        assert failures == [(KeyError, fails), (ValueError, fails_later)]

    with caplog.at_level(logging.ERROR):
        run(main)
    assert caplog.records == []
