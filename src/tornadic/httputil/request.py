"""The request as a handler sees it.

What the head says outright is set when the request is made.  Everything that takes work, such
as arguments, cookies and files, is made when somebody asks for it and kept.
"""

from __future__ import annotations

import http.cookies
import ssl
import time
import warnings
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar, overload

from tornadic import _legacy
from tornadic.http.cookies import parse_cookie
from tornadic.http.errors import HTTPInputError
from tornadic.http.forms import HTTPFile, parse_body_arguments
from tornadic.http.headers import HTTPHeaders
from tornadic.http.interfaces import HTTPConnection
from tornadic.http.startlines import RequestStartLine
from tornadic.http.urls import MAX_QUERY_FIELDS, parse_query, split_host_and_port

__all__ = ["HTTPServerRequest"]

_T = TypeVar("_T")


class _lazy(Generic[_T]):
    """An attribute that is computed when it is first read, and can be assigned.

    `functools.cached_property` does the same, and takes a lock for it before Python 3.12.
    """

    def __init__(self, compute: Callable[[Any], _T]) -> None:
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> _lazy[_T]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> _T: ...
    def __get__(self, instance: object | None, owner: type) -> _lazy[_T] | _T:
        if instance is None:
            return self
        value: _T = self._compute(instance)
        instance.__dict__[self._name] = value
        return value


class HTTPServerRequest:
    """One HTTP request.

    ``method``, ``uri`` (the target as sent) and ``version`` come from ``start_line``; ``path``
    and ``query`` are the parts of the target; ``headers`` an `HTTPHeaders`; ``body`` bytes.
    ``remote_ip`` and ``protocol`` ("http" or "https") come from ``connection.context``.

    ``connection`` is where the response is written; a handler need not know.  ``method``,
    ``uri`` and ``version`` as arguments are deprecated; pass ``start_line``.

    The constructor raises `HTTPInputError` for a query of too many fields.
    """

    body: bytes = b""
    remote_ip: Any = None
    protocol: str = "http"
    _finish_time: float | None = None
    # Who takes the request, while it is being found out who answers it.
    _delegate: Any = None

    def __init__(
        self,
        method: str | None = None,
        uri: str | None = None,
        version: str = "HTTP/1.0",
        headers: HTTPHeaders | None = None,
        body: bytes | None = None,
        host: str | None = None,
        files: dict[str, list[HTTPFile]] | None = None,
        connection: HTTPConnection | None = None,
        start_line: RequestStartLine | None = None,
        server_connection: object | None = None,
    ) -> None:
        if start_line is None:
            start_line = _start_line_of(method, uri, version)
        if headers is None:
            headers = HTTPHeaders()
        self.receive(start_line, headers, connection, server_connection)
        if self.query.count("&") >= MAX_QUERY_FIELDS:
            parse_query(self.query)  # too many, as there may be empty ones among them
        if body:
            self.body = body
        if host is not None:
            self.host = host
        if files is not None:
            self.files = files

    def receive(
        self,
        start_line: RequestStartLine,
        headers: HTTPHeaders,
        connection: HTTPConnection | None,
        server_connection: object,
    ) -> None:
        """Take the head of the request: what the constructor does, for a request made bare."""
        self.method, target, self.version = start_line
        self.uri = target
        self.headers = headers
        self.connection = connection
        self.server_connection = server_connection
        try:
            context = connection.context  # type: ignore[union-attr]
            self.remote_ip = context.remote_ip
            self.protocol = context.protocol
        except AttributeError:
            pass  # a connection of another make, or none at all
        self._start_time = time.time()
        if target[:1] != "/":
            host, target = _split_target(target)
            if host is not None:
                self.host = host
        self.path, _, self.query = target.partition("?")

    @_lazy
    def host(self) -> str:
        """The host and port that the client asked for, as it named them."""
        named: str | None = self.headers.get("Host")
        return named or "127.0.0.1"

    @_lazy
    def host_name(self) -> str:
        """`host` without the port, in lower case."""
        return split_host_and_port(self.host.lower())[0]

    @_lazy
    def query_arguments(self) -> dict[str, list[bytes]]:
        """The arguments in the query, a list of values for each name.

        Raises `HTTPInputError` if there are too many.
        """
        return parse_query(self.query)

    @_lazy
    def body_arguments(self) -> dict[str, list[bytes]]:
        """The arguments in the body, if that is a form.

        Raises `HTTPInputError` if the form is malformed or too large.
        """
        self._parse_body()
        arguments: dict[str, list[bytes]] = self.__dict__["body_arguments"]
        return arguments

    @_lazy
    def files(self) -> dict[str, list[HTTPFile]]:
        """The files in the body, if that is a form with files; errors as `body_arguments`."""
        self._parse_body()
        files: dict[str, list[HTTPFile]] = self.__dict__["files"]
        return files

    @_lazy
    def arguments(self) -> dict[str, list[bytes]]:
        """The arguments of query and body together, those of the query first."""
        query, body = self.query_arguments, self.body_arguments
        if not query or not body:
            return {name: values[:] for name, values in (query or body).items()}
        merged = {name: values[:] for name, values in query.items()}
        for name, values in body.items():
            merged.setdefault(name, []).extend(values)
        return merged

    def _parse_body(self) -> None:
        """Parse the body as a form, once."""
        arguments: dict[str, list[bytes]] = {}
        files: dict[str, list[HTTPFile]] = {}
        content_type = self.headers.get("Content-Type", "")
        if content_type:
            parse_body_arguments(content_type, self.body, arguments, files, self.headers)
        self.__dict__.setdefault("body_arguments", arguments)
        self.__dict__.setdefault("files", files)

    @_lazy
    def cookies(self) -> http.cookies.SimpleCookie:
        """The cookies, as `http.cookies.Morsel` objects by their name."""
        cookies = http.cookies.SimpleCookie()
        for name, value in self.cookie_values.items():
            try:
                cookies[name] = value
            except http.cookies.CookieError:
                pass  # a name that only browsers take
        return cookies

    @_lazy
    def cookie_values(self) -> dict[str, str]:
        """The values of the cookies by their name, without the morsels."""
        header = self.headers.peek("Cookie")
        return parse_cookie(header) if header else {}

    def full_url(self) -> str:
        """The URL of this request, put together again."""
        if self.uri[:1] in ("/", ""):
            return f"{self.protocol}://{self.host}{self.uri}"
        return self.uri

    def write(
        self, chunk: str | bytes, callback: Callable[[], Any] | None = None
    ) -> Awaitable[None] | None:
        """Write a piece of the response, whose head is part of what is written.  Of old programs.

        ``callback`` is called when the piece has gone out.
        """
        return _legacy.room("requests").write(self, chunk, callback)  # type: ignore[no-any-return]

    def finish(self) -> None:
        """The response that was written by `write` is complete.  Of old programs."""
        _legacy.room("requests").finish(self)

    def supports_http_1_1(self) -> bool:
        """Whether the client speaks HTTP/1.1.  Of old programs: see ``version``."""
        supports: bool = _legacy.room("requests").supports_http_1_1(self)
        return supports

    def connection_is_closed(self) -> bool:
        """Whether the client has gone, as far as that is known."""
        stream = getattr(self.connection, "stream", None)
        return stream is not None and bool(stream.closed())

    def request_time(self) -> float:
        """Seconds that the request took, or has taken so far."""
        end = self._finish_time
        return (time.time() if end is None else end) - self._start_time

    def get_ssl_certificate(self, binary_form: bool = False) -> dict[str, Any] | bytes | None:
        """The client's certificate, if TLS is on and the server asked for one; else None.

        ``binary_form``: as DER bytes instead of a dictionary (see `ssl.SSLSocket.getpeercert`).
        """
        stream = getattr(self.connection, "stream", None)
        sock = getattr(stream, "socket", None)
        if not isinstance(sock, ssl.SSLSocket):
            return None
        try:
            return sock.getpeercert(binary_form=binary_form)
        except ssl.SSLError:
            return None

    def __repr__(self) -> str:
        names = ("protocol", "host", "method", "uri", "version", "remote_ip")
        shown = ", ".join([f"{name}={getattr(self, name)!r}" for name in names])
        return f"{type(self).__name__}({shown})"


def _start_line_of(method: str | None, uri: str | None, version: str) -> RequestStartLine:
    warnings.warn(
        "HTTPServerRequest without start_line is deprecated", DeprecationWarning, stacklevel=3
    )
    if method is None or uri is None:
        raise TypeError("HTTPServerRequest needs a start_line")
    return RequestStartLine(method, uri, version)


def _split_target(target: str) -> tuple[str | None, str]:
    """The host, if it is named, and the path of a target in another form than the usual.

    In the absolute form the target names the host, and the ``Host`` field does not count
    (RFC 9112 section 3.2.2).
    """
    scheme, separator, rest = target.partition("://")
    if not separator or scheme.lower() not in ("http", "https"):
        return None, target
    slash = min([i for i in (rest.find("/"), rest.find("?")) if i >= 0], default=len(rest))
    if not slash:
        raise HTTPInputError("Target without a host")
    path = rest[slash:]
    return rest[:slash], path if path[:1] == "/" else "/" + path
