"""One message to many, and receivers that do not keep up."""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from typing import Any

import pytest
from tests.web.support import run, serving, until
from tests.websocket.support import (
    FIN,
    PING,
    PONG,
    TEXT,
    Raw,
    Recorder,
    app_of,
    close_payload,
    frame,
    noted,
    raw,
)

from tornadic.websocket import WebSocketClosedError, broadcast, websocket_connect


class Member(Recorder):
    """Is a member while it is open.

    Whoever leaves changes the set that a broadcast, or a loop of the program's, goes through.
    """

    members: set[Any]

    def open(self, *args: Any, **kwargs: Any) -> None:
        self.members.add(self)
        super().open()

    def on_close(self) -> None:
        self.members.discard(self)
        super().on_close()

    def get_compression_options(self) -> dict[str, Any] | None:
        return {} if self.get_argument("z", None) else None


@pytest.fixture
def members() -> Any:
    Member.members = set()
    return Member.members


def test_everybody_gets_it(members: set[Any]) -> None:
    async def main() -> None:
        async with serving(app_of(Member, [])) as server:
            peers = [await raw(server) for _ in range(10)]
            await until(lambda: len(members) == 10)
            broadcast(members, "grün")
            broadcast(members, b"\xff", binary=True)
            broadcast(members, {"a": 1})
            broadcast((member.ws_connection for member in members), "through ws_connection")
            for peer in peers:
                assert await peer.message() == "grün"
                assert await peer.message() == b"\xff"
                assert await peer.message() == '{"a": 1}'
                assert await peer.message() == "through ws_connection"

    run(main)


@pytest.mark.parametrize(("message", "error"), [(3, TypeError), (b"\xff", UnicodeDecodeError)])
def test_no_message(members: set[Any], message: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        broadcast([], message)


def test_whoever_is_closed_is_passed_over(members: set[Any]) -> None:
    async def main() -> None:
        async with serving(app_of(Member, [])) as server:
            closing, gone, there = [await raw(server) for _ in range(3)]
            await until(lambda: len(members) == 3)
            everybody = list(members)
            await closing.send(frame(8, close_payload(1000)))
            gone.reset()
            await until(lambda: len(members) == 1)
            broadcast(everybody, "still here")
            assert await there.message() == "still here"
            assert await closing.closed_with() == (1000, "")
            await closing.ended()

    run(main)


def test_to_clients_too(members: set[Any]) -> None:
    """What a client sends is masked, each frame with a key of its own."""
    notes: list[Any] = []

    async def main() -> None:
        async with serving(app_of(Recorder, notes)) as server:
            url = f"ws://127.0.0.1:{server.port}/"
            clients = [await websocket_connect(url) for _ in range(3)]
            broadcast(clients, "hello")
            for client in clients:
                assert await client.read_message() == "hello"
                client.close()

    run(main)
    assert notes.count("hello") == 3


async def inflated(peer: Raw, inflater: Any) -> str:
    """The next message, which must be compressed."""
    first, payload = await peer.frame()
    assert first == FIN | 0x40 | TEXT
    text: bytes = inflater.decompress(payload + b"\x00\x00\xff\xff")
    return text.decode()


def test_compressed_once_for_all_with_the_same_window(
    members: set[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []
    compressobj = zlib.compressobj

    def counted(*args: Any) -> Any:
        made.append(args)
        return compressobj(*args)

    offers = [
        "permessage-deflate",
        "permessage-deflate; server_no_context_takeover",
        "permessage-deflate; server_max_window_bits=10",
        "permessage-deflate; server_max_window_bits=10; server_no_context_takeover",
    ]
    texts = [f"message {n} " * 50 for n in range(6)]

    async def main() -> None:
        async with serving(app_of(Member, [])) as server:
            peers = [
                (await raw(server, "/?z=1", Sec_WebSocket_Extensions=offer)) for offer in offers * 3
            ]
            inflaters = [zlib.decompressobj(-15) for _ in peers]
            plain = await raw(server)
            await until(lambda: len(members) == 13)
            for n, text in enumerate(texts):
                if n % 2:  # what each has of its own goes on in between
                    for member in members:
                        member.write_message(text)
                else:
                    monkeypatch.setattr(zlib, "compressobj", counted)
                    broadcast(members, text)
                    monkeypatch.undo()
                for number, peer in enumerate(peers):
                    if "takeover" in offers[number % 4]:
                        inflaters[number] = zlib.decompressobj(-15)
                    assert await inflated(peer, inflaters[number]) == text
                assert await plain.message() == text

    run(main)
    assert len(made) == 3 * 2  # three broadcasts, two windows


@pytest.mark.parametrize("excess", [0, 1])
def test_the_most_that_may_wait(excess: int) -> None:
    """With exactly the limit waiting more may be written, with a byte more not."""
    notes: list[Any] = []

    class Handler(Recorder):
        def open(self, *args: Any, **kwargs: Any) -> None:
            assert self.ws_connection is not None
            stream = self.ws_connection.stream
            self.write_message(bytes(8_000_000), binary=True)  # fills the kernel
            # From here on nothing goes out before the loop turns.
            self.ws_connection.params = self.ws_connection.params._replace(
                max_write_buffer_size=stream.unsent - excess
            )
            try:
                self.write_message("one more")
                notes.append("written")
            except WebSocketClosedError:
                notes.append("refused")

    async def main() -> None:
        async with serving(app_of(Handler, notes)) as server:
            peer = await raw(server)
            await until(lambda: notes)
            if excess:
                await noted(notes, "closed")
            assert await peer.message() == bytes(8_000_000)
            assert await peer.message() == "one more"
            if excess:
                assert await peer.closed_with() == (1013, "too slow")
                await peer.ended()
                peer.client.close()

    run(main)
    if excess:
        assert notes == ["refused", ("closed", 1013, "too slow")]
    else:
        assert notes[0] == "written"


def test_a_slow_receiver_is_dropped_and_the_others_go_on(
    members: set[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tornadic.websocket.protocol.CLOSE_TIMEOUT", 0.05)
    notes: list[Any] = []
    waiting: list[int] = []
    limit = 300_000
    piece = "x" * 50_000

    async def main() -> None:
        settings = {"websocket_max_write_buffer_size": limit}
        async with serving(app_of(Member, notes, **settings)) as server:
            await raw(server)  # never reads
            good = await raw(server)
            await until(lambda: len(members) == 2)
            streams = [member.ws_connection.stream for member in members]
            rounds = 0
            while len(members) == 2:
                if rounds % 2:
                    broadcast(members, piece)
                else:
                    for member in members:
                        with contextlib.suppress(WebSocketClosedError):
                            member.write_message(piece)
                rounds += 1
                waiting.append(max(stream.unsent for stream in streams))
                assert await good.message() == piece
            await noted(notes, ("closed", 1013, "too slow"))
            broadcast(members, "only for one")
            assert await good.message() == "only for one"
            # What is left of the other goes with it.
            await until(lambda: any(stream.closed() for stream in streams))
            assert all(stream.unsent == 0 for stream in streams)

    run(main)
    assert max(waiting) <= limit + 2 * (len(piece) + 10)
    assert notes.count(("closed", 1013, "too slow")) == 1


def test_answers_of_one_turn_go_out_in_one_piece() -> None:
    """As many calls of the kernel as there were reads, not as there are messages."""
    sent: list[int] = []

    class Handler(Recorder):
        def open(self, *args: Any, **kwargs: Any) -> None:
            assert self.ws_connection is not None
            stream = self.ws_connection.stream
            transmit = stream._transmit

            def counted(data: Any) -> int:
                sent.append(len(data))
                return transmit(data)

            stream._transmit = counted  # type: ignore[method-assign]

    async def main() -> None:
        async with serving(app_of(Handler, [])) as server:
            peer = await raw(server)
            await peer.send(*[frame(TEXT, b"%d" % n) for n in range(100)], frame(PING, b"?"))
            for n in range(100):
                assert await peer.message() == str(n)
            assert await peer.frame() == (FIN | PONG, b"?")
            await asyncio.sleep(0)

    run(main)
    assert len(sent) < 10
