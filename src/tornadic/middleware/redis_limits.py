"""Limits that several processes share, in a Redis server, which forgets by itself."""

from __future__ import annotations

from hashlib import sha256

from tornadic._redis import RedisClient
from tornadic.middleware.limits import LimitStoreError

__all__ = ["RedisLimits"]

DEFAULT_TIMEOUT = 0.5
"""Seconds; every request waits for the answer."""

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
        self._prefix = prefix
        self._client = RedisClient(url, timeout, LimitStoreError)

    async def take(self, key: str, share: float, window: float) -> float:
        """Count a request.  Raises `LimitStoreError` if the server does not answer."""
        name = self._prefix + sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
        times = (str(round(share * 1e6)), str(round(window * 1e6)))
        return int(await self._client.run(_TAKE, [name], times)) / 1e6

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()
