"""A client's connection: it reads responses, and then the stream is its owner's again."""

from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from tests.http1connection.support import (
    SHORT,
    Hook,
    Peer,
    Taker,
    client,
    connected,
    request,
    response,
    run,
    turns,
    uncaught,
    until,
)
from tests.server.logs import Log

from tornadic.http1connection import HTTP1Connection, HTTP1ConnectionParameters
from tornadic.httputil import HTTPInputError
from tornadic.iostream import IOStream

LENGTH_3 = "Content-Length: 3"
CHUNKED = "Transfer-Encoding: chunked"
GZIP = "Content-Encoding: gzip"
PLAIN = response(LENGTH_3, body=b"abc")


@dataclass
class Outcome:
    """What `read_response` came to; ``stream_closed`` is how it left the stream."""

    usable: bool
    taker: Taker
    stream_closed: bool


def exchange(
    data: bytes,
    *,
    method: str = "GET",
    end: bool = False,
    params: HTTP1ConnectionParameters | None = None,
    bytewise: bool = False,
    hooks: dict[str, Hook] | None = None,
) -> Outcome:
    """Ask by ``method``, and read ``data``, after which the server closes if ``end``."""
    outcomes: list[Outcome] = []

    async def main() -> None:
        async with client(params) as (conn, peer):
            outcomes.append(await ask(conn, peer, data, method, end, bytewise, hooks))

    run(main)
    return outcomes[0]


async def ask(
    conn: HTTP1Connection,
    peer: Peer,
    data: bytes,
    method: str = "GET",
    end: bool = False,
    bytewise: bool = False,
    hooks: dict[str, Hook] | None = None,
) -> Outcome:
    taker = Taker(**hooks or {})
    taker.conn = conn
    await request(conn, method)
    conn.finish()
    if bytewise:
        future = conn.read_response(taker)
        await peer.send_bytewise(data, end)
    else:
        peer.send(data, end)
        future = conn.read_response(taker)
    usable = await future
    return Outcome(usable, taker, conn.stream.closed())


def takes(
    outcome: Outcome, body: bytes, usable: bool = True, codes: list[int] | None = None
) -> None:
    """The message came whole, and the stream is open if it is of further use."""
    taker = outcome.taker
    assert (taker.codes, taker.body, taker.ends) == (codes or [200], body, ["finish"])
    assert (outcome.usable, outcome.stream_closed) == (usable, not usable)


def fails(outcome: Outcome, codes: list[int], body: bytes = b"") -> None:
    """The message did not come whole: the delegate knows, and the stream is closed."""
    taker = outcome.taker
    assert (taker.codes, taker.body, taker.ends) == (codes, body, ["closed"])
    assert (outcome.usable, outcome.stream_closed) == (False, True)


# Where a body ends


@pytest.mark.parametrize("bytewise", [False, True])
@pytest.mark.parametrize(
    ("data", "body", "usable"),
    [
        (PLAIN, b"abc", True),
        (response("Content-Length: 0"), b"", True),
        (response(CHUNKED, body=b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"), b"abc", True),
        (response(CHUNKED, body=b"3;x=y\r\nabc\r\n0\r\nX: y\r\n\r\n"), b"abc", True),
        (response(CHUNKED, body=b"0\r\n\r\n"), b"", True),
        (response(LENGTH_3, LENGTH_3, body=b"abc"), b"abc", True),
        (response("Content-Length: 3, 3", body=b"abc"), b"abc", True),
        (response(LENGTH_3, "Connection: close", body=b"abc"), b"abc", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", b"abc", False),
        (b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n" + PLAIN[17:], b"abc", True),
        (b"HTTP/1.1 200\r\nContent-Length: 3\r\n\r\nabc", b"abc", True),
    ],
)
def test_a_body_by_length_or_in_chunks(
    data: bytes, body: bytes, usable: bool, bytewise: bool
) -> None:
    takes(exchange(data, bytewise=bytewise), body, usable)


@pytest.mark.parametrize("bytewise", [False, True])
@pytest.mark.parametrize("start", [b"HTTP/1.1", b"HTTP/1.0"])
@pytest.mark.parametrize("body", [b"", b"abc", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_a_body_until_the_close(start: bytes, body: bytes, bytewise: bool) -> None:
    data = start + b" 200 OK\r\n\r\n" + body
    takes(exchange(data, end=True, bytewise=bytewise), body, usable=False)


@pytest.mark.parametrize("fields", [[], [LENGTH_3], ["Content-Length: 0"], [CHUNKED]])
def test_to_head_there_is_no_body(fields: list[str]) -> None:
    takes(exchange(response(*fields), method="HEAD"), b"")


@pytest.mark.parametrize("fields", [[], [LENGTH_3], ["Content-Length: 0"], [CHUNKED]])
def test_304_has_no_body(fields: list[str]) -> None:
    takes(exchange(response(*fields, status="304 Not Modified")), b"", codes=[304])


@pytest.mark.parametrize("fields", [[], ["Content-Length: 0"]])
def test_204_has_no_body(fields: list[str]) -> None:
    takes(exchange(response(*fields, status="204 No Content")), b"", codes=[204])


@pytest.mark.parametrize("field", ["Content-Length: 1", CHUNKED])
@pytest.mark.parametrize("status", ["204 No Content", "100 Continue", "103 Early Hints"])
def test_204_and_1xx_that_announce_a_body_are_refused(log: Log, field: str, status: str) -> None:
    # Another client would wait for that body, and take the next response for it.
    outcome = exchange(response(field, status=status) + PLAIN)
    assert outcome.taker.ends == ["closed"] and outcome.taker.body == b""
    assert 200 not in outcome.taker.codes
    assert not outcome.usable and outcome.stream_closed
    log.one("Malformed HTTP message")


@pytest.mark.parametrize(
    ("data", "method", "codes"),
    [
        (PLAIN, "GET", [200]),
        (response(CHUNKED, body=b"3\r\nabc\r\n0\r\n\r\n"), "GET", [200]),
        (response(LENGTH_3), "HEAD", [200]),
        (response(), "HEAD", [200]),
        (response(status="204 No Content"), "GET", [204]),
        (response(LENGTH_3, status="304 Not Modified"), "GET", [304]),
        (response(status="100 Continue") + PLAIN, "GET", [100, 200]),
        (response("Upgrade: x", "Connection: upgrade", status="101 Switching"), "GET", [101]),
    ],
)
@pytest.mark.parametrize("bytewise", [False, True])
def test_what_comes_behind_the_message_is_the_owners(
    data: bytes, method: str, codes: list[int], bytewise: bool
) -> None:
    async def main() -> None:
        async with client() as (conn, peer):
            outcome = await ask(conn, peer, data + b"behind", method, bytewise=bytewise)
            assert outcome.usable and outcome.taker.codes == codes
            assert await conn.stream.read_bytes(6) == b"behind"
            peer.send(b"further\n")
            assert await conn.stream.read_until(b"\n") == b"further\n"
            await conn.stream.write(b"answer")
            await peer.reader.readuntil(b"\r\n\r\n")
            await peer.reads(b"answer")

    run(main)


@pytest.mark.parametrize("same", [True, False])
def test_one_exchange_after_another(same: bool) -> None:
    # What is known of one request and its response does not carry over.
    async def main() -> None:
        async with client() as (conn, peer):
            for data, method, body in [
                (response(LENGTH_3), "HEAD", b""),
                (PLAIN, "GET", b"abc"),
                (response(CHUNKED, body=b"1\r\nx\r\n0\r\n\r\n"), "GET", b"x"),
                (PLAIN, "GET", b"abc"),
            ]:
                takes(await ask(conn, peer, data, method), body)
                if not same:
                    conn = HTTP1Connection(conn.stream, True)

    run(main)


def test_responses_that_come_at_once_are_read_one_by_one() -> None:
    async def main() -> None:
        async with client() as (conn, peer):
            peer.send(b"".join(response("Content-Length: 1", body=b"%d" % i) for i in range(3)))
            for i in range(3):
                takes(await ask(conn, peer, b""), b"%d" % i)

    run(main)


# Informational responses


@pytest.mark.parametrize("count", [1, 2, 10])
@pytest.mark.parametrize("status", ["100 Continue", "102 Processing", "103 Early Hints"])
def test_informational_responses_come_first(count: int, status: str) -> None:
    outcome = exchange(response("X: y", status=status) * count + PLAIN)
    takes(outcome, b"abc", codes=[int(status[:3])] * count + [200])


def test_more_than_10_informational_responses_are_refused(log: Log) -> None:
    outcome = exchange(response(status="100 Continue") * 11 + PLAIN)
    assert outcome.taker.codes[:10] == [100] * 10 and 200 not in outcome.taker.codes
    assert outcome.taker.ends == ["closed"]
    assert not outcome.usable and outcome.stream_closed
    log.one("informational")


def test_each_response_may_have_its_10_informational_ones() -> None:
    async def main() -> None:
        async with client() as (conn, peer):
            for _ in range(3):
                outcome = await ask(conn, peer, response(status="100 Continue") * 10 + PLAIN)
                takes(outcome, b"abc", codes=[100] * 10 + [200])

    run(main)


def test_informational_responses_alone_are_no_response() -> None:
    fails(exchange(response(status="100 Continue") * 2, end=True), [100, 100])


# What is no message


@pytest.mark.parametrize(
    "fields",
    [
        ["Content-Length: 3", "Content-Length: 4"],
        ["Content-Length: 3, 4"],
        ["Content-Length: 3", "Transfer-Encoding: chunked"],
        ["Content-Length: -3"],
        ["Content-Length: +3"],
        ["Content-Length: 3_0"],
        ["Content-Length: "],
        ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: gzip, chunked"],
        ["Transfer-Encoding: identity"],
    ],
)
def test_conflicting_or_malformed_lengths_are_refused(log: Log, fields: list[str]) -> None:
    outcome = exchange(response(*fields, body=b"3\r\nabc\r\n0\r\n\r\n"))
    assert outcome.taker.body == b"" and outcome.taker.ends == ["closed"]
    assert not outcome.usable and outcome.stream_closed
    log.one("Malformed HTTP message")


@pytest.mark.parametrize(
    "data",
    [
        b"garbage\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        response("X : y"),
        response("X: \0"),
        response("no field"),
        response("A: b", " folded"),
        b"\r\n\r\n\r\n" + PLAIN,
    ],
)
def test_malformed_heads_are_refused(log: Log, data: bytes) -> None:
    fails(exchange(data), [])
    log.one("Malformed HTTP message")


@pytest.mark.parametrize(
    "body", [b"x\r\n", b"3\r\nabcd\r\n", b"-3\r\n", b"0x3\r\nabc\r\n", b"3\nabc"]
)
def test_malformed_chunks_are_refused(log: Log, body: bytes) -> None:
    outcome = exchange(response(CHUNKED, body=body))
    assert outcome.taker.ends == ["closed"] and not outcome.usable and outcome.stream_closed
    log.one("Malformed HTTP message")


@pytest.mark.parametrize("bytewise", [False, True])
@pytest.mark.parametrize(
    ("data", "codes", "body"),
    [
        (response(LENGTH_3, body=b"ab"), [200], b"ab"),
        (response(LENGTH_3), [200], b""),
        (b"HTTP/1.0 200 OK\r\n" + response(LENGTH_3, body=b"ab")[17:], [200], b"ab"),
        (response(CHUNKED, body=b"3\r\nab"), [200], b"ab"),
        (response(CHUNKED, body=b"2\r\nab\r\n"), [200], b"ab"),
        (response(CHUNKED, body=b"2\r\nab\r\n0\r\n"), [200], b"ab"),
        (PLAIN[:-4], [], b""),
        (b"H", [], b""),
        (b"", [], b""),
    ],
)
def test_a_message_cut_short_is_an_error_never_a_shorter_one(
    data: bytes, codes: list[int], body: bytes, bytewise: bool
) -> None:
    fails(exchange(data, end=True, bytewise=bytewise), codes, body)


def test_on_a_closed_stream_there_is_no_response() -> None:
    async def main() -> None:
        async with client() as (conn, _):
            conn.stream.close()
            await turns()
            taker = Taker()
            assert await conn.read_response(taker) is False
            assert (taker.start_lines, taker.ends) == ([], ["closed"])

    run(main)


@pytest.mark.parametrize("by_stream", [True, False])
@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 ", PLAIN[:-1]])
def test_closing_while_the_response_comes(data: bytes, by_stream: bool) -> None:
    async def main() -> None:
        async with client() as (conn, peer):
            taker = Taker()
            future = conn.read_response(taker)
            peer.send(data)
            await turns()
            if by_stream:
                conn.stream.close()
            else:
                conn.close()
            assert await future is False
            assert taker.ends == ["closed"]

    run(main)


# Limits


def params(**options: Any) -> HTTP1ConnectionParameters:
    return HTTP1ConnectionParameters(**options)


def test_max_header_size(log: Log) -> None:
    size = len(PLAIN) - 3
    takes(exchange(PLAIN, params=params(max_header_size=size)), b"abc")
    fails(exchange(PLAIN, params=params(max_header_size=size - 1)), [])
    log.one("too long")


BODIES_OF_3 = [
    PLAIN,
    response(CHUNKED, body=b"3\r\nabc\r\n0\r\n\r\n"),
    response(CHUNKED, body=b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"),
    response(body=b"abc"),
]


@pytest.mark.parametrize("data", BODIES_OF_3)
def test_max_body_size(log: Log, data: bytes) -> None:
    until_close = data == BODIES_OF_3[-1]
    takes(exchange(data, end=until_close, params=params(max_body_size=3)), b"abc", not until_close)
    outcome = exchange(data, end=until_close, params=params(max_body_size=2))
    assert outcome.taker.codes == [200] and outcome.taker.ends == ["closed"]
    assert len(outcome.taker.body) <= 2 and not outcome.usable
    log.one("too long")


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize(("configured", "size", "fits"), [(1, 3, True), (9, 2, False)])
def test_set_max_body_size_overrides_the_parameters(
    log: Log, before: bool, configured: int, size: int, fits: bool
) -> None:
    def on_head(taker: Taker) -> None:
        if not before:
            taker.conn.set_max_body_size(size)

    async def main() -> None:
        async with client(params(max_body_size=configured)) as (conn, peer):
            if before:
                conn.set_max_body_size(size)
            outcome = await ask(conn, peer, PLAIN, hooks={"on_head": on_head})
            assert outcome.taker.ends == ["finish" if fits else "closed"]
            assert outcome.usable is fits

    run(main)
    if not fits:
        log.one("too long")


def test_pieces_are_no_larger_than_chunk_size() -> None:
    for data in BODIES_OF_3[:3]:
        outcome = exchange(data, params=params(chunk_size=2))
        takes(outcome, b"abc")
        assert max(map(len, outcome.taker.pieces)) <= 2


def test_no_keep_alive_closes_after_the_response() -> None:
    takes(exchange(PLAIN, params=params(no_keep_alive=True)), b"abc", usable=False)


# Time


@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 200 OK\r\n"])
def test_header_timeout(data: bytes) -> None:
    fails(exchange(data, params=params(header_timeout=SHORT)), [])


def test_body_timeout(log: Log) -> None:
    fails(exchange(PLAIN[:-1], params=params(body_timeout=SHORT)), [200], b"ab")
    log.at_most_one()


def test_set_body_timeout(log: Log) -> None:
    def on_head(taker: Taker) -> None:
        taker.conn.set_body_timeout(SHORT)

    fails(exchange(PLAIN[:-1], hooks={"on_head": on_head}), [200], b"ab")
    log.at_most_one()


@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 200 OK\r\n", PLAIN[:-1]])
def test_no_timer_runs_that_nobody_asked_for(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    # A client may wait for an answer as long as it likes; who limits that is its caller.
    async def main() -> None:
        async with client() as (conn, peer):
            with monkeypatch.context() as patch:
                for name in ("call_at", "call_later"):
                    patch.setattr(asyncio.get_running_loop(), name, None)
                future = conn.read_response(taker := Taker())
                peer.send(data)
                await turns()
            assert taker.ends == []
            peer.send(PLAIN[len(data) :])
            assert await future is True

    run(main)


# Bodies that come compressed

TEXT = b"abcde" * 200
PACKED = gzip.compress(TEXT)


def packed(data: bytes, *fields: str) -> bytes:
    return response(GZIP, f"Content-Length: {len(data)}", *fields, body=data)


@pytest.mark.parametrize("bytewise", [False, True])
def test_decompress(bytewise: bool) -> None:
    outcome = exchange(packed(PACKED), params=params(decompress=True), bytewise=bytewise)
    takes(outcome, TEXT)
    assert "Content-Encoding" not in outcome.taker.headers
    assert outcome.taker.headers["X-Consumed-Content-Encoding"] == "gzip"


@pytest.mark.parametrize(
    ("data", "method"),
    [
        (response(GZIP, "Content-Length: 50"), "HEAD"),
        (response(GZIP, status="304 Not Modified"), "GET"),
        (response(GZIP, "Content-Length: 0"), "GET"),
        (response(GZIP, CHUNKED, body=b"0\r\n\r\n"), "GET"),
    ],
)
def test_decompress_nothing(data: bytes, method: str) -> None:
    outcome = exchange(data, method=method, params=params(decompress=True))
    assert outcome.usable and outcome.taker.ends == ["finish"] and outcome.taker.body == b""


def test_without_decompress_a_body_is_handed_on_as_it_is() -> None:
    outcome = exchange(packed(PACKED))
    takes(outcome, PACKED)
    assert outcome.taker.headers["Content-Encoding"] == "gzip"


def test_what_is_not_compressed_is_handed_on_as_it_is() -> None:
    takes(exchange(PLAIN, params=params(decompress=True)), b"abc")


def test_max_body_size_holds_for_what_is_inflated(log: Log) -> None:
    def sized(size: int) -> HTTP1ConnectionParameters:
        return params(decompress=True, max_body_size=size)

    takes(exchange(packed(PACKED), params=sized(len(TEXT))), TEXT)
    outcome = exchange(packed(PACKED), params=sized(len(TEXT) - 1))
    assert outcome.taker.ends == ["closed"] and len(outcome.taker.body) < len(TEXT)
    assert not outcome.usable and outcome.stream_closed
    log.one("too long")


@pytest.mark.parametrize("more", [-1, 0])
def test_set_max_body_size_holds_for_what_is_inflated(log: Log, more: int) -> None:
    def on_head(taker: Taker) -> None:
        taker.conn.set_max_body_size(len(TEXT) + more)

    outcome = exchange(packed(PACKED), params=params(decompress=True), hooks={"on_head": on_head})
    assert outcome.taker.ends == ["closed" if more else "finish"]
    log.at_most_one()


def test_inflated_pieces_are_no_larger_than_chunk_size() -> None:
    outcome = exchange(packed(PACKED), params=params(decompress=True, chunk_size=64))
    takes(outcome, TEXT)
    assert max(map(len, outcome.taker.pieces)) <= 64


@pytest.mark.parametrize(
    "data", [PACKED[:-1], PACKED[:-8], PACKED[:5], PACKED + b"x", b"abc", PACKED[:-4] + b"\1\2\3\4"]
)
def test_malformed_gzip_is_refused(log: Log, data: bytes) -> None:
    outcome = exchange(packed(data), params=params(decompress=True))
    assert outcome.taker.ends == ["closed"]
    assert not outcome.usable and outcome.stream_closed
    log.one("gzip")


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
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        stream = IOStream(ours)
        conn = HTTP1Connection(stream, True)
        taker = Taker(**{step: lambda _: gate})
        future = conn.read_response(taker)
        head = response(f"Content-Length: {size}")
        theirs.send(head)
        sent, stalled = 0, 0
        data = bytes(1 << 16)
        while stalled < 50 and sent < size:
            try:
                sent += theirs.send(data[: size - sent])
                stalled = 0
            except BlockingIOError:
                stalled += 1
            await asyncio.sleep(0)
        assert sent < size / 4, "all was taken, though nobody wants it yet"
        assert len(taker.body) <= 1 << 17
        gate.set_result(None)
        await loop.sock_sendall(theirs, bytes(size - sent))
        assert await future is True
        assert len(taker.body) == size and max(map(len, taker.pieces)) <= 1 << 16
        stream.close()
        theirs.close()

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


def raising(error: Exception, later: bool) -> Hook:
    def now(_: Taker) -> None:
        raise error

    async def then(_: Taker) -> None:
        await turns(3)
        raise error

    return then if later else now


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
    # One of the two is called, and not both.
    assert outcome.taker.ends == ["finish" if step == "on_finish" else "closed"]
    assert (outcome.usable, outcome.stream_closed) == (False, True)
    uncaught(log, ZeroDivisionError)


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize("step", ["on_head", "on_data"])
def test_a_delegate_that_finds_fault_with_the_message(log: Log, step: str, later: bool) -> None:
    hooks = {step: raising(HTTPInputError("dislike"), later)}
    outcome = exchange(PLAIN, hooks=hooks)
    assert outcome.taker.ends == ["closed"]
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


def as_a_server(data: bytes, check: Check) -> None:
    """A connection that is no client's reads one request, ``data``, and answers it."""

    async def main() -> None:
        async with connected() as (stream, peer):
            conn = HTTP1Connection(stream, False)
            taker = Taker(on_finish=lambda t: t.answer())
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
