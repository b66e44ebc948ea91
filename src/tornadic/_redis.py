"""A Redis server (or Valkey) and the connections to it, for whoever keeps something there.

redis-py does the talking.  What all who use it want alike is here: few connections, a bound on
every answer, one more try for a connection that was closed while nobody used it, and scripts that
the server is sent only once.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha1
from typing import Any, Final
from urllib.parse import unquote, urlsplit

__all__ = ["RedisClient", "node_name"]

MAX_CONNECTIONS: Final = 32
"""For each process; a server of ten processes should not take all that Redis has."""


class RedisClient:
    """A server and connections to it.

    ``url`` is ``redis://[user:password@]host:port/database``, ``rediss://`` for TLS, or
    ``unix://path``.  ``timeout`` is how many seconds connecting and an answer may take.  Whatever
    fails raises ``failure``, with the server's name and the reason.  With ``as_text`` answers are
    text instead of bytes.  It belongs to one event loop, and connects when it is first asked.

    Raises ImportError without redis-py, and ValueError for another URL.
    """

    def __init__(
        self, url: str, timeout: float, failure: type[Exception], *, as_text: bool = False
    ) -> None:
        import redis.asyncio
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        self.name = node_name(url)
        """What logs call it."""
        self.errors: Final = (redis.RedisError, OSError)
        """What redis-py raises."""
        self._failure = failure
        self._unknown_script: type[Exception] = redis.exceptions.NoScriptError
        pool = redis.asyncio.BlockingConnectionPool.from_url(
            url,
            max_connections=MAX_CONNECTIONS,
            timeout=timeout,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            decode_responses=as_text,
            retry=Retry(NoBackoff(), 1),
        )
        self._redis: Any = redis.asyncio.Redis.from_pool(pool)

    async def run(self, script: str, names: Sequence[str], arguments: Sequence[str]) -> Any:
        """Run a Lua script on the keys ``names``, and return its result."""
        known = sha1(script.encode(), usedforsecurity=False).hexdigest()
        try:
            try:
                return await self._redis.evalsha(known, len(names), *names, *arguments)
            except self._unknown_script:
                return await self._redis.eval(script, len(names), *names, *arguments)
        except self.errors as error:
            raise self.failed(error) from error

    async def publish(self, channel: str, message: bytes) -> None:
        """Publish a message."""
        try:
            await self._redis.publish(channel, message)
        except self.errors as error:
            raise self.failed(error) from error

    async def ping(self) -> None:
        """Find out whether the server answers."""
        try:
            await self._redis.ping()
        except self.errors as error:
            raise self.failed(error) from error

    def failed(self, error: Exception) -> Exception:
        """What to raise for one of `errors`."""
        return self._failure(f"{self.name}: {type(error).__name__}: {error}")

    async def disconnect(self) -> None:
        """Close the connections that nobody is using."""
        await self._redis.connection_pool.disconnect()

    async def close(self) -> None:
        """Close all connections."""
        await self._redis.aclose()
        await self.disconnect()


def node_name(url: str) -> str:
    """What a server is called in logs and in a ring: host, port and database, no password.

    Raises ValueError for a URL that is not one of Redis.
    """
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return unquote(parts.path)
    if parts.scheme not in ("redis", "rediss"):
        raise ValueError(f"{parts.scheme!r} is not redis, rediss or unix")
    database = parts.path.strip("/")
    name = f"{parts.hostname or 'localhost'}:{parts.port or 6379}"
    return f"{name}/{database}" if database not in ("", "0") else name
