"""Sessions in the memory of one process: for one server, and for tests.

The sessions are in the order of their last use, so those that have expired stand in front: each
new session looks at two of them, and nothing ever goes through all.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable

from tornadic.sessions.store import (
    DEFAULT_IDLE_TIMEOUT,
    DEFAULT_LIFETIME,
    Change,
    Record,
    SessionStore,
)

__all__ = ["MemoryStore"]

DEFAULT_MAX_SESSIONS = 100_000
"""Some hundred MB: whoever sends requests without a cookie may make a session with each."""
SWEPT_WITH_EACH = 2
"""More than come, so that those that have expired become fewer."""
SWEPT_AT_ONCE = 1000


class MemoryStore(SessionStore):
    """Keeps sessions for as long as the process runs; other processes do not see them.

    Beyond ``max_sessions`` the one that was not used for longest is forgotten.  The times are
    those of `SessionStore`.
    """

    def __init__(
        self,
        *,
        max_sessions: int = DEFAULT_MAX_SESSIONS,
        idle_timeout: float = DEFAULT_IDLE_TIMEOUT,
        lifetime: float | None = DEFAULT_LIFETIME,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(idle_timeout=idle_timeout, lifetime=lifetime, clock=clock)
        if max_sessions < 1:
            raise ValueError(f"max_sessions must be at least 1, and is {max_sessions!r}")
        self._max_sessions = max_sessions
        self._records: OrderedDict[str, Record] = OrderedDict()

    def load(self, key: str) -> Record | None:
        record = self._records.get(key)
        if record is None:
            return None
        now = self.clock()
        if record.expires <= now:
            del self._records[key]
            return None
        expires = now + self.idle_timeout
        record.expires = expires if expires < record.origin else record.origin
        self._records.move_to_end(key)
        return record

    def save(self, key: str, change: Change) -> bool:
        records = self._records
        if change.record is not None and change.replaces is None:
            record = records.get(key)
            if record is None:
                return False
            # What others have loaded stays as it was.
            if change.removed:
                record.values = change.applied_to(record.values)
            else:
                record.values = {**record.values, **change.written}
            return True
        now = self.clock()
        record = records.pop(change.replaces, None) if change.replaces is not None else None
        if record is None:
            # Its origin says when it is over, however much it is in use.
            end = math.inf if self.lifetime is None else now + self.lifetime
            record = Record({}, now, now, end)
        record.values = change.applied_to(record.values)
        record.expires = min(now + self.idle_timeout, record.origin)
        records[key] = record
        self._sweep(now, SWEPT_WITH_EACH)
        if len(records) > self._max_sessions:
            records.popitem(last=False)
        return True

    def delete(self, key: str) -> None:
        self._records.pop(key, None)

    def touch(self, key: str) -> None:
        self.load(key)

    def sweep(self) -> int:
        return self._sweep(self.clock(), SWEPT_AT_ONCE)

    def _sweep(self, now: float, most: int) -> int:
        swept = 0
        while swept < most and self._records:
            key = next(iter(self._records))
            if self._records[key].expires > now:
                break
            del self._records[key]
            swept += 1
        return swept
