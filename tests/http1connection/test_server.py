"""A server's connection with a program of one's own: who is told what, and how it ends."""

from __future__ import annotations

import asyncio

import pytest
from tests.http1connection.support import (
    OK,
    OK_AND_CLOSE,
    Program,
    Taker,
    answer,
    connected,
    flood,
    get,
    head,
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

from tornadic.http1connection import (
    HTTP1ConnectionParameters,
    HTTP1ServerConnection,
    connection,
)
from tornadic.httputil import HTTPOutputError
from tornadic.iostream import StreamClosedError

# Requests, one after another


def test_a_program_is_asked_who_takes_each_request() -> None:
    async def main() -> None:
        program = Program()
        context = object()
        async with served(program, context=context) as (server, peer):
            assert server.context is context
            for number in range(3):
                peer.send(post(f"/{number}", b"abc"))
                await peer.reads(OK)
            assert program.connections == [server] * 3
            assert program.paths == ["/0", "/1", "/2"]
            for taker in program.takers:
                assert taker.conn.context is context
                assert taker.headers["Host"] == "example.com"
                assert (taker.body, taker.ends) == (b"abc", ["finish"])
            assert program.closed == []

    run(main)


def test_nobody_is_asked_before_a_request_is_there() -> None:
    async def main() -> None:
        program = Program()
        async with served(program) as (_, peer):
            peer.send(get()[:-1])
            await turns()
            assert program.takers == []
            peer.send(get()[-1:])
            await peer.reads(OK)

    run(main)


def test_a_request_that_comes_byte_by_byte() -> None:
    async def main() -> None:
        program = Program()
        async with served(program) as (_, peer):
            await peer.send_bytewise(post())
            await peer.reads(OK)
            assert program.takers[0].body == b"abc"

    run(main)


def test_what_was_read_from_the_stream_before() -> None:
    # A balancer may first say who the client is.
    async def main() -> None:
        program = Program()
        async with connected() as (stream, peer):
            peer.send(b"PROXY TCP4 192.0.2.1\r\n" + get("/1") + get("/2"))
            assert await stream.read_until(b"\r\n") == b"PROXY TCP4 192.0.2.1\r\n"
            server = HTTP1ServerConnection(stream)
            server.start_serving(program)
            await peer.reads(OK + OK)
            assert program.paths == ["/1", "/2"]
            await server.close()

    run(main)


@pytest.mark.parametrize("count", [2, 64, 65, 300])
@pytest.mark.parametrize("data", [get(), post()])
def test_pipelined_requests_are_answered_in_their_order(count: int, data: bytes) -> None:
    async def main() -> None:
        program = Program(on_finish=lambda t: t.answer(t.path.encode()))
        async with served(program) as (_, peer):
            peer.send(b"".join(data.replace(b" / ", b" /%d " % i) for i in range(count)))
            for i in range(count):
                body = b"/%d" % i
                await peer.reads(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
                await peer.reads(body)
            assert [taker.ends for taker in program.takers] == [["finish"]] * count

    run(main)


def test_answers_that_come_later_from_a_callback() -> None:
    async def main() -> None:
        def on_finish(taker: Taker) -> None:
            asyncio.get_running_loop().call_soon(taker.answer)

        program = Program(on_finish=on_finish)
        async with served(program) as (_, peer):
            peer.send(b"".join(get(f"/{i}") for i in range(70)))
            await peer.reads(OK * 70)
            assert program.paths == [f"/{i}" for i in range(70)]

    run(main)


def test_the_next_request_waits_for_the_answer_to_this_one() -> None:
    async def main() -> None:
        program = Program(on_finish=nobody)
        async with served(program) as (_, peer):
            peer.send(get("/1") + post("/2") + get("/3"))
            for number in range(1, 4):
                await until(lambda: program.takers and program.takers[-1].ends)
                await turns()
                assert len(program.takers) == number
                program.takers[-1].answer()
                await peer.reads(OK)
            assert program.paths == ["/1", "/2", "/3"]

    run(main)


def test_while_an_answer_is_due_the_peers_sending_stalls() -> None:
    async def main() -> None:
        program = Program(on_finish=nobody)
        async with socket_pair() as (stream, theirs):
            server = HTTP1ServerConnection(stream)
            server.start_serving(program)
            sent = await flood(theirs, get() * 1000, 1 << 24)
            assert sent < 1 << 22, "requests pile up, though none was answered"
            assert len(program.takers) == 1
            await server.close()

    run(main)


# Answers


def test_an_answer_before_the_request_is_read() -> None:
    async def main() -> None:
        program = Program(on_head=answer)
        async with served(program) as (_, peer):
            peer.send(post("/1", bytes(10))[:-5])
            await peer.reads(OK)
            await turns()
            assert len(program.takers) == 1
            peer.send(bytes(5) + get("/2"))
            await peer.reads(OK)
            assert program.paths == ["/1", "/2"]

    run(main)


@pytest.mark.parametrize("more", [0, 1])
def test_of_a_request_that_is_answered_so_much_is_read(
    monkeypatch: pytest.MonkeyPatch, more: int
) -> None:
    monkeypatch.setattr(connection, "LINGER_BYTES", 1000)

    async def main() -> None:
        program = Program(on_head=answer)
        async with served(program) as (_, peer):
            body = bytes(1000 + more)
            peer.send(post("/1", body)[: -len(body)])
            await peer.reads(OK)
            peer.send(body + get("/2"))
            await peer.reads_end() if more else await peer.reads(OK)
            assert program.paths == ["/1", "/2"][: 2 - more]

    run(main)


def test_an_answer_in_the_middle_of_the_request() -> None:
    async def main() -> None:
        def on_data(taker: Taker) -> None:
            if len(taker.pieces) == 1:
                taker.answer()

        program = Program(on_data=on_data)
        async with served(program) as (_, peer):
            for number in range(2):
                data = post(f"/{number}", bytes(10))
                peer.send(data[:-5])
                await peer.reads(OK)
                peer.send(data[-5:])
            peer.send(post("/2", bytes(10)))
            await peer.reads(OK)
            assert program.paths == ["/0", "/1", "/2"]

    run(main)


def test_an_answer_that_begins_before_the_request_is_read() -> None:
    async def main() -> None:
        def on_head(taker: Taker) -> None:
            head(taker.conn, None, {"Content-Length": "3"})

        def on_data(taker: Taker) -> None:
            taker.conn.write(taker.pieces[-1])

        program = Program(
            on_head=on_head,
            on_data=on_data,
            on_finish=lambda t: t.conn.finish(),
        )
        async with served(program) as (_, peer):
            data = post() + get("/2")
            peer.send(data[: len(post()) - 2])
            await peer.reads(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na")
            peer.send(data[len(post()) - 2 : -1])
            await peer.reads(b"bc")
            assert program.takers[0].ends == ["finish"]

    run(main)


def test_the_rest_of_a_refused_request_is_of_no_interest() -> None:
    async def main() -> None:
        program = Program(on_head=lambda t: t.answer(Connection="close"))
        async with served(program) as (_, peer):
            peer.send(post("/1", bytes(1 << 18))[: -(1 << 17)])
            await peer.reads_end(
                b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
            )
            peer.send(bytes(1 << 17) + get("/2"))
            await turns()
            assert program.paths == ["/1"]

    run(main)


def test_no_keep_alive() -> None:
    async def main() -> None:
        program = Program()
        async with served(program, HTTP1ConnectionParameters(no_keep_alive=True)) as (_, peer):
            peer.send(post("/1") + get("/2"))
            await peer.reads_end(OK_AND_CLOSE)
            assert program.paths == ["/1"]

    run(main)


@pytest.mark.parametrize(
    ("data", "sent"),
    [
        (get("/", "Connection: close"), OK_AND_CLOSE),
        (get("/", version="HTTP/1.0"), OK_AND_CLOSE),
        (
            get("/", "Connection: keep-alive", version="HTTP/1.0"),
            OK.replace(b"\r\n\r\n", b"\r\nConnection: Keep-Alive\r\n\r\n"),
        ),
    ],
)
def test_the_client_decides_whether_the_connection_stays(data: bytes, sent: bytes) -> None:
    async def main() -> None:
        async with served(Program()) as (_, peer):
            peer.send(data)
            await peer.reads(sent)
            if b"close" in sent:
                await peer.reads_end()
            else:
                peer.send(get())
                await peer.reads(OK)

    run(main)


def test_an_answer_without_a_length() -> None:
    def on_finish(taker: Taker) -> None:
        head(taker.conn, b"abc", {"X": "y"})
        taker.conn.write(b"")
        taker.conn.write(b"de")
        taker.conn.finish()

    async def main() -> None:
        async with served(Program(on_finish=on_finish)) as (_, peer):
            peer.send(get())
            await peer.reads(b"HTTP/1.1 200 OK\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n")
            await peer.reads(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
            peer.send(get("/", version="HTTP/1.0"))
            await peer.reads_end(b"HTTP/1.1 200 OK\r\nX: y\r\nConnection: close\r\n\r\nabcde")

    run(main)


@pytest.mark.parametrize(("method", "code"), [("HEAD", 200), ("GET", 304)])
def test_an_answer_without_a_body_may_tell_its_length(method: str, code: int) -> None:
    def on_finish(taker: Taker) -> None:
        head(taker.conn, None, {"Content-Length": "5"}, code)
        taker.conn.finish()

    async def main() -> None:
        async with served(Program(on_finish=on_finish)) as (_, peer):
            for _ in range(2):
                peer.send(get().replace(b"GET", method.encode()))
                await peer.reads(b"HTTP/1.1 %d OK\r\nContent-Length: 5\r\n\r\n" % code)

    run(main)


def test_an_informational_answer_comes_before_the_final_one() -> None:
    def on_finish(taker: Taker) -> None:
        head(taker.conn, None, {"Link": "</style.css>"}, 103, "Early Hints")
        taker.answer()

    async def main() -> None:
        async with served(Program(on_finish=on_finish)) as (_, peer):
            for _ in range(2):
                peer.send(get())
                await peer.reads(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n" + OK)

    run(main)


# Answers that are none


def test_an_answer_cut_short_closes() -> None:
    def on_finish(taker: Taker) -> None:
        head(taker.conn, b"ab", {"Content-Length": "3"})
        with pytest.raises(HTTPOutputError):
            taker.conn.finish()

    async def main() -> None:
        program = Program(on_finish=on_finish)
        async with served(program) as (_, peer):
            peer.send(get() + get())
            await peer.reads_end(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab")
            assert len(program.takers) == 1

    run(main)


def test_an_answer_that_is_too_long_closes() -> None:
    def on_finish(taker: Taker) -> None:
        head(taker.conn, b"a", {"Content-Length": "3"})
        with pytest.raises(HTTPOutputError):
            taker.conn.write(b"bcd")

    async def main() -> None:
        async with served(Program(on_finish=on_finish)) as (_, peer):
            peer.send(get())
            await peer.reads_end(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na")

    run(main)


@pytest.mark.parametrize(
    ("fields", "chunk", "reason", "error"),
    [
        ({"Content-Length": "2"}, b"abc", "OK", HTTPOutputError),
        ({"Content-Length": "-2"}, None, "OK", HTTPOutputError),
        ({"Content-Length": "2", "Transfer-Encoding": "chunked"}, None, "OK", HTTPOutputError),
        ({"Content-Length": "2"}, None, "OK\r\nX: y", ValueError),
        ({"Content-Length": "2"}, None, "OK\0", ValueError),
    ],
)
def test_of_a_head_that_is_refused_nothing_is_sent(
    fields: dict[str, str], chunk: bytes | None, reason: str, error: type[Exception]
) -> None:
    def on_finish(taker: Taker) -> None:
        with pytest.raises(error):
            head(taker.conn, chunk, fields, 200, reason)
        if not taker.conn.stream.closed():
            taker.answer()

    async def main() -> None:
        async with served(Program(on_finish=on_finish)) as (_, peer):
            peer.send(get(), end=True)
            assert without_dates(await peer.reader.read()) in (OK, b"")

    run(main)


def test_an_end_without_a_beginning(log: Log) -> None:
    async def main() -> None:
        async with served(Program(on_finish=lambda t: t.conn.finish())) as (_, peer):
            peer.send(get())
            await peer.reads_end()

    run(main)
    uncaught(log, RuntimeError)


def test_nothing_is_written_behind_an_answer() -> None:
    def on_finish(taker: Taker) -> None:
        taker.answer()
        with pytest.raises(HTTPOutputError):
            taker.conn.write(b"behind")

    async def main() -> None:
        async with served(Program(on_finish=on_finish)) as (_, peer):
            peer.send(get())
            assert OK.startswith(without_dates(await peer.reader.read()))

    run(main)


# The client is gone


@pytest.mark.parametrize("begun", [True, False])
def test_writes_after_the_close_fail_by_their_futures(begun: bool) -> None:
    async def main() -> None:
        program = Program(on_finish=nobody)
        async with served(program) as (_, peer):
            peer.send(get())
            await until(lambda: program.takers)
            conn = program.takers[0].conn
            if begun:
                head(conn, b"ab", {"Content-Length": "6"})
            await peer.hang_up()
            await until(lambda: program.closed)
            if not begun:
                with pytest.raises(StreamClosedError):
                    await head(conn, b"ab", {"Content-Length": "6"})
            with pytest.raises(StreamClosedError):
                await conn.write(b"cd")
            # Who is told by a future need not be told again.
            conn.finish()

    run(main)


def test_a_write_that_waits_fails_when_the_client_goes() -> None:
    async def main() -> None:
        program = Program(on_finish=nobody)
        async with served(program) as (_, peer):
            peer.send(get())
            await until(lambda: program.takers)
            conn = program.takers[0].conn
            future = head(conn, bytes(1 << 24), {"Content-Length": str(1 << 24)})
            await turns()
            assert not future.done()
            peer.writer.transport.abort()
            with pytest.raises(StreamClosedError):
                await future

    run(main)


def test_a_write_is_done_when_the_client_has_read() -> None:
    size = 1 << 23

    async def main() -> None:
        program = Program(on_finish=nobody)
        async with served(program) as (_, peer):
            peer.send(get() + get())
            for number in range(2):
                await until(lambda: program.takers and program.takers[-1].ends)
                assert len(program.takers) == number + 1
                conn = program.takers[-1].conn
                future = head(conn, bytes(size), {"Content-Length": str(size)})
                conn.finish()
                await turns()
                assert not future.done() and len(program.takers) == number + 1
                await peer.reader.readuntil(b"\r\n\r\n")
                await peer.reads(bytes(size))
                await future

    run(main)
