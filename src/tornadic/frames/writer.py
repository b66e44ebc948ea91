"""Frames to bytes (RFC 6455 section 5.2).

The heads of short frames are made beforehand, since that is what most messages need.  A payload
is copied once, behind its head; one that is large and goes out unmasked need not be copied at
all: `frame_head` gives what has to be sent before it.
"""

from __future__ import annotations

from typing import Final

from tornadic.frames.codes import (
    CLOSE,
    MAX_CONTROL_PAYLOAD,
    MAX_REASON,
    NORMAL_CLOSURE,
    may_be_on_the_wire,
)
from tornadic.frames.masking import Buffer, new_key
from tornadic.frames.masking import mask as mask_payload

__all__ = ["encode_close", "encode_frame", "frame_head"]

_FIN: Final = 0x80
_RSV1: Final = 0x40
_MASKED: Final = 0x80
_OPCODES: Final = frozenset([0, 1, 2, 8, 9, 10])


def _short_heads(mask_bit: int) -> dict[int, tuple[bytes, ...]]:
    return {
        opcode: tuple(bytes([_FIN | opcode, mask_bit | size]) for size in range(126))
        for opcode in _OPCODES
    }


# By opcode and length: what short frames begin with that are whole messages.
_SHORT: Final = _short_heads(0)
_SHORT_MASKED: Final = _short_heads(_MASKED)


def encode_frame(
    opcode: int, payload: Buffer, *, mask: bool = False, rsv1: bool = False, fin: bool = True
) -> bytes:
    """Return a frame.

    ``mask`` is for what a client sends: it makes a new key.  ``rsv1`` marks the first frame of a
    compressed message (RFC 7692 section 6), ``fin`` the last frame of a message.

    Raises `ValueError` for an unknown opcode, and for a close, ping or pong that is over 125
    bytes, not ``fin``, or compressed.
    """
    size = len(payload)
    is_short = size < 126 and fin and not rsv1 and opcode in _OPCODES
    if not mask:
        if is_short:
            return _SHORT[opcode][size] + payload
        return frame_head(opcode, size, rsv1=rsv1, fin=fin) + payload
    key = new_key()
    masked = mask_payload(key, payload)
    if is_short:
        return _SHORT_MASKED[opcode][size] + key + masked
    return frame_head(opcode, size, rsv1=rsv1, fin=fin, key=key) + masked


def frame_head(
    opcode: int, size: int, *, key: bytes = b"", rsv1: bool = False, fin: bool = True
) -> bytes:
    """Return what stands before a payload of ``size`` bytes.

    ``key`` is what the payload was masked with, four bytes; it is not masked if empty.  The rest
    and the errors are those of `encode_frame`.
    """
    if opcode not in _OPCODES:
        raise ValueError(f"unknown opcode {opcode}")
    if opcode >= CLOSE and (size > MAX_CONTROL_PAYLOAD or rsv1 or not fin):
        raise ValueError("control frames have at most 125 bytes, in one frame, uncompressed")
    first = opcode | (_FIN if fin else 0) | (_RSV1 if rsv1 else 0)
    masked = _MASKED if key else 0
    if size < 126:
        return bytes((first, masked | size)) + key
    if size < 65536:
        return bytes((first, masked | 126)) + size.to_bytes(2, "big") + key
    return bytes((first, masked | 127)) + size.to_bytes(8, "big") + key


def encode_close(
    code: int | None = None, reason: str | None = None, *, mask: bool = False
) -> bytes:
    """Return a close frame (RFC 6455 section 5.5.1).

    Without a code there is no payload, but a reason needs one: then it is 1000.  Raises
    `ValueError` for a code that no endpoint may send, and for a reason over 123 bytes of UTF-8.
    """
    if code is None:
        if not reason:
            return encode_frame(CLOSE, b"", mask=mask)
        code = NORMAL_CLOSURE
    if not may_be_on_the_wire(code):
        raise ValueError(f"close code {code} cannot be sent")
    text = (reason or "").encode("utf-8")
    if len(text) > MAX_REASON:
        raise ValueError(f"the reason of a close has at most {MAX_REASON} bytes")
    return encode_frame(CLOSE, code.to_bytes(2, "big") + text, mask=mask)
