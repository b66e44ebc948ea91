"""A guest book in MySQL or MariaDB: a pool, a transaction, and errors of the database.

``python examples/mysql.py --port=8888 --db-port=3306``, then http://127.0.0.1:8888.  The database
``test`` gets a table ``guests``.  A name may be given once.
"""

from __future__ import annotations

import asyncio
import signal

from tornadic import web
from tornadic.httpserver import HTTPServer
from tornadic.mysql import err, pools
from tornadic.mysql.cursors import DictCursor
from tornadic.netutil import bind_sockets
from tornadic.options import define, options
from tornadic.template import DictLoader

define("port", 8888, help="where it listens")
define("db_host", "127.0.0.1", help="the database server")
define("db_port", 3306, help="its port")
define("db_user", "root", help="who we are to it")
define("db_password", "", help="and how we show that")
define("db_name", "test", help="the database")

TABLE = """
    CREATE TABLE IF NOT EXISTS guests (
        name VARCHAR(40) PRIMARY KEY,
        visits INT NOT NULL DEFAULT 1
    ) CHARACTER SET utf8mb4
"""

PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Guests</title><link rel="icon" href="data:,"></head>
<body>
<h1>Guests</h1>
<ul>{% for guest in guests %}<li>{{ guest["name"] }}: {{ guest["visits"] }}</li>{% end %}</ul>
{% if problem %}<p role="alert">{{ problem }}</p>{% end %}
<form method="post">{% module xsrf_form_html() %}
<label>Name <input name="name" maxlength="40" required></label>
<button name="what" value="new">I am new</button>
<button name="what" value="again">I was here before</button>
</form>
</body>
</html>"""


class Guests(web.RequestHandler):
    """The book: its pages and its entries."""

    @property
    def pool(self) -> pools.Pool:
        pool: pools.Pool = self.settings["pool"]
        return pool

    async def show(self, problem: str = "") -> None:
        query = "SELECT name, visits FROM guests ORDER BY name LIMIT 100"
        cursor = await self.pool.execute(query, cursor=DictCursor)
        self.render("guests.html", guests=cursor.fetchall(), problem=problem)

    async def get(self) -> None:
        await self.show()

    async def post(self) -> None:
        name = self.get_argument("name")
        if self.get_argument("what", "new") == "again":
            known = await self.come_again(name)
            problem = "" if known else f"We have never seen {name}."
        else:
            problem = await self.come_first(name)
        if problem:
            self.set_status(409)
            await self.show(problem)
        else:
            self.redirect("/")

    async def come_first(self, name: str) -> str:
        try:
            await self.pool.execute("INSERT INTO guests (name) VALUES (%s)", (name,))
        except err.IntegrityError:
            return f"There is a {name} already."
        except err.DataError:
            return "That name is too long."
        return ""

    async def come_again(self, name: str) -> bool:
        """Count a visit; what was read cannot change before it is written."""
        async with self.pool.begin() as transaction:
            query = "SELECT visits FROM guests WHERE name = %s FOR UPDATE"
            row = (await transaction.execute(query, (name,))).fetchone()
            if row is None:
                return False
            update = "UPDATE guests SET visits = %s WHERE name = %s"
            await transaction.execute(update, (row[0] + 1, name))
            return True

    def write_error(self, status_code: int, **kwargs: object) -> None:
        self.finish(f"<h1>{status_code}</h1><p>The guest book is closed for the moment.</p>")


async def main() -> None:
    options.parse_command_line()
    where = {
        "host": options.db_host,
        "port": options.db_port,
        "user": options.db_user,
        "passwd": options.db_password,
        "db": options.db_name,
    }
    stopped = asyncio.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signum, stopped.set)
    async with pools.Pool(where, max_idle_connections=4, max_open_connections=16) as pool:
        await pool.execute(TABLE)
        application = web.Application(
            [("/", Guests)],
            pool=pool,
            xsrf_cookies=True,
            template_loader=DictLoader({"guests.html": PAGE}),
        )
        sockets = bind_sockets(options.port, "127.0.0.1")
        server = HTTPServer(application)
        server.add_sockets(sockets)
        print(f"http://127.0.0.1:{sockets[0].getsockname()[1]}", flush=True)
        await stopped.wait()
        server.stop()
        await server.close_all_connections(timeout=5)


if __name__ == "__main__":
    asyncio.run(main())
