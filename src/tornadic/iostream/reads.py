"""The kinds of read: each tells when the buffer holds what it waits for.

A stream has at most one of them at a time.  They keep how far they have looked, so that bytes
which were searched once are not searched again.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

from tornadic.iostream.buffers import ReadBuffer
from tornadic.iostream.errors import UnsatisfiableReadError

__all__ = ["PendingRead", "ReadBytes", "ReadInto", "ReadUntil", "ReadUntilClose", "ReadUntilRegex"]


class PendingRead:
    """A read, and the future of whoever waits for it."""

    __slots__ = ("future",)

    def __init__(self) -> None:
        self.future: asyncio.Future[Any] | None = None

    def find(self, buffer: ReadBuffer) -> int | None:
        """How many bytes of ``buffer`` make up the result, or None while it is not all there.

        Raises `UnsatisfiableReadError` once it cannot come any more.
        """
        raise NotImplementedError

    def result(self, buffer: ReadBuffer, size: int) -> Any:
        """Take the result out of ``buffer``."""
        return buffer.take(size)


class ReadBytes(PendingRead):
    """``size`` bytes, or with ``partial`` as many as there are."""

    __slots__ = ("partial", "size")

    def __init__(self, size: int, partial: bool) -> None:
        super().__init__()
        self.size = size
        self.partial = partial

    def find(self, buffer: ReadBuffer) -> int | None:
        here = len(buffer)
        if here >= self.size or (self.partial and here):
            return min(here, self.size)
        return None


class ReadInto(PendingRead):
    """Bytes that go into a buffer of the caller's; the result is their number."""

    __slots__ = ("filled", "partial", "target")

    def __init__(self, target: memoryview, partial: bool) -> None:
        super().__init__()
        self.target = target
        self.partial = partial
        self.filled = 0

    def find(self, buffer: ReadBuffer) -> int | None:
        self.filled += buffer.take_into(self.target[self.filled :])
        if self.filled == len(self.target) or (self.partial and self.filled):
            return 0
        return None

    def result(self, buffer: ReadBuffer, size: int) -> int:
        self.target.release()
        return self.filled


class ReadUntil(PendingRead):
    """All up to and with a delimiter, in at most ``max_bytes``."""

    __slots__ = ("delimiter", "max_bytes", "scanned")

    def __init__(self, delimiter: bytes, max_bytes: int | None) -> None:
        super().__init__()
        self.delimiter = delimiter
        self.max_bytes = max_bytes
        self.scanned = 0

    def find(self, buffer: ReadBuffer) -> int | None:
        found = buffer.data.find(self.delimiter, buffer.start + self.scanned)
        if found >= 0:
            size = found + len(self.delimiter) - buffer.start
            _check_max_bytes(size, self.max_bytes)
            return size
        here = len(buffer)
        _check_max_bytes(here, self.max_bytes)
        # The end of what is here may be the beginning of the delimiter.
        self.scanned = max(here - len(self.delimiter) + 1, 0)
        return None


class ReadUntilRegex(PendingRead):
    """All up to the end of the first match of a pattern, in at most ``max_bytes``."""

    __slots__ = ("max_bytes", "pattern")

    def __init__(self, pattern: re.Pattern[bytes], max_bytes: int | None) -> None:
        super().__init__()
        self.pattern = pattern
        self.max_bytes = max_bytes

    def find(self, buffer: ReadBuffer) -> int | None:
        with memoryview(buffer.data) as whole, whole[buffer.start :] as view:
            match = self.pattern.search(view)
            size = match.end() if match else None
            del match
        _check_max_bytes(len(buffer) if size is None else size, self.max_bytes)
        return size


class ReadUntilClose(PendingRead):
    """All there is until the stream closes."""

    __slots__ = ()

    def find(self, buffer: ReadBuffer) -> int | None:
        return None


def _check_max_bytes(size: int, max_bytes: int | None) -> None:
    if max_bytes is not None and size > max_bytes:
        raise UnsatisfiableReadError(f"delimiter not found within {max_bytes} bytes")
