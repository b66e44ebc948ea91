"""What is sent for a request, and what becomes of the answer."""

from __future__ import annotations

import asyncio
import gzip
import sys
from contextvars import ContextVar
from datetime import datetime
from typing import Any

import pytest
from tests.httpclient.support import (
    OK,
    Conn,
    Request,
    client,
    fails,
    raw,
    response,
    run,
    serving,
    turns,
    until,
)
from tests.server.logs import Log
from tests.tools import module

from tornadic import __version__, gen
from tornadic.httpclient import HTTPClientError, HTTPRequest, HTTPResponse
from tornadic.httputil import HTTPHeaders, HTTPOutputError
from tornadic.simple_httpclient import HTTPStreamClosedError


def sent(path: str = "/", user: str = "", defaults: Any = None, **arguments: Any) -> Request:
    """The request that a fetch sends."""
    found: list[Request] = []

    async def main() -> None:
        async with serving(OK) as server, client(defaults=defaults) as http:
            await http.fetch(server.url(path, user=user), **arguments)
            found.extend(server.requests)

    run(main)
    [request] = found
    return request


def got(answer: bytes, ends: bool = False, **arguments: Any) -> HTTPResponse:
    """What a fetch makes of ``answer``; ``ends`` if the connection ends with it."""
    found: list[HTTPResponse] = []

    async def main() -> None:
        async def handle(conn: Conn) -> None:
            await conn.request()
            conn.send(answer)
            if not ends:
                await conn.ended()

        async with serving(handle) as server, client() as http:
            found.append(await http.fetch(server.url(), raise_error=False, **arguments))

    run(main)
    return found[0]


class TestHead:
    def test_usual(self) -> None:
        request = sent()
        host = request.headers.pop("host")
        assert host[0].startswith("127.0.0.1:")
        assert request.headers == {
            "user-agent": [f"Tornadic/{__version__}"],
            "accept-encoding": request.headers["accept-encoding"],
        }
        assert "gzip" in request.headers["accept-encoding"][0]
        assert (request.method, request.target, request.body) == ("GET", "/", b"")

    @pytest.mark.parametrize(
        ("path", "target"),
        [
            ("", "/"),
            ("?a=b", "/?a=b"),
            ("/x#y", "/x"),
            ("#y", "/"),
            ("/a b", "/a%20b"),
            ("/\u00e9?\u20ac", "/%C3%A9?%E2%82%AC"),
            ("/%c3%A9%", "/%c3%A9%"),
            ("//x", "//x"),
            ("/a;b=c&d='\"<>|^`{}[]@:!$*+,~", "/a;b=c&d='\"<>|^`{}[]@:!$*+,~"),
        ],
    )
    def test_targets(self, path: str, target: str) -> None:
        assert sent(path).target == target

    def test_headers_of_the_caller(self) -> None:
        fields = HTTPHeaders({"X-A": "b", "User-Agent": "mine", "Accept-Encoding": "identity"})
        fields.add("X-A", "c")
        fields["Host"] = "other.test"
        request = sent(headers=fields)
        assert request.headers["x-a"] == ["b", "c"]
        assert request.header("user-agent") == "mine"
        assert request.header("accept-encoding") == "identity"
        assert request.header("host") == "other.test"

    def test_headers_stay_the_callers(self) -> None:
        async def main() -> None:
            async with serving(OK) as server, client() as http:
                fields = HTTPHeaders({"X-A": "b"})
                request = HTTPRequest(server.url(), headers=fields, user_agent="u")
                for _ in range(2):
                    await http.fetch(request)
                    assert dict(fields) == {"X-A": "b"} == dict(request.headers)

        run(main)

    @pytest.mark.parametrize("value", ["text", b"bytes", "b\u00e4r"])
    def test_kinds_of_values(self, value: Any) -> None:
        text = value.decode() if isinstance(value, bytes) else value
        assert sent(headers={"X-A": value}).header("x-a") == text

    def test_user_agent(self) -> None:
        assert sent(user_agent="a/1").header("user-agent") == "a/1"
        both = sent(user_agent="a/1", headers={"User-Agent": "b/1"})
        assert both.header("user-agent") == "a/1"
        assert sent(defaults={"user_agent": "d/1"}).header("user-agent") == "d/1"

    @pytest.mark.parametrize("name", ["decompress_response", "use_gzip"])
    def test_no_compression(self, name: str) -> None:
        arguments: dict[str, Any] = {name: False}
        assert sent(**arguments).header("accept-encoding") is None

    def test_if_modified_since(self) -> None:
        date = "Thu, 02 Jan 2020 00:00:00 GMT"
        assert sent(if_modified_since=datetime(2020, 1, 2)).header("if-modified-since") == date
        assert sent(if_modified_since=1577923200).header("if-modified-since") == date

    @pytest.mark.parametrize(
        ("user", "arguments", "value"),
        [
            ("", {"auth_username": "a", "auth_password": "b"}, "Basic YTpi"),
            ("", {"auth_username": "a"}, "Basic YTo="),
            ("", {"auth_username": "\u00e9", "auth_password": "b"}, "Basic w6k6Yg=="),
            ("a:b@", {}, "Basic YTpi"),
            ("a@", {}, "Basic YTo="),
            ("us%40er:pa%3Ass@", {}, "Basic dXNAZXI6cGE6c3M="),
            ("a:b@", {"auth_username": "c"}, "Basic YTpi"),
            ("", {"auth_username": "a", "auth_password": "b", "auth_mode": "basic"}, "Basic YTpi"),
        ],
    )
    def test_credentials(self, user: str, arguments: dict[str, Any], value: str) -> None:
        assert sent(user=user, **arguments).header("authorization") == value

    def test_other_modes_of_authentication(self) -> None:
        async def main() -> None:
            async with serving(OK) as server, client() as http:
                error = await fails(http.fetch(server.url(), auth_username="a", auth_mode="digest"))
                assert isinstance(error, ValueError) and "digest" in str(error)
                assert not server.requests

        run(main)


class TestBody:
    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
    @pytest.mark.parametrize("body", ["", "\u00e9\u00e9", b"\xff\x00", bytes(1_000_000)])
    def test_sent(self, method: str, body: Any) -> None:
        request = sent(method=method, body=body)
        assert request.body == (body.encode() if isinstance(body, str) else body)
        assert request.header("content-length") == str(len(request.body))
        kind = "application/x-www-form-urlencoded" if method == "POST" else None
        assert request.header("content-type") == kind

    def test_content_type_of_the_caller(self) -> None:
        request = sent(method="POST", body="{}", headers={"content-type": "application/json"})
        assert request.header("content-type") == "application/json"

    def test_length_of_the_caller_does_not_count(self) -> None:
        request = sent(method="POST", body="abc", headers={"Content-Length": "7"})
        assert request.body == b"abc"

    def test_in_chunks_if_asked_for(self) -> None:
        request = sent(
            method="POST",
            body="abc",
            headers={"Transfer-Encoding": "chunked", "Content-Length": "7"},
        )
        assert request.body == b"abc" and request.header("content-length") is None

    @pytest.mark.parametrize(
        "arguments",
        [
            {"method": "POST"},
            {"method": "PUT"},
            {"method": "PATCH"},
            {"method": "GET", "body": b""},
            {"method": "HEAD", "body": b"x"},
            {"method": "DELETE", "body": b"x"},
            {"method": "OPTIONS", "body": b"x"},
            {"method": "GET", "body_producer": print},
        ],
    )
    def test_where_none_or_one_belongs(self, arguments: dict[str, Any]) -> None:
        async def main() -> None:
            async with serving(OK) as server, client() as http:
                error = await fails(http.fetch(server.url(), **arguments))
                assert isinstance(error, ValueError)
                assert "allow_nonstandard_methods" in str(error)
                assert not server.requests

        run(main)

    def test_unusual(self) -> None:
        allowed: dict[str, Any] = {"allow_nonstandard_methods": True}
        assert sent(method="GET", body=b"x", **allowed).body == b"x"
        assert sent(method="DELETE", body=b"x", **allowed).body == b"x"
        empty = sent(method="POST", **allowed)
        assert empty.body == b"" and empty.header("content-length") == "0"
        assert sent(method="PROPFIND", **allowed).method == "PROPFIND"

    @pytest.mark.parametrize("method", ["PROPFIND", "get", "CONNECT", "TRACE"])
    def test_unknown_methods(self, method: str) -> None:
        async def main() -> None:
            async with serving(OK) as server, client() as http:
                error = await fails(http.fetch(server.url(), method=method))
                assert isinstance(error, KeyError) and method in str(error)

        run(main)

    def test_not_two(self) -> None:
        async def main() -> None:
            async with serving(OK) as server, client() as http:
                error = await fails(
                    http.fetch(server.url(), method="POST", body=b"", body_producer=print)
                )
                assert isinstance(error, ValueError)

        run(main)


class TestProducer:
    @pytest.mark.parametrize("kind", ["native", "decorated", "plain"])
    @pytest.mark.parametrize("length", [None, "5"])
    def test_kinds(self, kind: str, length: str | None) -> None:
        async def native(write: Any) -> None:
            await write(b"abc")
            await asyncio.sleep(0)
            await write(b"de")

        @gen.coroutine
        def decorated(write: Any) -> Any:
            yield write(b"abc")
            yield gen.moment
            yield write(b"de")

        def plain(write: Any) -> None:
            write(b"abc")
            write(b"de")

        producer = {"native": native, "decorated": decorated, "plain": plain}[kind]
        headers = {} if length is None else {"Content-Length": length}
        request = sent(method="POST", body_producer=producer, headers=headers)
        assert request.body == b"abcde"
        assert request.header("transfer-encoding") == ("chunked" if length is None else None)

    def test_with_a_method_that_has_no_body(self) -> None:
        async def produce(write: Any) -> None:
            await write(b"abc")

        request = sent(method="GET", body_producer=produce, allow_nonstandard_methods=True)
        assert request.body == b"abc"

    @pytest.mark.parametrize("length", ["4", "6"])
    def test_of_another_length(self, length: str) -> None:
        async def main() -> None:
            async def produce(write: Any) -> None:
                await write(b"abcde")

            async def handle(conn: Conn) -> None:
                await conn.head()
                await conn.ended()

            async with serving(handle) as server, client() as http:
                headers = {"Content-Length": length}
                error = await fails(
                    http.fetch(server.url(), method="PUT", body_producer=produce, headers=headers)
                )
                assert isinstance(error, HTTPOutputError)
                await until(lambda: server.closed == 1)

        run(main)

    @pytest.mark.parametrize("late", [True, False])
    def test_that_fails(self, late: bool) -> None:
        async def main() -> None:
            async def native(write: Any) -> None:
                await write(b"abc")
                raise ZeroDivisionError

            def plain(write: Any) -> None:
                raise ZeroDivisionError

            async def handle(conn: Conn) -> None:
                await conn.head()
                await conn.ended()

            async with serving(handle) as server, client() as http:
                producer = native if late else plain
                error = await fails(http.fetch(server.url(), method="POST", body_producer=producer))
                assert isinstance(error, ZeroDivisionError)
                await until(lambda: server.closed == 1)

        run(main)

    def test_is_slowed_down(self) -> None:
        # A server that does not read stops it.
        async def main() -> None:
            written = 0

            async def produce(write: Any) -> None:
                nonlocal written
                while True:
                    await write(bytes(1_000_000))
                    written += 1

            async def handle(conn: Conn) -> None:
                conn.reader._transport.pause_reading()  # type: ignore[attr-defined]
                await asyncio.Event().wait()

            async with serving(handle) as server, client() as http:
                fetch = http.fetch(server.url(), method="POST", body_producer=produce)
                before = -1
                while before != written:
                    before = written
                    await turns(200)
                assert written < 100
                fetch.cancel()

        run(main)


class TestContinue:
    def test_the_body_waits(self) -> None:
        async def main() -> None:
            async def handle(conn: Conn) -> None:
                _, _, headers = await conn.head()
                assert headers["expect"] == ["100-continue"]
                await turns()
                assert not conn.reader._buffer  # type: ignore[attr-defined]
                conn.send(raw("HTTP/1.1 100 Continue"))
                assert await conn.body(headers) == b"abc"
                conn.send(OK)
                await conn.request()
                conn.send(OK)

            async def produce(write: Any) -> None:
                await write(b"abc")

            for arguments in ({"body": b"abc"}, {"body_producer": produce}):
                async with serving(handle) as server, client() as http:
                    fetch = http.fetch(
                        server.url(), method="POST", expect_100_continue=True, **arguments
                    )
                    assert (await fetch).body == b"ok"
                    await http.fetch(server.url())
                    assert server.connections == 1

        run(main)

    def test_an_answer_instead(self) -> None:
        async def main() -> None:
            async def handle(conn: Conn) -> None:
                await conn.head()
                conn.send(response(status="417 No"))
                assert await conn.ended() == b""

            async with serving(handle) as server, client() as http:
                fetch = http.fetch(
                    server.url(), method="POST", body="abc", expect_100_continue=True
                )
                error = await fails(fetch)
                assert isinstance(error, HTTPClientError) and error.code == 417
                assert not len(http._pool)
                await until(lambda: server.closed == 1)

        run(main)

    def test_nobody_asked(self) -> None:
        found = got(raw("HTTP/1.1 100 Continue") * 3 + OK, method="POST", body="abc")
        assert found.body == b"ok"

    @pytest.mark.parametrize("kind", ["body", "producer"])
    def test_only_once(self, kind: str) -> None:
        async def main() -> None:
            async def handle(conn: Conn) -> None:
                _, _, headers = await conn.head()
                conn.send(raw("HTTP/1.1 100 Continue") * 3)
                assert await conn.body(headers) == b"abc"
                conn.send(OK)
                await conn.request()
                conn.send(OK)

            async def produce(write: Any) -> None:
                await turns()
                await write(b"abc")

            arguments = {"body": "abc"} if kind == "body" else {"body_producer": produce}
            async with serving(handle) as server, client() as http:
                await http.fetch(
                    server.url(),
                    method="POST",
                    expect_100_continue=True,
                    **arguments,
                )
                await http.fetch(server.url())
                assert server.connections == 1

        run(main)


class TestAnswer:
    @pytest.mark.parametrize(
        "answer",
        [
            response("X-A: b", body=b"hello"),
            raw("HTTP/1.1 200 OK", "X-A: b", "Transfer-Encoding: chunked",
                body=b"2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nT: u\r\n\r\n"),
            raw("HTTP/1.1 200 OK", "X-A: b", "Content-Length: 5, 5", body=b"hello"),
        ],
    )  # fmt: skip
    def test_body(self, answer: bytes) -> None:
        found = got(answer)
        assert (found.code, found.reason, found.body) == (200, "OK", b"hello")
        assert found.buffer is not None and found.buffer.read() == b"hello"
        assert found.headers["x-a"] == "b"
        assert found.error is None

    @pytest.mark.parametrize("start", ["HTTP/1.0 200 OK", "HTTP/1.1 200 OK"])
    def test_body_until_the_end(self, start: str) -> None:
        assert got(raw(start, body=b"x" * 100_000), ends=True).body == b"x" * 100_000

    def test_bytewise(self) -> None:
        async def main() -> None:
            async def handle(conn: Conn) -> None:
                await conn.request()
                answer = raw("HTTP/1.1 200 OK", "Transfer-Encoding: chunked")
                for byte in answer + b"2\r\nok\r\n0\r\n\r\n":
                    conn.send(bytes([byte]))
                    await turns(2)
                await conn.ended()

            async with serving(handle) as server, client() as http:
                assert (await http.fetch(server.url())).body == b"ok"

        run(main)

    @pytest.mark.parametrize(
        ("status", "reason"),
        [
            ("404 Not Found", "Not Found"),
            ("404", "Not Found"),
            ("404 ", "Not Found"),
            ("599 x", "x"),
        ],
    )
    def test_errors(self, status: str, reason: str) -> None:
        found = got(response(body=b"no", status=status))
        assert (found.code, found.reason, found.body) == (int(status[:3]), reason, b"no")
        assert isinstance(found.error, HTTPClientError) and found.error.response is found
        with pytest.raises(HTTPClientError) as caught:
            found.rethrow()
        assert caught.value is found.error

    @pytest.mark.parametrize(
        "answer",
        [
            raw("HTTP/1.1 204 No Content"),
            raw("HTTP/1.1 304 Not Modified", "Content-Length: 7"),
            raw("HTTP/1.1 204 No Content", "Content-Length: 0"),
        ],
    )
    def test_without_a_body(self, answer: bytes) -> None:
        assert got(answer).body == b""

    def test_head(self) -> None:
        found = got(raw("HTTP/1.1 200 OK", "Content-Length: 7"), method="HEAD")
        assert found.body == b"" and found.headers["Content-Length"] == "7"

    def test_switching_protocols_is_of_no_use(self) -> None:
        found = got(raw("HTTP/1.1 101 Switching Protocols", "Upgrade: x"))
        assert found.code == 101 and isinstance(found.error, HTTPClientError)


class TestCompression:
    def test_gzip(self) -> None:
        found = got(response("Content-Encoding: GZIP", body=gzip.compress(b"hello" * 1000)))
        assert found.body == b"hello" * 1000
        assert "Content-Encoding" not in found.headers
        assert found.headers["X-Consumed-Content-Encoding"] == "GZIP"

    def test_several_members(self) -> None:
        body = gzip.compress(b"a") + gzip.compress(b"b")
        assert got(response("Content-Encoding: gzip", body=body)).body == b"ab"

    def test_of_much(self) -> None:
        data = bytes(5_000_000)
        assert got(response("Content-Encoding: gzip", body=gzip.compress(data))).body == data

    def test_of_nothing(self) -> None:
        assert got(response("Content-Encoding: gzip")).body == b""

    @pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
    def test_of_no_body(self, coding: str) -> None:
        fields = (f"Content-Encoding: {coding}", "Content-Length: 7")
        assert got(raw("HTTP/1.1 200 OK", *fields), method="HEAD").code == 200
        assert got(raw("HTTP/1.1 304 Not Modified", *fields)).code == 304

    def test_left_alone(self) -> None:
        body = gzip.compress(b"hello")
        found = got(response("Content-Encoding: gzip", body=body), decompress_response=False)
        assert found.body == body and found.headers["Content-Encoding"] == "gzip"

    @pytest.mark.parametrize("coding", ["identity", "x", "gzip, gzip", "deflate"])
    def test_unknown(self, coding: str) -> None:
        found = got(response(f"Content-Encoding: {coding}", body=b"abc"))
        assert found.body == b"abc" and found.headers["Content-Encoding"] == coding

    def test_streamed(self) -> None:
        pieces: list[bytes] = []
        data = bytes(3_000_000)
        found = got(
            response("Content-Encoding: gzip", body=gzip.compress(data)),
            streaming_callback=pieces.append,
        )
        assert b"".join(pieces) == data and found.body == b""
        assert max(map(len, pieces)) <= 65536

    @pytest.mark.parametrize("coding", ["br", "zstd"])
    @pytest.mark.parametrize("size", [0, 1, 1000, 2_000_000])
    def test_other_codings(self, coding: str, size: int) -> None:
        data = (b"%d" % size) * size
        body = compressed(coding, data)
        assert coding in str(sent().header("accept-encoding"))
        found = got(response(f"Content-Encoding: {coding}", body=body))
        assert found.body == data

    @pytest.mark.parametrize("coding", ["br", "zstd"])
    @pytest.mark.parametrize("how", ["cut short", "more behind", "too much", "nothing", "bytewise"])
    def test_of_other_codings(self, log: Log, coding: str, how: str) -> None:
        body = compressed(coding, bytes(100_000) + b"end")
        body = {"cut short": body[:-1], "more behind": body + b"x", "nothing": b""}.get(how, body)

        async def main() -> None:
            async def handle(conn: Conn) -> None:
                await conn.request()
                conn.send(raw("HTTP/1.1 200 OK", f"Content-Encoding: {coding}"))
                for byte in body:
                    conn.send(bytes([byte]))
                    if how == "bytewise":
                        await turns(3)

            limit = 100_002 if how == "too much" else 100_003
            async with serving(handle) as server, client(max_body_size=limit) as http:
                fetch = http.fetch(server.url())
                if how == "bytewise":
                    assert (await fetch).body == bytes(100_000) + b"end"
                elif how == "nothing":
                    assert (await fetch).body == b""
                else:
                    assert isinstance(await fails(fetch), HTTPStreamClosedError)

        run(main)
        log.at_most_one()


def compressed(coding: str, data: bytes) -> bytes:
    if coding == "br":
        name = "brotli"
    else:
        name = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    made: bytes = module(name).compress(data)
    return made


class TestCallbacks:
    def test_streaming(self) -> None:
        pieces: list[bytes] = []
        found = got(response(body=bytes(1_000_000)), streaming_callback=pieces.append)
        assert b"".join(pieces) == bytes(1_000_000)
        assert found.body == b"" and found.buffer is not None and found.buffer.read() == b""

    def test_streaming_to_something_that_returns_numbers(self) -> None:
        pieces: list[bytes] = []

        def write(piece: bytes) -> Any:
            pieces.append(piece)
            return len(piece)

        assert got(OK, streaming_callback=write).code == 200
        assert pieces == [b"ok"]

    @pytest.mark.parametrize("compressed", [True, False])
    def test_the_next_piece_waits(self, compressed: bool) -> None:
        running = 0
        pieces: list[bytes] = []

        async def take(piece: bytes) -> None:
            nonlocal running
            running += 1
            assert running == 1
            await turns(3)
            pieces.append(piece)
            running -= 1

        data = bytes(1_000_000)
        body, fields = data, []
        if compressed:
            body, fields = gzip.compress(data), ["Content-Encoding: gzip"]
        found = got(response(*fields, body=body), streaming_callback=take)
        assert found.code == 200 and b"".join(pieces) == data and not running

    def test_headers(self) -> None:
        lines: list[str] = []
        found = got(response("X-A: b", "x-a: c", body=b"ok"), header_callback=lines.append)
        assert lines == [
            "HTTP/1.1 200 OK\r\n",
            "X-A: b\r\n",
            "X-A: c\r\n",
            "Content-Length: 2\r\n",
            "\r\n",
        ]
        assert found.body == b"ok" and found.headers.get_list("x-a") == ["b", "c"]

    @pytest.mark.parametrize("name", ["streaming_callback", "header_callback"])
    @pytest.mark.parametrize("late", [True, False])
    def test_that_fail(self, log: Log, name: str, late: bool) -> None:
        if late and name == "header_callback":
            return

        async def main() -> None:
            def now(_: object) -> None:
                raise ZeroDivisionError

            async def then(_: object) -> None:
                raise ZeroDivisionError

            async with serving(OK) as server, client() as http:
                arguments: dict[str, Any] = {name: then if late else now}
                error = await fails(http.fetch(server.url(), **arguments))
                assert isinstance(error, HTTPStreamClosedError)
                await until(lambda: server.closed == 1)

        run(main)
        [record] = log.take()
        assert record.exc_info is not None and record.exc_info[0] is ZeroDivisionError

    def test_context(self) -> None:
        variable: ContextVar[str] = ContextVar("variable")
        seen: list[str] = []

        async def main() -> None:
            async def produce(write: Any) -> None:
                seen.append(variable.get())
                await write(b"abc")
                seen.append(variable.get())

            async def take(piece: bytes) -> None:
                seen.append(variable.get())

            async with serving(OK) as server, client(max_clients=1) as http:

                async def fetch(value: str) -> None:
                    variable.set(value)
                    await http.fetch(
                        server.url(),
                        method="POST",
                        body_producer=produce,
                        streaming_callback=take,
                        header_callback=lambda line: seen.append(variable.get()),
                    )
                    assert variable.get() == value

                await asyncio.create_task(fetch("one"))
                first = list(seen)
                seen.clear()
                await asyncio.create_task(fetch("two"))
                assert set(first) == {"one"} and set(seen) == {"two"} and len(seen) == len(first)
                assert server.connections == 1

        run(main)
