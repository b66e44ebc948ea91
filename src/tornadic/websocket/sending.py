"""What goes out: frames, one after another, into the stream.

A frame is given to the kernel at once.  Only while several messages that came together are being
handled, the answers are kept back and go out in one piece (the *cork*).  What the kernel does not
take waits in the stream's queue; who writes on while too much is waiting loses the connection,
for otherwise a peer that does not read could fill the memory.  Of the pongs that cannot go out
only the latest is kept (RFC 6455 section 5.5.3).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from tornadic.escape import json_encode
from tornadic.frames.codes import BINARY, PING, PONG, TEXT
from tornadic.frames.writer import encode_frame, frame_head
from tornadic.websocket.errors import WebSocketClosedError
from tornadic.websocket.parameters import MAX_CORKED, Parameters
from tornadic.websocket.states import OPEN, State

if TYPE_CHECKING:
    from tornadic.frames.deflate import Compressor
    from tornadic.iostream import IOStream

__all__ = ["Message", "Sender", "payload_of"]

Message = str | bytes | dict[str, Any]

TRY_AGAIN_LATER: Final = 1013
"""The close code for a peer that does not read what it is sent."""

_LARGE: Final = 65536
"""Bytes from which on a payload goes out behind its head, instead of being copied behind it."""


class Sender:
    """The part of a connection that writes."""

    __slots__ = (
        "_compressor",
        "_cork",
        "_corked_size",
        "_pong",
        "_state",
        "mask_outgoing",
        "params",
        "stream",
    )

    mask_outgoing: bool
    params: Parameters
    stream: IOStream
    _state: State

    def __init__(self) -> None:
        self._cork: list[bytes] | None = None
        self._corked_size = 0
        self._compressor: Compressor | None = None
        # The latest ping's data, if it could not be answered yet.
        self._pong: bytes | None = None

    def _fail(self, code: int, reason: str, later: bool = False) -> None:
        raise NotImplementedError

    # Messages

    def write_message(self, message: Message, binary: bool = False) -> asyncio.Future[None]:
        """Send a message; see `.WebSocketHandler.write_message`."""
        if self._state is not OPEN:
            raise WebSocketClosedError
        if type(message) is str:
            payload = message.encode()
        elif type(message) is bytes and binary:
            payload = message
        else:
            payload = payload_of(message, binary)
        opcode = BINARY if binary else TEXT
        if self._compressor is not None:
            return self._send_compressed(opcode, payload)
        if self.mask_outgoing:
            return self.send_frame(encode_frame(opcode, payload, mask=True))
        if len(payload) >= _LARGE:
            return self._send_large(opcode, payload)
        # What a server sends most goes to the kernel by the shortest way.
        frame = encode_frame(opcode, payload)
        if self._cork is None:
            stream = self.stream
            if stream.send(frame):
                return stream.nothing_waits
            self._check_waiting(len(frame))
            return self._when_sent()
        return self.send_frame(frame)

    def _send_compressed(self, opcode: int, payload: bytes) -> asyncio.Future[None]:
        assert self._compressor is not None
        data = self._compressor.compress(payload)
        return self.send_frame(encode_frame(opcode, data, mask=self.mask_outgoing, rsv1=True))

    def _send_large(self, opcode: int, payload: bytes) -> asyncio.Future[None]:
        self.send_frame(frame_head(opcode, len(payload)))
        return self.send_frame(payload)

    def send_frame(self, frame: bytes) -> asyncio.Future[None]:
        """Send what is a frame, or follows one; the future is done when the kernel has it.

        Raises `WebSocketClosedError`, and closes, if too much is waiting already.
        """
        return self.stream.nothing_waits if self.put(frame) else self._when_sent()

    def put(self, frame: bytes) -> bool:
        """Send ``frame``: whether the kernel has it, or it is to go out with the others.

        If too much was waiting before, the connection is closed.
        """
        stream = self.stream
        cork = self._cork
        if cork is not None and not stream.unsent:
            cork.append(frame)
            self._corked_size += len(frame)
            return self._corked_size < MAX_CORKED or self._send_corked()
        if stream.send(frame):
            return True
        self._check_waiting(len(frame))
        return False

    def _check_waiting(self, size: int) -> None:
        """Close if too much was waiting before ``size`` bytes were added."""
        if self.stream.unsent - size > self.params.max_write_buffer_size:
            # The program may be going through all its connections, and is told when it has done.
            self._fail(TRY_AGAIN_LATER, "too slow", later=True)

    def _when_sent(self) -> asyncio.Future[None]:
        """A future that is done when all that was written has gone to the kernel."""
        if self._state is not OPEN or self.stream.closed():
            raise WebSocketClosedError
        drained = self.stream.drained()
        future: asyncio.Future[None] = drained.get_loop().create_future()

        def done(_: asyncio.Future[None]) -> None:
            if future.done():
                return
            if drained.exception() is None:
                future.set_result(None)
            else:
                future.set_exception(WebSocketClosedError())
                future.exception()  # whoever wants it awaits it; nobody need

        drained.add_done_callback(done)
        return future

    def _send_corked(self) -> bool:
        """Send what was kept back, in one piece; whether the kernel has taken it."""
        cork = self._cork
        if not cork:
            return True
        data = cork[0] if len(cork) == 1 else b"".join(cork)
        cork.clear()
        self._corked_size = 0
        return self.stream.send(data)

    # Pings

    def write_ping(self, data: str | bytes) -> None:
        """Send a ping.

        Raises `WebSocketClosedError`, and ValueError for more than 125 bytes.
        """
        payload = data.encode() if isinstance(data, str) else data
        frame = encode_frame(PING, payload, mask=self.mask_outgoing)
        if self._state is not OPEN or self.stream.closed():
            raise WebSocketClosedError
        self.put(frame)

    def _answer_ping(self, data: bytes) -> None:
        if not self.stream.unsent:
            self.put(encode_frame(PONG, data, mask=self.mask_outgoing))
            return
        if self._pong is None:
            self.stream.drained().add_done_callback(self._send_pong)
        self._pong = data

    def _send_pong(self, drained: asyncio.Future[None]) -> None:
        data, self._pong = self._pong, None
        if data is not None and drained.exception() is None and self._state is OPEN:
            self._answer_ping(data)

    def set_nodelay(self, x: bool) -> None:
        """Send small pieces at once instead of waiting for more (TCP only)."""
        self.stream.set_nodelay(x)


def payload_of(message: Message, binary: bool) -> bytes:
    """The payload of ``message``.

    Raises TypeError for what is no message, UnicodeDecodeError for text that is no UTF-8.
    """
    if isinstance(message, dict):
        return json_encode(message).encode()
    if isinstance(message, str):
        return message.encode()
    if isinstance(message, (bytes, bytearray, memoryview)):
        payload = bytes(message)
        if not binary:
            payload.decode()
        return payload
    raise TypeError(f"A message is text, bytes or a dict, not {type(message).__name__}")
