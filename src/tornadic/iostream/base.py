"""The stream: one descriptor, one read at a time, writes in order.

What comes goes one of two ways.  A *sink* takes every piece as it comes, straight from the
kernel, without a buffer or a future: this is how the HTTP engine reads.  Without a sink the
bytes go to a buffer, from which the futures of `read_bytes` and the others are served.

What goes out is given to the kernel at once.  Only what it does not take is queued, and only
then does the loop watch the descriptor for writing.
"""

from __future__ import annotations

import asyncio
import errno
import re
import sys
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from types import TracebackType
from typing import Any, Protocol

from tornadic.ioloop import IOLoop
from tornadic.iostream.buffers import ReadBuffer, WriteQueue
from tornadic.iostream.errors import (
    StreamBufferFullError,
    StreamClosedError,
    UnsatisfiableReadError,
)
from tornadic.iostream.reads import (
    PendingRead,
    ReadBytes,
    ReadInto,
    ReadUntil,
    ReadUntilClose,
    ReadUntilRegex,
)
from tornadic.iostream.watcher import read_watcher
from tornadic.log import app_log, gen_log

__all__ = ["BaseIOStream", "HasFileno", "Sink"]

DEFAULT_MAX_BUFFER_SIZE = 104857600
DEFAULT_READ_CHUNK_SIZE = 65536

# Chunks read for one read before other streams get their turn.
_CHUNKS_PER_TURN = 16

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


class HasFileno(Protocol):
    """What `BaseIOStream.fileno` may return instead of a number."""

    def fileno(self) -> int: ...


class Sink(Protocol):
    """Takes what comes on a stream, instead of the stream's buffer."""

    def feed(self, data: bytes) -> None:
        """Take bytes that came."""

    def stream_closed(self) -> None:
        """Take note that the stream has closed, in a later turn of the loop."""


class BaseIOStream:
    """A stream over any descriptor; a subclass says how that is read, written and closed.

    A subclass defines `fileno`, `close_fd`, `read_from_fd`, `write_to_fd` and, if it can,
    `get_fd_error`.

    ``max_buffer_size`` is how many bytes may be read and not yet asked for (100 MB),
    ``read_chunk_size`` how many are read at once (64 KB), ``max_write_buffer_size`` how many
    may wait to be written (None: no bound).
    """

    __slots__ = (
        "__dict__",
        "__weakref__",
        "_buffer",
        "_close_callback",
        "_close_when_written",
        "_closed",
        "_generation_start",
        "_loop",
        "_pending",
        "_queue",
        "_reading",
        "_sink",
        "_write_futures",
        "context",
        "error",
        "io_loop",
        "max_buffer_size",
        "max_write_buffer_size",
        "nothing_waits",
        "read_chunk_size",
        "write_generation",
    )

    def __init__(
        self,
        max_buffer_size: int | None = None,
        read_chunk_size: int | None = None,
        max_write_buffer_size: int | None = None,
    ) -> None:
        self.io_loop = IOLoop.current()
        self._loop: asyncio.AbstractEventLoop = self.io_loop.asyncio_loop
        self.max_buffer_size = max_buffer_size or DEFAULT_MAX_BUFFER_SIZE
        # A chunk larger than half the buffer would fill it before anyone could look.
        self.read_chunk_size = min(
            read_chunk_size or DEFAULT_READ_CHUNK_SIZE, max(self.max_buffer_size // 2, 1)
        )
        self.max_write_buffer_size = max_write_buffer_size
        # What is read is handled in the context of whoever made the stream, not of whoever
        # happened to resume it.
        self.context = copy_context()
        self.error: BaseException | None = None
        # Counts how often something had to wait: progress of the writing, for a time-out.
        self.write_generation = 0
        self._generation_start = 0
        self._buffer: ReadBuffer | None = None
        self._queue: WriteQueue | None = None
        self._write_futures: deque[tuple[int, asyncio.Future[None]]] | None = None
        self._pending: PendingRead | None = None
        self._sink: Sink | None = None
        self._close_callback: Callable[[], Any] | None = None
        self._close_when_written = False
        self._closed = False
        self._reading = False
        # What `drained` gives when nothing waits to be written.
        self.nothing_waits = self.io_loop.shared(_done_future)

    encrypted = False
    """Whether what goes over the wire is encrypted."""

    # What a subclass defines

    def fileno(self) -> int | HasFileno:
        """The descriptor, or an object that has one."""
        raise NotImplementedError

    def close_fd(self) -> None:
        """Close the descriptor; called once."""
        raise NotImplementedError

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        """Read into ``buf``: how many bytes, 0 at the end, None if there is nothing now."""
        raise NotImplementedError

    def write_to_fd(self, data: memoryview) -> int:
        """Write what can be written of ``data`` and say how much that was.

        Raises `BlockingIOError`, or returns 0, if it is nothing now.
        """
        raise NotImplementedError

    def get_fd_error(self) -> Exception | None:
        """What is wrong with the descriptor, when the loop says that something is."""
        return None

    def _receive(self, size: int) -> bytes | None:
        """Up to ``size`` bytes from the descriptor; ``b""`` at the end, None if none are here."""
        buf = bytearray(size)
        got = self.read_from_fd(buf)
        return None if got is None else bytes(memoryview(buf)[:got])

    # Reading

    def read_bytes(self, num_bytes: int, partial: bool = False) -> asyncio.Future[bytes]:
        """Read ``num_bytes`` bytes, or with ``partial`` any number from one up to that.

        The future, here and in the other reads, raises `StreamClosedError` if the stream
        closes before.
        """
        return self._begin_read(ReadBytes(num_bytes, partial))

    def read_into(self, buf: bytearray, partial: bool = False) -> asyncio.Future[int]:
        """Read into ``buf`` until it is full, or with ``partial`` until something came.

        The future gives the number of bytes; until then ``buf`` belongs to the stream.
        """
        return self._begin_read(ReadInto(memoryview(buf), partial))

    def read_until(self, delimiter: bytes, max_bytes: int | None = None) -> asyncio.Future[bytes]:
        """Read all up to and including ``delimiter``.

        If it does not come within ``max_bytes``, the stream closes with an
        `UnsatisfiableReadError`.
        """
        return self._begin_read(ReadUntil(delimiter, max_bytes))

    def read_until_regex(self, regex: bytes, max_bytes: int | None = None) -> asyncio.Future[bytes]:
        """Read all up to the end of the first match of ``regex``; `read_until` otherwise."""
        return self._begin_read(ReadUntilRegex(re.compile(regex), max_bytes))

    def read_until_close(self) -> asyncio.Future[bytes]:
        """Read all there is until the stream closes, which is no error here."""
        if self._closed:
            future: asyncio.Future[bytes] = self._loop.create_future()
            future.set_result(self._take_buffer())
            return future
        return self._begin_read(ReadUntilClose())

    def _begin_read(self, pending: PendingRead) -> asyncio.Future[Any]:
        if self._pending is not None or self._sink is not None:
            raise AssertionError("Already reading")
        future = pending.future = self._loop.create_future()
        self._pending = pending
        if self._buffer is None:
            self._buffer = ReadBuffer()
        try:
            self._serve(self._buffer)
        except BaseException:
            self._pending = None  # such as a delimiter that is no bytes
            raise
        if self._pending is not None:
            if self._closed:
                self._pending = None
                raise StreamClosedError(real_error=self.error)
            self._read_for_pending()
        if self._pending is not None or self._close_callback is not None:
            self._watch_reading()
        return future

    def _serve(self, buffer: ReadBuffer) -> None:
        """Resolve the pending read if the buffer has what it takes."""
        pending = self._pending
        if pending is None:
            return
        try:
            size = pending.find(buffer)
        except UnsatisfiableReadError as e:
            gen_log.info("Unsatisfiable read, closing connection: %s", e)
            self.close(exc_info=e)
            return
        if size is not None:
            self._resolve(pending, pending.result(buffer, size))

    def _resolve(self, pending: PendingRead, result: Any) -> None:
        self._pending = None
        future = pending.future
        if future is not None and not future.done():
            future.set_result(result)

    def _read_for_pending(self) -> None:
        """Read until the pending read has what it wants or nothing more is here."""
        buffer = self._buffer
        if buffer is None:
            buffer = self._buffer = ReadBuffer()
        for _ in range(_CHUNKS_PER_TURN):
            room = self.max_buffer_size - len(buffer)
            # A full buffer is no harm yet: what comes next may be the end.
            size = max(min(room, self.read_chunk_size), 1)
            data = self._receive_or_close(size)
            if data is None:
                return
            buffer.append(data)
            if room <= 0:
                gen_log.error("Reached maximum read buffer size")
                self.close(exc_info=StreamBufferFullError("Reached maximum read buffer size"))
                return
            self._serve(buffer)
            if self._closed or self._pending is None or len(data) < size:
                return

    def _receive_or_close(self, size: int) -> bytes | None:
        """The next bytes; None if there are none now, or ever again (then it is closed)."""
        try:
            data = self._receive(size)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError as e:
            self._fail(e)
            return None
        if data == b"":
            self.close()
            return None
        return data

    def _on_readable(self) -> None:
        sink = self._sink
        if sink is not None:
            # `_receive_or_close`, in line: every request comes this way.
            try:
                data = self._receive(self.read_chunk_size)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as e:
                self._fail(e)
                return
            if not data:
                if data is not None:
                    self.close()
                return
            try:
                sink.feed(data)
            except Exception as e:
                self._sink_failed(e)
        elif self._pending is not None:
            self._read_for_pending()
        elif self._buffer is not None and len(self._buffer) >= self.read_chunk_size:
            # Nobody asks, and enough is here to answer the next who does.
            self.pause_reading()
        else:
            self._read_for_pending()

    def _sink_failed(self, error: Exception) -> None:
        app_log.error("Uncaught exception in a stream's sink", exc_info=True)
        self.close(exc_info=error)

    def _take_buffer(self) -> bytes:
        buffer = self._buffer
        self._buffer = None
        return buffer.take(len(buffer)) if buffer is not None else b""

    def _watch_reading(self) -> None:
        if not self._reading and not self._closed:
            self._reading = True
            self.io_loop.shared(read_watcher).watch(
                self._descriptor(), partial(self.context.run, self._on_readable)
            )

    def pause_reading(self) -> None:
        """Read nothing from the descriptor, until `resume_reading` or the next read."""
        if self._reading:
            self._reading = False
            self.io_loop.shared(read_watcher).unwatch(self._descriptor())

    def _descriptor(self) -> int:
        fd = self.fileno()
        return fd if isinstance(fd, int) else fd.fileno()

    def resume_reading(self) -> None:
        """Read again what comes, after `pause_reading`."""
        self._watch_reading()

    # The sink

    def attach_sink(self, sink: Sink) -> None:
        """Give ``sink`` all that comes from now on, first of all what is in the buffer.

        Raises AssertionError while a read is pending.
        """
        if self._pending is not None or self._sink is not None:
            raise AssertionError("Already reading")
        rest = self._take_buffer()
        if self._closed:
            self._loop.call_soon(sink.stream_closed, context=self.context)
            if not rest:
                return
        else:
            self._sink = sink
            self._watch_reading()
        if rest:
            try:
                sink.feed(rest)
            except Exception as e:
                self._sink_failed(e)

    def detach_sink(self, unread: bytes = b"") -> None:
        """Take the sink off, and put back ``unread``, which it took and has no use for."""
        self._sink = None
        if unread:
            buffer = self._buffer = ReadBuffer()
            buffer.append(unread)
        if self._close_callback is None:
            self.pause_reading()

    # Writing

    def write(self, data: bytes | memoryview) -> asyncio.Future[None]:
        """Write ``data``; the future is done when all of it went to the kernel.

        Nobody needs to wait for it: writes go out in order.  Raises `StreamClosedError` on a
        closed stream and `StreamBufferFullError` if more than ``max_write_buffer_size`` bytes
        would have to wait.
        """
        if self._closed:
            raise StreamClosedError(real_error=self.error)
        if isinstance(data, (bytearray, memoryview)):
            if isinstance(data, memoryview) and data.readonly and data.c_contiguous:
                data = data.cast("B")
            else:
                data = bytes(data)  # the caller may change it before it goes out
        if self.max_write_buffer_size is not None and data:
            waiting = self._queue.size if self._queue is not None else 0
            if waiting + len(data) > self.max_write_buffer_size:
                raise StreamBufferFullError("Reached maximum write buffer size")
        if self.send(data):
            return self.nothing_waits
        return self.drained()

    def send(self, data: bytes | memoryview) -> bool:
        """Write ``data`` without a future: True if the kernel took all of it.

        A fault of the connection closes the stream; on a closed one this is False.
        """
        if self._closed:
            return False
        queue = self._queue
        if queue is None or not queue.size:
            if not data:
                return True
            try:
                sent = self._transmit(data)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError as e:
                self._fail(e)
                return False
            if sent == len(data):
                return True
            if queue is None:
                queue = self._queue = WriteQueue()
            self.write_generation += 1
            self._generation_start = queue.written
            if sent:
                data = memoryview(data)[sent:]
            self._loop.add_writer(self.fileno(), self._on_writable)
        if data:
            queue.append(data)
        return False

    def _transmit(self, data: bytes | memoryview) -> int:
        return self.write_to_fd(data if isinstance(data, memoryview) else memoryview(data)) or 0

    def drained(self) -> asyncio.Future[None]:
        """A future that is done when all that was written so far went to the kernel."""
        queue = self._queue
        if not self._closed and (queue is None or not queue.size):
            return self.nothing_waits
        future: asyncio.Future[None] = self._loop.create_future()
        if queue is None:
            future.set_exception(StreamClosedError(real_error=self.error))
            future.exception()  # whoever wants it awaits it; nobody need
            return future
        if self._write_futures is None:
            self._write_futures = deque()
        self._write_futures.append((queue.written + queue.size, future))
        return future

    def _on_writable(self) -> None:
        queue = self._queue
        assert queue is not None
        while queue.size:
            piece = queue.first()
            try:
                sent = self._transmit(piece)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError as e:
                self._fail(e)
                return
            finally:
                size = len(piece)
                piece.release()
            if sent:
                queue.advance(sent)
            if sent < size:
                break
        self._resolve_writes(queue)
        if not queue.size:
            self._queue = None if not self._write_futures else queue
            self._loop.remove_writer(self.fileno())
            if self._close_when_written:
                self.close()

    def _resolve_writes(self, queue: WriteQueue) -> None:
        futures = self._write_futures
        while futures and futures[0][0] <= queue.written:
            future = futures.popleft()[1]
            if not future.done():
                future.set_result(None)

    @property
    def unsent(self) -> int:
        """Bytes that were written and that the kernel has not taken yet."""
        return self._queue.size if self._queue is not None else 0

    @property
    def sent_from_queue(self) -> int:
        """Bytes that the kernel took since something last began to wait: for a time-out."""
        queue = self._queue
        return queue.written - self._generation_start if queue is not None else 0

    # Closing

    def close(self, exc_info: ExcInfo = False) -> None:
        """Close the stream at once; what still waits to be written is lost.

        ``exc_info`` (an exception, a triple like ``sys.exc_info()``, or True for the exception
        being handled) becomes `error`, and the ``real_error`` of those who wait.
        """
        if self._closed:
            return
        if exc_info:
            self.error = _exception_of(exc_info)
        pending = self._pending
        if isinstance(pending, ReadUntilClose):
            self._resolve(pending, self._take_buffer())
        self._closed = True
        if self._loop.is_closed():
            self.close_fd()
            return  # there is nobody left who could be told
        self.pause_reading()
        self._loop.remove_writer(self.fileno())
        self.close_fd()
        self._signal_closed()

    def close_when_written(self) -> None:
        """Close the stream as soon as all that was written has gone out."""
        if self._queue is not None and self._queue.size:
            self._close_when_written = True
        else:
            self.close()

    def _fail(self, error: OSError) -> None:
        if error.errno not in HANG_UPS:
            gen_log.warning("Error on a stream to %s: %s", self.fileno(), error)
        self.close(exc_info=error)

    def _signal_closed(self) -> None:
        waiting = [future for _, future in self._write_futures or ()]
        if self._pending is not None and self._pending.future is not None:
            waiting.append(self._pending.future)
        self._pending = None
        self._write_futures = None
        self._queue = None
        for future in waiting:
            if not future.done():
                future.set_exception(StreamClosedError(real_error=self.error))
                future.exception()  # whoever wants it awaits it; nobody need
        if self._sink is not None:
            self._loop.call_soon(self._sink.stream_closed, context=self.context)
            self._sink = None
        if self._close_callback is not None:
            callback = self._close_callback
            self._close_callback = None
            self.io_loop.add_callback(callback)

    def set_close_callback(self, callback: Callable[[], Any] | None) -> None:
        """Call ``callback`` when the stream has closed, whoever closed it; None for nobody."""
        if callback is not None and self._closed:
            self.io_loop.add_callback(callback)
            return
        self._close_callback = callback
        if callback is not None:
            self._watch_reading()

    def reading(self) -> bool:
        """Whether a read is pending."""
        return self._pending is not None

    def writing(self) -> bool:
        """Whether something waits to be written."""
        return self._queue is not None and self._queue.size > 0

    def closed(self) -> bool:
        """Whether the stream has been closed."""
        return self._closed

    def set_nodelay(self, value: bool) -> None:
        """Send small pieces at once instead of waiting for more (TCP only)."""


def _done_future(io_loop: IOLoop) -> asyncio.Future[None]:
    """The future that all writes of a loop share which went out at once."""
    future: asyncio.Future[None] = io_loop.asyncio_loop.create_future()
    future.set_result(None)
    return future


def _exception_of(exc_info: ExcInfo) -> BaseException | None:
    if exc_info is True:
        return sys.exc_info()[1]
    if isinstance(exc_info, tuple):
        return exc_info[1]
    return exc_info if isinstance(exc_info, BaseException) else None
