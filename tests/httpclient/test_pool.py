"""Connections that are kept between requests."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import threading
import time
import warnings
import weakref
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import pytest
from tests.certificates import Certificates
from tests.httpclient.support import (
    OK,
    PATIENCE,
    SHORT,
    Conn,
    client,
    fails,
    raw,
    response,
    run,
    serving,
    sockets,
    turns,
    until,
)
from tests.server.logs import Log

from tornadic.httpclient import AsyncHTTPClient, HTTPClient
from tornadic.ioloop import IOLoop
from tornadic.simple_httpclient import HTTPStreamClosedError, SimpleAsyncHTTPClient


class TestReuse:
    @pytest.mark.parametrize(
        "answer",
        [
            OK,
            raw("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", body=b"2\r\nok\r\n0\r\n\r\n"),
            raw("HTTP/1.0 200 OK", "Connection: keep-alive", "Content-Length: 2", body=b"ok"),
            response(body=b"ok", status="404 Not Found"),
        ],
    )
    def test_one_connection_for_many(self, answer: bytes) -> None:
        async def main() -> None:
            async with serving(answer) as server, client() as http:
                for _ in range(5):
                    found = await http.fetch(server.url(), raise_error=False)
                    assert found.body == b"ok"
                    assert len(http._pool) == 1
                assert server.connections == 1
                assert all(one.header("connection") is None for one in server.requests)

        run(main)

    @pytest.mark.parametrize(
        "answer",
        [
            response("Connection: close", body=b"ok"),
            raw("HTTP/1.0 200 OK", "Content-Length: 2", body=b"ok"),
            raw("HTTP/1.1 200 OK", "Connection: CLOSE, x", "Content-Length: 2", body=b"ok"),
        ],
    )
    def test_not_if_the_server_says_so(self, answer: bytes) -> None:
        async def main() -> None:
            async with serving(answer) as server, client() as http:
                for number in (1, 2):
                    assert (await http.fetch(server.url())).body == b"ok"
                    assert server.connections == number and not len(http._pool)

        run(main)

    def test_not_if_the_caller_says_so(self) -> None:
        async def main() -> None:
            async with serving(OK) as server, client() as http:
                await http.fetch(server.url(), headers={"Connection": "close"})
                assert not len(http._pool)
                assert server.requests[0].header("connection") == "close"

        run(main)

    def test_not_if_switched_off(self) -> None:
        async def main() -> None:
            async with serving(OK) as server, client(keep_alive=False) as http:
                for number in (1, 2, 3):
                    await http.fetch(server.url())
                    assert server.connections == number and not len(http._pool)
                assert all(one.header("connection") == "close" for one in server.requests)

        run(main)

    def test_the_last_used_first(self) -> None:
        async def main() -> None:
            async with serving(OK) as server, client() as http:
                await asyncio.gather(*[http.fetch(server.url()) for _ in range(3)])
                assert server.connections == 3 == len(http._pool)
                oldest = next(iter(http._pool))
                for _ in range(4):
                    await http.fetch(server.url())
                assert next(iter(http._pool)) is oldest
                assert server.connections == 3

        run(main)

    def test_after_a_redirect(self) -> None:
        async def main() -> None:
            found = response("Location: /there", status="302 Found", body=b"elsewhere")
            async with serving([found, OK]) as server, client() as http:
                assert (await http.fetch(server.url())).body == b"ok"
                assert server.connections == 1
                assert [one.target for one in server.requests] == ["/", "/there"]

        run(main)

    def test_after_a_body_that_nobody_took_is_read(self) -> None:
        async def main() -> None:
            async with serving([response(body=bytes(300_000)), OK]) as server, client() as http:
                pieces: list[bytes] = []
                await http.fetch(server.url(), streaming_callback=pieces.append)
                assert b"".join(pieces) == bytes(300_000)
                assert (await http.fetch(server.url())).body == b"ok"
                assert server.connections == 1

        run(main)


class TestKeys:
    """What makes a connection another one."""

    def test_ways_to_the_same_server(self) -> None:
        async def main() -> None:
            async with (
                serving(OK) as server,
                client(hostname_mapping={"a.test": "127.0.0.1", "b.test": "127.0.0.1"}) as http,
            ):
                ways: list[dict[str, Any]] = [
                    {"host": "127.0.0.1"},
                    {"host": "a.test"},
                    {"host": "b.test"},
                    {"allow_ipv6": False},
                    {"network_interface": "127.0.0.1"},
                    {"network_interface": "127.0.0.2"},
                    {"validate_cert": False},
                    {"ssl_options": ssl.create_default_context()},
                    {"ssl_options": ssl.create_default_context()},
                    {"ssl_options": {"ca_certs": "/x"}},
                    {"ssl_options": {"ca_certs": "/y"}},
                    {"ca_certs": "/x"},
                    {"client_cert": "/x"},
                    {"client_cert": "/x", "client_key": "/y"},
                ]
                for again in (False, True):
                    for number, way in enumerate(ways, 1):
                        url = server.url(host=str(way.get("host", "127.0.0.1")))
                        more = {name: value for name, value in way.items() if name != "host"}
                        await http.fetch(url, **more)
                        assert server.connections == (len(ways) if again else number)

        run(main)

    def test_the_source_is_another(self) -> None:
        async def main() -> None:
            sources: list[str] = []

            async def handle(conn: Conn) -> None:
                sources.append(conn.writer.get_extra_info("peername")[0])
                while True:
                    await conn.request()
                    conn.send(OK)

            async with serving(handle) as server, client() as http:
                for source in ("127.0.0.1", "127.0.0.5"):
                    await http.fetch(server.url(), network_interface=source)
                assert sources == ["127.0.0.1", "127.0.0.5"]

        run(main)

    def test_names_differ_by_case_only(self) -> None:
        async def main() -> None:
            mapping = {"a.test": "127.0.0.1"}
            async with serving(OK) as server, client(hostname_mapping=mapping) as http:
                for host in ("a.test", "A.Test"):
                    await http.fetch(server.url(host=host))
                assert server.connections == 1

        run(main)

    def test_a_checked_connection_is_not_for_those_who_do_not_check(
        self, log: Log, certificates: Certificates
    ) -> None:
        async def main() -> None:
            async with serving(OK, certificates.server_context()) as server, client() as http:
                url = server.url(host="localhost")
                await http.fetch(url, validate_cert=False)
                assert isinstance(await fails(http.fetch(url)), ssl.SSLError)
                await http.fetch(url, ca_certs=str(certificates.server))
                await http.fetch(url, ca_certs=str(certificates.server))
                assert len(http._pool) == 2

        run(main)
        log.one("certificate verify failed")


class TestDeath:
    def test_closed_while_it_is_kept(self) -> None:
        async def main() -> None:
            async def handle(conn: Conn) -> None:
                await conn.request()
                conn.send(OK)

            async with serving(handle) as server, client() as http:
                for number in (1, 2):
                    assert (await http.fetch(server.url())).body == b"ok"
                    await until(lambda: not len(http._pool))
                    assert server.connections == number

        run(main)

    @pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
    def test_found_dead_is_tried_again(self, method: str) -> None:
        async def main() -> None:
            async def handle(conn: Conn) -> None:
                while True:
                    request = await conn.request()
                    if request.target == "/die" and not conn.server.closed:
                        return
                    conn.send(OK if request.method != "HEAD" else raw("HTTP/1.1 204 Empty"))

            async with serving(handle) as server, client() as http:
                await http.fetch(server.url())
                body = b"xyz" if method == "PUT" else None
                found = await http.fetch(server.url("/die"), method=method, body=body)
                assert found.code in (200, 204)
                assert server.connections == 2
                assert [one.target for one in server.requests] == ["/", "/die", "/die"]
                assert server.requests[1].body == server.requests[2].body == (body or b"")

        run(main)

    def test_not_a_request_that_may_have_had_an_effect(self) -> None:
        async def main() -> None:
            async def handle(conn: Conn) -> None:
                while (await conn.request()).target != "/die":
                    conn.send(OK)

            async def produce(write) -> None:  # type: ignore[no-untyped-def]
                await write(b"abc")

            async with serving(handle) as server, client() as http:
                for arguments in ({"method": "POST", "body": b""},
                                  {"method": "PUT", "body_producer": produce}):  # fmt: skip
                    await http.fetch(server.url())
                    error = await fails(http.fetch(server.url("/die"), **arguments))
                    assert isinstance(error, (HTTPStreamClosedError, ConnectionError))
                assert [one.target for one in server.requests] == ["/", "/die"] * 2

        run(main)

    def test_an_end_that_the_loop_has_not_seen(self) -> None:
        # The server is another thread, so that the end is there before the loop turns.
        listener = socket.create_server(("127.0.0.1", 0))
        ended = threading.Event()

        def serve() -> None:
            for _ in range(2):
                conn, _ = listener.accept()
                with conn:
                    data = b""
                    while not data.endswith(b"\r\n\r\n"):
                        data += conn.recv(65536)
                    conn.sendall(OK)
                    ended.wait(PATIENCE)
                ended.set()

        thread = threading.Thread(target=serve)
        thread.start()

        async def main() -> None:
            async with client() as http:
                url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
                await http.fetch(url)
                [kept] = http._pool
                assert not kept.is_readable()
                ended.set()
                while not kept.is_readable():
                    time.sleep(0.001)
                assert (await http.fetch(url, method="POST", body=b"")).body == b"ok"

        try:
            run(main)
        finally:
            thread.join(PATIENCE)
            listener.close()

    @pytest.mark.parametrize("part", [b"H", b"HTTP/1.1 100 Continue\r\n\r\n"])
    def test_not_when_an_answer_has_begun(self, part: bytes) -> None:
        async def main() -> None:
            async def handle(conn: Conn) -> None:
                await conn.request()
                conn.send(OK)
                await conn.request()
                conn.send(part)

            async with serving(handle) as server, client() as http:
                await http.fetch(server.url())
                error = await fails(http.fetch(server.url()))
                assert isinstance(error, HTTPStreamClosedError)
                assert server.connections == 1

        run(main)

    def test_not_more_than_once(self) -> None:
        async def main() -> None:
            async def handle(conn: Conn) -> None:
                while (await conn.request()).target != "/die":
                    conn.send(OK)

            async with serving(handle) as server, client() as http:
                await http.fetch(server.url())
                assert isinstance(
                    await fails(http.fetch(server.url("/die"))), HTTPStreamClosedError
                )
                assert server.connections == 2

        run(main)

    def test_a_new_connection_that_dies_is_not_tried_again(self) -> None:
        async def main() -> None:
            async def handle(conn: Conn) -> None:
                await conn.request()

            async with serving(handle) as server, client() as http:
                assert isinstance(await fails(http.fetch(server.url())), HTTPStreamClosedError)
                assert server.connections == 1

        run(main)


class TestBounds:
    @pytest.mark.parametrize("most", [0, 2, 3])
    def test_of_one_host(self, most: int) -> None:
        async def main() -> None:
            async with serving(OK) as server, client(max_idle_per_host=most) as http:
                await asyncio.gather(*[http.fetch(server.url()) for _ in range(3)])
                assert len(http._pool) == min(most, 3)
                await until(lambda: server.closed == 3 - most)

        run(main)

    @pytest.mark.parametrize("most", [0, 2, 3])
    def test_in_all(self, most: int) -> None:
        async def main() -> None:
            names = {f"{letter}.test": "127.0.0.1" for letter in "abc"}
            async with serving(OK) as server, client(max_idle=most, hostname_mapping=names) as http:
                for name in names:
                    await http.fetch(server.url(host=name))
                assert len(http._pool) == most
                await until(lambda: server.closed == 3 - most)
                # The oldest has gone.
                await http.fetch(server.url(host="c.test"))
                assert server.connections == (4 if most == 0 else 3)

        run(main)

    def test_of_time(self) -> None:
        async def main() -> None:
            async with serving(OK) as server, client(idle_timeout=SHORT) as http:
                await asyncio.gather(*[http.fetch(server.url()) for _ in range(3)])
                assert len(http._pool) == 3
                await until(lambda: server.closed == 3)
                assert not len(http._pool)
                await http.fetch(server.url())
                await until(lambda: server.closed == 4)

        run(main)

    @pytest.mark.parametrize("hint", ["timeout=1", "max=5, Timeout=1", "timeout=0"])
    def test_of_time_as_the_server_says(self, hint: str) -> None:
        async def main() -> None:
            answer = response(f"Keep-Alive: {hint}", body=b"ok")
            async with serving(answer) as server, client() as http:
                await http.fetch(server.url())
                await until(lambda: server.closed == 1)

        run(main)

    @pytest.mark.parametrize("hint", ["timeout=", "timeout=x", "timeout", "", "timeout=100", ",,"])
    def test_a_hint_that_is_none(self, hint: str) -> None:
        async def main() -> None:
            answer = response(f"Keep-Alive: {hint}", body=b"ok")
            async with serving(answer) as server, client() as http:
                await http.fetch(server.url())
                await turns()
                assert len(http._pool) == 1 and not server.closed

        run(main)

    def test_no_timer_for_each(self) -> None:
        async def main() -> None:
            async with serving(OK) as server, client(max_clients=20) as http:
                await asyncio.gather(*[http.fetch(server.url()) for _ in range(20)])
                loop = asyncio.get_running_loop()
                timers = [one for one in loop._scheduled if not one.cancelled()]  # type: ignore[attr-defined]
                # The one of the test's patience, and the client's.
                assert len(http._pool) == 20 and len(timers) <= 2

        run(main)


class TestEnds:
    """Nothing stays open when client or loop end."""

    def test_close(self) -> None:
        async def main() -> None:
            async with serving(OK) as server, client() as http:
                await http.fetch(server.url())
                http.close()
                await until(lambda: server.closed == 1)

        run(main)

    def test_close_while_fetching(self) -> None:
        async def main() -> None:
            async with serving(OK) as server, client() as http:
                fetch = http.fetch(server.url())
                http.close()
                assert (await fetch).body == b"ok"
                await until(lambda: server.closed == 1)

        run(main)

    @pytest.mark.parametrize("path", ["", "silent"])
    def test_end_of_the_loop(self, other_loop: int, path: str) -> None:
        async def main() -> None:
            for http in (AsyncHTTPClient(), SimpleAsyncHTTPClient(force_instance=True)):
                fetch = http.fetch(f"http://127.0.0.1:{other_loop}/{path}")
                if path:
                    # Nobody waits for it; it is on its way when the loop ends.
                    assert isinstance(http, SimpleAsyncHTTPClient)
                    [active] = http.active
                    await until(lambda active=active: active._is_sent)  # type: ignore[misc]
                else:
                    await fetch

        before = len(sockets())
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            asyncio.run(main())
            io_loop = IOLoop(make_current=False)
            io_loop.run_sync(main)
            io_loop.close()
            gc.collect()
        # The server, in another thread, needs a moment to see it.
        patience = time.monotonic() + PATIENCE
        while len(sockets()) > before:
            assert time.monotonic() < patience
            time.sleep(0.001)

    def test_blocking_client(self, other_loop: int) -> None:
        http = HTTPClient()
        for _ in range(2):
            assert http.fetch(f"http://127.0.0.1:{other_loop}/").body == b"ok"
        http.close()
        with pytest.raises(RuntimeError):
            http.fetch(f"http://127.0.0.1:{other_loop}/")

    def test_a_client_that_is_dropped(self) -> None:
        async def main() -> None:
            async with serving(OK) as server:
                http = SimpleAsyncHTTPClient(force_instance=True)
                await http.fetch(server.url())
                del http
                gc.collect()

        run(main)


class TestContext:
    def test_nothing_is_held_on_to(self) -> None:
        # A kept connection does not keep alive what the first to use it had in its context.
        class Thing:
            pass

        variable: ContextVar[Thing] = ContextVar("variable")

        async def main() -> None:
            async with serving(OK) as server, client() as http:

                async def fetch() -> weakref.ref[Thing]:
                    thing = Thing()
                    variable.set(thing)
                    await http.fetch(server.url())
                    return weakref.ref(thing)

                reference = await asyncio.create_task(fetch())
                await turns()
                gc.collect()
                assert len(http._pool) == 1
                assert reference() is None

        run(main)


@pytest.fixture
def other_loop() -> Iterator[int]:
    """The port of a server in a thread of its own."""
    ports: list[int] = []
    started = threading.Event()
    stop: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def serve() -> None:
        stopped = asyncio.Event()

        async def handle(conn: Conn) -> None:
            while (await conn.request()).target != "/silent":
                conn.send(OK)
            await conn.ended()

        async with serving(handle) as server:
            ports.append(server.port)
            stop.append((asyncio.get_running_loop(), stopped))
            started.set()
            await stopped.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert started.wait(10)
    yield ports[0]
    loop, stopped = stop[0]
    loop.call_soon_threadsafe(stopped.set)
    thread.join(10)
    assert not thread.is_alive()
