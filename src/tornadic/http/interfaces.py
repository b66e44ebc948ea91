"""What the engine and a program say to each other about messages.

A program that is called gives a delegate for each message; the engine calls it as the message
comes.  A method that returns an awaitable is waited for before more is read: that is how a slow
receiver slows the sender down.
"""

from __future__ import annotations

from collections.abc import Awaitable

from tornadic.http.headers import HTTPHeaders
from tornadic.http.startlines import RequestStartLine, ResponseStartLine

__all__ = ["HTTPConnection", "HTTPMessageDelegate", "HTTPServerConnectionDelegate"]


class HTTPServerConnectionDelegate:
    """What a server asks for each request: somebody who takes it."""

    __slots__ = ()

    def start_request(
        self, server_conn: object, request_conn: HTTPConnection
    ) -> HTTPMessageDelegate:
        """A new request begins: return who takes it.

        ``server_conn`` stands for the connection as long as it lasts, ``request_conn`` is where
        to write the response.
        """
        raise NotImplementedError

    def on_close(self, server_conn: object) -> None:
        """The connection ``server_conn`` has closed."""


class HTTPMessageDelegate:
    """Takes one message, request or response."""

    __slots__ = ()

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        """The head has come.  An awaitable that is returned is waited for before the body."""
        return None

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """A piece of the body has come.  An awaitable is waited for before the next piece."""
        return None

    def finish(self) -> None:
        """The message is complete."""

    def answered(self) -> None:
        """The answer is complete before the message was; what still comes is thrown away.

        Whoever does not tell this from a connection that closed is told that.
        """
        self.on_connection_close()

    def on_connection_close(self) -> None:
        """The connection closed before the message was complete; nothing more is called."""


class HTTPConnection:
    """Where a program writes a message."""

    __slots__ = ()

    def write_headers(
        self,
        start_line: RequestStartLine | ResponseStartLine,
        headers: HTTPHeaders,
        chunk: bytes | None = None,
    ) -> Awaitable[None]:
        """Write the head, and with it ``chunk``, the first piece of the body."""
        raise NotImplementedError

    def write(self, chunk: bytes) -> Awaitable[None]:
        """Write a piece of the body; the future is done when more may be written."""
        raise NotImplementedError

    def finish(self) -> None:
        """The body is complete."""
        raise NotImplementedError
