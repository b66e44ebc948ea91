"""The client's ways to a server: redirects, TLS, Unix sockets, proxies."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
from tests.certificates import Certificates
from tests.web.support import LogBook, run, serving, until
from tests.websocket.support import app_of

from tornadic.httpclient import HTTPClientError, HTTPRequest
from tornadic.httpserver import HTTPServer
from tornadic.netutil import Resolver, bind_unix_socket
from tornadic.web import Application, RequestHandler
from tornadic.websocket import WebSocketHandler, websocket_connect


class Sent(RequestHandler):
    def get(self) -> None:
        self.redirect("/socket")


class Echo(WebSocketHandler):
    def on_message(self, message: str | bytes) -> None:
        self.write_message(message)


def test_redirects_only_by_request() -> None:
    app = Application([("/", Sent), ("/socket", Echo)], log_function=lambda handler: None)

    async def main() -> None:
        async with serving(app) as server:
            url = f"ws://127.0.0.1:{server.port}/"
            for request in (url, HTTPRequest(url, follow_redirects=False)):
                with pytest.raises(HTTPClientError) as caught:
                    await websocket_connect(request)
                assert caught.value.code == 302
            connection = await websocket_connect(HTTPRequest(url, follow_redirects=True))
            await connection.write_message("there")
            assert await connection.read_message() == "there"

    run(main)


def test_tls(certificates: Certificates, log: LogBook) -> None:
    async def main() -> None:
        options = certificates.server_context()
        async with serving(app_of(Echo), ssl_options=options) as server:
            url = f"wss://localhost:{server.port}/"
            trusted = certificates.client_context()
            connection = await websocket_connect(HTTPRequest(url, ssl_options=trusted))
            for message in ("a", "b" * 2_000_000):
                await connection.write_message(message)
                assert await connection.read_message() == message
            connection.close(1000)
            assert await connection.read_message() is None
            assert connection.close_code == 1000
            with pytest.raises(ssl.SSLError):
                await websocket_connect(url)

    run(main)
    log.take_all("SSL")


def test_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")

    class ToSocket(Resolver):
        def initialize(self) -> None:
            pass

        async def resolve(
            self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC
        ) -> list[tuple[int, Any]]:
            return [(socket.AF_UNIX, path)]

    async def main() -> None:
        server = HTTPServer(app_of(Echo))
        server.add_socket(bind_unix_socket(path))
        connection = await websocket_connect("ws://anything/", resolver=ToSocket())
        await connection.write_message("a")
        assert await connection.read_message() == "a"
        server.stop()

    run(main)


@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_proxy(scheme: str, certificates: Certificates) -> None:
    asked: list[bytes] = []

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        asked.append(head)
        host, _, port = head.split()[1].decode().rpartition(":")
        there = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(pump(reader, there[1]), pump(there[0], writer))
        over.append(True)

    over: list[bool] = []

    async def main() -> None:
        options = certificates.server_context() if scheme == "wss" else None
        seen: list[Any] = []

        class Handler(Echo):
            def open(self, *args: Any) -> None:
                seen.append((self.request.uri, "Proxy-Authorization" in self.request.headers))

        async with (
            serving(app_of(Handler), ssl_options=options) as server,
            await asyncio.start_server(connected, "127.0.0.1", 0) as proxy,
        ):
            request = HTTPRequest(
                f"{scheme}://localhost:{server.port}/x",
                ssl_options=certificates.client_context(),
                proxy_host="127.0.0.1",
                proxy_port=proxy.sockets[0].getsockname()[1],
                proxy_username="me",
                proxy_password="p",
            )
            connection = await websocket_connect(request)
            await connection.write_message("through")
            assert await connection.read_message() == "through"
            assert asked[0].startswith(f"CONNECT localhost:{server.port} ".encode())
            assert b"Proxy-Authorization: Basic" in asked[0]
            assert seen == [("/x", False)]
            connection.close()
            assert await connection.read_message() is None
            await until(lambda: over)
            proxy.close()

    run(main)
