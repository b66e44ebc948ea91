"""The client's side of a connection that is used again and again."""

from __future__ import annotations

from collections.abc import Callable

from tornadic.http.errors import HTTPInputError
from tornadic.http.interfaces import HTTPMessageDelegate
from tornadic.http1connection.connection import HTTP1Connection
from tornadic.http1connection.parameters import HTTP1ConnectionParameters
from tornadic.http1connection.states import _CLOSED
from tornadic.iostream import IOStream

__all__ = ["HTTP1ClientConnection"]


class HTTP1ClientConnection(HTTP1Connection):
    """Sends requests on ``stream``, one after another, and takes the responses.

    It stays the sink of its stream, also between two requests: if anything comes then, it closes.
    There is no future for a response and no turn of the loop.  ``params`` as in
    `HTTP1Connection`, but for the times, which whoever asks sees to; ``error`` is what was wrong
    with a response, if something was.
    """

    __slots__ = ("_done", "error")

    def __init__(self, stream: IOStream, params: HTTP1ConnectionParameters) -> None:
        super().__init__(stream, True, params)
        self._done: Callable[[bool], None] | None = None
        self.error: HTTPInputError | None = None
        self._state = _CLOSED
        self._blocked = True
        stream.attach_sink(self)

    def take_response(self, delegate: HTTPMessageDelegate, done: Callable[[bool], None]) -> None:
        """Hand the response to the request that was begun last to ``delegate``, and call ``done``.

        ``done`` is called when it is complete, or will never be, in the same turn; it is told
        whether the connection is of further use, and otherwise that is closed.  A further request
        may be made by then.
        """
        assert self._done is None
        self._done = done
        self._begin_message(delegate)
        if self.stream.closed():
            self.stream.io_loop.asyncio_loop.call_soon(self.stream_closed)

    @property
    def has_received(self) -> bool:
        """Whether there are bytes that are no whole head."""
        return self._reader.buffered > 0

    def feed(self, data: bytes) -> None:
        if self._done is None:
            self.stream.close()  # nobody has asked
        else:
            super().feed(data)

    def _refuse(self, error: HTTPInputError) -> None:
        self.error = error
        super()._refuse(error)

    def _end_reading(self, usable: bool) -> None:
        done, self._done = self._done, None
        self._delegate = None
        self._state = _CLOSED
        self._blocked = True
        if usable and not self.stream.closed() and not self._reader.buffered:
            self._reader.forget_head()
        else:
            usable = False
            self.stream.close()
        if done is not None:
            done(usable)
