"""Files on their way to a peer, without their bytes passing through Python where that can be.

A plain socket is given ranges of the file by ``sendfile``: a `FileRange` stands in the stream's
write queue like any other piece.  Elsewhere (TLS, a subclass that writes in its own way) the file
is read in pieces and written, each when the one before has gone out.

Neither may stop the loop for a disk.  What the kernel has in memory is taken at once; what it has
not is first read in a thread.
"""

from __future__ import annotations

import asyncio
import errno
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tornadic.iostream.sockets import IOStream

__all__ = ["READ_SIZE", "WINDOW_SIZE", "FileRange", "send_range"]

WINDOW_SIZE: Final = 4194304
"""Bytes of a file that are queued at once; from a disk so many are read ahead."""

READ_SIZE: Final = 65536
"""Bytes read at once where they have to pass through Python."""

# Linux only: read what is in memory, and nothing else.
_NO_WAIT: Final = getattr(os, "RWF_NOWAIT", 0) if hasattr(os, "preadv") else 0
_NOT_IN_MEMORY: Final = (errno.EAGAIN, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)


class FileRange:
    """``size`` bytes of the file ``fd`` from ``offset`` on, as a piece of a write queue."""

    __slots__ = ("fd", "offset", "size")

    def __init__(self, fd: int, offset: int, size: int) -> None:
        self.fd = fd
        self.offset = offset
        self.size = size

    def __len__(self) -> int:
        return self.size

    def behind(self, size: int) -> FileRange:
        """What is left of it behind the first ``size`` bytes."""
        return FileRange(self.fd, self.offset + size, self.size - size)

    def release(self) -> None:
        """Nothing: other pieces of a queue are views that must be let go of."""

    def send_to(self, target: int) -> int:
        """Have the kernel send what it takes now to the socket ``target``; how much that was.

        Raises BlockingIOError if that is nothing, and another OSError if the file ends before.
        """
        sent = os.sendfile(target, self.fd, self.offset, self.size)
        if not sent:
            raise _shorter()
        return sent


def _shorter() -> OSError:
    return OSError(errno.EIO, "The file has become shorter than what was to be sent")


async def send_range(stream: IOStream, fd: int, offset: int, count: int, *, directly: bool) -> None:
    """See `IOStream.send_file`; ``directly``: the kernel may write to the stream's socket."""
    loop = asyncio.get_running_loop()
    while count:
        size = min(count, WINDOW_SIZE if directly else READ_SIZE)
        if directly:
            if not _in_memory(fd, offset, size):
                await loop.run_in_executor(None, _read_through, fd, offset, size)
            await stream.queue_file(FileRange(fd, offset, size))
        else:
            data = _read_now(fd, offset, size)
            if data is None:
                data = await loop.run_in_executor(None, os.pread, fd, size, offset)
            if not data:
                stream._fail(_shorter(), "write")
            size = len(data)
            await stream.write(data)
        offset += size
        count -= size


def _read_now(fd: int, offset: int, size: int) -> bytes | None:
    """Up to ``size`` bytes that are in memory, ``b""`` at the end, None if it is a disk's turn."""
    if not _NO_WAIT:
        return None
    buffer = bytearray(size)
    try:
        got = os.preadv(fd, [buffer], offset, _NO_WAIT)
    except OSError as e:
        if e.errno in _NOT_IN_MEMORY:
            return None
        raise
    return bytes(memoryview(buffer)[:got])


def _in_memory(fd: int, offset: int, size: int) -> bool:
    """Whether the range can probably be sent without a disk: both its ends are in memory."""
    return all(_read_now(fd, place, 1) is not None for place in (offset, offset + size - 1))


def _read_through(fd: int, offset: int, size: int) -> None:
    """Have the kernel read the range into its memory; for a thread."""
    end = offset + size
    while offset < end:
        got = len(os.pread(fd, min(READ_SIZE, end - offset), offset))
        if not got:
            return
        offset += got
