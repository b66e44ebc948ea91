"""The request handler: what a program subclasses to answer requests.

The class is a wide face with little behind it.  Arguments, cookies, users, protection, entity
tags and errors are rooms of their own; what is here is the response: its status, headers,
pieces, and end.  State that most requests never touch is a class attribute until it changes.
"""

from __future__ import annotations

import asyncio
import datetime
import re
import sys
from collections.abc import Awaitable, Callable
from hashlib import sha1
from types import TracebackType
from typing import TYPE_CHECKING, Any

from tornadic import __version__, _legacy
from tornadic.escape import json_encode, utf8
from tornadic.http.dates import format_timestamp
from tornadic.http.statuses import responses
from tornadic.http1connection.clock import http_date
from tornadic.httputil import (
    HTTPHeaders,
    HTTPInputError,
    HTTPServerRequest,
    ResponseStartLine,
)
from tornadic.iostream import IOStream, StreamClosedError
from tornadic.log import app_log, gen_log
from tornadic.web import errorpages, etags, hints
from tornadic.web.bodies import BodyMixin
from tornadic.web.errors import Finish, HTTPError
from tornadic.web.rendering import RenderingMixin
from tornadic.web.sessions import Ending, SessionAttribute

if TYPE_CHECKING:
    from tornadic.web.application import Application
    from tornadic.web.transforms import OutputTransform

__all__ = ["RequestHandler"]

HeaderValue = bytes | str | int | datetime.datetime

# Half the time of the constructors.
_new_start_line = tuple.__new__
_new_headers = HTTPHeaders.__new__

SERVER_NAME = f"Tornadic/{__version__}"


def _is_bodiless(status: int) -> bool:
    """Whether responses of that status have no body (RFC 9112 section 6.3)."""
    return status in (204, 304) or 100 <= status < 200


_CONDITIONAL_METHODS = ("GET", "HEAD")

# Not to be sent: a character is a byte there.
_CONTROL = re.compile(r"[^\x20-\x7E\x80-\xFF]")


class RequestHandler(RenderingMixin, BodyMixin):
    """Answers the requests of a rule: a subclass defines ``get``, ``post`` and so on.

    One object is made for one request.  The order is: `set_default_headers`, `initialize` with
    the rule's arguments, `prepare`, the method for the request's verb with the groups of the
    rule's pattern, and `on_finish`.  `prepare` and the methods may be coroutines.

    ``application`` is the `.Application`, ``request`` the `.HTTPServerRequest`; ``path_args`` and
    ``path_kwargs`` are the groups.  None of it may be used from another thread.
    """

    SUPPORTED_METHODS: tuple[str, ...] = (
        "GET",
        "HEAD",
        "POST",
        "DELETE",
        "PATCH",
        "PUT",
        "OPTIONS",
    )

    _stream_request_body = False

    # What the client is known by from one request to the next; see `tornadic.sessions`.
    session = SessionAttribute()

    # The task that has called `finish`, if others complete that later.
    _finisher: asyncio.Task[Any] | None = None

    # Whether a class behind this one has something to initialise.
    _has_other_bases = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        behind = cls.__mro__[cls.__mro__.index(RequestHandler) + 1 : -1]
        cls._has_other_bases = any("__init__" in vars(base) for base in behind)

    def __init__(self, application: Application, request: HTTPServerRequest, **kwargs: Any) -> None:
        if self._has_other_bases:
            super().__init__()
        self.application = application
        self.request = request
        self.path_args: list[Any] = []
        self.path_kwargs: dict[str, Any] = {}
        self._headers_written = False
        self._finished = False
        self._auto_finish = True
        self._transforms: list[OutputTransform] | None = None
        self._new_cookies = None
        # Who has a word before the response goes out.
        self._ending: Ending | None = None
        self.clear()
        # The usual class takes no arguments; calling to hear that costs as much as `clear`.
        if kwargs or type(self).initialize is not RequestHandler.initialize:
            self.initialize(**kwargs)

    # What a subclass may define

    def initialize(self, *args: Any, **kwargs: Any) -> None:
        """Take the arguments of the rule, which are passed by name."""
        if args or kwargs:
            raise TypeError(f"{type(self).__name__}.initialize takes none of {args or kwargs}")

    def prepare(self) -> Awaitable[None] | None:
        """Called before every method; if it finishes the response, the method is not called."""
        return None

    def on_finish(self) -> None:
        """Called when the response is complete; nothing can be sent any more."""

    def on_connection_close(self) -> None:
        """Called when the client is gone before the response was complete."""

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """Take a piece of the body; see `.stream_request_body`.

        Where a class does not define it, the body is read by `stream_body`.
        """
        if self._incoming is None:
            raise NotImplementedError
        return self._incoming.put(chunk)

    def set_default_headers(self) -> None:
        """Set headers that every response is to have; called for error pages too."""

    def _unimplemented_method(self, *args: Any, **kwargs: Any) -> Any:
        raise HTTPError(405)

    # One and the same: programs compare a method with it to see whether a class has defined it.
    head: Callable[..., Any] = _unimplemented_method
    get: Callable[..., Any] = _unimplemented_method
    post: Callable[..., Any] = _unimplemented_method
    delete: Callable[..., Any] = _unimplemented_method
    patch: Callable[..., Any] = _unimplemented_method
    put: Callable[..., Any] = _unimplemented_method
    options: Callable[..., Any] = _unimplemented_method

    # Status and headers

    def clear(self) -> None:
        """Start the response anew: status 200, the default headers, nothing written."""
        headers = self._headers = _new_headers(HTTPHeaders)
        headers._waiting = None
        headers._fields = {
            "Server": SERVER_NAME,
            "Content-Type": "text/html; charset=UTF-8",
            "Date": http_date(self.request._start_time),
        }
        self.set_default_headers()
        self._write_buffer: list[bytes] = []
        self._status_code = 200
        self._reason = "OK"

    def set_status(self, status_code: int, reason: str | None = None) -> None:
        """Set the status; ``reason`` is its phrase (None: the usual one, or "Unknown").

        A phrase with ``<`` is "Unknown" too, for programs put it into their pages.  A 405 gets
        an ``Allow`` with the methods that the class defines (RFC 9110 section 15.5.6).  Raises
        ValueError for a phrase with control characters, or beyond U+00FF.
        """
        if self._headers_written:
            hints.warn_of_sent_head("set_status")
        self._status_code = status_code
        if reason is None:
            self._reason = responses.get(status_code, "Unknown")
        else:
            text = reason.decode("latin-1") if isinstance(reason, bytes) else reason
            if _CONTROL.search(text):
                raise ValueError(f"Unsafe reason {text[:100]!r}")
            self._reason = "Unknown" if "<" in text else text
        if status_code == 405 and "Allow" not in self._headers:
            self._headers["Allow"] = ", ".join(self._allowed_methods())

    def get_status(self) -> int:
        """The status code of the response."""
        return self._status_code

    def set_header(self, name: str, value: HeaderValue) -> None:
        """Set a header; a number or a datetime is formatted as HTTP has it.

        Raises ValueError for control characters and TypeError for other kinds of values.
        """
        if self._headers_written:
            hints.warn_of_sent_head("set_header")
        self._headers[name] = value if type(value) is str else self._convert_header_value(value)

    def add_header(self, name: str, value: HeaderValue) -> None:
        """Add a header; what is there of that name stays.  Errors as `set_header`."""
        if self._headers_written:
            hints.warn_of_sent_head("add_header")
        try:
            self._headers.add(name, self._convert_header_value(value))
        except HTTPInputError as e:
            # Whose fault it is depends on whose headers they are.
            raise ValueError(str(e)) from None

    def clear_header(self, name: str) -> None:
        """Undo `set_header` and `add_header`; does not concern `set_cookie`."""
        if name in self._headers:
            del self._headers[name]

    def _convert_header_value(self, value: HeaderValue) -> str:
        if isinstance(value, str):
            return value
        if isinstance(value, bytes):
            return value.decode("latin-1")
        if isinstance(value, int):
            return str(value)
        if isinstance(value, datetime.datetime):
            return format_timestamp(value)
        raise TypeError(f"Unsupported header value {value!r}")

    def redirect(self, url: str, permanent: bool = False, status: int | None = None) -> None:
        """Send the client to ``url``, absolute or not, and finish.

        ``status`` is any from 300 to 399; without it 301 if ``permanent``, else 302.  Raises
        RuntimeError if headers have gone out, and ValueError for control characters.
        """
        if self._headers_written:
            raise RuntimeError(
                "Cannot redirect after headers have been written: call redirect() before flush(), "
                "and only once; return after it"
            )
        if status is None:
            status = 301 if permanent else 302
        elif not (isinstance(status, int) and 300 <= status <= 399):
            raise ValueError(f"{status!r} is no status of a redirect")
        location = utf8(url).decode("latin-1")
        if _CONTROL.search(location):
            raise ValueError(f"Unsafe redirect target {location[:100]!r}")
        self.set_status(status)
        self.set_header("Location", location)
        self.finish()

    def static_url(self, path: str, include_host: bool | None = None, **kwargs: Any) -> str:
        """The URL of the static file ``path``, with its version.

        Needs the setting ``static_path``, else it raises an Exception.  With ``include_host`` the
        URL is absolute; None: as an attribute ``include_host`` of the handler says.  ``kwargs``
        go to `StaticFileHandler.make_static_url`, which says what else is raised.
        """
        from tornadic.web.static import StaticFileHandler

        self.require_setting("static_path", "static_url")
        if include_host is None:
            include_host = getattr(self, "include_host", False)
        handler = self.settings.get("static_handler_class", StaticFileHandler)
        url: str = handler.make_static_url(self.settings, path, **kwargs)
        return f"{self.request.protocol}://{self.request.host}{url}" if include_host else url

    def reverse_url(self, name: str, *args: Any) -> str:
        """The path of the rule called ``name``; see `.Application.reverse_url`."""
        return self.application.reverse_url(name, *args)

    def async_callback(
        self, callback: Callable[..., Any] | None, *args: Any, **kwargs: Any
    ) -> Callable[..., Any] | None:
        """A function whose exceptions are this handler's.  Of old programs; None gives None."""
        return _legacy.room("handlers").async_callback(self, callback, *args, **kwargs)  # type: ignore[no-any-return]

    # Output

    def write(self, chunk: str | bytes | dict[Any, Any]) -> None:
        """Add ``chunk`` to what is sent next: bytes, text (as UTF-8), or a dict (as JSON).

        A dict also sets the ``Content-Type``.  A list is refused, for as the outermost value of
        JSON it can leak to other sites in old browsers.  Raises RuntimeError after `finish`.
        """
        if self._finished:
            raise RuntimeError(f"Cannot write() after finish(): {hints.FINISHED}")
        if isinstance(chunk, str):
            self._write_buffer.append(chunk.encode("utf-8"))
        elif isinstance(chunk, bytes):
            self._write_buffer.append(chunk)
        elif isinstance(chunk, dict):
            self._write_buffer.append(utf8(json_encode(chunk)))
            self.set_header("Content-Type", "application/json; charset=UTF-8")
        else:
            raise hints.bad_chunk(chunk)

    def flush(
        self, include_footers: bool = False, callback: Callable[[], Any] | None = None
    ) -> asyncio.Future[None]:
        """Send what was written so far; the future is done when more may be written.

        ``include_footers``: this is the end, which only `finish` says.  ``callback`` is of old
        programs: it is called when what was written has gone out.
        """
        if callback is not None:
            return _legacy.room("handlers").flush_then(self, include_footers, callback)  # type: ignore[no-any-return]
        if self._ending is not None and not (include_footers or self._headers_written):
            later = self._ending.before_head(self)
            if later is not None:
                return later
        buffer = self._write_buffer
        chunk = buffer[0] if len(buffer) == 1 else b"".join(buffer)
        buffer.clear()
        request = self.request
        connection: Any = request.connection
        sent: asyncio.Future[None]
        if self._headers_written:
            for transform in self._transforms or ():
                chunk = transform.transform_chunk(chunk, include_footers)
            sent = connection.write(b"" if request.method == "HEAD" else chunk)
            return sent
        if self._transforms:
            for transform in self._transforms:
                self._status_code, self._headers, chunk = transform.transform_first_chunk(
                    self._status_code, self._headers, chunk, include_footers
                )
        if self._new_cookies is not None:
            for cookie in self._new_cookies.values():
                self.add_header("Set-Cookie", cookie)
        if request.method == "HEAD":
            chunk = b""
        start_line = _new_start_line(ResponseStartLine, ("", self._status_code, self._reason))
        sent = connection.write_headers(start_line, self._headers, chunk)
        self._headers_written = True
        return sent

    def finish(self, chunk: str | bytes | dict[Any, Any] | None = None) -> asyncio.Future[None]:
        """Write ``chunk``, if any, and end the response.

        The future is done when all of it has been sent; nobody needs to wait for it.  Raises
        RuntimeError if called twice.
        """
        if self._finished:
            raise RuntimeError(f"finish() called twice: {hints.FINISHED}")
        if chunk is not None:
            self.write(chunk)
        if self._ending is not None:
            later = self._ending.before_finish(self)
            if later is not None:
                self._finisher = asyncio.current_task()
                return later
        if not self._headers_written:
            self._complete_head()
        future = self.flush(include_footers=True)
        connection: Any = self.request.connection
        connection.finish()
        self._finished = True
        self.application.log_request(self)
        self.on_finish()
        return future

    def _complete_head(self) -> None:
        """Set what can be known of a response that is sent all at once."""
        status = self._status_code
        if status == 200 and self.request.method in _CONDITIONAL_METHODS:
            if "Etag" not in self._headers._fields:
                self.set_etag_header()
            if self.check_etag_header():
                self._write_buffer = []
                self.set_status(304)
                status = 304
        # Most are a 200, and a call takes longer than to see that.
        if status != 200 and _is_bodiless(status):
            if self._write_buffer:
                raise RuntimeError(f"Cannot send body with {status}")
            self._clear_representation_headers()
        else:
            fields = self._headers._fields
            if "Content-Length" not in fields:
                buffer = self._write_buffer
                size = len(buffer[0]) if len(buffer) == 1 else sum(map(len, buffer))
                fields["Content-Length"] = str(size)

    def _clear_representation_headers(self) -> None:
        # RFC 9110 section 15.4.5: a 304 does not describe what it does not carry.
        for name in ("Content-Encoding", "Content-Language", "Content-Type"):
            self.clear_header(name)

    def _abort(self) -> None:
        """Break off a response that cannot be completed, so that the client sees it is not."""
        if self._finished:
            return
        connection: Any = self.request.connection
        connection.stream.close()
        self._finished = True
        self.application.log_request(self)
        self.on_finish()

    def detach(self) -> IOStream:
        """Take the stream out of HTTP's hands; the response is finished as it stands."""
        self._finished = True
        connection: Any = self.request.connection
        stream: IOStream = connection.detach()
        return stream

    # Entity tags

    def compute_etag(self) -> str | None:
        """The entity tag of what was written, quotes included; None for no tag.

        A subclass may have a cheaper one than the hash of the body, or none at all.
        """
        buffer = self._write_buffer
        body = buffer[0] if len(buffer) == 1 else b"".join(buffer)
        return f'"{sha1(body, usedforsecurity=False).hexdigest()}"'

    def set_etag_header(self) -> None:
        """Set ``Etag`` to what `compute_etag` gives; called by `finish`."""
        etag = self.compute_etag()
        if type(self).compute_etag is RequestHandler.compute_etag:
            self._headers._fields["Etag"] = etag  # type: ignore[assignment]  # surely clean
        elif etag is not None:
            self._headers["Etag"] = etag

    def check_etag_header(self) -> bool:
        """Whether the client has what ``Etag`` stands for, so that a 304 will do."""
        asked = self.request.headers.peek("If-None-Match")
        if asked is None:
            return False
        return etags.matches(asked, self._headers.get("Etag", ""))

    # Errors

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        """Send an error page and finish.

        If headers have gone out already, the connection is closed instead, since the client
        could take what it has for the whole.  ``kwargs`` go to `write_error`.
        """
        if self._headers_written:
            error = kwargs.get("exc_info", (None, None, None))[1]
            if not (isinstance(error, StreamClosedError) and self.request.connection_is_closed()):
                gen_log.error("Cannot send error response after headers written")
            self._abort()
            return
        self.clear()
        reason = kwargs.get("reason")
        if "exc_info" in kwargs:
            exception = kwargs["exc_info"][1]
            if isinstance(exception, HTTPError) and exception.reason:
                reason = exception.reason
        try:
            self.set_status(status_code, reason=reason)
        except ValueError:  # the phrase is unsafe, and an answer is due all the same
            self.set_status(status_code, "Unknown")
        try:
            self.write_error(status_code, **kwargs)
        except Exception:
            app_log.error("Uncaught exception in write_error", exc_info=True)
            if _is_bodiless(self._status_code):
                self._write_buffer.clear()
        if not self._finished:
            self.finish()

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Write the page of an error; a subclass may define its own.

        With an exception there is ``exc_info`` in ``kwargs``, a triple like `sys.exc_info`'s.
        Statuses that have no body, such as 204 and 304, get no page.
        """
        if hasattr(self, "get_error_html"):
            _legacy.room("handlers").error_html(self, status_code, kwargs)
        elif _is_bodiless(status_code):
            self.finish()
        elif self.settings.get("serve_traceback") and "exc_info" in kwargs:
            errorpages.show_to_developer(self, kwargs["exc_info"])
        else:
            self.finish(errorpages.default_page(status_code, self._reason))

    def _allowed_methods(self) -> list[str]:
        """The methods that this handler defines, for the ``Allow`` of RFC 9110 section 10.2.1."""
        return [
            name
            for name in self.SUPPORTED_METHODS
            if getattr(type(self), name.lower(), None)
            is not getattr(RequestHandler, name.lower(), None)
        ]

    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Log an exception that ended the request; by default an `HTTPError` without traceback."""
        errorpages.log_exception(self, typ, value, tb)

    def _handle_request_exception(self, error: BaseException) -> None:
        if isinstance(error, Finish):
            if not self._finished:
                self.finish(*error.args)
            return
        exc_info = sys.exc_info()
        try:
            self.log_exception(*exc_info)
        except Exception:
            app_log.error("Error in exception logger", exc_info=True)
        if self._finished:
            # The client has its answer already; all that can be done is done.
            return
        self.send_error(errorpages.status_of(error), exc_info=exc_info)

    def _request_summary(self) -> str:
        request = self.request
        # Bytes beyond ASCII may be control characters to whoever shows the log.
        uri = request.uri.encode("ascii", "backslashreplace").decode("ascii")
        return f"{request.method} {uri} ({request.remote_ip})"
