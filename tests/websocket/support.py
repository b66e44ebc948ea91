"""A handler that tells what happens to it, and a peer that sends whatever bytes it likes.

The peer masks and frames by itself, so that nothing under test is also the measure.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterable
from typing import Any

from tests.web.support import Client, Server, application

from tornadic.web import Application
from tornadic.websocket import WebSocketHandler

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
FIN = 0x80

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455 section 1.3
HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}
MASK = b"\x11\x22\x33\x44"


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bytes | None = MASK,
    size: int | None = None,
) -> bytes:
    """A frame; ``size``: what its head says, whatever comes."""
    first = opcode | rsv << 4 | (FIN if fin else 0)
    size = len(payload) if size is None else size
    flag = 0 if mask is None else 0x80
    if size < 126:
        head = bytes((first, flag | size))
    elif size < 65536:
        head = struct.pack(">BBH", first, flag | 126, size)
    else:
        head = struct.pack(">BBQ", first, flag | 127, size)
    if mask is None:
        return head + payload
    return head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


def close_payload(code: int, reason: str = "") -> bytes:
    return code.to_bytes(2, "big") + reason.encode()


class Raw:
    """One end of a connection after the handshake."""

    def __init__(self, client: Client, masks: bool = True) -> None:
        self.client = client
        self.reader = client.reader
        self.masks = masks

    async def send(self, *frames: bytes) -> None:
        await self.client.send(b"".join(frames))

    async def frame(self) -> tuple[int, bytes]:
        """The first byte of the next frame, and its payload; whoever masks gets none masked."""
        first, second = await self.reader.readexactly(2)
        assert (second >= 0x80) is not self.masks
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack(">H", await self.reader.readexactly(2))
        elif size == 127:
            (size,) = struct.unpack(">Q", await self.reader.readexactly(8))
        mask = await self.reader.readexactly(4) if second >= 0x80 else b"\0\0\0\0"
        payload = await self.reader.readexactly(size)
        if second >= 0x80:
            payload = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
        return first, payload

    async def message(self) -> str | bytes:
        """The next frame, which must be a whole message that is not compressed."""
        first, payload = await self.frame()
        assert first in (FIN | TEXT, FIN | BINARY)
        return payload.decode() if first == FIN | TEXT else payload

    async def closed_with(self) -> tuple[int | None, str]:
        """Code and reason of the close frame that must be next."""
        first, payload = await self.frame()
        assert first == FIN | CLOSE
        return (int.from_bytes(payload[:2], "big") if payload else None), payload[2:].decode()

    async def ended(self) -> None:
        """The other side has closed TCP, and has sent nothing more."""
        assert await self.reader.read() == b""

    def reset(self) -> None:
        """Vanish, without as much as an end of TCP's own."""
        self.client.writer.transport.abort()


async def raw(server: Server, target: str = "/", **fields: str) -> Raw:
    """A connection to the server under test; ``fields`` with underscores for hyphens."""
    client = await server.connect()
    more = {name.replace("_", "-"): value for name, value in fields.items()}
    await client.send(opening(target, {**HANDSHAKE, **more}))
    response = await client.response_head()
    assert response.status == 101, response
    return Raw(client)


def opening(target: str, fields: Any, version: str = "HTTP/1.1", method: str = "GET") -> bytes:
    """The bytes of a handshake; ``fields`` is a mapping, or pairs."""
    pairs: Iterable[tuple[str, str]] = fields.items() if isinstance(fields, dict) else fields
    lines = [f"{method} {target} {version}", "Host: example.com"]
    lines += [f"{name}: {value}" for name, value in pairs]
    return "\r\n".join([*lines, "\r\n"]).encode("latin-1")


class Recorder(WebSocketHandler):
    """Sends every message back, and notes what happens."""

    notes: list[Any]

    def initialize(self, notes: list[Any]) -> None:
        self.notes = notes

    def open(self, *args: Any, **kwargs: Any) -> Any:
        self.notes.append("open")

    def on_message(self, message: str | bytes) -> Any:
        self.notes.append(message)
        self.write_message(message, isinstance(message, bytes))

    def on_ping(self, data: bytes) -> Any:
        self.notes.append(("ping", data))

    def on_pong(self, data: bytes) -> Any:
        self.notes.append(("pong", data))

    def on_close(self) -> Any:
        assert self.ws_connection is None
        self.notes.append(("closed", self.close_code, self.close_reason))


def app_of(
    handler: type[WebSocketHandler], notes: list[Any] | None = None, **settings: Any
) -> Application:
    """An application with one handler, whose notes go to ``notes``, and a silent access log."""
    if notes is None:
        return application(handler, **settings)
    settings.setdefault("log_function", lambda handler: None)
    return Application([(r"/(.*)", handler, {"notes": notes})], **settings)


async def noted(notes: list[Any], what: Any) -> None:
    """Wait until ``what`` is among the notes; a text stands for the kind of a note too."""

    def found() -> bool:
        return any(note == what or (isinstance(note, tuple) and note[0] == what) for note in notes)

    while not found():
        await asyncio.sleep(0)
