"""Every way in which a connection ends; ``on_close`` is called once in each."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import pytest
from tests.web.support import LogBook, Server, run, serving
from tests.websocket.support import (
    BINARY,
    CLOSE,
    TEXT,
    Raw,
    Recorder,
    app_of,
    close_payload,
    frame,
    noted,
    raw,
)

from tornadic.httpserver import HTTPServer
from tornadic.ioloop import IOLoop
from tornadic.netutil import bind_sockets
from tornadic.websocket.parameters import LINGER_BYTES
from tornadic.websocket.registry import OpenConnections


def ends(handler: type[Recorder], act: Any) -> list[Any]:
    """What ``handler`` has noted when ``act(peer, notes)`` is done and `on_close` was called."""
    notes: list[Any] = []

    async def main() -> None:
        async with serving(app_of(handler, notes)) as server:
            await act(await raw(server), notes)
            await noted(notes, "closed")
            for _ in range(5):
                await asyncio.sleep(0)

    run(main)
    closed = [note for note in notes if isinstance(note, tuple) and note[0] == "closed"]
    assert len(closed) == 1
    assert notes[-1] == closed[0]
    return notes


@pytest.mark.parametrize(
    ("payload", "code", "reason", "echo"),
    [
        (b"", None, None, b""),
        (close_payload(1000), 1000, None, close_payload(1000)),
        (close_payload(1001, "bye"), 1001, "bye", close_payload(1001)),
        (close_payload(3000), 3000, None, close_payload(3000)),
        (close_payload(4999, "ä" * 61), 4999, "ä" * 61, close_payload(4999)),
    ],
)
def test_the_peer_closes(payload: bytes, code: int | None, reason: str | None, echo: bytes) -> None:
    async def act(peer: Raw, notes: list[Any]) -> None:
        await peer.send(frame(CLOSE, payload))
        assert await peer.frame() == (0x88, echo)
        await peer.ended()  # the server ends TCP first

    assert ends(Recorder, act)[-1] == ("closed", code, reason)


class Closer(Recorder):
    """Closes as a message says."""

    def on_message(self, message: str | bytes) -> None:
        assert isinstance(message, str)
        code, _, reason = message.partition(" ")
        self.close(int(code) if code else None, reason or None)
        self.close(4000, "only once")


@pytest.mark.parametrize(
    ("message", "sent"),
    [
        (b"", (None, "")),
        (b"1000", (1000, "")),
        (b" why", (1000, "why")),
        (b"4001 bye", (4001, "bye")),
    ],
)
def test_the_server_closes(message: bytes, sent: Any) -> None:
    async def act(peer: Raw, notes: list[Any]) -> None:
        await peer.send(frame(TEXT, message))
        assert await peer.closed_with() == sent
        await peer.send(frame(CLOSE, close_payload(3333, "echo")))
        await peer.ended()

    assert ends(Closer, act)[-1] == ("closed", 3333, "echo")


@pytest.mark.parametrize(
    ("code", "reason"), [(999, ""), (1004, ""), (1005, ""), (1006, ""), (1015, ""), (5000, "")]
)
def test_codes_that_may_not_be_sent(code: int, reason: str) -> None:
    class Handler(Recorder):
        def on_message(self, message: str | bytes) -> None:
            with pytest.raises(ValueError):
                self.close(code, reason)
            self.write_message("still open")

    async def act(peer: Raw, notes: list[Any]) -> None:
        await peer.send(frame(TEXT))
        assert await peer.message() == "still open"
        peer.reset()

    ends(Handler, act)


@pytest.mark.parametrize(("size", "fits"), [(123, True), (124, False)])
def test_the_longest_reason(size: int, fits: bool) -> None:
    class Handler(Recorder):
        def on_message(self, message: str | bytes) -> None:
            if fits:
                self.close(1000, "r" * size)
            else:
                with pytest.raises(ValueError):
                    self.close(1000, "r" * size)
                self.close(1000, "shorter")

    async def act(peer: Raw, notes: list[Any]) -> None:
        await peer.send(frame(TEXT))
        assert await peer.closed_with() == (1000, "r" * size if fits else "shorter")
        peer.reset()

    ends(Handler, act)


def test_messages_that_come_before_the_answer_to_a_close() -> None:
    class Handler(Recorder):
        def on_message(self, message: str | bytes) -> None:
            self.notes.append(message)
            self.close()

    async def act(peer: Raw, notes: list[Any]) -> None:
        await peer.send(frame(TEXT, b"1"))
        assert await peer.closed_with() == (None, "")
        await peer.send(frame(TEXT, b"2"), frame(CLOSE), frame(TEXT, b"3"))
        await peer.ended()

    assert ends(Handler, act) == ["open", "1", "2", ("closed", None, None)]


def test_both_close_at_once() -> None:
    class Handler(Recorder):
        def open(self, *args: Any, **kwargs: Any) -> None:
            self.close(1001)

    async def act(peer: Raw, notes: list[Any]) -> None:
        await peer.send(frame(CLOSE, close_payload(1000)))
        assert await peer.closed_with() == (1001, "")
        await peer.ended()

    assert ends(Handler, act)[-1] == ("closed", 1000, None)


def test_a_peer_that_does_not_answer_a_close(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tornadic.websocket.protocol.CLOSE_TIMEOUT", 0.05)

    class Handler(Recorder):
        def open(self, *args: Any, **kwargs: Any) -> None:
            self.close(1001)

    async def act(peer: Raw, notes: list[Any]) -> None:
        assert await peer.closed_with() == (1001, "")
        await peer.ended()

    assert ends(Handler, act)[-1] == ("closed", None, None)


def test_a_peer_that_does_not_read_what_comes_before_a_close(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tornadic.websocket.protocol.CLOSE_TIMEOUT", 0.05)

    class Handler(Recorder):
        def open(self, *args: Any, **kwargs: Any) -> None:
            self.write_message(bytes(10_000_000), binary=True)

    async def act(peer: Raw, notes: list[Any]) -> None:
        await peer.send(frame(CLOSE, close_payload(1000)))
        await noted(notes, "closed")

    assert ends(Handler, act)[-1] == ("closed", 1000, None)


@pytest.mark.parametrize("how", ["end", "reset", "in a frame"])
def test_the_peer_vanishes(how: str) -> None:
    async def act(peer: Raw, notes: list[Any]) -> None:
        await peer.send(frame(TEXT, b"1"))
        await peer.message()
        if how == "in a frame":
            await peer.send(frame(BINARY, b"never whole", size=1000))
        if how == "reset":
            peer.reset()
        else:
            peer.client.close()

    assert ends(Recorder, act)[-1] == ("closed", None, None)


def test_the_peer_vanishes_while_the_handler_is_busy() -> None:
    stopped: list[Any] = []

    class Handler(Recorder):
        async def on_message(self, message: str | bytes) -> None:
            self.notes.append(message)
            self.gone = asyncio.Event()
            await self.gone.wait()  # only `on_close` ends it
            stopped.append(message)

        def on_close(self) -> None:
            super().on_close()
            self.gone.set()

    async def act(peer: Raw, notes: list[Any]) -> None:
        await peer.send(frame(TEXT, b"1"))
        await noted(notes, "1")
        peer.client.close()
        while not stopped:
            await asyncio.sleep(0)

    assert ends(Handler, act) == ["open", "1", ("closed", None, None)]
    assert stopped == ["1"]


@pytest.mark.parametrize("together", [True, False])
def test_what_came_before_the_peer_vanished_is_handed_on(together: bool) -> None:
    go = asyncio.Event()

    class Handler(Recorder):
        async def on_message(self, message: str | bytes) -> None:
            self.notes.append(message)
            await go.wait()
            self.notes.append(f"end {message!r}")

    async def act(peer: Raw, notes: list[Any]) -> None:
        await peer.send(frame(TEXT, b"1"), *([frame(TEXT, b"2")] if together else []))
        await noted(notes, "1")
        if not together:
            await peer.send(frame(TEXT, b"2"))
        peer.client.close()
        await peer.client.writer.wait_closed()
        for _ in range(20):
            await asyncio.sleep(0.001)
        assert notes == ["open", "1"]
        go.set()

    assert ends(Handler, act)[:5] == ["open", "1", "end '1'", "2", "end '2'"]


class Failing(Recorder):
    """Fails where it is told."""

    where = ""

    def fail(self, where: str) -> None:
        if where == type(self).where:
            raise ZeroDivisionError(where)

    def open(self, *args: Any, **kwargs: Any) -> Any:
        super().open()
        self.fail("open")
        return self.late("late open")

    async def late(self, where: str) -> None:
        await asyncio.sleep(0)
        self.fail(where)

    def on_message(self, message: str | bytes) -> Any:
        self.fail("on_message")
        return self.late("late on_message")

    def on_ping(self, data: bytes) -> None:
        self.fail("on_ping")

    def on_pong(self, data: bytes) -> None:
        self.fail("on_pong")


@pytest.mark.parametrize(
    "where", ["open", "late open", "on_message", "late on_message", "on_ping", "on_pong"]
)
def test_the_handler_fails(where: str, log: LogBook) -> None:
    class Handler(Failing):
        pass

    Handler.where = where

    async def act(peer: Raw, notes: list[Any]) -> None:
        sent = {"on_ping": frame(9), "on_pong": frame(10)}.get(where, frame(TEXT))
        await peer.send(sent)
        if where == "on_ping":
            assert await peer.frame() == (0x8A, b"")
        assert await peer.closed_with() == (1011, "internal error")
        peer.client.close()

    assert ends(Handler, act)[-1] == ("closed", 1011, "internal error")
    record = log.take(f"ZeroDivisionError: {where}")
    assert record.name == "tornado.application"


def test_on_close_fails(log: LogBook) -> None:
    class Handler(Recorder):
        def on_close(self) -> None:
            super().on_close()
            raise ZeroDivisionError

    async def act(peer: Raw, notes: list[Any]) -> None:
        peer.client.close()

    ends(Handler, act)
    log.take("ZeroDivisionError")


def test_on_close_may_be_a_coroutine(log: LogBook) -> None:
    class Handler(Recorder):
        async def on_close(self) -> None:
            await asyncio.sleep(0)
            super().on_close()
            raise ZeroDivisionError

    async def act(peer: Raw, notes: list[Any]) -> None:
        peer.client.close()

    # Its own check of `ws_connection` holds then, too.
    ends(Handler, act)
    log.take("ZeroDivisionError")


def test_something_else_is_returned_than_can_be_waited_for(log: LogBook) -> None:
    class Handler(Recorder):
        def on_message(self, message: str | bytes) -> Any:
            return 3

    async def act(peer: Raw, notes: list[Any]) -> None:
        await peer.send(frame(TEXT))
        assert await peer.closed_with() == (1011, "internal error")
        peer.client.close()

    ends(Handler, act)
    log.take("BadYieldError")


@pytest.mark.parametrize("more", [0, 1])
def test_a_peer_that_sends_on_after_a_violation(more: int) -> None:
    """It gets to read why, and may send so much and no more."""

    async def act(peer: Raw, notes: list[Any]) -> None:
        await peer.send(b"\xf1\x80")
        assert await peer.closed_with() == (1002, "reserved bits set")
        await noted(notes, "closed")
        try:
            await peer.send(bytes(LINGER_BYTES + more))
        except ConnectionError:
            assert more
        if more:
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                while True:
                    await peer.send(b"x")
                    await asyncio.sleep(0.001)
        else:
            assert await peer.reader.read() == b""  # it has shut down its side
            await peer.send(b"")

    ends(Recorder, act)


def test_the_loop_ends() -> None:
    notes: list[Any] = []

    async def main() -> Raw:
        sockets = bind_sockets(0, "127.0.0.1")
        http_server = HTTPServer(app_of(Recorder, notes))
        http_server.add_sockets(sockets)
        server = Server(http_server, sockets[0].getsockname()[1])
        peer = await raw(server)
        await peer.send(frame(TEXT, b"1"))
        await peer.message()
        http_server.stop()
        transport: Any = peer.client.writer.transport
        duplicate.append(transport.get_extra_info("socket").dup())
        peer.client.close()
        return peer

    duplicate: list[Any] = []
    run(main)
    with duplicate[0] as sock:
        sock.settimeout(5)
        data = b""
        while piece := sock.recv(100):
            data += piece
    assert data == b"\x88\x02\x03\xe9"  # going away
    assert notes == ["open", "1", ("closed", None, None)]


@pytest.mark.parametrize("how", ["peer", "server", "vanish", "violation"])
def test_nothing_is_left_of_what_has_ended(how: str) -> None:
    """Neither in a registry nor as a cycle that only the collector would find."""
    alive: list[weakref.ref[Any]] = []

    class Handler(Recorder):
        def open(self, *args: Any, **kwargs: Any) -> None:
            assert self.ws_connection is not None
            alive.extend([weakref.ref(self), weakref.ref(self.ws_connection.stream)])
            super().open()

        def on_message(self, message: str | bytes) -> None:
            self.close()

    sent = {
        "peer": frame(CLOSE),
        "server": frame(TEXT, b"close"),
        "vanish": b"",
        "violation": frame(3),
    }

    async def main() -> None:
        notes: list[Any] = []
        async with serving(app_of(Handler, notes, websocket_ping_interval=100)) as server:
            io_loop = IOLoop.current()
            gc.collect()
            gc.disable()
            try:
                for _ in range(3):
                    peer = await raw(server)
                    await peer.send(sent[how])
                    if how != "vanish":
                        await peer.closed_with()
                    if how == "server":
                        await peer.send(frame(CLOSE))
                    peer.client.close()
                while notes.count("open") < 3 or any(ref() is not None for ref in alive):
                    await asyncio.sleep(0)
            finally:
                gc.enable()
            assert not io_loop.shared(OpenConnections)
            assert len(alive) == 6

    run(main)
