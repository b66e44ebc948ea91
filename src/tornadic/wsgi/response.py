"""What a WSGI application says of its response, held against PEP 3333.

The application calls `Response.start_response` and ``write``, the container goes through
`Response.steps`; what comes of it goes to a sink, piece by piece.  Status and headers are checked
when they are said, so that the error points at the application's own line.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Generator, Iterable
from typing import TYPE_CHECKING, Any, Final

from tornadic import __version__
from tornadic.http1connection.clock import http_date
from tornadic.httputil import HTTPHeaders, HTTPInputError, HTTPServerRequest, ResponseStartLine
from tornadic.iostream import StreamClosedError
from tornadic.log import app_log

if TYPE_CHECKING:
    from _typeshed import OptExcInfo

    from tornadic.wsgi.container import WSGIContainer
    from tornadic.wsgi.sinks import BridgeSink, DirectSink

__all__ = ["Response", "Steps", "summary"]

PIECES_PER_TURN: Final = 64
"""Pieces that an application on the loop's thread gives before others get their turn."""

_SERVER: Final = f"Tornadic/{__version__}"
_DEFAULT_TYPE: Final = "text/html; charset=UTF-8"

_STATUS: Final = re.compile(r"([2-9][0-9]{2}) ([\t\x20-\x7E\x80-\xFF]*)")
_LENGTH: Final = re.compile(r"[0-9]{1,15}")

# What belongs to the connection, and so to the server (RFC 2616 section 13.5.1, as PEP 3333 has
# it), and what CGI has instead of a status line.
_FORBIDDEN: Final = frozenset(
    {
        "Connection",
        "Keep-Alive",
        "Proxy-Authenticate",
        "Proxy-Authorization",
        "Status",
        "Te",
        "Trailer",
        "Trailers",
        "Transfer-Encoding",
        "Upgrade",
    }
)

Head = tuple[ResponseStartLine, HTTPHeaders]
Steps = Generator[None, None, None]

_END: Final = object()


class Response:
    """What an application says of its response, held against PEP 3333.

    All methods are for the thread on which the application runs.
    """

    __slots__ = (
        "_ended",
        "_headers",
        "_is_bodiless",
        "_left",
        "_reason",
        "_sent",
        "_sink",
        "request",
        "status",
    )

    def __init__(self, request: HTTPServerRequest, sink: DirectSink | BridgeSink) -> None:
        self.request = request
        # 500 until the application has said something else.
        self.status = 500
        self._reason = ""
        self._headers: HTTPHeaders | None = None
        self._sink = sink
        # The head has been given to the sink.
        self._sent = False
        self._ended = False
        # Bytes that the body still has by its Content-Length; None if nobody counts.
        self._left: int | None = None
        self._is_bodiless = False

    # What the application calls

    def start_response(
        self,
        status: str,
        response_headers: Iterable[tuple[str, str]],
        exc_info: OptExcInfo | None = None,
    ) -> Callable[[bytes], None]:
        """Take status and headers, and return `write`.

        With ``exc_info`` they replace what was said before, and if that is sent already the
        exception is raised again.  Raises RuntimeError for a second call without, TypeError for
        what is no text, and ValueError for anything that would break the head or is not the
        application's to say.
        """
        error = exc_info[1] if exc_info else None
        try:
            if error is None and self._headers is not None:
                raise RuntimeError("start_response() called twice without exc_info")
            if error is not None and self._sent:
                raise error
        finally:
            error = exc_info = None  # they hold this frame
        code, reason = _parse_status(status)
        headers, length = _checked_headers(response_headers)
        self.status, self._reason = code, reason
        self._headers, self._left = headers, length
        self._is_bodiless = code in (204, 304) or self.request.method == "HEAD"
        return self.write

    def write(self, data: bytes) -> None:
        """Send a piece of the body, the head before it.

        Raises ValueError if it is more than the ``Content-Length``, `.StreamClosedError` if the
        client has gone, and RuntimeError after the end of the response.
        """
        if self._ended:
            raise RuntimeError("Cannot write() after the end of the response")
        data = _checked_block(data)
        if self._left is not None and not self._is_bodiless and len(data) > self._left:
            raise ValueError("Tried to write more data than Content-Length")
        self._put(data)
        if self._sink.has_gone():
            raise StreamClosedError

    # What the server calls

    def run(self, container: WSGIContainer) -> None:
        """Run the application from beginning to end."""
        for _ in self.steps(container):
            pass

    def advance(self, steps: Steps, sink: DirectSink) -> bool:
        """Run the application until something has to be waited for; False at its end."""
        for _ in range(PIECES_PER_TURN):
            if next(steps, _END) is _END:
                return False
            if sink.is_full():
                break
        return True

    def steps(self, container: WSGIContainer) -> Steps:
        """Run the application; pauses after every piece of the body."""
        try:
            environ = container.environ(self.request)
            result = container.wsgi_application(environ, self.start_response)
            try:
                yield from self._iterate(result)
            finally:
                close = getattr(result, "close", None)
                if close is not None:
                    close()
        except (Exception, asyncio.CancelledError) as e:
            self.fail(e)
        except GeneratorExit:
            raise
        except BaseException:
            self._sink.abort()
            raise

    def _iterate(self, result: Iterable[bytes]) -> Steps:
        if isinstance(result, (list, tuple)) and not self._sent:
            # All of it is there, so its length is known, and it takes one write.
            body = b"".join([_checked_block(block) for block in result])
            self._require(len(body))
            self._declare_length(len(body))
            self._put(body[: self._left])
        else:
            for block in result:
                block = _checked_block(block)
                if block:
                    self._put(block[: self._left])
                    yield
                if self._left == 0 or self._is_bodiless or self._sink.has_gone():
                    break
        self._end()

    def _declare_length(self, length: int) -> None:
        """Set a ``Content-Length`` if the application has none, and the response may have one."""
        if self._headers is None or self._left is not None or self.status in (204, 304):
            return
        # An empty answer to HEAD says nothing of the one to GET.
        if length or not self._is_bodiless:
            self._headers["Content-Length"] = str(length)
            self._left = length

    def _put(self, data: bytes) -> None:
        """Send ``data``, at most what is `_left`, and the head before it."""
        head = None
        if not self._sent:
            if self._headers is None:
                raise RuntimeError("The application did not call start_response()")
            head = self._head(self._headers)
            self._sent = True
        if self._is_bodiless:
            data = b""
        elif self._left is not None:
            self._left -= len(data)
        self._sink.put(head, data)

    def _head(self, headers: HTTPHeaders) -> Head:
        if "Content-Type" not in headers and self.status not in (204, 304):
            headers["Content-Type"] = _DEFAULT_TYPE
        if "Date" not in headers:
            headers["Date"] = http_date(self.request._start_time)
        if "Server" not in headers:
            headers["Server"] = _SERVER
        return ResponseStartLine("HTTP/1.1", self.status, self._reason), headers

    def _end(self) -> None:
        if self._sink.has_gone():
            return
        self._require(0)
        if not self._sent:
            self._declare_length(0)
            self._put(b"")
        self._ended = True
        self._sink.end()

    def _require(self, length: int) -> None:
        """Raise ValueError if ``length`` bytes are less than what is still due."""
        missing = 0 if self._left is None or self._is_bodiless else self._left - length
        if missing > 0:
            raise ValueError(f"The body is {missing} bytes shorter than its Content-Length")

    def fail(self, error: BaseException) -> None:
        """The application failed: say so, to the log and to the client, if that is possible."""
        if isinstance(error, StreamClosedError) and self._sink.has_gone():
            return  # that a client goes away is nobody's fault
        app_log.error("Uncaught exception %s", summary(self.request), exc_info=error)
        if self._sent:
            if not self._ended:
                self._sink.abort()
            return
        body = b"500: Internal Server Error"
        self._headers = None
        self.start_response("500 Internal Server Error", [("Content-Type", "text/plain")])
        self._declare_length(len(body))
        self._put(body)
        self._ended = True
        self._sink.end()


def _parse_status(status: str) -> tuple[int, str]:
    if not isinstance(status, str):
        raise TypeError(f"A status is text, not {status!r:.100}")
    match = _STATUS.fullmatch(status)
    if match is None:
        raise ValueError(f"Malformed status {status[:100]!r}")
    return int(match[1]), match[2]


def _checked_headers(pairs: Iterable[tuple[str, str]]) -> tuple[HTTPHeaders, int | None]:
    """The headers of an application, and their ``Content-Length``; errors as `start_response`."""
    headers = HTTPHeaders()
    for name, value in pairs:
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(f"A header is two texts, not {name!r:.100} and {value!r:.100}")
        try:
            headers.add(name, value)
        except HTTPInputError as e:
            # Whose fault it is depends on whose headers they are.
            raise ValueError(str(e)) from None
    forbidden = _FORBIDDEN.intersection(headers)
    if forbidden:
        raise ValueError(f"An application may not set {', '.join(sorted(forbidden))}")
    length = headers.get("Content-Length")
    if length is None:
        return headers, None
    if not _LENGTH.fullmatch(length):
        raise ValueError(f"Malformed Content-Length {length[:100]!r}")
    return headers, int(length)


def _checked_block(block: Any) -> bytes:
    if isinstance(block, bytes):
        return block
    if isinstance(block, (bytearray, memoryview)):
        return bytes(block)
    raise TypeError(f"A piece of a body is bytes, not {type(block).__name__}")


def summary(request: HTTPServerRequest) -> str:
    """The request as a line of the log shows it."""
    # Bytes beyond ASCII may be control characters to whoever shows the log.
    uri = request.uri.encode("ascii", "backslashreplace").decode("ascii")
    return f"{request.method} {uri} ({request.remote_ip})"
