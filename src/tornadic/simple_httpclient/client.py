"""`SimpleAsyncHTTPClient`: places for fetches, and those who wait for one."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

from tornadic._lastly import Lastly
from tornadic.http1connection import HTTP1ConnectionParameters
from tornadic.httpclient.client import AsyncHTTPClient
from tornadic.httpclient.cookiejar import CookieJar
from tornadic.httpclient.request import HTTPRequest, _RequestProxy
from tornadic.httpclient.response import HTTPResponse
from tornadic.log import gen_log
from tornadic.netutil import OverrideResolver, Resolver
from tornadic.simple_httpclient.connecting import Connector
from tornadic.simple_httpclient.deadlines import Deadlines
from tornadic.simple_httpclient.fetch import Fetch
from tornadic.simple_httpclient.pool import (
    DEFAULT_IDLE_TIMEOUT,
    DEFAULT_MAX_IDLE,
    Connection,
    ConnectionPool,
)
from tornadic.simple_httpclient.routes import Route
from tornadic.tcpclient import TCPClient

__all__ = ["SimpleAsyncHTTPClient"]


class SimpleAsyncHTTPClient(AsyncHTTPClient):
    """The HTTP client that needs nothing but Tornadic.

    The arguments are given to `.AsyncHTTPClient.configure`, or to the constructor with
    ``force_instance=True``.

    ``max_clients``: fetches at the same time (10); others wait for their turn, and the time that
    they wait is part of their ``request_timeout``.  ``defaults``: attributes of `.HTTPRequest`
    for requests that do not have them.  ``hostname_mapping``: addresses of host names, as in
    ``/etc/hosts``; ``resolver``: a `.Resolver` instead of the usual one.

    In bytes: ``max_body_size`` of a response, decompressed too (None: ``max_buffer_size``);
    ``max_header_size`` (None: 64 KB); ``max_buffer_size`` of a stream (100 MB), see
    `.BaseIOStream`.

    Connections are kept for further requests: ``max_idle`` in all (None: 100, or ``max_clients`` if
    that is more) and ``max_idle_per_host`` of them for the same host (None: ``max_clients``), for
    ``idle_timeout`` seconds (15), or as long as the server says if that is less.  With
    ``keep_alive=False`` each request has a connection of its own.

    ``cookie_jar``: a `.CookieJar` for the cookies that servers set; None to leave them to the
    program.  Cookies that a request has among its headers are sent besides.
    """

    def _set_up(
        self,
        max_clients: int = 10,
        hostname_mapping: dict[str, str] | None = None,
        max_buffer_size: int = 104857600,
        resolver: Resolver | None = None,
        defaults: dict[str, Any] | None = None,
        max_header_size: int | None = None,
        max_body_size: int | None = None,
        *,
        keep_alive: bool = True,
        max_idle: int | None = None,
        max_idle_per_host: int | None = None,
        idle_timeout: float = DEFAULT_IDLE_TIMEOUT,
        cookie_jar: CookieJar | None = None,
    ) -> None:
        super().initialize(defaults=defaults)
        self.max_clients = max_clients
        self.max_buffer_size = max_buffer_size
        self.max_header_size = max_header_size
        self.max_body_size = max_body_size
        self._body_limit = max_buffer_size if max_body_size is None else max_body_size
        self.cookie_jar = cookie_jar
        self._closes = not keep_alive
        self.queue: OrderedDict[Fetch, None] = OrderedDict()
        self.waiting = self.queue
        self.active: dict[Fetch, None] = {}
        self._is_filling = False
        self.own_resolver = resolver is None
        self.resolver: Resolver = Resolver() if resolver is None else resolver
        if hostname_mapping is not None:
            self.resolver = OverrideResolver(resolver=self.resolver, mapping=hostname_mapping)
        self.tcp_client = TCPClient(resolver=self.resolver)
        params = HTTP1ConnectionParameters(
            no_keep_alive=not keep_alive,
            max_header_size=max_header_size,
            max_body_size=self._body_limit,
        )
        self._connector = Connector(self.tcp_client, max_buffer_size, params)
        self._loop = self.io_loop.asyncio_loop
        self._time = self._loop.time
        self._deadlines = Deadlines(self._loop)
        if not keep_alive:
            max_idle = 0
        elif max_idle is None:
            max_idle = max(DEFAULT_MAX_IDLE, max_clients)
        if max_idle_per_host is None:
            max_idle_per_host = max_clients
        self._pool = ConnectionPool(
            self.io_loop, self._deadlines, max_idle, max_idle_per_host, idle_timeout
        )
        # A kept connection is not to hold on to the context of whoever happened to ask first.
        self._context = copy_context()
        self.io_loop.shared(Lastly).endings.add(self)

    initialize: Callable[..., None] = _set_up

    def close(self) -> None:
        super().close()
        self._pool.close()
        self._deadlines.stop()
        if self.own_resolver:
            self.resolver.close()
        self.tcp_client.close()

    def _end(self) -> None:
        """Give up what is being fetched, and close; not for programs."""
        for fetch in [*self.queue, *self.active]:
            fetch.cancel()
        self.close()

    def _abandon(self) -> None:
        """Close all descriptors; not for programs."""
        for fetch in self.active:
            fetch._abandon()
        self._pool._abandon()

    def fetch_impl(
        self, request: HTTPRequest | _RequestProxy, callback: Callable[[HTTPResponse], None]
    ) -> None:
        if not isinstance(request, _RequestProxy):
            request = _RequestProxy(request, self.defaults)
        fetch = Fetch(self, request, callback)
        future = getattr(callback, "future", None)
        if future is not None:
            future.on_cancel = fetch.cancel
        if len(self.active) < self.max_clients:
            self.active[fetch] = None
            fetch.begin()
            return
        self.queue[fetch] = None
        self._deadlines.add(fetch)
        gen_log.debug(
            "max_clients limit reached, request queued. %d active, %d queued requests.",
            len(self.active),
            len(self.queue),
        )

    def _release(self, fetch: Fetch) -> None:
        """``fetch`` is over: the place that it had, or waited for, is another's."""
        if fetch in self.active:
            del self.active[fetch]
        else:
            del self.queue[fetch]
        if self._is_filling:
            return  # one that has just begun is over already, and more follow
        self._is_filling = True
        try:
            while self.queue and len(self.active) < self.max_clients:
                following, _ = self.queue.popitem(last=False)
                self.active[following] = None
                following.begin()
        finally:
            self._is_filling = False

    def _connect(self, route: Route, seconds: float) -> asyncio.Task[Connection]:
        """Have a connection made; see `.Connector.connect`."""
        return self._loop.create_task(
            self._connector.connect(route, seconds), context=self._context
        )
