"""From the payloads of frames to messages: inflated, bounded, and valid UTF-8 if they are text.

A message that is whole in one frame needs no state.  Any other is a `Message`, to which the
pieces are added as they come.  A piece is inflated and checked at once: bad UTF-8 and a message
over the limit fail at the first byte that cannot be right, not at the end of a message that may
never come.  Small pieces are joined: however small they are, they are copied in linear
time and take no memory besides their own.
"""

from __future__ import annotations

from codecs import utf_8_decode
from io import StringIO
from typing import Final, Protocol

from tornadic.frames.codes import INVALID_PAYLOAD, MESSAGE_TOO_BIG, TEXT
from tornadic.frames.errors import ProtocolViolation

__all__ = ["BAD_UTF8", "TOO_BIG", "Inflates", "Message", "decode_text"]

TOO_BIG: Final = "message too big"
BAD_UTF8: Final = "invalid UTF-8"

# Pieces up to the one size are joined, up to the other: each is an object of its own.
_LARGE: Final = 4096
_JOINED: Final = 65536


class Inflates(Protocol):
    """What is asked of `tornadic.frames.deflate.Inflater`."""

    def inflate(self, data: bytes, room: int, last: bool) -> bytes:
        """Return what ``data``, a piece of a message, inflates to: at most ``room`` bytes.

        ``last``: whether the message ends with it.  Raises `ProtocolViolation`.
        """


def decode_text(payload: bytes) -> str:
    """Return the text of a whole message or reason; raises `ProtocolViolation`."""
    try:
        return payload.decode()
    except UnicodeDecodeError:
        raise ProtocolViolation(INVALID_PAYLOAD, BAD_UTF8) from None


class Message:
    """A message that has begun: of ``kind`` `TEXT` or `BINARY`, and at most ``max_size`` bytes.

    ``inflater`` is None if it is not compressed.
    """

    __slots__ = ("_bytes", "_inflater", "_max_size", "_rest", "_text", "kind", "size")

    def __init__(self, kind: int, max_size: int, inflater: Inflates | None) -> None:
        self.kind = kind
        self.size = 0
        """Bytes so far, inflated."""
        self._max_size = max_size
        self._inflater = inflater
        self._bytes: list[bytes | bytearray] = []
        self._text = StringIO()
        # The beginning of a character whose other bytes have not come.
        self._rest = b""

    def check_room(self, size: int) -> None:
        """Raise `ProtocolViolation` if a frame of ``size`` bytes would make it too big."""
        if self._inflater is None and self.size + size > self._max_size:
            raise ProtocolViolation(MESSAGE_TOO_BIG, TOO_BIG)

    def add(self, piece: bytes, last: bool) -> int:
        """Add a piece, and return how many bytes it was when inflated.

        ``last``: whether the message ends with it.  Raises `ProtocolViolation` if the message
        is too big, cannot be inflated, or is text and can no more become valid UTF-8.
        """
        if self._inflater is not None:
            piece = self._inflater.inflate(piece, self._max_size - self.size, last)
        self.size += len(piece)
        if self.kind != TEXT:
            self._collect(piece)
            return len(piece)
        unread = self._rest + piece
        try:
            text, used = utf_8_decode(unread, "strict", last)
        except UnicodeDecodeError:
            raise ProtocolViolation(INVALID_PAYLOAD, BAD_UTF8) from None
        self._text.write(text)
        rest = self._rest = unread[used:]
        # For half a surrogate the decoder waits, since some error handlers let it pass.
        if rest[:1] == b"\xed" and rest[1:2] >= b"\xa0":
            raise ProtocolViolation(INVALID_PAYLOAD, BAD_UTF8)
        return len(piece)

    def _collect(self, piece: bytes) -> None:
        """Keep ``piece``: large ones as they are, since a buffer that grows copies all again."""
        pieces = self._bytes
        if len(piece) >= _LARGE:
            pieces.append(piece)
        elif pieces and type(pieces[-1]) is bytearray and len(pieces[-1]) < _JOINED:
            pieces[-1] += piece
        else:
            pieces.append(bytearray(piece))

    def content(self) -> str | bytes:
        """Return the message, when its last piece has been added."""
        return self._text.getvalue() if self.kind == TEXT else b"".join(self._bytes)
