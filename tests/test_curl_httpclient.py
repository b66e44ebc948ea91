"""The client on libcurl, where there is one."""

from __future__ import annotations

import asyncio
import gzip
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

import pytest
from tests.tools import module

pycurl = module("pycurl")
pytest.register_assert_rewrite("tests.httpclient.support", "tests.server.logs")

from tests.certificates import Certificates, make_certificates  # noqa: E402
from tests.httpclient.support import (  # noqa: E402
    OK,
    SHORT,
    Conn,
    Request,
    fails,
    raw,
    redirect,
    response,
    run,
    serving,
    turns,
    until,
)
from tests.server.logs import Log  # noqa: E402

from tornadic.curl_httpclient import CurlAsyncHTTPClient, CurlError  # noqa: E402
from tornadic.httpclient import AsyncHTTPClient, HTTPClientError  # noqa: E402


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> Iterator[Log]:
    log = Log(caplog)
    # It logs as much as the program's level allows.
    logging.getLogger("tornado.curl_httpclient").setLevel(logging.INFO)
    yield log
    log.check_end()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@asynccontextmanager
async def client(**arguments: Any) -> AsyncIterator[CurlAsyncHTTPClient]:
    made = CurlAsyncHTTPClient(force_instance=True, **arguments)
    assert isinstance(made, CurlAsyncHTTPClient)
    try:
        yield made
        assert not made._active
    finally:
        made.close()
        await turns()


def sent(path: str = "/", user: str = "", **arguments: Any) -> Request:
    """The request that a fetch sends."""
    found: list[Request] = []

    async def main() -> None:
        async with serving(OK) as server, client() as http:
            await http.fetch(server.url(path, user=user), **arguments)
            found.extend(server.requests)

    run(main)
    [request] = found
    return request


def refused(error: type[Exception], **arguments: Any) -> None:
    """Nothing is sent of such a request."""

    async def main() -> None:
        async with serving(OK) as server, client() as http:
            found = await fails(http.fetch(server.url(arguments.pop("path", "/")), **arguments))
            assert isinstance(found, error), found
            assert not server.connections
            assert (await http.fetch(server.url())).body == b"ok"

    run(main)


class TestRequests:
    def test_usual(self) -> None:
        request = sent("/x?y#z")
        assert (request.method, request.target, request.body) == ("GET", "/x?y", b"")
        assert str(request.header("user-agent")).startswith("Tornadic/")
        assert "gzip" in str(request.header("accept-encoding"))
        assert request.header("expect") is None

    @pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS"])
    def test_methods(self, method: str) -> None:
        assert sent(method=method).method == method

    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
    @pytest.mark.parametrize("body", ["", "\u00e9", bytes(300_000)])
    def test_bodies(self, method: str, body: Any) -> None:
        request = sent(method=method, body=body, headers={"X-A": "b"})
        assert request.method == method and request.header("x-a") == "b"
        assert request.body == (body.encode() if isinstance(body, str) else body)
        kind = "application/x-www-form-urlencoded" if method == "POST" else None
        assert request.header("content-type") == kind

    def test_unusual(self) -> None:
        assert sent(method="PROPFIND", allow_nonstandard_methods=True).method == "PROPFIND"
        request = sent(method="DELETE", body="x", allow_nonstandard_methods=True)
        assert (request.method, request.body) == ("DELETE", b"x")
        assert sent(headers={"X-Empty": ""}).header("x-empty") == ""
        assert sent("/\u00e9 x").target == "/%C3%A9%20x"

    @pytest.mark.parametrize(
        ("user", "arguments", "value"),
        [
            ("", {"auth_username": "a", "auth_password": "b"}, "Basic YTpi"),
            ("", {"auth_username": "a"}, "Basic YTo="),
            ("", {"auth_username": "\u00e9", "auth_password": "b"}, "Basic w6k6Yg=="),
            ("us%40er:pa%3Ass@", {}, "Basic dXNAZXI6cGE6c3M="),
        ],
    )
    def test_credentials(self, user: str, arguments: dict[str, Any], value: str) -> None:
        assert sent(user=user, **arguments).header("authorization") == value

    def test_digest(self) -> None:
        async def main() -> None:
            async def handle(conn: Conn) -> None:
                while (await conn.request()).header("authorization") is None:
                    challenge = 'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth"'
                    conn.send(response(challenge, status="401 Who"))
                conn.send(OK)
                await conn.ended()

            async with serving(handle) as server, client() as http:
                await http.fetch(
                    server.url(), auth_username="u", auth_password="p", auth_mode="digest"
                )
                assert 'username="u"' in str(server.requests[-1].header("authorization"))

        run(main)

    @pytest.mark.parametrize(
        "arguments",
        [
            {"path": "/\r\nX: y"},
            {"headers": {"A": "b\r\nC: d"}},
            {"headers": {"A\r\nB": "c"}},
            {"user_agent": "a\r\nB: c"},
            {"method": "GET\r\n", "allow_nonstandard_methods": True},
            {"method": "", "allow_nonstandard_methods": True},
            {"method": "POST"},
            {"method": "GET", "body": "x"},
            {"method": "GET", "body": "x", "allow_nonstandard_methods": True},
            {"auth_username": "a", "auth_mode": "other"},
            {"proxy_host": "127.0.0.1", "proxy_port": 1, "proxy_auth_mode": "other"},
            {"ssl_options": {}},
            {"method": "POST", "body_producer": print},
        ],
    )
    def test_what_cannot_be_sent(self, arguments: dict[str, Any]) -> None:
        refused(ValueError, **arguments)

    def test_unknown_method(self) -> None:
        refused(KeyError, method="PROPFIND")

    def test_nothing_is_inherited(self) -> None:
        async def main() -> None:
            async with serving(OK) as server, client(max_clients=1) as http:
                await http.fetch(
                    server.url(),
                    method="PUT",
                    body="x",
                    auth_username="u",
                    headers={"X-A": "b"},
                    user_agent="a",
                    network_interface="127.0.0.2",
                )
                await http.fetch(server.url())
                second = server.requests[1]
                assert (second.method, second.body) == ("GET", b"")
                assert second.header("authorization") is second.header("x-a") is None
                assert second.header("user-agent") != "a"

        run(main)

    def test_prepare_curl_callback(self) -> None:
        request = sent(prepare_curl_callback=lambda curl: curl.setopt(pycurl.REFERER, "there"))
        assert request.header("referer") == "there"


class TestAnswers:
    def test_response(self) -> None:
        async def main() -> None:
            answer = response("X-A: b", "X-A: c", body=b"hello", status="201 Made it")
            async with serving(answer) as server, client() as http:
                found = await http.fetch(server.url())
                assert (found.code, found.reason, found.body) == (201, "Made it", b"hello")
                assert found.headers.get_list("x-a") == ["b", "c"]
                assert found.effective_url == server.url()
                assert found.request_time is not None and found.start_time is not None
                assert {"queue", "connect", "total"} <= set(found.time_info)
                await http.fetch(server.url())
                assert server.connections == 1

        run(main)

    def test_errors(self) -> None:
        async def main() -> None:
            answer = response(body=b"no", status="404 Gone")
            async with serving(answer) as server, client() as http:
                error = await fails(http.fetch(server.url()))
                assert type(error) is HTTPClientError and error.code == 404
                found = await http.fetch(server.url(), raise_error=False)
                assert found.body == b"no"
                refusal = await fails(http.fetch("http://127.0.0.1:1/"))
                assert isinstance(refusal, CurlError)
                assert (refusal.code, refusal.errno) == (599, 7)

        run(main)

    @pytest.mark.parametrize("size", [5000, 5001])
    @pytest.mark.parametrize("how", ["length", "chunked", "gzip", "streamed"])
    def test_limit_of_a_body(self, size: int, how: str) -> None:
        body = b"x" * size
        answer = response(body=body)
        if how == "chunked":
            chunk = b"%x\r\n%b\r\n0\r\n\r\n" % (size, body)
            answer = raw("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", body=chunk)
        elif how == "gzip":
            answer = response("Content-Encoding: gzip", body=gzip.compress(body))

        async def main() -> None:
            pieces: list[bytes] = []
            arguments = {"streaming_callback": pieces.append} if how == "streamed" else {}
            async with serving(answer) as server, client(max_body_size=5000) as http:
                fetch = http.fetch(server.url(), **arguments)  # type: ignore[arg-type]
                if size == 5000:
                    assert (await fetch).body + b"".join(pieces) == body
                else:
                    error = await fails(fetch)
                    assert isinstance(error, CurlError) and "max_body_size" in str(error)

        run(main)

    @pytest.mark.parametrize(
        "answer",
        [
            b"",
            raw("HTTP/1.1 200 OK", "Content-Length: 20", body=b"abc"),
            raw("HTTP/1.1 200 OK", "Content-Length: 3", "Content-Length: 4", body=b"abc"),
            b"garbage\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nA b: c\r\nContent-Length: 0\r\n\r\n",
            response("Content-Encoding: gzip", body=b"abc"),
            redirect("file:///etc/passwd"),
            redirect("ftp://127.0.0.1/"),
            redirect("/"),
        ],
    )
    def test_hostile(self, answer: bytes) -> None:
        async def main() -> None:
            async def handle(conn: Conn) -> None:
                for _ in range(5):
                    await conn.request()
                    conn.send(answer)
                    if b"Location: /\r" not in answer:
                        break

            async with serving(handle) as server, client() as http:
                error = await fails(http.fetch(server.url(), max_redirects=3))
                assert isinstance(error, CurlError), error

        run(main)

    def test_time_out(self) -> None:
        async def main() -> None:
            async def handle(conn: Conn) -> None:
                await conn.request()
                await conn.ended()

            async with serving(handle) as server, client() as http:
                error = await fails(http.fetch(server.url(), request_timeout=SHORT))
                assert isinstance(error, CurlError) and error.errno == 28
                await until(lambda: server.closed == 1)

        run(main)

    def test_redirect_to_another_host(self) -> None:
        async def main() -> None:
            async with serving(OK) as server, client() as http:
                location = server.url(host="localhost")
                secrets = {"Authorization": "x", "Cookie": "a=b", "Proxy-Authorization": "y"}
                async with serving(redirect(location)) as first:
                    await http.fetch(first.url(), headers=secrets)
                [request] = server.requests
                assert [request.header(name.lower()) for name in secrets] == [None] * 3

        run(main)


class TestCallbacks:
    def test_order_and_context(self) -> None:
        variable: ContextVar[str] = ContextVar("variable")

        async def main() -> None:
            seen: list[Any] = []

            def note(what: Any) -> None:
                assert variable.get() == "mine"
                seen.append(what)

            async with serving(OK) as server, client() as http:
                variable.set("mine")
                found = await http.fetch(
                    server.url(), header_callback=note, streaming_callback=note
                )
                assert found.body == b""
                lines = ["HTTP/1.1 200 OK\r\n", "Content-Length: 2\r\n", "\r\n"]
                assert seen == [*lines, b"ok"]

        run(main)

    def test_much(self) -> None:
        async def main() -> None:
            pieces: list[bytes] = []
            async with serving(response(body=bytes(20_000_000))) as server, client() as http:
                await http.fetch(server.url(), streaming_callback=pieces.append)
            assert b"".join(pieces) == bytes(20_000_000)

        run(main)

    @pytest.mark.parametrize("name", ["streaming_callback", "header_callback"])
    def test_that_fail(self, log: Log, name: str) -> None:
        async def main() -> None:
            def fail(_: object) -> None:
                raise ZeroDivisionError

            async with serving(OK) as server, client() as http:
                arguments: dict[str, Any] = {name: fail}
                assert (await http.fetch(server.url(), **arguments)).code == 200

        run(main)
        for record in log.take():
            assert "Exception in callback" in record.getMessage()

    def test_coroutines_are_refused(self) -> None:
        async def take(piece: bytes) -> None: ...

        refused(TypeError, streaming_callback=take)


class TestClient:
    def test_configure(self) -> None:
        async def main() -> None:
            saved = AsyncHTTPClient._save_configuration()
            try:
                for package in ("tornado", "tornadic"):
                    AsyncHTTPClient.configure(
                        f"{package}.curl_httpclient.CurlAsyncHTTPClient", max_clients=3
                    )
                    http = AsyncHTTPClient(force_instance=True)
                    assert type(http) is CurlAsyncHTTPClient and http.max_clients == 3
                    http.close()
            finally:
                AsyncHTTPClient._restore_configuration(saved)

        run(main)

    def test_places(self) -> None:
        async def main() -> None:
            async with serving(OK) as server, client(max_clients=2) as http:
                found = await asyncio.gather(*[http.fetch(server.url()) for _ in range(10)])
                assert all(one.body == b"ok" for one in found)
                assert server.connections <= 2

        run(main)

    @pytest.mark.parametrize("stage", ["queue", "connected"])
    def test_cancel(self, stage: str) -> None:
        async def main() -> None:
            async def handle(conn: Conn) -> None:
                await conn.request()
                await conn.ended()

            async with serving(handle) as server, client(max_clients=1) as http:
                fetches = [http.fetch(server.url()) for _ in range(2)]
                await until(lambda: server.requests)
                order = fetches if stage == "connected" else fetches[::-1]
                for fetch in order:
                    fetch.cancel()
                assert not http._active
                await until(lambda: server.closed == server.connections)

        run(main)

    def test_close_while_fetching(self) -> None:
        async def main() -> None:
            async def handle(conn: Conn) -> None:
                await conn.request()
                await conn.ended()

            async with serving(handle) as server, client(max_clients=1) as http:
                fetches = [http.fetch(server.url()) for _ in range(2)]
                await until(lambda: server.requests)
                http.close()
                for fetch in fetches:
                    assert isinstance(await fails(fetch), CurlError)
                await until(lambda: server.closed == 1)

        run(main)

    def test_tls(self, certificates: Certificates) -> None:
        async def main() -> None:
            async with serving(OK, certificates.server_context()) as server, client() as http:
                url = server.url(host="localhost")
                assert isinstance(await fails(http.fetch(url)), CurlError)
                assert (await http.fetch(url, ca_certs=str(certificates.server))).body == b"ok"
                assert (await http.fetch(url, validate_cert=False)).body == b"ok"
                assert isinstance(await fails(http.fetch(url)), CurlError)

        run(main)

    def test_proxy(self) -> None:
        async def main() -> None:
            async with serving(OK) as server, client() as http:
                await http.fetch(
                    "http://a.test/x",
                    proxy_host="127.0.0.1",
                    proxy_port=server.port,
                    proxy_username="u",
                    proxy_password="p",
                )
                [request] = server.requests
                assert request.target == "http://a.test/x"
                assert request.header("proxy-authorization") == "Basic dTpw"

        run(main)
