"""Who has gone: clients that nobody reads from, programs that end, and owners of the stream."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from tests.http1connection.support import (
    OK,
    Program,
    Taker,
    flood,
    get,
    message,
    nobody,
    post,
    run,
    served,
    socket_pair,
    turns,
    uncaught,
    until,
    without_dates,
)
from tests.server.logs import Log

from tornadic.http1connection import HTTP1ServerConnection
from tornadic.httputil import HTTPInputError
from tornadic.iostream import IOStream

MANY = 4 << 20
"""More than a connection and its kernel hold."""


@asynccontextmanager
async def stalled(program: Program, data: bytes) -> AsyncIterator[socket.socket]:
    """The client of a connection that takes no more of ``data``."""
    async with socket_pair() as (stream, client):
        HTTP1ServerConnection(stream).start_serving(program)
        sent = await flood(client, data, MANY)
        assert 65536 < sent < MANY and len(program.takers) == 1
        yield client


def is_overdue(program: Program) -> bool:
    """What the next sweep finds, long before anything is late."""
    return program.takers[0].conn.overdue(asyncio.get_running_loop().time())


def leave(client: socket.socket) -> None:
    client.close()


def half_close(client: socket.socket) -> None:
    client.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("go", [leave, half_close])
def test_a_client_that_goes_while_it_is_held_back(go: Callable[[socket.socket], None]) -> None:
    async def main() -> None:
        program = Program(on_finish=nobody)
        gone: list[str] = []
        async with stalled(program, get() * 100) as client:
            program.takers[0].conn.set_close_callback(lambda: gone.append("gone"))
            assert not is_overdue(program)
            go(client)
            assert is_overdue(program)
            # And nobody has to look.
            await until(lambda: program.closed)
            assert gone == ["gone"] and program.takers[0].ends == ["finish"]

    run(main)


def test_a_client_that_stays_while_it_is_held_back() -> None:
    async def main() -> None:
        program = Program(on_finish=nobody)
        async with stalled(program, get() * 100):
            assert not is_overdue(program) and program.closed == []
            program.takers[0].answer()
            await until(lambda: len(program.takers) == 2)

    run(main)


@pytest.mark.parametrize("decompress", [False, True])
def test_a_client_that_goes_in_the_middle_of_a_body(decompress: bool) -> None:
    head = message("POST / HTTP/1.1", "Host: a", f"Content-Length: {2 * MANY}")

    async def main() -> None:
        released: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        program = Program(on_data=lambda taker: released)
        async with socket_pair() as (stream, client):
            HTTP1ServerConnection(stream).start_serving(program)
            client.send(head)
            sent = await flood(client, b"x" * 65536, MANY)
            assert 65536 < sent < MANY
            # What it has sent before it left off is for the program, who is still busy.
            client.shutdown(socket.SHUT_WR)
            assert not is_overdue(program)
            if decompress:
                released.set_result(None)
                await until(lambda: program.closed)
                assert len(program.takers[0].body) >= sent - 65536
            else:
                client.close()
                assert is_overdue(program)
                await until(lambda: program.closed)
                released.set_result(None)
                await turns()
            assert program.takers[0].ends == ["closed"]

    run(main)


# Programs that end


def test_a_program_that_ends_while_a_delegate_is_waited_for(log: Log) -> None:
    ends: list[list[str]] = []

    async def wait(taker: Taker) -> None:
        ends.append(taker.ends)
        await asyncio.Event().wait()

    async def main() -> None:
        ours, theirs = socket.socketpair()
        HTTP1ServerConnection(IOStream(ours)).start_serving(Program(on_data=wait))
        with theirs:
            theirs.send(post())
            await until(lambda: ends)

    # Nothing in the log: all tasks are cancelled in the end, and that is as it should be.
    asyncio.run(main())
    assert ends == [["closed"]]


def test_a_delegate_that_is_cancelled_closes_the_connection() -> None:
    async def cancelled(_: Taker) -> None:
        raise asyncio.CancelledError

    async def main() -> None:
        program = Program(on_data=cancelled)
        async with served(program) as (_, peer):
            peer.send(post() + get("/2"))
            await peer.reads_end()
            await until(lambda: program.closed)
            assert [taker.ends for taker in program.takers] == [["closed"]]

    run(main)


# Who answers early


class Patient(Taker):
    """One who tells an early answer of its own from a close."""

    def answered(self) -> None:
        self.ends.append("answered")


@pytest.mark.parametrize("step", ["on_head", "on_data"])
@pytest.mark.parametrize("patient", [False, True])
def test_who_answers_early_is_told_of_the_end_once(step: str, patient: bool) -> None:
    class Early(Program):
        def start_request(self, server_conn: object, request_conn: object) -> Taker:
            taker = super().start_request(server_conn, request_conn)  # type: ignore[arg-type]
            if patient and len(self.takers) == 1:
                taker.__class__ = Patient
            return taker

    async def main() -> None:
        program = Early(**{step: lambda taker: taker.answer()})
        async with served_without_check(program) as client:
            client.send(message("POST / HTTP/1.1", "Host: a", "Content-Length: 6", body=b"abc"))
            await until(lambda: program.takers and program.takers[0].ends)
            expected = ["answered"] if patient else ["closed"]
            assert program.takers[0].ends == expected
            program.hooks = Program().hooks
            client.send(b"def" + get("/2"))
            await until(lambda: len(program.takers) == 2)
            await turns()
            # What came behind the answer was thrown away, and tells nobody anything.
            assert program.takers[0].ends == expected
            assert program.takers[0].body in (b"", b"abc")
            assert without_dates(client.recv(1000)) == OK * 2

    run(main)


@asynccontextmanager
async def served_without_check(program: Program) -> AsyncIterator[socket.socket]:
    async with socket_pair() as (stream, client):
        HTTP1ServerConnection(stream).start_serving(program)
        yield client


def test_who_answers_the_whole_request_early_is_told_that_it_is_whole() -> None:
    def on_finish(taker: Taker) -> None:
        taker.answer()

    async def main() -> None:
        program = Program(on_finish=on_finish)
        async with served(program) as (_, peer):
            peer.send(post())
            await peer.reads(OK)
            await peer.hang_up()
            await until(lambda: program.closed)
            assert program.takers[0].ends == ["finish"]

    run(main)


# Who has the stream


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
@pytest.mark.parametrize("error", [ZeroDivisionError(), HTTPInputError("dislike")])
def test_who_has_detached_may_raise(log: Log, step: str, error: Exception, later: bool) -> None:
    streams: list[IOStream] = []

    def hook(taker: Taker) -> None:
        streams.append(taker.conn.detach())
        raise error

    async def hook_later(taker: Taker) -> None:
        await turns(3)
        hook(taker)

    async def main() -> None:
        program = Program(**{step: hook_later if later else hook})
        async with served(program) as (_, peer):
            peer.send(post())
            await until(lambda: program.closed)
            await turns()
            [stream] = streams
            assert not stream.closed()
            assert all("closed" not in taker.ends for taker in program.takers)
            rest = b"abc" if step == "on_head" else b""
            peer.send(b"of another protocol")
            assert await stream.read_bytes(len(rest) + 19) == rest + b"of another protocol"
            await stream.write(b"as well")
            await peer.reads(b"as well")

    run(main)
    if isinstance(error, HTTPInputError):
        log.one("dislike")
    else:
        uncaught(log, ZeroDivisionError)
