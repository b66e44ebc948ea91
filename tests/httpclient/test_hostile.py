"""Servers that do what no server should: the fetch fails, the place is free, nothing stays open."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Awaitable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.httpclient.support import (
    OK,
    SHORT,
    Conn,
    client,
    fails,
    raw,
    redirect,
    response,
    run,
    serving,
    until,
)
from tests.server.logs import Log

from tornadic.httpclient import CookieJar, HTTPClientError, HTTPRequest
from tornadic.iostream import UnsatisfiableReadError
from tornadic.simple_httpclient import HTTPStreamClosedError, HTTPTimeoutError


def refused(  # type: ignore[no-untyped-def]
    answer: bytes, log: Log | None, *, error: type | None = HTTPStreamClosedError, **arguments
):
    """``answer`` makes a fetch fail with ``error``, and the connection is closed.

    ``error`` None: what is malformed, or else what is too long.
    """

    async def main() -> None:
        async def handle(conn: Conn) -> None:
            await conn.request()
            conn.send(answer)
            await conn.ended()

        async with serving(handle) as server, client(max_clients=1, **arguments) as http:
            found = await fails(http.fetch(server.url()))
            due = (HTTPStreamClosedError, UnsatisfiableReadError) if error is None else (error,)
            assert type(found) in due
            assert not http.active and not len(http._pool)
            await until(lambda: server.closed == 1)

    run(main)
    if log is not None:
        if error is None:
            log.at_most_one()
        else:
            log.one("too long" if error is UnsatisfiableReadError else "Malformed HTTP message")


def refused_forever(start: bytes, piece: bytes, log: Log) -> None:
    """``start``, and then ``piece`` again and again, makes a fetch fail; others go on meanwhile."""

    async def main() -> None:
        async def handle(conn: Conn) -> None:
            request = await conn.request()
            if request.target == "/other":
                conn.send(OK)
                return
            conn.send(start)
            while True:
                conn.send(piece * 100)
                await conn.writer.drain()

        async with serving(handle) as server, client(max_body_size=20_000) as http:
            fetch = asyncio.ensure_future(fails(http.fetch(server.url())))
            assert (await http.fetch(server.url("/other"))).body == b"ok"
            assert isinstance(await fetch, (HTTPStreamClosedError, UnsatisfiableReadError))
            assert not http.active and not len(http._pool)

    run(main)
    [record] = log.take()
    assert "Malformed HTTP message" in record.getMessage() or "too long" in record.getMessage()


class TestFraming:
    @pytest.mark.parametrize(
        "fields",
        [
            ("Content-Length: 3", "Content-Length: 4"),
            ("Content-Length: 3, 4",),
            ("Content-Length: 3", "Transfer-Encoding: chunked"),
            ("Content-Length: +3",),
            ("Content-Length: -1",),
            ("Content-Length: 0x3",),
            ("Content-Length: 1_0",),
            ("Content-Length: 9999999999999999",),
            ("Transfer-Encoding: gzip",),
            ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
            ("Transfer-Encoding: chunked, identity",),
        ],
    )
    def test_lengths_that_conflict(self, log: Log, fields: tuple[str, ...]) -> None:
        refused(raw("HTTP/1.1 200 OK", *fields, body=b"abc"), log)

    @pytest.mark.parametrize(
        "head",
        [
            b"garbage\r\n\r\n",
            b"HTTP/2.0 200 OK\r\n\r\n",
            b"HTTP/1.1 2000 OK\r\n\r\n",
            b"HTTP/1.1 abc OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nA b: c\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nA : c\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n: c\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nA: c\r\n folded\r\n\r\n",
            b"HTTP/1.1 200 OK\nA: c\n\n",
            b"HTTP/1.1 200 OK\r\nA: b\x00c\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        ],
    )
    def test_what_is_no_head(self, log: Log, head: bytes) -> None:
        refused(head, log)

    @pytest.mark.parametrize("chunk", [b"0x3\r\nabc\r\n", b"-1\r\n", b"3\r\nabcd\r\n", b"g\r\n"])
    def test_chunks_that_are_none(self, log: Log, chunk: bytes) -> None:
        head = raw("HTTP/1.1 200 OK", "Transfer-Encoding: chunked")
        refused(head + chunk, log)

    @pytest.mark.parametrize(
        "chunks",
        [
            b"3\r\nabc3\r\n",
            b"3\r\nabc\n3\r\nabc\n0\n\n",
            b"3\nabc\r\n",
            b" 3\r\nabc\r\n",
            b"3 \r\nabc\r\n",
            b"+3\r\nabc\r\n",
            b"1_0\r\nabc\r\n",
            b"\r\n",
            b"ffffffffffffffff\r\n",
            b"00000000000000003\r\nabc\r\n",
            b"3;" + b"x" * 1000 + b"\r\nabc\r\n",
            b"3;a=\x00\r\nabc\r\n",
            b"0\r\nno colon\r\n\r\n",
            b"0\r\n folded: x\r\n\r\n",
            b"0\r\n" + b"A: b\r\n" * 20_000 + b"\r\n",
        ],
    )
    def test_framing_of_chunks(self, log: Log, chunks: bytes) -> None:
        head = raw("HTTP/1.1 200 OK", "Transfer-Encoding: chunked")
        refused(head + chunks, log, error=None)

    @pytest.mark.parametrize("piece", [b"1;" + b"x" * 200 + b"\r\na\r\n", b"1\r\na\r\n"])
    def test_chunks_without_end(self, log: Log, piece: bytes) -> None:
        # Extensions have a bound together, bodies have theirs, and others get their turns.
        refused_forever(raw("HTTP/1.1 200 OK", "Transfer-Encoding: chunked"), piece, log)

    def test_trailers_without_end(self, log: Log) -> None:
        head = raw("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", body=b"0\r\n")
        refused_forever(head, b"X: " + b"x" * 100 + b"\r\n", log)

    def test_body_of_a_204(self, log: Log) -> None:
        refused(response(status="204 No Content", body=b"abc"), log)


class TestHeads:
    def test_headers_without_end(self, log: Log) -> None:
        async def main() -> None:
            async def handle(conn: Conn) -> None:
                await conn.request()
                conn.send(b"HTTP/1.1 200 OK\r\n")
                number = 0
                while True:
                    number += 1
                    conn.send(f"X-{number}: {'x' * 1000}\r\n".encode())
                    await conn.writer.drain()

            async with serving(handle) as server, client() as http:
                error = await fails(http.fetch(server.url()))
                assert type(error) is UnsatisfiableReadError

        run(main)
        log.one("too long")

    @pytest.mark.parametrize("size", [1024, 1025])
    def test_limit_of_a_head(self, log: Log, size: int) -> None:
        head = raw("HTTP/1.1 200 OK", "Content-Length: 0", "X: ")
        answer = head[:-4] + b"x" * (size - len(head)) + head[-4:]
        assert len(answer) == size
        if size == 1025:
            refused(answer, log, error=UnsatisfiableReadError, max_header_size=1024)
            return

        async def main() -> None:
            async with serving(answer) as server, client(max_header_size=1024) as http:
                assert (await http.fetch(server.url())).code == 200

        run(main)

    def test_endless_informational_responses(self, log: Log) -> None:
        async def main() -> None:
            async def handle(conn: Conn) -> None:
                await conn.request()
                while True:
                    conn.send(b"HTTP/1.1 102 Processing\r\n\r\n")
                    await conn.writer.drain()

            async with serving(handle) as server, client() as http:
                error = await fails(http.fetch(server.url()))
                assert type(error) is HTTPStreamClosedError

        run(main)
        log.one("Malformed HTTP message")

    @pytest.mark.parametrize("number", [10, 11])
    def test_limit_of_informational_responses(self, log: Log, number: int) -> None:
        answer = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * number + OK
        if number == 11:
            refused(answer, log)
            return

        async def main() -> None:
            async with serving(answer) as server, client() as http:
                found = await http.fetch(server.url())
                assert (found.code, found.body) == (200, b"ok")
                assert "Link" not in found.headers

        run(main)


class TestBodies:
    @pytest.mark.parametrize("size", [5000, 5001])
    @pytest.mark.parametrize("how", ["length", "chunked", "close", "gzip", "gzip-chunked"])
    def test_limit_of_a_body(self, log: Log, size: int, how: str) -> None:
        body = b"x" * size
        fields: list[str] = []
        if how.startswith("gzip"):
            body = gzip.compress(body)
            fields.append("Content-Encoding: gzip")
        if how.endswith("chunked"):
            fields.append("Transfer-Encoding: chunked")
            body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        elif how != "close":
            fields.append(f"Content-Length: {len(body)}")
        answer = raw("HTTP/1.1 200 OK", *fields, body=body)

        async def main() -> None:
            async def handle(conn: Conn) -> None:
                await conn.request()
                conn.send(answer)
                if how != "close":
                    await conn.ended()

            async with serving(handle) as server, client(max_body_size=5000) as http:
                fetch = http.fetch(server.url())
                if size == 5000:
                    assert (await fetch).body == b"x" * 5000
                else:
                    assert type(await fails(fetch)) is HTTPStreamClosedError

        run(main)
        if size > 5000:
            log.one("Malformed HTTP message")

    def test_gzip_bomb(self, log: Log) -> None:
        # Hundred megabytes, in hundred kilobytes.
        compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
        bomb = b"".join([compressor.compress(bytes(1 << 20)) for _ in range(100)])
        bomb += compressor.flush()
        answer = response("Content-Encoding: gzip", body=bomb)
        refused(answer, log, max_body_size=1 << 20)

    @pytest.mark.parametrize(
        "change",
        [
            lambda data: data[:-1],
            lambda data: data + b"more",
            lambda data: b"abc" + data,
            lambda data: data[:20] + b"\xff\xff\xff" + data[23:],
            lambda data: b"x",
        ],
    )
    def test_bad_gzip(self, log: Log, change) -> None:  # type: ignore[no-untyped-def]
        body = change(gzip.compress(b"".join([b"%d" % i for i in range(1000)])))
        refused(response("Content-Encoding: gzip", body=body), log)

    @pytest.mark.parametrize(
        "answer",
        [
            b"",
            b"HTTP/1.1 200 OK\r\nContent-Le",
            b"HTTP/1.1 100 Continue\r\n\r\n",
            raw("HTTP/1.1 200 OK", "Content-Length: 20", body=b"abc"),
            raw("HTTP/1.0 200 OK", "Content-Length: 20", body=b"abc"),
            raw("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", body=b"3\r\nabc\r\n"),
            raw("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", body=b"3\r\nabc\r\n0\r\n"),
            raw("HTTP/1.1 302 Found", "Location: /", "Content-Length: 20", body=b"abc"),
        ],
    )
    @pytest.mark.parametrize("how", ["close", "reset"])
    def test_cut_short(self, answer: bytes, how: str) -> None:
        async def main() -> None:
            may_end = asyncio.Event()

            async def handle(conn: Conn) -> None:
                await conn.request()
                conn.send(answer)
                if how == "reset":
                    await may_end.wait()
                    conn.reset()

            pieces: list[bytes] = []

            def take(piece: bytes) -> None:
                pieces.append(piece)

            async with serving(handle) as server, client() as http:
                fetch = asyncio.ensure_future(
                    fails(http.fetch(server.url(), streaming_callback=take))
                )
                if b"abc" in answer and b"Location" not in answer:
                    await until(lambda: pieces)
                may_end.set()
                error = await fetch
                if how == "close":
                    assert type(error) is HTTPStreamClosedError
                else:
                    assert isinstance(error, (HTTPStreamClosedError, ConnectionResetError))
                assert server.connections == 1

        run(main)

    def test_never_answering(self) -> None:
        async def main() -> None:
            async def handle(conn: Conn) -> None:
                await conn.request()
                assert await conn.ended() == b""

            async with serving(handle) as server, client() as http:
                error = await fails(http.fetch(server.url(), request_timeout=SHORT))
                assert type(error) is HTTPTimeoutError
                assert str(error) == "Timeout during request"
                await until(lambda: server.closed == 1)

        run(main)

    def test_a_byte_now_and_then(self) -> None:
        async def main() -> None:
            async def handle(conn: Conn) -> None:
                await conn.request()
                conn.send(raw("HTTP/1.1 200 OK", "Content-Length: 1000000"))
                while True:
                    conn.send(b"x")
                    await asyncio.sleep(SHORT / 10)

            async with serving(handle) as server, client() as http:
                error = await fails(http.fetch(server.url(), request_timeout=SHORT))
                assert type(error) is HTTPTimeoutError

        run(main)

    @pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 2", b""])
    def test_a_byte_of_the_head_now_and_then(self, start: bytes) -> None:
        async def main() -> None:
            async def handle(conn: Conn) -> None:
                await conn.request()
                conn.send(start)
                while True:
                    conn.send(b"0")
                    await asyncio.sleep(SHORT / 10)

            async with serving(handle) as server, client() as http:
                error = await fails(http.fetch(server.url(), request_timeout=SHORT))
                assert type(error) is HTTPTimeoutError

        run(main)

    @pytest.mark.parametrize("extra", [b"x", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"])
    @pytest.mark.parametrize("at_once", [True, False])
    def test_bytes_behind_the_answer(self, extra: bytes, at_once: bool) -> None:
        # They are never taken for the answer to the next request.
        async def main() -> None:
            async def handle(conn: Conn) -> None:
                await conn.request()
                conn.send(OK + extra if at_once else OK)
                if not at_once:
                    await may_go_on.wait()
                    conn.send(extra)
                await conn.ended()

            async with serving(handle) as server, client() as http:
                for number in (1, 2):
                    may_go_on = asyncio.Event()
                    assert (await http.fetch(server.url())).body == b"ok"
                    may_go_on.set()
                    await until(lambda number=number: server.closed == number)  # type: ignore[misc]
                    assert not len(http._pool)
                assert server.connections == 2

        run(main)

    def test_an_answer_before_the_request(self) -> None:
        # It is there already as the connection is taken again, though the loop has not seen it.
        async def main() -> None:
            conns: list[Conn] = []

            async def handle(conn: Conn) -> None:
                conns.append(conn)
                await conn.request()
                conn.send(OK)
                await conn.ended()

            async with serving(handle) as server, client() as http:
                for number in range(1, 4):
                    assert (await http.fetch(server.url())).body == b"ok"
                    assert server.connections == number
                    conns[-1].send(response(body=b"evil"))

        run(main)

    def test_answer_before_the_request_ends(self) -> None:
        async def main() -> None:
            async def handle(conn: Conn) -> None:
                await conn.head()
                conn.send(response(status="413 Too Large", body=b"no"))
                await conn.ended()

            async with serving(handle) as server, client() as http:
                found = await http.fetch(
                    server.url(), method="POST", body=bytes(20_000_000), raise_error=False
                )
                assert (found.code, found.body) == (413, b"no")
                await until(lambda: server.closed == 1)
                assert not len(http._pool)

        run(main)

    def test_answer_before_the_producer_ends(self) -> None:
        async def main() -> None:
            cancelled = asyncio.Event()

            async def produce(write) -> None:  # type: ignore[no-untyped-def]
                await write(b"abc")
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    cancelled.set()
                    raise

            async def handle(conn: Conn) -> None:
                await conn.head()
                conn.send(OK)
                await conn.ended()

            async with serving(handle) as server, client() as http:
                found = await http.fetch(server.url(), method="POST", body_producer=produce)
                assert found.body == b"ok"
                await cancelled.wait()
                await until(lambda: server.closed == 1)

        run(main)


class TestRedirects:
    @pytest.mark.parametrize(
        "location",
        [
            "file:///etc/passwd",
            "ftp://127.0.0.1/",
            "gopher://127.0.0.1:70/",
            "javascript:alert(1)",
            "data:text/plain,x",
            "http://",
            "http:///x",
            "http://127.0.0.1:99999/",
            "http://a b/",
            "http://[::1/",
            "//",
            "http://exa\xffmple/",
            "http:\\\\127.0.0.1\\",
        ],
    )
    def test_to_nowhere(self, location: str) -> None:
        async def main() -> None:
            async with serving(redirect(location)) as server, client() as http:
                error = await fails(http.fetch(server.url()))
                assert isinstance(error, ValueError), error
                assert len(server.requests) == 1

        run(main)

    @pytest.mark.parametrize("most", [499, 500])
    def test_hundreds(self, most: int) -> None:
        # Each is one more turn: nothing grows with them, and the limit is what was asked for.
        async def main() -> None:
            async def handle(conn: Conn) -> None:
                for number in range(500):
                    assert (await conn.request()).target == f"/{number}"
                    conn.send(redirect(f"/{number + 1}"))
                await conn.request()
                conn.send(OK)

            async with serving(handle) as server, client() as http:
                found = await http.fetch(server.url("/0"), max_redirects=most, raise_error=False)
                assert found.code == (200 if most == 500 else 302)
                assert server.connections == 1

        run(main)

    def test_to_a_location_without_end(self, log: Log) -> None:
        refused(redirect("/" + "x" * 70_000), log, error=UnsatisfiableReadError)

    def test_in_circles(self) -> None:
        async def main() -> None:
            async with serving(redirect("/")) as server, client() as http:
                error = await fails(http.fetch(server.url(), max_redirects=3))
                assert isinstance(error, HTTPClientError) and error.code == 302
                assert len(server.requests) == 4

        run(main)


class TestCookies:
    """What a server does to a jar, other servers do not feel, and there is an end to it."""

    def test_too_many(self) -> None:
        many = [f"Set-Cookie: c{number}=x; Domain=example.com" for number in range(150)]

        async def main() -> None:
            jar = CookieJar()
            async with serving(response(*many)) as server, client(cookie_jar=jar) as http:
                for _ in range(3):
                    await http.fetch(server.url())
                assert len(jar) == 0  # of a domain that is not its own
            many[:] = [line.partition(";")[0] for line in many]
            async with serving(response(*many)) as server, client(cookie_jar=jar) as http:
                for _ in range(3):
                    await http.fetch(server.url())
                assert len(jar) <= 50
                assert len(server.requests[-1].header("cookie") or "") < 500

        run(main)

    @pytest.mark.parametrize(
        "cookie",
        [
            "a=b; Domain=example.com",
            "a=b; Domain=.com",
            "a=b; Domain=localhost.",
            "a=b; Domain=127.0.0.1.nip.example",
            "__Host-a=b; Path=/",
            "__Secure-a=b",
            "=__Host-a=b",
            "a=b; Secure",
            "a=" + "x" * 5000,
            "a=b\x01c",
        ],
    )
    def test_not_taken(self, cookie: str, log: Log) -> None:
        async def main() -> None:
            jar = CookieJar()
            answer = response(f"Set-Cookie: {cookie}", body=b"ok")
            async with serving(answer) as server, client(cookie_jar=jar) as http:
                await fails_or_not(http.fetch(server.url()))
                assert len(jar) == 0
                await fails_or_not(http.fetch(server.url()))
                assert all("cookie" not in one.headers for one in server.requests)

        run(main)
        log.take()


class TestInjection:
    @pytest.mark.parametrize(
        "url",
        [
            "/\r\nX: y",
            "/\nX: y",
            "/\rX",
            "/\x00",
            "/\tx",
            "/\x7f",
            "/?a=\r\n\r\nGET / HTTP/1.1",
        ],
    )
    def test_in_the_url(self, url: str) -> None:
        async def main() -> None:
            async with serving(OK) as server, client() as http:
                assert isinstance(await fails(http.fetch(server.url(url))), ValueError)
                host = f"http://127.0.0.1{url[1:]}:{server.port}/"
                assert isinstance(await fails(http.fetch(host)), ValueError)
                assert server.connections == 0

        run(main)

    @pytest.mark.parametrize(
        "arguments",
        [
            {"headers": {"A": "b\r\nC: d"}},
            {"headers": {"A": "b\n"}},
            {"headers": {"A": "b\x00"}},
            {"headers": {"A\r\nB": "c"}},
            {"headers": {"A: b": "c"}},
            {"headers": {"": "c"}},
            {"headers": {"A": "\u20ac"}},
            {"user_agent": "a\r\nB: c"},
            {"method": "GET / HTTP/1.1\r\nA: b\r\n\r\nGET"},
            {"method": "GET\r\n"},
            {"method": "GE T"},
            {"method": ""},
        ],
    )
    def test_in_headers_and_methods(self, arguments: dict[str, object]) -> None:
        async def main() -> None:
            async with serving(OK) as server, client() as http:
                try:
                    request = HTTPRequest(
                        server.url(),
                        allow_nonstandard_methods=True,
                        **arguments,  # type: ignore[arg-type]
                    )
                    await http.fetch(request)
                except ValueError:
                    pass
                else:
                    raise AssertionError("it was sent")
                assert server.connections == 0
                assert (await http.fetch(server.url())).body == b"ok"

        run(main)


async def fails_or_not(fetch: Awaitable[object]) -> None:
    """A malformed head is an error; one that is only odd is none."""
    try:
        await fetch
    except HTTPStreamClosedError:
        pass


HEADS = st.lists(
    st.sampled_from(
        [
            b"HTTP/1.1 200 OK\r\n",
            b"HTTP/1.1 302 Found\r\nLocation: /x\r\n",
            b"HTTP/1.1 100 Continue\r\n\r\n",
            b"Content-Length: 2\r\n",
            b"Content-Length: 3\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"Content-Encoding: gzip\r\n",
            b"Set-Cookie: a=b\r\n",
            b"Connection: close\r\n",
            b"Keep-Alive: timeout=5\r\n",
            b"\r\n",
            b"ok",
            b"2\r\nok\r\n",
            b"0\r\n\r\n",
            b"\x00\n",
            gzip.compress(b"ok"),
        ]
    ),
    max_size=8,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=HEADS)
def test_whatever_comes(log: Log, pieces: list[bytes]) -> None:
    # A response or a documented error, and the place is free.
    async def main() -> None:
        async def handle(conn: Conn) -> None:
            await conn.request()
            for piece in pieces:
                conn.send(piece)

        async with serving(handle) as server, client(cookie_jar=CookieJar()) as http:
            try:
                found = await http.fetch(server.url(), raise_error=False, max_redirects=2)
            except (HTTPClientError, UnsatisfiableReadError, ConnectionError, ValueError):
                pass
            else:
                assert found.code in (200, 302)

    run(main)
    log.take()
