"""Sessions in a Redis server, for the processes of several machines."""

from __future__ import annotations

import time
from collections.abc import Callable

from tornadic.sessions.redis_node import DEFAULT_TIMEOUT, RedisNode
from tornadic.sessions.store import (
    DEFAULT_IDLE_TIMEOUT,
    DEFAULT_LIFETIME,
    Change,
    Record,
    SessionStore,
)

__all__ = ["RedisStore"]


class RedisStore(SessionStore):
    """Keeps sessions in a Redis (5 or newer) or Valkey; needs the extra ``redis``.

    A session is read in one round trip and, if it was changed, saved in another.  ``url`` is
    ``redis://[user:password@]host:port/database``, ``rediss://`` for TLS, or ``unix://path``;
    ``prefix`` stands before the names of all keys; ``timeout`` is how many seconds an answer may
    take.  The times are those of `SessionStore`.  A store belongs to one event loop.

    Raises ImportError without redis-py, and ValueError for another URL.
    """

    is_remote = True

    def __init__(
        self,
        url: str = "redis://127.0.0.1:6379",
        *,
        prefix: str = "session:",
        timeout: float = DEFAULT_TIMEOUT,
        idle_timeout: float = DEFAULT_IDLE_TIMEOUT,
        lifetime: float | None = DEFAULT_LIFETIME,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(idle_timeout=idle_timeout, lifetime=lifetime, clock=clock)
        self._node = RedisNode(url, self, prefix, timeout)

    async def load(self, key: str) -> Record | None:
        return await self._node.load(key)

    async def save(self, key: str, change: Change) -> bool:
        if change.replaces is not None:
            await self._node.replace(change.replaces, key, change)
        elif change.record is None:
            await self._node.create(key, change)
        else:
            return await self._node.update(key, change)
        return True

    async def delete(self, key: str) -> None:
        await self._node.take(key)

    async def touch(self, key: str) -> None:
        await self._node.load(key)

    async def sweep(self) -> int:
        """Nothing: Redis forgets by itself."""
        return 0

    async def close(self) -> None:
        """Close the connections."""
        await self._node.close()
