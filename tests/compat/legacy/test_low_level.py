"""Programs below the web framework, and a WebSocket server of somebody else's make."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import threading
from base64 import b64encode
from collections.abc import Awaitable, Generator
from typing import Any

from tests.web.support import Client, run

from tornadic import gen
from tornadic.http1connection import (
    HTTP1Connection,
    HTTP1ConnectionParameters,
    HTTP1ServerConnection,
)
from tornadic.httputil import (
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    RequestStartLine,
    ResponseStartLine,
)
from tornadic.iostream import IOStream
from tornadic.netutil import bind_sockets
from tornadic.tcpserver import TCPServer
from tornadic.websocket import websocket_connect


class Echo(HTTPMessageDelegate):
    """Answers with the method, the path and the body of each request."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.body = b""

    def headers_received(self, start_line: Any, headers: HTTPHeaders) -> None:
        self.line = f"{start_line.method} {start_line.path} "

    def data_received(self, chunk: bytes) -> None:
        self.body += chunk

    def finish(self) -> None:
        text = self.line.encode() + self.body
        headers = HTTPHeaders({"Content-Length": str(len(text))})
        self.connection.write_headers(ResponseStartLine("HTTP/1.1", 200, "OK"), headers)
        self.connection.write(text)
        self.connection.finish()


class Delegate(HTTPServerConnectionDelegate):
    def __init__(self) -> None:
        self.closed: list[object] = []

    def start_request(self, server_conn: object, request_conn: Any) -> HTTPMessageDelegate:
        return Echo(request_conn)

    def on_close(self, server_conn: object) -> None:
        self.closed.append(server_conn)


class EchoServer(TCPServer):
    delegate = Delegate()

    def handle_stream(self, stream: IOStream, address: Any) -> Awaitable[None] | None:
        params = HTTP1ConnectionParameters(no_keep_alive=False, chunk_size=10)
        HTTP1ServerConnection(stream, params, address).start_serving(self.delegate)
        return None


def test_a_server_without_an_application() -> None:
    async def main() -> None:
        server = EchoServer()
        sockets = bind_sockets(0, "127.0.0.1")
        server.add_sockets(sockets)
        address = sockets[0].getsockname()[:2]
        client = Client(*await asyncio.open_connection(*address))
        long = b"x" * 1000
        assert (await client.request("/a")).body == b"GET /a "
        assert (await client.request("/b", "POST", body=long)).body == b"POST /b " + long
        client.close()
        server.stop()

    run(main)


class Collect(HTTPMessageDelegate):
    def __init__(self) -> None:
        self.body = b""
        self.code = 0

    def headers_received(self, start_line: Any, headers: HTTPHeaders) -> None:
        self.code = start_line.code

    def data_received(self, chunk: bytes) -> None:
        self.body += chunk


def test_a_client_by_hand() -> None:
    @gen.coroutine
    def fetch(stream: IOStream) -> Generator[Any, Any, Collect]:
        connection = HTTP1Connection(stream, True)
        line = RequestStartLine("GET", "/", "HTTP/1.1")
        connection.write_headers(line, HTTPHeaders({"Host": "x"}))
        connection.finish()
        delegate = Collect()
        yield connection.read_response(delegate)
        return delegate

    async def main() -> None:
        ours, theirs = socket.socketpair()
        theirs.sendall(b"HTTP/1.1 203 Fine\r\nContent-Length: 4\r\n\r\nbody")
        stream = IOStream(ours)
        got = await fetch(stream)
        assert (got.code, got.body) == (203, b"body")
        assert theirs.recv(1000) == b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
        stream.close()
        theirs.close()

    run(main)


MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def serve_one_websocket(listening: socket.socket) -> None:
    """A WebSocket server as it is written in an afternoon: says back in capitals what it hears."""
    connection, _ = listening.accept()
    with connection, connection.makefile("rb") as file:
        key = b""
        while (line := file.readline().strip()) != b"":
            name, _, value = line.partition(b":")
            if name.lower() == b"sec-websocket-key":
                key = value.strip()
        accept = b64encode(hashlib.sha1(key + MAGIC).digest())
        connection.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        while True:
            first, second = file.read(2)
            assert second & 0x80, "a client masks"
            size = second & 0x7F
            if size == 126:
                size = int.from_bytes(file.read(2), "big")
            mask = file.read(4)
            data = bytes(byte ^ mask[i % 4] for i, byte in enumerate(file.read(size)))
            if first & 0x0F == 8:
                connection.sendall(bytes([0x88, len(data)]) + data)
                return
            head = (
                bytes([first, size])
                if size < 126
                else bytes([first, 126]) + size.to_bytes(2, "big")
            )
            connection.sendall(head + data.upper())


def test_a_websocket_server_on_a_plain_socket() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve_one_websocket, args=(listening,))
        thread.start()

        @gen.coroutine
        def talk() -> Generator[Any, Any, list[Any]]:
            url = f"ws://127.0.0.1:{listening.getsockname()[1]}/"
            connection = yield websocket_connect(url)
            answers = []
            for message in ("hello", "x" * 300, ""):
                yield connection.write_message(message)
                answers.append((yield connection.read_message()))
            connection.write_message(b"bytes", binary=True)
            answers.append((yield connection.read_message()))
            connection.close(1000, "enough")
            answers.append((yield connection.read_message()))
            return [*answers, connection.close_code]

        assert run(talk) == ["HELLO", "X" * 300, "", b"BYTES", None, 1000]
        thread.join()
