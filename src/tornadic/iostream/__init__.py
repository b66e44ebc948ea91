"""Non-blocking streams of bytes: what HTTP, and any protocol of your own, is built on."""

from tornadic.iostream.base import BaseIOStream
from tornadic.iostream.buffers import WriteQueue as _StreamBuffer  # noqa: F401  # Tornado's name
from tornadic.iostream.errors import (
    StreamBufferFullError,
    StreamClosedError,
    UnsatisfiableReadError,
)
from tornadic.iostream.pipes import PipeIOStream
from tornadic.iostream.sockets import IOStream
from tornadic.iostream.tls import SSLIOStream

__all__ = [
    "BaseIOStream",
    "IOStream",
    "PipeIOStream",
    "SSLIOStream",
    "StreamBufferFullError",
    "StreamClosedError",
    "UnsatisfiableReadError",
]
