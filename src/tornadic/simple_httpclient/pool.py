"""Connections that are kept for the next request.

Of each route the connection that was used last is used first, so that the others grow old and go.
They all become too old in the order in which they were kept: one deadline, that of the oldest, is
enough for all.
"""

from __future__ import annotations

import math
import select
from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

from tornadic._lastly import Lastly
from tornadic.http1connection import HTTP1ClientConnection, HTTP1ConnectionParameters
from tornadic.ioloop import IOLoop
from tornadic.iostream import IOStream
from tornadic.simple_httpclient.deadlines import Deadlines
from tornadic.simple_httpclient.routes import Route

__all__ = ["DEFAULT_IDLE_TIMEOUT", "DEFAULT_MAX_IDLE", "Connection", "ConnectionPool"]

DEFAULT_MAX_IDLE: Final = 100
"""Connections that are kept in all."""

DEFAULT_IDLE_TIMEOUT: Final = 15.0
"""Seconds for which one is kept: less than most servers wait before they close it."""


class Connection(HTTP1ClientConnection):
    """A connection to ``route``, in use or kept; ``params`` as in `HTTP1Connection`.

    ``was_kept``: a server may have closed it without having seen the request that is sent now.
    ``expires``: when it has been kept for long enough.
    """

    __slots__ = ("expires", "pool", "route", "was_kept")

    def __init__(self, stream: IOStream, params: HTTP1ConnectionParameters, route: Route) -> None:
        self.route = route
        self.was_kept = False
        self.expires = math.inf
        self.pool: ConnectionPool | None = None
        super().__init__(stream, params)
        stream.set_close_callback(self._closed)

    def _closed(self) -> None:
        if self.pool is not None:
            self.pool.forget(self)

    def is_readable(self) -> bool:
        """Whether there is something that the loop has not seen yet; if it is kept, its end."""
        poll = select.poll()
        poll.register(self.stream.socket, select.POLLIN)
        return bool(poll.poll(0))


class ConnectionPool:
    """Keeps at most ``max_idle`` connections, ``max_idle_per_host`` of a route, for a time.

    ``idle_timeout`` is in seconds.
    """

    def __init__(
        self,
        io_loop: IOLoop,
        deadlines: Deadlines,
        max_idle: int,
        max_idle_per_host: int,
        idle_timeout: float,
    ) -> None:
        self._time = io_loop.asyncio_loop.time
        self._deadlines = deadlines
        self._max_idle = max_idle
        self._max_idle_per_host = max_idle_per_host
        self._idle_timeout = idle_timeout
        self._by_route: dict[Route, list[Connection]] = {}
        # All of them, the oldest first.
        self._all: OrderedDict[Connection, None] = OrderedDict()
        self.deadline = math.inf
        self._is_closed = False
        # Not only by way of the client, which may be gone while connections are still kept.
        io_loop.shared(Lastly).endings.add(self)

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Connection]:
        """Those that are kept, the oldest first."""
        return iter(self._all)

    def take(self, route: Route) -> Connection | None:
        """A connection that was kept for ``route``, and is not any more; None if there is none."""
        kept = self._by_route.get(route)
        while kept:
            connection = kept.pop()
            if not kept:
                del self._by_route[route]
            del self._all[connection]
            connection.pool = None
            if not connection.stream.closed():
                return connection
        return None

    def keep(self, connection: Connection, seconds: float = math.inf) -> None:
        """Keep ``connection``, which is idle, or close it; no longer than ``seconds``."""
        if self._is_closed or not self._max_idle or not self._max_idle_per_host:
            connection.close()
            return
        kept = self._by_route.setdefault(connection.route, [])
        if len(kept) >= self._max_idle_per_host:
            self._close(kept[0])
            kept = self._by_route.setdefault(connection.route, [])
        elif len(self._all) >= self._max_idle:
            self._close(next(iter(self._all)))
            kept = self._by_route.setdefault(connection.route, [])
        connection.was_kept = True
        connection.expires = self._time() + min(self._idle_timeout, seconds)
        connection.pool = self
        kept.append(connection)
        self._all[connection] = None
        if connection.expires < self.deadline:
            self.deadline = connection.expires
            self._deadlines.add(self)

    def forget(self, connection: Connection) -> None:
        """``connection`` has closed."""
        connection.pool = None
        del self._all[connection]
        kept = self._by_route[connection.route]
        kept.remove(connection)
        if not kept:
            del self._by_route[connection.route]

    def _close(self, connection: Connection) -> None:
        self.forget(connection)
        connection.close()

    def expire(self) -> None:
        """Close what has been kept for long enough."""
        now = self._time()
        for connection in [one for one in self._all if one.expires <= now]:
            self._close(connection)
        self.deadline = min([one.expires for one in self._all], default=math.inf)
        if not self._all:
            self._deadlines.discard(self)

    def close(self) -> None:
        """Close all that are kept, and keep none any more."""
        self._is_closed = True
        for connection in list(self._all):
            self._close(connection)
        self.deadline = math.inf
        self._deadlines.discard(self)

    def _end(self) -> None:
        """Close all that are kept; the loop ends."""
        self.close()

    def _abandon(self) -> None:
        """Close the descriptors of all that are kept; their loop does nothing any more."""
        self._is_closed = True
        kept, self._all = self._all, OrderedDict()
        self._by_route.clear()
        for connection in kept:
            connection.pool = None
            connection.stream.close_fd()
