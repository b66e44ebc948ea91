"""Queues, locks and events of Tornado, Tornadic and asyncio, which have these calls in common."""

from __future__ import annotations

import asyncio
import os
from importlib import import_module
from typing import Any

from benchmarks.programs import require

_package = os.environ["BENCH_PACKAGE"]
_in_asyncio = _package == "asyncio"
queues: Any = asyncio if _in_asyncio else import_module(f"{_package}.queues")
locks: Any = asyncio if _in_asyncio else import_module(f"{_package}.locks")

CONTENDERS = 8
BOUND = 16


async def queue_nowait(count: int, port: int) -> None:
    """An item put and got by the calls that cannot wait."""
    queue = queues.Queue()
    total = 0
    for number in range(count):
        queue.put_nowait(number)
        total += queue.get_nowait()
    require(total, sum(range(count)))


async def queue_ready(count: int, port: int) -> None:
    """An item put and got by the calls that can wait, and need not."""
    queue = queues.Queue()
    total = 0
    for number in range(count):
        await queue.put(number)
        total += await queue.get()
    require(total, sum(range(count)))


async def queue_waiting(count: int, port: int) -> None:
    """Items go back and forth between two tasks, so that every get waits."""
    there, back = queues.Queue(), queues.Queue()

    async def reply() -> None:
        for _ in range(count // 2):
            await back.put(await there.get() + 1)

    replying = asyncio.ensure_future(reply())
    number = 0
    for _ in range(count // 2):
        await there.put(number)
        number = await back.get()
    await replying
    require(number, count // 2)


async def queue_producer(count: int, port: int) -> None:
    """A producer and a consumer with room for some items, until all are done."""
    queue = queues.Queue(maxsize=BOUND)
    total = 0

    async def consume() -> None:
        nonlocal total
        while True:
            total += await queue.get()
            queue.task_done()

    consuming = asyncio.ensure_future(consume())
    for number in range(count):
        await queue.put(number)
    await queue.join()
    consuming.cancel()
    await asyncio.wait([consuming])
    require(total, sum(range(count)))


async def lock_free(count: int, port: int) -> None:
    """A lock acquired and released that nobody else wants."""
    lock = locks.Lock()
    for _ in range(count):
        await lock.acquire()
        lock.release()


async def lock_contended(count: int, port: int) -> None:
    """Some tasks want the lock all the time and keep it for a turn of the loop."""
    lock = locks.Lock()
    inside = held = 0

    async def contend(times: int) -> None:
        nonlocal inside, held
        for _ in range(times):
            async with lock:
                inside += 1
                await asyncio.sleep(0)
                require(inside, 1)
                inside -= 1
                held += 1

    await asyncio.gather(*(contend(count // CONTENDERS) for _ in range(CONTENDERS)))
    require(held, count // CONTENDERS * CONTENDERS)


async def event_set(count: int, port: int) -> None:
    """Waiting for an event that is set, and setting it again."""
    event = locks.Event()
    for _ in range(count):
        event.set()
        await event.wait()
        event.clear()
    require(event.is_set(), False)


async def event_waiting(count: int, port: int) -> None:
    """Two tasks wake each other by two events, so that every wait waits."""
    there, back = locks.Event(), locks.Event()
    woken = 0

    async def reply() -> None:
        nonlocal woken
        for _ in range(count // 2):
            await there.wait()
            there.clear()
            woken += 1
            back.set()

    replying = asyncio.ensure_future(reply())
    for _ in range(count // 2):
        there.set()
        await back.wait()
        back.clear()
    await replying
    require(woken, count // 2)
