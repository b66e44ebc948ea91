"""One Redis server with sessions, and the few things that are asked of it.

A session is a hash: each key of it a field with ``=`` in front, and three fields of ours.  Every
question is one script, and so one round trip and one step, whatever else happens at the same
time.  Redis forgets by itself what has expired.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from tornadic._redis import RedisClient
from tornadic.sessions.store import Change, Record, SessionStore, SessionStoreError

__all__ = ["RedisNode"]

DEFAULT_TIMEOUT = 1.0
"""Seconds; a session that takes longer makes its users leave anyway."""

# ARGV: now, idle time-out.  The fields and values, or nothing.  Times are milliseconds.
_LOAD = """
local deadline = redis.call('HGET', KEYS[1], '!deadline')
if deadline then
    local left = tonumber(ARGV[2])
    if deadline ~= '0' then left = math.min(left, tonumber(deadline) - tonumber(ARGV[1])) end
    if left <= 0 then redis.call('DEL', KEYS[1]) return {} end
    redis.call('PEXPIRE', KEYS[1], math.ceil(left))
end
return redis.call('HGETALL', KEYS[1])
"""

# KEYS: the session, and perhaps the one that it replaces.  ARGV: now, idle time-out, what to do,
# created, deadline, stamp, how many fields are removed, those, then fields and values in turn.
# "update": only if it is there; "create"; "replace": with what is there under the old name;
# "put": instead of what is there, unless that was saved, or removed, at the stamp or later.
_SAVE = """
local key, todo = KEYS[1], ARGV[3]
if todo == 'update' and redis.call('HEXISTS', key, '!created') == 0 then return 0 end
if todo == 'put' then
    local saved = redis.call('HGET', key, '!saved')
    if saved and tonumber(saved) >= tonumber(ARGV[6]) then return 0 end
    redis.call('DEL', key)
end
if todo == 'replace' and redis.call('HEXISTS', KEYS[2], '!created') == 1 then
    redis.call('RENAME', KEYS[2], key)
end
redis.call('HSETNX', key, '!created', ARGV[4])
redis.call('HSETNX', key, '!deadline', ARGV[5])
redis.call('HSET', key, '!saved', ARGV[1])
local first = 8 + tonumber(ARGV[7])
for i = 8, first - 1 do redis.call('HDEL', key, ARGV[i]) end
for i = first, #ARGV, 2 do redis.call('HSET', key, ARGV[i], ARGV[i + 1]) end
local deadline, left = redis.call('HGET', key, '!deadline'), tonumber(ARGV[2])
if deadline ~= '0' then left = math.min(left, tonumber(deadline) - tonumber(ARGV[1])) end
redis.call('PEXPIRE', key, math.max(1, math.ceil(left)))
return 1
"""

# ARGV: now, how long to remember that the session is gone, 0 for not at all.  What was there.
_TAKE = """
local all = redis.call('HGETALL', KEYS[1])
redis.call('DEL', KEYS[1])
if ARGV[2] ~= '0' then
    redis.call('HSET', KEYS[1], '!gone', '1', '!saved', ARGV[1])
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return all
"""


class RedisNode:
    """A server, by its URL.

    ``store`` says how long sessions last, ``prefix`` stands before their names, ``timeout`` is
    how many seconds connecting and a question may take.  Every question raises
    `SessionStoreError` if it is not answered.
    """

    def __init__(self, url: str, store: SessionStore, prefix: str, timeout: float) -> None:
        self._client = RedisClient(url, timeout, SessionStoreError, as_text=True)
        self.name = self._client.name
        self._store = store
        self._prefix = prefix

    def __repr__(self) -> str:
        return f"<RedisNode {self.name}>"

    async def load(self, key: str) -> Record | None:
        """What is there under ``key``; what was taken, but is remembered, has no ``created``."""
        now = self._store.clock()
        fields = await self._ask(_LOAD, [key], [_ms(now), _ms(self._store.idle_timeout)])
        return self._record(fields)

    async def create(self, key: str, change: Change) -> None:
        """Make a new session."""
        await self._save("create", [key], change.written)

    async def update(self, key: str, change: Change) -> bool:
        """Change a session; False if it is not there."""
        return bool(await self._save("update", [key], change.written, change.removed))

    async def replace(self, old: str, key: str, change: Change) -> None:
        """Rename a session, if it is there, and change it."""
        await self._save("replace", [key, old], change.written, change.removed)

    async def put(self, key: str, record: Record, values: Mapping[str, str]) -> bool:
        """Have ``values`` under ``key``, unless what is there is as new as ``record``."""
        return bool(await self._save("put", [key], values, (), record))

    async def take(self, key: str, remembered: float = 0) -> Record | None:
        """Remove a session, and return it; for ``remembered`` seconds it is known to be gone."""
        fields = await self._ask(_TAKE, [key], [_ms(self._store.clock()), _ms(remembered)])
        return self._record(fields)

    async def ping(self) -> None:
        """Find out whether the server answers."""
        await self._client.ping()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _save(
        self,
        todo: str,
        keys: Sequence[str],
        written: Mapping[str, str],
        removed: Sequence[str] | Any = (),
        record: Record | None = None,
    ) -> int:
        store = self._store
        now = store.clock()
        created, stamp = (now, now) if record is None else (record.created, record.expires)
        deadline = 0 if store.lifetime is None else created + store.lifetime
        times = (now, store.idle_timeout, created, deadline, stamp)
        arguments = [_ms(time) for time in times]
        arguments.insert(2, todo)
        arguments.append(str(len(removed)))
        arguments += [f"={key}" for key in removed]
        for key, text in written.items():
            arguments += (f"={key}", text)
        answer: int = await self._ask(_SAVE, keys, arguments)
        return answer

    async def _ask(self, script: str, keys: Sequence[str], arguments: Sequence[str]) -> Any:
        names = [self._prefix + sha256(key.encode()).hexdigest() for key in keys]
        return await self._client.run(script, names, arguments)

    def _record(self, fields: Sequence[str]) -> Record | None:
        if not fields:
            return None
        pairs = dict(zip(fields[::2], fields[1::2], strict=True))
        values = {name[1:]: text for name, text in pairs.items() if name[:1] == "="}
        created = int(pairs.get("!created", 0)) / 1000
        # Where two servers have it, what counts is which of them was told last; when it expires,
        # only the servers know.
        saved = int(pairs.get("!saved", 0)) / 1000
        return Record(values, created, saved, origin=self)


def _ms(seconds: float) -> str:
    return str(round(seconds * 1000))
