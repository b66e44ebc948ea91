"""The stream: one descriptor, one read at a time, writes in order.

What comes goes one of two ways.  A *sink* takes every piece as it comes, straight from the
kernel, without a buffer or a future: this is how the HTTP engine reads.  Without a sink the
bytes serve the futures of `read_bytes` and the others; only what nobody asked for goes to a
buffer.  When a read got less than it had room for, the kernel has nothing left, and the next one
waits to be called instead of asking.

What goes out is given to the kernel at once.  Only what it does not take is queued, and only
then is the descriptor watched for writing.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

from tornadic import _legacy
from tornadic.ioloop import IOLoop
from tornadic.iostream.buffers import ReadBuffer, WriteQueue
from tornadic.iostream.errors import (
    HANG_UPS,
    ExcInfo,
    StreamBufferFullError,
    StreamClosedError,
    UnsatisfiableReadError,
    exception_of,
)
from tornadic.iostream.interfaces import Sink
from tornadic.iostream.reads import (
    PendingRead,
    ReadBytes,
    ReadInto,
    ReadUntil,
    ReadUntilClose,
    ReadUntilRegex,
)
from tornadic.iostream.waiting import Waiting, done_future
from tornadic.iostream.watcher import Watched
from tornadic.log import app_log, gen_log

__all__ = ["WRITTEN_PER_TURN", "BaseIOStream"]

DEFAULT_MAX_BUFFER_SIZE = 104857600
DEFAULT_READ_CHUNK_SIZE = 65536

# Chunks read, and bytes written from the queue, before other streams get their turn.
_CHUNKS_PER_TURN = 16
_FEEDS_PER_TURN = 8  # fewer, for a sink works with each of them at once
WRITTEN_PER_TURN = 1048576


class BaseIOStream(Watched):
    """A stream over any descriptor; a subclass says how that is read, written and closed.

    A subclass defines `fileno`, `close_fd`, `read_from_fd`, `write_to_fd` and, if it can,
    `get_fd_error`.

    ``max_buffer_size`` is how many bytes may be read and not yet asked for (100 MB),
    ``read_chunk_size`` how many are read at once (64 KB), ``max_write_buffer_size`` how many
    may wait to be written (None: no bound).  ``io_loop``, and the callbacks of the methods, are of
    old programs.
    """

    __slots__ = (
        "__dict__",
        "__weakref__",
        "_buffer",
        "_chunks_left",
        "_close_callback",
        "_close_when_written",
        "_dry",
        "_generation_start",
        "_loop",
        "_pending",
        "_queue",
        "_read_scheduled",
        "_sink",
        "_write_futures",
        "context",
        "error",
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
        io_loop: IOLoop | None = None,
    ) -> None:
        if io_loop is not None or (max_buffer_size and isinstance(max_buffer_size, IOLoop)):
            sizes = (max_buffer_size, read_chunk_size, max_write_buffer_size)
            _legacy.room("loops").begin_stream(self, *sizes, io_loop)
            return
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
        self._write_futures: deque[tuple[int, Waiting]] | None = None
        self._pending: PendingRead | None = None
        self._sink: Sink | None = None
        self._close_callback: Callable[[], Any] | None = None
        self._close_when_written = False
        self._closed = False
        # What the descriptor is watched for.
        self._reading = False
        self._writing = False
        # The kernel had nothing left when it was asked last.
        self._dry = False
        # A reader that is always served at once would never let the loop see to anyone else.
        self._chunks_left = _CHUNKS_PER_TURN
        self._read_scheduled = False
        # What `drained` gives when nothing waits to be written.
        self.nothing_waits = self.io_loop.shared(done_future)

    _callbacks_due = 0  # these two are of old programs
    _write_callback: Any = None

    encrypted = False
    """Whether what goes over the wire is encrypted."""

    # What the end of what a peer sends may look like.
    _HUNG_UP: tuple[type[BaseException], ...] = (ConnectionResetError,)

    # Whether a read that got less than it had room for got all there was.
    _short_is_all = False

    # What a subclass defines

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

    def read_bytes(
        self,
        num_bytes: int,
        partial: bool = False,
        callback: Any = None,
        streaming_callback: Any = None,
    ) -> asyncio.Future[bytes]:
        """Read ``num_bytes`` bytes, or with ``partial`` any number from one up to that.

        The future, here and in the other reads, raises `StreamClosedError` if the stream
        closes before.  Cancelling it calls the read off, and nothing that comes is lost.
        """
        if not (callback is streaming_callback is None) or (partial and callable(partial)):
            return self._call_back("read_bytes", num_bytes, partial, callback, streaming_callback)
        return self._begin_read(ReadBytes(self._loop, num_bytes, partial), num_bytes <= 0)

    def read_into(
        self, buf: bytearray, partial: bool = False, callback: Any = None
    ) -> asyncio.Future[int]:
        """Read into ``buf`` until it is full, or with ``partial`` until something came.

        The future gives the number of bytes; until then ``buf`` belongs to the stream.
        """
        if callback is not None or callable(partial):
            return self._call_back("read_into", buf, partial, callback)
        target = memoryview(buf)
        if target.readonly:
            raise TypeError("read_into() needs a buffer that can be written to")
        return self._begin_read(ReadInto(self._loop, target, partial), not buf)

    def read_until(
        self, delimiter: bytes, max_bytes: int | None = None, callback: Any = None
    ) -> asyncio.Future[bytes]:
        """Read all up to and including ``delimiter``.

        If it does not come within ``max_bytes``, the stream closes with an
        `UnsatisfiableReadError`.
        """
        if callback is not None or (max_bytes is not None and callable(max_bytes)):
            return self._call_back("read_until", delimiter, max_bytes, callback)
        is_usual = type(delimiter) is bytes and delimiter
        buffer = self._buffer
        if (
            # It may be here already: of many lines that come at once, for all but the first.
            (buffer is not None and buffer.size and is_usual and max_bytes is None)
            and (self._pending is None and self._sink is None)
            and (self._reading or self._close_callback is None)
        ):
            found = buffer.joined().find(delimiter, buffer.start)
            if found >= 0:
                future: asyncio.Future[bytes] = asyncio.Future(loop=self._loop)
                future.set_result(buffer.take(found + len(delimiter) - buffer.start))
                return future
        return self._begin_read(ReadUntil(self._loop, delimiter, max_bytes), not is_usual)

    def read_until_regex(
        self, regex: bytes, max_bytes: int | None = None, callback: Any = None
    ) -> asyncio.Future[bytes]:
        """Read all up to the end of the first match of ``regex``; `read_until` otherwise."""
        if callback is not None or callable(max_bytes):
            return self._call_back("read_until_regex", regex, max_bytes, callback)
        return self._begin_read(ReadUntilRegex(self._loop, re.compile(regex), max_bytes), True)

    def read_until_close(
        self, callback: Any = None, streaming_callback: Any = None
    ) -> asyncio.Future[bytes]:
        """Read all there is until the peer closes, which is no error here, nor is a reset."""
        if callback is not None or streaming_callback is not None:
            return self._call_back("read_until_close", callback, streaming_callback)
        if self._closed:
            future: asyncio.Future[bytes] = self._loop.create_future()
            future.set_result(self._take_buffer())
            return future
        return self._begin_read(ReadUntilClose(self._loop), False)

    def _call_back(self, name: str, *args: Any) -> asyncio.Future[Any]:
        called_back: asyncio.Future[Any] = getattr(_legacy.room("streams"), name)(self, *args)
        return called_back

    def _begin_read(self, read: PendingRead, look: bool) -> asyncio.Future[Any]:
        """Serve ``read`` now if that is possible; ``look``: it may be, even without a byte."""
        if self._pending is not None or self._sink is not None:
            self._end_cancelled_read()
        buffer = self._buffer
        self._pending = read
        try:
            if look or (buffer is not None and buffer.size):
                if buffer is None:
                    buffer = self._buffer = ReadBuffer()
                self._serve(buffer)
            if self._pending is not None:
                if self._closed:
                    raise StreamClosedError(real_error=self.error)
                if not self._dry:
                    self._try_inline_read()
            if not self._reading and (
                self._pending is not None or self._close_callback is not None
            ):
                self._watch_reading()
        except BaseException:
            self._pending = None  # such as a delimiter that is no bytes
            raise
        return read

    def _end_cancelled_read(self) -> None:
        """Let a read begin where the one before was called off, else raise AssertionError."""
        if self._pending is None or not self._pending.done():
            raise AssertionError("Already reading")
        self._drop_pending()

    def _drop_pending(self) -> None:
        """Have nobody wait; what a read has moved into its caller's buffer comes back to ours."""
        pending = self._pending
        self._pending = None
        if isinstance(pending, ReadInto):
            moved = pending.let_go()
            if moved:
                rest = self._take_buffer()
                buffer = self._buffer = ReadBuffer()
                buffer.append(moved)
                buffer.append(rest)

    def _try_inline_read(self) -> None:
        """Ask the kernel for what a read that has just begun wants."""
        if self._chunks_left:
            self._read_for_pending(False)
        else:
            self._read_soon()

    def _read_soon(self) -> None:
        """Read in the next turn what may be here, though the descriptor does not tell."""
        if not self._read_scheduled:
            self._read_scheduled = True
            self._loop.call_soon(self._read_as_scheduled)

    def _read_as_scheduled(self) -> None:
        self._read_scheduled = False
        if self._reading:
            self._on_readable()

    def _serve(self, buffer: ReadBuffer, now: bool = False) -> None:
        """Resolve the pending read if the buffer has what it takes; ``now`` resumes who waits."""
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
            self._pending = None
            result = pending.take(buffer, size)
            if now:
                pending.wake(result)
            else:
                pending.set_result(result)

    def _read_for_pending(self, now: bool) -> None:
        """Read until the pending read has what it wants or nothing more is here.

        ``now``: the loop has called, so that whoever waits can be resumed here.
        """
        buffer = self._buffer
        if buffer is None:
            buffer = self._buffer = ReadBuffer()
        pending = self._pending
        while self._chunks_left:
            self._chunks_left -= 1
            size = self.read_chunk_size
            if type(pending) is ReadBytes:
                size = pending.wanted(size, buffer)
            room = self.max_buffer_size - buffer.size
            if size > room:
                # A full buffer is no harm yet: what comes next may be the end.
                size = max(room, 1)
            try:
                data = self._receive(size)
            except (BlockingIOError, InterruptedError):
                self._dry = self._short_is_all
                return
            except OSError as e:
                # Whoever has just asked is told, and nobody else.
                self._fail(e, "read" if now else None)
                return
            if not data:
                if data is not None:
                    self.close()
                return
            is_short = len(data) < size
            self._dry = is_short and self._short_is_all
            if pending is not None and not buffer.size and pending.is_all(data):
                self._pending = None
                if now:
                    pending.wake(data)
                else:
                    pending.set_result(data)
                return
            buffer.append(data)
            if room <= 0:
                error = StreamBufferFullError("Reached maximum read buffer size")
                gen_log.error("%s", error)
                gen_log.warning("error on read: %s", error)
                self.close(exc_info=error)
                return
            self._serve(buffer, now)
            # A read that whoever was resumed has begun is not ours to go on with: it has looked
            # already, and perhaps changed the buffer for another.
            if is_short or self._closed or pending is None or self._pending is not pending:
                return
        self._read_soon()

    def _on_readable(self) -> None:
        sink = self._sink
        if sink is None:
            self._on_readable_for_reads()
            return
        size = self.read_chunk_size
        left = _FEEDS_PER_TURN
        while True:
            try:
                data = self._receive(size)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as e:
                self._fail(e)
                return
            except Exception as e:
                self.close(exc_info=e)  # or it would fail in the same way, turn after turn
                raise
            if not data:
                if data is not None:
                    self.close()
                return
            try:
                self.context.run(sink.feed, data)
            except Exception as e:
                self._sink_failed(e)
            # After a full chunk there is probably more, and asking costs less than another turn.
            if len(data) < size:
                return
            left -= 1
            if not (left and self._reading and self._sink is sink):
                return

    def _on_readable_for_reads(self) -> None:
        try:
            self._dry = False
            self._chunks_left = _CHUNKS_PER_TURN
            pending = self._pending
            if pending is not None and pending.done():
                self._drop_pending()  # called off
                pending = None
            buffer = self._buffer
            if pending is None and buffer is not None and buffer.size >= self.read_chunk_size:
                # Nobody asks, and enough is here to answer the next who does.
                self.pause_reading()
            else:
                self._read_for_pending(True)
        except Exception as e:
            self.close(exc_info=e)  # as above
            raise

    def _sink_failed(self, error: Exception) -> None:
        app_log.error("Uncaught exception in a stream's sink", exc_info=True)
        self.close(exc_info=error)

    def _take_buffer(self) -> bytes:
        buffer = self._buffer
        self._buffer = None
        return buffer.take(buffer.size) if buffer is not None else b""

    # The sink

    def attach_sink(self, sink: Sink) -> None:
        """Give ``sink`` all that comes from now on, first of all what is in the buffer.

        Raises AssertionError while a read is pending.
        """
        if self._pending is not None or self._sink is not None:
            self._end_cancelled_read()
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
        self._dry = False
        if unread:
            buffer = self._buffer = ReadBuffer()
            buffer.append(unread)
        if self._close_callback is None:
            self.pause_reading()

    # Writing

    def write(self, data: bytes | memoryview, callback: Any = None) -> asyncio.Future[None]:
        """Write ``data``; the future is done when all of it went to the kernel.

        Nobody needs to wait for it: writes go out in order.  Raises `StreamClosedError` on a
        closed stream and `StreamBufferFullError` if more than ``max_write_buffer_size`` bytes
        would have to wait.
        """
        if callback is not None:
            return self._call_back("write", data, callback)
        if self._closed:
            raise StreamClosedError(real_error=self.error)
        if type(data) is not bytes and isinstance(data, (bytearray, memoryview)):
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
                self._fail(e, "write")
                return False
            if sent == len(data):
                return True
            if queue is None:
                queue = self._queue = WriteQueue()
            self.write_generation += 1
            self._generation_start = queue.written
            if sent:
                data = memoryview(data)[sent:]
            self._watch_writing()
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
        future = Waiting(loop=self._loop)
        future._waiter = None
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
        limit = queue.written + WRITTEN_PER_TURN
        while queue.size and queue.written < limit:
            piece = queue.peek()
            try:
                sent = self._transmit(piece)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError as e:
                self._fail(e, "write")
                return
            except Exception as e:
                self.close(exc_info=e)
                raise
            finally:
                size = len(piece)
                piece.release()
            if sent:
                queue.advance(sent)
            if sent < size:
                break
        futures = self._write_futures
        while futures and futures[0][0] <= queue.written and self._queue is queue:
            future = futures.popleft()[1]
            if not future.done():
                future.wake(None)
        # Whoever was resumed may have written more.
        if not queue.size and self._queue is queue:
            self._queue = None if not self._write_futures else queue
            self._unwatch_writing()
            if self._close_when_written:
                self.close()

    @property
    def _write_buffer(self) -> WriteQueue | tuple[()]:
        # Programs written for Tornado look at its length.
        return self._queue if self._queue is not None else ()

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
            self.error = exception_of(exc_info)
        pending = self._pending
        # What broke off for another reason is not to look as if it were complete.
        is_end = self.error is None or isinstance(self.error, self._HUNG_UP)
        if is_end and isinstance(pending, ReadUntilClose) and not pending.done():
            self._pending = None
            pending.set_result(self._take_buffer())
        self._closed = True
        if self._loop.is_closed():
            self.close_fd()
            return  # there is nobody left who could be told
        self.pause_reading()
        self._unwatch_writing()
        self.close_fd()
        self._signal_closed()

    def close_when_written(self) -> None:
        """Close the stream as soon as all that was written has gone out."""
        if self._queue is not None and self._queue.size:
            self._close_when_written = True
        else:
            self.close()

    def _fail(self, error: OSError, where: str | None = "read") -> None:
        """Close for want of a descriptor that works; ``where`` goes to the log, if not None."""
        if where and error.errno not in HANG_UPS:
            gen_log.warning("error on %s: %s", where, error)
        self.close(exc_info=error)

    def _signal_closed(self) -> None:
        waiting: list[Waiting] = []
        for end, future in self._write_futures or ():
            assert self._queue is not None
            if end > self._queue.written:
                waiting.append(future)
            elif not future.done():
                future.set_result(None)  # it was to be resumed after the one that has closed us
        if self._pending is not None:
            waiting.append(self._pending)
        self._drop_pending()
        self._write_futures = None
        self._queue = None
        for future in waiting:
            if not future.done():
                future.set_exception(StreamClosedError(real_error=self.error))
                future.exception()  # whoever wants it awaits it; nobody need
        if self._sink is not None:
            self._loop.call_soon(self._sink.stream_closed, context=self.context)
            self._sink = None
        self._tell_closed()

    def _tell_closed(self) -> None:
        """Call the close callback, but after the callbacks of reads and writes."""
        if self._close_callback is not None and not self._callbacks_due:
            callback = self._close_callback
            self._close_callback = None
            self._loop.call_soon(self.io_loop._run_callback, callback, context=self.context)

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
        return self._pending is not None and not self._pending.done()

    def writing(self) -> bool:
        """Whether something waits to be written."""
        return self._queue is not None and self._queue.size > 0

    def set_nodelay(self, value: bool) -> None:
        """Send small pieces at once instead of waiting for more (TCP only)."""
