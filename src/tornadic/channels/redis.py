"""Channels of all processes that share a Redis, by its pub/sub.

One task, the keeper, owns a connection that subscribes, and opens it anew when it is lost.  On it
one task reads, and one writes: whenever somebody began or ceased to listen, the writer compares
what is wanted with what it has asked for, so a thousand changes in a turn are one command.  If
nothing was heard for a while it asks for a sign of life.  Messages are published on connections of
redis-py's own pool.

redis-py's ``PubSub`` is not used: it reconnects within its calls, as often as it likes and unseen.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextvars import Context
from typing import Any, Final

from tornadic._redis import RedisClient
from tornadic.channels.base import Channels
from tornadic.channels.errors import ChannelsError
from tornadic.channels.messages import check_name, encode_message
from tornadic.log import gen_log

__all__ = ["RedisChannels"]

DEFAULT_TIMEOUT: Final = 5.0
"""Seconds; a Redis that takes longer to answer is as good as none."""
DEFAULT_PING_INTERVAL: Final = 20.0
"""Seconds; a connection whose other end has vanished is noticed in twice that time, and the
time-out."""
FIRST_DELAY: Final = 0.05
LONGEST_DELAY: Final = 2.0
"""Seconds until a lost server is asked again: doubled each time, and varied, lest all processes
come at once."""


class RedisChannels(Channels):
    """Channels by way of a Redis or Valkey; needs the extra ``redis``.

    ``url`` is ``redis://[user:password@]host:port/database``, ``rediss://`` for TLS, or
    ``unix://path``; ``prefix`` stands before the names of all channels (Redis has the same ones in
    all its databases); ``timeout`` is how many seconds connecting and an answer may take;
    ``ping_interval`` the seconds of silence after which the server is asked whether it is there.

    A process has one subscription to a name, however many listen.  A connection that is lost is
    logged, once, and opened again as soon as the server is back; what was published meanwhile is
    lost, as Redis keeps nothing.  Connections are closed by `close`, or when the loop's tasks are
    cancelled, as at the end of `asyncio.run`.

    Raises ImportError without redis-py, and ValueError for another URL.
    """

    def __init__(
        self,
        url: str = "redis://127.0.0.1:6379",
        *,
        prefix: str = "channel:",
        timeout: float = DEFAULT_TIMEOUT,
        ping_interval: float = DEFAULT_PING_INTERVAL,
    ) -> None:
        super().__init__()
        import redis.asyncio
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        self._publisher = RedisClient(url, timeout, ChannelsError)
        self.name = self._publisher.name
        self._errors = self._publisher.errors
        self._prefix = prefix
        self._timeout = timeout
        self._ping_interval = ping_interval
        # Only makes connections: it has the options of the URL.
        self._maker: Any = redis.asyncio.ConnectionPool.from_url(
            url,
            protocol=2,
            socket_timeout=None,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 0),
        )
        self._keeper: asyncio.Task[None] | None = None
        self._is_closed = False
        self._publishing = 0
        self._is_quiet = asyncio.Event()  # nobody publishes any more, after the end
        self._is_lost = False
        self._delay = FIRST_DELAY
        # Set when somebody began or ceased to listen.
        self._changed = asyncio.Event()
        # Of this connection: what the server was asked for, how many of its answers to that are
        # due, and whether anything came since that was last looked at.
        self._asked: set[str] = set()
        self._due: Counter[str] = Counter()
        self._is_heard = False
        # For each name that is listened to, when its messages come.
        self._confirmed: dict[str, asyncio.Future[None]] = {}

    def __repr__(self) -> str:
        return f"<RedisChannels {self.name}>"

    async def publish(self, name: str, message: Any) -> None:
        """See `.Channels.publish`; what was published is with Redis when this is done."""
        payload = encode_message(message)
        check_name(name)
        self._start()
        self._publishing += 1
        try:
            await self._publisher.publish(self._prefix + name, payload)
        finally:
            self._publishing -= 1
            if self._is_closed and not self._publishing:
                self._is_quiet.set()
                # If the loop ends: this one may not have been there when the others were closed.
                await self._publisher.disconnect()

    async def close(self) -> None:
        """End all subscriptions and groups, let publishing end, and close the connections."""
        await super().close()
        self._is_closed = True
        if self._publishing:
            await self._is_quiet.wait()
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])

    # Who listens

    def _begin(self, name: str) -> None:
        self._start()
        future = self._confirmed[name] = asyncio.get_running_loop().create_future()
        if name in self._asked and not self._due[name]:
            future.set_result(None)  # somebody listened until just now
        self._changed.set()

    def _end(self, name: str) -> None:
        future = self._confirmed.pop(name)
        if not future.done():
            future.set_result(None)  # there is nothing to be waited for any more
        self._changed.set()

    def _begun(self, name: str) -> asyncio.Future[None]:
        return asyncio.shield(self._confirmed[name])

    async def _wait(self, begun: list[asyncio.Future[None]]) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                await super()._wait(begun)
        except TimeoutError:
            raise ChannelsError(f"{self.name} does not answer") from None

    # The connection

    def _start(self) -> None:
        if self._is_closed:
            raise ChannelsError("The channels are closed")
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep(), context=Context())

    async def _keep(self) -> None:
        """Stay connected as long as anybody listens, until cancelled; then close everything."""
        try:
            while True:
                while not self._receivers:
                    self._changed.clear()
                    await self._changed.wait()
                await self._connect()
                await asyncio.sleep(self._delay * random.uniform(0.5, 1))
                self._delay = min(2 * self._delay, LONGEST_DELAY)
        finally:
            self._is_closed = True
            await self._publisher.close()

    async def _connect(self) -> None:
        """Open a connection, and use it until it is lost."""
        connection = self._maker.make_connection()
        try:
            async with asyncio.timeout(self._timeout):
                await connection.connect()
            await self._converse(connection)
        except self._errors as e:
            self._lose(e)
        finally:
            self._asked.clear()
            self._due.clear()
            for name, future in self._confirmed.items():
                if future.done():
                    self._confirmed[name] = future.get_loop().create_future()
            await connection.disconnect()

    async def _converse(self, connection: Any) -> None:
        """Read and write until either fails."""
        self._is_heard = False
        tasks = [
            asyncio.create_task(self._read(connection)),
            asyncio.create_task(self._write(connection)),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _lose(self, error: Exception) -> None:
        if not self._is_lost:
            self._is_lost = True
            gen_log.error(
                "No messages from Redis at %s: %s: %s", self.name, type(error).__name__, error
            )

    def _find(self) -> None:
        self._delay = FIRST_DELAY
        if self._is_lost:
            self._is_lost = False
            gen_log.warning("Messages come again from Redis at %s", self.name)

    async def _write(self, connection: Any) -> None:
        """Ask for what is wanted, and after a time of silence for a sign of life."""
        now = asyncio.get_running_loop().time
        deadline = now() + self._ping_interval
        is_pinged = False
        while True:
            self._changed.clear()
            wanted = set(self._receivers)
            gone = self._asked - wanted
            new = wanted - self._asked
            self._asked = wanted
            self._due.update(new)
            if gone:
                await self._send(connection, "UNSUBSCRIBE", *(self._prefix + n for n in gone))
            if new:
                await self._send(connection, "SUBSCRIBE", *(self._prefix + n for n in new))
            try:
                async with asyncio.timeout_at(deadline):
                    await self._changed.wait()
            except TimeoutError:
                if is_pinged and not self._is_heard:
                    raise TimeoutError("no sign of life") from None
                is_pinged = not self._is_heard
                self._is_heard = False
                if is_pinged:
                    await self._send(connection, "PING")
                deadline = now() + (self._timeout if is_pinged else self._ping_interval)

    async def _send(self, connection: Any, *command: str) -> None:
        async with asyncio.timeout(self._timeout):
            await connection.send_command(*command)

    async def _read(self, connection: Any) -> None:
        """Hand on what comes."""
        while True:
            kind, *rest = await connection.read_response(disable_decoding=True)
            self._is_heard = True
            if kind == b"message":
                channel, payload = rest
                self._deliver(channel.decode().removeprefix(self._prefix), payload)
            elif kind == b"subscribe":
                self._find()
                self._confirm(rest[0].decode().removeprefix(self._prefix))

    def _confirm(self, name: str) -> None:
        self._due[name] -= 1
        if not self._due[name]:
            del self._due[name]
            future = self._confirmed.get(name)
            if future is not None and not future.done():
                future.set_result(None)
