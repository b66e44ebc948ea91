"""How long a fetch may take, in the queue, for the connection, and in all; and giving it up."""

from __future__ import annotations

import asyncio
import socket
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
    run,
    serving,
    turns,
    until,
)
from tests.server.logs import Log

from tornadic.httpclient import HTTPResponse
from tornadic.simple_httpclient import HTTPTimeoutError

LONG = PATIENCE


async def silent(conn: Conn) -> None:
    """Read the request and say nothing."""
    await conn.request()
    await conn.ended()


class TestRequest:
    @pytest.mark.parametrize(
        "part",
        [
            b"",
            b"HTTP/1.1 200 OK\r\nX",
            raw("HTTP/1.1 200 OK", "Content-Length: 3", body=b"ab"),
            b"HTTP/1.1 102 Processing\r\n\r\n",
        ],
    )
    def test_in_all(self, part: bytes) -> None:
        async def main() -> None:
            async def handle(conn: Conn) -> None:
                await conn.request()
                conn.send(part)
                await conn.ended()

            async with serving(handle) as server, client() as http:
                error = await fails(http.fetch(server.url(), request_timeout=SHORT))
                assert isinstance(error, HTTPTimeoutError)
                assert (str(error), error.code) == ("Timeout during request", 599)
                await until(lambda: server.closed == 1)

        run(main)

    def test_of_many_at_once(self) -> None:
        async def main() -> None:
            async with serving(silent) as server, client(max_clients=20) as http:
                times = [SHORT * (1 + number / 20) for number in range(20)]
                errors = await asyncio.gather(
                    *[fails(http.fetch(server.url(), request_timeout=one)) for one in times]
                )
                assert all(isinstance(error, HTTPTimeoutError) for error in errors)
                await until(lambda: server.closed == 20)

        run(main)

    def test_redirects_included(self) -> None:
        async def main() -> None:
            async def handle(conn: Conn) -> None:
                while True:
                    await conn.request()
                    await asyncio.sleep(SHORT / 3)
                    conn.send(raw("HTTP/1.1 302 X", "Location: /", "Content-Length: 0"))

            async with serving(handle) as server, client() as http:
                fetch = http.fetch(server.url(), request_timeout=SHORT, max_redirects=10000)
                assert isinstance(await fails(fetch), HTTPTimeoutError)

        run(main)

    def test_none(self) -> None:
        async def main() -> None:
            async with serving(OK) as server, client() as http:
                fetch = http.fetch(server.url(), request_timeout=0, connect_timeout=0)
                await turns(3)
                assert not http._deadlines._timed
                assert (await fetch).body == b"ok"

        run(main)

    def test_of_the_defaults(self) -> None:
        async def main() -> None:
            defaults = {"request_timeout": SHORT}
            async with serving(silent) as server, client(defaults=defaults) as http:
                assert isinstance(await fails(http.fetch(server.url())), HTTPTimeoutError)

        run(main)


class TestQueue:
    @pytest.mark.parametrize("name", ["request_timeout", "connect_timeout"])
    def test_waiting_is_part_of_it(self, name: str) -> None:
        async def main() -> None:
            arguments: dict[str, Any] = {name: SHORT}
            async with serving(silent) as server, client(max_clients=1) as http:
                first = http.fetch(server.url())
                second = http.fetch(server.url(), **arguments)
                assert len(http.active) == 1 and len(http.queue) == 1
                error = await fails(second)
                assert isinstance(error, HTTPTimeoutError)
                assert str(error) == "Timeout in request queue"
                assert not http.queue
                first.cancel()
                await turns()

        run_with_notes(main)

    def test_in_order(self) -> None:
        async def main() -> None:
            async with serving(OK) as server, client(max_clients=2) as http:
                targets = [f"/{number}" for number in range(10)]
                await asyncio.gather(*[http.fetch(server.url(target)) for target in targets])
                assert sorted(one.target for one in server.requests) == targets
                assert server.connections == 2

        run_with_notes(main)

    def test_time_info(self) -> None:
        async def main() -> None:
            async with serving(OK) as server, client(max_clients=1) as http:
                first, second = await asyncio.gather(*[http.fetch(server.url()) for _ in range(2)])
                assert 0 <= first.time_info["queue"] < second.time_info["queue"]
                for found in (first, second):
                    assert found.request_time is not None and found.request_time >= 0
                    assert found.start_time is not None
                    assert found.start_time >= found.request.start_time

        run_with_notes(main)

    def test_many_that_are_given_up(self) -> None:
        # Work that grew with the square of the queue would not be done in time.
        async def main() -> None:
            async with serving(silent) as server, client(max_clients=1) as http:
                fetches = [http.fetch(server.url(), request_timeout=LONG) for _ in range(20_000)]
                assert len(http.queue) == 19_999
                for fetch in reversed(fetches):
                    fetch.cancel()
                await turns()

        run_with_notes(main)

    def test_many_that_fail_at_once(self) -> None:
        # One after the other, and not one within the other.
        async def main() -> None:
            async with serving(silent) as server, client(max_clients=1) as http:
                first = http.fetch(server.url())
                fetches = [http.fetch("ftp://nowhere/") for _ in range(5_000)]
                last = http.fetch(server.url())
                first.cancel()
                errors = await asyncio.gather(*fetches, return_exceptions=True)
                assert all(isinstance(error, ValueError) for error in errors)
                assert len(http.active) == 1
                last.cancel()

        run_with_notes(main)

    def test_many_that_expire(self) -> None:
        async def main() -> None:
            async with serving(silent) as server, client(max_clients=1) as http:
                fetches = [
                    http.fetch(server.url(), request_timeout=SHORT + number / 100_000)
                    for number in range(5_000)
                ]
                errors = await asyncio.gather(*fetches, return_exceptions=True)
                assert all(isinstance(error, HTTPTimeoutError) for error in errors)

        run_with_notes(main)


class TestConnect:
    def test_a_server_that_does_not_accept(self) -> None:
        with full_backlog() as port:

            async def main() -> None:
                async with client() as http:
                    for arguments in ({"connect_timeout": SHORT}, {"request_timeout": SHORT}):
                        url = f"http://127.0.0.1:{port}/"
                        error = await fails(http.fetch(url, **arguments))  # type: ignore[arg-type]
                        assert isinstance(error, HTTPTimeoutError)
                        assert str(error) == f"Timeout while connecting to 127.0.0.1:{port}"

            run(main)

    def test_a_handshake_that_never_comes(self, log: Log) -> None:
        async def main() -> None:
            async def handle(conn: Conn) -> None:
                await conn.ended()

            async with serving(handle) as server, client() as http:
                url = server.url().replace("http:", "https:")
                error = await fails(http.fetch(url, connect_timeout=SHORT))
                assert isinstance(error, HTTPTimeoutError)
                assert "TLS handshake" in str(error)

        run(main)

    @pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "https://127.0.0.1:1/"])
    def test_refused(self, url: str) -> None:
        async def main() -> None:
            async with client() as http:
                assert isinstance(await fails(http.fetch(url)), ConnectionRefusedError)

        run(main)

    def test_no_such_name(self) -> None:
        async def main() -> None:
            async with client() as http:
                error = await fails(http.fetch("http://nowhere.invalid/"))
                assert isinstance(error, socket.gaierror)

        run(main)

    def test_a_source_that_is_not_ours(self) -> None:
        async def main() -> None:
            async with serving(OK) as server, client() as http:
                error = await fails(http.fetch(server.url(), network_interface="192.0.2.1"))
                assert isinstance(error, OSError)
                error = await fails(http.fetch(server.url(), network_interface="lo"))
                assert isinstance(error, ValueError)

        run(main)


class TestCancel:
    @pytest.mark.parametrize("stage", ["head", "body", "sending"])
    def test_at_once(self, stage: str) -> None:
        async def main() -> None:
            begun = asyncio.Event()

            async def handle(conn: Conn) -> None:
                await conn.head()
                if stage == "body":
                    conn.send(raw("HTTP/1.1 200 OK", "Content-Length: 3", body=b"a"))
                begun.set()
                await conn.ended()

            async with serving(handle) as server, client(max_clients=1) as http:
                pieces: list[bytes] = []
                arguments: dict[str, Any] = {"streaming_callback": pieces.append}
                if stage == "sending":
                    arguments |= {"method": "POST", "body": bytes(10_000_000)}
                fetch = http.fetch(server.url(), **arguments)
                await begun.wait()
                if stage == "body":
                    await until(lambda: pieces)
                assert fetch.cancel()
                assert not http.active and not len(http._pool)
                await until(lambda: server.closed == 1)
                assert fetch.cancelled()

        run(main)

    def test_of_the_task_that_waits(self) -> None:
        async def main() -> None:
            async with serving(silent) as server, client() as http:

                async def fetch() -> None:
                    await http.fetch(server.url())

                task = asyncio.create_task(fetch())
                await until(lambda: server.requests)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert not http.active
                await until(lambda: server.closed == 1)

        run(main)

    def test_by_a_time_out(self) -> None:
        async def main() -> None:
            async with serving(silent) as server, client() as http:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(SHORT):
                        await http.fetch(server.url())
                assert not http.active
                await until(lambda: server.closed == 1)

        run(main)

    def test_while_connecting(self) -> None:
        with full_backlog() as port:

            async def main() -> None:
                async with client(max_clients=1) as http:
                    fetch = http.fetch(f"http://127.0.0.1:{port}/")
                    await turns(5)
                    fetch.cancel()
                    assert not http.active
                    await turns()

            run(main)

    def test_while_shaking_hands(self) -> None:
        async def main() -> None:
            greeted = asyncio.Event()

            async def handle(conn: Conn) -> None:
                await conn.reader.read(1)
                greeted.set()
                await conn.ended()

            async with serving(handle) as server, client() as http:
                fetch = http.fetch(server.url().replace("http:", "https:"))
                await greeted.wait()
                fetch.cancel()
                await until(lambda: server.closed == 1)

        run(main)

    def test_in_the_queue(self) -> None:
        async def main() -> None:
            async with serving(silent) as server, client(max_clients=1) as http:
                first, second = http.fetch(server.url()), http.fetch(server.url())
                second.cancel()
                assert not http.queue and len(http.active) == 1
                first.cancel()
                assert not http.active

        run_with_notes(main)

    def test_makes_room_for_the_next(self) -> None:
        async def main() -> None:
            async def handle(conn: Conn) -> None:
                while (await conn.request()).target != "/silent":
                    conn.send(OK)
                await conn.ended()

            async with serving(handle) as server, client(max_clients=1) as http:
                first = http.fetch(server.url("/silent"))
                second = http.fetch(server.url())
                await until(lambda: server.requests)
                first.cancel()
                assert (await second).body == b"ok"

        run_with_notes(main)

    def test_in_a_callback(self) -> None:
        async def main() -> None:
            async with serving(OK) as server, client() as http:
                fetch: asyncio.Future[HTTPResponse]

                def give_up(piece: bytes) -> None:
                    fetch.cancel()

                fetch = http.fetch(server.url(), streaming_callback=give_up)
                with pytest.raises(asyncio.CancelledError):
                    await fetch
                await until(lambda: server.closed == 1)

        run(main)

    def test_when_it_is_done(self) -> None:
        async def main() -> None:
            async with serving(OK) as server, client() as http:
                fetch = http.fetch(server.url())
                await fetch
                assert not fetch.cancel()
                assert len(http._pool) == 1

        run(main)

    def test_under_tls(self, certificates: Certificates) -> None:
        async def main() -> None:
            async with serving(silent, certificates.server_context()) as server, client() as http:
                fetch = http.fetch(server.url(), ca_certs=str(certificates.server))
                await until(lambda: server.requests)
                fetch.cancel()
                await until(lambda: server.closed == 1)

        run(main)


class full_backlog:
    """A port that takes no connection and refuses none."""

    def __enter__(self) -> int:
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(0)
        address = self._listener.getsockname()
        self._others = [socket.socket() for _ in range(4)]
        for other in self._others:
            other.setblocking(False)
            other.connect_ex(address)
        port: int = address[1]
        return port

    def __exit__(self, *exc_info: object) -> None:
        for sock in (self._listener, *self._others):
            sock.close()


@pytest.fixture(autouse=True)
def _notes(log: Log) -> Any:
    """A line for each fetch that has to wait is what is documented."""
    yield
    for record in log.take():
        assert "max_clients limit reached" in record.getMessage()


def run_with_notes(main: Any) -> None:
    run(main)
