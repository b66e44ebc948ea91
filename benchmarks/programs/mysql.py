# mypy: disable-error-code = "import-not-found"
"""Rows of MariaDB through the pools of several packages.

The server is the one that listens on port 3306 of this machine, for root without a password.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.programs import require

_package = os.environ["BENCH_PACKAGE"]
CONNECTIONS = 8
WHERE = {"host": "127.0.0.1", "port": 3306, "user": "root", "password": "", "database": "test"}
ONE_ROW = "SELECT %s AS id, 'somebody' AS name, 1.5 AS size, DATE '2000-01-01' AS born"
MANY_ROWS = ONE_ROW.replace("%s", "seq") + " FROM seq_1_to_100 WHERE seq <> %s"
Query = Callable[[str, int], Awaitable[Any]]


@asynccontextmanager
async def _tornadic() -> Any:
    from tornadic.mysql.pools import Pool

    async with Pool(WHERE, CONNECTIONS, max_open_connections=CONNECTIONS) as pool:

        async def query(sql: str, number: int) -> Any:
            return (await pool.execute(sql, (number,))).fetchall()

        yield query


@asynccontextmanager
async def _aiomysql() -> Any:
    import aiomysql

    pool = await aiomysql.create_pool(
        CONNECTIONS, CONNECTIONS, autocommit=True, db="test", **_without(WHERE, "database")
    )

    async def query(sql: str, number: int) -> Any:
        async with pool.acquire() as connection, connection.cursor() as cursor:
            await cursor.execute(sql, (number,))
            return await cursor.fetchall()

    yield query
    pool.close()
    await pool.wait_closed()


@asynccontextmanager
async def _asyncmy() -> Any:
    import asyncmy

    pool = await asyncmy.create_pool(CONNECTIONS, CONNECTIONS, autocommit=True, **WHERE)

    async def query(sql: str, number: int) -> Any:
        async with pool.acquire() as connection, connection.cursor() as cursor:
            await cursor.execute(sql, (number,))
            return await cursor.fetchall()

    yield query
    pool.close()
    await pool.wait_closed()


def _without(arguments: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in arguments.items() if key != name}


POOLS = {"tornadic": _tornadic, "aiomysql": _aiomysql, "asyncmy": _asyncmy}


async def _run(sql: str, count: int, rows: int) -> None:
    left = iter(range(count))

    async def work(query: Query) -> None:
        for _ in left:
            require(len(await query(sql, 0)), rows)

    async with POOLS[_package]() as query:
        await asyncio.gather(*(work(query) for _ in range(CONNECTIONS)))


async def one_row(count: int, port: int) -> None:
    """Queries of one row."""
    await _run(ONE_ROW, count, 1)


async def many_rows(count: int, port: int) -> None:
    """Queries of a hundred rows."""
    await _run(MANY_ROWS, count, 100)
