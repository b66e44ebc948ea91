"""The HTTP client on libcurl, by ``pycurl`` (the extra ``curl``).

libcurl does the work; what is here says what is wanted, watches its sockets and its timer, and
takes what it gives.  libcurl may not be called while it calls us: what it gives is noted, and the
program's callbacks run from the loop, in order and in the context of whoever asked.

A handle is put back to its defaults before each request, so that none inherits from another.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import io
import logging
import re
import time
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any, Final

from tornadic import __version__, gen
from tornadic.http.errors import HTTPInputError
from tornadic.http.headers import TOKEN, HTTPHeaders
from tornadic.http.urls import encode_username_password
from tornadic.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest, HTTPResponse
from tornadic.httpclient.request import _RequestProxy
from tornadic.httpclient.urls import split_url
from tornadic.ioloop import IOLoop
from tornadic.log import app_log

__all__ = ["CurlAsyncHTTPClient", "CurlError"]

# Optional, and without types.
pycurl: Any = importlib.import_module("pycurl")

curl_log = logging.getLogger("tornado.curl_httpclient")

MAX_UNDELIVERED: Final = 1048576
"""Bytes that wait for a ``streaming_callback``; then libcurl pauses."""

_WITH_BODY: Final = frozenset(["PATCH", "POST", "PUT"])
_METHODS: Final = _WITH_BODY | {"DELETE", "GET", "HEAD", "OPTIONS"}
_PROTOCOLS: Final = "http,https"
_STATUS_LINE = re.compile(r"HTTP/[0-9.]+ ([0-9]{3})(?: (.*))?")

# Names of HTTPResponse.time_info, and what libcurl calls them.
_TIMES: Final = {
    name: getattr(pycurl, f"{name.upper()}_TIME")
    for name in (
        *("namelookup", "connect", "appconnect", "pretransfer"),
        *("starttransfer", "total", "redirect"),
    )
}


class CurlError(HTTPClientError):
    """What libcurl could not do; ``errno`` is its code, ``message`` its reason."""

    def __init__(self, errno: int, message: str) -> None:
        super().__init__(599, message)
        self.errno = errno


class _Transfer:
    """A request on its way, and what has come of it.

    ``max_buffer_size``: bytes that may wait for a ``streaming_callback``; then libcurl pauses.
    """

    max_buffer_size = MAX_UNDELIVERED

    def __init__(
        self,
        client: CurlAsyncHTTPClient,
        request: _RequestProxy,
        callback: Callable[[HTTPResponse], None],
    ) -> None:
        self._client = client
        self.request = request
        self.callback: Callable[[HTTPResponse], None] | None = callback
        self.context: Context = copy_context()
        self.curl: Any = None
        self.queued_at = client.io_loop.asyncio_loop.time()
        self.began_at = 0.0
        self.began = 0.0
        self.headers = HTTPHeaders()
        self.reason: str | None = None
        self.body = io.BytesIO()
        self.error: str | None = None
        self._size = 0
        # Calls of the program's callbacks that are due, and how much the pieces among them are.
        self._due: deque[tuple[Callable[[Any], Any], Any]] = deque()
        self._undelivered = 0
        self._is_scheduled = False
        self._is_paused = False

    # Called by libcurl

    def take_header(self, raw: bytes) -> int | None:
        """Take one line of a head; other than None ends the transfer."""
        line = raw.decode("latin-1")
        callback = self.request.header_callback
        if callback is not None:
            self._schedule(callback, line)
        try:
            if line.startswith("HTTP/"):
                # Another head, behind a redirect or an informational response.
                self.headers.clear()
                match = _STATUS_LINE.fullmatch(line.strip())
                self.reason = match[2] if match is not None else None
            else:
                self.headers.parse_line(line)
        except HTTPInputError as e:
            self.error = f"malformed header: {e}"
            return -1
        return None

    def take_body(self, piece: bytes) -> int:
        """Take a piece of the body; a number other than its length ends or pauses it."""
        callback = self.request.streaming_callback
        if callback is not None and self._undelivered > self.max_buffer_size:
            self._is_paused = True
            paused: int = pycurl.WRITEFUNC_PAUSE
            return paused
        self._size += len(piece)
        if self._size > self._client.max_body_size:
            self.error = f"body exceeded max_body_size of {self._client.max_body_size} bytes"
            return -1
        if callback is None:
            return self.body.write(piece)
        self._undelivered += len(piece)
        self._schedule(callback, piece)
        return len(piece)

    # Called by the loop

    def _schedule(self, callback: Callable[[Any], Any], argument: Any) -> None:
        self._due.append((callback, argument))
        if not self._is_scheduled:
            self._is_scheduled = True
            loop = self._client.io_loop.asyncio_loop
            loop.call_soon(self.deliver, context=self.context)

    def deliver(self) -> None:
        """Call the callbacks that are due."""
        self._is_scheduled = False
        while self._due and self.callback is not None:
            callback, argument = self._due.popleft()
            if isinstance(argument, bytes):
                self._undelivered -= len(argument)
            try:
                callback(argument)
            except Exception:
                self._client.handle_callback_exception(callback)
        if self._is_paused and self.curl is not None:
            self._is_paused = False
            try:
                self.curl.pause(pycurl.PAUSE_CONT)
            except pycurl.error:
                pass  # it tells so again when the transfer ends
            # In no context, for at the end of the transfer this one is entered.
            self._client._loop.call_soon(self._client._nudge, context=Context())


class CurlAsyncHTTPClient(AsyncHTTPClient):
    """The HTTP client on libcurl.

    ``max_clients``: fetches at the same time (10).  ``defaults``: attributes of `.HTTPRequest`
    for requests that do not have them.  ``max_body_size``: of a response, in bytes, decompressed
    too (100 MB).
    """

    def _set_up(
        self,
        max_clients: int = 10,
        defaults: dict[str, Any] | None = None,
        max_body_size: int = 104857600,
    ) -> None:
        super().initialize(defaults=defaults)
        self.max_clients = max_clients
        self.max_body_size = max_body_size
        self._loop = self.io_loop.asyncio_loop
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._set_timer)
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch_socket)
        self._timer: asyncio.Handle | None = None
        self._watched: set[int] = set()
        self._free: list[Any] = []
        self._queue: deque[_Transfer] = deque()
        self._active: dict[Any, _Transfer] = {}
        self._is_filling = False
        self._is_collecting = False

    initialize: Callable[..., None] = _set_up

    def close(self) -> None:
        """Free what the client holds; what is being fetched fails."""
        if self._closed:
            return
        super().close()
        failing = [*self._active.values(), *self._queue]
        self._queue.clear()
        for transfer in failing:
            self._end(transfer, CurlError(pycurl.E_ABORTED_BY_CALLBACK, "The client was closed"))
        for curl in self._free:
            curl.close()
        self._free.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._multi.close()
        for fd in list(self._watched):
            self._unwatch(fd)

    def fetch_impl(
        self, request: HTTPRequest | _RequestProxy, callback: Callable[[HTTPResponse], None]
    ) -> None:
        if not isinstance(request, _RequestProxy):
            request = _RequestProxy(request, self.defaults)
        transfer = _Transfer(self, request, callback)
        future = getattr(callback, "future", None)
        if future is not None:
            future.on_cancel = lambda: self._give_up(transfer)
        self._queue.append(transfer)
        self._fill()

    def handle_callback_exception(self, callback: Any) -> None:
        """Log the exception that is being handled; ``callback``, the program's, raised it."""
        app_log.error("Exception in callback %r", callback, exc_info=True)

    # Transfers

    def _fill(self) -> None:
        """Begin what waits, as far as there is room."""
        if self._is_filling:
            return
        self._is_filling = True
        try:
            while self._queue and len(self._active) < self.max_clients:
                transfer = self._queue.popleft()
                if transfer.callback is not None:
                    self._begin(transfer)
        finally:
            self._is_filling = False

    def _begin(self, transfer: _Transfer) -> None:
        transfer.began = self._loop.time()
        transfer.began_at = time.time()
        curl = self._free.pop() if self._free else pycurl.Curl()
        curl.reset()
        try:
            _set_options(curl, transfer)
            self._multi.add_handle(curl)
        except Exception as e:
            curl.reset()
            self._free.append(curl)
            self._deliver(transfer, _failed(transfer, e, self._loop.time()))
            return
        transfer.curl = curl
        self._active[curl] = transfer

    def _end(self, transfer: _Transfer, error: CurlError | None) -> None:
        """Take ``transfer``, which is over, off libcurl, and hand over what came of it."""
        curl = transfer.curl
        if curl is None:
            self._deliver(transfer, _failed(transfer, error, self._loop.time()))
            return
        response = _response_of(curl, transfer, error, self._loop.time())
        self._multi.remove_handle(curl)
        del self._active[curl]
        transfer.curl = None
        transfer.context.run(transfer.deliver)
        if self._closed:
            curl.close()
        else:
            curl.reset()  # it holds on to nothing of the request
            self._free.append(curl)
        self._deliver(transfer, response)

    def _deliver(self, transfer: _Transfer, response: HTTPResponse) -> None:
        callback, transfer.callback = transfer.callback, None
        if callback is not None:
            try:
                callback(response)
            except Exception:
                self.handle_callback_exception(callback)

    def _give_up(self, transfer: _Transfer) -> None:
        """Nobody wants the response any more."""
        if transfer.callback is None:
            return
        transfer.callback = None
        curl, transfer.curl = transfer.curl, None
        if curl is not None:
            del self._active[curl]
            self._multi.remove_handle(curl)
            curl.close()
            self._fill()

    # Sockets and the timer

    def _watch_socket(self, event: int, fd: int, multi: Any, data: Any) -> None:
        """Called by libcurl: what to watch a socket for."""
        # It may be another socket of the same number.
        self._unwatch(fd)
        if event != pycurl.POLL_REMOVE and event != pycurl.POLL_NONE:
            events = IOLoop.READ if event & pycurl.POLL_IN else 0
            if event & pycurl.POLL_OUT:
                events |= IOLoop.WRITE
            self._watched.add(fd)
            self.io_loop.add_handler(fd, self._handle_events, events)

    def _unwatch(self, fd: int) -> None:
        if fd in self._watched:
            self._watched.discard(fd)
            self.io_loop.remove_handler(fd)

    def _set_timer(self, milliseconds: int) -> None:
        """Called by libcurl: when to call it though nothing has happened."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if milliseconds >= 0:
            self._timer = self._loop.call_later(milliseconds / 1000, self._handle_timer)

    def _handle_events(self, fd: int, events: int) -> None:
        action = pycurl.CSELECT_IN if events & IOLoop.READ else 0
        if events & IOLoop.WRITE:
            action |= pycurl.CSELECT_OUT
        self._act(fd, action)

    def _handle_timer(self) -> None:
        self._timer = None
        self._nudge()

    def _nudge(self) -> None:
        """Have libcurl look at what it can do."""
        self._act(pycurl.SOCKET_TIMEOUT, 0)

    def _act(self, fd: int, action: int) -> None:
        if not self._closed:
            self._multi.socket_action(fd, action)
            self._collect()

    def _collect(self) -> None:
        """End what libcurl has done, and begin what waits."""
        more = not self._closed
        while more:
            waiting, done, failed = self._multi.info_read()
            for curl in done:
                self._end(self._active[curl], None)
            for curl, errno, message in failed:
                transfer = self._active[curl]
                self._end(transfer, CurlError(errno, transfer.error or message))
            more = waiting > 0 and not self._closed
        if not self._closed:
            self._fill()


def _failed(transfer: _Transfer, error: BaseException | None, now: float) -> HTTPResponse:
    began = transfer.began or now
    return HTTPResponse(
        transfer.request.request,
        599,
        error=error,
        request_time=now - began,
        start_time=transfer.began_at or None,
        time_info={"queue": began - transfer.queued_at},
    )


def _response_of(
    curl: Any, transfer: _Transfer, error: CurlError | None, now: float
) -> HTTPResponse:
    if error is not None:
        return _failed(transfer, error, now)
    times = {name: curl.getinfo(option) for name, option in _TIMES.items()}
    times["queue"] = transfer.began - transfer.queued_at
    transfer.body.seek(0)
    return HTTPResponse(
        transfer.request.request,
        curl.getinfo(pycurl.HTTP_CODE),
        headers=transfer.headers.copy(),
        buffer=transfer.body,
        effective_url=curl.getinfo(pycurl.EFFECTIVE_URL),
        reason=transfer.reason,
        request_time=now - transfer.began,
        start_time=transfer.began_at,
        time_info=times,
    )


# What libcurl is told of a request.


def _set_options(curl: Any, transfer: _Transfer) -> None:
    """Tell ``curl`` what is wanted; raises ValueError, KeyError or TypeError for what cannot be."""
    request = transfer.request
    callback = request.streaming_callback
    if inspect.iscoroutinefunction(callback) or gen.is_coroutine_function(callback):
        raise TypeError("'CurlAsyncHTTPClient' does not support async streaming_callbacks.")
    if request.ssl_options is not None:
        raise ValueError("ssl_options not supported in curl_httpclient")
    authority, target = split_url(request.url)
    user, at, _ = request.url.partition("://")[2].partition("/")[0].rpartition("@")
    curl.setopt(pycurl.NOSIGNAL, 1)
    curl.setopt(pycurl.URL, f"{authority.scheme}://{user}{at}{authority.netloc}{target}")
    if hasattr(pycurl, "PROTOCOLS_STR"):
        curl.setopt(pycurl.PROTOCOLS_STR, _PROTOCOLS)
        curl.setopt(pycurl.REDIR_PROTOCOLS_STR, _PROTOCOLS)
    else:
        both = pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS
        curl.setopt(pycurl.PROTOCOLS, both)
        curl.setopt(pycurl.REDIR_PROTOCOLS, both)
    curl.setopt(pycurl.HEADERFUNCTION, transfer.take_header)
    curl.setopt(pycurl.WRITEFUNCTION, transfer.take_body)
    curl.setopt(pycurl.FOLLOWLOCATION, int(bool(request.follow_redirects)))
    curl.setopt(pycurl.MAXREDIRS, request.max_redirects or 0)
    for option, seconds in (
        (pycurl.CONNECTTIMEOUT_MS, request.connect_timeout),
        (pycurl.TIMEOUT_MS, request.request_timeout),
    ):
        if seconds:
            curl.setopt(option, max(int(1000 * seconds), 1))
    if not request.connect_timeout:
        curl.setopt(pycurl.CONNECTTIMEOUT_MS, 2**31 - 1)  # 0 would be five minutes
    if request.network_interface:
        curl.setopt(pycurl.INTERFACE, request.network_interface)
    if request.decompress_response:
        curl.setopt(pycurl.ENCODING, "")
    if request.allow_ipv6 is False:
        curl.setopt(pycurl.IPRESOLVE, pycurl.IPRESOLVE_V4)
    _set_body(curl, request)
    _set_headers(curl, request)
    _set_tls(curl, request)
    _set_authentication(curl, request)
    if curl_log.isEnabledFor(logging.DEBUG):
        curl.setopt(pycurl.VERBOSE, 1)
        curl.setopt(pycurl.DEBUGFUNCTION, _log_debug)
    if request.prepare_curl_callback is not None:
        request.prepare_curl_callback(curl)


def _set_body(curl: Any, request: _RequestProxy) -> None:
    method, body = request.method, request.body
    if not TOKEN.fullmatch(method):
        raise ValueError(f"Unsafe method {method[:40]!r}")
    if request.body_producer is not None:
        raise ValueError("Body must be given as body: curl_httpclient has no body_producer")
    if not request.allow_nonstandard_methods:
        if method not in _METHODS:
            raise KeyError(f"unknown method {method}")
        if (body is not None) != (method in _WITH_BODY):
            raise ValueError(
                f"Body must {'' if body is not None else 'not '}be None for method {method} "
                "(unless allow_nonstandard_methods is true)"
            )
    if method in ("GET", "HEAD") and body is not None:
        raise ValueError(f"Body must be None for {method} request")
    if method == "HEAD":
        curl.setopt(pycurl.NOBODY, 1)
    elif method == "GET":
        curl.setopt(pycurl.HTTPGET, 1)
    elif method == "POST":
        curl.setopt(pycurl.POST, 1)
        curl.setopt(pycurl.POSTFIELDS, body or b"")
    elif body is None and method not in _WITH_BODY:
        curl.setopt(pycurl.CUSTOMREQUEST, method)
    else:
        # It is asked for again if a redirect has it sent again.
        source = io.BytesIO(body or b"")
        curl.setopt(pycurl.UPLOAD, 1)
        curl.setopt(pycurl.READFUNCTION, source.read)
        curl.setopt(pycurl.SEEKFUNCTION, lambda offset, origin: bool(source.seek(offset)) and 0)
        curl.setopt(pycurl.INFILESIZE_LARGE, len(body or b""))
        if method != "PUT":
            curl.setopt(pycurl.CUSTOMREQUEST, method)


def _set_headers(curl: Any, request: _RequestProxy) -> None:
    headers = request.headers.copy()
    agent = request.user_agent
    if agent:
        headers["User-Agent"] = agent
    elif "User-Agent" not in headers:
        headers["User-Agent"] = f"Tornadic/{__version__}"
    if "Content-Length" in headers:
        del headers["Content-Length"]  # libcurl counts for itself
    # A colon and nothing is libcurl's way to leave one out, a semicolon to have it empty.
    lines = [f"{name}: {value}" if value else f"{name};" for name, value in headers.get_all()]
    for name in ("Expect", "Pragma"):
        if name not in headers:
            lines.append(f"{name}:")
    for_proxy = [line for line in lines if line.startswith("Proxy-")]
    lines = [line for line in lines if not line.startswith("Proxy-")]
    curl.setopt(pycurl.HTTPHEADER, [line.encode("latin-1") for line in lines])
    if for_proxy:
        # Not for the server, nor for one that it redirects to.
        curl.setopt(pycurl.HEADEROPT, pycurl.HEADER_SEPARATE)
        curl.setopt(pycurl.PROXYHEADER, [line.encode("latin-1") for line in for_proxy])


def _set_tls(curl: Any, request: _RequestProxy) -> None:
    checks = request.validate_cert is None or bool(request.validate_cert)
    curl.setopt(pycurl.SSL_VERIFYPEER, int(checks))
    curl.setopt(pycurl.SSL_VERIFYHOST, 2 if checks else 0)
    for option, value in (
        (pycurl.CAINFO, request.ca_certs),
        (pycurl.SSLCERT, request.client_cert),
        (pycurl.SSLKEY, request.client_key),
    ):
        if value is not None:
            curl.setopt(option, value)


def _mode(name: str, mode: str | None) -> int:
    if mode is None or mode == "basic":
        basic: int = pycurl.HTTPAUTH_BASIC
        return basic
    if mode == "digest":
        digest: int = pycurl.HTTPAUTH_DIGEST
        return digest
    raise ValueError(f"Unsupported {name} {mode}")


def _as_bytes(part: str | bytes) -> bytes:
    """A user name or a password as HTTP's schemes have it (RFC 7617 section 2.1)."""
    return encode_username_password(part, "")[:-1]


def _set_authentication(curl: Any, request: _RequestProxy) -> None:
    if request.proxy_host and request.proxy_port:
        curl.setopt(pycurl.PROXY, request.proxy_host)
        curl.setopt(pycurl.PROXYPORT, request.proxy_port)
        if request.proxy_username is not None:
            curl.setopt(pycurl.PROXYUSERNAME, _as_bytes(request.proxy_username))
            curl.setopt(pycurl.PROXYPASSWORD, _as_bytes(request.proxy_password or ""))
        curl.setopt(pycurl.PROXYAUTH, _mode("proxy_auth_mode", request.proxy_auth_mode))
    if request.auth_username is not None:
        curl.setopt(pycurl.USERNAME, _as_bytes(request.auth_username))
        curl.setopt(pycurl.PASSWORD, _as_bytes(request.auth_password or ""))
        curl.setopt(pycurl.HTTPAUTH, _mode("auth_mode", request.auth_mode))


def _log_debug(kind: int, message: bytes) -> None:
    names = {0: "I", 1: "<", 2: ">", 3: "<", 4: ">"}
    if kind == 0:
        curl_log.debug("%s", message.decode("utf-8", "replace").strip())
    elif kind in (1, 2):
        for line in message.decode("utf-8", "replace").splitlines():
            curl_log.debug("%s %s", names[kind], line)
    else:
        curl_log.debug("%s %r", names.get(kind, kind), message)
