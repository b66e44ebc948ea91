"""Pools: what is lent comes back in a known state, or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import warnings
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import pytest
from tests.mysql.support import Private, Server, run

from tornadic import gen
from tornadic.mysql import connect, err, pools
from tornadic.mysql.cursors import DictCursor, SSCursor
from tornadic.mysql.pools import Pool, Transaction


@contextlib.asynccontextmanager
async def pool_of(server: Server, **settings: Any) -> AsyncIterator[Pool]:
    async with Pool(server.arguments, **settings) as pool:
        yield pool
    assert pool.stat() == (0, 0, 0)


async def number_of(pool: Pool) -> int:
    """The number of the connection that is lent next."""
    number: int = (await pool.execute("SELECT CONNECTION_ID()")).fetchone()[0]
    return number


async def wait_until_asleep(server: Server, number: int) -> None:
    """Wait until the server carries out a SLEEP on a connection."""
    async with connect(**server.arguments) as connection:
        cursor = connection.cursor()
        while True:
            await cursor.execute(
                "SELECT INFO LIKE 'SELECT SLEEP%%' FROM information_schema.PROCESSLIST"
                " WHERE ID = %s", number
            )  # fmt: skip
            if cursor.fetchone() == (1,):
                return


def test_as_tornado_mysql_shows_it(server: Server, people: str) -> None:
    pool = Pool(server.arguments, max_idle_connections=1, max_recycle_sec=3, io_loop=None)

    @gen.coroutine
    def worker(number: int) -> Any:
        cursor = yield pool.execute("SELECT %s", (number,))
        return cursor.fetchall()

    @gen.coroutine
    def main() -> Any:
        found = yield [worker(number) for number in range(5)]
        transaction = yield pool.begin()
        yield transaction.execute(f"DELETE FROM {people} WHERE id = %s", (1,))
        yield transaction.commit()
        cursor = yield pool.execute(f"SELECT COUNT(*) FROM {people}")
        yield pool.close()
        return found, cursor.fetchone()

    assert run(main) == ([((number,),) for number in range(5)], (2,))


class TestExecuting:
    def test_commits(self, server: Server, people: str) -> None:
        async def main() -> None:
            async with pool_of(server) as pool:
                insert = f"INSERT INTO {people} (name) VALUES (%s)"
                cursor = await pool.execute(insert, ("new",))
                assert (cursor.lastrowid, cursor.rowcount) == (4, 1)
                async with connect(**server.arguments) as other:
                    assert await other.query(f"SELECT * FROM {people}") == 4

        run(main)

    def test_another_class_of_cursor(self, server: Server) -> None:
        async def main() -> None:
            async with pool_of(server) as pool:
                cursor = await pool.execute("SELECT 1 AS a", cursor=DictCursor)
                assert cursor.fetchone() == {"a": 1}
                with pytest.raises(TypeError, match=r"Pool\.connection"):
                    await pool.execute("SELECT 1", cursor=SSCursor)  # type: ignore[arg-type]

        run(main)

    def test_keeps_the_connection_after_an_error_of_sql(self, server: Server) -> None:
        async def main() -> None:
            async with pool_of(server) as pool:
                number = await number_of(pool)
                for wrong in ("SELEC", "SELECT * FROM tornadic_no_such_table"):
                    with pytest.raises(err.ProgrammingError):
                        await pool.execute(wrong)
                with pytest.raises(TypeError):
                    await pool.execute("SELECT %s, %s", (1,))
                assert await number_of(pool) == number
                assert pool.stat() == (1, 1, 0)

        run(main)

    def test_another_loop_later(self, server: Server) -> None:
        """A pool that nobody closes leaves nothing open when its loop ends."""
        pool = Pool(server.arguments)
        first = run(lambda: number_of(pool))
        assert run(lambda: number_of(pool)) != first
        assert pool.stat() == (0, 0, 0)
        gc.collect()


class TestHowManyThereAre:
    @pytest.mark.parametrize(("most", "open_at_once"), [(0, 6), (2, 2), (6, 6), (7, 6)])
    def test_open_at_once(self, server: Server, most: int, open_at_once: int) -> None:
        async def main() -> None:
            async with pool_of(server, max_open_connections=most, max_idle_connections=9) as pool:
                numbers = await asyncio.gather(*(number_of(pool) for _ in range(6)))
                assert len(set(numbers)) == open_at_once
                assert pool.stat() == (open_at_once, open_at_once, 0)

        run(main)

    @pytest.mark.parametrize("most", [0, 1, 2, 3])
    def test_kept_open(self, server: Server, most: int) -> None:
        async def main() -> None:
            async with pool_of(server, max_idle_connections=most) as pool:
                await asyncio.gather(*(number_of(pool) for _ in range(4)))
                assert pool.stat() == (most, most, 0)

        run(main)

    @pytest.mark.parametrize("name", ["max_open_connections", "max_idle_connections"])
    def test_not_fewer_than_none(self, name: str) -> None:
        with pytest.raises(ValueError, match=name):
            Pool({}, **{name: -1})

    def test_those_in_line_are_served_in_order(self, server: Server) -> None:
        async def main() -> None:
            order: list[int] = []

            async def one(number: int) -> None:
                async with pool.connection():
                    order.append(number)

            async with pool_of(server, max_open_connections=1) as pool:
                async with pool.connection():
                    tasks = [asyncio.ensure_future(one(number)) for number in range(5)]
                    await asyncio.sleep(0)
                    assert pool.stat() == (1, 0, 5)
                await asyncio.gather(*tasks)
            assert order == [0, 1, 2, 3, 4]

        run(main)

    def test_who_gives_up_leaves_the_line(self, server: Server) -> None:
        """Cancelled before it is served, and in the very turn in which it is."""

        async def main() -> None:
            async with pool_of(server, max_open_connections=1) as pool:
                async with pool.connection():
                    tasks = [pool.execute("SELECT 1") for _ in range(3)]
                    await asyncio.sleep(0)
                    tasks[0].cancel()
                    await asyncio.sleep(0)
                    assert pool.stat() == (1, 0, 2)
                tasks[1].cancel()  # its connection is on its way
                assert (await tasks[2]).fetchone() == (1,)
                for task in tasks[:2]:
                    with pytest.raises(asyncio.CancelledError):
                        await task
                assert pool.stat() == (1, 1, 0)

        run(main)

    def test_a_place_whose_taker_gives_up(self, server: Server) -> None:
        async def main() -> None:
            async with pool_of(server, max_open_connections=1) as pool:
                async with pool.connection() as connection:
                    tasks = [pool.execute("SELECT 1") for _ in range(2)]
                    await asyncio.sleep(0)
                    connection.close()  # so that not it is handed on, but its place
                tasks[0].cancel()
                assert (await tasks[1]).fetchone() == (1,)
                assert pool.stat() == (1, 1, 0)

        run(main)

    def test_a_server_that_is_not_there(self, server: Server) -> None:
        """Everybody in line is told, one after the other."""

        async def main() -> None:
            wrong = Server(1)
            async with pool_of(wrong, max_open_connections=1) as pool:
                asked = [pool.execute("SELECT 1") for _ in range(3)]
                for answer in await asyncio.gather(*asked, return_exceptions=True):
                    assert isinstance(answer, err.OperationalError)
                assert pool.stat() == (0, 0, 0)

        run(main)


class TestWhatComesBack:
    def test_a_statement_that_was_cancelled(self, server: Server) -> None:
        async def main() -> None:
            async with pool_of(server) as pool:
                number = await number_of(pool)
                task = pool.execute("SELECT SLEEP(30)")
                await wait_until_asleep(server, number)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert pool.stat() == (0, 0, 0)
                assert (await pool.execute("SELECT 7")).fetchone() == (7,)
                assert await number_of(pool) != number

        run(main)

    def test_a_connection_that_the_server_closed_meanwhile(self, server: Server) -> None:
        async def main() -> None:
            async with pool_of(server) as pool:
                number = await number_of(pool)
                transport = pool._idle[0][0]._driver._transport
                async with connect(**server.arguments) as killer:
                    await killer.kill(number)
                while not transport.is_closing():
                    await asyncio.sleep(0)
                assert await number_of(pool) != number
                assert pool.stat() == (1, 1, 0)

        run(main)

    def test_one_that_is_too_old(self, server: Server) -> None:
        async def main() -> None:
            async with pool_of(server, max_recycle_sec=0) as pool:
                assert await number_of(pool) != await number_of(pool)
                assert pool.stat() == (0, 0, 0)

        run(main)

    @pytest.mark.parametrize("what", ["a transaction", "rows", "a statement"])
    def test_one_with_something_left_in_it(self, server: Server, what: str) -> None:
        async def main() -> None:
            async with pool_of(server) as pool:
                async with pool.connection() as connection:
                    if what == "a transaction":
                        await connection.query("START TRANSACTION")
                    elif what == "rows":
                        await SSCursor(connection).execute("SELECT seq FROM seq_1_to_10")
                    else:
                        sleeping = connection.query("SELECT SLEEP(30)")
                        await wait_until_asleep(server, connection.thread_id())
                assert pool.stat() == (0, 0, 0)
                if what == "a statement":
                    with pytest.raises(err.MySQLError):
                        await sleeping

        run(main)

    def test_one_that_is_clean(self, server: Server) -> None:
        async def main() -> None:
            async with pool_of(server) as pool:
                async with pool.connection() as connection:
                    async with SSCursor(connection) as cursor:
                        await cursor.execute("SELECT seq FROM seq_1_to_10")
                        assert len(await cursor.fetchall()) == 10
                    number = connection.thread_id()
                assert await number_of(pool) == number

        run(main)


class TestTransactions:
    def test_commit_and_roll_back(self, server: Server, people: str) -> None:
        async def main() -> None:
            async with pool_of(server) as pool:
                left = f"SELECT COUNT(*) FROM {people}"
                for end, rows in [("rollback", 3), ("commit", 2)]:
                    transaction = await pool.begin()
                    await transaction.execute(f"DELETE FROM {people} WHERE id = %s", 1)
                    assert (await transaction.execute(left)).fetchone() == (2,)
                    await getattr(transaction, end)()
                    assert (await pool.execute(left)).fetchone() == (rows,)
                    for use in (transaction.commit, transaction.rollback):
                        with pytest.raises(err.ProgrammingError, match="over"):
                            await use()
                    with pytest.raises(err.ProgrammingError, match="over"):
                        await transaction.execute("SELECT 1")
                assert pool.stat() == (1, 1, 0)

        run(main)

    def test_with_a_block(self, server: Server, people: str) -> None:
        async def main() -> None:
            async with pool_of(server) as pool:
                left = f"SELECT COUNT(*) FROM {people}"
                with pytest.raises(KeyError):
                    async with pool.begin() as transaction:
                        await transaction.execute(f"DELETE FROM {people}")
                        raise KeyError
                assert (await pool.execute(left)).fetchone() == (3,)
                async with pool.begin() as transaction:
                    await transaction.execute(f"DELETE FROM {people}")
                assert (await pool.execute(left)).fetchone() == (0,)
                async with pool.begin() as transaction:
                    await transaction.rollback()
                async with await pool.begin() as transaction:
                    assert (await transaction.execute("SELECT 1")).fetchone() == (1,)
                assert pool.stat() == (1, 1, 0)

        run(main)

    def test_cancelled_in_a_statement(self, server: Server, people: str) -> None:
        async def main() -> None:
            async with pool_of(server) as pool:
                begun: asyncio.Future[int] = asyncio.get_running_loop().create_future()

                async def work() -> None:
                    async with pool.begin() as transaction:
                        cursor = await transaction.execute("SELECT CONNECTION_ID()")
                        await transaction.execute(f"DELETE FROM {people}")
                        begun.set_result(cursor.fetchone()[0])
                        await transaction.execute("SELECT SLEEP(30)")

                task = asyncio.ensure_future(work())
                await wait_until_asleep(server, await begun)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert pool.stat() == (0, 0, 0)
                # The server notices in its own time that nobody is there, and undoes it.
                with contextlib.suppress(err.MySQLError):
                    await pool.execute("KILL %s", await begun)
                count = await pool.execute(f"SELECT COUNT(*) FROM {people} FOR UPDATE")
                assert count.fetchone() == (3,)

        run(main)

    def test_cancelled_between_statements(self, server: Server, people: str) -> None:
        async def main() -> None:
            async with pool_of(server) as pool:
                begun = asyncio.Event()

                async def work() -> None:
                    async with pool.begin() as transaction:
                        await transaction.execute(f"DELETE FROM {people}")
                        begun.set()
                        await asyncio.Event().wait()

                task = asyncio.ensure_future(work())
                await begun.wait()
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert pool.stat() == (1, 1, 0)
                count = await pool.execute(f"SELECT COUNT(*) FROM {people}")
                assert count.fetchone() == (3,)

        run(main)

    def test_forgotten(self, server: Server, people: str) -> None:
        async def main() -> None:
            async with pool_of(server, max_open_connections=1) as pool:
                transaction: Transaction | None = await pool.begin()
                assert transaction is not None
                await transaction.execute(f"DELETE FROM {people}")
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always")
                    transaction = None
                    gc.collect()
                assert "neither committed" in str(caught[0].message)
                count = await pool.execute(f"SELECT COUNT(*) FROM {people} FOR UPDATE")
                assert count.fetchone() == (3,)

        run(main)


class TestClosing:
    def test_waits_for_what_is_lent(self, server: Server) -> None:
        async def main() -> None:
            pool = Pool(server.arguments, max_open_connections=1)
            working = pool.execute("SELECT SLEEP(0.05)")
            in_line = pool.execute("SELECT 1")
            await asyncio.sleep(0)
            closing = [pool.close(), pool.close()]
            assert (await working).fetchone() == (0,)
            await asyncio.gather(*closing)
            assert pool.stat() == (0, 0, 0)
            for late in (in_line, pool.execute("SELECT 1"), _begin(pool)):
                with pytest.raises(err.InterfaceError, match="The pool is closed"):
                    await late

        async def _begin(pool: Pool) -> object:
            return await pool.begin()

        run(main)

    def test_no_longer_than_asked(self, server: Server) -> None:
        async def main() -> None:
            pool = Pool(server.arguments)
            number = await number_of(pool)
            working = pool.execute("SELECT SLEEP(30)")
            await wait_until_asleep(server, number)
            await pool.close(timeout=0.01)
            with pytest.raises(err.MySQLError):
                await working
            assert pool.stat() == (0, 0, 0)

        run(main)


class TestAServerThatDies:
    """With a server of our own: it is killed in the middle of everything, and started again."""

    def test_and_comes_back(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        private = Private(tmp_path_factory.mktemp("dying"))
        server = private.start()

        async def main(server: Server) -> None:
            arguments = {**server.arguments, "db": "mysql"}
            pool = Pool(arguments, max_idle_connections=4, max_open_connections=4)
            await asyncio.gather(*(number_of(pool) for _ in range(4)))
            asleep: Awaitable[Any] = pool.execute("SELECT SLEEP(30)")
            async with connect(**arguments) as connection:
                cursor = connection.cursor()
                looking = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE %s"
                while True:
                    await cursor.execute(looking, "SELECT SLEEP%")
                    if cursor.fetchone() == (1,):
                        break
            transaction = await pool.begin()
            server.kill()
            with pytest.raises(err.OperationalError):
                await asleep
            with pytest.raises(err.MySQLError):
                await transaction.commit()
            with pytest.raises(err.OperationalError) as caught:
                await pool.execute("SELECT 1")
            assert caught.value.args[0] == 2003
            again = await asyncio.to_thread(private.start)
            try:
                # Its connections are numbered as before, so that a number would say nothing.
                assert (await pool.execute("SELECT 1")).fetchone() == (1,)
                await pool.close()
            finally:
                again.kill()

        run(lambda: main(server))


def test_debug_says_what_is_done(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with pool_of(server) as pool:
            await pool.execute("SELECT 1")
            await pool.execute("SELECT 1")

    monkeypatch.setattr(pools, "DEBUG", True)
    with caplog.at_level("DEBUG", logger="tornado.application"):
        run(main)
    said = [record.getMessage() for record in caplog.records if record.name.startswith("tornado")]
    assert [text.split()[2].rstrip(":") for text in said] == ["opened", "lent", "closed"]
