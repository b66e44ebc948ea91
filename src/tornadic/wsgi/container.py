"""Runs WSGI applications, on the loop's thread or on an executor (PEP 3333).

`response` holds what the specification says of ``start_response``, ``write`` and the iterable,
and knows neither thread nor socket; a sink (`sinks`) takes its pieces to the connection.

An application runs from call to ``close()`` in one context, and on an executor in one thread:
what frameworks keep by thread or by context variable stays with its request.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from concurrent.futures import Executor
from contextvars import Context, copy_context
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final
from wsgiref.util import FileWrapper

from tornadic.concurrent import DummyExecutor, dummy_executor
from tornadic.escape import url_unescape
from tornadic.httputil import HTTPServerRequest, split_host_and_port
from tornadic.log import access_log
from tornadic.wsgi.response import Response, Steps, summary
from tornadic.wsgi.sinks import BridgeSink, DirectSink

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

__all__ = ["WSGIContainer"]

# These are variables of their own (RFC 3875 section 4.1), say how the message was framed, which
# it no longer is, or would set a variable that programs take for a setting of the proxy.
_NOT_PASSED_ON: Final = frozenset({"Content-Length", "Content-Type", "Proxy", "Transfer-Encoding"})

# The loop itself does not keep its tasks alive.
_tasks: set[asyncio.Task[None]] = set()


class WSGIContainer:
    """Runs a WSGI application on an `.HTTPServer`, beside handlers if you like.

    Give it to the server as it is, to a rule of `tornadic.routing`, or to a ``FallbackHandler``::

        def simple_app(environ, start_response):
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [b"Hello world!\\n"]

        async def main():
            executor = concurrent.futures.ThreadPoolExecutor(16)
            HTTPServer(WSGIContainer(simple_app, executor)).listen(8888)
            await asyncio.Event().wait()

    ``executor`` runs the application; it must run it in this process, as a ``ThreadPoolExecutor``
    does, and the application must be safe to run in several threads.  Without one (None) it runs
    on the thread of the loop: one request at a time, and nothing else meanwhile.

    An application that fails, or breaks the rules of PEP 3333, is answered with a 500 and logged
    with its traceback; if its response has begun, the connection is closed, so that the client
    sees that something is missing.  When a client goes away, the application is told by its next
    ``write``, which raises `.StreamClosedError`, or is not asked for more.
    """

    def __init__(self, wsgi_application: WSGIApplication, executor: Executor | None = None) -> None:
        self.wsgi_application = wsgi_application
        self.executor = dummy_executor if executor is None else executor

    def __call__(self, request: HTTPServerRequest) -> None:
        """Answer ``request``, whose body must be complete."""
        if type(self).handle_request is WSGIContainer.handle_request and self._runs_here():
            rest: Coroutine[Any, Any, None] | None = self._run_here(request)
            if rest is None:
                return
        else:
            rest = self.handle_request(request)
        task = asyncio.create_task(rest)
        # The loop itself does not keep its tasks alive.
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)

    async def handle_request(self, request: HTTPServerRequest) -> None:
        """Answer ``request``, whose body must be complete; return when the application is done.

        Cancelling this closes the connection.
        """
        if not self._runs_here():
            await self._run_elsewhere(request)
            return
        rest = self._run_here(request)
        if rest is not None:
            await rest

    def environ(self, request: HTTPServerRequest) -> dict[str, Any]:
        """The WSGI environment for ``request``: the variables of PEP 3333 and of RFC 3875.

        Text is as WSGI has it, a character for each byte.  A header whose name has an underscore
        is left out, since it would be taken for the one with a hyphen; so is ``Proxy``.
        """
        headers = request.headers
        host, port = split_host_and_port(request.host.lower())
        # A target that is no path, such as "*", asks about the server as a whole.
        path = request.path if request.path[:1] == "/" else "/"
        is_secure = request.protocol == "https"
        environ: dict[str, Any] = {
            "REQUEST_METHOD": request.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": url_unescape(path.encode("latin-1"), encoding=None, plus=False).decode(
                "latin-1"
            ),
            "QUERY_STRING": request.query,
            "REMOTE_ADDR": request.remote_ip or "",
            "SERVER_NAME": host,
            "SERVER_PORT": str(port or (443 if is_secure else 80)),
            "SERVER_PROTOCOL": request.version,
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": request.protocol,
            "wsgi.input": BytesIO(request.body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": not self._runs_here(),
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
            "wsgi.file_wrapper": FileWrapper,
        }
        if is_secure:
            environ["HTTPS"] = "on"
        if "Content-Type" in headers:
            environ["CONTENT_TYPE"] = headers["Content-Type"]
        if request.body or "Content-Length" in headers:
            # What the program can read, which after inflating is not what was announced.
            environ["CONTENT_LENGTH"] = str(len(request.body))
        for name in headers:
            if "_" not in name and name not in _NOT_PASSED_ON:
                values = headers.get_list(name)
                glue = "; " if name == "Cookie" else ","  # RFC 9113 section 8.2.3
                environ["HTTP_" + name.replace("-", "_").upper()] = glue.join(values)
        return environ

    def _runs_here(self) -> bool:
        """Whether the application runs on the thread of the loop."""
        return isinstance(self.executor, DummyExecutor)

    def _run_here(self, request: HTTPServerRequest) -> Coroutine[Any, Any, None] | None:
        """Run the application now; what is left to do when the client is slow, or None."""
        sink = DirectSink(request)
        response = Response(request, sink)
        steps = response.steps(self)
        # In a context of its own, as a task would be: what one request sets, no other sees.
        context = copy_context()
        if context.run(response.advance, steps, sink):
            return self._go_on(response, steps, sink, context)
        self._log(response.status, request)
        return None

    async def _go_on(
        self, response: Response, steps: Steps, sink: DirectSink, context: Context
    ) -> None:
        try:
            unfinished = True
            while unfinished:
                await sink.drain()
                unfinished = context.run(response.advance, steps, sink)
        except asyncio.CancelledError:
            sink.abort()
            context.run(steps.close)
            raise
        finally:
            self._log(response.status, response.request)

    async def _run_elsewhere(self, request: HTTPServerRequest) -> None:
        """Run the application on the executor."""
        loop = asyncio.get_running_loop()
        sink = BridgeSink(request, loop)
        response = Response(request, sink)
        context = copy_context()
        try:
            await loop.run_in_executor(self.executor, context.run, response.run, self)
        except asyncio.CancelledError:
            sink.close()
            raise
        except Exception as e:  # the executor's own; the application's end in the response
            response.fail(e)
        finally:
            self._log(response.status, request)

    def _log(self, status_code: int, request: HTTPServerRequest) -> None:
        level = 20 if status_code < 400 else 30 if status_code < 500 else 40
        if access_log.isEnabledFor(level):
            milliseconds = 1000.0 * request.request_time()
            access_log.log(level, "%d %s %.2fms", status_code, summary(request), milliseconds)
