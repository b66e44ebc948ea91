"""Take the pieces of a response to its connection.

`DirectSink` is for an application on the loop's own thread: it writes at once, and where a client
is slow the iteration pauses and the loop goes on.  `BridgeSink` is for an application on an
executor: it hands pieces over to the loop, many in one turn, and lets the application's thread
wait when it is too far ahead of the client.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, Final

from tornadic.httputil import HTTPServerRequest
from tornadic.log import app_log

if TYPE_CHECKING:
    from tornadic.wsgi.response import Head

__all__ = ["BridgeSink", "DirectSink"]

BYTES_AHEAD: Final = 1048576
"""How far an application on an executor may be ahead of the client before its thread waits.

A response of this size costs memory and no thread while a slow client reads it.
"""

_LOOP_CHECK: Final = 1.0
"""Seconds after which a waiting thread looks whether its loop is still there."""


class DirectSink:
    """Takes pieces to the connection, on the thread of the loop.

    What an application gives by ``write`` is queued where the client is slow, for nobody else
    could run while that waited.
    """

    __slots__ = ("_connection", "_request", "_sent")

    def __init__(self, request: HTTPServerRequest) -> None:
        self._request = request
        self._connection: Any = request.connection
        self._sent: asyncio.Future[None] | None = None

    def put(self, head: Head | None, data: bytes) -> None:
        if head is not None:
            self._sent = self._connection.write_headers(*head, data)
        elif data:
            self._sent = self._connection.write(data)

    def end(self) -> None:
        self._connection.finish()

    def has_gone(self) -> bool:
        """Whether the client has gone."""
        return self._request.connection_is_closed()

    def is_full(self) -> bool:
        """Whether what was put waits for the client."""
        return self._sent is not None and not self._sent.done()

    async def drain(self) -> None:
        """Wait until there is room, or the client has gone; at least for a turn of the loop."""
        if self._sent is not None and not self._sent.done():
            await asyncio.wait([self._sent])
        else:
            await asyncio.sleep(0)

    def abort(self) -> None:
        """Close the connection, so that the client sees that something is missing."""
        self._connection.stream.close()


class BridgeSink:
    """Takes pieces to the connection, from the application's thread to that of the loop.

    What both threads look at is below the lock of ``_changed``; the loop never waits for it
    longer than it takes to append to a list.
    """

    __slots__ = (
        "_aborted",
        "_ahead",
        "_changed",
        "_connection",
        "_ended",
        "_gone",
        "_head",
        "_loop",
        "_loop_thread",
        "_pieces",
        "_scheduled",
    )

    def __init__(self, request: HTTPServerRequest, loop: asyncio.AbstractEventLoop) -> None:
        connection: Any = request.connection
        self._connection = connection
        self._loop = loop
        self._loop_thread = threading.get_ident()
        self._changed = threading.Condition()
        self._head: Head | None = None
        self._pieces: list[bytes] = []
        self._ended = False
        self._aborted = False
        # A turn of the loop is due that takes what is here.
        self._scheduled = False
        # Bytes that were put, and have not gone to the kernel yet.
        self._ahead = 0
        self._gone = request.connection_is_closed()
        connection.set_close_callback(self._on_close)

    # On the application's thread

    def put(self, head: Head | None, data: bytes) -> None:
        """Hand on a piece, and wait if that is too many."""
        with self._changed:
            if head is not None:
                self._head = head
            if data:
                self._pieces.append(data)
                self._ahead += len(data)
            self._schedule()
            if threading.get_ident() == self._loop_thread:
                return  # an executor that runs its work at once: nobody would wake us
            while self._ahead > BYTES_AHEAD and not self._gone:
                self._changed.wait(_LOOP_CHECK)
                if self._loop.is_closed():
                    self._gone = True

    def end(self) -> None:
        with self._changed:
            self._ended = True
            self._schedule()

    def abort(self) -> None:
        with self._changed:
            self._aborted = True
            self._schedule()

    def has_gone(self) -> bool:
        return self._gone

    def _schedule(self) -> None:
        if self._scheduled or self._gone:
            return
        self._scheduled = True
        try:
            self._loop.call_soon_threadsafe(self._flush)
        except RuntimeError:  # the loop is closed
            self._gone = True

    # On the loop's thread

    def _flush(self) -> None:
        """Send what has been put since the last time, in one write."""
        with self._changed:
            head, self._head = self._head, None
            data = b"".join(self._pieces)
            self._pieces.clear()
            ended, aborted = self._ended, self._aborted
            self._scheduled = False
        if self._gone:
            return
        connection = self._connection
        try:
            sent = None
            if head is not None:
                sent = connection.write_headers(*head, data)
            elif data:
                sent = connection.write(data)
            if ended:
                connection.finish()
        except Exception:
            app_log.error("Uncaught exception", exc_info=True)
            aborted = True
        if aborted:
            self.close()
        elif sent is not None and not sent.done():
            sent.add_done_callback(lambda _: self._release(len(data)))
        else:
            self._release(len(data))

    def _release(self, size: int) -> None:
        with self._changed:
            self._ahead -= size
            self._changed.notify_all()

    def _on_close(self) -> None:
        with self._changed:
            self._gone = True
            self._pieces.clear()
            self._changed.notify_all()

    def close(self) -> None:
        """Close the connection, and let the application know."""
        self._on_close()
        self._connection.stream.close()
