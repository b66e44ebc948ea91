"""How a server's connection ends: closed by either side, too late, or given up to its program."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest
from tests.http1connection.support import (
    OK,
    SHORT,
    Hook,
    Program,
    Taker,
    answer,
    connected,
    get,
    head,
    message,
    nobody,
    post,
    run,
    served,
    turns,
    uncaught,
    until,
)
from tests.server.logs import Log

from tornadic.http1connection import (
    HTTP1ConnectionParameters,
    HTTP1ServerConnection,
)
from tornadic.httputil import HTTPOutputError
from tornadic.iostream import IOStream, StreamClosedError


async def outlast(params: HTTP1ConnectionParameters) -> None:
    """Wait until a connection that says nothing has been cut off, under ``params``."""
    async with served(Program(), params) as (_, peer):
        await peer.reads_end()


# close()


@pytest.mark.parametrize(
    ("data", "ends"),
    [
        (b"", []),
        (b"GET / HT", []),
        (post()[:-3], [["closed"]]),
        (post()[:-1], [["closed"]]),
        (get(), [["finish"]]),
        (get() + get(), [["finish"]]),
    ],
)
def test_close_at_any_time(data: bytes, ends: list[list[str]]) -> None:
    async def main() -> None:
        program = Program(on_finish=nobody)
        async with served(program) as (server, peer):
            peer.send(data)
            await turns()
            await server.close()
            assert server.stream.closed()
            assert program.closed == [server]
            assert [taker.ends for taker in program.takers] == ends
            await peer.reads_end()
            await asyncio.gather(server.close(), server.close())

    run(main)


def test_close_after_the_peer_did() -> None:
    async def main() -> None:
        program = Program()
        async with served(program) as (server, peer):
            peer.send(get())
            await peer.reads(OK)
            await peer.hang_up()
            await until(lambda: program.closed)
            await server.close()
            assert program.closed == [server]

    run(main)


def test_several_may_wait_for_the_close_and_give_up() -> None:
    async def main() -> None:
        program = Program()
        async with served(program) as (server, _):
            tasks = [asyncio.ensure_future(server.close()) for _ in range(3)]
            await asyncio.sleep(0)
            tasks[0].cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert isinstance(results[0], asyncio.CancelledError)
            assert results[1:] == [None, None] and program.closed == [server]

    run(main)


def test_close_before_serving() -> None:
    async def main() -> None:
        async with connected() as (stream, peer):
            await HTTP1ServerConnection(stream).close()
            assert stream.closed()
            await peer.reads_end()

    run(main)


def test_serving_a_stream_that_is_closed_already() -> None:
    async def main() -> None:
        program = Program()
        async with connected() as (stream, _):
            stream.close()
            server = HTTP1ServerConnection(stream)
            server.start_serving(program)
            await until(lambda: program.closed)
            await server.close()
            assert program.closed == [server] and program.takers == []

    run(main)


@pytest.mark.parametrize("hook", ["on_head", "on_data", "on_finish"])
def test_a_program_that_closes_in_the_middle(hook: str) -> None:
    async def main() -> None:
        program = Program(**{hook: lambda t: t.conn.close()})
        async with served(program) as (_, peer):
            peer.send(post() + get("/2"))
            await peer.reads_end()
            assert [taker.ends for taker in program.takers] == [
                ["finish" if hook == "on_finish" else "closed"]
            ]

    run(main)


# on_close


@pytest.mark.parametrize("how", ["peer", "abort", "refused", "last", "detached", "late"])
def test_on_close_is_called_once_however_it_ends(log: Log, how: str) -> None:
    async def main() -> None:
        params = HTTP1ConnectionParameters(header_timeout=SHORT if how == "late" else None)
        program = Program(on_finish=detaching([]) if how == "detached" else answer)
        async with served(program, params) as (server, peer):
            if how == "peer":
                await peer.hang_up()
            elif how == "abort":
                peer.writer.transport.abort()
            elif how == "refused":
                peer.send(b"garbage\r\n\r\n")
                await peer.reads_refusal(400)
                await peer.hang_up()
            elif how == "last":
                peer.send(get("/", "Connection: close"))
            elif how == "detached":
                peer.send(get())
            await until(lambda: program.closed)
            await turns()
            assert program.closed == [server]

    run(main)
    log.at_most_one()


def test_on_close_may_raise(log: Log) -> None:
    class Raising(Program):
        def on_close(self, server_conn: object) -> None:
            super().on_close(server_conn)
            raise ZeroDivisionError

    async def main() -> None:
        program = Raising()
        async with served(program) as (server, peer):
            peer.send(get())
            await peer.reads(OK)
            await server.close()
            assert program.closed == [server]

    run(main)
    uncaught(log, ZeroDivisionError)


def test_when_the_close_is_known_the_delegate_knows_already() -> None:
    order: list[str] = []

    class Ordered(Program):
        def on_close(self, server_conn: object) -> None:
            super().on_close(server_conn)
            order.extend(self.takers[0].ends)
            order.append("on_close")

    async def main() -> None:
        async with served(Ordered()) as (_, peer):
            peer.send(post()[:-1])
            await turns()
        assert order == ["closed", "on_close"]

    run(main)


# The close callback


def test_the_close_callback_tells_that_the_client_went_before_its_answer() -> None:
    calls: list[str] = []

    async def main() -> None:
        program = Program(on_finish=lambda t: t.conn.set_close_callback(lambda: calls.append("x")))
        async with served(program) as (_, peer):
            peer.send(get())
            await until(lambda: program.takers)
            await peer.hang_up()
            await until(lambda: program.closed)
            assert calls == ["x"]
            assert program.takers[0].ends == ["finish"]

    run(main)


@pytest.mark.parametrize("how", ["answered", "none", "detached", "not there yet"])
def test_when_the_close_callback_is_not_called(how: str) -> None:
    calls: list[str] = []
    streams: list[IOStream] = []

    def hook(taker: Taker) -> None:
        taker.conn.set_close_callback(lambda: calls.append("x"))
        if how == "answered":
            taker.answer()
        elif how == "none":
            taker.conn.set_close_callback(None)
        elif how == "detached":
            streams.append(taker.conn.detach())

    async def main() -> None:
        early = how == "not there yet"
        program = Program(**{"on_head" if early else "on_finish": hook})
        async with served(program) as (_, peer):
            peer.send(post()[:-1] if early else get())
            await until(lambda: program.takers)
            await turns()
            await peer.hang_up()
            for stream in streams:
                stream.close()
            await until(lambda: program.closed)
            assert calls == []
            if early:
                # While the request still comes it is the delegate that is told.
                assert program.takers[0].ends == ["closed"]

    run(main)


def test_a_close_callback_may_raise(log: Log) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    async def main() -> None:
        program = Program(on_finish=lambda t: t.conn.set_close_callback(fail))
        async with served(program) as (_, peer):
            peer.send(get())
            await until(lambda: program.takers)

    run(main)
    uncaught(log, ZeroDivisionError)


# detach()


def detaching(streams: list[IOStream]) -> Hook:
    return lambda taker: streams.append(taker.conn.detach())


@pytest.mark.parametrize(
    ("hook", "unread"),
    [("on_head", b"abcbehind"), ("on_data", b"behind"), ("on_finish", b"behind")],
)
def test_detach_gives_up_the_stream_with_what_is_unread(hook: str, unread: bytes) -> None:
    async def main() -> None:
        streams: list[IOStream] = []
        program = Program(**{hook: detaching(streams)})
        async with served(program) as (server, peer):
            peer.send(post() + b"behind")
            await until(lambda: streams)
            assert streams == [server.stream] and program.closed == [server]
            stream = streams[0]
            assert await stream.read_bytes(len(unread)) == unread
            assert program.takers[0].ends == (["finish"] if hook == "on_finish" else [])
            await stream.write(b"hello")
            await peer.reads(b"hello")
            peer.send(b"more\n")
            assert await stream.read_until(b"\n") == b"more\n"

    run(main)


def test_detach_in_the_middle_of_a_request_later() -> None:
    async def main() -> None:
        program = Program(on_finish=nobody)
        async with served(program) as (_, peer):
            data = post("/", b"abcdef")
            peer.send(data[:-3])
            await until(lambda: program.takers and program.takers[0].pieces)
            stream = program.takers[0].conn.detach()
            peer.send(data[-3:])
            assert await stream.read_bytes(3) == b"def"
            assert (program.takers[0].body, program.takers[0].ends) == (b"abc", [])

    run(main)


@pytest.mark.parametrize("hook", ["on_head", "on_finish"])
def test_detach_after_switching_protocols(hook: str) -> None:
    streams: list[IOStream] = []

    def switch(taker: Taker) -> None:
        head(taker.conn, None, {"Upgrade": "echo", "Connection": "Upgrade"}, 101, "Switching")
        taker.conn.finish()
        streams.append(taker.conn.detach())

    async def main() -> None:
        async with served(Program(**{hook: switch})) as (_, peer):
            peer.send(get("/", "Upgrade: echo", "Connection: Upgrade") + b"frames")
            await peer.reads(
                b"HTTP/1.1 101 Switching\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n"
            )
            assert await streams[0].read_bytes(6) == b"frames"

    run(main)


def test_nothing_is_late_on_a_detached_stream() -> None:
    async def main() -> None:
        streams: list[IOStream] = []
        params = HTTP1ConnectionParameters(header_timeout=SHORT, body_timeout=SHORT)
        async with served(Program(on_head=detaching(streams)), params) as (_, peer):
            peer.send(post()[:-1])
            await until(lambda: streams)
            await outlast(params)
            assert not streams[0].closed()

    run(main)


def test_who_has_detached_can_write_nothing_more_by_http() -> None:
    # The stream speaks another protocol now.
    async def main() -> None:
        streams: list[IOStream] = []
        program = Program(on_head=detaching(streams))
        async with served(program) as (_, peer):
            peer.send(get())
            await until(lambda: streams)
            refused = False
            try:
                program.takers[0].answer()
            except (RuntimeError, HTTPOutputError, OSError):
                refused = True
            await streams[0].write(b"hello")
            await peer.reads(b"hello")
            assert refused

    run(main)


# What is too much, and what is late


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(("size", "fits"), [(2, False), (3, True), (4, True)])
def test_set_max_body_size(log: Log, size: int, fits: bool, chunked: bool, later: bool) -> None:
    async def then(taker: Taker) -> None:
        await turns(3)
        taker.conn.set_max_body_size(size)

    async def main() -> None:
        hook: Hook = then if later else lambda t: t.conn.set_max_body_size(size)
        program = Program(on_head=hook, on_finish=answer)
        data = post()
        if chunked:
            start = "POST / HTTP/1.1"
            data = message(start, "Host: x", "Transfer-Encoding: chunked")
            data += b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"
        async with served(program, HTTP1ConnectionParameters(max_body_size=1)) as (_, peer):
            peer.send(data)
            if fits:
                await peer.reads(OK)
            else:
                await peer.reads_refusal(413)
                await peer.hang_up()
            assert program.takers[0].ends == ["finish" if fits else "closed"]

    run(main)
    log.at_most_one()


def test_set_max_body_size_holds_for_one_request(log: Log) -> None:
    def on_head(taker: Taker) -> None:
        if taker.path == "/more":
            taker.conn.set_max_body_size(3)

    async def main() -> None:
        program = Program(on_head=on_head, on_finish=answer)
        async with served(program, HTTP1ConnectionParameters(max_body_size=1)) as (_, peer):
            peer.send(post("/more"))
            await peer.reads(OK)
            peer.send(post("/"))
            await peer.reads_refusal(413)

    run(main)
    log.one("too long")


@pytest.mark.parametrize(("configured", "size"), [(None, SHORT), (1000.0, SHORT), (SHORT, None)])
def test_a_body_that_is_late(log: Log, configured: float | None, size: float | None) -> None:
    def on_head(taker: Taker) -> None:
        if size is not None:
            taker.conn.set_body_timeout(size)

    async def main() -> None:
        program = Program(on_head=on_head)
        params = HTTP1ConnectionParameters(body_timeout=configured)
        async with served(program, params) as (_, peer):
            peer.send(post()[:-1])
            await peer.reads_end()
            await until(lambda: program.closed)
            assert (program.takers[0].body, program.takers[0].ends) == (b"ab", ["closed"])

    run(main)
    log.one("Timeout reading body")


def test_set_body_timeout_holds_for_one_request(log: Log) -> None:
    def on_head(taker: Taker) -> None:
        if taker.path == "/quick":
            taker.conn.set_body_timeout(SHORT)

    async def main() -> None:
        program = Program(on_head=on_head, on_finish=answer)
        async with served(program) as (_, peer):
            peer.send(post("/quick"))
            await peer.reads(OK)
            data = post("/slow")
            peer.send(data[:-1])
            await until(lambda: len(program.takers) == 2)
            await outlast(HTTP1ConnectionParameters(header_timeout=SHORT))
            peer.send(data[-1:])
            await peer.reads(OK)

    run(main)


def test_set_body_timeout_may_give_more_time() -> None:
    async def main() -> None:
        program = Program(on_head=lambda t: t.conn.set_body_timeout(1000.0), on_finish=answer)
        params = HTTP1ConnectionParameters(header_timeout=SHORT, body_timeout=SHORT)
        async with served(program, params) as (_, peer):
            peer.send(post()[:-1])
            await until(lambda: program.takers)
            await outlast(params)
            peer.send(post()[-1:])
            await peer.reads(OK)

    run(main)


@pytest.mark.parametrize("data", [b"", b"GET / HT", get() + b"GET"])
def test_a_head_that_is_late(data: bytes) -> None:
    async def main() -> None:
        program = Program()
        async with served(program, HTTP1ConnectionParameters(header_timeout=SHORT)) as (_, peer):
            peer.send(data)
            await peer.reads_end(OK if data.startswith(get()) else b"")

    run(main)


@pytest.mark.parametrize("hook", ["on_head", "on_data", "on_finish"])
def test_the_program_may_take_its_time(hook: str) -> None:
    async def main() -> None:
        gate = asyncio.get_running_loop().create_future()
        params = HTTP1ConnectionParameters(header_timeout=SHORT, body_timeout=SHORT)
        program = Program(**{hook: lambda _: gate})
        async with served(program, params) as (_, peer):
            peer.send(post())
            await until(lambda: program.takers)
            await outlast(params)
            gate.set_result(None)
            await until(lambda: program.takers[0].ends)
            program.takers[0].answer()
            await peer.reads(OK)

    run(main)


@pytest.mark.parametrize("call", ["nothing", "set_body_timeout", "set_max_body_size"])
def test_a_connection_that_is_closed_is_let_go(call: str) -> None:
    # Its program may not know yet, and still set what it meant to.
    async def main() -> None:
        program = Program(on_finish=nobody)
        async with served(Program()):
            async with served(program) as (_, peer):
                peer.send(get())
                await until(lambda: program.takers)
                await peer.hang_up()
                await until(lambda: program.closed)
                conn = program.takers[0].conn
                if call == "set_body_timeout":
                    conn.set_body_timeout(1.0)
                elif call == "set_max_body_size":
                    conn.set_max_body_size(1)
            found = weakref.ref(conn)
            del conn, peer, program.takers[:]
            await turns()
            gc.collect()
            assert found() is None

    run(main)


@pytest.mark.parametrize("encoded", [False, True])
def test_behind_a_refusal_a_program_writes_in_vain(log: Log, encoded: bool) -> None:
    async def main() -> None:
        program = Program()
        async with served(program) as (_, peer):
            peer.send(message("POST / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked") + b"1")
            await until(lambda: program.takers)
            conn = program.takers[0].conn
            peer.send(b"z\r\n")
            await until(lambda: program.takers[0].ends)
            assert program.takers[0].ends == ["closed"]
            if encoded:
                sent = [conn.write(OK)]
            else:
                sent = [head(conn, b"la", {"Content-Length": "4"}), conn.write(b"te")]
            for future in sent:
                assert isinstance(future.exception(), StreamClosedError)
            conn.finish()
            await peer.reads_refusal(400)

    run(main)
    log.allow(1)
