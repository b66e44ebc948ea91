"""A client's connection: it reads responses, and then the stream is its owner's again."""

from __future__ import annotations

import asyncio

import pytest
from tests.http1connection.exchanges import (
    CHUNKED,
    GZIP,
    LENGTH_3,
    PACKED,
    PLAIN,
    TEXT,
    ask,
    exchange,
    fails,
    packed,
    params,
    takes,
)
from tests.http1connection.support import (
    SHORT,
    Taker,
    client,
    response,
    run,
    turns,
)
from tests.server.logs import Log

from tornadic.http1connection import HTTP1Connection, HTTP1ConnectionParameters

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
    log.one("1xx")


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
    log.one("too l")


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


@pytest.mark.parametrize("before", [True, False])
def test_set_max_body_size_holds_for_one_response(log: Log, before: bool) -> None:
    def on_head(taker: Taker) -> None:
        taker.conn.set_max_body_size(3)

    async def main() -> None:
        async with client(params(max_body_size=2)) as (conn, peer):
            if before:
                conn.set_max_body_size(3)
            takes(
                await ask(conn, peer, PLAIN, hooks={} if before else {"on_head": on_head}), b"abc"
            )
            fails(await ask(conn, peer, PLAIN), [200])

    run(main)
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
    log.one("too large")


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
