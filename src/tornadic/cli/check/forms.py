"""The old forms that ``tornadic check`` knows: data, and nothing but data.

Paths are those of Tornado without ``tornado.``.  A member of a class stands under the class that
has, or had, it; classes derived from that one are found by it, too.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

__all__ = [
    "ARGUMENTS",
    "ATTRIBUTES",
    "COROUTINE_CALLBACK",
    "LOOP_ARGUMENT",
    "LOOP_TAKERS",
    "MODULES",
    "NAMES",
    "OVERRIDES",
    "PARAMETERS",
    "PRIVATE_MEMBERS",
    "RETURNS",
    "TWO_IN_ONE_PLACE",
    "UNIQUE_METHODS",
    "Argument",
    "Form",
    "Level",
]


class Level(enum.Enum):
    """How much an old form matters; the worst first."""

    WILL_NOT_RUN = "will-not-run"
    MAY_NOT_RUN = "may-not-run"
    REMOVED = "removed"
    DEPRECATED = "deprecated"


@dataclass(frozen=True)
class Form:
    """An old form."""

    level: Level
    instead: str
    """What to write today, as half a sentence."""


@dataclass(frozen=True)
class Argument:
    """An argument that is gone, or should not be used any more."""

    keyword: str
    form: Form
    position: int | None = None
    """From which place on a function given without a keyword is this argument; None: never."""
    today: str = ""
    """The argument that has this place today: both at once is a TypeError."""


def _removed(instead: str) -> Form:
    return Form(Level.REMOVED, instead)


def _deprecated(instead: str) -> Form:
    return Form(Level.DEPRECATED, instead)


def _gone(instead: str) -> Form:
    return Form(Level.WILL_NOT_RUN, instead)


def _inside(instead: str) -> Form:
    return Form(Level.MAY_NOT_RUN, instead)


_AWAIT = "await the call"
_FUNCTION = "write `async def`, and await what it waits for"
_FUTURE = "use a Future, or await the function"
_NOTHING = "nothing is needed in its place: contexts follow by themselves (contextvars)"
_CURRENT = "use IOLoop.current()"
_NO_LOOP = "leave it out: the loop that is running is used"
_ASYNCIO_RUN = "use asyncio.run"
_LISTEN = "use listen() or add_sockets()"
_DEFAULT_RESOLVER = "the default Resolver does not block either"
_OWN_LOOP = "the loop is asyncio's on every system"

MODULES: Final[dict[str, Form]] = {
    "stack_context": _removed(_NOTHING),
    "database": _gone("use tornadic.mysql, or a driver for asyncio"),
    "platform.auto": _gone(_OWN_LOOP),
    "platform.common": _gone(_OWN_LOOP),
    "platform.epoll": _gone(_OWN_LOOP),
    "platform.interface": _gone(_OWN_LOOP),
    "platform.kqueue": _gone(_OWN_LOOP),
    "platform.posix": _gone(_OWN_LOOP),
    "platform.select": _gone(_OWN_LOOP),
    "platform.windows": _gone(_OWN_LOOP),
    "speedups": _gone("leave it out: nothing has to be asked for to be fast"),
    "win32_support": _gone(_OWN_LOOP),
    "epoll": _gone(_OWN_LOOP),
}
"""Modules that Tornado has no more."""

NAMES: Final[dict[str, Form]] = {
    # The style of callbacks
    "web.asynchronous": _removed(_FUNCTION),
    "gen.engine": _removed(_FUNCTION),
    "gen.Task": _removed("await the function, if it is a coroutine; else have it set a Future"),
    "gen.Callback": _removed(_FUTURE),
    "gen.Wait": _removed(_FUTURE),
    "gen.WaitAll": _removed("await gen.multi(...)"),
    "gen.Arguments": _removed(_FUTURE),
    "gen.YieldPoint": _removed("use a Future"),
    "gen.MultiYieldPoint": _gone("use gen.multi"),
    "gen.YieldFuture": _removed("yield or await the future itself"),
    "concurrent.return_future": _removed("write `async def`"),
    "concurrent.TracebackFuture": _removed("use concurrent.Future"),
    # The loop
    "ioloop.IOLoop.instance": _deprecated(_CURRENT),
    "ioloop.IOLoop.initialized": _gone("use IOLoop.current(instance=False) is not None"),
    "ioloop.IOLoop.install": _deprecated("use IOLoop.make_current()"),
    "ioloop.IOLoop.clear_instance": _deprecated("use IOLoop.clear_current()"),
    "ioloop.IOLoop.make_current": _deprecated(f"use asyncio.set_event_loop, or {_ASYNCIO_RUN}"),
    "ioloop.IOLoop.clear_current": _deprecated("use asyncio.set_event_loop(None)"),
    "ioloop.IOLoop.add_callback_from_signal": _deprecated(
        "use add_signal_handler of the asyncio loop"
    ),
    "ioloop.IOLoop.handle_callback_exception": _gone(
        "use set_exception_handler of the asyncio loop"
    ),
    "ioloop.IOLoop.set_blocking_signal_threshold": _gone(
        "use the asyncio loop's debug mode and slow_callback_duration"
    ),
    "ioloop.IOLoop.set_blocking_log_threshold": _gone(
        "use the asyncio loop's debug mode and slow_callback_duration"
    ),
    "ioloop.IOLoop.log_stack": _gone(
        "use the asyncio loop's debug mode and slow_callback_duration"
    ),
    "ioloop.PollIOLoop": _gone(_OWN_LOOP),
    "platform.asyncio.AsyncIOMainLoop": _deprecated("IOLoop.current() is asyncio's loop already"),
    "platform.asyncio.to_tornado_future": _deprecated("leave it out: futures are asyncio's"),
    "platform.asyncio.to_asyncio_future": _deprecated("leave it out, or use gen.convert_yielded"),
    "platform.asyncio.AnyThreadEventLoopPolicy": _deprecated(
        f"{_ASYNCIO_RUN} in the thread, or asyncio.set_event_loop"
    ),
    "platform.twisted.TornadoReactor": _gone("use twisted.internet.asyncioreactor"),
    "platform.twisted.TwistedIOLoop": _gone("use twisted.internet.asyncioreactor"),
    "platform.twisted.TwistedResolver": _gone(_DEFAULT_RESOLVER),
    "gen.maybe_future": _deprecated("await what can be awaited, and take anything else as it is"),
    "gen.multi_future": _deprecated("use gen.multi"),
    "gen.moment": _deprecated("yield None, or await asyncio.sleep(0)"),
    # HTTP
    "web.RequestHandler.async_callback": _removed("leave it out: exceptions find their handler"),
    "web.ChunkedTransferEncoding": _gone("leave it out: the connection frames bodies itself"),
    "httpserver.HTTPRequest": _deprecated("use httputil.HTTPServerRequest"),
    "httputil.HTTPServerRequest.write": _removed(
        "use request.connection.write_headers and request.connection.write"
    ),
    "httputil.HTTPServerRequest.finish": _removed("use request.connection.finish"),
    "httputil.HTTPServerRequest.supports_http_1_1": _gone(
        'compare request.version with "HTTP/1.1"'
    ),
    "wsgi.WSGIApplication": _removed("serve the Application itself, by listen()"),
    "wsgi.WSGIAdapter": _removed("serve the Application itself, by listen()"),
    "wsgi.HTTPRequest": _gone("use httputil.HTTPServerRequest"),
    "websocket.WebSocketHandler.allow_draft76": _gone("leave it out: no browser speaks draft 76"),
    "websocket.WebSocketHandler.get_websocket_scheme": _gone("look at self.request.protocol"),
    "websocket.WebSocketHandler.stream": _gone("use self.ws_connection, or set_nodelay()"),
    "websocket.WebSocketProtocol76": _gone("leave it out: no browser speaks draft 76"),
    # Networking
    "netutil.TCPServer": _gone("use tcpserver.TCPServer"),
    "netutil.BlockingResolver": _deprecated(_DEFAULT_RESOLVER),
    "netutil.ThreadedResolver": _deprecated(_DEFAULT_RESOLVER),
    "netutil.DefaultExecutorResolver": _deprecated(_DEFAULT_RESOLVER),
    "netutil.ExecutorResolver": _deprecated(_DEFAULT_RESOLVER),
    "platform.caresresolver.CaresResolver": _deprecated(_DEFAULT_RESOLVER),
    "tcpserver.TCPServer.bind": _deprecated(_LISTEN),
    "tcpserver.TCPServer.start": _deprecated(_LISTEN),
    # Signing in
    "auth.GoogleMixin": _gone("use auth.GoogleOAuth2Mixin"),
    "auth.FacebookMixin": _gone("use auth.FacebookGraphMixin"),
    "auth.FriendFeedMixin": _gone("leave it out: the service has ended"),
    "auth.TwitterMixin": _deprecated("use auth.OAuth2Mixin with version 2 of Twitter's API"),
    "auth.OpenIdMixin": _deprecated("use auth.OAuth2Mixin with a provider of OpenID Connect"),
    # Tests
    "testing.get_unused_port": _removed("use testing.bind_unused_port, and keep its socket"),
    "testing.LogTrapTestCase": _removed("use testing.ExpectLog, or assertLogs"),
    # Python 2
    "util.b": _gone('write b"..."'),
    "util.u": _gone('write "..."'),
    "options.enable_pretty_logging": _gone("use log.enable_pretty_logging"),
    "wsgi.to_wsgi_str": _gone('use .decode("latin1")'),
    "wsgi.from_wsgi_str": _gone('use .encode("latin1")'),
    "web.is_absolute": _gone('use path.startswith(("/", "http:", "https:"))'),
}
"""Names, and members of classes, that are gone or should not be used any more.

What is said here to be gone altogether counts as removed only if Tornadic turns out to have it.
"""

OVERRIDES: Final[dict[str, Form]] = {
    "web.RequestHandler.get_error_html": _removed(
        "define write_error(self, status_code, **kwargs)"
    ),
    "web.RequestHandler.async_callback": _removed("leave it out: exceptions find their handler"),
    "web.RequestHandler._execute": _inside("define prepare(), or use middleware"),
    "web.RequestHandler._log": _inside("use the setting log_function"),
}
"""Methods that classes define for Tornado to call, which it does no more, or never promised to."""


PRIVATE_MEMBERS: Final = frozenset(
    {
        "_clear_headers_for_304",
        "_execute",
        "_initialize",
        "_load_ui_methods",
        "_load_ui_modules",
        "_log",
        "_on_close_called",
        "_prepared_future",
        "_should_not_send_content",
        "_stack_context_handle_exception",
        "_ui_method",
        "_ui_module",
    }
)
"""Private names that a class derived from one of Tornado's may take from there."""


def _callback(position: int | None, today: str = "") -> Argument:
    return Argument("callback", _removed(_AWAIT), position, today)


_STREAMING = Argument("streaming_callback", _removed("read in a loop, with partial=True"))
_AUTH = (_callback(0),)

ARGUMENTS: Final[dict[str, tuple[Argument, ...]]] = {
    "httpclient.AsyncHTTPClient.fetch": (_callback(1, "raise_error"),),
    "web.RequestHandler.flush": (_callback(0),),
    "iostream.BaseIOStream.read_until": (_callback(1, "max_bytes"),),
    "iostream.BaseIOStream.read_until_regex": (_callback(1, "max_bytes"),),
    "iostream.BaseIOStream.read_bytes": (_callback(1, "partial"), _STREAMING),
    "iostream.BaseIOStream.read_into": (_callback(1, "partial"),),
    "iostream.BaseIOStream.read_until_close": (_callback(0), _STREAMING),
    "iostream.BaseIOStream.write": (_callback(1),),
    "iostream.IOStream.connect": (_callback(1),),
    "iostream.SSLIOStream.wait_for_handshake": (_callback(0),),
    "http1connection.HTTP1Connection.write_headers": (_callback(2),),
    "http1connection.HTTP1Connection.write": (_callback(1),),
    "netutil.Resolver.resolve": (_callback(3),),
    "tcpclient.TCPClient.connect": (_callback(None),),
    "websocket.websocket_connect": (Argument("callback", _deprecated(_AWAIT), 1),),
    "websocket.WebSocketClientConnection.read_message": (_callback(0),),
    "auth.OpenIdMixin.authenticate_redirect": (_callback(None),),
    "auth.OpenIdMixin.get_authenticated_user": _AUTH,
    "auth.OAuthMixin.authorize_redirect": (_callback(2),),
    "auth.OAuthMixin.get_authenticated_user": _AUTH,
    "auth.OAuth2Mixin.authorize_redirect": (
        _callback(None),
        Argument("client_secret", _deprecated("leave it out: it has no effect")),
    ),
    "auth.OAuth2Mixin.oauth2_request": (_callback(1),),
    "auth.TwitterMixin.authenticate_redirect": (_callback(None),),
    "auth.TwitterMixin.twitter_request": (_callback(1),),
    "auth.GoogleOAuth2Mixin.get_authenticated_user": (_callback(2),),
    "auth.FacebookGraphMixin.get_authenticated_user": (_callback(4),),
    "auth.FacebookGraphMixin.facebook_request": (_callback(1),),
    "httpclient.HTTPRequest": (Argument("use_gzip", _deprecated("write decompress_response=")),),
    "template.Template": (
        Argument("compress_whitespace", _deprecated('write whitespace="single" or "all"')),
    ),
    "concurrent.run_on_executor": (Argument("callback", _deprecated(_AWAIT)),),
}
"""Arguments by the function or method that had them; a class stands for its constructor."""

LOOP_ARGUMENT: Final = Argument("io_loop", _removed(_NO_LOOP))
"""What everything of Tornado's once took."""

TWO_IN_ONE_PLACE: Final = _gone("give the callback by its name, or await the call")
"""A callback without a name, and by its name the argument that is in its place today."""

COROUTINE_CALLBACK: Final = _removed(_AWAIT)
"""A callback given to a function that gen.coroutine has made."""

UNIQUE_METHODS: Final = {
    "read_until": "iostream.BaseIOStream.read_until",
    "read_until_regex": "iostream.BaseIOStream.read_until_regex",
    "read_bytes": "iostream.BaseIOStream.read_bytes",
    "read_until_close": "iostream.BaseIOStream.read_until_close",
    "fetch": "httpclient.AsyncHTTPClient.fetch",
}
"""Methods whose name together with `callback=` tells the class, where nothing else does."""

RETURNS: Final = {
    "ioloop.IOLoop.current": "ioloop.IOLoop",
    "ioloop.IOLoop.instance": "ioloop.IOLoop",
    "web.Application.listen": "httpserver.HTTPServer",
}
"""Of what class that is which a function returns."""

ATTRIBUTES: Final = {
    "web.RequestHandler.request": "httputil.HTTPServerRequest",
    "web.RequestHandler.application": "web.Application",
    "httputil.HTTPServerRequest.connection": "http1connection.HTTP1Connection",
    "http1connection.HTTP1Connection.stream": "iostream.IOStream",
    "testing.AsyncTestCase.io_loop": "ioloop.IOLoop",
    "testing.AsyncHTTPTestCase.http_client": "httpclient.AsyncHTTPClient",
    "process.Subprocess.stdin": "iostream.PipeIOStream",
    "process.Subprocess.stdout": "iostream.PipeIOStream",
    "process.Subprocess.stderr": "iostream.PipeIOStream",
}
"""Of what class an attribute is."""

PARAMETERS: Final = {"handle_stream": (1, "iostream.IOStream")}
"""Of what class is what a method is called with, by its place; 0 is the object itself."""

LOOP_TAKERS: Final = frozenset(
    {
        "AsyncHTTPClient",
        "HTTPServer",
        "IOStream",
        "PeriodicCallback",
        "PipeIOStream",
        "SSLIOStream",
        "Subprocess",
        "TCPClient",
        "TCPServer",
        "add_accept_handler",
        "start",
        "wait",
        "websocket_connect",
    }
)
"""What took a loop without a keyword, too."""
