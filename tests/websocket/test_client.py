"""The client, against our own server and against servers that do as they like."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.web.support import Client, LogBook, run, serving, until
from tests.websocket.support import (
    BINARY,
    CLOSE,
    FIN,
    PING,
    PONG,
    TEXT,
    Raw,
    Recorder,
    app_of,
    close_payload,
    frame,
)

from tornadic.httpclient import HTTPClientError, HTTPRequest
from tornadic.httpserver import HTTPServer
from tornadic.ioloop import IOLoop
from tornadic.netutil import bind_sockets
from tornadic.simple_httpclient import HTTPTimeoutError
from tornadic.websocket import (
    WebSocketClientConnection,
    WebSocketClosedError,
    WebSocketError,
    websocket_connect,
)
from tornadic.websocket.parameters import MAX_QUEUED_BYTES, MAX_QUEUED_MESSAGES


class Scripted:
    """A server that reads a handshake and then does what a function says."""

    def __init__(self, port: int) -> None:
        self.url = f"ws://127.0.0.1:{port}/"
        self.heads: list[str] = []
        self.failed: list[BaseException] = []


Talk = Callable[[Raw], Awaitable[None]]


@asynccontextmanager
async def scripted(talk: Talk | None = None, answer: str | None = None) -> AsyncIterator[Scripted]:
    """Serve connections by ``talk``; ``answer`` stands for the usual 101, KEY for what is due."""

    writers: list[asyncio.StreamWriter] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            server.heads.append(head)
            accept = ""
            for line in head.split("\r\n"):
                if line.lower().startswith("sec-websocket-key: "):
                    key = line[19:] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
                    accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
            text = answer or SWITCHING
            writer.write(text.replace("KEY", accept).replace("\n", "\r\n").encode("latin-1"))
            if talk is not None:
                await talk(Raw(Client(reader, writer), masks=False))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        except BaseException as e:
            server.failed.append(e)
        finally:
            writer.close()

    listener = await asyncio.start_server(connected, "127.0.0.1", 0)
    server = Scripted(listener.sockets[0].getsockname()[1])
    try:
        yield server
    finally:
        listener.close()
        for writer in writers:
            writer.transport.abort()
        await listener.wait_closed()
    assert server.failed == []


SWITCHING = (
    "HTTP/1.1 101 Switching Protocols\nUpgrade: websocket\nConnection: Upgrade\n"
    "Sec-WebSocket-Accept: KEY\n\n"
)


def own(opcode: int, payload: bytes = b"", **more: Any) -> bytes:
    """A frame of a server."""
    return frame(opcode, payload, mask=None, **more)


def with_server(use: Callable[[str], Awaitable[Any]], notes: list[Any] | None = None) -> Any:
    """The result of ``use(url)``, with a server that sends back what it gets."""

    async def main() -> Any:
        async with serving(app_of(Recorder, [] if notes is None else notes)) as server:
            return await use(f"ws://127.0.0.1:{server.port}/")

    return run(main)


class TestMessages:
    def test_there_and_back(self) -> None:
        async def use(url: str) -> None:
            connection = await websocket_connect(url)
            assert isinstance(connection, WebSocketClientConnection)
            assert connection.headers["Upgrade"] == "websocket"
            assert connection.selected_subprotocol is None
            for message in ("", "grün", b"\x00\xff", "x" * 70000, b"y" * 1_000_000):
                await connection.write_message(message, isinstance(message, bytes))
                assert await connection.read_message() == message
            await connection.write_message({"a": 1})
            assert await connection.read_message() == '{"a": 1}'
            connection.close(1000, "done")
            assert await connection.read_message() is None
            assert await connection.read_message() is None
            assert (connection.close_code, connection.close_reason) == (1000, None)
            assert connection.protocol is None
            for attempt in (lambda: connection.write_message("a"), connection.ping):
                with pytest.raises(WebSocketClosedError):
                    attempt()
            connection.close()

        notes: list[Any] = []
        with_server(use, notes)
        assert notes[-1] == ("closed", 1000, "done")

    def test_several_readers_and_a_callback(self) -> None:
        async def use(url: str) -> None:
            connection = await websocket_connect(url)
            futures = [connection.read_message() for _ in range(3)]
            called: list[Any] = []
            connection.read_message(callback=lambda future: called.append(future.result()))
            futures[1].cancel()
            for n in range(3):
                connection.write_message(str(n))
            assert [await futures[0], await futures[2]] == ["0", "1"]
            await until(lambda: called)
            assert called == ["2"]
            waiting = connection.read_message()
            connection.close()
            assert await waiting is None

        with_server(use)

    def test_callback(self) -> None:
        async def use(url: str) -> None:
            got: list[Any] = []
            connection = await websocket_connect(url, on_message_callback=got.append)
            connection.write_message("a")
            connection.write_message(b"b", binary=True)
            await until(lambda: len(got) == 2)
            connection.close()
            await until(lambda: got[-1] is None)
            assert got == ["a", b"b", None]

        with_server(use)

    def test_callback_that_is_a_coroutine(self) -> None:
        async def use(url: str) -> None:
            got: list[Any] = []

            async def take(message: str | bytes | None) -> None:
                got.append(f"begin {message!r}")
                await asyncio.sleep(0)
                got.append(f"end {message!r}")

            connection = await websocket_connect(url, on_message_callback=take)
            connection.write_message("1")
            connection.write_message("2")
            await until(lambda: len(got) == 4)
            connection.close()
            await until(lambda: len(got) == 6)
            expected = [f"{what} {n}" for n in ("'1'", "'2'", "None") for what in ("begin", "end")]
            assert got == expected

        with_server(use)

    def test_callback_that_fails(self, log: LogBook) -> None:
        async def use(url: str) -> None:
            got: list[Any] = []

            def take(message: str | bytes | None) -> None:
                got.append(message)
                if message is not None:
                    raise ZeroDivisionError

            connection = await websocket_connect(url, on_message_callback=take)
            connection.write_message("1")
            await until(lambda: None in got)
            assert connection.close_code == 1011

        notes: list[Any] = []
        with_server(use, notes)
        log.take("ZeroDivisionError")
        assert notes[-1] == ("closed", 1011, "internal error")

    def test_frames_are_masked_each_with_its_own_key(self) -> None:
        seen: list[bytes] = []

        async def talk(peer: Raw) -> None:
            for _ in range(3):
                head = await peer.reader.readexactly(6)
                assert head[:2] == b"\x81\x81"
                seen.append(head[2:])
                await peer.reader.readexactly(1)

        async def main() -> None:
            async with scripted(talk) as server:
                connection = await websocket_connect(server.url)
                for _ in range(3):
                    connection.write_message("a")
                assert await connection.read_message() is None

        run(main)
        assert len(set(seen)) == 3

    def test_what_the_server_sends_with_its_answer(self) -> None:
        async def main() -> None:
            answer = SWITCHING + "\x81\x02hi"
            async with scripted(answer=answer) as server:
                connection = await websocket_connect(server.url)
                assert await connection.read_message() == "hi"
                assert await connection.read_message() is None
                assert connection.close_code is None

        run(main)

    def test_an_answer_to_what_comes_with_the_handshake(self) -> None:
        """It goes out, though what follows in the same bytes ends the connection."""
        told: list[Any] = []

        async def talk(peer: Raw) -> None:
            told.append(await peer.message())
            told.append((await peer.closed_with())[0])

        async def main() -> None:
            answer = SWITCHING + "\x81\x02hi" + "\x83\x00"  # no frame has this opcode
            async with scripted(talk, answer) as server:
                connection = await websocket_connect(server.url)
                message = await connection.read_message()
                assert message == "hi"
                await connection.write_message(message)
                assert await connection.read_message() is None
                assert connection.close_code == 1002
                await until(lambda: len(told) == 2)

        run(main)
        assert told == ["hi", 1002]


class TestConnection:
    def test_what_it_says_of_itself(self) -> None:
        async def use(url: str) -> None:
            connection = await websocket_connect(url, ping_interval=100, ping_timeout=50)
            protocol = connection.protocol
            assert protocol is not None
            assert connection.stream is protocol.stream
            assert (protocol.ping_interval, protocol.ping_timeout) == (100, 50)
            assert protocol.mask_outgoing
            assert not (
                protocol.is_closing() or protocol.server_terminated or protocol.client_terminated
            )
            connection.ping(b"?")
            connection.close()
            assert protocol.is_closing() and protocol.server_terminated
            assert not protocol.client_terminated
            assert await connection.read_message() is None
            assert protocol.client_terminated
            assert connection.stream is connection.protocol is None
            assert connection.selected_subprotocol is None
            without = (await websocket_connect(url)).protocol
            assert without is not None
            assert without.ping_interval is without.ping_timeout is None

        notes: list[Any] = []
        with_server(use, notes)
        assert ("ping", b"?") in notes

    def test_closed_while_it_is_being_made(self) -> None:
        async def use(url: str) -> None:
            connection = WebSocketClientConnection(HTTPRequest(url))
            connection.close()
            with pytest.raises(asyncio.CancelledError):
                await connection.connect_future

        with_server(use)

    def test_subprotocols_among_the_headers(self) -> None:
        async def main() -> None:
            answer = SWITCHING.replace("KEY\n", "KEY\nSec-WebSocket-Protocol: b\n")
            async with scripted(answer=answer) as server:
                request = HTTPRequest(server.url, headers={"Sec-WebSocket-Protocol": "a, b"})
                connection = await websocket_connect(request)
                assert connection.selected_subprotocol == "b"

        run(main)

    def test_callback_that_fails_at_the_end(self, log: LogBook) -> None:
        async def use(url: str) -> None:
            async def take(message: str | bytes | None) -> None:
                raise ZeroDivisionError

            connection = await websocket_connect(url, on_message_callback=take)
            connection.close()
            await until(lambda: log.unread)

        with_server(use)
        log.take("ZeroDivisionError")

    def test_a_loop_that_is_closed_in_the_old_way(self) -> None:
        """Nobody waits for generators there; but no descriptor stays open."""
        loop = IOLoop(make_current=False)

        async def connect() -> Any:
            (sock,) = sockets = bind_sockets(0, "127.0.0.1", socket.AF_INET)
            server = HTTPServer(app_of(Recorder, []))
            server.add_sockets(sockets)
            connection = await websocket_connect(f"ws://127.0.0.1:{sock.getsockname()[1]}/")
            server.stop()
            return connection.stream

        stream = loop.run_sync(connect)
        loop.close()
        assert stream.socket.fileno() == -1


class TestBackPressure:
    @pytest.mark.parametrize("size", [1, 100_000])
    def test_nobody_reads(self, size: int) -> None:
        """Only so many messages are taken from the server, and none is lost."""
        count = 40_000_000 // size if size > 1 else 2_000_000
        batch = own(BINARY, b"x" * size) * (count // 100)
        sent = [0]

        async def talk(peer: Raw) -> None:
            for _ in range(100):
                await peer.send(batch)
                sent[0] += 1
            await peer.send(own(CLOSE, close_payload(1001)))
            await peer.closed_with()

        async def main() -> None:
            async with scripted(talk) as server:
                connection = await websocket_connect(server.url)
                while True:
                    before = sent[0], len(connection._queue)
                    for _ in range(20):
                        await asyncio.sleep(0.001)
                    if before == (sent[0], len(connection._queue)):
                        break
                assert sent[0] < 100
                assert len(connection._queue) <= MAX_QUEUED_MESSAGES
                assert connection._queued_size <= MAX_QUEUED_BYTES + size
                if size > 1:
                    for _ in range(count // 100 * 100):
                        message = await connection.read_message()
                        assert message is not None and len(message) == size
                    assert await connection.read_message() is None
                    assert connection.close_code == 1001
                else:
                    connection.close()

        run(main)

    def test_the_server_goes_while_messages_wait(self) -> None:
        count = MAX_QUEUED_MESSAGES * 3

        async def talk(peer: Raw) -> None:
            await peer.send(*[own(TEXT, b"%d" % n) for n in range(count)])

        async def main() -> None:
            async with scripted(talk) as server:
                connection = await websocket_connect(server.url)
                await until(lambda: connection._has_ended)
                for n in range(count):
                    assert await connection.read_message() == str(n)
                assert await connection.read_message() is None

        run(main)


class TestEnds:
    @pytest.mark.parametrize(
        ("sent", "code"),
        [
            (frame(TEXT, b"a"), 1002),  # masked
            (own(TEXT, b"\xff"), 1007),
            (own(3), 1002),
            (own(TEXT, b"a", rsv=4), 1002),
            (own(BINARY, b"x" * 51), 1009),
            (own(CLOSE, b"a"), 1002),
        ],
    )
    def test_violations(self, sent: bytes, code: int) -> None:
        told: list[Any] = []

        async def talk(peer: Raw) -> None:
            await peer.send(sent)
            told.append(await peer.closed_with())
            await peer.ended()

        async def main() -> None:
            async with scripted(talk) as server:
                connection = await websocket_connect(server.url, max_message_size=50)
                assert await connection.read_message() is None
                assert connection.close_code == code
                await until(lambda: told)

        run(main)
        assert told[0][0] == code

    def test_the_server_closes(self) -> None:
        order: list[str] = []

        async def talk(peer: Raw) -> None:
            await peer.send(own(CLOSE, close_payload(4000, "because")))
            assert await peer.closed_with() == (4000, "")
            order.append("echo")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await peer.reader.read()  # the client leaves TCP to the server
            order.append("server ends")

        async def main() -> None:
            async with scripted(talk) as server:
                connection = await websocket_connect(server.url)
                assert await connection.read_message() is None
                assert (connection.close_code, connection.close_reason) == (4000, "because")
                await until(lambda: len(order) == 2)

        run(main)

    def test_a_server_that_does_not_end_tcp(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tornadic.websocket.protocol.CLOSE_TIMEOUT", 0.05)

        async def talk(peer: Raw) -> None:
            await peer.closed_with()
            await peer.send(own(CLOSE))
            assert await peer.reader.read() == b""

        async def main() -> None:
            async with scripted(talk) as server:
                connection = await websocket_connect(server.url)
                connection.close()
                assert await connection.read_message() is None

        run(main)

    def test_pings(self) -> None:
        async def talk(peer: Raw) -> None:
            await peer.send(own(PING, b"?"))
            assert await peer.frame() == (FIN | PONG, b"?")
            assert await peer.frame() == (FIN | PING, b"")
            assert await peer.closed_with() == (1011, "ping timed out")
            await peer.send(own(CLOSE))

        async def main() -> None:
            async with scripted(talk) as server:
                connection = await websocket_connect(server.url, ping_interval=0.02)
                assert await connection.read_message() is None
                assert connection.close_reason == "ping timed out"

        run(main)

    def test_the_loop_ends(self) -> None:
        told: list[Any] = []

        async def main() -> None:
            async with serving(app_of(Recorder, [])) as server:
                url = f"ws://127.0.0.1:{server.port}/"
                await websocket_connect(url, on_message_callback=told.append)

        run(main)  # a socket that stayed open would be a ResourceWarning
        assert told == [None]


class TestHandshakes:
    def refused(self, answer: str, **options: Any) -> BaseException:
        async def main() -> BaseException:
            async with scripted(answer=answer) as server:
                with pytest.raises(Exception) as caught:
                    await websocket_connect(server.url, **options)
                return caught.value

        return run(main)

    @pytest.mark.parametrize(
        "answer",
        [
            SWITCHING.replace("KEY", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            SWITCHING.replace("Sec-WebSocket-Accept: KEY\n", ""),
            SWITCHING.replace("KEY\n", "KEY\nSec-WebSocket-Accept: KEY\n"),
            SWITCHING.replace("Upgrade: websocket\n", ""),
            SWITCHING.replace("websocket", "h2c"),
            SWITCHING.replace("Connection: Upgrade\n", ""),
            SWITCHING.replace("KEY\n", "KEY\nSec-WebSocket-Protocol: a\n"),
            SWITCHING.replace("KEY\n", "KEY\nSec-WebSocket-Extensions: permessage-deflate\n"),
            SWITCHING.replace("KEY\n", "KEY\nSec-WebSocket-Extensions: x\n"),
            "HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
            "HTTP/1.1 204 No Content\n\n",
        ],
    )
    def test_no_websocket(self, answer: str) -> None:
        assert isinstance(self.refused(answer), WebSocketError)

    @pytest.mark.parametrize(
        "extension",
        [
            "permessage-deflate; server_max_window_bits=16",
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; unheard_of",
            "permessage-deflate, permessage-deflate",
            "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
            "permessage-deflate; ;",
        ],
    )
    def test_extensions_that_nobody_offered(self, extension: str) -> None:
        answer = SWITCHING.replace("KEY\n", f"KEY\nSec-WebSocket-Extensions: {extension}\n")
        assert isinstance(self.refused(answer, compression_options={}), WebSocketError)

    def test_an_error(self) -> None:
        error = self.refused("HTTP/1.1 404 Not Found\nContent-Length: 4\n\nnone")
        assert isinstance(error, HTTPClientError)
        assert error.code == 404
        assert error.response is not None
        assert error.response.body == b"none"

    def test_a_long_error_page_is_cut(self) -> None:
        body = "x" * 70000
        error = self.refused(f"HTTP/1.1 500 No\nContent-Length: {len(body)}\n\n{body}")
        assert isinstance(error, HTTPClientError)
        assert error.response is not None
        assert len(error.response.body) == 65536

    def test_no_http(self) -> None:
        assert isinstance(self.refused("garbage\n\n"), Exception)

    def test_nobody_listens(self) -> None:
        async def main() -> None:
            with socket.create_server(("127.0.0.1", 0)) as listener:
                port = listener.getsockname()[1]
            with pytest.raises(OSError):
                await websocket_connect(f"ws://127.0.0.1:{port}/")

        run(main)

    def test_time_out(self) -> None:
        async def main() -> None:
            with socket.create_server(("127.0.0.1", 0)) as listener:
                url = f"ws://127.0.0.1:{listener.getsockname()[1]}/"
                with pytest.raises(HTTPTimeoutError):
                    await websocket_connect(HTTPRequest(url, request_timeout=0.05))

        run(main)

    def test_cancelled(self) -> None:
        ended: list[bool] = []

        async def main() -> None:
            async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await reader.readuntil(b"\r\n\r\n")
                future.cancel()
                ended.append(await reader.read() == b"")
                writer.close()

            async with await asyncio.start_server(connected, "127.0.0.1", 0) as listener:
                port = listener.sockets[0].getsockname()[1]
                future = websocket_connect(f"ws://127.0.0.1:{port}/")
                with pytest.raises(asyncio.CancelledError):
                    await future
                await until(lambda: ended)

        run(main)
        assert ended == [True]

    def test_what_is_sent(self) -> None:
        async def main() -> str:
            answer = SWITCHING.replace("KEY\n", "KEY\nSec-WebSocket-Protocol: b\n")
            async with scripted(answer=answer) as server:
                request = HTTPRequest(
                    server.url + "path?q=1#f",
                    headers={"X-Own": "1", "Origin": "http://here.example"},
                    auth_username="me",
                    auth_password="secret",
                )
                connection = await websocket_connect(
                    request, subprotocols=["a", "b"], compression_options={}
                )
                assert connection.selected_subprotocol == "b"
                return server.heads[0]

        head = run(main)
        assert head.startswith("GET /path?q=1 HTTP/1.1\r\n")
        lines = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
        names = {name.lower(): value for name, value in lines.items()}
        assert names["connection"] == "Upgrade"
        assert names["upgrade"] == "websocket"
        assert names["sec-websocket-version"] == "13"
        assert len(base64.b64decode(names["sec-websocket-key"])) == 16
        assert names["sec-websocket-protocol"] == "a, b"
        assert names["sec-websocket-extensions"].startswith("permessage-deflate")
        assert names["x-own"] == "1"
        assert names["origin"] == "http://here.example"
        assert names["authorization"] == "Basic " + base64.b64encode(b"me:secret").decode()

    @pytest.mark.parametrize(
        ("url", "options"),
        [
            ("ftp://127.0.0.1/", {}),
            ("ws://", {}),
            ("ws://127.0.0.1/", {"subprotocols": ["a b"]}),
            ("ws://127.0.0.1/", {"subprotocols": ["a", "a"]}),
            ("ws://127.0.0.1/", {"compression_options": {"level": 1}}),
            ("ws://127.0.0.1/", {"compression_options": {"mem_level": 10}}),
            (HTTPRequest("ws://127.0.0.1/"), {"connect_timeout": 1}),
        ],
    )
    def test_arguments_that_are_no_good(self, url: Any, options: dict[str, Any]) -> None:
        async def main() -> None:
            with pytest.raises(ValueError):
                await websocket_connect(url, **options)

        run(main)

    def test_callback_of_old(self) -> None:
        async def use(url: str) -> None:
            got: list[Any] = []
            with pytest.warns(DeprecationWarning, match="callback"):
                websocket_connect(url, callback=lambda future: got.append(future.result()))
            await until(lambda: got)
            assert isinstance(got[0], WebSocketClientConnection)

        with_server(use)
