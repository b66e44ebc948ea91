"""The client's handshake: a connection, a request, and the server's answer.

Names, TLS, proxies and redirects are the HTTP client's: what differs is that its connection is
taken from it when the server has answered with a 101.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from copy import copy
from io import BytesIO
from typing import Final

from tornadic.frames import handshake
from tornadic.frames.errors import NegotiationError
from tornadic.http.interfaces import HTTPMessageDelegate
from tornadic.http1connection import HTTP1ConnectionParameters
from tornadic.httpclient.errors import HTTPClientError
from tornadic.httpclient.request import _RequestProxy
from tornadic.httpclient.response import HTTPResponse
from tornadic.httputil import HTTPHeaders, RequestStartLine, ResponseStartLine
from tornadic.iostream import IOStream
from tornadic.netutil import Resolver
from tornadic.simple_httpclient import HTTPStreamClosedError, HTTPTimeoutError
from tornadic.simple_httpclient.connecting import Connector
from tornadic.simple_httpclient.outgoing import Outgoing, is_redirect
from tornadic.simple_httpclient.pool import Connection
from tornadic.tcpclient import TCPClient
from tornadic.websocket.errors import WebSocketError

__all__ = ["Handshake"]

_MAX_BODY: Final = 65536
"""Bytes of an error page that are kept for the exception."""

_MAX_BUFFER: Final = 104857600

_SCHEMES: Final = {"ws": "http", "wss": "https"}


def _as_http(url: str) -> str:
    """``url`` with the scheme that HTTP has for it."""
    scheme, separator, rest = url.partition(":")
    return _SCHEMES.get(scheme.lower(), scheme) + separator + rest


class _Answer(HTTPMessageDelegate):
    """Takes the server's answer; ``done`` is so when it is complete, or a 101."""

    __slots__ = ("_connection", "_size", "body", "code", "done", "headers", "reason", "stream")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.stream: IOStream | None = None
        self.code = 0
        self.reason = ""
        self.headers = HTTPHeaders()
        self.body: list[bytes] = []
        self._size = 0
        connection.take_response(self, self._ended)

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> None:
        assert isinstance(start_line, ResponseStartLine)
        if start_line.code < 200 and start_line.code != 101:
            return
        self.code, self.reason, self.headers = start_line.code, start_line.reason, headers
        if self.code == 101:
            # Nothing is read before the stream has somebody who knows frames.
            self._connection.stream.set_close_callback(None)
            self.stream = self._connection.detach()
            self._ended(True)

    def data_received(self, chunk: bytes) -> None:
        self._size += len(chunk)
        self.body.append(chunk)
        if self._size > _MAX_BODY or is_redirect(self.code):
            self._connection.close()

    def _ended(self, usable: bool) -> None:
        if not self.done.done():
            self.done.set_result(None)


class Handshake:
    """Opens a WebSocket as ``request`` says.

    Raises ValueError for what cannot be asked for.
    """

    def __init__(
        self,
        request: _RequestProxy,
        subprotocols: Sequence[str] | None,
        deflate: bool,
        resolver: Resolver | None,
    ) -> None:
        own = request.request
        if subprotocols is None and own.headers:
            # A program may have put them there itself.
            proposed = HTTPHeaders(own.headers).get_list("Sec-WebSocket-Protocol")
            subprotocols = handshake.parse_subprotocols(proposed)
        self._request = request
        self._subprotocols = list(subprotocols or ())
        self._deflate = deflate
        self._resolver = resolver
        self._key = handshake.new_handshake_key()
        self._fields = handshake.request_fields(
            self._key, subprotocols=self._subprotocols, deflate=deflate
        )

    async def run(self) -> tuple[IOStream, HTTPHeaders, handshake.Agreement]:
        """A stream on which the server speaks WebSocket, its headers, and what it agreed to.

        Raises what `.websocket_connect` says; then, and when it is cancelled, nothing is open.
        """
        request = self._request
        loop = asyncio.get_running_loop()
        seconds = request.request_timeout or math.inf
        end = loop.time() + seconds
        tcp_client = TCPClient(resolver=self._resolver)
        params = HTTP1ConnectionParameters(no_keep_alive=True)
        # RFC 6455 section 4.1: a proxy is asked for a tunnel.
        connector = Connector(tcp_client, _MAX_BUFFER, params, tunnels=True)
        try:
            outgoing = Outgoing.of(_with_url(request, _as_http(request.url)))
            # Only for who has asked for it: the answer to "where" is another program's.
            follows = request.request.follow_redirects is True
            redirects = (request.max_redirects or 0) if follows else 0
            while True:
                answer = await self._ask(connector, outgoing, end)
                if answer.stream is not None:
                    return self._check(answer, answer.stream)
                location = answer.headers.get("Location")
                if location is None or not is_redirect(answer.code) or redirects <= 0:
                    raise self._error(answer, outgoing)
                redirects -= 1
                outgoing = outgoing.redirected(answer.code, _as_http(location))
        finally:
            tcp_client.close()

    async def _ask(self, connector: Connector, outgoing: Outgoing, end: float) -> _Answer:
        """Send the request; the server's answer, with its connection closed unless it is a 101."""
        loop = asyncio.get_running_loop()
        timeout = self._request.connect_timeout or math.inf
        connection = await connector.connect(
            outgoing.route, max(min(timeout, end - loop.time()), 0.0)
        )
        try:
            _, headers = outgoing.head("", False)
            if "Proxy-Authorization" in headers and "Proxy-Authorization" not in outgoing.headers:
                del headers["Proxy-Authorization"]  # the proxy has had it with its CONNECT
            for name, value in self._fields:
                headers[name] = value
            connection.write_headers(RequestStartLine("GET", outgoing.target, ""), headers)
            answer = _Answer(connection)
            connection.finish()
            async with asyncio.timeout_at(None if end == math.inf else end):
                await answer.done
            if not answer.code:
                raise connection.stream.error or HTTPStreamClosedError("Connection closed")
        except BaseException as e:
            connection.stream.close()
            if isinstance(e, TimeoutError):
                raise HTTPTimeoutError("Timeout during request") from None
            raise
        if answer.stream is None:
            connection.close()
        return answer

    def _check(
        self, answer: _Answer, stream: IOStream
    ) -> tuple[IOStream, HTTPHeaders, handshake.Agreement]:
        try:
            agreed = handshake.check_response(
                answer.code,
                answer.headers,
                self._key,
                subprotocols=self._subprotocols,
                deflate=self._deflate,
            )
        except NegotiationError as e:
            stream.close()
            raise WebSocketError(str(e)) from None
        return stream, answer.headers, agreed

    def _error(self, answer: _Answer, outgoing: Outgoing) -> Exception:
        if answer.code < 300:
            return WebSocketError("Non-websocket response")
        response = HTTPResponse(
            self._request.request,
            answer.code,
            headers=answer.headers,
            buffer=BytesIO(b"".join(answer.body)[:_MAX_BODY]),
            effective_url=outgoing.url,
            reason=answer.reason,
        )
        return HTTPClientError(answer.code, response=response)


def _with_url(request: _RequestProxy, url: str) -> _RequestProxy:
    """``request``, but for another URL; what the caller has is not changed."""
    own = copy(request.request)
    own.url = url
    own.headers = HTTPHeaders(own.headers)
    return _RequestProxy(own, request.defaults)
