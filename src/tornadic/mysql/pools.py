"""A pool of connections.

`Pool.execute` runs one statement on whatever connection is free; `Pool.begin` lends one for a
transaction, `Pool.connection` for anything else.  A connection goes back only if its state is
known: it is open, nothing is under way on it, and no transaction is left in it.  Any other is
closed, and its place is free for a new one.  A connection that was closed by the server while
nobody used it is noticed before it is lent, and so is one that has grown too old.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import warnings
from collections import deque
from collections.abc import Generator
from types import TracebackType
from typing import Any

from tornadic._lastly import Lastly
from tornadic.ioloop import IOLoop
from tornadic.log import app_log
from tornadic.mysql._started import started
from tornadic.mysql.connections import Connection, connect
from tornadic.mysql.cursors import Cursor, SSCursor
from tornadic.mysql.err import InterfaceError, ProgrammingError

__all__ = ["DEBUG", "Pool", "Transaction"]

DEBUG = False
"""Whether pools say what they do, in the log ``tornado.application`` at the level DEBUG."""

MAX_RECYCLE_SECONDS = 3600
"""How old a connection may grow; well below the eight hours after which servers hang up."""


class Pool:
    """Connections to one server, opened as they are needed, and lent in turn.

    ``connect_kwargs`` are the arguments of `.connect`; ``autocommit`` is True there if not
    given.  ``max_idle_connections``: how many stay open while nobody uses them.
    ``max_recycle_sec``: the age in seconds from which a connection is not lent again.
    ``max_open_connections``: how many there may be at once; who comes then waits in line (0: no
    bound).  ``io_loop`` is ignored.

    A pool may be made before a loop runs, and serves one loop at a time: what is open when the
    loop ends is closed.
    """

    def __init__(
        self,
        connect_kwargs: dict[str, Any],
        max_idle_connections: int = 1,
        max_recycle_sec: float = MAX_RECYCLE_SECONDS,
        max_open_connections: int = 0,
        io_loop: object = None,
    ) -> None:
        for name, number in (
            ("max_idle_connections", max_idle_connections),
            ("max_open_connections", max_open_connections),
        ):
            if number < 0:
                raise ValueError(f"{name} must not be negative")
        self.connect_kwargs = {"autocommit": True, **connect_kwargs}
        self.max_idle = max_idle_connections
        self.max_recycle_sec = max_recycle_sec
        self.max_open = max_open_connections
        self._opened = 0  # those being opened too
        self._idle: deque[tuple[Connection, float]] = deque()
        self._born: dict[Connection, float] = {}
        self._waiters: deque[asyncio.Future[Connection | None]] = deque()
        self._drained: asyncio.Future[None] | None = None
        self._closed = False

    def stat(self) -> tuple[int, int, int]:
        """How many connections are open, how many of them idle, and how many callers wait."""
        return self._opened, len(self._idle), len(self._waiters)

    @started
    async def execute(
        self, query: str, params: Any = None, cursor: type[Cursor] | None = None
    ) -> Cursor:
        """Run one statement, and commit it; the cursor has its rows.

        ``params`` as `Cursor.execute`.  ``cursor`` is the class of the cursor; one that leaves
        its rows on the server needs `connection` and is a TypeError here.
        """
        if cursor is not None and issubclass(cursor, SSCursor):
            raise TypeError(f"{cursor.__name__} keeps the connection: use Pool.connection()")
        connection = await self._acquire()
        try:
            found = connection.cursor(cursor)
            await found._run(query, params)
            return found
        finally:
            self._release(connection)

    def begin(self) -> _Beginning:
        """``await`` it for a `Transaction`; or ``async with``, which commits or rolls back."""
        return _Beginning(self)

    def connection(self) -> _Lease:
        """``async with pool.connection() as connection``: a connection to oneself."""
        return _Lease(self)

    @started
    async def close(self, timeout: float | None = None) -> None:
        """Lend no more, and close each connection when it comes back.

        Who waits in line gets an `InterfaceError`.  After ``timeout`` seconds (None: never) what
        is still lent is closed in the middle of what it does.
        """
        self._closed = True
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_exception(InterfaceError(0, "The pool is closed"))
        while self._idle:
            connection, _ = self._idle.pop()
            await self._say_goodbye(connection)
        if self._opened:
            if self._drained is None:
                self._drained = asyncio.get_running_loop().create_future()
            try:
                await asyncio.wait_for(asyncio.shield(self._drained), timeout)
            except TimeoutError:
                for connection in list(self._born):
                    connection.close()

    async def __aenter__(self) -> Pool:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    # Lending

    async def _acquire(self) -> Connection:
        """A connection in a known state, or a new one; `_release` takes it back."""
        if self._closed:
            raise InterfaceError(0, "The pool is closed")
        IOLoop.current().shared(Lastly).endings.add(self)
        while self._idle:
            connection, since = self._idle.pop()
            if self._is_good(connection):
                _debug("lent again after %.1f s", time.monotonic() - since)
                return connection
            self._discard(connection)
        if self.max_open and self._opened >= self.max_open:
            lent = await self._wait()
            if lent is not None:
                return lent
        else:
            self._opened += 1
        # A place is ours.
        try:
            connection = await connect(**self.connect_kwargs)
        except BaseException:
            self._free_place()
            raise
        self._born[connection] = time.monotonic()
        _debug("opened: %d of %d", self._opened, self.max_open)
        return connection

    async def _wait(self) -> Connection | None:
        """Stand in line: for a connection, or for the place of one (None)."""
        waiter: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled() and waiter.done() and waiter.exception() is None:
                # It was served in the same turn.
                lent = waiter.result()
                if lent is None:
                    self._free_place()
                else:
                    self._release(lent)
            elif waiter in self._waiters:
                self._waiters.remove(waiter)
            raise

    def _release(self, connection: Connection) -> None:
        if self._closed or not self._is_good(connection):
            self._discard(connection)
            return
        waiter = self._next_waiter()
        if waiter is not None:
            waiter.set_result(connection)
        elif len(self._idle) < self.max_idle:
            self._idle.append((connection, time.monotonic()))
        else:
            self._discard(connection)

    def _is_good(self, connection: Connection) -> bool:
        born = self._born.get(connection)
        if born is None or not connection.at_rest:
            return False
        return time.monotonic() - born < self.max_recycle_sec

    def _discard(self, connection: Connection) -> None:
        """Close a connection; somebody may have its place."""
        connection.close()
        if self._born.pop(connection, None) is not None:
            _debug("closed")
            self._free_place()

    async def _say_goodbye(self, connection: Connection) -> None:
        try:
            await connection.close_async()
        except Exception as error:
            app_log.debug("mysql: a connection could not be closed: %s", error)
        self._discard(connection)

    def _free_place(self) -> None:
        waiter = self._next_waiter()
        if waiter is not None:
            waiter.set_result(None)
            return
        self._opened -= 1
        if not self._opened and self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def _end(self) -> None:
        """The loop ends, and all that belongs to it; another may use the pool then."""
        for connection in list(self._born):
            connection.close()
        self._born.clear()
        self._idle.clear()
        self._waiters.clear()
        self._opened = 0

    _abandon = _end

    def _next_waiter(self) -> asyncio.Future[Connection | None] | None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                return waiter
        return None


class Transaction:
    """What `Pool.begin` gives: statements that take effect together, or not at all.

    It has a connection to itself until `commit` or `rollback`; after these every use is a
    `ProgrammingError`.  If a statement is cancelled or the connection is lost, the server undoes
    all of it.
    """

    def __init__(self, pool: Pool, connection: Connection) -> None:
        self._pool = pool
        self._connection: Connection | None = connection

    def _open(self) -> Connection:
        if self._connection is None:
            raise ProgrammingError("The transaction is over")
        return self._connection

    @started
    async def execute(
        self, query: str, args: Any = None, cursor: type[Cursor] | None = None
    ) -> Cursor:
        """Run a statement; arguments as `Pool.execute`."""
        found = self._open().cursor(cursor)
        await found._run(query, args)
        return found

    @started
    async def commit(self) -> None:
        """Make it last; if that fails, it is undone, and over all the same."""
        await self._end(self._open().commit())

    @started
    async def rollback(self) -> None:
        """Undo all of it."""
        await self._end(self._open().rollback())

    async def _end(self, ending: asyncio.Future[None]) -> None:
        connection, self._connection = self._open(), None
        try:
            await ending
        finally:
            self._pool._release(connection)

    async def __aenter__(self) -> Transaction:
        return self

    async def __aexit__(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        connection = self._connection
        if connection is None:
            return
        if typ is None:
            await self.commit()
        elif connection.open:
            await self.rollback()
        else:
            self._connection = None
            self._pool._release(connection)

    def __del__(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None or not connection.open:
            return
        text = "A transaction was neither committed nor rolled back"
        warnings.warn(text, ResourceWarning, stacklevel=2)
        # Garbage may be collected in any thread.
        with contextlib.suppress(RuntimeError):
            connection._driver.loop.call_soon_threadsafe(self._pool._discard, connection)


class _Beginning:
    """A transaction that begins when somebody waits for it."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._transaction: Transaction | None = None

    def __await__(self) -> Generator[Any, Any, Transaction]:
        return self._begin().__await__()

    async def _begin(self) -> Transaction:
        connection = await self._pool._acquire()
        try:
            await connection.begin()
        except BaseException:
            self._pool._release(connection)
            raise
        return Transaction(self._pool, connection)

    async def __aenter__(self) -> Transaction:
        self._transaction = await self._begin()
        return self._transaction

    async def __aexit__(self, *exc_info: Any) -> None:
        assert self._transaction is not None
        await self._transaction.__aexit__(*exc_info)


class _Lease:
    """A connection that is lent for a block."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._connection: Connection | None = None

    async def __aenter__(self) -> Connection:
        self._connection = await self._pool._acquire()
        return self._connection

    async def __aexit__(self, *exc_info: Any) -> None:
        connection, self._connection = self._connection, None
        assert connection is not None
        self._pool._release(connection)


def _debug(text: str, *args: Any) -> None:
    if DEBUG:
        app_log.debug("mysql: connection " + text, *args)
