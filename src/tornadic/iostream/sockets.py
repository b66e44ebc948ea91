"""A stream over a socket."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Any, TypeVar

from tornadic.iostream.base import BaseIOStream
from tornadic.iostream.errors import StreamClosedError
from tornadic.log import gen_log

__all__ = ["IOStream"]

_Self = TypeVar("_Self", bound="IOStream")


class IOStream(BaseIOStream):
    """A stream over ``socket``, which may be connected already or not (see `connect`).

    The socket becomes non-blocking and belongs to the stream from then on.  The other
    arguments are `BaseIOStream`'s.
    """

    __slots__ = ("_connecting", "socket")

    def __init__(self, socket: socket.socket, *args: Any, **kwargs: Any) -> None:
        self.socket = socket
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

    def _receive(self, size: int) -> bytes | None:
        return self.socket.recv(size)

    def _transmit(self, data: bytes | memoryview) -> int:
        if self._connecting is not None:
            return 0
        return self.socket.send(data)

    def connect(
        self: _Self, address: Any, server_hostname: str | None = None
    ) -> asyncio.Future[_Self]:
        """Connect to ``address`` (of the socket's family, its host an IP address).

        The future gives the stream, or raises `StreamClosedError` whose ``real_error`` says
        why; then the stream is closed.  ``server_hostname`` matters only under TLS.
        """
        future: asyncio.Future[_Self] = self._loop.create_future()
        self._connecting = future
        try:
            self.socket.connect(address)
        except BlockingIOError:
            pass
        except OSError as e:
            gen_log.warning("Connect error on a stream to %s: %s", address, e)
            self.close(exc_info=e)
            return future
        self._loop.add_writer(self.socket, self._on_writable)
        return future

    def _on_writable(self) -> None:
        future = self._connecting
        if future is not None:
            error = self.get_fd_error()
            if error is not None:
                self.close(exc_info=error)
                return
            self._connecting = None
            if not future.done():
                future.set_result(self)
        if self._queue is None:
            self._loop.remove_writer(self.socket)
        else:
            super()._on_writable()

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
