"""Bodies that come in pieces: in order, as fast as the handler takes them, and to a clear end."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Generator
from typing import Any

import pytest
from tests.web.support import LogBook, application, fetch, head, run, serving, until

from tornadic import gen
from tornadic.web import HTTPError, RequestHandler, stream_request_body


class Collector(RequestHandler):
    """Answers with what came, and writes down in which order things were called."""

    calls: list[str]

    def initialize(self) -> None:
        self.received = bytearray()

    def data_received(self, chunk: bytes) -> Any:
        self.calls.append("data")
        assert isinstance(chunk, bytes)
        self.received += chunk

    def on_connection_close(self) -> None:
        self.calls.append("on_connection_close")

    def on_finish(self) -> None:
        self.calls.append("on_finish")

    def post(self) -> Any:
        self.calls.append("post")
        self.write(bytes(self.received))


def collecting() -> type[Collector]:
    """A class that streams and does nothing else of its own."""
    return stream_request_body(type("Handler", (Collector,), {}))


@pytest.fixture(autouse=True)
def calls() -> list[str]:
    Collector.calls = []
    return Collector.calls


def test_only_for_handlers() -> None:
    other: Any = object
    with pytest.raises(TypeError):
        stream_request_body(other)


def test_the_class_itself_comes_back() -> None:
    class Handler(RequestHandler):
        pass

    assert stream_request_body(Handler) is Handler


def test_order_of_calls(calls: list[str]) -> None:
    @stream_request_body
    class Handler(Collector):
        def prepare(self) -> None:
            calls.append("prepare")

    assert fetch(Handler, method="POST", body=b"a" * 10).body == b"a" * 10
    assert calls == ["prepare", "data", "post", "on_finish"]


def test_a_body_of_nothing(calls: list[str]) -> None:
    handler = collecting()
    response = fetch(handler, method="POST", headers={"Content-Length": "0"})
    assert (response.status, response.body) == (200, b"")
    assert calls == ["post", "on_finish"]


def test_prepare_runs_before_the_body_is_sent() -> None:
    @stream_request_body
    class Handler(Collector):
        def prepare(self) -> None:
            prepared.set()

    prepared = asyncio.Event()

    async def main() -> None:
        async with serving(application(Handler)) as server:
            client = await server.connect()
            await client.send(head(method="POST", headers={"Content-Length": "4"}))
            await prepared.wait()
            await client.send(b"body")
            assert (await client.response()).body == b"body"

    run(main)


def test_body_and_arguments_stay_empty() -> None:
    @stream_request_body
    class Handler(RequestHandler):
        def data_received(self, chunk: bytes) -> None:
            pass

        def post(self) -> None:
            self.write({"a": self.get_arguments("a"), "body": self.get_body_arguments("b")})

    response = fetch(
        Handler,
        "/?a=1",
        "POST",
        {"Content-Type": "application/x-www-form-urlencoded"},
        b"a=2&b=3",
    )
    assert response.text == '{"a": ["1"], "body": []}'


def test_chunked_body() -> None:
    handler = collecting()

    async def main() -> None:
        async with serving(application(handler)) as server:
            client = await server.connect()
            await client.send(head(method="POST", headers={"Transfer-Encoding": "chunked"}))
            for piece in (b"one", b"two", b"three"):
                await client.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            await client.send(b"0\r\n\r\n")
            assert (await client.response()).body == b"onetwothree"

    run(main)


def test_many_requests_on_one_connection() -> None:
    handler = collecting()

    async def main() -> None:
        async with serving(application(handler)) as server:
            client = await server.connect()
            for size in (1, 0, 100_000, 7):
                body = bytes(range(256)) * size
                response = await client.request(
                    method="POST", headers={"Content-Length": str(len(body))}, body=body
                )
                assert response.body == body
            pipelined = (head(method="POST", body=b"abc") + b"abc") * 3
            await client.send(pipelined)
            for _ in range(3):
                assert (await client.response()).body == b"abc"

    run(main)


class TestBackPressure:
    def test_a_piece_waits_for_the_one_before(self, calls: list[str]) -> None:
        running = 0

        @stream_request_body
        class Handler(Collector):
            async def data_received(self, chunk: bytes) -> None:
                nonlocal running
                running += 1
                assert running == 1
                await asyncio.sleep(0)
                self.received += chunk
                running -= 1

        async def main() -> None:
            async with serving(application(Handler), chunk_size=1000) as server:
                body = bytes(range(250)) * 40
                response = await server.fetch(method="POST", body=body)
                assert response.body == body

        run(main)

    def test_gen_coroutine(self) -> None:
        @stream_request_body
        class Handler(Collector):
            @gen.coroutine
            def data_received(self, chunk: bytes) -> Generator[Any, Any, None]:
                yield gen.sleep(0)
                self.received += chunk

        assert fetch(Handler, method="POST", body=b"abc" * 1000).body == b"abc" * 1000

    def test_data_wait_for_prepare(self, calls: list[str]) -> None:
        async def main() -> None:
            release = asyncio.Event()

            @stream_request_body
            class Handler(Collector):
                async def prepare(self) -> None:
                    calls.append("prepare")
                    await release.wait()
                    calls.append("prepared")

            async with serving(application(Handler)) as server:
                client = await server.connect()
                await client.send(head(method="POST", body=b"body") + b"body")
                await until(lambda: calls)
                for _ in range(10):
                    await asyncio.sleep(0)
                assert calls == ["prepare"]
                release.set()
                assert (await client.response()).body == b"body"

        run(main)
        assert calls[:4] == ["prepare", "prepared", "data", "post"]

    def test_a_slow_handler_slows_the_client_down(self) -> None:
        async def main() -> None:
            release = asyncio.Event()
            received = 0

            @stream_request_body
            class Handler(RequestHandler):
                async def data_received(self, chunk: bytes) -> None:
                    nonlocal received
                    received += len(chunk)
                    await release.wait()

                def post(self) -> None:
                    self.write(str(received))

            size = 30_000_000
            async with serving(application(Handler), chunk_size=65536) as server:
                client = await server.connect()
                client.writer.write(head(method="POST", headers={"Content-Length": str(size)}))
                piece = bytes(100_000)
                sending = asyncio.create_task(self.send_all(client.writer, piece, size))
                await until(lambda: received)
                # What is not taken fills the kernel's buffers, and then the client has to wait.
                for _ in range(200):
                    await asyncio.sleep(0)
                assert not sending.done()
                assert received <= 65536
                release.set()
                await sending
                assert (await client.response()).text == str(size)

        run(main)

    async def send_all(self, writer: asyncio.StreamWriter, piece: bytes, size: int) -> None:
        for _ in range(size // len(piece)):
            writer.write(piece)
            await writer.drain()


class TestErrors:
    """Whatever fails, the client gets an answer or a closed connection, and never a hang."""

    def test_a_method_that_is_not_supported(self) -> None:
        handler = collecting()

        async def main() -> None:
            async with serving(application(handler)) as server:
                client = await server.connect()
                for method in ("PUT", "BREW"):
                    response = await client.request(method=method, body=b"body")
                    assert response.status == 405
                    assert (await client.request(method="POST", body=b"x")).body == b"x"

        run(main)

    @pytest.mark.parametrize("late", [False, True])
    @pytest.mark.parametrize("body", [b"", b"body"])
    def test_error_in_prepare(self, late: bool, body: bytes, calls: list[str]) -> None:
        @stream_request_body
        class Handler(Collector):
            def prepare(self) -> Any:
                if self.request.headers.get("X-Fail"):
                    if late:
                        return self.fail()
                    raise HTTPError(403)
                return None

            async def fail(self) -> None:
                await asyncio.sleep(0)
                raise HTTPError(403)

        async def main() -> None:
            async with serving(application(Handler)) as server:
                client = await server.connect()
                response = await client.request(method="POST", headers={"X-Fail": "1"}, body=body)
                assert response.status == 403
                assert "data" not in calls and "post" not in calls
                assert (await client.request(method="POST", body=b"x")).body == b"x"

        run(main)

    @pytest.mark.parametrize("late", [False, True])
    def test_prepare_that_finishes(self, late: bool, calls: list[str]) -> None:
        @stream_request_body
        class Handler(Collector):
            def prepare(self) -> Any:
                if self.request.headers.get("X-Early"):
                    self.finish("early")
                return asyncio.sleep(0) if late else None

        async def main() -> None:
            async with serving(application(Handler)) as server:
                client = await server.connect()
                response = await client.request(
                    method="POST", headers={"X-Early": "1"}, body=b"body"
                )
                assert response.body == b"early"
                assert "data" not in calls and "post" not in calls
                assert (await client.request(method="POST", body=b"x")).body == b"x"

        run(main)

    @pytest.mark.parametrize("late", [False, True])
    def test_exception_in_data_received(self, late: bool, calls: list[str], log: LogBook) -> None:
        @stream_request_body
        class Handler(Collector):
            def data_received(self, chunk: bytes) -> Any:
                if late:
                    return self.fail()
                raise ZeroDivisionError("in data")

            async def fail(self) -> None:
                await asyncio.sleep(0)
                raise ZeroDivisionError("in data")

        async def main() -> None:
            async with serving(application(Handler)) as server:
                client = await server.connect()
                await client.send(head(method="POST", body=b"body") + b"body")
                assert await client.rest() == b""
                await until(lambda: not server.http_server._connections)

        run(main)
        assert "post" not in calls
        log.take("ZeroDivisionError: in data")

    def test_data_received_of_the_class_itself(self, log: LogBook) -> None:
        @stream_request_body
        class Handler(RequestHandler):
            def data_received(self, chunk: bytes) -> Any:
                return super().data_received(chunk)

        async def main() -> None:
            async with serving(application(Handler)) as server:
                client = await server.connect()
                await client.send(head(method="POST", body=b"body") + b"body")
                assert await client.rest() == b""

        run(main)
        log.take("NotImplementedError")

    def test_handler_that_cannot_be_made(self, log: LogBook) -> None:
        @stream_request_body
        class Handler(Collector):
            def initialize(self) -> None:
                raise ZeroDivisionError("too early")

        async def main() -> None:
            async with serving(application(Handler)) as server:
                client = await server.connect()
                for _ in range(2):
                    assert (await client.request(method="POST", body=b"body")).status == 500

        run(main)
        assert len(log.take_all("ZeroDivisionError: too early")) == 2

    def test_answer_while_the_body_still_comes(self, calls: list[str]) -> None:
        @stream_request_body
        class Handler(Collector):
            def data_received(self, chunk: bytes) -> None:
                calls.append("data")
                if not self._finished:
                    self.set_status(413)
                    self.finish("too much")

        async def main() -> None:
            async with serving(application(Handler)) as server:
                client = await server.connect()
                await client.send(head(method="POST", headers={"Content-Length": "8"}) + b"half")
                response = await client.response()
                assert (response.status, response.body) == (413, b"too much")
                await client.send(b"rest" + head(method="POST", body=b"x") + b"x")
                assert (await client.response()).status == 413

        run(main)
        assert "post" not in calls

    @pytest.mark.parametrize("bad", [b"zz\r\n", b"4\r\nabcdX\r\n"])
    def test_a_malformed_body(self, bad: bytes, calls: list[str]) -> None:
        handler = collecting()

        async def main() -> None:
            async with serving(application(handler)) as server:
                client = await server.connect()
                await client.send(head(method="POST", headers={"Transfer-Encoding": "chunked"}))
                await client.send(bad)
                assert (await client.rest()).startswith(b"HTTP/1.1 400 Bad Request\r\n")
                await until(lambda: "on_connection_close" in calls)

        run(main)
        assert "post" not in calls
        assert calls.count("on_connection_close") == 1

    @pytest.mark.parametrize(("size", "status"), [(10, 200), (11, 413)])
    def test_body_size_at_its_limit(self, size: int, status: int) -> None:
        handler = collecting()

        async def main() -> None:
            async with serving(application(handler), max_body_size=10) as server:
                response = await server.fetch(method="POST", body=b"x" * size)
                assert response.status == status

        run(main)

    @pytest.mark.parametrize("late", [False, True])
    @pytest.mark.parametrize(("size", "status"), [(10, 200), (11, 413)])
    def test_prepare_may_lift_the_limit(self, late: bool, size: int, status: int) -> None:
        @stream_request_body
        class Handler(Collector):
            def prepare(self) -> Any:
                connection: Any = self.request.connection
                connection.set_max_body_size(10)
                return asyncio.sleep(0) if late else None

        async def main() -> None:
            async with serving(application(Handler), max_body_size=5) as server:
                response = await server.fetch(method="POST", body=b"x" * size)
                assert response.status == status

        run(main)

    def test_the_lifted_limit_holds_for_one_request(self) -> None:
        @stream_request_body
        class Handler(Collector):
            def prepare(self) -> None:
                if self.request.path == "/large":
                    connection: Any = self.request.connection
                    connection.set_max_body_size(10)

        async def main() -> None:
            async with serving(application(Handler), max_body_size=5) as server:
                client = await server.connect()
                assert (await client.request("/large", "POST", body=b"x" * 10)).status == 200
                assert (await client.request("/small", "POST", body=b"x" * 6)).status == 413

        run(main)


class TestClientGone:
    def test_while_the_body_comes(self, calls: list[str]) -> None:
        handler = collecting()

        async def main() -> None:
            async with serving(application(handler)) as server:
                client = await server.connect()
                await client.send(head(method="POST", headers={"Content-Length": "8"}) + b"half")
                await until(lambda: "data" in calls)
                client.close()
                await until(lambda: "on_connection_close" in calls)
                await until(lambda: not server.http_server._connections)
                await asyncio.sleep(0)

        run(main)
        assert calls.count("on_connection_close") == 1
        assert "post" not in calls

    def test_while_data_received_waits(self, calls: list[str]) -> None:
        async def main() -> None:
            release = asyncio.Event()

            @stream_request_body
            class Handler(Collector):
                async def data_received(self, chunk: bytes) -> None:
                    calls.append("data")
                    await release.wait()
                    calls.append("released")

            async with serving(application(Handler)) as server:
                client = await server.connect()
                await client.send(head(method="POST", headers={"Content-Length": "8"}) + b"half")
                await until(lambda: "data" in calls)
                client.abort()
                await until(lambda: "on_connection_close" in calls)
                release.set()
                await until(lambda: "released" in calls)
                await until(lambda: not server.http_server._connections)

        run(main)
        assert calls.count("on_connection_close") == 1
        assert "post" not in calls

    def test_while_prepare_waits(self, calls: list[str]) -> None:
        async def main() -> None:
            release = asyncio.Event()

            @stream_request_body
            class Handler(Collector):
                async def prepare(self) -> None:
                    calls.append("prepare")
                    await release.wait()
                    calls.append("released")

            async with serving(application(Handler)) as server:
                client = await server.connect()
                await client.send(head(method="POST", headers={"Content-Length": "8"}))
                await until(lambda: calls)
                client.abort()
                await until(lambda: "on_connection_close" in calls)
                release.set()
                await until(lambda: "released" in calls)
                await asyncio.sleep(0)

        run(main)
        assert calls.count("on_connection_close") == 1
        assert "post" not in calls

    def test_while_the_method_waits(self, calls: list[str]) -> None:
        async def main() -> None:
            release = asyncio.Event()

            @stream_request_body
            class Handler(Collector):
                async def post(self) -> None:
                    calls.append("post")
                    await release.wait()

            async with serving(application(Handler)) as server:
                client = await server.connect()
                await client.send(head(method="POST", body=b"body") + b"body")
                await until(lambda: "post" in calls)
                client.close()
                await until(lambda: "on_connection_close" in calls)
                release.set()
                await until(lambda: "on_finish" in calls)

        run(main)
        assert calls.count("on_connection_close") == 1

    def test_nothing_is_left(self, calls: list[str]) -> None:
        handlers: weakref.WeakSet[RequestHandler] = weakref.WeakSet()

        @stream_request_body
        class Handler(Collector):
            def initialize(self) -> None:
                super().initialize()
                handlers.add(self)

        async def main() -> None:
            async with serving(application(Handler)) as server:
                client = await server.connect()
                await client.send(head(method="POST", headers={"Content-Length": "8"}) + b"half")
                await until(lambda: "data" in calls)
                client.close()
                await until(lambda: not server.http_server._connections)
                await asyncio.sleep(0)
                gc.collect()
                assert len(handlers) == 0

        run(main)
