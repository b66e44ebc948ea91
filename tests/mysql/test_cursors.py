"""Cursors: rows, and how one reads them."""

from __future__ import annotations

import asyncio

import pytest
from tests.mysql.support import Server, run

from tornadic.mysql import connect, err
from tornadic.mysql.cursors import Cursor, DictCursor, SSCursor, SSDictCursor

NUMBERS = "SELECT seq AS n FROM seq_1_to_7"


async def numbers(connection: object, kind: type[Cursor] = Cursor) -> Cursor:
    cursor = kind(connection)  # type: ignore[arg-type]
    await cursor.execute(NUMBERS)
    return cursor


class TestRowsThatAreHere:
    def test_one_by_one(self, server: Server) -> None:
        async def main() -> None:
            async with connect(**server.arguments) as connection:
                cursor = await numbers(connection)
                assert (cursor.rowcount, cursor.rownumber) == (7, 0)
                assert cursor.fetchone() == (1,)
                assert cursor.fetchmany() == ((2,),)
                assert cursor.fetchmany(2) == ((3,), (4,))
                cursor.arraysize = 2
                assert cursor.fetchmany() == ((5,), (6,))
                assert cursor.rownumber == 6
                assert cursor.fetchall() == ((7,),)
                assert cursor.fetchone() is None
                assert cursor.fetchmany(3) == ()
                assert cursor.fetchall() == ()

        run(main)

    def test_scroll(self, server: Server) -> None:
        async def main() -> None:
            async with connect(**server.arguments) as connection:
                cursor = await numbers(connection)
                cursor.scroll(6, "absolute")
                assert cursor.fetchone() == (7,)
                cursor.scroll(-7)
                assert cursor.fetchone() == (1,)
                for value, mode in [
                    (7, "absolute"),
                    (-1, "absolute"),
                    (-2, "relative"),
                    (6, "relative"),
                ]:
                    with pytest.raises(IndexError):
                        cursor.scroll(value, mode)
                with pytest.raises(err.ProgrammingError):
                    cursor.scroll(0, "sideways")
                assert cursor.fetchone() == (2,)

        run(main)

    def test_as_dictionaries(self, server: Server) -> None:
        async def main() -> None:
            async with connect(**server.arguments, cursorclass=DictCursor) as connection:
                cursor = connection.cursor()
                await cursor.execute("SELECT 1 AS a, 'x' AS b")
                assert cursor.fetchall() == ({"a": 1, "b": "x"},)

        run(main)

    def test_both_ways_of_going_through(self, server: Server) -> None:
        async def main() -> None:
            async with connect(**server.arguments) as connection:
                with await numbers(connection) as cursor:
                    assert [row[0] for row in cursor] == [1, 2, 3, 4, 5, 6, 7]
                async with await numbers(connection) as cursor:
                    assert [row[0] async for row in cursor] == [1, 2, 3, 4, 5, 6, 7]

        run(main)

    def test_several_results(self, server: Server) -> None:
        async def main() -> None:
            async with connect(**server.arguments, autocommit=True) as connection:
                cursor = connection.cursor()
                await cursor.execute("DROP PROCEDURE IF EXISTS tornadic_two")
                await cursor.execute(
                    "CREATE PROCEDURE tornadic_two(x INT) BEGIN SELECT x; SELECT x + 1 AS y; END"
                )
                try:
                    assert await cursor.callproc("tornadic_two", (5,)) == (5,)
                    # All has been read, so the connection is free.
                    assert connection.at_rest
                    assert cursor.fetchall() == ((5,),)
                    assert await cursor.nextset()
                    assert cursor.description is not None and cursor.description[0][0] == "y"
                    assert cursor.fetchall() == ((6,),)
                    assert await cursor.nextset()
                    assert cursor.description is None
                    assert await cursor.nextset() is None
                finally:
                    await connection.query("DROP PROCEDURE tornadic_two")

        run(main)

    def test_before_and_after(self, server: Server) -> None:
        async def main() -> None:
            async with connect(**server.arguments) as connection:
                cursor = connection.cursor()
                for read in (cursor.fetchone, cursor.fetchall, cursor.fetchmany, cursor.nextset):
                    with pytest.raises(err.ProgrammingError, match="execute"):
                        read()
                await cursor.execute("DO 1")
                assert (cursor.description, cursor.fetchone(), cursor.fetchall()) == (
                    None,
                    None,
                    (),
                )
                await cursor.close()
                await cursor.close()
                with pytest.raises(err.ProgrammingError, match="closed"):
                    cursor.fetchone()
                with pytest.raises(err.ProgrammingError, match="closed"):
                    await cursor.execute("SELECT 1")

        run(main)


class TestRowsThatStay:
    def test_come_one_by_one(self, server: Server) -> None:
        async def main() -> None:
            async with connect(**server.arguments) as connection:
                cursor = SSCursor(connection)
                await cursor.execute("SELECT seq FROM seq_1_to_20000")
                assert cursor.rowcount == -1
                assert await cursor.fetchone() == (1,)
                assert await cursor.fetchmany(2) == ((2,), (3,))
                assert await cursor.fetchmany() == ((4,),)
                assert not connection.at_rest
                total = 10
                async for (number,) in cursor:
                    total += number
                assert total == 20_000 * 20_001 // 2
                assert connection.at_rest
                assert await cursor.fetchone() is None
                await cursor.close()

        run(main)

    def test_close_reads_the_rest(self, server: Server) -> None:
        async def main() -> None:
            async with connect(**server.arguments) as connection:
                async with SSDictCursor(connection) as cursor:
                    await cursor.execute(NUMBERS)
                    assert await cursor.fetchone() == {"n": 1}
                assert connection.at_rest
                assert (await numbers(connection)).fetchone() == (1,)

        run(main)

    def test_all_that_are_left(self, server: Server) -> None:
        async def main() -> None:
            async with connect(**server.arguments) as connection:
                cursor = SSCursor(connection)
                await cursor.execute(NUMBERS)
                await cursor.fetchone()
                assert await cursor.fetchall() == tuple((number,) for number in range(2, 8))
                assert connection.at_rest
                await cursor.execute("DO 1")
                assert connection.at_rest

        run(main)

    def test_cancelled_in_the_middle(self, server: Server) -> None:
        async def main() -> None:
            connection = await connect(**server.arguments)
            cursor = SSCursor(connection)
            await cursor.execute("SELECT seq FROM seq_1_to_1000000")
            task = cursor.fetchall()
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert not connection.open
            await cursor.close()

        run(main)
