"""The kinds of read: each is the future of whoever waits, and tells when it has what it wants.

A stream has at most one of them at a time.  They keep how far they have looked, so that bytes
which were searched once are not searched again.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

from tornadic.iostream.buffers import ReadBuffer
from tornadic.iostream.errors import UnsatisfiableReadError
from tornadic.iostream.waiting import Waiting

__all__ = ["PendingRead", "ReadBytes", "ReadInto", "ReadUntil", "ReadUntilClose", "ReadUntilRegex"]

# A piece that is wanted whole is read into memory of its own from this size on; what is smaller
# is read together with what comes behind it.
_LARGE = 16384

_init = asyncio.Future.__init__


class PendingRead(Waiting):
    """A read, and the future of whoever waits for it."""

    __slots__ = ()

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        _init(self, loop=loop)
        self._waiter = None

    def is_all(self, data: bytes) -> bool:
        """Whether ``data``, the first that came, is the very result."""
        return False

    def find(self, buffer: ReadBuffer) -> int | None:
        """How many bytes of ``buffer`` make up the result, or None while it is not all there.

        Raises `UnsatisfiableReadError` once it cannot come any more.
        """
        raise NotImplementedError

    def take(self, buffer: ReadBuffer, size: int) -> Any:
        """Take the result out of ``buffer``."""
        return buffer.take(size)


class ReadBytes(PendingRead):
    """``size`` bytes, or with ``partial`` as many as there are."""

    __slots__ = ("partial", "size")

    def __init__(self, loop: asyncio.AbstractEventLoop, size: int, partial: bool) -> None:
        _init(self, loop=loop)
        self._waiter = None
        self.size = size
        self.partial = partial

    def wanted(self, chunk_size: int, buffer: ReadBuffer) -> int:
        """How many bytes to ask the kernel for, ``chunk_size`` or fewer."""
        missing = self.size - buffer.size
        return missing if _LARGE <= missing < chunk_size else chunk_size

    def is_all(self, data: bytes) -> bool:
        size = len(data)
        return size == self.size or (self.partial and size < self.size)

    def find(self, buffer: ReadBuffer) -> int | None:
        here = buffer.size
        if here >= self.size or (self.partial and here):
            return min(here, self.size)
        return None


class ReadInto(PendingRead):
    """Bytes that go into a buffer of the caller's; the result is their number."""

    __slots__ = ("filled", "moved", "partial", "target")

    def __init__(self, loop: asyncio.AbstractEventLoop, target: memoryview, partial: bool) -> None:
        super().__init__(loop)
        self.target = target
        self.partial = partial
        self.filled = 0
        self.moved = b""

    def find(self, buffer: ReadBuffer) -> int | None:
        self.filled += buffer.take_into(self.target[self.filled :])
        if self.filled == len(self.target) or (self.partial and self.filled):
            return 0
        return None

    def take(self, buffer: ReadBuffer, size: int) -> int:
        self.target.release()
        return self.filled

    def cancel(self, msg: Any = None) -> bool:
        if not self.done():
            self.let_go()  # from now on the caller may do with the buffer what they like
        return super().cancel(msg)

    def let_go(self) -> bytes:
        """Let go of the caller's buffer, and return what was moved into it."""
        if self.filled:
            self.moved = bytes(self.target[: self.filled])
            self.filled = 0
        self.target.release()
        return self.moved


class ReadUntil(PendingRead):
    """All up to and with a delimiter, in at most ``max_bytes``."""

    __slots__ = ("delimiter", "max_bytes", "scanned")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, delimiter: bytes, max_bytes: int | None
    ) -> None:
        _init(self, loop=loop)
        self._waiter = None
        self.delimiter = delimiter
        self.max_bytes = max_bytes
        self.scanned = 0

    def is_all(self, data: bytes) -> bool:
        size = len(data)
        delimiter = self.delimiter
        if data.find(delimiter) != size - len(delimiter) or size < len(delimiter):
            return False
        return self.max_bytes is None or size <= self.max_bytes

    def find(self, buffer: ReadBuffer) -> int | None:
        found = buffer.joined().find(self.delimiter, buffer.start + self.scanned)
        if found >= 0:
            size = found + len(self.delimiter) - buffer.start
            _check_max_bytes(size, self.max_bytes)
            return size
        here = buffer.size
        _check_max_bytes(here, self.max_bytes)
        # The end of what is here may be the beginning of the delimiter.
        self.scanned = max(here - len(self.delimiter) + 1, 0)
        return None


class ReadUntilRegex(PendingRead):
    """All up to the end of the first match of a pattern, in at most ``max_bytes``."""

    __slots__ = ("max_bytes", "pattern")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, pattern: re.Pattern[bytes], max_bytes: int | None
    ) -> None:
        super().__init__(loop)
        self.pattern = pattern
        self.max_bytes = max_bytes

    def find(self, buffer: ReadBuffer) -> int | None:
        with memoryview(buffer.joined()) as whole, whole[buffer.start :] as view:
            match = self.pattern.search(view)
            size = match.end() if match else None
            del match
        _check_max_bytes(buffer.size if size is None else size, self.max_bytes)
        return size


class ReadUntilClose(PendingRead):
    """All there is until the stream closes."""

    __slots__ = ()

    def find(self, buffer: ReadBuffer) -> int | None:
        return None


def _check_max_bytes(size: int, max_bytes: int | None) -> None:
    if max_bytes is not None and size > max_bytes:
        raise UnsatisfiableReadError(f"delimiter not found within {max_bytes} bytes")
