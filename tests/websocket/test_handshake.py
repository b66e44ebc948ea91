"""The opening handshake of a server, as a client and as an attacker sees it."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Any

import pytest
from tests.certificates import Certificates
from tests.web.support import LogBook, run, serving
from tests.websocket.support import (
    ACCEPT,
    HANDSHAKE,
    TEXT,
    Raw,
    Recorder,
    app_of,
    frame,
    noted,
    opening,
    raw,
)

from tornadic.web import HTTPError
from tornadic.websocket import WebSocketHandler


class Echo(WebSocketHandler):
    def on_message(self, message: str | bytes) -> None:
        self.write_message(message)


def answer(
    handler: type[WebSocketHandler],
    fields: Any,
    version: str = "HTTP/1.1",
    method: str = "GET",
    **settings: Any,
) -> Any:
    """The answer to one handshake."""

    async def main() -> Any:
        async with serving(app_of(handler, **settings)) as server:
            client = await server.connect()
            await client.send(opening("/", fields, version, method))
            if version == "HTTP/1.0":
                return (await client.reader.read()).decode()
            response = await client.response_head()
            if response.status != 101:
                response.body = await client.reader.read()  # and the connection ends
            return response

    return run(main)


def without(name: str) -> dict[str, str]:
    return {key: value for key, value in HANDSHAKE.items() if key != name}


def test_answer() -> None:
    response = answer(Echo, HANDSHAKE)
    assert (response.status, response.reason) == (101, "Switching Protocols")
    assert response["Upgrade"] == "websocket"
    assert response["Connection"] == "Upgrade"
    assert response["Sec-WebSocket-Accept"] == ACCEPT
    for name in ("Content-Type", "Content-Length", "Transfer-Encoding", "Etag"):
        assert name not in response
    assert "Sec-WebSocket-Extensions" not in response
    assert "Sec-WebSocket-Protocol" not in response


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (without("Upgrade"), 400),
        ({**HANDSHAKE, "Upgrade": "h2c"}, 400),
        (without("Connection"), 400),
        ({**HANDSHAKE, "Connection": "keep-alive"}, 400),
        (without("Sec-WebSocket-Key"), 400),
        ({**HANDSHAKE, "Sec-WebSocket-Key": ""}, 400),
        ({**HANDSHAKE, "Sec-WebSocket-Key": "c2hvcnQ="}, 400),
        ({**HANDSHAKE, "Sec-WebSocket-Key": "!" * 22 + "=="}, 400),
        ([*HANDSHAKE.items(), ("Sec-WebSocket-Key", HANDSHAKE["Sec-WebSocket-Key"])], 400),
        ({**HANDSHAKE, "Sec-WebSocket-Protocol": "a b"}, 400),
        ({**HANDSHAKE, "Sec-WebSocket-Extensions": "a;;b"}, 400),
        (without("Sec-WebSocket-Version"), 426),
        ({**HANDSHAKE, "Sec-WebSocket-Version": "8"}, 426),
        ({**HANDSHAKE, "Sec-WebSocket-Version": "14"}, 426),
        ({**HANDSHAKE, "Sec-WebSocket-Version": "13, 8"}, 426),
        ([*HANDSHAKE.items(), ("Sec-WebSocket-Version", "13")], 426),
        ({**HANDSHAKE, "Origin": "http://elsewhere.example"}, 403),
        ({**HANDSHAKE, "Origin": "null"}, 403),
        ({**HANDSHAKE, "Origin": "http://[bad"}, 403),
        ({**HANDSHAKE, "Origin": "http://example.com", "Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
def test_refused(fields: Any, status: int) -> None:
    response = answer(Echo, fields)
    assert response.status == status
    assert response["Connection"] == "close"
    assert b"Traceback" not in response.body
    assert "Sec-WebSocket-Accept" not in response
    if status == 426:
        assert response["Sec-WebSocket-Version"] == "13"


def test_http_1_0() -> None:
    assert answer(Echo, HANDSHAKE, "HTTP/1.0").startswith("HTTP/1.1 400 ")


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_another_method(method: str) -> None:
    fields = {**HANDSHAKE, "Content-Length": "0"}
    assert answer(Echo, fields, method=method).status == 405


@pytest.mark.parametrize(
    "fields",
    [
        {**HANDSHAKE, "Upgrade": "WebSocket", "Connection": "keep-alive, upgrade"},
        {**HANDSHAKE, "Upgrade": "h2c, websocket"},
        {**HANDSHAKE, "Origin": "http://example.com"},
        {**HANDSHAKE, "Origin": "http://EXAMPLE.com"},
        {**HANDSHAKE, "Origin": "http://other.example", "Sec-Fetch-Site": "same-origin"},
    ],
)
def test_accepted(fields: Any) -> None:
    assert answer(Echo, fields).status == 101


def test_trusted_origins() -> None:
    fields = {**HANDSHAKE, "Origin": "https://friend.example"}
    assert answer(Echo, fields, trusted_origins=["https://friend.example"]).status == 101
    assert answer(Echo, fields, trusted_origins=["https://friend.example.org"]).status == 403


def test_check_origin_of_ones_own() -> None:
    class Handler(Echo):
        def check_origin(self, origin: str) -> bool:
            return origin == "http://asked.example"

    assert answer(Handler, {**HANDSHAKE, "Origin": "http://asked.example"}).status == 101
    assert answer(Handler, {**HANDSHAKE, "Origin": "http://else.example"}).status == 403


def test_check_origin_that_fails(log: LogBook) -> None:
    class Handler(Echo):
        def check_origin(self, origin: str) -> bool:
            raise ZeroDivisionError

    fields = {**HANDSHAKE, "Origin": "http://asked.example"}
    assert answer(Handler, fields).status == 500
    log.take("ZeroDivisionError")


class TestSubprotocols:
    def test_chosen(self) -> None:
        asked: list[Any] = []

        class Handler(Echo):
            def select_subprotocol(self, subprotocols: list[str]) -> str | None:
                asked.append(subprotocols)
                return "b"

            def open(self) -> None:
                asked.append(self.selected_subprotocol)

        response = answer(Handler, {**HANDSHAKE, "Sec-WebSocket-Protocol": "a, b"})
        assert response["Sec-WebSocket-Protocol"] == "b"
        assert asked == [["a", "b"], "b"]

    def test_none_proposed(self) -> None:
        asked: list[Any] = []

        class Handler(Echo):
            def select_subprotocol(self, subprotocols: list[str]) -> str | None:
                asked.append(subprotocols)
                return None

        assert answer(Handler, HANDSHAKE).status == 101
        assert asked == [[]]

    def test_not_proposed(self, log: LogBook) -> None:
        class Handler(Echo):
            def select_subprotocol(self, subprotocols: list[str]) -> str | None:
                return "c"

        fields = {**HANDSHAKE, "Sec-WebSocket-Protocol": "a"}
        assert answer(Handler, fields).status == 500
        log.take("has not proposed")


def test_groups_of_the_pattern_and_headers_of_ones_own() -> None:
    notes: list[Any] = []

    class Handler(Recorder):
        def prepare(self) -> None:
            self.set_header("X-Prepared", "yes")

        def open(self, *args: Any, **kwargs: Any) -> None:
            notes.append((args, kwargs, self.open_args, self.get_argument("q")))

    async def main() -> None:
        async with serving(app_of(Handler, notes)) as server:
            client = await server.connect()
            await client.send(opening("/a%20b?q=1", HANDSHAKE))
            response = await client.response_head()
            assert response["X-Prepared"] == "yes"
            client.close()

    run(main)
    assert notes[0] == (("a b",), {}, ("a b",), "1")


def test_prepare_may_refuse() -> None:
    class Handler(Echo):
        async def prepare(self) -> None:
            raise HTTPError(401)

    response = answer(Handler, HANDSHAKE)
    assert response.status == 401
    assert response["Connection"] == "close"


def test_what_follows_a_refused_handshake_is_no_request() -> None:
    notes: list[Any] = []

    async def main() -> None:
        async with serving(app_of(Recorder, notes)) as server:
            client = await server.connect()
            second = opening("/smuggled", HANDSHAKE)
            await client.send(opening("/", without("Sec-WebSocket-Key")) + second)
            assert (await client.response_head()).status == 400
            rest = await client.reader.read()
            assert b"HTTP/1.1" not in rest

    run(main)
    assert notes == []


def test_frames_that_come_with_the_handshake() -> None:
    async def main() -> None:
        async with serving(app_of(Echo)) as server:
            client = await server.connect()
            await client.send(opening("/", HANDSHAKE) + frame(TEXT, b"early") + b"\x81")
            assert (await client.response_head()).status == 101
            peer = Raw(client)
            assert await peer.message() == "early"
            await peer.send(frame(TEXT, b"late")[1:])
            assert await peer.message() == "late"

    run(main)


@pytest.mark.parametrize(("count", "size"), [(1, 5), (60, 20_000), (3000, 5)])
def test_frames_that_come_with_the_handshake_under_tls(
    count: int, size: int, certificates: Certificates
) -> None:
    """Each in a record of its own, all of which are in the server's kernel by then."""
    sent = frame(TEXT, b"x" * size)
    due = count * len(frame(TEXT, b"x" * size, mask=None))

    async def main() -> None:
        options = certificates.server_context()
        async with serving(app_of(Echo), ssl_options=options) as server:
            loop = asyncio.get_running_loop()
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = certificates.client_context().wrap_bio(incoming, outgoing, False, "localhost")

            async def call(function: Callable[[], Any]) -> Any:
                while True:
                    try:
                        return function()
                    except ssl.SSLWantReadError:
                        await loop.sock_sendall(sock, outgoing.read())
                        incoming.write(await loop.sock_recv(sock, 65536))

            with socket.create_connection(("127.0.0.1", server.port)) as sock:
                sock.setblocking(False)
                await call(tls.do_handshake)
                tls.write(opening("/", HANDSHAKE))
                for _ in range(count):
                    tls.write(sent)
                got = b""
                while len(got.partition(b"\r\n\r\n")[2]) < due:
                    got += await call(lambda: tls.read(65536))

    run(main)


def test_a_body_is_no_frame() -> None:
    async def main() -> None:
        async with serving(app_of(Echo)) as server:
            client = await server.connect()
            fields = {**HANDSHAKE, "Content-Length": "5"}
            await client.send(opening("/", fields) + b"\x81\x85bod" + frame(TEXT, b"hi"))
            assert (await client.response_head()).status == 101
            assert await Raw(client).message() == "hi"

    run(main)


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("write", ("a",)),
        ("redirect", ("/",)),
        ("set_header", ("A", "b")),
        ("set_cookie", ("a", "b")),
        ("set_status", (200,)),
        ("flush", ()),
        ("finish", ()),
    ],
)
def test_nothing_of_http_once_it_is_open(name: str, args: tuple[Any, ...]) -> None:
    notes: list[Any] = []

    class Handler(Recorder):
        def open(self, *_: Any, **__: Any) -> None:
            with pytest.raises(RuntimeError, match="not supported for Web Sockets"):
                getattr(self, name)(*args)
            notes.append("refused")

    async def main() -> None:
        async with serving(app_of(Handler, notes)) as server:
            peer = await raw(server)
            await noted(notes, "refused")
            await peer.send(frame(TEXT, b"still there"))
            assert await peer.message() == "still there"

    run(main)


def test_get_that_is_awaited_by_a_subclass() -> None:
    class Handler(Echo):
        async def get(self, *args: Any, **kwargs: Any) -> None:
            self.set_header("X-Own", "1")
            await super().get(*args, **kwargs)

    assert answer(Handler, HANDSHAKE)["X-Own"] == "1"


def test_the_client_goes_before_the_handshake_is_answered() -> None:
    notes: list[Any] = []
    gone = asyncio.Event()

    class Handler(Recorder):
        async def prepare(self) -> None:
            notes.append("prepare")
            await gone.wait()

        def on_connection_close(self) -> None:
            super().on_connection_close()
            gone.set()

    async def main() -> None:
        async with serving(app_of(Handler, notes)) as server:
            client = await server.connect()
            await client.send(opening("/", HANDSHAKE))
            await noted(notes, "prepare")
            client.close()
            await noted(notes, "closed")

    run(main)
    assert [note if isinstance(note, str) else note[0] for note in notes] == [
        "prepare",
        "open",
        "closed",
    ]


def test_a_handler_that_speaks_no_version() -> None:
    class Handler(Echo):
        def get_websocket_protocol(self) -> None:
            return None

    response = answer(Handler, HANDSHAKE)
    assert response.status == 426
    assert response["Sec-WebSocket-Version"] == "13"
