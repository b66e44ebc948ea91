"""Requests that were answered by their own ``write`` and ``finish``, and the class behind them.

A program writes the head itself, in as many pieces as it likes; when it is whole it goes to the
connection, which reads it and sends it as it would any other.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from tornadic import _legacy
from tornadic.escape import utf8
from tornadic.httpserver import HTTPServer
from tornadic.httputil import HTTPOutputError, HTTPServerRequest
from tornadic.ioloop import IOLoop
from tornadic.iostream import IOStream

__all__ = ["HTTPConnection", "finish", "supports_http_1_1", "write"]

_INSTEAD = "use request.connection: write_headers, write and finish"


def write(
    request: HTTPServerRequest, chunk: str | bytes, callback: Callable[[], Any] | None
) -> asyncio.Future[None] | None:
    """What `HTTPServerRequest.write` does; None while the head is not whole."""
    _legacy.warn("HTTPServerRequest.write", _INSTEAD)
    connection: Any = request.connection
    held: bytearray | None = request.__dict__.setdefault("_begun_head", bytearray())
    data = utf8(chunk)
    if held is not None:
        held += data
        if b"\r\n\r\n" not in held:
            return None
        data = bytes(held)
        request.__dict__["_begun_head"] = None
    sent: asyncio.Future[None] = connection.write(data)
    if callback is not None:
        IOLoop.current().add_future(sent, lambda done: done.exception() or callback())
    return sent


def finish(request: HTTPServerRequest) -> None:
    """What `HTTPServerRequest.finish` does."""
    _legacy.warn("HTTPServerRequest.finish", _INSTEAD)
    if request.__dict__.get("_begun_head"):
        raise HTTPOutputError("finish() before the head was whole")
    connection: Any = request.connection
    connection.finish()
    request._finish_time = time.time()


def supports_http_1_1(request: HTTPServerRequest) -> bool:
    """What `HTTPServerRequest.supports_http_1_1` does."""
    _legacy.warn("HTTPServerRequest.supports_http_1_1", "compare request.version")
    return request.version == "HTTP/1.1"


class HTTPConnection:
    """Serves the requests that come on ``stream``, which is a client's at ``address``.

    ``request_callback`` and the options are those of `.HTTPServer`.
    """

    def __init__(
        self,
        stream: IOStream,
        address: Any,
        request_callback: Any,
        no_keep_alive: bool = False,
        xheaders: bool = False,
        protocol: str | None = None,
    ) -> None:
        self.stream = stream
        self.address = address
        self.request_callback = request_callback
        self.no_keep_alive = no_keep_alive
        self.xheaders = xheaders
        self._server = HTTPServer(
            request_callback, no_keep_alive=no_keep_alive, xheaders=xheaders, protocol=protocol
        )
        self._server.handle_stream(stream, address)

    def close(self) -> None:
        """Close the stream."""
        self.stream.close()
