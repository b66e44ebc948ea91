"""The table of the scenarios that are no requests (see `benchmarks.costs`), with their targets."""

from __future__ import annotations

from fractions import Fraction

from benchmarks.costs import (
    Case,
    CostScenario,
    measure_bulk,
    measure_client,
    measure_download,
    measure_openings,
    measure_operations,
    measure_pages,
    measure_upload,
    measure_websocket,
)
from benchmarks.scenarios import TORNADO_LIKE, Target

AS_CHEAP = Target(Fraction(1))
RECEIVE_TARGETS = (("tornado", AS_CHEAP), ("asyncio", AS_CHEAP))
SEND_TARGETS = (("tornado", Target(Fraction(3, 5))), ("asyncio", AS_CHEAP))
AWAIT_TARGETS = (("tornado", Target(Fraction(1, 2))),)
# Against nginx: no more than 5/4 of its CPU time, and 4/5 of its rate.
FILE_TARGETS = (("nginx", Target(Fraction(5, 4))),)
FILE_RATES = (("nginx", Target(Fraction(4, 5), is_least=True)),)
UPLOAD_TARGETS = (("tornado", Target(Fraction(2, 5))),)
CLIENT_TARGETS = (("tornado", Target(Fraction(1, 4))), ("aiohttp", AS_CHEAP))
LOCK_TARGETS = (("tornado", AS_CHEAP),)
MYSQL_TARGETS = (("aiomysql", AS_CHEAP),)
TEMPLATE_TARGETS = (("tornado", Target(Fraction(1, 2))), ("jinja2", AS_CHEAP))
# Of the WebSockets that are written in Python, ours are to be the cheapest.
ECHO_PEERS = (("websockets", AS_CHEAP), ("aiohttp", AS_CHEAP))
# What takes well under a microsecond is done more often: CPU time has to be seen.
CHEAP = 10

COST_SCENARIOS = (
    CostScenario(
        "bulk",
        "one connection that transfers as fast as it can",
        "MB",
        (*TORNADO_LIKE, "asyncio", "floor"),
        measure_bulk,
        (
            Case("receive, up to 64 KB", "receive", RECEIVE_TARGETS),
            Case("receive, exactly 64 KB", "receive-exactly", RECEIVE_TARGETS),
            Case("send 64 KB", "send-64k", SEND_TARGETS),
            Case("send 256 KB", "send-256k", SEND_TARGETS),
            Case("send 1 MB", "send-1m", SEND_TARGETS),
        ),
    ),
    CostScenario(
        "upload",
        "a PUT of 64 MB to a handler that streams",
        "MB",
        (*TORNADO_LIKE, "aiohttp"),
        measure_upload,
        (Case("upload", "upload", UPLOAD_TARGETS),),
    ),
    CostScenario(
        "download",
        "a GET of a static file of 10 MB, which stays in the kernel's memory",
        "MB",
        (*TORNADO_LIKE, "nginx"),
        measure_download,
        (Case("download", "static", FILE_TARGETS, rates=FILE_RATES),),
    ),
    CostScenario(
        "coroutines",
        "a decorated coroutine awaited, which waits or does not",
        "await",
        TORNADO_LIKE,
        measure_operations,
        (
            Case("async def, never waits", "coroutines.native_at_once", AWAIT_TARGETS),
            Case("async def, gen.moment", "coroutines.native_moment", AWAIT_TARGETS),
            Case("async def, sleep(0)", "coroutines.native_sleep", AWAIT_TARGETS),
            Case("decorated, never waits", "coroutines.decorated_at_once", AWAIT_TARGETS),
            Case("decorated, gen.moment", "coroutines.decorated_moment", AWAIT_TARGETS),
            Case("decorated, sleep(0)", "coroutines.decorated_sleep", AWAIT_TARGETS),
        ),
        modules=("gen",),
    ),
    CostScenario(
        "locks",
        "an item put and got, a lock acquired and released, an event set and waited for",
        "operation",
        (*TORNADO_LIKE, "asyncio"),
        measure_operations,
        (
            Case("queue, nowait", "locks.queue_nowait", LOCK_TARGETS, CHEAP),
            Case("queue, never waits", "locks.queue_ready", LOCK_TARGETS, CHEAP),
            Case("queue, every get waits", "locks.queue_waiting", LOCK_TARGETS),
            Case("queue, producer and consumer", "locks.queue_producer", LOCK_TARGETS),
            Case("lock, uncontended", "locks.lock_free", LOCK_TARGETS, CHEAP),
            Case("lock, 8 contenders", "locks.lock_contended", LOCK_TARGETS),
            Case("event, set already", "locks.event_set", LOCK_TARGETS, CHEAP),
            Case("event, every wait waits", "locks.event_waiting", LOCK_TARGETS),
        ),
        modules=("locks", "queues"),
    ),
    CostScenario(
        "client",
        "GETs of 13 bytes from nginx by a client, 32 at a time",
        "request",
        (*TORNADO_LIKE, "aiohttp"),
        measure_client,
        (Case("client", "client.fetch", CLIENT_TARGETS),),
        modules=("httpclient", "simple_httpclient"),
        needs="nginx",
        labels=(("tornado", "Tornado, simple client"), ("aiohttp", "aiohttp")),
    ),
    CostScenario(
        "template",
        "pages from templates that are loaded already, values escaped",
        "page",
        (*TORNADO_LIKE, "jinja2"),
        measure_pages,
        (
            Case("inheritance, include, 50 rows", "templates.page_of_rows", TEMPLATE_TARGETS),
            Case("one line", "templates.greeting", TEMPLATE_TARGETS, CHEAP),
        ),
        modules=("template",),
    ),
    CostScenario(
        "websocket",
        "messages echoed on each connection, and one message sent to many",
        "message",
        (*TORNADO_LIKE, "websockets", "aiohttp", "picows", "floor"),
        measure_websocket,
        (
            Case("echo 32 B", "echo.32", (("tornado", Target(Fraction(1, 5))), *ECHO_PEERS)),
            Case("echo 8 KB", "echo.8192", (("tornado", Target(Fraction(1, 3))), *ECHO_PEERS)),
            Case("echo 1 MB", f"echo.{2**20}", (("tornado", Target(Fraction(4, 5))),)),
            Case("1 KB to 1,000", "broadcast.1000", (("tornado", Target(Fraction(1, 8))),)),
        ),
        modules=("websocket",),
    ),
    CostScenario(
        "websocket-open",
        "WebSockets opened one after another, and then idle",
        "connection",
        (*TORNADO_LIKE, "websockets", "aiohttp", "picows"),
        measure_openings,
        (Case("open, then idle", "idle"),),
        modules=("websocket",),
    ),
    CostScenario(
        "mysql",
        "queries through a pool of 8 connections, from MariaDB on port 3306",
        "query",
        ("tornadic", "aiomysql", "asyncmy"),
        measure_pages,
        (
            Case("one row", "mysql.one_row", MYSQL_TARGETS),
            Case("100 rows", "mysql.many_rows", MYSQL_TARGETS),
        ),
        modules=("mysql",),
    ),
    CostScenario(
        "sessions",
        "requests with a session, in process, and sessions changed in a file",
        "request",
        ("tornadic",),
        measure_operations,
        (
            Case("hello, without sessions", "sessions.hello"),
            Case("hello, a store that is not asked", "sessions.unused"),
            Case("memory, read", "sessions.read"),
            Case("memory, read and changed", "sessions.write"),
            Case("SQLite, loaded and changed", "sessions.sqlite"),
        ),
        modules=("sessions",),
    ),
    CostScenario(
        "ring",
        "keys looked up on a hash ring",
        "key",
        ("tornadic",),
        measure_operations,
        (
            Case("3 nodes", "rings.few_nodes"),
            Case("300 nodes", "rings.many_nodes"),
            Case("a thousandth of joining 300 and leaving", "rings.join_and_leave"),
        ),
        modules=("hashring",),
    ),
)
