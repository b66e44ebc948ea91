"""Connections under TLS, and by way of a proxy."""

from __future__ import annotations

import asyncio
import ssl
from base64 import b64encode
from typing import Any

import pytest
from tests.certificates import Certificates
from tests.httpclient.support import (
    OK,
    SHORT,
    Conn,
    client,
    fails,
    raw,
    response,
    run,
    serving,
    until,
)
from tests.server.logs import Log

from tornadic.httpclient import HTTPClientError
from tornadic.simple_httpclient import HTTPStreamClosedError, HTTPTimeoutError


class TestTLS:
    def test_ways_to_trust(self, certificates: Certificates) -> None:
        async def main() -> None:
            async with serving(OK, certificates.server_context()) as server, client() as http:
                ways: list[dict[str, Any]] = [
                    {"ca_certs": str(certificates.server)},
                    {"validate_cert": False},
                    {"ssl_options": certificates.client_context()},
                    {"ssl_options": certificates.client_options()},
                    {"ssl_options": {"cert_reqs": ssl.CERT_NONE}},
                    # The options count alone.
                    {"ssl_options": certificates.client_context(), "ca_certs": "/nowhere"},
                ]
                for way in ways:
                    for host in ("127.0.0.1", "localhost"):
                        assert (await http.fetch(server.url(host=host), **way)).body == b"ok"

        run(main)

    def test_nobody_to_trust(self, log: Log, certificates: Certificates) -> None:
        async def main() -> None:
            async with serving(OK, certificates.server_context()) as server, client() as http:
                assert isinstance(await fails(http.fetch(server.url())), ssl.SSLError)
                assert not server.requests

        run(main)
        log.one("certificate verify failed")

    def test_another_name(self, log: Log, certificates: Certificates) -> None:
        async def main() -> None:
            names = {"other.test": "127.0.0.1"}
            async with (
                serving(OK, certificates.server_context()) as server,
                client(hostname_mapping=names) as http,
            ):
                url = server.url(host="other.test")
                error = await fails(http.fetch(url, ca_certs=str(certificates.server)))
                assert isinstance(error, ssl.SSLCertVerificationError)

        run(main)
        log.one("certificate verify failed")

    def test_client_certificate(self, certificates: Certificates) -> None:
        async def main() -> None:
            context = certificates.server_context()
            context.load_verify_locations(certificates.client)
            context.verify_mode = ssl.CERT_REQUIRED
            subjects: list[Any] = []

            async def handle(conn: Conn) -> None:
                subjects.append(conn.writer.get_extra_info("peercert")["subject"])
                await conn.request()
                conn.send(OK)
                await conn.ended()

            async with serving(handle, context) as server, client() as http:
                await http.fetch(
                    server.url(),
                    ca_certs=str(certificates.server),
                    client_cert=str(certificates.client),
                    client_key=str(certificates.client_key),
                )
                assert "Anne Client" in str(subjects)

        run(main)

    def test_files_that_are_missing(self) -> None:
        async def main() -> None:
            async with client() as http:
                for name in ("ca_certs", "client_cert"):
                    arguments: dict[str, Any] = {name: "/nowhere"}
                    error = await fails(http.fetch("https://127.0.0.1:1/", **arguments))
                    assert isinstance(error, FileNotFoundError)
                error = await fails(http.fetch("https://127.0.0.1:1/", ssl_options=5))
                assert isinstance(error, TypeError)

        run(main)

    def test_a_server_that_does_not_speak_it(self, log: Log) -> None:
        async def main() -> None:
            async def handle(conn: Conn) -> None:
                conn.send(OK)
                await conn.ended()

            async with serving(handle) as server, client() as http:
                url = server.url().replace("http:", "https:")
                assert isinstance(await fails(http.fetch(url)), ssl.SSLError)

        run(main)
        log.take()

    def test_reuse_and_end(self, certificates: Certificates) -> None:
        async def main() -> None:
            async def handle(conn: Conn) -> None:
                for _ in range(2):
                    await conn.request()
                    conn.send(response(body=bytes(200_000)))

            async with serving(handle, certificates.server_context()) as server, client() as http:
                for number in range(4):
                    found = await http.fetch(server.url(), ca_certs=str(certificates.server))
                    assert found.body == bytes(200_000)
                    assert server.connections == number // 2 + 1
                    if number % 2:
                        await until(lambda: not len(http._pool))

        run(main)


class Proxy:
    """A proxy: it answers requests itself, and tunnels to where it is asked to."""

    def __init__(self, answer: bytes = b"HTTP/1.1 200 Established\r\n\r\n") -> None:
        self.answer = answer
        self.tunnels: list[tuple[str, dict[str, list[str]]]] = []
        self.requests: list[tuple[str, str, dict[str, list[str]]]] = []

    async def __call__(self, conn: Conn) -> None:
        while True:
            method, target, headers = await conn.head()
            if method == "CONNECT":
                self.tunnels.append((target, headers))
                await self.tunnel(conn, target)
                return
            self.requests.append((method, target, headers))
            await conn.body(headers)
            conn.send(OK)

    async def tunnel(self, conn: Conn, target: str) -> None:
        if b" 200 " not in self.answer[:16]:
            conn.send(self.answer)
            await conn.ended()
            return
        host, _, port = target.rpartition(":")
        reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
        conn.send(self.answer)

        async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            try:
                while data := await source.read(65536):
                    sink.write(data)
                    await sink.drain()
            finally:
                sink.close()

        try:
            await asyncio.gather(copy(conn.reader, writer), copy(reader, conn.writer))
        finally:
            writer.close()


def by_way_of(port: int, **more: Any) -> dict[str, Any]:
    return {"proxy_host": "127.0.0.1", "proxy_port": port, **more}


class TestProxies:
    def test_http(self) -> None:
        async def main() -> None:
            proxy = Proxy()
            async with serving(proxy) as server, client() as http:
                way = by_way_of(server.port, proxy_username="u", proxy_password="p")
                for _ in range(2):
                    found = await http.fetch("http://a.test:81/x?y#z", **way)
                    assert found.body == b"ok"
                    assert found.effective_url == "http://a.test:81/x?y#z"
                assert server.connections == 1
                method, target, headers = proxy.requests[0]
                assert (method, target) == ("GET", "http://a.test:81/x?y")
                assert headers["host"] == ["a.test:81"]
                assert headers["proxy-authorization"] == ["Basic " + b64encode(b"u:p").decode()]

        run(main)

    @pytest.mark.parametrize(
        "answer",
        [
            b"HTTP/1.1 200 Connection established\r\n\r\n",
            b"HTTP/1.0 200 OK\r\nProxy-Agent: x\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
        ],
    )
    def test_https(self, certificates: Certificates, answer: bytes) -> None:
        async def main() -> None:
            proxy = Proxy(answer)
            async with (
                serving(OK, certificates.server_context()) as server,
                serving(proxy) as front,
                client() as http,
            ):
                way = by_way_of(front.port, proxy_username="u", proxy_password="p")
                for _ in range(2):
                    found = await http.fetch(
                        server.url("/x"), ca_certs=str(certificates.server), **way
                    )
                    assert found.body == b"ok"
                assert front.connections == server.connections == 1
                [(target, headers)] = proxy.tunnels
                assert target == f"127.0.0.1:{server.port}"
                assert headers["host"] == [target]
                assert headers["proxy-authorization"] == ["Basic " + b64encode(b"u:p").decode()]
                # The secret is the proxy's, and the server does not see it.
                assert server.requests[0].target == "/x"
                assert server.requests[0].header("proxy-authorization") is None

        run(main)

    def test_the_server_behind_it_has_to_prove_who_it_is(
        self, log: Log, certificates: Certificates
    ) -> None:
        async def main() -> None:
            async with (
                serving(OK, certificates.server_context()) as server,
                serving(Proxy()) as front,
                client() as http,
            ):
                error = await fails(http.fetch(server.url(), **by_way_of(front.port)))
                assert isinstance(error, ssl.SSLError)
                await until(lambda: front.closed == 1)

        run(main)
        log.one("certificate verify failed")

    @pytest.mark.parametrize("status", ["407 Authentication", "502 Bad Gateway", "302 Found"])
    def test_a_tunnel_that_is_refused(self, status: str) -> None:
        async def main() -> None:
            answer = response("Location: http://127.0.0.1/", body=bytes(1000), status=status)
            async with serving(Proxy(answer)) as front, client() as http:
                error = await fails(http.fetch("https://a.test/", **by_way_of(front.port)))
                assert isinstance(error, HTTPClientError) and error.code == 599
                assert status in str(error)
                await until(lambda: front.closed == 1)

        run(main)

    @pytest.mark.parametrize(
        "answer",
        [b"", b"HTTP/1.1 20", b"garbage\r\n\r\n", raw("HTTP/1.1 200 OK") + b"more"],
    )
    def test_a_proxy_that_is_none(self, log: Log, answer: bytes) -> None:
        async def main() -> None:
            async def handle(conn: Conn) -> None:
                await conn.head()
                conn.send(answer)
                if b"200 OK" in answer:
                    await conn.ended()

            async with serving(handle) as front, client() as http:
                error = await fails(http.fetch("https://a.test/", **by_way_of(front.port)))
                assert isinstance(error, (HTTPStreamClosedError, ValueError, OSError)), error
                await until(lambda: front.closed == 1)

        run(main)
        log.at_most_one()

    def test_a_proxy_that_says_nothing(self) -> None:
        async def main() -> None:
            async def handle(conn: Conn) -> None:
                await conn.ended()

            async with serving(handle) as front, client() as http:
                error = await fails(
                    http.fetch("https://a.test/", connect_timeout=SHORT, **by_way_of(front.port))
                )
                assert isinstance(error, HTTPTimeoutError)
                assert str(front.port) in str(error)
                await until(lambda: front.closed == 1)
                fetch = http.fetch("https://a.test/", **by_way_of(front.port))
                await until(lambda: front.connections == 2)
                fetch.cancel()
                await until(lambda: front.closed == 2)

        run(main)

    def test_that_itself_speaks_tls(self, certificates: Certificates) -> None:
        async def main() -> None:
            proxy = Proxy()
            async with serving(proxy, certificates.server_context()) as front, client() as http:
                way = by_way_of(front.port, ca_certs=str(certificates.server))
                way["proxy_host"] = "https://127.0.0.1"
                assert (await http.fetch("http://a.test/", **way)).body == b"ok"
                assert isinstance(
                    await fails(http.fetch("https://a.test/", **way)), NotImplementedError
                )

        run(main)

    @pytest.mark.parametrize(
        "arguments",
        [
            {"proxy_host": "127.0.0.1"},
            {"proxy_port": 1},
            {"proxy_host": "127.0.0.1", "proxy_port": 1, "proxy_auth_mode": "digest"},
            {"proxy_host": "a b", "proxy_port": 1},
            {"proxy_host": "a\r\nb", "proxy_port": 1},
            {"proxy_host": "127.0.0.1", "proxy_port": 99999},
            {"proxy_host": "socks5://127.0.0.1", "proxy_port": 1},
        ],
    )
    def test_arguments_that_cannot_be_meant(self, arguments: dict[str, Any]) -> None:
        async def main() -> None:
            async with client() as http:
                error = await fails(http.fetch("http://127.0.0.1:1/", **arguments))
                assert isinstance(error, ValueError)

        run(main)

    def test_of_the_defaults(self) -> None:
        async def main() -> None:
            proxy = Proxy()
            async with serving(proxy) as front, client(defaults=by_way_of(front.port)) as http:
                assert (await http.fetch("http://a.test/")).body == b"ok"
                assert len(proxy.requests) == 1

        run(main)

    def test_another_way_is_another_connection(self) -> None:
        async def main() -> None:
            async with serving(Proxy()) as front, serving(Proxy()) as other, client() as http:
                for _ in range(2):
                    await http.fetch("http://a.test/", **by_way_of(front.port))
                    await http.fetch("http://a.test/", **by_way_of(other.port))
                    await http.fetch("http://a.test/", **by_way_of(other.port, proxy_username="u"))
                assert (front.connections, other.connections) == (1, 2)

        run(main)
