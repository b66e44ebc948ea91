"""What Tornado had in versions 1 to 5 and has removed, for the programs that still use it.

Reached by the hooks in `tornadic._legacy` only, and loaded when a program first needs it.  Each
form does what it did in the last version of Tornado that had it, and warns.
"""

from __future__ import annotations

from typing import Final

__all__ = ["MODULES", "NAMES"]

_CALLBACKS = "write async def, and await what returns a future"
_SERVE = "serve the Application by an HTTPServer"
_KEYS = "await the futures themselves, or gen.multi of several"

NAMES: Final[dict[str, dict[str, tuple[str, str]]]] = {
    "concurrent": {
        "raise_exc_info": ("moved", "raise the exception itself"),
        "TracebackFuture": ("futures", "write Future"),
        "return_future": ("futures", _CALLBACKS),
    },
    "gen": {
        "Arguments": ("coroutines", _CALLBACKS),
        "Callback": ("coroutines", _KEYS),
        "MultiYieldPoint": ("coroutines", "yield a list, or await gen.multi"),
        "Task": ("coroutines", _CALLBACKS),
        "Wait": ("coroutines", _KEYS),
        "WaitAll": ("coroutines", _KEYS),
        "TracebackFuture": ("futures", "write Future"),
        "YieldFuture": ("coroutines", "yield or await the future"),
        "YieldPoint": ("coroutines", "write a class with __await__"),
        "engine": ("coroutines", _CALLBACKS),
        "return_future": ("futures", _CALLBACKS),
    },
    "httpserver": {"HTTPConnection": ("requests", "leave connections to HTTPServer")},
    "netutil": {"TCPServer": ("moved", "import it from tornado.tcpserver")},
    "options": {"enable_pretty_logging": ("moved", "import it from tornado.log")},
    "testing": {
        "LogTrapTestCase": ("testcases", "leave it to the test runner, which keeps what is logged"),
        "get_unused_port": ("testcases", "use bind_unused_port, which nobody else can take"),
    },
    "util": {
        "PY3": ("moved", "there is no other"),
        "b": ("moved", 'write b"..."'),
        "u": ("moved", 'write "..."'),
    },
    "web": {"asynchronous": ("handlers", _CALLBACKS)},
    "wsgi": {
        "HTTPRequest": ("wsgi", _SERVE),
        "WSGIAdapter": ("wsgi", _SERVE),
        "WSGIApplication": ("wsgi", _SERVE),
    },
}
"""The names that are gone: module, name, then the room here that has it and what to write today."""

MODULES: Final[dict[str, tuple[str, str]]] = {
    "stack_context": ("contexts", "use contextvars, and try around what a coroutine awaits"),
}
"""The modules that are gone: the room here that is in their place, and what to write today."""
