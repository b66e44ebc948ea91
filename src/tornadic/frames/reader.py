"""Bytes to messages: the reader is fed what has come, and answers with what it says.

What comes most is one short message in one piece; `MessageReader.feed` knows it by its length and
has it out in a handful of operations.  Everything else goes through a loop over frames::

    HEAD --(a frame that is whole)--> event, HEAD
      |----(a data frame that is not)--> PAYLOAD, piece by piece --> HEAD
      `----(close, or a violation)--> the end: nothing more is read

However the bytes are cut, the same events come out (but if a compressed message is both invalid
and too big, which of the two is found may depend on it).  Control frames are read when they are
whole; pieces of data frames are unmasked as they come, and go to the `Message` that collects and
checks them.
"""

from __future__ import annotations

from typing import Final

from tornadic.frames.codes import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FAIL,
    INVALID_PAYLOAD,
    MAX_CONTROL_PAYLOAD,
    MESSAGE_TOO_BIG,
    PONG,
    PROTOCOL_ERROR,
    TEXT,
    may_be_on_the_wire,
)
from tornadic.frames.errors import ProtocolViolation
from tornadic.frames.masking import mask
from tornadic.frames.messages import BAD_UTF8, TOO_BIG, Inflates, Message, decode_text

__all__ = ["MAX_BYTES_PER_FEED", "MAX_FRAMES_PER_FEED", "Event", "MessageReader"]

Event = tuple[int, object]
"""``(TEXT, str)``, ``(BINARY, bytes)``, ``(PING, bytes)``, ``(PONG, bytes)``, ``(CLOSE, (code or
None, reason))`` or ``(FAIL, (close code, reason))``."""

MAX_FRAMES_PER_FEED: Final = 256
"""Frames read before others have their turn: some hundred microseconds."""

MAX_BYTES_PER_FEED: Final = 1 << 20
"""Bytes inflated before others have their turn: compressed, a thousand times as much as was
received may have come at once."""

_FIN: Final = 0x80
_RSV1: Final = 0x40
_RSV2_AND_3: Final = 0x30
_OPCODE: Final = 0x0F
_MASKED: Final = 0x80
_LENGTH: Final = 0x7F

_WHOLE_TEXT: Final = _FIN | TEXT
_WHOLE_BINARY: Final = _FIN | BINARY


class MessageReader:
    """Reads the messages of one connection.

    ``expects_mask``: whether the peer is a client, which masks all it sends; a server masks
    nothing (RFC 6455 section 5.1).  ``max_message_size``: bytes in a message, inflated.
    ``inflater`` inflates what is compressed; None if no compression was agreed on.
    """

    __slots__ = (
        "_at",
        "_expects_mask",
        "_fin",
        "_held",
        "_inflated",
        "_inflater",
        "_key",
        "_least",
        "_left",
        "_mask_bit",
        "_max_size",
        "_message",
        "_quick",
        "_quick_most",
        "ended",
        "waiting",
    )

    def __init__(
        self, *, expects_mask: bool, max_message_size: int, inflater: Inflates | None = None
    ) -> None:
        self.ended = False
        """Whether the last event has come: a close, or a violation."""
        self.waiting = False
        """Whether `feed` has left frames unread, and wants to be called with ``b""``."""
        self._expects_mask = expects_mask
        self._max_size = max_message_size
        self._inflater = inflater
        # Bytes not read yet, and where they begin.
        self._held = b""
        self._at = 0
        self._inflated = 0
        self._message: Message | None = None
        # The data frame that has begun: the bytes that are still to come of it, their key, and
        # whether the message ends with it.
        self._left = 0
        self._key = b""
        self._fin = False
        # Whether nothing has begun, neither a frame nor a message.
        self._quick = True
        self._quick_most = min(max_message_size, 65535)
        self._mask_bit = _MASKED if expects_mask else 0
        # Bytes in the shortest head.
        self._least = 6 if expects_mask else 2

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that ``data`` complete, in order.

        After `CLOSE` and after `FAIL` nothing more is read; what follows is ignored.  At most
        `MAX_FRAMES_PER_FEED` frames are read at once, and none after `MAX_BYTES_PER_FEED` have
        been inflated.  If that leaves any, `waiting` is true: call ``feed(b"")`` in another turn
        of the loop, until it is false, before there is more to feed.
        """
        start = self._least
        size = len(data) - start
        if not self._quick or size < 0:
            return self._read(data)
        # Between messages, one that is all of ``data`` shows by its length.
        told = data[1] - self._mask_bit
        if told > MAX_CONTROL_PAYLOAD:
            if told != 126 or size < 128:
                return self._read(data)
            start += 2
            size -= 2
            told = data[2] << 8 | data[3]
        first = data[0]
        if (
            told != size
            or size > self._quick_most
            or (first != _WHOLE_TEXT and first != _WHOLE_BINARY)
        ):
            return self._read(data)
        payload = data[start:]
        if self._expects_mask:
            payload = mask(data[start - 4 : start], payload)
        if first == _WHOLE_BINARY:
            return [(BINARY, payload)]
        try:
            return [(TEXT, payload.decode())]
        except UnicodeDecodeError:
            return [self._fail(INVALID_PAYLOAD, BAD_UTF8)]

    def _read(self, data: bytes) -> list[Event]:
        if self.ended:
            return []
        if self._held:
            data = self._held[self._at :] + data
        self._at = 0
        self._inflated = 0
        self.waiting = False
        events: list[Event] = []
        try:
            self._read_frames(data, events)
        except ProtocolViolation as violation:
            events.append(self._fail(violation.close_code, violation.reason))
        if self.waiting:
            self._held = data
        elif self._held or self._at < len(data):
            # Less than a head, or than a control frame: no reason to keep all of what came.
            self._held = b"" if self.ended else data[self._at :]
            self._at = 0
        self._quick = not (self._held or self._left or self._message or self.ended)
        return events

    def _fail(self, close_code: int, reason: str) -> Event:
        self._end()
        return FAIL, (close_code, reason)

    def _end(self) -> None:
        self.ended = True
        self._quick = False
        self._message = None

    def _read_frames(self, data: bytes, events: list[Event]) -> None:
        """Read what is there of ``data``, and leave in ``_at`` how far that went."""
        end = len(data)
        frames = 0
        while self._at < end and not self.ended:
            if frames == MAX_FRAMES_PER_FEED or self._inflated >= MAX_BYTES_PER_FEED:
                self.waiting = True
                return
            frames += 1
            if self._left:
                event = self._read_payload(data)
            else:
                head = self._read_head(data)
                if head is None:
                    return
                first, size, start = head
                if first & _OPCODE >= CLOSE:
                    if end < start + size:
                        return
                    event = self._read_control(first & _OPCODE, data, start, size)
                else:
                    event = self._begin_frame(first, data, start, size)
            if event is not None:
                events.append(event)

    def _read_head(self, data: bytes) -> tuple[int, int, int] | None:
        """Return the first byte of a frame, the payload's size, and where the payload starts.

        None if its head is not complete.  Raises `ProtocolViolation`.
        """
        at = self._at
        there = len(data) - at
        if there < 2:
            return None
        first = data[at]
        second = data[at + 1]
        self._check_head(first, second)
        size = second & _LENGTH
        start = at + 2
        if size > MAX_CONTROL_PAYLOAD:
            width = 2 if size == 126 else 8
            if there < 2 + width:
                return None
            start += width
            size = int.from_bytes(data[at + 2 : start], "big")
            _check_length(size, width)
        if self._expects_mask:
            start += 4
            if len(data) < start:
                return None
            self._key = data[start - 4 : start]
        return first, size, start

    def _check_head(self, first: int, second: int) -> None:
        opcode = first & _OPCODE
        if first & _RSV2_AND_3:
            raise ProtocolViolation(PROTOCOL_ERROR, "reserved bits set")
        if first & _RSV1 and (self._inflater is None or opcode not in (TEXT, BINARY)):
            raise ProtocolViolation(PROTOCOL_ERROR, "reserved bits set")
        if opcode > PONG or BINARY < opcode < CLOSE:
            raise ProtocolViolation(PROTOCOL_ERROR, "unknown opcode")
        if (second >= _MASKED) != self._expects_mask:
            wrong = "frame without a mask" if self._expects_mask else "masked frame"
            raise ProtocolViolation(PROTOCOL_ERROR, wrong)
        if opcode >= CLOSE:
            if first < _FIN:
                raise ProtocolViolation(PROTOCOL_ERROR, "fragmented control frame")
            if second & _LENGTH > MAX_CONTROL_PAYLOAD:
                raise ProtocolViolation(PROTOCOL_ERROR, "control frame too long")
        elif (opcode == CONTINUATION) != (self._message is not None):
            wrong = "nothing to continue" if opcode == CONTINUATION else "message not finished"
            raise ProtocolViolation(PROTOCOL_ERROR, wrong)

    def _read_control(self, opcode: int, data: bytes, start: int, size: int) -> Event:
        self._at = start + size
        payload = data[start : self._at]
        if self._expects_mask:
            payload = mask(self._key, payload)
        if opcode != CLOSE:
            return opcode, payload
        content = _read_close(payload)
        self._end()
        return CLOSE, content

    def _begin_frame(self, first: int, data: bytes, start: int, size: int) -> Event | None:
        """Read a data frame whose head is known, or as much of it as is there."""
        fin = first >= _FIN
        message = self._message
        if message is None:
            compressed = first & _RSV1
            if not compressed and size > self._max_size:
                raise ProtocolViolation(MESSAGE_TOO_BIG, TOO_BIG)
            if fin and len(data) - start >= size:
                return self._read_whole(first, data, start, size)
            inflater = self._inflater if compressed else None
            self._message = Message(first & _OPCODE, self._max_size, inflater)
        else:
            message.check_room(size)
        self._fin = fin
        self._left = size
        self._at = start
        return self._read_payload(data)

    def _read_whole(self, first: int, data: bytes, start: int, size: int) -> Event:
        """Read a message that is whole in one frame."""
        self._at = start + size
        payload = data[start : self._at]
        if self._expects_mask:
            payload = mask(self._key, payload)
        if first & _RSV1:
            assert self._inflater is not None
            payload = self._inflater.inflate(payload, self._max_size, True)
            self._inflated += len(payload)
        if first & _OPCODE == TEXT:
            return TEXT, decode_text(payload)
        return BINARY, payload

    def _read_payload(self, data: bytes) -> Event | None:
        """Read what is there of the frame that has begun."""
        message = self._message
        assert message is not None
        piece = data[self._at : self._at + self._left]
        size = len(piece)
        self._at += size
        self._left -= size
        if self._expects_mask:
            piece = mask(self._key, piece)
            turn = size & 3
            self._key = self._key[turn:] + self._key[:turn]
        last = self._fin and not self._left
        self._inflated += message.add(piece, last)
        if not last:
            return None
        self._message = None
        return message.kind, message.content()


def _check_length(size: int, width: int) -> None:
    """Refuse a length that is not written in the shortest form (RFC 6455 section 5.2)."""
    if size >> 63:
        raise ProtocolViolation(PROTOCOL_ERROR, "invalid length")
    if size < 126 or (width == 8 and size < 65536):
        raise ProtocolViolation(PROTOCOL_ERROR, "length not in its shortest form")


def _read_close(payload: bytes) -> tuple[int | None, str]:
    """Return code and reason of a close frame (RFC 6455 section 5.5.1)."""
    if not payload:
        return None, ""
    if len(payload) == 1:
        raise ProtocolViolation(PROTOCOL_ERROR, "close code cut short")
    code = int.from_bytes(payload[:2], "big")
    if not may_be_on_the_wire(code):
        raise ProtocolViolation(PROTOCOL_ERROR, "invalid close code")
    return code, decode_text(payload[2:])
