"""The two buffers of a stream; neither knows a socket.

`ReadBuffer` holds what came and was not asked for yet.  `WriteQueue` holds what the kernel did
not take: large pieces as they are, without a copy, and runs of small ones put together, so that
a thousand small writes do not become a thousand calls.
"""

from __future__ import annotations

from collections import deque

__all__ = ["ReadBuffer", "WriteQueue"]

# What was read is dropped from the front only when it is worth the move.
_DROP_FROM = 65536

# Pieces up to this size are joined with their neighbours; copying them is cheaper than a call.
_SMALL = 4096
_JOINED = 65536


class ReadBuffer:
    """Bytes that are appended at one end and taken from the other."""

    __slots__ = ("data", "start")

    def __init__(self) -> None:
        self.data = bytearray()
        self.start = 0

    def __len__(self) -> int:
        return len(self.data) - self.start

    def append(self, data: bytes) -> None:
        """Add bytes at the end."""
        self.data += data

    def take(self, size: int) -> bytes:
        """Remove and return the first ``size`` bytes."""
        end = self.start + size
        if size == len(self.data):
            taken = bytes(self.data)
        else:
            taken = bytes(memoryview(self.data)[self.start : end])
        self._drop(end)
        return taken

    def take_into(self, target: memoryview) -> int:
        """Move as much as fits into ``target`` and return how much that was."""
        size = min(len(target), len(self))
        end = self.start + size
        target[:size] = memoryview(self.data)[self.start : end]
        self._drop(end)
        return size

    def _drop(self, end: int) -> None:
        if end == len(self.data):
            self.data = bytearray()
            self.start = 0
        elif end >= _DROP_FROM:
            del self.data[:end]
            self.start = 0
        else:
            self.start = end


class WriteQueue:
    """Bytes on their way to a peer that does not take them fast enough.

    ``size`` is what waits; ``written`` counts all that went out through `advance`.
    """

    __slots__ = ("_offset", "_pieces", "size", "written")

    def __init__(self) -> None:
        self._pieces: deque[memoryview | bytearray] = deque()
        self._offset = 0
        self.size = 0
        self.written = 0

    def append(self, data: memoryview | bytes | bytearray) -> None:
        """Queue ``data``; nobody may change it until it went out."""
        size = len(data)
        self.size += size
        if size > _SMALL:
            self._pieces.append(memoryview(data))
            return
        if self._pieces:
            last = self._pieces[-1]
            if isinstance(last, bytearray) and len(last) < _JOINED:
                last += data
                return
        self._pieces.append(bytearray(data))

    def first(self) -> memoryview:
        """The piece to write next; release it before the queue is touched again."""
        return memoryview(self._pieces[0])[self._offset :]

    def advance(self, size: int) -> None:
        """Take note that ``size`` bytes of the first piece went out."""
        self.size -= size
        self.written += size
        self._offset += size
        if self._offset == len(self._pieces[0]):
            self._pieces.popleft()
            self._offset = 0
