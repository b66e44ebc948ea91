"""Heads that a program writes: one for each answer, and what may come before it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.http1connection.support import (
    OK,
    OK_AND_CLOSE,
    Program,
    Taker,
    get,
    head,
    message,
    run,
    served,
    uncaught,
)
from tests.server.logs import Log

from tornadic.http1connection import HTTP1Connection
from tornadic.httputil import HTTPInputError, HTTPOutputError

CHUNKED = "Transfer-Encoding: chunked"
EXPECT = "Expect: 100-continue"
NOTHING_IN_CHUNKS = b"0\r\n\r\n"


def answers(data: bytes, sent: bytes, on_finish: Any, goes_on: bool = True) -> None:
    """To ``data`` the program answers ``sent``, and then the connection is of further use."""

    async def main() -> None:
        program = Program(on_finish=on_finish)
        async with served(program) as (_, peer):
            peer.send(data)
            await peer.reads(sent)
            if goes_on:
                program.hooks = Program().hooks
                peer.send(get())
                await peer.reads(OK)
            else:
                await peer.reads_end()

    run(main)


@pytest.mark.parametrize("code", [200, 304, 404, 101])
@pytest.mark.parametrize("again", [100, 101, 200, 500])
def test_an_answer_has_one_head(code: int, again: int) -> None:
    def on_finish(taker: Taker) -> None:
        head(taker.conn, None, {"Content-Length": "0"}, code)
        with pytest.raises(RuntimeError):
            head(taker.conn, None, {"Content-Length": "0"}, again)
        taker.conn.finish()
        with pytest.raises(RuntimeError):
            head(taker.conn, None, {"Content-Length": "0"}, again)

    length = b"" if code == 101 else b"Content-Length: 0\r\n"
    answers(get(), b"HTTP/1.1 %d OK\r\n%b\r\n" % (code, length), on_finish)


def test_in_the_middle_of_a_body_there_is_no_head() -> None:
    def on_finish(taker: Taker) -> None:
        head(taker.conn, b"a", {"Content-Length": "2"})
        with pytest.raises(RuntimeError):
            taker.answer()
        taker.conn.write(b"b")
        taker.conn.finish()

    answers(get(), b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", on_finish)


def test_a_head_that_was_refused_may_be_mended() -> None:
    def on_finish(taker: Taker) -> None:
        with pytest.raises(ValueError):
            head(taker.conn, reason="a\r\nb")
        with pytest.raises(HTTPOutputError):
            head(taker.conn, b"abc", {"Content-Length": "2"})
        taker.answer()

    answers(get(), OK, on_finish)


def test_any_number_of_informational_heads_come_before() -> None:
    def on_finish(taker: Taker) -> None:
        for code in (103, 102, 103):
            head(taker.conn, None, {"X": "y"}, code)
        taker.answer()

    informed = b"".join(b"HTTP/1.1 %d OK\r\nX: y\r\n\r\n" % code for code in (103, 102, 103))
    answers(get(), informed + OK, on_finish)
    # By HTTP/1.0 they would be taken for the answer.
    answers(get(version="HTTP/1.0"), OK_AND_CLOSE, on_finish, goes_on=False)


def test_an_informational_head_says_nothing_of_the_end_of_the_connection() -> None:
    def on_finish(taker: Taker) -> None:
        head(taker.conn, None, None, 103)
        taker.answer()

    sent = b"HTTP/1.1 103 OK\r\n\r\n" + OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    answers(get("/", "Connection: close"), sent, on_finish, goes_on=False)


def test_an_informational_head_alone_is_no_answer(log: Log) -> None:
    def on_finish(taker: Taker) -> None:
        head(taker.conn, None, None, 103)
        taker.conn.finish()

    answers(get(), b"HTTP/1.1 103 OK\r\n\r\n", on_finish, goes_on=False)
    uncaught(log, RuntimeError)


def test_a_refusal_may_come_behind_an_informational_head(log: Log) -> None:
    def on_data(taker: Taker) -> None:
        head(taker.conn, None, None, 103)
        raise HTTPInputError("dislike")

    async def main() -> None:
        async with served(Program(on_data=on_data)) as (_, peer):
            peer.send(message("POST / HTTP/1.1", "Host: a", "Content-Length: 1", body=b"x"))
            await peer.reads(b"HTTP/1.1 103 OK\r\n\r\n")
            await peer.reads_refusal(400)

    run(main)
    log.one("dislike")


# Who waits for a 100


@pytest.mark.parametrize("bytewise", [False, True])
def test_an_empty_body_in_chunks_closes_nothing(bytewise: bool) -> None:
    data = message("POST / HTTP/1.1", "Host: a", CHUNKED, EXPECT, body=NOTHING_IN_CHUNKS)

    async def main() -> None:
        async with served(Program()) as (_, peer):
            for _ in range(2):
                if bytewise:
                    await peer.send_bytewise(data)
                    await peer.reads(b"HTTP/1.1 100 Continue\r\n\r\n")
                else:
                    peer.send(data)
                await peer.reads(OK)

    run(main)


def test_a_program_may_send_the_100_itself() -> None:
    def on_head(taker: Taker) -> None:
        head(taker.conn, None, None, 100, "Continue")

    async def main() -> None:
        hooks = {"on_head": on_head, **Program().hooks}
        async with served(Program(**hooks)) as (_, peer):
            for _ in range(2):
                peer.send(message("POST / HTTP/1.1", "Host: a", "Content-Length: 1", EXPECT))
                await peer.reads(b"HTTP/1.1 100 Continue\r\n\r\n")
                peer.send(b"x")
                await peer.reads(OK)

    run(main)


def test_another_informational_head_does_not_stand_for_the_100() -> None:
    def on_head(taker: Taker) -> None:
        head(taker.conn, None, None, 103)

    async def main() -> None:
        hooks = {"on_head": on_head, **Program().hooks}
        async with served(Program(**hooks)) as (_, peer):
            peer.send(message("POST / HTTP/1.1", "Host: a", "Content-Length: 1", EXPECT))
            await peer.reads(b"HTTP/1.1 103 OK\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n")
            peer.send(b"x")
            await peer.reads(OK)

    run(main)


# Heads that a program has encoded itself


def written(*pieces: bytes) -> Any:
    """The hook of a program that writes ``pieces`` and no head."""

    def on_finish(taker: Taker) -> None:
        for piece in pieces:
            taker.conn.write(piece)
        taker.conn.finish()

    return on_finish


@pytest.mark.parametrize(
    "pieces",
    [(OK,), (OK[:-2], b"ok"), (OK[:-1], b"", b"k"), (OK.replace(b"1.1", b"1.0"),)],
)
def test_a_head_that_the_program_has_encoded(pieces: tuple[bytes, ...]) -> None:
    answers(get(), OK, written(*pieces))


def test_a_head_that_the_program_has_encoded_is_framed_like_any() -> None:
    on_finish = written(b"HTTP/1.1 404 No\r\nX: y\r\nX: z\r\n\r\n", b"abc", b"d")
    chunked = b"HTTP/1.1 404 No\r\nX: y\r\nX: z\r\nTransfer-Encoding: chunked\r\n\r\n"
    answers(get(), chunked + b"3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n", on_finish)
    until_close = b"HTTP/1.1 404 No\r\nX: y\r\nX: z\r\nConnection: close\r\n\r\nabcd"
    answers(get(version="HTTP/1.0"), until_close, on_finish, goes_on=False)


@pytest.mark.parametrize(
    "piece",
    [
        b"abc",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\n\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\na b: c\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab",
    ],
)
def test_what_is_no_head_is_not_sent_for_one(piece: bytes) -> None:
    def on_finish(taker: Taker) -> None:
        with pytest.raises(HTTPOutputError):
            taker.conn.write(piece)

    answers(get(), b"", on_finish, goes_on=False)


def test_behind_an_answer_there_is_no_encoded_head_either() -> None:
    conns: list[HTTP1Connection] = []

    def on_finish(taker: Taker) -> None:
        conns.append(taker.conn)
        taker.answer()

    async def main() -> None:
        async with served(Program(on_finish=on_finish)) as (_, peer):
            peer.send(get())
            await peer.reads(OK)
            with pytest.raises(HTTPOutputError):
                conns[0].write(OK)
            await peer.reads_end()

    run(main)


def test_writing_nothing_is_no_head() -> None:
    def on_finish(taker: Taker) -> None:
        assert taker.conn.write(b"").done()
        taker.answer()

    answers(get(), OK, on_finish)
