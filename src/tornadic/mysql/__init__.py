"""MySQL and MariaDB without blocking the loop; needs the extra ``mysql``.

The API is that of Tornado-MySQL, so that ``import tornadic.mysql as tornado_mysql`` is all that
changes (under ``tornadic run`` not even that), and ``async with`` forms beside it::

    POOL = pools.Pool(dict(host="127.0.0.1", user="root", passwd="", db="test"))

    cursor = await POOL.execute("SELECT name FROM user WHERE id = %s", (1,))
    row = cursor.fetchone()

    async with POOL.begin() as transaction:
        await transaction.execute("UPDATE account SET sum = sum - 1 WHERE id = %s", (1,))

The protocol is spoken by the driver asyncmy.  What is here: `connect` and `Connection` (one
statement at a time, in the order in which they were asked for), cursors whose rows are there as
soon as `execute` is done, and `pools`.
"""

from typing import Final

from tornadic.mysql import connections, constants, converters, cursors, err, pools
from tornadic.mysql.connections import Connection, connect
from tornadic.mysql.err import (
    DatabaseError,
    DataError,
    Error,
    IntegrityError,
    InterfaceError,
    InternalError,
    MySQLError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    Warning,
)

__all__ = [
    "Connect",
    "Connection",
    "DataError",
    "DatabaseError",
    "Error",
    "IntegrityError",
    "InterfaceError",
    "InternalError",
    "MySQLError",
    "NotSupportedError",
    "OperationalError",
    "ProgrammingError",
    "Warning",
    "apilevel",
    "connect",
    "connections",
    "constants",
    "converters",
    "cursors",
    "err",
    "paramstyle",
    "pools",
    "threadsafety",
]

# PEP 249.
apilevel: Final = "2.0"
paramstyle: Final = "pyformat"
threadsafety: Final = 0

Connect = connect
