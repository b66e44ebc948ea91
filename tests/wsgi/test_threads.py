"""Who waits for whom: applications, clients and the loop."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

import pytest
from tests.web.support import PATIENCE, Client, LogBook, Server, head, run, serving, until
from tests.wsgi.support import PLAIN, Blocks, Environ, answer, saying

from tornadic.httputil import HTTPServerRequest
from tornadic.iostream import StreamClosedError
from tornadic.wsgi import WSGIContainer
from tornadic.wsgi.response import PIECES_PER_TURN
from tornadic.wsgi.sinks import BYTES_AHEAD, BridgeSink

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")

PIECE = b"x" * 65536


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as executor:
        yield executor


async def slow_client(server: Server) -> Client:
    """A client whose kernel takes little in advance, and that does not read yet."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", server.port))
    client = Client(*await asyncio.open_connection(sock=sock, limit=4096))
    server.clients.append(client)
    await client.send(head())
    return client


def endless(given: list[int], closed: threading.Event) -> Callable[..., Iterator[bytes]]:
    """An application that never ends by itself."""

    def app(environ: Environ, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", list(PLAIN))
        try:
            while True:
                given.append(len(PIECE))
                yield PIECE
        finally:
            closed.set()

    return app


def test_the_loop_goes_on_while_an_application_waits(pool: ThreadPoolExecutor) -> None:
    meeting = threading.Barrier(3)

    def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
        meeting.wait(PATIENCE)
        start_response("200 OK", list(PLAIN))
        return [b"met"]

    async def main() -> None:
        async with serving(WSGIContainer(app, pool)) as server:
            # Two requests and the loop's own executor must all be there at once.
            meet = asyncio.to_thread(meeting.wait, PATIENCE)
            first, second, _ = await asyncio.gather(server.fetch(), server.fetch(), meet)
            assert first.body == second.body == b"met"

    run(main)


def test_a_piece_arrives_before_the_next_is_made(pool: ThreadPoolExecutor) -> None:
    go_on = threading.Event()

    def app(environ: Environ, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", list(PLAIN))
        yield b"first"
        assert go_on.wait(PATIENCE)
        yield b"second"

    async def main() -> None:
        async with serving(WSGIContainer(app, pool)) as server:
            client = await server.connect()
            await client.send(head())
            await client.response_head()
            assert await client.chunk() == b"first"
            go_on.set()
            assert await client.chunk() == b"second"
            assert await client.chunk() == b""

    run(main)


def test_one_thread_and_one_context_for_one_request(executor: Executor | None) -> None:
    seen: list[tuple[int, str]] = []

    class Result(Blocks):
        def __next__(self) -> Any:
            note()
            return super().__next__()

        def close(self) -> None:
            note()

    def note() -> None:
        seen.append((threading.get_ident(), variable.get()))

    def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
        assert variable.get() == "server"
        variable.set(environ["PATH_INFO"])
        start_response("200 OK", list(PLAIN))
        note()
        # More than the kernel takes, so that on the loop's thread it is iterated in a task.
        return Result(*[PIECE] * 100)

    async def main() -> None:
        variable.set("server")
        async with serving(WSGIContainer(app, executor)) as server:
            for path in ("/1", "/2"):
                seen.clear()
                assert len((await server.fetch(path)).body) == 100 * len(PIECE)
                await until(lambda: len(seen) == 103)
                assert {context for _, context in seen} == {path}
                assert len({thread for thread, _ in seen}) == 1
                is_here = seen[0][0] == threading.get_ident()
                assert is_here == (executor is None)

    run(main)


def test_others_have_their_turn_on_the_loops_thread() -> None:
    done: list[str] = []

    def app(environ: Environ, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", list(PLAIN))
        for _ in range(1000):
            yield b"x"
        done.append("long")

    async def main() -> None:
        async with serving(WSGIContainer(app)) as server:
            client = await server.connect()
            await client.send(head())
            turns = 0
            while not done:
                await asyncio.sleep(0)
                turns += 1
            assert turns > 10

    run(main)


@pytest.mark.parametrize(
    "pieces,left,closed",
    [(PIECES_PER_TURN - 1, 0, 1), (PIECES_PER_TURN, 0, 0), (PIECES_PER_TURN + 1, 1, 0)],
)
def test_how_many_pieces_make_a_turn(pieces: int, left: int, closed: int) -> None:
    blocks = Blocks(*[b"x"] * pieces)
    seen: list[tuple[int, int]] = []

    def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", list(PLAIN))
        return blocks

    container = WSGIContainer(app)

    def callback(request: HTTPServerRequest) -> None:
        container(request)
        seen.append((len(blocks.left), blocks.closed))

    async def main() -> None:
        async with serving(callback) as server:
            assert (await server.fetch()).body == b"x" * pieces

    run(main)
    assert seen == [(left, closed)]
    assert blocks.closed == 1


def test_a_slow_client_slows_the_application_down(executor: Executor | None) -> None:
    given: list[int] = []
    closed = threading.Event()

    async def main() -> None:
        async with serving(WSGIContainer(endless(given, closed), executor)) as server:
            client = await slow_client(server)
            await until(lambda: given)
            # Whatever the kernel holds: it takes what is read, and only then is more made.
            for _ in range(3):
                before = await standstill(given)
                await client.reader.readexactly(8 * 1048576)
                await until(lambda before=before: len(given) > before)  # type: ignore[misc]
            client.abort()
            await asyncio.to_thread(closed.wait, PATIENCE)

    run(main)
    assert closed.is_set()


async def standstill(given: list[int]) -> int:
    """The number of pieces when no more are being made."""
    while True:
        before = len(given)
        await asyncio.sleep(0.05)
        if len(given) == before:
            return before


def test_a_client_that_goes_away_ends_the_iteration(executor: Executor | None) -> None:
    given: list[int] = []
    closed = threading.Event()

    async def main() -> None:
        async with serving(WSGIContainer(endless(given, closed), executor)) as server:
            client = await server.connect()
            await client.send(head())
            await client.response_head()
            client.abort()
            await asyncio.to_thread(closed.wait, PATIENCE)

    run(main)
    assert closed.is_set()


def test_write_says_that_the_client_has_gone(pool: ThreadPoolExecutor) -> None:
    told: list[BaseException] = []
    done = threading.Event()

    def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
        write = start_response("200 OK", list(PLAIN))
        try:
            for _ in range(10_000):
                write(PIECE)
        except BaseException as e:
            told.append(e)
            raise
        finally:
            done.set()
        return []

    async def main() -> None:
        async with serving(WSGIContainer(app, pool)) as server:
            client = await server.connect()
            reset(client)
            await client.send(head())
            client.abort()
            await asyncio.to_thread(done.wait, PATIENCE)

    run(main)
    assert [type(e) for e in told] == [StreamClosedError]


def reset(client: Client) -> None:
    """Let the client hang up with a reset."""
    sock = client.writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def test_the_server_may_close_in_the_middle(executor: Executor | None) -> None:
    given: list[int] = []
    closed = threading.Event()

    async def main() -> None:
        async with serving(WSGIContainer(endless(given, closed), executor)) as server:
            await slow_client(server)
            await until(lambda: given)
            await server.http_server.close_all_connections()
            await asyncio.to_thread(closed.wait, PATIENCE)

    run(main)
    assert closed.is_set()


def test_cancelling_closes_the_connection(executor: Executor | None) -> None:
    given: list[int] = []
    closed = threading.Event()
    tasks: list[asyncio.Task[None]] = []

    async def main() -> None:
        container = WSGIContainer(endless(given, closed), executor)

        def answer_in_a_task(request: HTTPServerRequest) -> None:
            tasks.append(asyncio.create_task(container.handle_request(request)))

        async with serving(answer_in_a_task) as server:
            client = await slow_client(server)
            await until(lambda: given)
            tasks[0].cancel()
            await asyncio.wait(tasks)
            assert tasks[0].cancelled()
            await client.rest()
            await asyncio.to_thread(closed.wait, PATIENCE)

    run(main)
    assert closed.is_set()


def test_handle_request_returns_when_all_is_done(executor: Executor | None) -> None:
    blocks = Blocks(*[PIECE] * 50)
    closed: list[int] = []

    class Container(WSGIContainer):
        async def handle_request(self, request: HTTPServerRequest) -> None:
            await super().handle_request(request)
            closed.append(blocks.closed)

    def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", list(PLAIN))
        return blocks

    async def main() -> None:
        async with serving(Container(app, executor)) as server:
            assert len((await server.fetch()).body) == 50 * len(PIECE)
            await until(lambda: closed)

    run(main)
    assert closed == [1]


# Executors


def test_an_executor_that_takes_no_more(log: LogBook) -> None:
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    assert answer(saying(b"x"), pool).status == 500
    log.take("after shutdown", logging.ERROR)


def test_an_executor_that_drops_what_it_has_taken() -> None:
    pool = ThreadPoolExecutor(1)
    begun, go_on = threading.Event(), threading.Event()

    def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
        begun.set()
        assert go_on.wait(PATIENCE)
        start_response("200 OK", list(PLAIN))
        return [b"x"]

    async def main() -> None:
        async with serving(WSGIContainer(app, pool)) as server:
            first, second = await server.connect(), await server.connect()
            await first.send(head())
            await asyncio.to_thread(begun.wait, PATIENCE)
            await second.send(head())
            queue = pool._work_queue
            await until(lambda: queue.qsize())
            pool.shutdown(wait=False, cancel_futures=True)
            assert await second.rest() == b""
            go_on.set()
            assert (await first.response()).body == b"x"

    run(main)
    pool.shutdown()


def test_an_executor_that_runs_its_work_at_once() -> None:
    class AtOnce(Executor):
        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            future: Future[Any] = Future()
            future.set_result(fn(*args, **kwargs))
            return future

    response = answer(saying(*[PIECE] * 100), AtOnce())
    assert len(response.body) == 100 * len(PIECE)


def test_a_severe_exception_of_the_application_is_not_swallowed() -> None:
    class Severe(BaseException):
        pass

    def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
        raise Severe

    async def main() -> None:
        container = WSGIContainer(app)
        raised: list[BaseException] = []

        def callback(request: HTTPServerRequest) -> None:
            try:
                container(request)
            except Severe as e:
                raised.append(e)

        async with serving(callback) as server:
            client = await server.connect()
            await client.send(head())
            assert await client.rest() == b""
        assert len(raised) == 1

    run(main)


# The bridge by itself


class Connection:
    """A connection that takes as much as the test wants it to."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.stream = self
        self.futures: list[asyncio.Future[None]] = []
        self.is_closed = False

    def write(self, data: bytes) -> asyncio.Future[None]:
        if data == b"too much":
            raise ValueError("too much")
        self.taken.append(data)
        self.futures.append(asyncio.get_running_loop().create_future())
        return self.futures[-1]

    def set_close_callback(self, callback: Callable[[], None]) -> None:
        self.callback = callback

    def closed(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True


def bridge(loop: asyncio.AbstractEventLoop) -> tuple[BridgeSink, Connection]:
    connection: Any = Connection()
    request = HTTPServerRequest.__new__(HTTPServerRequest)
    request.connection = connection
    return BridgeSink(request, loop), connection


@pytest.mark.parametrize("how", ["room", "gone"])
def test_how_far_an_application_may_be_ahead(how: str) -> None:
    async def main() -> None:
        sink, connection = bridge(asyncio.get_running_loop())
        await asyncio.to_thread(sink.put, None, b"x" * BYTES_AHEAD)  # does not wait
        await until(lambda: connection.taken)
        waiting = asyncio.create_task(asyncio.to_thread(sink.put, None, b"y"))
        await until(lambda: len(connection.taken) == 2)
        assert not waiting.done()
        if how == "room":
            connection.futures[1].set_result(None)
        else:
            connection.callback()
        await waiting
        assert sink.has_gone() == (how == "gone")

    run(main)


def test_pieces_of_one_turn_are_one_write() -> None:
    async def main() -> None:
        sink, connection = bridge(asyncio.get_running_loop())
        for piece in (b"a", b"", b"b"):
            sink.put(None, piece)
        await until(lambda: connection.taken)
        assert connection.taken == [b"ab"]

    run(main)


def test_a_thread_is_not_left_waiting_for_a_loop_that_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tornadic.wsgi.sinks._LOOP_CHECK", 0.01)
    loop = asyncio.new_event_loop()
    made: list[BridgeSink] = []
    loop.call_soon(lambda: made.append(bridge(loop)[0]))
    loop.call_soon(loop.stop)
    loop.run_forever()
    [sink] = made
    thread = threading.Thread(target=sink.put, args=(None, b"x" * (BYTES_AHEAD + 1)))
    thread.start()
    thread.join(0.01)
    loop.close()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert sink.has_gone()
    sink.put(None, b"x")
    sink.end()


def test_a_loop_that_is_closed_takes_nothing() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    sink, connection = bridge(loop)
    sink.put(None, b"x")
    assert sink.has_gone()
    assert connection.taken == []


def test_a_connection_that_takes_nothing_is_closed(log: LogBook) -> None:
    async def main() -> None:
        sink, connection = bridge(asyncio.get_running_loop())
        sink.put(None, b"too much")
        await until(sink.has_gone)
        assert connection.is_closed
        log.take("too much", logging.ERROR)

    run(main)
