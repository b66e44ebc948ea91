"""Responses that somebody else completes while the handler's own coroutine still waits."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Awaitable, Callable, Generator, Iterator
from typing import Any

import pytest
from tests.web.support import Client, LogBook, Server, application, run, serving, until

from tornadic import gen
from tornadic.ioloop import IOLoop
from tornadic.sessions import MemoryStore
from tornadic.web import Application, RequestHandler, stream_request_body


class Canary:
    """Lives in the frame of a coroutine, and as long as that."""


@pytest.fixture(autouse=True)
def no_chance() -> Iterator[None]:
    """Garbage is collected when a test says so, and at no other time."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class Record:
    """What the handlers of one test leave behind."""

    def __init__(self) -> None:
        self.canaries: list[weakref.ref[Any]] = []
        self.ended: list[str] = []
        self.handlers: list[weakref.ref[Any]] = []

    def of(self, handler: RequestHandler) -> Canary:
        canary = Canary()
        self.canaries.append(weakref.ref(canary))
        self.handlers.append(weakref.ref(handler))
        return canary

    @property
    def is_empty(self) -> bool:
        return not any(ref() for ref in self.canaries + self.handlers)


def soon(handler: RequestHandler) -> None:
    asyncio.get_running_loop().call_soon(handler.finish, "from a callback")


def by_timer(handler: RequestHandler) -> None:
    IOLoop.current().call_later(0.001, handler.finish, "from a callback")


def by_thread(handler: RequestHandler) -> None:
    add_callback = IOLoop.current().add_callback
    thread = threading.Thread(target=add_callback, args=(handler.finish, "from a callback"))
    thread.start()
    thread.join()


def native(record: Record, begin: Callable[[RequestHandler], None]) -> type[RequestHandler]:
    class Handler(RequestHandler):
        async def get(self) -> None:
            canary = record.of(self)
            begin(self)
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                record.ended.append("finally")
                del canary

    return Handler


def in_prepare(record: Record, begin: Callable[[RequestHandler], None]) -> type[RequestHandler]:
    class Handler(RequestHandler):
        async def prepare(self) -> None:
            canary = record.of(self)
            begin(self)
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                record.ended.append("finally")
                del canary

        def get(self) -> None:
            raise AssertionError("the response was finished before")

    return Handler


def generator(record: Record, begin: Callable[[RequestHandler], None]) -> type[RequestHandler]:
    class Handler(RequestHandler):
        @gen.coroutine
        def get(self) -> Generator[Any, Any, None]:
            canary = record.of(self)
            begin(self)
            try:
                yield asyncio.get_running_loop().create_future()
            finally:
                record.ended.append("finally")
                del canary

    return Handler


def nested(record: Record, begin: Callable[[RequestHandler], None]) -> type[RequestHandler]:
    class Handler(RequestHandler):
        @gen.coroutine
        def inner(self) -> Generator[Any, Any, None]:
            canary = record.of(self)
            self.never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            begin(self)
            try:
                yield [self.never, gen.moment]
            finally:
                record.ended.append("inner finally")
                del canary

        async def get(self) -> None:
            try:
                await self.inner()
            finally:
                record.ended.append("finally")

    return Handler


async def twice_on_one_connection(server: Server) -> None:
    client = await server.connect()
    for _ in range(2):
        response = await client.request()
        assert (response.status, response.body) == (200, b"from a callback")


def overtake(app: Application, record: Record) -> None:
    async def main() -> None:
        async with serving(app) as server:
            await twice_on_one_connection(server)
            await asyncio.sleep(0)
            gc.collect()
            assert record.is_empty
            assert record.ended.count("finally") == 2

    run(main)


@pytest.mark.parametrize("begin", [soon, by_timer, by_thread])
@pytest.mark.parametrize("kind", [native, in_prepare, generator, nested])
def test_its_coroutine_is_released(
    kind: Callable[[Record, Callable[[RequestHandler], None]], type[RequestHandler]],
    begin: Callable[[RequestHandler], None],
) -> None:
    record = Record()
    overtake(application(kind(record, begin)), record)


@pytest.mark.parametrize("kind", [native, in_prepare, generator, nested])
def test_with_middleware_around(
    kind: Callable[[Record, Callable[[RequestHandler], None]], type[RequestHandler]],
) -> None:
    record = Record()

    class Around:
        async def __call__(
            self, handler: RequestHandler, call_next: Callable[[], Awaitable[None]]
        ) -> None:
            try:
                await call_next()
            finally:
                record.ended.append("around")

        async def process_response(self, handler: RequestHandler) -> None:
            await asyncio.sleep(0)
            handler.set_header("X-Out", "yes")

    overtake(application(kind(record, soon), middleware=[Around()]), record)
    assert record.ended.count("around") == 2


class SlowStore(MemoryStore):
    """Answers in a later turn, as one beyond a network does."""

    is_remote = True

    async def load(self, key: str) -> Any:  # type: ignore[override]
        await asyncio.sleep(0)
        return super().load(key)

    async def save(self, key: str, change: Any) -> Any:  # type: ignore[override]
        await asyncio.sleep(0)
        return super().save(key, change)


@pytest.mark.parametrize("store", [MemoryStore, SlowStore])
def test_with_a_session(store: type[MemoryStore]) -> None:
    record = Record()

    def begin(handler: RequestHandler) -> None:
        handler.session["seen"] = True
        soon(handler)

    overtake(
        application(native(record, begin), session_store=store(), cookie_secret="x" * 32), record
    )


def test_a_streaming_handler() -> None:
    record = Record()

    @stream_request_body
    class Handler(native(record, soon)):  # type: ignore[misc]
        pass

    overtake(application(Handler), record)


def test_in_the_middle_of_a_body() -> None:
    record = Record()

    @stream_request_body
    class Handler(RequestHandler):
        async def prepare(self) -> None:
            canary = record.of(self)
            soon(self)
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                record.ended.append("finally")
                del canary

        def data_received(self, chunk: bytes) -> None:
            pass

    async def main() -> None:
        async with serving(application(Handler)) as server:
            client = await server.connect()
            await client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab")
            assert (await client.response()).body == b"from a callback"
            await client.send(b"cd")
            assert (await client.request("/")).status == 200  # the rest is read by then
            gc.collect()
            assert record.ended[0] == "finally"

    run(main)


def test_what_something_alive_resumes_goes_on() -> None:
    record = Record()
    wake: list[asyncio.Future[str]] = []

    class Handler(RequestHandler):
        async def get(self) -> None:
            canary = record.of(self)
            wake.append(asyncio.get_running_loop().create_future())
            soon(self)
            record.ended.append(await wake[0])
            await asyncio.sleep(0.001)
            record.ended.append("end")
            del canary

    async def main() -> None:
        async with serving(application(Handler)) as server:
            assert (await server.fetch()).body == b"from a callback"
            gc.collect()
            assert record.ended == []
            wake.pop().set_result("resumed")
            await until(lambda: (gc.collect() and False) or record.ended == ["resumed", "end"])
            gc.collect()
            assert record.is_empty

    run(main)


async def _write_later(begun: asyncio.Event, writer: asyncio.StreamWriter) -> None:
    await begun.wait()
    writer.write(b"late\n")
    await writer.drain()
    writer.close()


@pytest.mark.parametrize("by_session", [False, True])
def test_what_finished_itself_goes_on(by_session: bool) -> None:
    # asyncio refers weakly to those who read a client's stream: nobody else keeps them alive.
    record = Record()
    begun = asyncio.Event()
    port = 0

    class Handler(RequestHandler):
        async def get(self) -> None:
            await asyncio.sleep(0)
            if by_session:
                self.session["seen"] = True
            self.finish("at once")
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            record.ended.append("waits")
            record.ended.append((await reader.readline()).decode())
            writer.close()

    settings: dict[str, Any] = {"session_store": SlowStore(), "cookie_secret": "x" * 32}

    async def main() -> None:
        nonlocal port
        peer = await asyncio.start_server(lambda _, w: _write_later(begun, w), "127.0.0.1", 0)
        port = peer.sockets[0].getsockname()[1]
        async with (
            peer,
            serving(application(Handler, **(settings if by_session else {}))) as server,
        ):
            assert (await server.fetch()).body == b"at once"
            await until(lambda: record.ended == ["waits"])
            gc.collect()
            begun.set()
            await until(lambda: record.ended == ["waits", "late\n"])

    run(main)


async def _leave(server: Server, arrived: list[Any], left: list[str]) -> None:
    client: Client = await server.connect()
    await client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await until(lambda: arrived)
    client.abort()
    await until(lambda: left)
    gc.collect()


def test_a_client_that_leaves_does_not_end_a_coroutine() -> None:
    arrived: list[asyncio.Event] = []
    left: list[str] = []
    ended: list[str] = []

    class Handler(RequestHandler):
        async def get(self) -> None:
            event = asyncio.Event()
            arrived.append(event)
            try:
                await event.wait()
                ended.append("end")
            except GeneratorExit:
                ended.append("collected")
                raise

        def on_connection_close(self) -> None:
            left.append("left")

    async def main() -> None:
        async with serving(application(Handler)) as server:
            await _leave(server, arrived, left)
            event = weakref.ref(arrived.pop())
            gc.collect()
            found = event()
            assert found is not None
            found.set()
            await until(lambda: ended)
            assert ended == ["end"]

    run(main)


def test_an_error_after_it_was_overtaken_is_logged(log: LogBook) -> None:
    wake: list[asyncio.Future[None]] = []

    class Handler(RequestHandler):
        async def get(self) -> None:
            wake.append(asyncio.get_running_loop().create_future())
            soon(self)
            await wake[0]

    async def main() -> None:
        async with serving(application(Handler)) as server:
            assert (await server.fetch()).status == 200
            wake.pop().set_exception(ZeroDivisionError("late"))
            await until(lambda: log.unread)
            assert "late" in log.format(log.take("Uncaught exception"))

    run(main)


def test_what_has_detached_the_stream_goes_on() -> None:
    ended: list[str] = []
    begun = asyncio.Event()
    port = 0

    class Handler(RequestHandler):
        async def get(self) -> None:
            await asyncio.sleep(0)
            stream = self.detach()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            ended.append("waits")
            ended.append((await reader.readline()).decode())
            writer.close()
            stream.close()

    async def main() -> None:
        nonlocal port
        peer = await asyncio.start_server(lambda _, w: _write_later(begun, w), "127.0.0.1", 0)
        port = peer.sockets[0].getsockname()[1]
        async with peer, serving(application(Handler)) as server:
            client = await server.connect()
            await client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await until(lambda: ended == ["waits"])
            gc.collect()
            begun.set()
            assert await client.rest() == b""
            assert ended == ["waits", "late\n"]

    run(main)
