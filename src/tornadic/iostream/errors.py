"""What a stream raises."""

from __future__ import annotations

__all__ = ["StreamBufferFullError", "StreamClosedError", "UnsatisfiableReadError"]


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
