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
from collections.abc import Callable
from hashlib import sha256
from typing import Any

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

TOUCH_SHARE = 0.1
"""Of the idle time-out; a session may expire by as much too early."""
BUSY_SECONDS = 5.0
"""How long the writer waits for another process; then the request fails."""
READ_BUSY_SECONDS = 0.004
"""The loop waits for nobody; this is for the moment in which a file is recovered."""
SWEEP_SECONDS = 60.0
SWEPT_AT_ONCE = 500
"""Some milliseconds of the writer's time."""

# For SQLite, to close a connection is to use it.
_inherited: list[sqlite3.Connection] = []

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

    Processes that are forked afterwards have connections of their own.  The times are those of
    `SessionStore`.  Raises `SessionStoreError` if the file cannot be used.
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
        self._process = 0
        self._readers: list[sqlite3.Connection] = []
        self._forget()
        try:
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
            with contextlib.closing(self._connect(BUSY_SECONDS)) as connection:
                connection.execute("PRAGMA journal_mode=WAL")
                connection.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise SessionStoreError(f"{self._path}: {error}") from error

    def _forget(self) -> None:
        """Begin without connections: those of the parent are not a child's to use, or to close."""
        if self._process not in (0, os.getpid()):
            _inherited.extend(self._readers)
        self._process = os.getpid()
        self._own = threading.local()
        self._readers = []
        self._writer: SQLiteWriter | None = None

    # Asked by the loop

    def load(self, key: str) -> Record | None:
        digest = _digest(key)
        now = self.clock()
        try:
            record = _find(self._reader(), digest, now)
        except sqlite3.Error as error:
            raise SessionStoreError(f"{type(error).__name__}: {error}") from error
        if record is not None:
            expires = self.expiry(record.created, now)
            if expires - record.expires > self.idle_timeout * TOUCH_SHARE:
                self._writing().post(lambda db: _touch(db, digest, expires))
        return record

    def save(self, key: str, change: Change) -> asyncio.Future[bool]:
        return self._writing().submit(lambda db: self._save(db, _digest(key), change))

    def delete(self, key: str) -> asyncio.Future[None]:
        return self._writing().submit(lambda db: _delete(db, _digest(key)))

    def touch(self, key: str) -> asyncio.Future[None]:
        def work(db: sqlite3.Connection) -> None:
            found = _find(db, _digest(key), self.clock())
            if found is not None:
                _touch(db, _digest(key), self.expiry(found.created, self.clock()))

        return self._writing().submit(work)

    def sweep(self) -> asyncio.Future[int]:
        return self._writing().submit(self._sweep)

    def close(self) -> None:
        """Write what is still to be written, and close the file."""
        if self._process == os.getpid():
            if self._writer is not None:
                self._writer.close()
            for connection in self._readers:
                connection.close()
        self._forget()

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
        if self._process != os.getpid():
            self._forget()
        connection: sqlite3.Connection | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = self._connect(READ_BUSY_SECONDS)
            self._readers.append(connection)
        return connection

    def _writing(self) -> SQLiteWriter:
        if self._process != os.getpid():
            self._forget()
        if self._writer is None:
            self._writer = SQLiteWriter(
                lambda: self._connect(BUSY_SECONDS), self._sweep_now_and_then
            )
        return self._writer


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
    return Record(values, row[1], row[2]) if is_text else None


def _delete(db: sqlite3.Connection, digest: bytes) -> None:
    db.execute("DELETE FROM sessions WHERE id = ?", (digest,))


def _touch(db: sqlite3.Connection, digest: bytes, expires: float) -> None:
    db.execute(
        "UPDATE sessions SET expires = ? WHERE id = ? AND expires < ?", (expires, digest, expires)
    )
