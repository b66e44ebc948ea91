"""One thread that does all the writing to a SQLite file.

Whatever waits when it comes round is one transaction: the more there is to do, the less each
costs.  Results go back to their loops together, but not so many at once that the loop has no time
for anything else.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from tornadic.sessions.store import SessionStoreError

__all__ = ["SQLiteWriter"]

_T = TypeVar("_T")

Work = Callable[[sqlite3.Connection], Any]
_Job = tuple[Work, "asyncio.Future[Any] | None"]

MOST_IN_BATCH = 64
"""As many responses go on in one turn of the loop, each some 50 µs."""


class SQLiteWriter:
    """Carries out work on a connection of its own, in the order in which it comes.

    ``connect`` makes the connection, in autocommit mode.  ``after`` is called in each transaction
    when its work is done.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection], after: Work) -> None:
        self._connect = connect
        self._after = after
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        # No process stays only because nobody has closed its sessions.
        self._thread = threading.Thread(target=self._run, name="sessions", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[sqlite3.Connection], _T]) -> asyncio.Future[_T]:
        """Have ``work`` done; its result is there when it is committed.

        The future raises `SessionStoreError` if the database did not do it.
        """
        future: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        self._jobs.put((work, future))
        return future

    def post(self, work: Work) -> None:
        """Have ``work`` done at some time; nobody asks what came of it."""
        self._jobs.put((work, None))

    def close(self) -> None:
        """Finish what is there to do, and end the thread."""
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        connection: sqlite3.Connection | None = None
        is_open = True
        while is_open:
            job = self._jobs.get()
            batch: list[_Job] = []
            while job is not None:
                batch.append(job)
                if len(batch) == MOST_IN_BATCH or self._jobs.empty():
                    break
                job = self._jobs.get()
            is_open = job is not None
            if not batch:
                continue
            try:
                if connection is None:
                    connection = self._connect()
                self._carry_out(connection, batch)
            except Exception as error:
                _tell(batch, [_as_store_error(error)] * len(batch))
        if connection is not None:
            connection.close()

    def _carry_out(self, connection: sqlite3.Connection, batch: Sequence[_Job]) -> None:
        """One transaction; if that fails, each job by itself, for one may spoil it for all."""
        try:
            results = self._commit(connection, batch)
        except sqlite3.Error:
            if len(batch) == 1:
                raise
            results = []
            for job in batch:
                try:
                    results += self._commit(connection, [job])
                except sqlite3.Error as error:
                    results.append(_as_store_error(error))
        _tell(batch, results)

    def _commit(self, connection: sqlite3.Connection, batch: Sequence[_Job]) -> list[Any]:
        connection.execute("BEGIN IMMEDIATE")
        try:
            results = [work(connection) for work, _ in batch]
            self._after(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return results


def _as_store_error(error: Exception) -> SessionStoreError:
    failure = SessionStoreError(f"{type(error).__name__}: {error}")
    failure.__cause__ = error
    return failure


def _tell(batch: Sequence[_Job], results: Sequence[Any]) -> None:
    """Give each loop its results, all in one call."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any]]] = {}
    for (_, future), result in zip(batch, results, strict=True):
        if future is not None:
            by_loop.setdefault(future.get_loop(), []).append((future, result))
    for loop, pairs in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle, pairs)
        except RuntimeError:
            pass  # closed: nobody waits there any more


def _settle(pairs: Sequence[tuple[asyncio.Future[Any], Any]]) -> None:
    for future, result in pairs:
        if future.done():
            continue
        if isinstance(result, SessionStoreError):
            future.set_exception(result)
        else:
            future.set_result(result)
