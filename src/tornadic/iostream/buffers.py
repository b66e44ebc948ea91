"""The two buffers of a stream; neither knows a socket.

`ReadBuffer` holds what came and was not asked for yet.  `WriteQueue` holds what the kernel did
not take: large pieces as they are, without a copy, and runs of small ones put together, so that
a thousand small writes do not become a thousand calls.
"""

from __future__ import annotations

import sys
from collections import deque

from tornadic.iostream.files import FileRange

__all__ = ["ReadBuffer", "WriteQueue"]

# What was read is dropped from the front only when it is worth the move.
_DROP_FROM = 65536

# Pieces up to this size are joined with their neighbours; copying them is cheaper than a call.
_SMALL = 4096
_JOINED = 65536

# More than there ever is.
_MOST = sys.maxsize // 2

_LARGEST_KEPT = 4 * 1048576

Piece = bytes | bytearray


def _keep_freed_memory() -> None:
    """Have memory that was freed be used again, instead of asking the kernel for each piece.

    By default glibc returns all beyond 128 KB at the end of the heap as soon as it is free, and
    gets it back, page by page, when the next piece of 64 KB is received; that can take a third
    of the time of an upload.  Once it has seen a large block come and go it keeps twice as much,
    here 8 MB, in the whole process.  Who has set ``MALLOC_TRIM_THRESHOLD_`` or the like has
    decided already, and nothing changes; nor does it with other allocators.
    """
    bytes(_LARGEST_KEPT)


# Once, before anything is received.
_keep_freed_memory()


class ReadBuffer:
    """Bytes that are appended at one end and taken from the other.

    What came is kept in the pieces in which it came, so that it need not be copied to be taken;
    only small pieces are joined, lest a byte should cost the memory of an object.  ``size`` is
    the number of bytes, ``start`` where in the first piece they begin.
    """

    __slots__ = ("_pieces", "size", "start")

    def __init__(self) -> None:
        self._pieces: deque[Piece] = deque()
        self.size = 0
        self.start = 0

    def __len__(self) -> int:
        return self.size

    def append(self, data: bytes) -> None:
        """Add bytes at the end."""
        pieces = self._pieces
        self.size += len(data)
        if pieces and len(data) <= _SMALL:
            last = pieces[-1]
            if len(last) < _JOINED:
                if type(last) is not bytearray:
                    last = pieces[-1] = bytearray(last)
                last += data
                return
        pieces.append(data)

    def joined(self) -> Piece:
        """All in one piece, whose first byte is at ``start``; not to be kept."""
        pieces = self._pieces
        if len(pieces) == 1:
            return pieces[0]
        if not pieces:
            return b""
        whole = pieces.popleft()
        if type(whole) is not bytearray:
            whole = bytearray(memoryview(whole)[self.start :])
            self.start = 0
        for piece in pieces:
            whole += piece
        pieces.clear()
        pieces.append(whole)
        return whole

    def take(self, size: int) -> bytes:
        """Remove and return the first ``size`` bytes."""
        if not size:
            return b""
        pieces = self._pieces
        first = pieces[0]
        start = self.start
        if size > len(first) - start:
            return self._take_several(size)
        self.size -= size
        end = start + size
        taken: bytes
        if type(first) is bytearray:
            taken = bytes(memoryview(first)[start:end])
        else:
            taken = first[start:end]  # type: ignore[assignment]  # whole bytes are not copied
        self._drop(end)
        return taken

    def _take_several(self, size: int) -> bytes:
        parts = []
        left = size
        while left:
            room = min(left, len(self._pieces[0]) - self.start)
            parts.append(memoryview(self._pieces[0])[self.start : self.start + room])
            left -= room
            if left:
                self._pieces.popleft()
                self.start = 0
            else:
                end = self.start + room
        taken = b"".join(parts)
        parts.clear()  # a bytearray that is looked at cannot be shortened
        self.size -= size
        self._drop(end)
        return taken

    def take_into(self, target: memoryview) -> int:
        """Move as much as fits into ``target`` and return how much that was."""
        size = min(len(target), self.size)
        moved = 0
        while moved < size:
            first = self._pieces[0]
            room = min(size - moved, len(first) - self.start)
            end = self.start + room
            target[moved : moved + room] = memoryview(first)[self.start : end]
            moved += room
            self._drop(end)
        self.size -= size
        return size

    def _drop(self, end: int) -> None:
        """Let go of the first piece up to ``end``."""
        first = self._pieces[0]
        if end == len(first):
            self._pieces.popleft()
            self.start = 0
        elif end >= _DROP_FROM and type(first) is bytearray:
            del first[:end]
            self.start = 0
        else:
            self.start = end


class WriteQueue:
    """Bytes on their way to a peer that does not take them fast enough.

    ``size`` is what waits; ``written`` counts all that went out through `advance`.
    """

    # Larger pieces than the threshold stay as they are; the names are those of Tornado's buffer.
    __slots__ = ("_buffers", "_large_buf_threshold", "_offset", "size", "written")

    def __init__(self) -> None:
        self._buffers: deque[memoryview | bytearray | FileRange] = deque()
        self._offset = 0
        self._large_buf_threshold = _SMALL
        self.size = 0
        self.written = 0

    def append(self, data: memoryview | bytes | bytearray) -> None:
        """Queue ``data``; nobody may change it until it went out."""
        size = len(data)
        if not size:
            return
        self.size += size
        if size > self._large_buf_threshold:
            self._buffers.append(memoryview(data))
            return
        if self._buffers:
            last = self._buffers[-1]
            if isinstance(last, bytearray) and len(last) < _JOINED:
                last += data
                return
        self._buffers.append(bytearray(data))

    def append_file(self, piece: FileRange) -> None:
        """Queue a range of a file, which `peek` gives in place of bytes."""
        self.size += piece.size
        self._buffers.append(piece)

    def __len__(self) -> int:
        return self.size

    def peek(self, size: int = _MOST) -> memoryview:
        """The bytes to write next, up to ``size``; release them before the queue is touched."""
        if not self._buffers:
            return memoryview(b"")
        first = self._buffers[0]
        if type(first) is FileRange:
            return first.behind(self._offset)  # type: ignore[return-value]  # for who queued it
        end = min(self._offset + size, len(first))
        return memoryview(first)[self._offset : end]  # type: ignore[arg-type]

    def advance(self, size: int) -> None:
        """Take note that ``size`` bytes went out."""
        self.size -= size
        self.written += size
        self._offset += size
        while self._buffers and self._offset >= len(self._buffers[0]):
            self._offset -= len(self._buffers[0])
            self._buffers.popleft()
