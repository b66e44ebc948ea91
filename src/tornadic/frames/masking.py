"""Masking (RFC 6455 section 5.3): every byte XORed with one of the four bytes of a key.

Python has no loop over bytes that is fast, so there are two detours.  Short data become one big
integer, XORed with the key repeated; its cost grows faster than the length, and from some
hundred bytes on every fourth byte is translated by a table, four times.  Both are slow for a
megabyte, so a small C extension does it where it could be built; with ``TORNADIC_NO_EXTENSION``
set to anything but nothing when this module is imported, it is left aside.

This module stands on nothing, so that the helpers may use it.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from typing import Final

__all__ = [
    "HAS_EXTENSION",
    "Buffer",
    "mask",
    "mask_by_integer",
    "mask_by_translation",
    "mask_in_python",
    "new_key",
]

Buffer = bytes | bytearray | memoryview
"""What payloads come in: bytes, in one piece of memory."""

# Up to about this many bytes the one integer is faster than four translations.
_MOST_BY_INTEGER: Final = 600

_from_bytes = int.from_bytes


def mask_by_integer(key: bytes, data: Buffer) -> bytes:
    """Mask ``data`` as one integer: for short data.  The same contract as `mask`."""
    if len(key) != 4:
        raise ValueError("mask must be 4 bytes")
    size = len(data)
    pad = (key * (size // 4 + 1))[:size]
    return (_from_bytes(data, "big") ^ _from_bytes(pad, "big")).to_bytes(size, "big")


# _XOR_TABLES[k] is the table that makes bytes.translate() XOR every byte with k.
_XOR_TABLES: Final = tuple(
    mask_by_integer(bytes([key]) * 4, bytes(range(256))) for key in range(256)
)


def mask_by_translation(key: bytes, data: Buffer) -> bytes:
    """Mask every fourth byte by a table: for long data.  The same contract as `mask`."""
    if len(key) != 4:
        raise ValueError("mask must be 4 bytes")
    masked = bytearray(data)
    for offset in range(4):
        masked[offset::4] = masked[offset::4].translate(_XOR_TABLES[key[offset]])
    return bytes(masked)


def mask_in_python(key: bytes, data: Buffer) -> bytes:
    """Mask ``data`` by the faster of the two ways.  The same contract as `mask`."""
    if len(data) <= _MOST_BY_INTEGER:
        return mask_by_integer(key, data)
    return mask_by_translation(key, data)


def _fastest() -> Callable[[bytes, Buffer], bytes]:
    if not os.environ.get("TORNADIC_NO_EXTENSION"):
        try:
            from tornadic.frames._masking import mask
        except ImportError:
            pass
        else:
            return mask
    return mask_in_python


mask: Callable[[bytes, Buffer], bytes] = _fastest()
"""``mask(key, data)`` masks or unmasks ``data`` with the four bytes of ``key``.

``data`` are bytes in one piece of memory; what is returned are new bytes.  To go on within a
payload, rotate the key by the number of bytes before.  Raises `ValueError` unless ``key`` has
four bytes.
"""

HAS_EXTENSION: Final = mask is not mask_in_python
"""Whether `mask` is the C extension."""


# Keys must be unpredictable (RFC 6455 sections 5.3 and 10.3), so they come from the operating
# system; a thousand at a time, since asking costs more than all the rest of a small frame.
_KEYS_AT_ONCE: Final = 1024
_keys: Iterator[tuple[bytes]] = iter(())


def new_key() -> bytes:
    """Return four bytes that nobody can predict."""
    global _keys
    for (key,) in _keys:
        return key
    _keys = struct.iter_unpack("4s", os.urandom(4 * _KEYS_AT_ONCE))
    return new_key()


def _forget_keys() -> None:
    global _keys
    _keys = iter(())


# Or two processes would use the same keys, and the peer of one could tell those of the other.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_keys)
