"""A stream over one end of a pipe."""

from __future__ import annotations

import errno
import os
from typing import Any

from tornadic.iostream.base import BaseIOStream
from tornadic.iostream.interfaces import overrides

__all__ = ["PipeIOStream"]


class PipeIOStream(BaseIOStream):
    """A stream over ``fd``, an end of a pipe: it either reads or writes.  Not on Windows.

    The descriptor becomes non-blocking and belongs to the stream from then on.  The other
    arguments are `BaseIOStream`'s.
    """

    __slots__ = ("fd",)

    _short_is_all = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if overrides(cls, "read_from_fd", "_receive"):
            cls._receive = BaseIOStream._receive  # type: ignore[method-assign]
            cls._short_is_all = False

    def __init__(self, fd: int, *args: Any, **kwargs: Any) -> None:
        self.fd = fd
        os.set_blocking(fd, False)
        super().__init__(*args, **kwargs)

    def fileno(self) -> int:
        return self.fd

    def close_fd(self) -> None:
        os.close(self.fd)

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        try:
            return os.readv(self.fd, [buf])
        except BlockingIOError:
            return None

    def write_to_fd(self, data: memoryview) -> int:
        return os.write(self.fd, data)

    def _receive(self, size: int) -> bytes | None:
        try:
            return os.read(self.fd, size)
        except OSError as e:
            if e.errno != errno.EBADF or self.reading():
                raise
            # This end only writes, and was watched to learn when the other end closes.
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)) from None
