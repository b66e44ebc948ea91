"""Applications of handlers under a WSGI server: `WSGIAdapter`, `WSGIApplication`.

A WSGI server wants the whole answer when the call returns.  So the handler runs with a loop that
never turns, and says so to whoever schedules something; a coroutine may be one as long as it does
not wait.
"""

from __future__ import annotations

import asyncio
from asyncio.events import _get_running_loop, _set_running_loop
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from tornadic.http.startlines import RequestStartLine, ResponseStartLine
from tornadic.httputil import HTTPConnection, HTTPHeaders, HTTPServerRequest
from tornadic.web.application import Application
from tornadic.web.execution import HandlerDelegate, _fail
from tornadic.web.handler import RequestHandler

__all__ = ["HTTPRequest", "WSGIAdapter", "WSGIApplication"]

_TOO_LATE = "under a WSGI server a handler cannot wait: its response is due when it returns"

# Of the connection, which is the server's (PEP 3333).
_HOP_BY_HOP = frozenset({"Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade"})


class _StandingLoop:
    """A loop for futures that are done already: it never turns, and so takes nothing to do."""

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return False

    def is_closed(self) -> bool:
        return False

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(_TOO_LATE)

    call_soon = call_soon_threadsafe = call_later = call_at = _refuse
    run_in_executor = add_reader = add_writer = _refuse

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=_standing_loop)

    def create_task(self, coro: Any, **kwargs: Any) -> Any:
        coro.close()
        raise RuntimeError(_TOO_LATE)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Say nothing: a future whose exception nobody asks for is a handler's own matter."""


_standing_loop: Any = _StandingLoop()


class _Answer(HTTPConnection):
    """Where the handler writes: keeps all of it for the server."""

    def __init__(self, remote_ip: str, protocol: str) -> None:
        self.context = self
        self.remote_ip = remote_ip
        self.protocol = protocol
        self.status: str | None = None
        self.headers: list[tuple[str, str]] = []
        self.chunks: list[bytes] = []
        self.is_finished = False

    def write_headers(
        self,
        start_line: RequestStartLine | ResponseStartLine,
        headers: HTTPHeaders,
        chunk: bytes | None = None,
    ) -> asyncio.Future[None]:
        assert isinstance(start_line, ResponseStartLine)
        self.status = f"{start_line.code} {start_line.reason}"
        self.headers = [pair for pair in headers.get_all() if pair[0] not in _HOP_BY_HOP]
        return self.write(chunk or b"")

    def write(self, chunk: bytes) -> asyncio.Future[None]:
        if chunk:
            self.chunks.append(chunk)
        future: asyncio.Future[None] = _standing_loop.create_future()
        future.set_result(None)
        return future

    def finish(self) -> None:
        self.is_finished = True

    def set_close_callback(self, callback: Callable[[], Any] | None) -> None:
        """Do nothing: a WSGI server does not say that the client has gone."""


class HTTPRequest(HTTPServerRequest):
    """The request that a WSGI ``environ`` stands for, its body included."""

    def __init__(self, environ: dict[str, Any]) -> None:
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        target = quote(path.encode("latin-1"), safe="/;:@&=+$,!~*'()") or "/"
        if environ.get("QUERY_STRING"):
            target += f"?{environ['QUERY_STRING']}"
        headers = HTTPHeaders()
        for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            if environ.get(name):
                headers[name.replace("_", "-")] = environ[name]
        for name, value in environ.items():
            if name.startswith("HTTP_"):
                headers[name[5:].replace("_", "-")] = value
        length = environ.get("CONTENT_LENGTH") or "0"
        has_body = length.isascii() and length.isdigit() and int(length)
        super().__init__(
            start_line=RequestStartLine(
                environ["REQUEST_METHOD"], target, environ.get("SERVER_PROTOCOL", "HTTP/1.1")
            ),
            headers=headers,
            body=environ["wsgi.input"].read(int(length)) if has_body else None,
            host=environ.get("HTTP_HOST") or environ["SERVER_NAME"],
            connection=_Answer(environ.get("REMOTE_ADDR", ""), environ["wsgi.url_scheme"]),
        )


class _Delegate(HandlerDelegate):
    """Runs a handler that must not wait."""

    __slots__ = ()

    def _go_on(self, handler: RequestHandler, waiting: Any, is_called: bool) -> None:
        coroutine = self._see_to_its_end(handler, waiting, is_called)
        try:
            coroutine.send(None)
        except StopIteration:
            return
        coroutine.close()
        raise RuntimeError(_TOO_LATE)

    def complete(self) -> None:
        """Run the handler.  One that has not finished the response is answered for, with a 500."""
        self.finish()
        handler = self._handler
        if handler is not None and not handler._finished:
            try:
                raise RuntimeError(_TOO_LATE)
            except RuntimeError as error:
                _fail(handler, error)


class WSGIAdapter:
    """Makes an `.Application` a WSGI application; nothing in it can wait.

    A handler that leaves its response to a callback, or waits, is answered with a 500.
    """

    def __init__(self, application: Application) -> None:
        self.application = application

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        request = HTTPRequest(environ)
        before = _get_running_loop()
        _set_running_loop(_standing_loop)
        try:
            found: Any = self.application.find_handler(request)
            if isinstance(found, HandlerDelegate):
                delegate = _Delegate(self.application, None, None)
                delegate.set_target(
                    request,
                    found._handler_class,
                    found._handler_kwargs,
                    found._path_args,
                    found._path_kwargs,
                )
                if found._handler_class._stream_request_body:
                    raise RuntimeError("under a WSGI server a handler cannot stream its body")
                delegate.complete()
            else:
                found.finish()
        finally:
            _set_running_loop(before)
        answer: Any = request.connection
        if answer.status is None or not answer.is_finished:
            raise RuntimeError(_TOO_LATE)
        start_response(answer.status, answer.headers)
        chunks: list[bytes] = answer.chunks
        return chunks


class WSGIApplication(Application):
    """An `.Application` that a WSGI server calls; see `WSGIAdapter`."""

    def __call__(self, environ: Any, start_response: Any = None) -> Any:
        return WSGIAdapter(self)(environ, start_response)
