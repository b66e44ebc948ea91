"""Stores of every kind, and visitors who keep their cookies."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

from tests.web.support import Fields, Response, Server, serving

from tornadic.sessions import (
    Change,
    MemoryStore,
    Record,
    RedisRingStore,
    RedisStore,
    SessionStore,
    SessionStoreError,
    SQLiteStore,
)
from tornadic.web import Application, RequestHandler

STORES = ("memory", "sqlite", "redis", "ring")


class Clock:
    """A clock that moves when it is told to, from now on: some of what is kept has Redis's time."""

    def __init__(self) -> None:
        import time

        self.now = float(int(time.time()))

    def __call__(self) -> float:
        return self.now


async def settled(result: Any) -> Any:
    """What a store answers, at once or later."""
    return await result if asyncio.isfuture(result) or asyncio.iscoroutine(result) else result


class Asked:
    """A store, every answer of which is awaited: what all stores have in common."""

    def __init__(self, store: SessionStore) -> None:
        self.store = store

    async def load(self, key: str) -> Record | None:
        record: Record | None = await settled(self.store.load(key))
        return record

    async def values(self, key: str) -> dict[str, str] | None:
        record = await self.load(key)
        return None if record is None else dict(record.values)

    async def save(self, key: str, change: Change) -> bool:
        kept: bool = await settled(self.store.save(key, change))
        return kept

    async def create(self, **values: str) -> str:
        key = new_key()
        assert await self.save(key, Change(values))
        return key

    async def update(self, key: str, removed: Iterable[str] = (), **written: str) -> bool:
        return await self.save(key, Change(written, list(removed), await self.load(key)))

    async def delete(self, key: str) -> None:
        await settled(self.store.delete(key))

    async def touch(self, key: str) -> None:
        await settled(self.store.touch(key))

    async def sweep(self) -> int:
        swept: int = await settled(self.store.sweep())
        return swept


def new_key() -> str:
    return secrets.token_urlsafe(24)


class Failing(MemoryStore):
    """A store whose methods fail as long as their name is in ``failing``."""

    def __init__(self) -> None:
        super().__init__()
        self.failing: set[str] = set()

    def _fail(self, name: str) -> None:
        if name in self.failing:
            raise SessionStoreError("out of order")

    def load(self, key: str) -> Record | None:
        self._fail("load")
        return super().load(key)

    def save(self, key: str, change: Change) -> bool:
        self._fail("save")
        return super().save(key, change)

    def delete(self, key: str) -> None:
        self._fail("delete")
        super().delete(key)


class Remote(Failing):
    """The same, far away."""

    is_remote = True

    def load(self, key: str) -> Awaitable[Record | None]:  # type: ignore[override]
        return self._later(super().load, key)

    def save(self, key: str, change: Change) -> Awaitable[bool]:  # type: ignore[override]
        return self._later(super().save, key, change)

    def delete(self, key: str) -> Awaitable[None]:  # type: ignore[override]
        return self._later(super().delete, key)

    def touch(self, key: str) -> Awaitable[None]:  # type: ignore[override]
        return self._later(super().load, key)

    async def _later(self, function: Any, *arguments: Any) -> Any:
        await asyncio.sleep(0)
        return function(*arguments)


@contextlib.asynccontextmanager
async def opened(store: SessionStore) -> AsyncIterator[Asked]:
    """Use a store, and close it."""
    try:
        yield Asked(store)
    finally:
        await settled(store.close())


def make_store(kind: str, folder: Path, urls: Iterable[str] = (), **options: Any) -> SessionStore:
    """A store of a kind; ``urls`` are those of servers for the remote ones."""
    if kind == "memory":
        return MemoryStore(**options)
    if kind == "sqlite":
        return SQLiteStore(folder / "sessions.db", **options)
    options.setdefault("prefix", f"test-{secrets.token_hex(8)}:")
    options.setdefault("timeout", 5.0)
    if kind == "redis":
        return RedisStore(next(iter(urls)), **options)
    return RedisRingStore(urls, **options)


class Visitor:
    """Somebody who sends the cookies back that the site has set."""

    def __init__(self, server: Server, cookies: dict[str, str] | None = None) -> None:
        self.server = server
        self.cookies = dict(cookies or {})

    async def get(self, target: str = "/", headers: Fields = ()) -> Response:
        fields = list(dict(headers).items())
        if self.cookies:
            cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
            fields.append(("Cookie", cookie))
        response = await self.server.fetch(target, headers=fields)
        for line in response.all("Set-Cookie"):
            name, _, rest = line.partition("=")
            value = rest.partition(";")[0]
            if "expires=" in rest.lower() and value in ("", '""'):
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
        return response

    @property
    def key(self) -> str:
        return self.cookies["session"]


@contextlib.asynccontextmanager
async def site(
    store: SessionStore | None, *handlers: tuple[str, Any], **settings: Any
) -> AsyncIterator[Server]:
    """Serve these handlers with sessions."""
    settings.setdefault("log_function", lambda handler: None)
    if store is not None:
        settings["session_store"] = store
    try:
        async with serving(Application(list(handlers), **settings)) as server:
            yield server
    finally:
        if store is not None:
            await settled(store.close())


def handler(get: Callable[..., Any], *bases: type, **attributes: Any) -> type[RequestHandler]:
    """A handler with this ``get``, which may be a coroutine."""
    return type("Handler", bases or (RequestHandler,), {"get": get, **attributes})


class Notes(RequestHandler):
    """Does what the query says: sets, removes, shows."""

    def get(self) -> None:
        for key, (value,) in self.request.query_arguments.items():
            if value:
                self.session[key] = value.decode()
            else:
                self.session.pop(key, None)
        self.write(dict(self.session))
