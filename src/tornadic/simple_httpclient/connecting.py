"""Making a connection: to the server, or by way of a proxy."""

from __future__ import annotations

import asyncio
import datetime
import math
import ssl
from typing import TYPE_CHECKING

from tornadic.http.headers import HTTPHeaders
from tornadic.http.interfaces import HTTPMessageDelegate
from tornadic.http.startlines import RequestStartLine, ResponseStartLine
from tornadic.http1connection import HTTP1Connection, HTTP1ConnectionParameters
from tornadic.httpclient.errors import HTTPClientError
from tornadic.iostream import IOStream, StreamClosedError
from tornadic.simple_httpclient.errors import HTTPStreamClosedError, HTTPTimeoutError
from tornadic.simple_httpclient.pool import Connection
from tornadic.simple_httpclient.routes import Proxy, Route
from tornadic.util import TimeoutError

if TYPE_CHECKING:
    from tornadic.tcpclient import TCPClient

__all__ = ["Connector"]


class _TunnelDelegate(HTTPMessageDelegate):
    """Takes a proxy's answer to ``CONNECT``: then the connection is another protocol's."""

    __slots__ = ("_connection", "code", "reason")

    def __init__(self, connection: HTTP1Connection) -> None:
        self._connection = connection
        self.code = 0
        self.reason = ""

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> None:
        assert isinstance(start_line, ResponseStartLine)
        self.code = start_line.code
        self.reason = start_line.reason
        if start_line.code >= 300:
            self._connection.close()  # whatever else it has to say

    @property
    def is_open(self) -> bool:
        """Whether there is a tunnel."""
        return 200 <= self.code < 300

    def finish(self) -> None:
        if self.is_open:
            self._connection.detach()


class Connector:
    """Makes the connections of one client.

    ``max_buffer_size`` is the streams', ``params`` are the connections'.  ``tunnels``: a proxy is
    asked for a tunnel for plain HTTP too, since something else is to follow.
    """

    def __init__(
        self,
        tcp_client: TCPClient,
        max_buffer_size: int,
        params: HTTP1ConnectionParameters,
        *,
        tunnels: bool = False,
    ) -> None:
        self._tcp_client = tcp_client
        self._max_buffer_size = max_buffer_size
        self._params = params
        self._tunnels = tunnels

    async def connect(self, route: Route, seconds: float) -> Connection:
        """A new connection for ``route``, within ``seconds`` (`math.inf`: however long it takes).

        Raises `HTTPTimeoutError`; `HTTPStreamClosedError`, or the error of the system, of the
        resolver or of TLS, if there is none to be had.  When it is cancelled nothing stays open.
        """
        try:
            stream = await self._open(route, seconds)
        except StreamClosedError as e:
            raise _reason(e) from None
        except TimeoutError as e:
            raise HTTPTimeoutError(str(e) or "Timeout while connecting") from None
        stream.set_nodelay(True)
        return Connection(stream, self._params, route)

    async def _open(self, route: Route, seconds: float) -> IOStream:
        (scheme, host, port), manner = route
        context = manner.context() if scheme == "https" else None
        proxy = manner.proxy
        if proxy is None:
            return await self._dial(host, port, route, context, seconds)
        outer = manner.context() if proxy.authority.scheme == "https" else None
        if context is not None and outer is not None:
            raise NotImplementedError("https by way of a proxy that itself speaks https")
        loop = asyncio.get_running_loop()
        begin = loop.time()
        stream = await self._dial(proxy.authority.host, proxy.authority.port, route, outer, seconds)
        if context is None and not self._tunnels:
            return stream
        left = None if seconds == math.inf else seconds - (loop.time() - begin)
        try:
            async with asyncio.timeout(left):
                return await self._tunnel(stream, host, port, proxy, context)
        except BaseException as e:
            stream.close()
            if isinstance(e, TimeoutError):
                where = f"{proxy.authority.host}:{proxy.authority.port}"
                raise TimeoutError(f"Timeout while connecting by way of {where}") from None
            raise

    async def _dial(
        self, host: str, port: int, route: Route, context: ssl.SSLContext | None, seconds: float
    ) -> IOStream:
        manner = route[1]
        return await self._tcp_client.connect(
            host,
            port,
            af=manner.family,
            ssl_options=context,
            max_buffer_size=self._max_buffer_size,
            source_ip=manner.source_ip,
            timeout=None if seconds == math.inf else datetime.timedelta(seconds=seconds),
        )

    async def _tunnel(
        self, stream: IOStream, host: str, port: int, proxy: Proxy, context: ssl.SSLContext | None
    ) -> IOStream:
        """Have the proxy connect to ``host`` (RFC 9110 section 9.3.6).

        With a ``context`` the stream goes on under TLS.
        """
        name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        headers = HTTPHeaders({"Host": name})
        if proxy.authorization is not None:
            headers["Proxy-Authorization"] = proxy.authorization
        connection = HTTP1Connection(stream, True, self._params)
        connection.write_headers(RequestStartLine("CONNECT", name, ""), headers)
        answer = _TunnelDelegate(connection)
        await connection.read_response(answer)
        if answer.code >= 300:
            reason = f"Proxy answered CONNECT with {answer.code} {answer.reason}"
            raise HTTPClientError(599, reason)
        if not answer.is_open:
            raise StreamClosedError(real_error=stream.error)
        if context is None:
            return stream
        # The proxy has said nothing but its answer, or start_tls refuses.
        return await stream.start_tls(False, context, server_hostname=host)


def _reason(error: StreamClosedError) -> BaseException:
    return error.real_error or HTTPStreamClosedError("Stream closed")
