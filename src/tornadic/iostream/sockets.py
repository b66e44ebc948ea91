"""A stream over a socket."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from typing import TYPE_CHECKING, Any, TypeVar

from tornadic.iostream.base import BaseIOStream
from tornadic.iostream.buffers import WriteQueue
from tornadic.iostream.errors import StreamClosedError
from tornadic.iostream.files import FileRange, send_range
from tornadic.iostream.interfaces import overrides
from tornadic.log import gen_log
from tornadic.netutil import ssl_wrap_socket

if TYPE_CHECKING:
    from tornadic.iostream.tls import SSLIOStream

__all__ = ["IOStream"]

_Self = TypeVar("_Self", bound="IOStream")


class IOStream(BaseIOStream):
    """A stream over ``socket``, which may be connected already or not (see `connect`).

    The socket becomes non-blocking and belongs to the stream from then on.  The other
    arguments are `BaseIOStream`'s.
    """

    # The socket's own methods, so that the kernel is asked without a frame between.  A subclass
    # that puts something between has methods of these names.
    __slots__ = ("_connecting", "_receive", "_transmit", "socket")

    _short_is_all = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if overrides(cls, "read_from_fd", "_receive"):
            cls._receive = BaseIOStream._receive  # type: ignore[method-assign]
            cls._short_is_all = False
        if overrides(cls, "write_to_fd", "_transmit"):
            cls._transmit = IOStream._transmit_by_fd  # type: ignore[method-assign, assignment]

    def __init__(self, socket: socket.socket, *args: Any, **kwargs: Any) -> None:
        self.socket = socket
        if type(self)._receive is IOStream._receive:
            self._receive = socket.recv  # type: ignore[method-assign, assignment]
        if type(self)._transmit is IOStream._transmit:
            self._transmit = socket.send  # type: ignore[method-assign, assignment]
        self._connecting: asyncio.Future[Any] | None = None
        socket.setblocking(False)
        super().__init__(*args, **kwargs)

    def fileno(self) -> socket.socket:
        return self.socket

    def close_fd(self) -> None:
        self.socket.close()

    def get_fd_error(self) -> Exception | None:
        code = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        return OSError(code, os.strerror(code)) if code else None

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        try:
            return self.socket.recv_into(buf, len(buf))
        except BlockingIOError:
            return None

    def write_to_fd(self, data: memoryview) -> int:
        return self.socket.send(data)

    async def send_file(self, fd: int, offset: int, count: int) -> None:
        """Write ``count`` bytes of the file ``fd`` from ``offset`` on; done when they went out.

        Bytes written before go out before, and until this is done nothing else may be written,
        nor ``fd``, which stays the caller's, be closed.  What is not in the kernel's memory is
        read in a thread.  A file that is shorter than that closes the stream, and so does a
        cancellation.

        Raises ValueError for a negative number, and `StreamClosedError` if the stream closes.
        """
        if offset < 0 or count < 0:
            raise ValueError(f"No range of a file: {offset}, {count}")
        if type(self)._transmit is not IOStream._transmit or self._connecting is not None:
            await send_range(self, fd, offset, count, directly=False)
            return
        self._transmit = self._transmit_any  # type: ignore[method-assign]
        try:
            await send_range(self, fd, offset, count, directly=True)
        except BaseException:
            self.close()  # of what was begun, and the caller calls off, the rest is still queued
            raise
        finally:
            self._transmit = self.socket.send  # type: ignore[method-assign, assignment]

    def queue_file(self, piece: FileRange) -> asyncio.Future[None]:
        """Queue a piece of a file; for `send_file`, which is the one that can send it."""
        if self._closed:
            raise StreamClosedError(real_error=self.error)
        queue = self._queue
        if queue is None:
            queue = self._queue = WriteQueue()
        if not queue.size:
            self.write_generation += 1
            self._generation_start = queue.written
        queue.append_file(piece)
        self._watch_writing()
        return self.drained()

    def _transmit_any(self, data: bytes | memoryview | FileRange) -> int:
        if isinstance(data, FileRange):
            return data.send_to(self.socket.fileno())
        return self.socket.send(data)

    def _transmit_by_fd(self, data: bytes | memoryview) -> int:
        return super()._transmit(data) if self._connecting is None else 0

    def connect(
        self: _Self, address: Any, server_hostname: str | None = None, callback: Any = None
    ) -> asyncio.Future[_Self]:
        """Connect to ``address`` (of the socket's family, its host an IP address).

        The future gives the stream, or raises `StreamClosedError` whose ``real_error`` says
        why; then the stream is closed.  What is written meanwhile goes out afterwards.
        ``server_hostname`` matters only under TLS.
        """
        if callback is not None or callable(server_hostname):
            return self._call_back("connect", address, server_hostname, callback)
        if self._closed:
            raise StreamClosedError(real_error=self.error)
        future: asyncio.Future[_Self] = self._loop.create_future()
        self._connecting = future
        if type(self)._transmit is IOStream._transmit:
            self._transmit = _take_nothing  # type: ignore[method-assign]
        try:
            self.socket.connect(address)
        except OSError as e:
            # A Unix socket whose backlog is full says EAGAIN, and is not going to connect.
            if e.errno != errno.EINPROGRESS:
                self.close(exc_info=e)  # whoever waits is told
                return future
        self._watch_writing()
        return future

    def _on_writable(self) -> None:
        if self._connecting is not None:
            self._finish_connecting(self._connecting)
        if self._queue is not None:
            super()._on_writable()
        elif not self._closed:
            self._unwatch_writing()

    def _finish_connecting(self, future: asyncio.Future[Any]) -> None:
        error = self.get_fd_error()
        if error is not None:
            self.close(exc_info=error)
            return
        self._connecting = None
        if type(self)._transmit is IOStream._transmit:
            self._transmit = self.socket.send  # type: ignore[method-assign, assignment]
        self._connected(future)

    def _connected(self, future: asyncio.Future[Any]) -> None:
        if not future.done():
            future.set_result(self)

    def start_tls(
        self,
        server_side: bool,
        ssl_options: dict[str, Any] | ssl.SSLContext | None = None,
        server_hostname: str | None = None,
    ) -> asyncio.Future[SSLIOStream]:
        """Go on under TLS, on a new stream over the same socket; this one is closed then.

        ``ssl_options``: see `.ssl_wrap_socket`; None for the defaults, under which a client
        checks the server's certificate against the system's authorities and
        ``server_hostname``.

        The future gives the new stream when both sides have agreed, or raises the error that
        kept them from it, such as an `ssl.SSLError`.  Cancelling it closes the new stream.
        Raises ValueError if something is being read or written or is in the buffer, or if the
        options do not go together; in the latter case the stream is closed.
        """
        from tornadic.iostream.tls import SSLIOStream, default_context

        if self._closed:
            raise StreamClosedError(real_error=self.error)
        if not self._is_idle():
            raise ValueError("IOStream is not idle; cannot convert to SSL")
        if ssl_options is None:
            ssl_options = default_context(server_side)
        self.pause_reading()
        self._unwatch_writing()  # it may be that very event which resumed the caller
        try:
            wrapped = ssl_wrap_socket(
                self.socket,
                ssl_options,
                server_hostname=server_hostname,
                server_side=server_side,
                do_handshake_on_connect=False,
            )
        except BaseException as e:
            self._replace_lost_socket()
            self.close(exc_info=e)
            raise
        self._closed = True
        stream = SSLIOStream(
            wrapped, self.max_buffer_size, self.read_chunk_size, self.max_write_buffer_size
        )
        callback, self._close_callback = self._close_callback, None
        if callback is not None:
            stream.set_close_callback(callback)
        future = stream.wait_for_handshake()
        future.add_done_callback(lambda done: stream.close() if done.cancelled() else None)
        return future

    def _replace_lost_socket(self) -> None:
        """When `ssl` has taken the descriptor and lost it, have something that can be closed."""
        if self.socket.fileno() < 0:
            self.socket = socket.socket()

    def _is_idle(self) -> bool:
        if self._pending is not None and self._pending.done():
            self._drop_pending()  # called off
        return not (
            self._pending is not None
            or self._sink is not None
            or self._connecting is not None
            or self._buffer
            or self.writing()
        )

    def _signal_closed(self) -> None:
        future = self._connecting
        if future is not None and not future.done():
            future.set_exception(StreamClosedError(real_error=self.error))
            future.exception()
        super()._signal_closed()

    def shutdown_write(self) -> None:
        """Tell the peer that nothing more will come; it may still be read from."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError as e:
            self.close(exc_info=e)

    def set_nodelay(self, value: bool) -> None:
        if self.socket.family in (socket.AF_INET, socket.AF_INET6):
            try:
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, int(value))
            except OSError as e:
                # The peer may be gone already; whoever reads next is told.
                gen_log.debug("Cannot set TCP_NODELAY: %s", e)


def _take_nothing(data: bytes | memoryview) -> int:
    """What a socket takes that is not connected yet."""
    return 0
