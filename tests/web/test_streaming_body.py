"""Bodies that the handler reads itself: as they come, as fast as it takes them, and to the end."""

from __future__ import annotations

import asyncio
import gc
import gzip
import weakref
from typing import Any

import pytest
from tests.web.support import (
    Client,
    LogBook,
    application,
    fetch,
    head,
    run,
    serving,
    until,
)

from tornadic.iostream import StreamClosedError
from tornadic.web import HTTPError, RequestHandler, stream_request_body


@stream_request_body
class Echo(RequestHandler):
    """Sends back what came."""

    async def post(self) -> None:
        body = b"".join([piece async for piece in self.stream_body()])
        self.write(body)

    def get(self) -> None:
        self.write("got")


def test_a_body() -> None:
    assert fetch(Echo, method="POST", body=b"body").body == b"body"


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 1_000_000])
def test_bodies_of_any_size(size: int) -> None:
    body = bytes(range(250)) * (size // 250) + bytes(size % 250)
    headers = {"Content-Length": str(size)}
    assert fetch(Echo, method="POST", headers=headers, body=body).body == body


def test_no_body_at_all() -> None:
    assert fetch(Echo, method="POST").body == b""
    assert fetch(Echo).body == b"got"


def test_chunked_pieces_are_handed_on_as_they_come() -> None:
    pieces: list[bytes] = []

    @stream_request_body
    class Handler(RequestHandler):
        async def post(self) -> None:
            async for piece in self.stream_body():
                pieces.append(piece)

    async def main() -> None:
        async with serving(application(Handler)) as server:
            client = await server.connect()
            await client.send(head(method="POST", headers={"Transfer-Encoding": "chunked"}))
            for number, piece in enumerate((b"one", b"two", b"three")):
                await client.send(b"%x\r\n%s\r\n" % (len(piece), piece))
                await until(lambda: len(pieces) == number + 1)  # noqa: B023
            await client.send(b"0\r\n\r\n")
            assert (await client.response()).status == 200

    run(main)
    assert pieces == [b"one", b"two", b"three"]


def test_many_requests_on_one_connection() -> None:
    async def main() -> None:
        async with serving(application(Echo)) as server:
            client = await server.connect()
            for size in (1, 0, 100_000, 7):
                body = bytes(range(256)) * size
                headers = {"Content-Length": str(len(body))}
                response = await client.request(method="POST", headers=headers, body=body)
                assert response.body == body
                assert (await client.request()).body == b"got"
            await client.send((head(method="POST", body=b"abc") + b"abc") * 3)
            for _ in range(3):
                assert (await client.response()).body == b"abc"

    run(main)


def test_gzip_is_inflated_if_the_server_does_so() -> None:
    body = bytes(range(250)) * 4000

    async def main() -> None:
        async with serving(application(Echo), decompress_request=True) as server:
            headers = {"Content-Encoding": "gzip"}
            data = gzip.compress(body)
            assert (await server.fetch("/", "POST", headers, data)).body == body

    run(main)


def test_prepare_may_read_too() -> None:
    @stream_request_body
    class Handler(RequestHandler):
        async def prepare(self) -> None:
            async for piece in self.stream_body():
                self.first = piece
                break

        async def post(self) -> None:
            rest = b"".join([piece async for piece in self.stream_body()])
            self.write(self.first + b"|" + rest)

    async def main() -> None:
        async with serving(application(Handler), chunk_size=3) as server:
            assert (await server.fetch(method="POST", body=b"1234567")).body == b"123|4567"

    run(main)


def test_a_reader_that_breaks_off_may_go_on() -> None:
    @stream_request_body
    class Handler(RequestHandler):
        async def post(self) -> None:
            body = self.stream_body()
            self.write(await anext(body))
            self.write("|")
            async for piece in self.stream_body():
                self.write(piece)
            async for piece in body:
                raise AssertionError(piece)

    async def main() -> None:
        async with serving(application(Handler), chunk_size=2) as server:
            assert (await server.fetch(method="POST", body=b"12345")).body == b"12|345"

    run(main)


def test_the_limit_can_be_set_before_the_body_is_read() -> None:
    @stream_request_body
    class Handler(Echo):
        async def post(self) -> None:
            connection: Any = self.request.connection
            connection.set_max_body_size(10)
            await super().post()

    async def main() -> None:
        async with serving(application(Handler), max_body_size=5) as server:
            assert (await server.fetch(method="POST", body=b"x" * 10)).body == b"x" * 10
            assert (await server.fetch(method="POST", body=b"x" * 11)).status == 413

    run(main)


class TestBackPressure:
    def test_a_slow_handler_slows_the_client_down(self) -> None:
        size = 30_000_000

        async def main() -> None:
            release = asyncio.Event()
            received = 0

            @stream_request_body
            class Handler(RequestHandler):
                async def post(self) -> None:
                    nonlocal received
                    async for piece in self.stream_body():
                        received += len(piece)
                        await release.wait()
                    self.write(str(received))

            async with serving(application(Handler)) as server:
                client = await server.connect()
                sending = asyncio.create_task(send_much(client, size))
                await until(lambda: received)
                for _ in range(200):
                    await asyncio.sleep(0)
                assert not sending.done()
                assert received <= 65536
                release.set()
                await sending
                assert (await client.response()).text == str(size)

        run(main)

    def test_nothing_is_asked_of_the_client_before_the_handler_asks(self) -> None:
        async def main() -> None:
            release = asyncio.Event()

            @stream_request_body
            class Handler(Echo):
                async def post(self) -> None:
                    await release.wait()
                    await super().post()

            async with serving(application(Handler)) as server:
                client = await server.connect()
                headers = {"Expect": "100-continue", "Content-Length": "4"}
                await client.send(head(method="POST", headers=headers))
                reading = asyncio.create_task(client.response_head())
                for _ in range(20):
                    await asyncio.sleep(0)
                assert not reading.done()
                release.set()
                assert (await reading).status == 100
                await client.send(b"body")
                assert (await client.response()).body == b"body"

        run(main)

    def test_a_refusal_spares_the_client_the_body(self) -> None:
        @stream_request_body
        class Handler(RequestHandler):
            async def post(self) -> None:
                raise HTTPError(403)

        async def main() -> None:
            async with serving(application(Handler)) as server:
                client = await server.connect()
                headers = {"Expect": "100-continue", "Content-Length": "4"}
                response = await client.request(method="POST", headers=headers)
                assert response.status == 403

        run(main)

    def test_a_reader_that_is_cancelled_loses_nothing(self) -> None:
        async def main() -> None:
            timed_out = asyncio.Event()

            @stream_request_body
            class Handler(RequestHandler):
                async def post(self) -> None:
                    body = self.stream_body()
                    reading = asyncio.ensure_future(anext(body))
                    await asyncio.sleep(0)
                    reading.cancel()
                    await asyncio.wait([reading])
                    assert reading.cancelled()
                    timed_out.set()
                    self.write(b"".join([piece async for piece in body]))

            async with serving(application(Handler)) as server:
                client = await server.connect()
                await client.send(head(method="POST", headers={"Content-Length": "4"}))
                await timed_out.wait()
                await client.send(b"body")
                assert (await client.response()).body == b"body"

        run(main)


class TestMisuse:
    def test_without_the_decorator(self, log: LogBook) -> None:
        class Handler(RequestHandler):
            async def post(self) -> None:
                self.stream_body()

        assert fetch(Handler, method="POST", body=b"body").status == 500
        log.take("RuntimeError: stream_body() is for a class with @stream_request_body")

    def test_with_data_received(self, log: LogBook) -> None:
        @stream_request_body
        class Handler(RequestHandler):
            def data_received(self, chunk: bytes) -> None:
                pass

            async def post(self) -> None:
                self.stream_body()

        assert fetch(Handler, method="POST", body=b"body").status == 500
        log.take("RuntimeError: stream_body() is for a class")

    def test_two_who_read(self, log: LogBook) -> None:
        @stream_request_body
        class Handler(RequestHandler):
            async def post(self) -> None:
                body = self.stream_body()
                await asyncio.gather(anext(body), anext(body))

        async def main() -> None:
            async with serving(application(Handler)) as server:
                client = await server.connect()
                headers = {"Content-Length": "4"}
                assert (await client.request(method="POST", headers=headers)).status == 500

        run(main)
        log.take("RuntimeError: The body is being read already")

    def test_reading_on_after_the_answer(self) -> None:
        errors: list[Exception] = []

        @stream_request_body
        class Handler(RequestHandler):
            async def post(self) -> None:
                body = self.stream_body()
                self.write(await anext(body))
                self.finish()
                try:
                    await anext(body)
                except Exception as e:
                    errors.append(e)

        async def main() -> None:
            async with serving(application(Handler)) as server:
                client = await server.connect()
                await client.send(head(method="POST", headers={"Content-Length": "8"}) + b"half")
                assert (await client.response()).body == b"half"
                await client.send(b"rest" + head(method="POST", body=b"new") + b"new")
                assert (await client.response()).body == b"new"

        run(main)
        assert [type(e) for e in errors] == [RuntimeError] * 2


class TestErrors:
    @pytest.mark.parametrize("late", [False, True])
    def test_in_the_middle_of_the_body(self, late: bool, log: LogBook) -> None:
        @stream_request_body
        class Handler(RequestHandler):
            async def post(self) -> None:
                async for _ in self.stream_body():
                    if late:
                        await asyncio.sleep(0)
                    raise ZeroDivisionError("in the middle")

            def get(self) -> None:
                self.write("got")

        async def main() -> None:
            async with serving(application(Handler)) as server:
                client = await server.connect()
                body = bytes(300_000)
                assert (await client.request(method="POST", body=body)).status == 500
                assert (await client.request()).body == b"got"

        run(main)
        log.take("ZeroDivisionError: in the middle")

    def test_a_body_that_nobody_reads(self) -> None:
        @stream_request_body
        class Handler(RequestHandler):
            def post(self) -> None:
                self.write("unread")

            async def put(self) -> None:
                await asyncio.sleep(0)
                self.write("unread")

        async def main() -> None:
            async with serving(application(Handler)) as server:
                client = await server.connect()
                for _ in range(2):
                    for method in ("POST", "PUT"):
                        body = bytes(300_000)
                        assert (await client.request("/", method, body=body)).body == b"unread"

        run(main)

    @pytest.mark.parametrize("bad", [b"zz\r\n", b"4\r\nabcdX\r\n"])
    @pytest.mark.parametrize("catches", [False, True])
    def test_a_malformed_body(self, bad: bytes, catches: bool) -> None:
        ends: list[str] = []

        @stream_request_body
        class Handler(RequestHandler):
            async def post(self) -> None:
                try:
                    async for _ in self.stream_body():
                        pass
                except StreamClosedError:
                    ends.append("closed")
                    if not catches:
                        raise
                # Nobody is left to get this.
                self.write("whole")

        async def main() -> None:
            async with serving(application(Handler)) as server:
                client = await server.connect()
                await client.send(head(method="POST", headers={"Transfer-Encoding": "chunked"}))
                await client.send(bad)
                answer = await client.rest()
                assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
                assert b"whole" not in answer
                await until(lambda: ends)

        run(main)

    def test_a_body_that_is_too_large(self) -> None:
        async def main() -> None:
            async with serving(application(Echo), max_body_size=5) as server:
                client = await server.connect()
                assert (await client.request(method="POST", body=b"x" * 5)).status == 200
                response = await client.request(method="POST", body=b"x" * 6)
                assert response.status == 413

        run(main)


class TestClientGone:
    @pytest.mark.parametrize("busy", [False, True])
    def test_while_the_body_comes(self, busy: bool) -> None:
        calls: list[str] = []

        async def main() -> None:
            release = asyncio.Event()

            @stream_request_body
            class Handler(RequestHandler):
                async def post(self) -> None:
                    try:
                        async for _ in self.stream_body():
                            calls.append("piece")
                            if busy:
                                await release.wait()
                    except StreamClosedError:
                        calls.append("closed")
                        raise

                def on_connection_close(self) -> None:
                    calls.append("on_connection_close")

            async with serving(application(Handler)) as server:
                client = await server.connect()
                await client.send(head(method="POST", headers={"Content-Length": "8"}) + b"half")
                await until(lambda: "piece" in calls)
                client.close()
                await until(lambda: "on_connection_close" in calls)
                release.set()
                await until(lambda: "closed" in calls)
                await until(lambda: not server.http_server._connections)

        run(main)
        assert calls.count("on_connection_close") == 1

    def test_nothing_is_left(self) -> None:
        handlers: weakref.WeakSet[RequestHandler] = weakref.WeakSet()
        calls: list[str] = []

        @stream_request_body
        class Handler(RequestHandler):
            def initialize(self) -> None:
                handlers.add(self)

            async def post(self) -> None:
                async for _ in self.stream_body():
                    calls.append("piece")

        async def main() -> None:
            async with serving(application(Handler)) as server:
                client = await server.connect()
                await client.send(head(method="POST", headers={"Content-Length": "8"}) + b"half")
                await until(lambda: calls)
                client.abort()
                await until(lambda: not server.http_server._connections)
                for _ in range(3):
                    await asyncio.sleep(0)
                gc.collect()
                assert len(handlers) == 0

        run(main)


async def send_much(client: Client, size: int) -> None:
    """Send a request with a body of ``size`` zeros."""
    client.writer.write(head(method="POST", headers={"Content-Length": str(size)}))
    piece = bytes(100_000)
    for _ in range(size // len(piece)):
        client.writer.write(piece)
        await client.writer.drain()
