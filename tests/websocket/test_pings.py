"""Pings: answered, counted on, and no way to fill the memory."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.web.support import run, serving, until
from tests.websocket.support import (
    FIN,
    PING,
    PONG,
    TEXT,
    Recorder,
    app_of,
    frame,
    noted,
    raw,
)

from tornadic.websocket.parameters import Parameters

BRIEF = 0.02


def test_answered_with_the_same_data() -> None:
    notes: list[Any] = []

    async def main() -> None:
        async with serving(app_of(Recorder, notes)) as server:
            peer = await raw(server)
            await peer.send(*[frame(PING, b"p" * n) for n in (0, 1, 125)], frame(PONG, b"?"))
            for n in (0, 1, 125):
                assert await peer.frame() == (FIN | PONG, b"p" * n)
            await noted(notes, "pong")

    run(main)
    assert notes[1:5] == [*[("ping", b"p" * n) for n in (0, 1, 125)], ("pong", b"?")]


def test_sent_by_the_program() -> None:
    class Handler(Recorder):
        def on_message(self, message: str | bytes) -> None:
            self.ping()
            self.ping("grün")
            self.ping(b"x" * 125)
            with pytest.raises(ValueError):
                self.ping(b"x" * 126)

    notes: list[Any] = []

    async def main() -> None:
        async with serving(app_of(Handler, notes)) as server:
            peer = await raw(server)
            await peer.send(frame(TEXT))
            for data in (b"", "grün".encode(), b"x" * 125):
                assert await peer.frame() == (FIN | PING, data)
            await peer.send(frame(PONG, b"x" * 125))
            await noted(notes, ("pong", b"x" * 125))

    run(main)


def test_sent_at_intervals_and_answered() -> None:
    notes: list[Any] = []

    async def main() -> None:
        async with serving(app_of(Recorder, notes, websocket_ping_interval=BRIEF)) as server:
            peer = await raw(server)
            for _ in range(5):
                assert await peer.frame() == (FIN | PING, b"")
                await peer.send(frame(PONG))
            await until(lambda: notes.count(("pong", b"")) == 5)

    run(main)


def test_not_answered() -> None:
    notes: list[Any] = []

    async def main() -> None:
        async with serving(app_of(Recorder, notes, websocket_ping_interval=BRIEF)) as server:
            peer = await raw(server)
            assert await peer.frame() == (FIN | PING, b"")
            # Other bytes are no answer.
            await peer.send(frame(TEXT, b"a"))
            assert await peer.message() == "a"
            assert await peer.closed_with() == (1011, "ping timed out")
            peer.client.close()
            await noted(notes, "closed")

    run(main)
    assert notes[-1] == ("closed", 1011, "ping timed out")


def test_no_pong_is_asked_for() -> None:
    async def main() -> None:
        settings = {"websocket_ping_interval": BRIEF, "websocket_ping_timeout": 0}
        async with serving(app_of(Recorder, [], **settings)) as server:
            peer = await raw(server)
            for _ in range(5):
                assert await peer.frame() == (FIN | PING, b"")

    run(main)


def test_a_busy_handler_is_not_the_peers_fault() -> None:
    """The pong is here, behind a message that takes longer than a pong may."""
    notes: list[Any] = []

    go = asyncio.Event()

    class Simple(Recorder):
        async def on_message(self, message: str | bytes) -> None:
            await go.wait()
            self.write_message(message)

    async def main() -> None:
        async with serving(app_of(Simple, notes, websocket_ping_interval=BRIEF)) as server:
            peer = await raw(server)
            await peer.send(frame(TEXT, b"long"))
            for _ in range(6):
                assert await peer.frame() == (FIN | PING, b"")
                await peer.send(frame(PONG))
            go.set()
            while (got := await peer.frame()) == (FIN | PING, b""):
                await peer.send(frame(PONG))
            assert got == (FIN | TEXT, b"long")

    run(main)


def test_a_flood_of_pings_that_nobody_reads_the_answers_of() -> None:
    """Of what cannot go out only the latest pong is kept."""
    sizes: list[int] = []
    last: list[bytes] = []

    class Handler(Recorder):
        def on_message(self, message: str | bytes) -> None:
            self.write_message(bytes(8_000_000), binary=True)  # fills the kernel

        def on_ping(self, data: bytes) -> None:
            assert self.ws_connection is not None
            sizes.append(self.ws_connection.stream.unsent)
            last[:] = [data]

    async def main() -> None:
        async with serving(app_of(Handler, [])) as server:
            peer = await raw(server)
            await peer.send(frame(TEXT))
            for n in range(50):
                await peer.send(*[frame(PING, b"%d" % (n * 100 + m)) for m in range(100)])
            while last != [b"4999"]:
                await asyncio.sleep(0)
            assert max(sizes) == sizes[0]  # nothing was queued for 5,000 pings
            assert await peer.message() == bytes(8_000_000)
            assert await peer.frame() == (FIN | PONG, b"4999")

    run(main)


@pytest.mark.parametrize(("timeout", "code"), [(None, 1011), (0, None)])
def test_a_peer_that_reads_nothing(
    timeout: float | None, code: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is late with its pong too, unless it may be; and pings do not pile up."""
    monkeypatch.setattr("tornadic.websocket.protocol.CLOSE_TIMEOUT", BRIEF)
    notes: list[Any] = []
    unsent: list[int] = []

    class Handler(Recorder):
        def open(self, *args: Any, **kwargs: Any) -> None:
            assert self.ws_connection is not None
            self.write_message(bytes(8_000_000), binary=True)
            unsent.append(self.ws_connection.stream.unsent)
            asyncio.get_running_loop().call_later(BRIEF * 5, self.look)

        def look(self) -> None:
            if self.ws_connection is not None:
                unsent.append(self.ws_connection.stream.unsent)
                self.ws_connection.stream.close()

    async def main() -> None:
        settings = {"websocket_ping_interval": BRIEF, "websocket_ping_timeout": timeout}
        async with serving(app_of(Handler, notes, **settings)) as server:
            await raw(server)
            await noted(notes, "closed")

    run(main)
    assert notes[-1][1] == code
    assert max(unsent) == unsent[0]


@pytest.mark.parametrize("held", [False, True])
def test_pings_behind_the_end(held: bool) -> None:
    """Nobody is left to be answered, and nothing is wrong with that."""
    notes: list[Any] = []

    class Handler(Recorder):
        async def on_message(self, message: str | bytes) -> None:
            assert self.ws_connection is not None
            self.ws_connection.stream.close()
            if held:
                await asyncio.sleep(0.001)

    async def main() -> None:
        async with serving(app_of(Handler, notes)) as server:
            peer = await raw(server)
            await peer.send(frame(TEXT), frame(PING, b"1"), frame(PING, b"2"))
            await noted(notes, "closed")

    run(main)
    assert notes == ["open", ("ping", b"1"), ("ping", b"2"), ("closed", None, None)]


class TestParameters:
    def test_by_default(self) -> None:
        found = Parameters.of(None, None, None)
        assert found == Parameters()
        assert found.ping_interval == float("inf")

    def test_the_time_out_is_the_interval(self) -> None:
        assert Parameters.of(None, 10, None)[1:3] == (10, 10)
        assert Parameters.of(None, 10, 3)[1:3] == (10, 3)
        assert Parameters.of(None, 10, 0)[1:3] == (10, float("inf"))
        assert Parameters.of(None, 0, 5)[1] == float("inf")

    def test_not_beyond_the_interval(self, log: Any) -> None:
        assert Parameters.of(None, 10, 10)[1:3] == (10, 10)
        for _ in range(3):
            assert Parameters.of(None, 10, 11)[1:3] == (10, 10)
        assert len(log.take_all("cannot be longer")) == 1
