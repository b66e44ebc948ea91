"""Limits that several processes share, in a Redis server, which forgets by itself."""

from __future__ import annotations

from hashlib import sha1, sha256
from typing import Any

from tornadic.middleware.limits import LimitStoreError

__all__ = ["RedisLimits"]

DEFAULT_TIMEOUT = 0.5
"""Seconds; every request waits for the answer."""
MAX_CONNECTIONS = 32
"""For each process; a server of ten processes should not take all that Redis has."""

# What `MemoryLimits.take` does, by the server's clock, in microseconds.  ARGV: share, window.
_TAKE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local share, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local next = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now) + share
local excess = next - now - window
if excess > 1 then return excess end
redis.call('SET', KEYS[1], string.format('%.0f', next), 'PX', math.ceil((next - now) / 1000))
return 0
"""


class RedisLimits:
    """Keeps the times of `RateLimit` in a Redis (5 or newer) or Valkey; needs the extra ``redis``.

    ``url`` is as for `tornadic.sessions.RedisStore`; ``prefix`` stands before the names of all
    keys, and ``timeout`` is how many seconds an answer may take.  It belongs to one event loop.
    Raises ImportError without redis-py, and ValueError for another URL.
    """

    def __init__(
        self,
        url: str = "redis://127.0.0.1:6379",
        *,
        prefix: str = "limit:",
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        import redis.asyncio
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        self._prefix = prefix
        self._script = sha1(_TAKE.encode(), usedforsecurity=False).hexdigest()
        self._errors = (redis.RedisError, OSError)
        self._unknown_script: type[Exception] = redis.exceptions.NoScriptError
        pool = redis.asyncio.BlockingConnectionPool.from_url(
            url,
            max_connections=MAX_CONNECTIONS,
            timeout=timeout,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            # Once: the connection may have been closed while nobody used it.
            retry=Retry(NoBackoff(), 1),
        )
        self._client: Any = redis.asyncio.Redis.from_pool(pool)

    async def take(self, key: str, share: float, window: float) -> float:
        """Count a request.  Raises `LimitStoreError` if the server does not answer."""
        name = self._prefix + sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
        arguments = (name, str(round(share * 1e6)), str(round(window * 1e6)))
        try:
            try:
                microseconds = await self._client.evalsha(self._script, 1, *arguments)
            except self._unknown_script:
                microseconds = await self._client.eval(_TAKE, 1, *arguments)
        except self._errors as error:
            raise LimitStoreError(f"{type(error).__name__}: {error}") from error
        return int(microseconds) / 1e6

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()
        await self._client.connection_pool.disconnect()
