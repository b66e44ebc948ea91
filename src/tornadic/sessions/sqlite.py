"""Sessions in a SQLite file, which all processes of a machine may share.

The loop only reads, by primary key, and in the WAL mode readers wait for nobody.  Everything else
is done by a thread (`SQLiteWriter`), and the response waits for it without blocking the loop.  A
session that is read is touched only when a tenth of its time has passed since the last time.

``synchronous=NORMAL``: a crash of the process loses nothing, one of the machine perhaps the last
seconds.  The file belongs to its owner alone and holds hashes of the identifiers, so that who
gets hold of a copy has no sessions.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable
from hashlib import sha256
from typing import Any, TypeVar

from tornadic.sessions.sqlite_writer import SQLiteWriter
from tornadic.sessions.store import (
    DEFAULT_IDLE_TIMEOUT,
    DEFAULT_LIFETIME,
    Change,
    Record,
    SessionStore,
    SessionStoreError,
)

__all__ = ["SQLiteStore"]

_T = TypeVar("_T")

TOUCH_SHARE = 0.1
"""Of the idle time-out; a session may expire by as much too early."""
BUSY_SECONDS = 5.0
"""How long the writer waits for another process; then the request fails."""
READ_BUSY_SECONDS = 0.004
"""The loop waits for nobody; this is for the moment in which a file is recovered."""
OPEN_BUSY_SECONDS = 1.0
"""But for the last process that closes the file, when a connection is opened: some milliseconds."""
SWEEP_SECONDS = 60.0
SWEPT_AT_ONCE = 500
"""Some milliseconds of the writer's time."""

# SQLite notes for a whole process which locks it has, and a child that is forked believes to have
# them too: other processes would take its writing for nobody's, and throw it away.  So nothing
# is open while a process forks.
_stores: weakref.WeakSet[SQLiteStore] = weakref.WeakSet()
_forking = threading.Lock()
_waiting_for_fork: list[SQLiteStore] = []

_SCHEMA = """
CREATE TABLE IF NOT EXISTS sessions (
    id BLOB PRIMARY KEY,    -- SHA-256 of the identifier
    data TEXT NOT NULL,     -- an object: JSON text by key
    created REAL NOT NULL,  -- seconds since the epoch, as is
    expires REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS sessions_by_expiry ON sessions (expires);
"""


class SQLiteStore(SessionStore):
    """Keeps sessions in the file ``path``, which is made if it is not there.

    A process that forks closes its connections before that, and both open new ones when they need
    them.  The times are those of `SessionStore`.  Raises `SessionStoreError` if the file cannot be
    used.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        idle_timeout: float = DEFAULT_IDLE_TIMEOUT,
        lifetime: float | None = DEFAULT_LIFETIME,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(idle_timeout=idle_timeout, lifetime=lifetime, clock=clock)
        self._path = os.path.abspath(path)
        self._swept_at = 0.0
        # Held by whoever uses the connections, so that nobody closes them meanwhile.
        self._using = threading.RLock()
        self._forget()
        try:
            self._make_file()
            with contextlib.closing(self._connect(BUSY_SECONDS)) as connection:
                connection.execute("PRAGMA journal_mode=WAL")
                connection.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise SessionStoreError(f"{self._path}: {error}") from error
        _stores.add(self)

    def _make_file(self) -> None:
        """Make the file, if it is not there, for its owner alone.

        One that is there is not touched: a process that closes any descriptor of a file loses
        all its locks on it, those of SQLite among them.
        """
        with contextlib.suppress(FileExistsError):
            os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))

    def _forget(self) -> None:
        """Begin without connections."""
        self._own = threading.local()
        self._readers: list[sqlite3.Connection] = []
        self._writer: SQLiteWriter | None = None

    # Asked by the loop

    def load(self, key: str) -> Record | None:
        digest = _digest(key)
        now = self.clock()
        try:
            with self._using:
                record = _find(self._reader(), digest, now)
        except sqlite3.Error as error:
            raise SessionStoreError(f"{type(error).__name__}: {error}") from error
        if record is not None:
            expires = self.expiry(record.created, now)
            if expires - record.expires > self.idle_timeout * TOUCH_SHARE:
                with self._using:
                    self._writing().post(lambda db: _touch(db, digest, expires))
        return record

    def save(self, key: str, change: Change) -> asyncio.Future[bool]:
        return self._submit(lambda db: self._save(db, _digest(key), change))

    def delete(self, key: str) -> asyncio.Future[None]:
        return self._submit(lambda db: _delete(db, _digest(key)))

    def touch(self, key: str) -> asyncio.Future[None]:
        def work(db: sqlite3.Connection) -> None:
            found = _find(db, _digest(key), self.clock())
            if found is not None:
                _touch(db, _digest(key), self.expiry(found.created, self.clock()))

        return self._submit(work)

    def sweep(self) -> asyncio.Future[int]:
        return self._submit(self._sweep)

    def close(self) -> None:
        """Write what is still to be written, and close the file; using it again opens it again."""
        with self._using:
            writer, readers = self._writer, self._readers
            self._forget()
            if writer is not None:
                writer.close()
            for connection in readers:
                connection.close()

    def _submit(self, work: Callable[[sqlite3.Connection], _T]) -> asyncio.Future[_T]:
        with self._using:
            return self._writing().submit(work)

    # Done by the writer

    def _save(self, db: sqlite3.Connection, digest: bytes, change: Change) -> bool:
        now = self.clock()
        if change.record is not None and change.replaces is None:
            found = _find(db, digest, now)
            if found is None:
                return False
            data = json.dumps(change.applied_to(found.values))
            expires = self.expiry(found.created, now)
            db.execute(
                "UPDATE sessions SET data = ?, expires = ? WHERE id = ?", (data, expires, digest)
            )
            return True
        found = None
        if change.replaces is not None:
            found = _find(db, _digest(change.replaces), now)
            _delete(db, _digest(change.replaces))
        created = now if found is None else found.created
        data = json.dumps(change.applied_to({} if found is None else found.values))
        db.execute(
            "INSERT OR REPLACE INTO sessions (id, data, created, expires) VALUES (?, ?, ?, ?)",
            (digest, data, created, self.expiry(created, now)),
        )
        return True

    def _sweep(self, db: sqlite3.Connection) -> int:
        return db.execute(
            "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires <= ? LIMIT ?)",
            (self.clock(), SWEPT_AT_ONCE),
        ).rowcount

    def _sweep_now_and_then(self, db: sqlite3.Connection) -> None:
        now = time.monotonic()
        if now - self._swept_at >= SWEEP_SECONDS:
            self._swept_at = now
            self._sweep(db)

    # Connections

    def _connect(self, timeout: float) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=timeout, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA synchronous=NORMAL")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _reader(self) -> sqlite3.Connection:
        """The connection with which this thread reads."""
        connection: sqlite3.Connection | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._connect(OPEN_BUSY_SECONDS)
            self._readers.append(connection)
            # With its first look it is open for good, and nobody else is the last one any more.
            connection.execute("SELECT id FROM sessions LIMIT 1").fetchone()
            connection.execute(f"PRAGMA busy_timeout={READ_BUSY_SECONDS * 1000:.0f}")
            self._own.connection = connection
        return connection

    def _writing(self) -> SQLiteWriter:
        if self._writer is None:
            self._writer = SQLiteWriter(
                lambda: self._connect(BUSY_SECONDS), self._sweep_now_and_then
            )
        return self._writer


def _before_fork() -> None:
    """Close everything, and let nobody open anything until `_after_fork`."""
    _forking.acquire()
    _waiting_for_fork.extend(_stores)
    for store in _waiting_for_fork:
        store._using.acquire()
        store.close()


def _after_fork() -> None:
    """Go on, in the parent and in the child."""
    for store in _waiting_for_fork:
        store._using.release()
    _waiting_for_fork.clear()
    _forking.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork
    )


def _digest(key: str) -> bytes:
    return sha256(key.encode()).digest()


def _find(db: sqlite3.Connection, digest: bytes, now: float) -> Record | None:
    query = "SELECT data, created, expires FROM sessions WHERE id = ?"
    return _record(db.execute(query, (digest,)).fetchone(), now)


def _record(row: tuple[Any, ...] | None, now: float) -> Record | None:
    """The session in a row, if it has not expired; one that nobody can read is none."""
    if row is None or row[2] <= now:
        return None
    try:
        values = json.loads(row[0])
    except ValueError:
        return None
    is_text = isinstance(values, dict) and all(isinstance(v, str) for v in values.values())
    return Record(values, row[1], row[2], at_most=len(row[0])) if is_text else None


def _delete(db: sqlite3.Connection, digest: bytes) -> None:
    db.execute("DELETE FROM sessions WHERE id = ?", (digest,))


def _touch(db: sqlite3.Connection, digest: bytes, expires: float) -> None:
    db.execute(
        "UPDATE sessions SET expires = ? WHERE id = ? AND expires < ?", (expires, digest, expires)
    )
