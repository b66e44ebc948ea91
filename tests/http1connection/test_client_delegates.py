"""Delegates that are slow or raise, and the stream, which is its owner's before and after."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Awaitable, Callable

import pytest
from tests.http1connection.exchanges import (
    CHUNKED,
    PACKED,
    PLAIN,
    TEXT,
    exchange,
    packed,
    params,
    takes,
)
from tests.http1connection.support import (
    Hook,
    Peer,
    Taker,
    answer,
    client,
    connected,
    flood,
    head,
    raising,
    request,
    response,
    run,
    socket_pair,
    turns,
    uncaught,
    until,
)
from tests.server.logs import Log

from tornadic.http1connection import HTTP1Connection
from tornadic.httputil import HTTPInputError
from tornadic.iostream import IOStream

# Delegates that are waited for


def test_a_delegate_is_waited_for_at_each_step() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        gates: list[asyncio.Future[None]] = []

        def hold(_: Taker) -> asyncio.Future[None]:
            gates.append(loop.create_future())
            return gates[-1]

        async with client(params(chunk_size=2)) as (conn, peer):
            taker = Taker(hold, hold)
            future = conn.read_response(taker)
            peer.send(PLAIN + b"behind")
            for pieces in ([], [b"ab"], [b"ab", b"c"]):
                await until(lambda: not gates[-1].done() if gates else False)
                await turns()
                assert taker.pieces == pieces and taker.ends == [] and not future.done()
                gates[-1].set_result(None)
            assert await future is True
            assert taker.ends == ["finish"]
            assert await conn.stream.read_bytes(6) == b"behind"

    run(main)


def test_coroutines_are_waited_for() -> None:
    async def pause(_: Taker) -> None:
        await turns()

    hooks: dict[str, Hook] = {"on_head": pause, "on_data": pause}
    takes(exchange(PLAIN, hooks=hooks), b"abc")
    takes(exchange(packed(PACKED), params=params(decompress=True), hooks=hooks), TEXT)
    takes(exchange(response(body=b"abc"), end=True, hooks=hooks), b"abc", False)


@pytest.mark.parametrize("step", ["on_head", "on_data"])
def test_while_a_delegate_is_waited_for_the_peers_sending_stalls(step: str) -> None:
    size = 1 << 24

    async def main() -> None:
        loop = asyncio.get_running_loop()
        gate = loop.create_future()
        async with socket_pair() as (stream, theirs):
            taker = Taker(**{step: lambda _: gate})
            future = HTTP1Connection(stream, True).read_response(taker)
            theirs.send(response(f"Content-Length: {size}"))
            sent = await flood(theirs, bytes(1 << 16), size)
            assert sent < size / 4, "all was taken, though nobody wants it yet"
            assert len(taker.body) <= 1 << 16
            gate.set_result(None)
            await loop.sock_sendall(theirs, bytes(size - sent))
            assert await future is True
            assert len(taker.body) == size and max(map(len, taker.pieces)) <= 1 << 16

    run(main)


@pytest.mark.parametrize("data", [PLAIN, response(body=b"abc")])
def test_what_came_before_the_end_is_handed_on_to_a_slow_delegate(data: bytes) -> None:
    async def main() -> None:
        gate = asyncio.get_running_loop().create_future()
        async with client() as (conn, peer):
            taker = Taker(on_head=lambda _: gate)
            future = conn.read_response(taker)
            peer.send(data, end=True)
            await until(lambda: taker.start_lines)
            await turns()
            gate.set_result(None)
            assert await future is False
            assert (taker.body, taker.ends) == (b"abc", ["finish"])

    run(main)


def test_a_slow_delegate_learns_that_the_message_was_cut_short() -> None:
    async def main() -> None:
        gate = asyncio.get_running_loop().create_future()
        async with client() as (conn, peer):
            taker = Taker(on_head=lambda _: gate)
            future = conn.read_response(taker)
            peer.send(PLAIN[:-1], end=True)
            await until(lambda: taker.start_lines)
            await turns()
            gate.set_result(None)
            assert await future is False
            assert taker.ends == ["closed"]

    run(main)


# Delegates that raise


@pytest.mark.parametrize(
    ("step", "later"),
    [
        ("on_head", False),
        ("on_head", True),
        ("on_data", False),
        ("on_data", True),
        ("on_finish", False),
    ],
)
@pytest.mark.parametrize("decompress", [False, True])
def test_a_delegate_that_raises(log: Log, step: str, later: bool, decompress: bool) -> None:
    hooks = {step: raising(ZeroDivisionError(), later)}
    data = packed(gzip.compress(b"abc"))
    outcome = exchange(data, params=params(decompress=decompress), hooks=hooks)
    # Who fails to take the end is told of the close as who fails before it is, once.
    assert outcome.taker.ends == (["failed", "closed"] if step == "on_finish" else ["closed"])
    assert (outcome.usable, outcome.stream_closed) == (False, True)
    uncaught(log, ZeroDivisionError)


@pytest.mark.parametrize(
    ("step", "later"),
    [
        ("on_head", False),
        ("on_head", True),
        ("on_data", False),
        ("on_data", True),
        ("on_finish", False),
    ],
)
@pytest.mark.parametrize("decompress", [False, True])
def test_a_delegate_that_finds_fault_with_the_message(
    log: Log, step: str, later: bool, decompress: bool
) -> None:
    hooks = {step: raising(HTTPInputError("dislike"), later)}
    data = packed(gzip.compress(b"abc"))
    outcome = exchange(data, params=params(decompress=decompress), hooks=hooks)
    assert outcome.taker.ends == (["failed", "closed"] if step == "on_finish" else ["closed"])
    assert (outcome.usable, outcome.stream_closed) == (False, True)
    log.one("dislike")


@pytest.mark.parametrize("data", [PLAIN[:-1], b"garbage\r\n\r\n"])
def test_a_delegate_that_raises_when_the_connection_closes(log: Log, data: bytes) -> None:
    class Raising(Taker):
        def on_connection_close(self) -> None:
            super().on_connection_close()
            raise ZeroDivisionError

    async def main() -> None:
        async with client() as (conn, peer):
            taker = Raising()
            future = conn.read_response(taker)
            peer.send(data, end=True)
            assert await future is False
            assert taker.ends == ["closed"]

    run(main)
    records = log.take()
    assert [record.name for record in records if record.exc_info] == ["tornado.application"]


# The stream and its owner


@pytest.mark.parametrize("read_before", [b"", b"GREETING\n"])
@pytest.mark.parametrize("data", [PLAIN, response(CHUNKED, body=b"3\r\nabc\r\n0\r\n\r\n")])
def test_a_response_that_is_in_the_streams_buffer(data: bytes, read_before: bytes) -> None:
    async def main() -> None:
        async with connected() as (stream, peer):
            peer.send(b"GREETING\n" + data + b"behind")
            assert await stream.read_until(b"\n") == b"GREETING\n"
            taker = Taker()
            assert await HTTP1Connection(stream, True).read_response(taker) is True
            assert (taker.body, taker.ends) == (b"abc", ["finish"])
            assert await stream.read_bytes(6) == b"behind"

    run(main)


@pytest.mark.parametrize(
    ("data", "ends"), [(PLAIN, "finish"), (response(body=b"abc"), "finish"), (PLAIN[:-1], "closed")]
)
def test_a_response_that_came_before_the_stream_closed(data: bytes, ends: str) -> None:
    # A server that does not want the request says so and closes; its answer must not be lost
    # because somebody watches the stream.
    async def main() -> None:
        async with client() as (conn, peer):
            noticed = asyncio.Event()
            conn.stream.set_close_callback(noticed.set)
            await request(conn)
            conn.finish()
            peer.send(data, end=True)
            await turns(50)
            taker = Taker()
            assert await conn.read_response(taker) is (data == PLAIN and not conn.stream.closed())
            assert taker.codes == [200] and taker.ends == [ends]

    run(main)


def test_only_one_response_is_read_at_a_time() -> None:
    async def main() -> None:
        async with client() as (conn, peer):
            first, second = Taker(), Taker()
            future = conn.read_response(first)
            with pytest.raises((AssertionError, RuntimeError)):
                await conn.read_response(second)
            peer.send(PLAIN)
            assert await future is True
            assert (first.body, first.ends) == (b"abc", ["finish"])
            assert second.ends == []

    run(main)


def test_whoever_asked_may_give_up() -> None:
    async def main() -> None:
        async with client() as (conn, peer):
            taker = Taker()
            future = conn.read_response(taker)
            peer.send(PLAIN[:-1])
            await until(lambda: taker.pieces)
            future.cancel()
            conn.close()
            await turns()
            assert taker.ends == ["closed"]

    run(main)


@pytest.mark.parametrize("code", ["101 Switching Protocols", "200 Connection established"])
def test_detach_while_the_head_is_handed_on(code: str) -> None:
    async def main() -> None:
        streams: list[IOStream] = []
        async with client() as (conn, peer):
            taker = Taker(on_head=lambda t: streams.append(t.conn.detach()))
            taker.conn = conn
            future = conn.read_response(taker)
            peer.send(response(status=code) + b"frames")
            await future
            assert streams == [conn.stream] and not conn.stream.closed()
            assert (taker.body, taker.ends) == (b"", [])
            assert await conn.stream.read_bytes(6) == b"frames"

    run(main)


# Requests read the same way


Check = Callable[[HTTP1Connection, Peer, Taker, "asyncio.Future[bool]"], Awaitable[None]]


def as_a_server(data: bytes, check: Check, on_finish: Hook = answer) -> None:
    """A connection that is no client's reads one request, ``data``, and answers it."""

    async def main() -> None:
        async with connected() as (stream, peer):
            conn = HTTP1Connection(stream, False)
            taker = Taker(on_finish=on_finish)
            taker.conn = conn
            peer.send(data)
            await check(conn, peer, taker, conn.read_response(taker))

    run(main)


def test_a_request_can_be_read_and_answered() -> None:
    async def check(
        conn: HTTP1Connection, peer: Peer, taker: Taker, future: asyncio.Future[bool]
    ) -> None:
        assert await future is True
        assert (taker.path, taker.body) == ("/", b"abc")
        await peer.reads(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        assert await conn.stream.read_bytes(6) == b"behind"

    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n"
    as_a_server(head + b"abcbehind", check)


def test_a_request_that_was_read_has_one_answer() -> None:
    async def check(
        conn: HTTP1Connection, peer: Peer, taker: Taker, future: asyncio.Future[bool]
    ) -> None:
        assert await future is True
        await peer.reads(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    def twice(taker: Taker) -> None:
        head(taker.conn, b"o", {"Content-Length": "2"})
        with pytest.raises(RuntimeError):
            taker.answer()
        taker.conn.write(b"k")
        taker.conn.finish()

    as_a_server(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", check, twice)


def test_after_the_last_request_the_stream_is_closed_or_its_owners() -> None:
    async def check(
        conn: HTTP1Connection, peer: Peer, taker: Taker, future: asyncio.Future[bool]
    ) -> None:
        usable = await future
        assert taker.ends == ["finish"]
        await peer.reads(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        if conn.stream.closed():
            assert not usable
        else:
            assert await conn.stream.read_bytes(6) == b"behind"

    as_a_server(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\nbehind", check)
