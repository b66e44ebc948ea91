"""Messages to and from a handler."""

from __future__ import annotations

import asyncio
import contextvars
from typing import Any

import pytest
from tests.web.support import LogBook, run, serving
from tests.websocket.support import (
    BINARY,
    CLOSE,
    PING,
    TEXT,
    Recorder,
    app_of,
    close_payload,
    frame,
    noted,
    raw,
)

from tornadic import gen
from tornadic.websocket import WebSocketClosedError
from tornadic.websocket.parameters import MAX_UNREAD

_number: contextvars.ContextVar[int] = contextvars.ContextVar("number", default=0)


def test_text_and_binary() -> None:
    notes: list[Any] = []

    async def main() -> None:
        async with serving(app_of(Recorder, notes)) as server:
            peer = await raw(server)
            for payload in (b"", "grün".encode(), b"x" * 125, b"x" * 126, b"y" * 65536):
                await peer.send(frame(TEXT, payload))
                assert await peer.message() == payload.decode()
                await peer.send(frame(BINARY, payload))
                assert await peer.message() == payload

    run(main)
    assert notes[:3] == ["open", "", b""]


def test_fragments_with_a_ping_between() -> None:
    notes: list[Any] = []

    async def main() -> None:
        async with serving(app_of(Recorder, notes)) as server:
            peer = await raw(server)
            await peer.send(
                frame(TEXT, b"gr\xc3", fin=False), frame(PING, b"?"), frame(0, b"\xbcn")
            )
            assert await peer.frame() == (0x8A, b"?")
            assert await peer.message() == "grün"

    run(main)
    assert notes[1:3] == [("ping", b"?"), "grün"]


def test_byte_by_byte() -> None:
    async def main() -> None:
        async with serving(app_of(Recorder, [])) as server:
            peer = await raw(server)
            for byte in frame(TEXT, b"slowly") + frame(BINARY, b"x" * 130):
                await peer.send(bytes([byte]))
                await asyncio.sleep(0)
            assert await peer.message() == "slowly"
            assert await peer.message() == b"x" * 130

    run(main)


class Once(Recorder):
    """Does something once, in `on_message`."""

    async def act(self) -> Any:
        raise NotImplementedError

    async def on_message(self, message: str | bytes) -> None:
        self.notes.append(await self.act())


def outcome_of(act: Any) -> Any:
    """What ``act(handler)`` has given, and the frames that it sent."""
    notes: list[Any] = []
    Handler = type("Handler", (Once,), {"act": act})

    async def main() -> tuple[Any, tuple[int, bytes]]:
        async with serving(app_of(Handler, notes)) as server:
            peer = await raw(server)
            await peer.send(frame(TEXT, b"go"))
            sent = await peer.frame()
            while len(notes) < 2:
                await asyncio.sleep(0)
            return notes[1], sent

    return run(main)


def test_kinds_of_messages() -> None:
    for message, binary, expected in [
        ("grün", False, (0x81, "grün".encode())),
        ("grün", True, (0x82, "grün".encode())),
        ("grün".encode(), False, (0x81, "grün".encode())),
        (b"\xff", True, (0x82, b"\xff")),
        (bytearray(b"ab"), True, (0x82, b"ab")),
        ({"a": 1}, False, (0x81, b'{"a": 1}')),
    ]:

        async def act(self: Recorder, message: Any = message, binary: bool = binary) -> Any:
            await self.write_message(message, binary)

        assert outcome_of(act)[1] == expected


@pytest.mark.parametrize(
    ("message", "error"),
    [(b"\xff", UnicodeDecodeError), (3, TypeError), (None, TypeError), ([1], TypeError)],
)
def test_no_message(message: Any, error: type[Exception]) -> None:
    async def act(self: Recorder) -> Any:
        with pytest.raises(error):
            self.write_message(message)
        self.write_message("good")

    assert outcome_of(act)[1] == (0x81, b"good")


def test_a_dict_as_tornado_encodes_it() -> None:
    async def act(self: Recorder) -> Any:
        self.write_message({"html": "</script>"})

    assert outcome_of(act)[1] == (0x81, b'{"html": "<\\/script>"}')


def test_many_small_messages_keep_their_order() -> None:
    notes: list[Any] = []
    count = 3000  # more than the reader gives out in a turn

    async def main() -> None:
        async with serving(app_of(Recorder, notes)) as server:
            peer = await raw(server)
            await peer.send(*[frame(TEXT, b"%d" % n) for n in range(count)])
            for n in range(count):
                assert await peer.message() == str(n)

    run(main)
    assert notes[1 : count + 1] == [str(n) for n in range(count)]


def test_a_flood_leaves_others_their_turn() -> None:
    turns: list[int] = []
    count = 20000

    class Handler(Recorder):
        def on_message(self, message: str | bytes) -> None:
            turns[-1] += 1

    async def main() -> None:
        async with serving(app_of(Handler, [])) as server:
            peer = await raw(server)
            turns.append(0)
            peer.client.writer.write(frame(TEXT, b"x") * count)
            while sum(turns) < count:
                turns.append(0)
                await asyncio.sleep(0)

    run(main)
    assert max(turns) <= 4 * 256


@pytest.mark.parametrize("kind", ["native", "decorated", "future"])
def test_the_next_message_waits(kind: str) -> None:
    notes: list[Any] = []
    go: asyncio.Queue[None] = asyncio.Queue()

    async def take(message: str | bytes) -> None:
        notes.append(f"begin {message!r}")
        await go.get()
        notes.append(f"end {message!r}")

    class Native(Recorder):
        async def on_message(self, message: str | bytes) -> None:
            await take(message)

    class Decorated(Recorder):
        @gen.coroutine
        def on_message(self, message: str | bytes) -> Any:
            yield take(message)

    class Future(Recorder):
        def on_message(self, message: str | bytes) -> Any:
            return asyncio.ensure_future(take(message))

    handlers = {"native": Native, "decorated": Decorated, "future": Future}

    async def main() -> None:
        async with serving(app_of(handlers[kind], notes)) as server:
            peer = await raw(server)
            await peer.send(frame(TEXT, b"1"), frame(TEXT, b"2"))
            await peer.send(frame(TEXT, b"3"))
            for n in "123":
                await noted(notes, f"begin '{n}'")
                for _ in range(5):
                    await asyncio.sleep(0)
                assert notes[-1] == f"begin '{n}'"
                go.put_nowait(None)
            await noted(notes, "end '3'")

    run(main)


def test_open_is_waited_for() -> None:
    notes: list[Any] = []
    go = asyncio.Event()

    class Handler(Recorder):
        async def open(self, *args: Any, **kwargs: Any) -> None:
            notes.append("opening")
            await go.wait()
            notes.append("opened")

    async def main() -> None:
        async with serving(app_of(Handler, notes)) as server:
            peer = await raw(server)
            await peer.send(frame(TEXT, b"early"))
            await noted(notes, "opening")
            for _ in range(5):
                await asyncio.sleep(0)
            assert notes == ["opening"]
            go.set()
            assert await peer.message() == "early"

    run(main)
    assert notes[:3] == ["opening", "opened", "early"]


def test_a_busy_handler_slows_the_peer_down() -> None:
    """What the peer sends on meanwhile stays with it: at both ends of TCP all is full."""
    notes: list[Any] = []
    go = asyncio.Event()

    class Handler(Recorder):
        async def on_message(self, message: str | bytes) -> None:
            notes.append(len(message))
            await go.wait()

    async def main() -> None:
        async with serving(app_of(Handler, notes)) as server:
            peer = await raw(server)
            piece = frame(BINARY, b"x" * 60000)
            count = 400  # more than any kernel holds
            peer.client.writer.write(piece * count)
            await noted(notes, 60000)
            transport: Any = peer.client.writer.transport
            while True:
                before = transport.get_write_buffer_size()
                for _ in range(20):
                    await asyncio.sleep(0.001)
                if transport.get_write_buffer_size() == before:
                    break
            assert before > MAX_UNREAD
            assert notes == ["open", 60000]
            go.set()
            while len(notes) < count + 1:
                await asyncio.sleep(0)

    run(main)


def test_context_variables_of_the_handshake_are_there_later() -> None:
    seen: list[int] = []

    class Handler(Recorder):
        def prepare(self) -> None:
            _number.set(int(self.get_argument("n")))

        def on_message(self, message: str | bytes) -> None:
            seen.append(_number.get())
            self.write_message("seen")

    async def main() -> None:
        async with serving(app_of(Handler, [])) as server:
            peers = [await raw(server, f"/?n={n}") for n in (1, 2)]
            for peer in [*peers, *peers]:
                await peer.send(frame(TEXT))
                await peer.message()
        assert _number.get() == 0

    run(main)
    assert seen == [1, 2, 1, 2]


def test_writing_waits_for_the_kernel() -> None:
    notes: list[Any] = []

    class Handler(Recorder):
        async def on_message(self, message: str | bytes) -> None:
            for _ in range(40):
                future = self.write_message(bytes(250000), binary=True)
                if not future.done():
                    notes.append("waited")
                await future
            notes.append("all")

    async def main() -> None:
        async with serving(app_of(Handler, notes)) as server:
            peer = await raw(server)
            await peer.send(frame(TEXT))
            await noted(notes, "waited")
            for _ in range(40):
                assert await peer.message() == bytes(250000)
            await noted(notes, "all")

    run(main)


def test_what_is_waited_for_fails_when_the_peer_goes() -> None:
    notes: list[Any] = []

    class Handler(Recorder):
        async def on_message(self, message: str | bytes) -> None:
            future = self.write_message(bytes(10_000_000), binary=True)
            assert not future.done()
            notes.append("waiting")
            with pytest.raises(WebSocketClosedError):
                await future
            notes.append("told")

    async def main() -> None:
        async with serving(app_of(Handler, notes)) as server:
            peer = await raw(server)
            await peer.send(frame(TEXT))
            await noted(notes, "waiting")
            peer.reset()
            await noted(notes, "told")

    run(main)
    assert notes.count(("closed", None, None)) == 1


def test_nothing_is_sent_after_the_end() -> None:
    notes: list[Any] = []

    class Handler(Recorder):
        def attempts(self) -> None:
            for attempt in (lambda: self.write_message("late"), self.ping):
                with pytest.raises(WebSocketClosedError):
                    attempt()
            notes.append("refused")

        def on_message(self, message: str | bytes) -> None:
            self.close()
            self.attempts()

        def on_close(self) -> None:
            super().on_close()
            self.attempts()
            self.close()  # harmless
            with pytest.raises(WebSocketClosedError):
                self.set_nodelay(True)

    async def main() -> None:
        async with serving(app_of(Handler, notes)) as server:
            peer = await raw(server)
            await peer.send(frame(TEXT))
            assert await peer.closed_with() == (None, "")
            await peer.send(frame(CLOSE, close_payload(1000)))
            await peer.ended()
            await noted(notes, "closed")

    run(main)
    assert notes.count("refused") == 2


def test_on_message_must_be_defined(log: LogBook) -> None:
    from tornadic.websocket import WebSocketHandler

    async def main() -> None:
        async with serving(app_of(WebSocketHandler)) as server:
            peer = await raw(server)
            await peer.send(frame(TEXT))
            assert await peer.closed_with() == (1011, "internal error")

    run(main)
    log.take("NotImplementedError")


def test_nodelay() -> None:
    class Handler(Recorder):
        def open(self, *args: Any, **kwargs: Any) -> None:
            self.set_nodelay(False)
            self.set_nodelay(True)

    async def main() -> None:
        async with serving(app_of(Handler, [])) as server:
            peer = await raw(server)
            await peer.send(frame(TEXT, b"a"))
            assert await peer.message() == "a"

    run(main)
