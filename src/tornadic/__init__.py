"""Tornadic: Tornado's API on a new engine, in pure Python.

``tornadic.X`` is what ``tornado.X`` is to a Tornado program: ``from tornadic.web import
Application, RequestHandler``.  The modules in ``__all__`` load on first use as attributes:
``import tornadic; tornadic.web.Application`` will do.

``version`` and ``version_info`` say which Tornado's API this is, since that is what a program
asks that looks at ``tornado.version_info >= (6, 1)``: four numbers, the last of which is 0 for a
release.  Tornadic's own version is ``__version__``.
"""

from importlib import import_module as _import_module
from types import ModuleType as _ModuleType
from typing import TYPE_CHECKING as _TYPE_CHECKING

if _TYPE_CHECKING:
    from tornadic import (
        auth,
        autoreload,
        channels,
        compat,
        concurrent,
        curl_httpclient,
        escape,
        eventsource,
        forms,
        gen,
        hashring,
        http1connection,
        httpclient,
        httpserver,
        httputil,
        ioloop,
        iostream,
        locale,
        locks,
        log,
        middleware,
        mysql,
        netutil,
        options,
        platform,
        queues,
        routing,
        sessions,
        simple_httpclient,
        tcpclient,
        tcpserver,
        template,
        testing,
        util,
        web,
        websocket,
        wsgi,
    )

__version__ = "0.1.0"

version = "6.6.1"
version_info = (6, 6, 1, 0)

__all__ = [
    "auth",
    "autoreload",
    "channels",
    "compat",
    "concurrent",
    "curl_httpclient",
    "escape",
    "eventsource",
    "forms",
    "gen",
    "hashring",
    "http1connection",
    "httpclient",
    "httpserver",
    "httputil",
    "ioloop",
    "iostream",
    "locale",
    "locks",
    "log",
    "middleware",
    "mysql",
    "netutil",
    "options",
    "platform",
    "process",
    "queues",
    "routing",
    "sessions",
    "simple_httpclient",
    "tcpclient",
    "tcpserver",
    "template",
    "testing",
    "util",
    "web",
    "websocket",
    "wsgi",
]


def __getattr__(name: str) -> _ModuleType:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return _import_module(f"{__name__}.{name}")
    except ModuleNotFoundError as error:
        # An optional dependency is missing.  As an AttributeError it stops no one who looks at
        # all of dir(), such as help(); importing the module by its name says the same in full.
        raise AttributeError(f"module {__name__!r} has no {name!r} here: {error}") from error


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
