"""What a stream raises, and what it takes for a fault."""

from __future__ import annotations

import errno
import sys
from types import TracebackType

__all__ = [
    "HANG_UPS",
    "ExcInfo",
    "StreamBufferFullError",
    "StreamClosedError",
    "UnsatisfiableReadError",
    "exception_of",
]

# A peer that hangs up, or does not answer, is an everyday matter, not worth a line in the log.
HANG_UPS = frozenset(
    {
        errno.ECONNABORTED,
        errno.ECONNREFUSED,
        errno.ECONNRESET,
        errno.ENOTCONN,
        errno.EPIPE,
        errno.ESHUTDOWN,
        errno.ETIMEDOUT,
    }
)

ExcInfo = (
    None
    | bool
    | BaseException
    | tuple[type[BaseException] | None, BaseException | None, TracebackType | None]
)


class StreamClosedError(IOError):
    """The stream is closed, so what was asked of it will not come.

    ``real_error`` is the exception that closed it, or None where one side simply closed.
    """

    def __init__(self, real_error: BaseException | None = None) -> None:
        super().__init__("Stream is closed")
        self.real_error = real_error


class UnsatisfiableReadError(Exception):
    """``max_bytes`` came without what `read_until` or `read_until_regex` was looking for."""


class StreamBufferFullError(Exception):
    """The buffer of a stream has reached its size; nothing more fits in."""


def exception_of(exc_info: ExcInfo) -> BaseException | None:
    """The exception that is meant; for True, the one being handled."""
    if exc_info is True:
        return sys.exc_info()[1]
    if isinstance(exc_info, tuple):
        return exc_info[1]
    return exc_info if isinstance(exc_info, BaseException) else None
