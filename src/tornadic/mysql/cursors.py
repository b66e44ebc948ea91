"""Cursors: a statement goes out, and its rows come back.

A `Cursor` takes all rows of all results at once, while it has the connection's turn.  So reading
them needs no waiting, and the connection is always free for the next statement.  An `SSCursor`
leaves them on the server: each fetch is a future, and until the last row has come the connection
is its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import asyncmy.cursors

from tornadic.mysql._started import done, start, started
from tornadic.mysql.err import ProgrammingError

if TYPE_CHECKING:
    from tornadic.mysql.connections import Connection

__all__ = ["Cursor", "DictCursor", "SSCursor", "SSDictCursor"]

_T = TypeVar("_T")

Arguments = Sequence[Any] | Mapping[str, Any] | Any
Description = tuple[tuple[Any, ...], ...] | None


@dataclass(slots=True)
class _Result:
    """What a statement, or a part of one, came to."""

    description: Description = None
    rows: Sequence[Any] = ()
    rowcount: int = -1
    lastrowid: int | None = None


class _BaseCursor:
    """What all cursors share: sending statements."""

    _driver_class: type[asyncmy.cursors.Cursor] = asyncmy.cursors.Cursor

    def __init__(self, connection: Connection) -> None:
        self.connection: Connection | None = connection
        self.arraysize = 1
        self._executed: str | None = None
        self._driver = connection._driver.cursor(self._driver_class)

    def _open_connection(self) -> Connection:
        if self.connection is None:
            raise ProgrammingError("The cursor is closed")
        return self.connection

    def mogrify(self, query: str, args: Arguments = None) -> str:
        """The statement as it would be sent, with ``args`` in place."""
        self._open_connection()
        return str(self._driver.mogrify(query, args))

    def setinputsizes(self, *args: Any) -> None:
        """Does nothing (PEP 249)."""

    def setoutputsizes(self, *args: Any) -> None:
        """Does nothing (PEP 249)."""

    def execute(self, query: str, args: Arguments = None) -> asyncio.Future[int]:
        """Send a statement; the number of rows that it changed, or found.

        ``args`` takes the places of ``%s`` (a sequence, or one value) or ``%(name)s`` (a
        mapping), escaped; without it nothing is replaced.  An argument too many or too few is a
        TypeError, and nothing is sent.
        """
        return start(self._run(query, args))

    async def _run(self, query: str, args: Arguments) -> int:
        connection = self._open_connection()
        text = self.mogrify(query, args)
        await connection._run(lambda: self._execute(text))
        self._executed = text
        return self.rowcount

    @started
    async def executemany(self, query: str, args: Sequence[Arguments]) -> int | None:
        """Send a statement for each of ``args``; the sum of the rows that were changed.

        ``INSERT ... VALUES`` and ``REPLACE`` are joined to few large statements.
        """
        connection = self._open_connection()
        if not args:
            return None
        for each in args:
            self.mogrify(query, each)
        await connection._run(lambda: self._execute_many(query, args))
        self._executed = query
        return self.rowcount

    @started
    async def callproc(self, procname: str, args: Sequence[Any] = ()) -> Sequence[Any]:
        """Call a stored procedure; returns ``args`` (see PEP 249; here they never change).

        What it gives out is in the server's variables ``@_procname_0`` and so on.
        """
        connection = self._open_connection()
        await connection._run(lambda: self._call_procedure(procname, args))
        self._executed = procname
        return args

    # For subclasses; all are called in the connection's turn.

    async def _execute(self, text: str) -> None:
        await self._driver.execute(text)
        await self._take()

    async def _execute_many(self, query: str, args: Sequence[Arguments]) -> None:
        await self._driver.executemany(query, args)
        await self._take()

    async def _call_procedure(self, name: str, args: Sequence[Any]) -> None:
        await self._driver.callproc(name, args)
        await self._take()

    async def _take(self) -> None:
        """Take what there is to be taken of the answer."""
        raise NotImplementedError

    @property
    def rowcount(self) -> int:
        """The number of rows that the last statement changed or found; -1 if not known."""
        raise NotImplementedError

    def _check_executed(self) -> None:
        self._open_connection()
        if self._executed is None:
            raise ProgrammingError("execute() first")


class Cursor(_BaseCursor):
    """Rows as tuples; `fetchone`, `fetchmany` and `fetchall` do not wait."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self.rownumber = 0
        self._result = _Result()
        self._further: list[_Result] = []

    async def _take(self) -> None:
        connection, driver = self._open_connection(), self._driver
        results = []
        while True:
            count = driver.rowcount
            rows = await driver.fetchall() if driver.description else ()
            results.append(
                _Result(
                    driver.description,
                    tuple(rows),
                    count if isinstance(count, int) else -1,
                    driver.lastrowid,
                )
            )
            if not connection.has_more_results:
                break
            await driver.nextset()
        self._show(results[0])
        self._further = results[1:]

    def _show(self, result: _Result) -> None:
        self._result = result
        self.rownumber = 0

    @property
    def description(self) -> Description:
        """Of each column (name, type, None, size, size, scale, may be null); None without rows."""
        return self._result.description

    @property
    def rowcount(self) -> int:
        return self._result.rowcount

    @property
    def lastrowid(self) -> int | None:
        """The key that the statement made by ``AUTO_INCREMENT``, or 0; None before the first."""
        return self._result.lastrowid

    def fetchone(self) -> Any:
        """The next row; None after the last."""
        self._check_executed()
        rows = self._result.rows
        if self.rownumber >= len(rows):
            return None
        self.rownumber += 1
        return rows[self.rownumber - 1]

    def fetchmany(self, size: int | None = None) -> Sequence[Any]:
        """The next ``size`` rows (None: `arraysize`), or as many as there are."""
        self._check_executed()
        start = self.rownumber
        rows = self._result.rows[start : start + (self.arraysize if size is None else size)]
        self.rownumber += len(rows)
        return rows

    def fetchall(self) -> Sequence[Any]:
        """All rows that are left."""
        self._check_executed()
        start, self.rownumber = self.rownumber, max(self.rownumber, len(self._result.rows))
        return self._result.rows[start:]

    def scroll(self, value: int, mode: str = "relative") -> None:
        """Go on with another row: ``value`` from here, or with "absolute" from the first.

        IndexError if there is none there, ProgrammingError for another mode.
        """
        self._check_executed()
        if mode not in ("relative", "absolute"):
            raise ProgrammingError(f"unknown scroll mode {mode}")
        target = value + (self.rownumber if mode == "relative" else 0)
        if not 0 <= target < len(self._result.rows):
            raise IndexError("out of range")
        self.rownumber = target

    def nextset(self) -> asyncio.Future[bool | None]:
        """Go on with the next result of a statement that has several; None if there is none."""
        self._check_executed()
        if not self._further:
            return done(None)
        self._show(self._further.pop(0))
        return done(True)

    def close(self) -> asyncio.Future[None]:
        """Forget rows and connection; nobody needs to wait for it."""
        self.connection = None
        self._show(_Result())
        self._further = []
        return done(None)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.fetchone, None)

    async def __aiter__(self) -> AsyncIterator[Any]:
        for row in self:
            yield row

    def __enter__(self) -> Cursor:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    async def __aenter__(self) -> Cursor:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.close()


class DictCursor(Cursor):
    """Rows as dictionaries by the columns' names."""

    _driver_class = asyncmy.cursors.DictCursor


class SSCursor(_BaseCursor):
    """Rows that stay on the server until they are fetched: for results too large to hold.

    Fetches are futures.  As long as there are rows, nothing else may be asked of the connection;
    `close` reads what is left.  ``async for row in cursor`` goes through all.
    """

    _driver_class = asyncmy.cursors.SSCursor

    async def _take(self) -> None:
        self._open_connection()._unread = self if self._driver.description else None

    async def _read(self, fetch: Callable[[], Awaitable[_T]]) -> _T:
        self._check_executed()
        return await self._open_connection()._run(fetch)

    @property
    def description(self) -> Description:
        """As `Cursor.description`."""
        description: Description = self._driver.description
        return description

    @property
    def rowcount(self) -> int:
        count = self._driver.rowcount
        # How many will come is not known before the last; the driver says so with 2 ** 64 - 1.
        return count if isinstance(count, int) and count < 1 << 63 else -1

    @property
    def lastrowid(self) -> int | None:
        """As `Cursor.lastrowid`."""
        key: int | None = self._driver.lastrowid
        return key

    @property
    def rownumber(self) -> int:
        """How many rows have been fetched."""
        number: int = self._driver.rownumber
        return number

    @started
    async def fetchone(self) -> Any:
        """The next row; None after the last."""
        return await self._read(self._fetch_one)

    @started
    async def fetchmany(self, size: int | None = None) -> Sequence[Any]:
        """The next ``size`` rows (None: `arraysize`), or as many as there are."""
        return await self._read(lambda: self._fetch(self.arraysize if size is None else size))

    @started
    async def fetchall(self) -> Sequence[Any]:
        """All rows that are left."""
        return await self._read(lambda: self._fetch(None))

    @started
    async def nextset(self) -> bool | None:
        """As `Cursor.nextset`; what is left of this one is dropped."""
        return await self._read(self._go_on)

    async def _fetch_one(self) -> Any:
        row = await self._driver.fetchone()
        if row is None:
            self._note_end()
        return row

    async def _fetch(self, size: int | None) -> Sequence[Any]:
        driver = self._driver
        rows = await (driver.fetchall() if size is None else driver.fetchmany(size))
        if size is None or len(rows) < size:
            self._note_end()
        return tuple(rows)

    async def _go_on(self) -> bool | None:
        found = await self._driver.nextset()
        if not found:
            self._note_end()
        return True if found else None

    def _note_end(self) -> None:
        """The last row of a result has come; unless there are more results, that was all."""
        connection = self._open_connection()
        if connection._unread is self and not connection.has_more_results:
            connection._unread = None

    @started
    async def close(self) -> None:
        """Read what is left, and forget the connection."""
        connection, self.connection = self.connection, None
        if connection is not None and connection.open and connection._unread is self:
            await connection._run(self._driver.close)
            connection._unread = None

    async def __aiter__(self) -> AsyncIterator[Any]:
        while (row := await self._read(self._fetch_one)) is not None:
            yield row

    async def __aenter__(self) -> SSCursor:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()


class SSDictCursor(SSCursor):
    """An `SSCursor` whose rows are dictionaries."""

    _driver_class = asyncmy.cursors.SSDictCursor
