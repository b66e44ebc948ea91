"""permessage-deflate (RFC 7692), between our ends and with a peer that compresses by itself."""

from __future__ import annotations

import zlib
from typing import Any

import pytest
from tests.web.support import run, serving
from tests.websocket.support import (
    FIN,
    HANDSHAKE,
    TEXT,
    Recorder,
    app_of,
    frame,
    opening,
    raw,
)

from tornadic.websocket import websocket_connect

TAIL = b"\x00\x00\xff\xff"


class Compressing(Recorder):
    wanted: dict[str, Any] | None = {}

    def get_compression_options(self) -> dict[str, Any] | None:
        return self.wanted


def deflate(data: bytes, compressor: Any = None) -> bytes:
    compressor = compressor or zlib.compressobj(wbits=-15)
    packed: bytes = compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH)
    return packed.removesuffix(TAIL)


def agreed(offer: str, options: dict[str, Any] | None = None) -> str | None:
    """What the server answers to an offer."""

    class Handler(Compressing):
        pass

    Handler.wanted = {} if options is None else options

    async def main() -> str | None:
        async with serving(app_of(Handler, [])) as server:
            client = await server.connect()
            fields = {**HANDSHAKE, "Sec-WebSocket-Extensions": offer}
            await client.send(opening("/", fields))
            response = await client.response_head()
            assert response.status == 101
            answers = response.all("Sec-WebSocket-Extensions")
            assert len(answers) <= 1
            return answers[0] if answers else None

    return run(main)


@pytest.mark.parametrize(
    ("offer", "answer"),
    [
        ("permessage-deflate", "permessage-deflate"),
        ("permessage-deflate; client_max_window_bits", "permessage-deflate"),
        (
            "permessage-deflate; server_no_context_takeover",
            "permessage-deflate; server_no_context_takeover",
        ),
        (
            "permessage-deflate; server_max_window_bits=10",
            "permessage-deflate; server_max_window_bits=10",
        ),
        ("permessage-deflate; unheard_of, permessage-deflate", "permessage-deflate"),
        ("permessage-deflate; server_max_window_bits=7", None),
        ("permessage-deflate; unheard_of", None),
        ("x-webkit-deflate-frame", None),
    ],
)
def test_negotiation(offer: str, answer: str | None) -> None:
    assert agreed(offer) == answer


def test_only_where_the_handler_wants_it() -> None:
    async def main() -> None:
        async with serving(app_of(Recorder, [])) as server:
            url = f"ws://127.0.0.1:{server.port}/"
            connection = await websocket_connect(url, compression_options={})
            assert "Sec-WebSocket-Extensions" not in connection.headers
            connection.write_message("a")
            assert await connection.read_message() == "a"

    run(main)


@pytest.mark.parametrize(
    ("server_options", "client_options"),
    [
        (server, client)
        for server in (None, {}, {"compression_level": 1, "mem_level": 1})
        for client in (None, {}, {"compression_level": 9, "mem_level": 9})
    ],
)
def test_both_ends(server_options: Any, client_options: Any) -> None:
    class Handler(Compressing):
        wanted = server_options

    async def main() -> None:
        async with serving(app_of(Handler, [])) as server:
            url = f"ws://127.0.0.1:{server.port}/"
            connection = await websocket_connect(url, compression_options=client_options)
            for message in ("", "a", "grün " * 1000, b"\x00" * 200_000, "a"):
                await connection.write_message(message, isinstance(message, bytes))
                assert await connection.read_message() == message

    run(main)


def test_the_window_is_kept() -> None:
    """The second time a message is shorter, for it looks back at the first."""
    text = "".join(map(chr, range(32, 500))).encode()
    sizes = []

    async def main() -> None:
        async with serving(app_of(Compressing, [])) as server:
            peer = await raw(server, Sec_WebSocket_Extensions="permessage-deflate")
            compressor, inflater = zlib.compressobj(wbits=-15), zlib.decompressobj(-15)
            for _ in range(2):
                await peer.send(frame(TEXT, deflate(text, compressor), rsv=4))
                first, payload = await peer.frame()
                assert first == FIN | 0x40 | TEXT
                assert inflater.decompress(payload + TAIL) == text
                sizes.append(len(payload))

    run(main)
    assert sizes[1] < sizes[0] / 4


def test_a_message_that_is_not_compressed() -> None:
    async def main() -> None:
        async with serving(app_of(Compressing, [])) as server:
            peer = await raw(server, Sec_WebSocket_Extensions="permessage-deflate")
            await peer.send(frame(TEXT, b"plain"))
            _, payload = await peer.frame()
            assert zlib.decompressobj(-15).decompress(payload + TAIL) == b"plain"

    run(main)


@pytest.mark.parametrize(("size", "fits"), [(10_000, True), (10_001, False)])
def test_the_limit_is_that_of_the_inflated_message(size: int, fits: bool) -> None:
    async def main() -> None:
        async with serving(app_of(Compressing, [], websocket_max_message_size=10_000)) as server:
            peer = await raw(server, Sec_WebSocket_Extensions="permessage-deflate")
            packed = deflate(b"a" * size)
            assert len(packed) < 100
            await peer.send(frame(TEXT, packed, rsv=4))
            if fits:
                assert (await peer.frame())[0] == FIN | 0x40 | TEXT
            else:
                assert await peer.closed_with() == (1009, "message too big")
                peer.client.close()

    run(main)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(TEXT, b"\xff\xff\xff", rsv=4), 1007),
        (frame(TEXT, deflate(b"\xff"), rsv=4), 1007),
        (frame(TEXT, deflate(b"a"), rsv=6), 1002),
        (frame(TEXT, b"a", fin=False) + frame(0, b"a", rsv=4), 1002),
        (frame(9, b"a", rsv=4), 1002),
    ],
)
def test_violations(sent: bytes, code: int) -> None:
    async def main() -> None:
        async with serving(app_of(Compressing, [])) as server:
            peer = await raw(server, Sec_WebSocket_Extensions="permessage-deflate")
            await peer.send(sent)
            assert (await peer.closed_with())[0] == code
            peer.client.close()

    run(main)


def test_options_that_there_are_not(log: Any) -> None:
    class Handler(Compressing):
        wanted: dict[str, Any] | None = {"level": 1}

    async def main() -> None:
        async with serving(app_of(Handler, [])) as server:
            client = await server.connect()
            await client.send(opening("/", HANDSHAKE))
            assert (await client.response_head()).status == 500

    run(main)
    log.take("unknown compression options")
