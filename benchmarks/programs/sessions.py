"""Requests with a session, without a socket: what the session adds, and what a store does.

The requests of `hello`, `read` and `write` go through an application in this process, from the head
taken apart to the head put together, with the cookie of a session that is there.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from benchmarks.programs import require
from tornadic.httputil import HTTPHeaders, RequestStartLine
from tornadic.sessions import Change, MemoryStore, SQLiteStore
from tornadic.web import Application, RequestHandler

KEY = "k" * 32
LINE = RequestStartLine("GET", "/", "HTTP/1.1")
# As many requests as a busy server has under way.
AT_ONCE = 100


class Hello(RequestHandler):
    def get(self) -> None:
        self.write("Hello, world!")


class Read(RequestHandler):
    def get(self) -> None:
        require(self.session["user"], "ada")
        self.write("Hello, world!")


class Write(RequestHandler):
    def get(self) -> None:
        self.session["visits"] = self.session.get("visits", 0) + 1
        self.write("Hello, world!")


class _Connection:
    """Takes what would be sent."""

    context = SimpleNamespace(remote_ip="127.0.0.1", protocol="http")

    def __init__(self) -> None:
        self.answered = 0

    def write_headers(self, *sent: Any) -> None:
        require(sent[0].code, 200)

    def finish(self) -> None:
        self.answered += 1


def _requests(count: int, handler: type[RequestHandler], **settings: Any) -> None:
    application: Any = Application([("/", handler)], **settings)
    connection = _Connection()
    for _ in range(count):
        delegate = application.start_request(None, connection)
        headers = HTTPHeaders({"Host": "example.com", "Cookie": f"session={KEY}"})
        delegate.headers_received(LINE, headers)
        delegate.finish()
    require(connection.answered, count)


def _store() -> MemoryStore:
    store = MemoryStore()
    store.save(KEY, Change({"user": '"ada"', "visits": "1"}))
    return store


async def hello(count: int, port: int) -> None:
    """Without sessions."""
    _requests(count, Hello)


async def unused(count: int, port: int) -> None:
    """With a store that no handler asks."""
    _requests(count, Hello, session_store=_store())


async def read(count: int, port: int) -> None:
    """A value of the session is read."""
    _requests(count, Read, session_store=_store())


async def write(count: int, port: int) -> None:
    """A value is read and changed."""
    store = _store()
    _requests(count, Write, session_store=store)
    record = store.load(KEY)
    require(record is not None and record.values["visits"], str(count + 1))


async def sqlite(count: int, port: int) -> None:
    """Sessions loaded and changed in a SQLite file, many at once."""
    taken, alone = [0.0], [0.0]

    def timed(call: Callable[..., Any], *arguments: Any) -> Any:
        """What the loop does in one go, for how long, and whether it was let do it."""
        before, start = switches(), time.perf_counter()
        result = call(*arguments)
        taken.append(time.perf_counter() - start)
        if switches() == before:
            alone.append(taken[-1])
        return result

    async def change(store: SQLiteStore, key: str, times: int) -> None:
        await store.save(key, Change({"user": '"ada"', "visits": "0"}))
        for number in range(1, times + 1):
            record = timed(store.load, key)
            saving = timed(store.save, key, Change({"visits": str(number)}, (), record))
            require(await saving, True)
        record = store.load(key)
        require(record is not None and record.values["visits"], str(times))

    # To collect garbage takes its time too, but that is no affair of the store's.
    gc.disable()
    with tempfile.TemporaryDirectory() as folder:
        store = SQLiteStore(os.path.join(folder, "sessions.db"))
        times = max(1, count // AT_ONCE)
        await asyncio.gather(*(change(store, f"key {n}", times) for n in range(AT_ONCE)))
        store.close()
    gc.enable()
    print(
        f"sessions.sqlite: the store had the loop for {max(alone) * 1000:.2f} ms at most where "
        f"nobody took the processor from it ({max(taken) * 1000:.2f} ms where somebody did; "
        f"{sorted(taken)[len(taken) * 999 // 1000] * 1000:.2f} ms in 99.9 %)",
        file=sys.stderr,
    )


def switches() -> int:
    """How often others took the processor from this thread."""
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nivcsw
