"""One connection: statements, their errors, and what becomes of it."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import gc
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.mysql.support import Server, run

from tornadic import gen, mysql
from tornadic.mysql import Connection, connect, cursors, err


def test_as_tornado_mysql_shows_it(server: Server, people: str) -> None:
    @gen.coroutine
    def main() -> Any:
        connection = yield connect(**server.arguments)
        cursor = connection.cursor()
        yield cursor.execute(f"SELECT id, name FROM {people} ORDER BY id")
        assert [column[0] for column in cursor.description] == ["id", "name"]
        assert list(cursor) == [(1, "Ada"), (2, "Zoë €😀"), (3, "%s")]
        cursor.close()
        connection.close()
        return "done"

    assert run(main) == "done"


def test_with_blocks(server: Server, people: str) -> None:
    async def main() -> None:
        async with connect(**server.arguments) as connection:
            async with connection.cursor(cursors.DictCursor) as cursor:
                await cursor.execute(f"SELECT name, born FROM {people} WHERE id = %s", 1)
                assert cursor.fetchone() == {"name": "Ada", "born": datetime.date(1815, 12, 10)}
            assert connection.open
        assert not connection.open
        with pytest.raises(err.InterfaceError, match="closed"):
            await connection.ping()

    run(main)


class TestConnecting:
    @pytest.mark.parametrize(
        "words", [{"passwd": "", "db": "test"}, {"password": "", "database": "test"}]
    )
    def test_both_spellings(self, server: Server, words: dict[str, Any]) -> None:
        where: dict[str, Any] = {"host": "127.0.0.1", "port": server.port, "user": "root"}

        async def main() -> object:
            async with connect(**where, **words, io_loop=None, no_delay=True) as connection:
                cursor = connection.cursor()
                await cursor.execute("SELECT DATABASE()")
                return cursor.fetchone()

        assert run(main) == ("test",)

    def test_nobody_listens(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]

        async def main() -> None:
            with pytest.raises(err.OperationalError) as caught:
                await connect(host="127.0.0.1", port=port, user="root")
            assert caught.value.args[0] == 2003

        run(main)

    def test_a_wrong_password(self, server: Server) -> None:
        async def main() -> None:
            with pytest.raises(err.OperationalError, match="Access denied"):
                await connect(**{**server.arguments, "user": "nobody", "passwd": "x"})

        run(main)

    def test_an_argument_that_there_is_not(self) -> None:
        with pytest.raises(TypeError, match="colour"):
            connect(host="127.0.0.1", colour="red")

    @pytest.mark.parametrize("turns", range(4))
    def test_cancelled(self, turns: int) -> None:
        """A server that never says a word; our end is closed at once."""

        async def main() -> None:
            async with silent_server() as (port, came):
                task = asyncio.ensure_future(opened(host="127.0.0.1", port=port, user="x"))
                reader = await came
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert await reader.read() == b""

        run(main)

    def test_a_server_that_never_says_a_word(self) -> None:
        async def main() -> None:
            async with silent_server() as (port, came):
                with pytest.raises(err.OperationalError, match="within"):
                    await connect(host="127.0.0.1", port=port, user="x", connect_timeout=0.05)
                assert await (await came).read() == b""

        run(main)


async def opened(**arguments: Any) -> Connection:
    return await connect(**arguments)


@contextlib.asynccontextmanager
async def silent_server() -> AsyncIterator[tuple[int, asyncio.Future[asyncio.StreamReader]]]:
    """The port of a server that accepts and listens; what it hears can be read."""
    came: asyncio.Future[asyncio.StreamReader] = asyncio.get_running_loop().create_future()
    writers = []

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        came.set_result(reader)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], came
    finally:
        for writer in writers:
            writer.close()
        server.close()


class TestStatements:
    def test_arguments_are_escaped(self, server: Server, people: str) -> None:
        nasty = "x'; DROP TABLE people; -- \\ \0 \n \" % €"

        async def main() -> None:
            async with connect(**server.arguments) as connection:
                cursor = connection.cursor()
                await cursor.execute(f"INSERT INTO {people} (name) VALUES (%s)", (nasty,))
                assert cursor.rowcount == 1
                assert cursor.lastrowid == connection.insert_id() == 4
                await cursor.execute(
                    f"SELECT name FROM {people} WHERE name = %(name)s", {"name": nasty}
                )
                assert cursor.fetchall() == ((nasty,),)
                assert cursor.mogrify("SELECT %s, %s", (None, "a'b")) == "SELECT NULL, 'a\\'b'"
                await cursor.execute("SELECT '%s', 100 % 3")
                assert cursor.fetchone() == ("%s", 1)

        run(main)

    def test_in_the_order_in_which_they_were_asked_for(self, server: Server) -> None:
        async def main() -> None:
            async with connect(**server.arguments) as connection:
                wanted = [connection.cursor() for _ in range(20)]
                sent = [each.execute("SELECT %s", number) for number, each in enumerate(wanted)]
                assert await asyncio.gather(*sent) == [1] * 20
                assert [each.fetchone() for each in wanted] == [(number,) for number in range(20)]

        run(main)

    def test_nobody_has_to_wait_for_one(self, server: Server, people: str) -> None:
        async def main() -> None:
            async with connect(**server.arguments, autocommit=True) as connection:
                connection.cursor().execute(f"DELETE FROM {people} WHERE id = 1")
                cursor = connection.cursor()
                await cursor.execute(f"SELECT COUNT(*) FROM {people}")
                assert cursor.fetchone() == (2,)

        run(main)

    def test_without_a_loop(self) -> None:
        with pytest.raises(RuntimeError, match="running event loop"):
            mysql.pools.Pool({}).execute("SELECT 1")

    def test_transactions(self, server: Server, people: str) -> None:
        async def main() -> None:
            async with connect(**server.arguments) as one, connect(**server.arguments) as other:
                await other.autocommit(True)
                assert (one.get_autocommit(), other.get_autocommit()) == (False, True)
                count = f"SELECT COUNT(*) FROM {people}"
                cursor = other.cursor()
                for end, rows in [(one.rollback, 3), (one.commit, 2)]:
                    await one.begin()
                    assert await one.query(f"DELETE FROM {people} WHERE id = 1") == 1
                    assert not one.at_rest
                    await cursor.execute(count)
                    assert cursor.fetchone() == (3,)
                    await end()
                    assert one.at_rest
                    await cursor.execute(count)
                    assert cursor.fetchone() == (rows,)

        run(main)

    def test_many_at_once(self, server: Server, people: str) -> None:
        async def main() -> None:
            async with connect(**server.arguments) as connection:
                cursor = connection.cursor()
                insert = f"INSERT INTO {people} (name, size) VALUES (%s, %s)"
                rows = [(f"name {number}", number) for number in range(500)]
                assert await cursor.executemany(insert, rows) == 500
                assert await cursor.executemany(insert, []) is None
                await cursor.execute(f"SELECT SUM(size) FROM {people} WHERE name LIKE 'name%%'", ())
                assert cursor.fetchone() == (sum(range(500)),)
                with pytest.raises(TypeError):
                    await cursor.executemany(insert, [("a", 1), ("b",)])
                assert connection.open

        run(main)

    def test_what_a_connection_knows(self, server: Server) -> None:
        async def main() -> None:
            async with connect(**server.arguments) as connection:
                cursor = connection.cursor()
                await cursor.execute("SELECT CONNECTION_ID(), VERSION()")
                number, version = cursor.fetchone()
                assert number == connection.thread_id()
                assert version in connection.get_server_info()
                assert connection.character_set_name() == "utf8mb4"
                assert connection.escape("a'b") == connection.literal("a'b") == "'a\\'b'"
                assert connection.escape_string("a'b") == "a\\'b"
                assert "127.0.0.1" in connection.get_host_info()
                await connection.select_db("information_schema")
                await cursor.execute("SELECT DATABASE()")
                assert cursor.fetchone() == ("information_schema",)
                await cursor.execute("SELECT CAST('abc' AS SIGNED)")
                warning = (await connection.show_warnings())[0]
                assert "abc" in warning[2]

        run(main)


class TestErrors:
    @pytest.mark.parametrize(
        ("statement", "kind", "number"),
        [
            ("SELEC 1", err.ProgrammingError, 1064),
            ("SELECT * FROM tornadic_no_such_table", err.ProgrammingError, 1146),
            ("INSERT INTO {people} (name) VALUES ('Ada')", err.IntegrityError, 1062),
            ("INSERT INTO {people} (id, name) VALUES ('x', 'y')", err.MySQLError, 1366),
            ("SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 1644", err.MySQLError, 1644),
        ],
    )
    def test_of_sql_leave_the_connection_as_it_was(
        self, server: Server, people: str, statement: str, kind: type[Exception], number: int
    ) -> None:
        async def main() -> None:
            async with connect(**server.arguments) as connection:
                cursor = connection.cursor()
                with pytest.raises(kind) as caught:
                    await cursor.execute(statement.format(people=people))
                assert caught.value.args[0] == number
                await cursor.execute("SELECT 1")
                assert cursor.fetchone() == (1,)

        run(main)

    @pytest.mark.parametrize("args", [(1,), (1, 2, 3), {"a": 1}])
    def test_of_arguments_send_nothing(self, server: Server, args: Any) -> None:
        async def main() -> None:
            async with connect(**server.arguments) as connection:
                cursor = connection.cursor()
                with pytest.raises(TypeError):
                    await cursor.execute("SELECT %s, %s", args)
                with pytest.raises(err.ProgrammingError, match="execute"):
                    cursor.fetchone()
                assert connection.at_rest

        run(main)

    def test_a_connection_that_was_killed(self, server: Server) -> None:
        async def main() -> None:
            async with connect(**server.arguments) as killer:
                victim = await connect(**server.arguments)
                cursor = victim.cursor()
                asleep = cursor.execute("SELECT SLEEP(30)")
                running = killer.cursor()
                while True:
                    await running.execute(
                        "SELECT COUNT(*) FROM information_schema.PROCESSLIST"
                        " WHERE ID = %s AND INFO LIKE 'SELECT SLEEP%%'",
                        victim.thread_id(),
                    )
                    if running.fetchone() == (1,):
                        break
                await killer.kill(victim.thread_id())
                with pytest.raises(err.OperationalError):
                    await asleep
                assert not victim.open
                with pytest.raises(err.InterfaceError, match="closed"):
                    await cursor.execute("SELECT 1")

        run(main)

    def test_cancelled_in_the_middle(self, server: Server) -> None:
        async def main() -> None:
            connection = await connect(**server.arguments)
            cursor = connection.cursor()
            task = cursor.execute("SELECT SLEEP(30)")
            next_in_line = connection.cursor().execute("SELECT 1")
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert not connection.open
            with pytest.raises(err.InterfaceError, match="closed"):
                await next_in_line

        run(main)

    def test_cancelled_while_waiting_for_its_turn(self, server: Server) -> None:
        async def main() -> None:
            async with connect(**server.arguments) as connection:
                first = connection.cursor().execute("SELECT SLEEP(0.01)")
                second = connection.cursor().execute("SELECT 1")
                await asyncio.sleep(0)
                second.cancel()
                assert await first == 1
                assert connection.at_rest

        run(main)

    def test_a_server_that_talks_nonsense(self) -> None:
        async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n" + b"\0" * 100)
            writer.close()

        async def main() -> None:
            server = await asyncio.start_server(speak, "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(err.MySQLError):
                await connect(host="127.0.0.1", port=port, user="root")
            server.close()
            await server.wait_closed()

        run(main)
        gc.collect()
