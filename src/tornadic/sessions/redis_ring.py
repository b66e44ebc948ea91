"""Sessions on several Redis servers, each session on the one that the ring says.

**A server that fails** is left out at once, and asked again after a pause, in the background.
Meanwhile its sessions are kept by the next server of the ring.  Those that it had are gone, but for
those that some request has just loaded: that one makes its session anew where it saves it.

**A server that is new** gets its sessions as they are asked for: what it does not have is looked
for on the others and moved.  So a ring can grow while it is in use.

**A server that is back** may still have what was changed or ended elsewhere meanwhile.  For as long
as a session can last, the next server is asked together with it, and the one that was told last
counts; a session that was ended while a server was away leaves a note that it was.

A request saves its session where it has loaded it, as long as that server is there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tornadic._redis import node_name
from tornadic.hashring import HashRing
from tornadic.log import gen_log
from tornadic.sessions.redis_node import DEFAULT_TIMEOUT, RedisNode
from tornadic.sessions.store import (
    DEFAULT_IDLE_TIMEOUT,
    DEFAULT_LIFETIME,
    Change,
    Record,
    SessionStore,
    SessionStoreError,
)

__all__ = ["RedisRingStore"]

DEFAULT_RETRY_AFTER = 5.0
"""Seconds: soon enough for a server that was started anew, seldom enough for one that is gone."""
MOST_ASKED = 16
"""Servers that are asked for a session that nobody may have, for anybody may send such a one."""


@dataclass(slots=True, eq=False)
class _Member:
    """A server of the ring, and how it is doing.  Times are those of `time.monotonic`."""

    node: RedisNode
    is_down: bool = False
    retry_at: float = 0.0
    is_asked_again: bool = False
    was_down_until: float | None = None
    leaves_at: float | None = None


class RedisRingStore(SessionStore):
    """Divides sessions among several Redis servers; needs the extra ``redis``.

    ``urls`` and ``timeout`` are those of `RedisStore`, and so is ``prefix``; ``weights`` are
    shares by URL (1 where there is none).  All processes have to name the same servers in the
    same way.  A server that failed is asked again after ``retry_after`` seconds.  The times are
    those of `SessionStore`.  A store belongs to one event loop.

    Raises ValueError without a server, and what `RedisStore` and `HashRing` raise.
    """

    is_remote = True

    def __init__(
        self,
        urls: Iterable[str],
        weights: Mapping[str, float] | None = None,
        *,
        prefix: str = "session:",
        timeout: float = DEFAULT_TIMEOUT,
        retry_after: float = DEFAULT_RETRY_AFTER,
        idle_timeout: float = DEFAULT_IDLE_TIMEOUT,
        lifetime: float | None = DEFAULT_LIFETIME,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(idle_timeout=idle_timeout, lifetime=lifetime, clock=clock)
        self._prefix = prefix
        self._timeout = timeout
        self._retry_after = retry_after
        urls = list(urls)
        shares = {node_name(url): weight for url, weight in (weights or {}).items()}
        self._ring = HashRing([node_name(url) for url in urls], shares)
        if not urls:
            raise ValueError("a ring needs a server")
        self._members = {node_name(url): self._member(url) for url in urls}
        self._leaving: list[_Member] = []
        self._tasks: set[asyncio.Task[None]] = set()

    # The ring

    def add_node(self, url: str, weight: float = 1) -> None:
        """Add a server: it gets its share of the sessions as they are asked for.

        Raises ValueError if it is in the ring already.
        """
        name = node_name(url)
        self._ring.add(name, weight)
        self._members[name] = self._member(url)

    def remove_node(self, url: str) -> None:
        """Take a server out of the ring: its sessions are moved as they are asked for.

        It has to stay until they have been, or have expired.  Raises KeyError if it is not in
        the ring, and ValueError if it is the last.
        """
        name = node_name(url)
        if list(self._members) == [name]:
            raise ValueError(f"{name} is the last server of the ring")
        self._ring.remove(name)
        member = self._members.pop(name)
        member.leaves_at = time.monotonic() + self.idle_timeout
        self._leaving.append(member)

    def _member(self, url: str) -> _Member:
        return _Member(RedisNode(url, self, self._prefix, self._timeout))

    def _live(self, key: str) -> list[_Member]:
        """The servers for ``key`` that answer, the first of which is its home."""
        self._ask_again()
        order = [self._members[name] for name in self._ring.iterate_nodes(key)]
        live = [member for member in order if not member.is_down]
        if not live:
            raise SessionStoreError("no server of the ring answers")
        return live

    def _others(self, asked: Sequence[_Member], live: Sequence[_Member]) -> list[_Member]:
        """Those that may have a session that ought to be elsewhere."""
        now = time.monotonic()
        for member in self._leaving[:]:
            if member.leaves_at is not None and member.leaves_at <= now:
                self._leaving.remove(member)
                self._start(member.node.close())
        candidates = [*live, *(member for member in self._leaving if not member.is_down)]
        return [member for member in candidates if member not in asked][:MOST_ASKED]

    # A session

    async def load(self, key: str) -> Record | None:
        while True:
            live = self._live(key)
            home = live[0]
            asked = live[: 2 if self._was_down_lately(home) else 1]
            found = await self._ask(asked, lambda member: member.node.load(key))
            if home.is_down:
                continue
            if not found:
                others = self._others(asked, live)
                found = await self._ask(others, lambda member: member.node.load(key))
            if not found:
                return None
            best = max(found, key=lambda record: record.expires)
            stale = [record for record in found if record is not best]
            if best.origin is not home.node and not _is_gone(best):
                return await self._move(key, home, best, stale)
            await self._remove(key, stale)
            return None if _is_gone(best) else best

    async def _move(self, key: str, home: _Member, record: Record, stale: list[Record]) -> Record:
        """Bring a session home."""
        try:
            await home.node.put(key, record, record.values)
            for newer in await self._remove(key, [record]):
                # Somebody has changed it there in between.
                if newer.expires > record.expires:
                    await home.node.update(key, Change(newer.values, record=record))
                    record.values = newer.values
        except SessionStoreError as error:
            self._fails(home, error)
            return record
        await self._remove(key, [one for one in stale if one.origin is not home.node])
        record.origin = home.node
        return record

    async def save(self, key: str, change: Change) -> bool:
        if change.replaces is not None:
            return await self._replace(change.replaces, key, change)
        if change.record is not None:
            return await self._update(key, change, change.record)
        while True:
            home = self._live(key)[0]
            try:
                await home.node.create(key, change)
            except SessionStoreError as error:
                self._fails(home, error)
            else:
                return True

    async def _update(self, key: str, change: Change, record: Record) -> bool:
        while True:
            home = self._live(key)[0]
            origin = next((m for m in self._all() if m.node is record.origin), home)
            places = [home] if origin.is_down or origin is home else [origin, home]
            try:
                for place in places:
                    if await place.node.update(key, change):
                        return True
                if not origin.is_down:
                    return False
                # Its server has gone, and this request knows what it had.
                place = home
                return await home.node.put(key, record, change.applied_to(record.values))
            except SessionStoreError as error:
                self._fails(place, error)

    async def _replace(self, old: str, key: str, change: Change) -> bool:
        record = change.record
        taken = await self._take(old)
        best = max(taken, key=lambda one: one.expires, default=None)
        origin_is_down = any(m.node is record.origin and m.is_down for m in self._all() if record)
        if best is None and record is not None and origin_is_down:
            best = record
        if best is None or _is_gone(best):
            best, values = Record({}, self.clock(), 0), dict(change.written)
        else:
            values = change.applied_to(best.values)
        while True:
            home = self._live(key)[0]
            try:
                return await home.node.put(key, best, values)
            except SessionStoreError as error:
                self._fails(home, error)

    async def delete(self, key: str) -> None:
        await self._take(key)

    async def _take(self, key: str) -> list[Record]:
        """Remove a session wherever it may be; what was there."""
        while True:
            live = self._live(key)
            home = live[0]
            unsure = any(m.is_down or self._was_down_lately(m) for m in self._members.values())
            remembered = self.idle_timeout if unsure else 0
            everywhere = [home, *self._others([home], live)]
            taken = await self._ask(
                everywhere,
                lambda member: member.node.take(key, remembered if member is home else 0),  # noqa: B023
            )
            if not home.is_down:
                return taken

    async def touch(self, key: str) -> None:
        await self.load(key)

    async def sweep(self) -> int:
        """Nothing: Redis forgets by itself."""
        return 0

    async def close(self) -> None:
        """Close all connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for member in self._all():
            await member.node.close()

    # Servers

    def _all(self) -> list[_Member]:
        return [*self._members.values(), *self._leaving]

    async def _ask(
        self, members: Sequence[_Member], question: Callable[[_Member], Awaitable[Record | None]]
    ) -> list[Record]:
        """What the servers have, of those that answer."""
        if len(members) == 1:
            answers: list[Any] = [await self._answer(members[0], question)]
        else:
            answers = await asyncio.gather(*(self._answer(one, question) for one in members))
        return [answer for answer in answers if answer is not None]

    async def _answer(
        self, member: _Member, question: Callable[[_Member], Awaitable[Record | None]]
    ) -> Record | None:
        try:
            return await question(member)
        except SessionStoreError as error:
            self._fails(member, error)
            return None

    async def _remove(self, key: str, records: Iterable[Record]) -> list[Record]:
        origins = {record.origin for record in records}
        members = [member for member in self._all() if member.node in origins]
        return await self._ask(members, lambda member: member.node.take(key))

    def _fails(self, member: _Member, error: SessionStoreError) -> None:
        """Leave a server out for a while, and say so once."""
        member.retry_at = time.monotonic() + self._retry_after
        if not member.is_down:
            member.is_down = True
            gen_log.error("A server of the sessions is left out: %s", error)

    def _ask_again(self) -> None:
        now = time.monotonic()
        for member in self._all():
            if member.is_down and not member.is_asked_again and member.retry_at <= now:
                member.is_asked_again = True
                self._start(self._probe(member))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        """Have something done that no request waits for."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _probe(self, member: _Member) -> None:
        """Ask a server that failed; no request waits for the answer."""
        try:
            await member.node.ping()
        except SessionStoreError as error:
            self._fails(member, error)
        else:
            member.is_down = False
            member.was_down_until = time.monotonic()
            gen_log.warning("A server of the sessions is back: %s", member.node.name)
        finally:
            member.is_asked_again = False

    def _was_down_lately(self, member: _Member) -> bool:
        """Whether it may have sessions that were changed elsewhere."""
        until = member.was_down_until
        return until is not None and time.monotonic() - until < self.idle_timeout


def _is_gone(record: Record) -> bool:
    """Whether this is only the note that there was a session."""
    return not record.created
