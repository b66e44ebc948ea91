"""A connection to a server: one statement at a time, and a state that is known.

A connection is *broken* once nobody can say what the server is going to send on it next: a
statement was cancelled in the middle, the network failed, the server shuts down.  Then it is
closed at once, and every further use is an `InterfaceError`.  After an ordinary error of SQL it
is as good as before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from typing import Any, TypeVar

import asyncmy
import asyncmy.connection

from tornadic.mysql._started import done, started
from tornadic.mysql.constants import SERVER_STATUS
from tornadic.mysql.cursors import Cursor
from tornadic.mysql.err import InterfaceError, MySQLError, OperationalError

__all__ = ["Connection", "connect"]

_T = TypeVar("_T")

DEFAULT_CHARSET = "utf8mb4"

# What Tornado-MySQL calls otherwise than the driver.
_RENAMED = {"passwd": "password", "db": "database"}

# Has no meaning here: the loop is the one that runs, and the driver never delays packets.
_IGNORED = ("io_loop", "no_delay")

# Errors of the client's side have numbers from 2000 to 2999 (and 0, from the driver itself).
_FIRST_OF_CLIENT, _LAST_OF_CLIENT = 2000, 2999

# With these the server takes its leave: ER_SERVER_SHUTDOWN, ER_NORMAL_SHUTDOWN,
# ER_ABORTING_CONNECTION, ER_NEW_ABORTING_CONNECTION, ER_CONNECTION_KILLED.
_FAREWELLS = frozenset((1053, 1077, 1152, 1184, 1927))

_LOST_IN_A_QUERY = 2013
_CANNOT_CONNECT = 2003

CONNECT_TIMEOUT_SECONDS = 10
"""For the connection and the exchange that opens it."""

_MOST_CANCELLATIONS = 10


class Connection:
    """A connection that is open; made by `connect`.

    Methods that talk to the server return futures, and have begun when they return.  They are
    carried out one after the other.  Raises the exceptions of `tornadic.mysql.err`.
    """

    def __init__(
        self, driver: asyncmy.connection.Connection, cursorclass: type[Cursor] = Cursor
    ) -> None:
        self.cursorclass = cursorclass
        self.broken = False
        self._driver = driver
        self._turn = asyncio.Lock()
        # The cursor whose rows are still with the server.
        self._unread: object = None

    # Asking it

    def cursor(self, cursor: type[Cursor] | None = None) -> Cursor:
        """A new cursor, of the class ``cursor`` (None: the one that `connect` was given)."""
        return (cursor or self.cursorclass)(self)

    @started
    async def query(self, sql: str) -> int:
        """Send a statement as it is; the number of rows that it changed, or found."""
        return await self.cursor(Cursor)._run(sql, None)

    def begin(self) -> asyncio.Future[None]:
        """Begin a transaction."""
        return self._call(self._driver.begin)

    def commit(self) -> asyncio.Future[None]:
        """Make a transaction's changes last."""
        return self._call(self._driver.commit)

    def rollback(self) -> asyncio.Future[None]:
        """Undo a transaction's changes."""
        return self._call(self._driver.rollback)

    def autocommit(self, value: bool) -> asyncio.Future[None]:
        """Whether every statement is a transaction of its own."""
        return self._call(self._driver.autocommit, value)

    def get_autocommit(self) -> bool:
        """Whether every statement is a transaction of its own."""
        return bool(self._driver.get_autocommit())

    def select_db(self, db: str) -> asyncio.Future[None]:
        """Make ``db`` the database that names of tables refer to."""
        return self._call(self._driver.select_db, db)

    def set_charset(self, charset: str) -> asyncio.Future[None]:
        """Change the character set of what is sent and received."""
        return self._call(self._driver.set_charset, charset)

    def ping(self) -> asyncio.Future[None]:
        """Ask the server for a sign of life; `OperationalError` if there is none."""
        return self._call(self._driver.ping, False)

    def kill(self, thread_id: int) -> asyncio.Future[None]:
        """End the connection that has the number ``thread_id``."""
        return self._call(self._driver.kill, thread_id)

    def show_warnings(self) -> asyncio.Future[Any]:
        """The warnings of the last statement: (level, number, text) each."""
        return self._call(self._driver.show_warnings)

    # What is known without asking

    @property
    def open(self) -> bool:
        """Whether it can be used."""
        transport = getattr(self._driver, "_transport", None)
        return (
            not self.broken
            and bool(self._driver.connected)
            # The server may have closed it since, and the driver looks only when it reads.
            and not (transport is not None and transport.is_closing())
        )

    @property
    def has_more_results(self) -> bool:
        """Whether the last statement has further results that were not asked for yet."""
        return bool(self._driver.server_status & SERVER_STATUS.SERVER_MORE_RESULTS_EXISTS)

    @property
    def at_rest(self) -> bool:
        """Whether it is open, with nothing under way, nothing unread and no transaction begun."""
        return (
            self.open
            and not self._turn.locked()
            and self._unread is None
            and not self._driver.get_transaction_status()
        )

    def thread_id(self) -> int:
        """The server's number for this connection."""
        number = self._driver.thread_id()
        return int(number[0] if isinstance(number, tuple) else number)

    def insert_id(self) -> int:
        """The key that the last statement made by ``AUTO_INCREMENT``, or 0."""
        return int(self._driver.insert_id())

    def affected_rows(self) -> int:
        """The number of rows that the last statement changed."""
        return int(self._driver.affected_rows())

    def character_set_name(self) -> str:
        """The character set of what is sent and received."""
        return str(self._driver.character_set_name())

    def get_server_info(self) -> str:
        """The version of the server, as it says it."""
        return str(self._driver.get_server_info())

    def get_host_info(self) -> str:
        """Where the server is."""
        return str(self._driver.get_host_info())

    def escape(self, value: object, mapping: Any = None) -> str:
        """``value`` as a literal of SQL; better leave that to the arguments of `execute`."""
        return str(self._driver.escape(value, mapping))

    literal = escape

    def escape_string(self, text: str) -> str:
        """``text`` with what is special in SQL escaped, without quotes."""
        return str(self._driver.escape_string(text))

    # Its end

    def close(self) -> None:
        """Close it at once; what it was doing fails."""
        self.broken = True
        self._driver.close()

    def close_async(self) -> asyncio.Future[None]:
        """Take leave of the server, after what was asked for before, and close."""
        return done(None) if self.broken else self._take_leave()

    @started
    async def _take_leave(self) -> None:
        async with self._turn:
            try:
                if not self.broken:
                    await self._driver.ensure_closed()
            finally:
                self.close()

    ensure_closed = close_async

    async def __aenter__(self) -> Connection:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close_async()

    # For cursors

    @started
    async def _call(self, method: Callable[..., Awaitable[_T]], *args: Any) -> _T:
        return await self._run(lambda: method(*args))

    async def _run(self, talk: Callable[[], Awaitable[_T]]) -> _T:
        """Carry out ``talk`` when its turn has come; close if it leaves the state unknown."""
        async with self._turn:
            if not self.open:
                self.close()
                raise InterfaceError(0, "The connection is closed")
            try:
                return await talk()
            except MySQLError as error:
                if not _is_the_statements_fault(error):
                    self.close()
                raise
            except (OSError, EOFError) as error:
                self.close()
                text = f"Lost connection to the server during a query ({error})"
                raise OperationalError(_LOST_IN_A_QUERY, text) from error
            except BaseException:
                self.close()
                raise


def _is_the_statements_fault(error: BaseException) -> bool:
    """Whether an error is the server's plain answer to a statement."""
    number = error.args[0] if error.args else 0
    if not isinstance(number, int) or number in _FAREWELLS or number < 1000:
        return False
    return not _FIRST_OF_CLIENT <= number <= _LAST_OF_CLIENT


class connect:
    """Connect to a server: ``await connect(...)``, or ``async with connect(...) as connection``.

    The arguments, all by name: ``host``, ``port`` (3306), ``unix_socket``, ``user``, ``passwd``
    or ``password``, ``db`` or ``database``, ``charset`` (``utf8mb4``), ``sql_mode``,
    ``init_command``, ``connect_timeout`` (10 seconds), ``read_timeout`` (seconds; None: no end),
    ``autocommit`` (False), ``ssl`` (an `ssl.SSLContext` or a dictionary), ``conv`` (see
    `converters`), ``client_flag``, ``cursorclass`` (`Cursor`), ``read_default_file``,
    ``read_default_group``, ``local_infile`` (False) and the driver's others.

    Raises `OperationalError` if there is no server, or it refuses, and TypeError for an argument
    that there is not.  If it is cancelled, nothing stays open.
    """

    def __init__(
        self, *, cursorclass: type[Cursor] = Cursor, charset: str = "", **kwargs: Any
    ) -> None:
        for old, new in _RENAMED.items():
            if old in kwargs:
                kwargs[new] = kwargs.pop(old)
        for name in _IGNORED:
            kwargs.pop(name, None)
        self._cursorclass = cursorclass
        self._timeout = kwargs.pop("connect_timeout", CONNECT_TIMEOUT_SECONDS)
        self._driver = asyncmy.connection.Connection(charset=charset or DEFAULT_CHARSET, **kwargs)

    def __await__(self) -> Generator[Any, Any, Connection]:
        return self._connect().__await__()

    async def _connect(self) -> Connection:
        opening = asyncio.ensure_future(self._driver.connect())
        try:
            async with asyncio.timeout(self._timeout):
                await asyncio.shield(opening)
        except BaseException as error:
            await self._give_up(opening)
            if isinstance(error, TimeoutError):
                text = f"Can't connect to the server within {self._timeout} s"
                raise OperationalError(_CANNOT_CONNECT, text) from None
            raise
        return Connection(self._driver, self._cursorclass)

    async def _give_up(self, opening: asyncio.Future[Any]) -> None:
        # A cancellation can be lost on its way: `asyncio.wait_for` of Python 3.11, which the
        # driver uses, swallows one that comes just when it is done.
        for _ in range(_MOST_CANCELLATIONS):
            self._driver.close()
            if opening.done():
                break
            opening.cancel()
            await asyncio.sleep(0)
        if opening.done() and not opening.cancelled():
            opening.exception()

    async def __aenter__(self) -> Connection:
        self._connection = await self._connect()
        return self._connection

    async def __aexit__(self, *exc_info: object) -> None:
        await self._connection.close_async()
