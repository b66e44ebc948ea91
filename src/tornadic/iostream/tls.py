"""A stream over TLS.

OpenSSL, in an `ssl.SSLSocket`, stands between the stream and the descriptor, so what the
descriptor tells is not the whole truth:

- Nothing can be read or written before the handshake is done.  Until then reads and writes wait
  as on a connection that is slow.
- OpenSSL may hold bytes that have left the descriptor already.  They are asked for again when
  reading resumes and after each read that did not take all.
- A read may have to write first, and a write to read.  Then the one waits for what the other
  usually waits for.

Large writes go in slices.  OpenSSL, once begun, wants to be given the same bytes again until all
of them are out, and does not say how far it is; a slice is what we can tell progress by.
"""

from __future__ import annotations

import asyncio
import functools
import socket
import ssl
from enum import Enum
from typing import Any, Final, TypeVar

from tornadic.iostream.base import WRITTEN_PER_TURN
from tornadic.iostream.errors import HANG_UPS, StreamClosedError
from tornadic.iostream.reads import PendingRead
from tornadic.iostream.sockets import IOStream
from tornadic.log import gen_log
from tornadic.netutil import ssl_wrap_socket

__all__ = ["DEFAULT_HANDSHAKE_TIMEOUT", "SSLIOStream", "default_context"]

DEFAULT_HANDSHAKE_TIMEOUT: Final = 30.0
"""Seconds for a handshake; whoever sends nothing, or a byte at a time, holds nobody up longer."""

# TLS cuts everything into records of at most this size (RFC 8446 section 5.1).
_RECORD: Final = 16384

# Records read before other streams get their turn.
_RECORDS_PER_TURN: Final = 4

_SLICE: Final = 65536

_Self = TypeVar("_Self", bound="SSLIOStream")


class _State(Enum):
    HANDSHAKE = "handshake"
    OPEN = "open"
    # OpenSSL decrypts nothing more; what still comes is thrown away.
    DEAF = "deaf"


# Looked up once; members of an enumeration are slow to reach.
_HANDSHAKE, _OPEN, _DEAF = _State.HANDSHAKE, _State.OPEN, _State.DEAF


@functools.cache
def default_context(server_side: bool) -> ssl.SSLContext:
    """The context where no options are given; a client's checks the server's certificate."""
    purpose = ssl.Purpose.CLIENT_AUTH if server_side else ssl.Purpose.SERVER_AUTH
    return ssl.create_default_context(purpose)


class SSLIOStream(IOStream):
    """A stream over TLS, on either side.

    ``socket`` is either connected and wrapped already, by
    ``context.wrap_socket(sock, do_handshake_on_connect=False, ...)``, or a plain one that is
    not connected; then call `connect`, for which ``ssl_options`` are meant: an `ssl.SSLContext`
    or a dictionary (see `.ssl_options_to_context`), None for the defaults, which check the
    server's certificate.  The other arguments are `BaseIOStream`'s.

    The handshake runs by itself, and the stream may be read from and written to meanwhile.  If
    it fails, or is not done within `DEFAULT_HANDSHAKE_TIMEOUT`, the stream closes.
    """

    __slots__ = (
        "_handshake_future",
        "_handshake_timer",
        "_more",
        "_read_needs_write",
        "_server_hostname",
        "_ssl_options",
        "_state",
        "_wants_reading",
        "_write_needs_read",
    )

    encrypted = True
    _HUNG_UP = (ConnectionResetError, ssl.SSLEOFError, ssl.SSLZeroReturnError)
    _short_is_all = False  # OpenSSL may hold the rest

    socket: ssl.SSLSocket

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._ssl_options: dict[str, Any] | ssl.SSLContext | None = kwargs.pop("ssl_options", None)
        self._server_hostname: str | None = None
        self._state = _HANDSHAKE
        self._handshake_future: asyncio.Future[Any] | None = None
        self._handshake_timer: asyncio.TimerHandle | None = None
        # What the stream's user wants; `_reading` is what the descriptor is watched for.
        self._wants_reading = False
        self._read_needs_write = False
        self._write_needs_read = False
        # The last read may have left something behind in OpenSSL or in the kernel.
        self._more = False
        super().__init__(*args, **kwargs)
        if isinstance(self.socket, ssl.SSLSocket):
            self._begin_handshake()

    # Connecting and the handshake

    def connect(
        self: _Self, address: Any, server_hostname: str | None = None, callback: Any = None
    ) -> asyncio.Future[_Self]:
        """Connect to ``address``, then shake hands; see `IOStream.connect`.

        ``server_hostname``, a name or an IP address, is what the server's certificate must be
        made out to, unless the ``ssl_options`` say otherwise.  If it is the handshake that
        fails, the future raises what `wait_for_handshake` raises.
        """
        if callback is not None or callable(server_hostname):
            return super().connect(address, server_hostname, callback)  # which comes back here
        self._server_hostname = server_hostname
        return super().connect(address)

    def _connected(self, future: asyncio.Future[Any]) -> None:
        self._unwatch_writing()
        super().pause_reading()
        self._handshake_future = future
        options = self._ssl_options
        try:
            self.socket = ssl_wrap_socket(
                self.socket,
                default_context(False) if options is None else options,
                server_hostname=self._server_hostname,
                server_side=False,
                do_handshake_on_connect=False,
            )
        except (OSError, TypeError, ValueError) as e:
            self._replace_lost_socket()
            self._handshake_failed(e)
            return
        self._begin_handshake()

    def wait_for_handshake(self: _Self, callback: Any = None) -> asyncio.Future[_Self]:
        """A future that gives the stream once the handshake is done.

        It raises what the handshake failed with: an `ssl.SSLError` or another `OSError`, or
        `StreamClosedError` if the stream was just closed.  Afterwards ``stream.socket`` has the
        peer's certificate and the like.  Not together with `connect`, which waits by itself;
        and only once while the handshake lasts, else RuntimeError.
        """
        if callback is not None:
            return self._call_back("wait_for_handshake", callback)
        if self._handshake_future is not None and not self._handshake_future.done():
            raise RuntimeError("Already waiting for the handshake")
        future: asyncio.Future[_Self] = self._loop.create_future()
        if self._state is not _HANDSHAKE:
            future.set_result(self)
        elif self._closed:
            future.set_exception(self.error or StreamClosedError())
        else:
            self._handshake_future = future
        return future

    def _begin_handshake(self) -> None:
        self._handshake_timer = self._loop.call_later(
            DEFAULT_HANDSHAKE_TIMEOUT, self._handshake_overdue
        )
        # Not at once: whoever makes the stream is to see it before it fails.
        self._loop.call_soon(self._shake)

    def _shake(self) -> None:
        """Take the handshake as far as it goes now."""
        if self._closed or self._state is not _HANDSHAKE:
            return
        try:
            self.socket.do_handshake()
        except ssl.SSLWantReadError:
            self._unwatch_writing()
            super()._watch_reading()
        except ssl.SSLWantWriteError:
            super().pause_reading()
            self._watch_writing()
        except (OSError, ValueError) as e:
            self._handshake_failed(e)
        else:
            self._handshake_done()

    def _handshake_done(self) -> None:
        self._state = _OPEN
        self._stop_timer()
        if self._wants_reading:
            self._watch_reading()
        else:
            super().pause_reading()
        if self.writing():
            self._watch_writing()
        else:
            self._unwatch_writing()
        future = self._handshake_future
        if future is not None and not future.done():
            future.set_result(self)

    def _handshake_failed(self, error: Exception) -> None:
        hung_up = isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)) or (
            isinstance(error, OSError) and error.errno in HANG_UPS
        )
        if not hung_up:
            try:
                peer = self.socket.getpeername()
            except OSError:
                peer = "somebody who has left"
            gen_log.warning("SSL Error on a stream to %s: %s", peer, error)
        self.close(exc_info=error)

    def _handshake_overdue(self) -> None:
        self.close(exc_info=TimeoutError("The TLS handshake took too long"))

    def _stop_timer(self) -> None:
        if self._handshake_timer is not None:
            self._handshake_timer.cancel()
            self._handshake_timer = None

    # Reading

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        data = SSLIOStream._receive(self, len(buf))  # a subclass may come from there
        if data is None:
            return None
        buf[: len(data)] = data
        return len(data)

    def _receive(self, size: int) -> bytes | None:
        if self._state is not _OPEN:
            return None if self._state is _HANDSHAKE else self._discard(size)
        data: bytes | None = None
        try:
            data = self.socket.recv(size)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLWantWriteError:
            self._read_needs_write = True
            super().pause_reading()
            self._watch_writing()
            return None
        else:
            self._more = len(data) >= _RECORD or len(data) == size
        if self._write_needs_read:
            self._write_needs_read = False
            if self.writing():
                self._watch_writing()
        return data

    def _discard(self, size: int) -> bytes | None:
        data = socket.socket.recv(self.socket, size)
        return None if data else b""

    def _on_readable(self) -> None:
        if self._state is _HANDSHAKE:
            self._shake()
            return
        for _ in range(_RECORDS_PER_TURN):
            self._more = False
            super()._on_readable()
            if not self._more or not self._reading:
                return
        self._read_rest_soon()

    def _read_rest_soon(self) -> None:
        """See to what OpenSSL holds; of what the kernel holds the descriptor will tell."""
        if self.socket.pending():
            self._read_soon()

    def _begin_read(self, read: PendingRead, look: bool) -> asyncio.Future[Any]:
        future = super()._begin_read(read, look)
        if self._pending is not None:
            self._watch_reading()  # the descriptor may be watched, but not for us
        return future

    def _watch_reading(self) -> None:
        self._wants_reading = True
        if self._state is not _HANDSHAKE and not self._read_needs_write:
            super()._watch_reading()
            if self._reading:
                self._read_rest_soon()

    def pause_reading(self) -> None:
        self._wants_reading = False
        # The handshake goes on regardless.
        if self._state is not _HANDSHAKE or self._closed:
            super().pause_reading()

    # Writing

    def write_to_fd(self, data: memoryview) -> int:
        return SSLIOStream._transmit(self, data)

    def _transmit(self, data: bytes | memoryview) -> int:
        if self._state is _HANDSHAKE:
            return 0
        size = len(data)
        sent = 0
        try:
            if size <= _SLICE:
                return self.socket.send(data)
            with memoryview(data) as view:
                while sent < size and sent < WRITTEN_PER_TURN:
                    sent += self.socket.send(view[sent : sent + _SLICE])
        except ssl.SSLWantWriteError:
            pass
        except ssl.SSLWantReadError:
            self._write_needs_read = True
            # A sink that has paused is not to be fed; the write waits until it has resumed.
            if self._sink is None:
                self._watch_reading()
        return sent

    def _on_writable(self) -> None:
        if self._connecting is not None:
            self._finish_connecting(self._connecting)
        elif self._state is _HANDSHAKE:
            self._shake()
        else:
            if self._read_needs_write:
                self._read_needs_write = False
                if self._wants_reading:
                    super()._watch_reading()
                    self._on_readable()
            if self._write_needs_read:
                self._unwatch_writing()
            elif not self._closed and not self._read_needs_write:
                super()._on_writable()
                if self._write_needs_read and not self._closed:
                    self._unwatch_writing()

    # Closing

    def _fail(self, error: OSError, where: str | None = "read") -> None:
        if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
            self.close(exc_info=error)  # hung up
        else:
            super()._fail(error, where)

    def close_fd(self) -> None:
        # What breaks off must not look as if it were complete.
        if self._state is _OPEN and self.error is None and not self.unsent:
            self._send_close_notify()
        super().close_fd()

    def _signal_closed(self) -> None:
        self._stop_timer()
        future = self._handshake_future
        if future is not None and not future.done():
            future.set_exception(self.error or StreamClosedError())
            future.exception()  # whoever wants it awaits it; nobody need
        super()._signal_closed()

    def shutdown_write(self) -> None:
        """Send close_notify (RFC 8446 section 6.1) and the TCP connection's end.

        Close_notify is left out where it could not be sent without losing what comes.
        """
        if self._state is _HANDSHAKE:
            self.close()
            return
        if self._state is _OPEN and not self._has_more_to_read():
            self._send_close_notify()
        try:
            # Not the method of `ssl.SSLSocket`, after which nothing could be decrypted.
            socket.socket.shutdown(self.socket, socket.SHUT_WR)
        except OSError as e:
            self.close(exc_info=e)

    def _has_more_to_read(self) -> bool:
        if self.socket.pending():
            return True
        try:
            return bool(socket.socket.recv(self.socket, 1, socket.MSG_PEEK))
        except OSError:
            return False

    def _send_close_notify(self) -> None:
        try:
            self.socket.unwrap()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            # It is on its way, or the kernel is full; in either case we can read on.
            return
        except (OSError, ValueError):
            # Data came after it, or the peer has gone: OpenSSL is done with this connection.
            pass
        self._state = _DEAF
