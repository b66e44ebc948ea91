"""The server's side of a connection: requests, one after another."""

from __future__ import annotations

import asyncio

from tornadic.concurrent import future_set_result_unless_cancelled
from tornadic.http.interfaces import HTTPServerConnectionDelegate
from tornadic.http1connection.connection import HTTP1Connection
from tornadic.http1connection.parameters import HTTP1ConnectionParameters
from tornadic.iostream import IOStream
from tornadic.log import app_log

__all__ = ["HTTP1ServerConnection"]


class HTTP1ServerConnection:
    """Serves the requests that come on ``stream``.

    ``params`` and ``context`` as in `HTTP1Connection`.
    """

    __slots__ = (
        "__dict__",
        "__weakref__",
        "_closed",
        "_connection",
        "_delegate",
        "context",
        "params",
        "stream",
    )

    def __init__(
        self,
        stream: IOStream,
        params: HTTP1ConnectionParameters | None = None,
        context: object | None = None,
    ) -> None:
        self.stream = stream
        self.params = params if params is not None else HTTP1ConnectionParameters()
        self.context = context
        self._connection: HTTP1Connection | None = None
        self._delegate: HTTPServerConnectionDelegate | None = None
        self._closed: asyncio.Future[None] | None = None

    def start_serving(self, delegate: HTTPServerConnectionDelegate) -> None:
        """Ask ``delegate`` for somebody who takes each request, until the connection closes."""
        self._delegate = delegate
        connection = self._connection = HTTP1Connection(
            self.stream, False, self.params, self.context
        )
        connection.serve(self, delegate)

    async def close(self) -> None:
        """Close the connection; returns when it is closed and the delegate knows."""
        self.stream.close()
        if self._connection is not None:
            await asyncio.shield(self._when_closed())

    def finish_soon(self, params: HTTP1ConnectionParameters) -> asyncio.Future[None]:
        """Close the connection between two requests; what has begun to come is answered first.

        ``params``, without keep-alive, hold from now on.  The future is done when the connection
        is closed and the delegate knows.
        """
        closed = self._when_closed()
        self.params = params
        if self._connection is not None:
            self._connection.finish_soon(params)
        return closed

    def _when_closed(self) -> asyncio.Future[None]:
        if self._closed is None:
            self._closed = self.stream.io_loop.asyncio_loop.create_future()
            if self._connection is None:
                self._closed.set_result(None)
        return self._closed

    def connection_closed(self) -> None:
        """Take note that the connection has closed; for the connection's own use."""
        delegate, self._delegate = self._delegate, None
        self._connection = None
        if self._closed is not None:
            future_set_result_unless_cancelled(self._closed, None)
        if delegate is not None:
            try:
                delegate.on_close(self)
            except Exception:
                app_log.error("Uncaught exception", exc_info=True)
