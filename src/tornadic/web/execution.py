"""One request through its handler.

What does not wait is called directly, and costs neither a task nor a future.  As soon as
something has to be waited for, the rest goes on in one task; where Python can, that begins to run
at once instead of in the next turn of the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from contextvars import copy_context
from inspect import CORO_CREATED, getcoroutinestate
from typing import TYPE_CHECKING, Any

from tornadic._tasks import CAN_BEGIN_AT_ONCE, start
from tornadic._yieldable import BadYieldError, awaitable_of
from tornadic.escape import url_unescape
from tornadic.http.interfaces import HTTPConnection, HTTPMessageDelegate
from tornadic.http.startlines import RequestStartLine, ResponseStartLine
from tornadic.http1connection import HTTP1Connection
from tornadic.httputil import HTTPHeaders, HTTPServerRequest
from tornadic.iostream import StreamClosedError
from tornadic.log import app_log
from tornadic.web import hints
from tornadic.web.arguments import ArgumentsMixin
from tornadic.web.errors import HTTPError
from tornadic.web.handler import RequestHandler
from tornadic.web.incoming import IncomingBody
from tornadic.web.protection import SAFE_METHODS, protect

if TYPE_CHECKING:
    from tornadic.web.application import Application

__all__ = ["HandlerDelegate"]

# The constructor has ten arguments to look at.
_bare_request = HTTPServerRequest.__new__

# The loop itself does not keep its tasks alive.  The connection does, while it owes the answer; of
# what goes on without one, or elsewhere, this does.
_waiting: dict[HandlerDelegate, asyncio.Task[None]] = {}


async def _nothing() -> None: ...


_sample = _nothing()
_Coroutine = type(_sample)
_sample.close()


class HandlerDelegate(HTTPMessageDelegate):
    """Takes a request, runs the handler that was found for it, and sees it to its end."""

    __slots__ = (
        "_application",
        "_body",
        "_chunks",
        "_connection",
        "_handler",
        "_handler_class",
        "_handler_kwargs",
        "_incoming",
        "_other",
        "_path_args",
        "_path_kwargs",
        "_prepared",
        "_request",
        "_server_connection",
        "_task",
    )

    def __init__(
        self, application: Application, server_connection: object, connection: HTTPConnection | None
    ) -> None:
        self._application = application
        self._server_connection = server_connection
        self._connection = connection
        # Who takes the request instead, where its rule leads to no handler.
        self._other: HTTPMessageDelegate | None = None
        self._handler: RequestHandler | None = None
        self._chunks: list[bytes] | None = None
        # For a handler that streams: done when the body is complete, and when data may come; and
        # where it takes them, if it reads them itself.
        self._body: asyncio.Future[None] | None = None
        self._prepared: asyncio.Future[None] | None = None
        self._incoming: IncomingBody | None
        # What goes on with the request after it had to wait.
        self._task: asyncio.Task[None] | None

    def set_target(
        self,
        request: HTTPServerRequest,
        handler_class: type[RequestHandler],
        handler_kwargs: dict[str, Any] | None,
        path_args: Sequence[bytes | str | None] | None,
        path_kwargs: Mapping[str, bytes | str | None] | None,
    ) -> None:
        """Decide who answers ``request``."""
        self._request = request
        self._handler_class = handler_class
        self._handler_kwargs = handler_kwargs
        self._path_args = path_args
        self._path_kwargs = path_kwargs

    # The request comes

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        if self._connection is not None:
            request = _bare_request(HTTPServerRequest)
            request.receive(
                start_line,  # type: ignore[arg-type]
                headers,
                self._connection,
                self._server_connection,
            )
            # Where a rule of the application's own leads to a handler, and nobody comes between,
            # this delegate is set on it, instead of another being made.
            application = self._application
            if application.finds_directly:
                request._delegate = self
            found = application.find_handler(request)
            if found is not self:
                request._delegate = None
                self._other = found
                return found.headers_received(start_line, headers)
        if not self._handler_class._stream_request_body:
            return None
        loop = asyncio.get_running_loop()
        self._body = loop.create_future()
        self._prepared = loop.create_future()
        self._incoming = None
        if self._handler_class.data_received is RequestHandler.data_received:
            self._incoming = IncomingBody(self._prepared)
            if headers.peek("Content-Length") is None is headers.peek("Transfer-Encoding"):
                self._prepared.set_result(None)  # there is no body to be asked for
        copy_context().run(self._run)
        return None if self._prepared.done() else self._prepared

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        if self._other is not None:
            return self._other.data_received(chunk)
        if self._body is not None:
            return self._handler.data_received(chunk) if self._handler is not None else None
        if self._chunks is None:
            self._chunks = []
        self._chunks.append(chunk)
        return None

    def finish(self) -> None:
        if self._other is not None:
            self._other.finish()
            return
        if self._body is not None:
            if not self._body.done():
                self._body.set_result(None)
            if self._incoming is not None:
                self._incoming.complete()
            return
        if self._chunks is not None:
            self._request.body = b"".join(self._chunks)
            self._chunks = None
        # In a context of its own, as a task would be: what a handler sets, no other sees.
        copy_context().run(self._run)

    def answered(self) -> None:
        if self._other is not None:
            self._other.answered()
        elif self._body is not None and not self._body.done():
            self._body.set_result(None)
            if self._incoming is not None:
                self._incoming.break_off(answered=True)
            # Nobody is left to ask for the rest, which has to be read to get to the next request.
            self._let_data_come()
            if getattr(self._request.connection, "answer_callback", None) is not None:
                self._answer_is_over()

    def on_connection_close(self) -> None:
        self._chunks = None
        if self._other is not None:
            self._other.on_connection_close()
        if self._handler is None or self._body is None:
            return
        self._handler.on_connection_close()
        if not self._body.done():
            self._body.set_exception(StreamClosedError())
            self._body.exception()  # a handler that has failed before does not ask
            if self._incoming is not None:
                self._incoming.break_off(answered=False)

    # The handler runs

    def _run(self) -> None:
        application = self._application
        request = self._request
        try:
            if self._handler_kwargs:
                handler = self._handler_class(application, request, **self._handler_kwargs)
            else:
                handler = self._handler_class(application, request)
        except _NO_ANSWER:
            raise
        except BaseException as e:
            hints.explain_construction(e, self._handler_class, self._handler_kwargs)
            # A handler of no kind in particular says what became of this one.
            handler = RequestHandler(application, request)
            if application._middleware is not None:
                application._middleware.attend(handler)
            _fail(handler, e)
            self._let_data_come()
            return
        self._handler = handler
        if self._body is not None:
            handler._incoming = self._incoming
        if application.transforms:
            handler._transforms = [t(request) for t in application.transforms]
        try:
            middleware = application._middleware
            if middleware is not None:
                passing = middleware.enter(handler, self._answer)
                if passing is not None:
                    self._go_on(handler, passing, is_called=True)
                    return
                if handler._finished:
                    self._let_data_come()
                    return
            waiting = self._prepare(handler)
            if waiting is not None or self._body is not None:
                self._go_on(handler, waiting, is_called=False)
            elif not handler._finished:
                method = getattr(handler, request.method.lower())
                if handler.path_args or handler.path_kwargs:
                    waiting = method(*handler.path_args, **handler.path_kwargs)
                else:
                    waiting = method()
                if waiting is not None and (type(waiting) is _Coroutine or not _is_done(waiting)):
                    self._go_on(handler, waiting, is_called=True)
                elif handler._auto_finish and not handler._finished:
                    handler.finish()
        except _NO_ANSWER:
            raise
        except BaseException as e:
            _fail(handler, e)
            self._let_data_come()

    def _prepare(self, handler: RequestHandler) -> Any:
        """Look whether the request may be answered; what `prepare` returned."""
        method = self._request.method
        if method not in handler.SUPPORTED_METHODS:
            raise HTTPError(405)
        if self._path_args or self._path_kwargs:
            self._decode_path(handler)
        if type(handler).on_connection_close is not RequestHandler.on_connection_close:
            connection: Any = self._request.connection
            connection.set_close_callback(handler.on_connection_close)
        if method not in SAFE_METHODS:
            protect(handler)
        remote = self._application._remote_sessions
        return handler.prepare() if remote is None else remote.prepare(handler)

    async def _answer(self, handler: RequestHandler) -> None:
        """All that a handler does, for middleware that is around it."""
        waiting = self._prepare(handler)
        if waiting is not None:
            await _awaitable(handler, waiting, "prepare")
        if not handler._finished:
            await self._call_method(handler)

    def _decode_path(self, handler: RequestHandler) -> None:
        args, kwargs = self._path_args, self._path_kwargs
        if not kwargs and (
            # The usual path: text that stands for itself.
            "%" not in self._request.path
            and self._request.path.isascii()
            and type(handler).decode_argument is ArgumentsMixin.decode_argument
            and type(args) is tuple
        ):
            handler.path_args = list(args)
            return
        if args:
            handler.path_args = [_decode(handler, arg, None) for arg in args]
        if kwargs:
            handler.path_kwargs = {
                name: _decode(handler, arg, name) for name, arg in kwargs.items()
            }

    def _go_on(self, handler: RequestHandler, waiting: Any, is_called: bool) -> None:
        """Wait for ``waiting``, and see the request to its end, in a task."""
        loop = asyncio.get_running_loop()
        coroutine = self._see_to_its_end(handler, waiting, is_called)
        if CAN_BEGIN_AT_ONCE:
            task = start(coroutine, loop)
            if task.done():
                return
        else:
            task = _LateTask(coroutine, loop=loop)
            task.delegate = self
            task.waiting = waiting
        connection = self._request.connection
        if isinstance(connection, HTTP1Connection) and not handler._finished:
            self._task = task
            connection.answer_callback = self._answer_is_over
        else:
            _waiting[self] = task

    def _answer_is_over(self) -> None:
        """The answer is complete, or its client has gone, and the task has not come to its end.

        A coroutine that has finished the response itself goes on, and so does one whose client
        has gone, unless it had left the response to others (``_auto_finish``).  Any other was
        overtaken: we keep it no longer.  What can still resume it keeps it as well; without that
        it is freed, its ``finally`` clauses run, and nobody hears of it.
        """
        connection: Any = self._request.connection
        connection.answer_callback = None
        handler, task = self._handler, self._task
        if handler is None or task is None:
            return  # it has come to its end after all
        is_its_own = task in (asyncio.current_task(), handler._finisher)
        handler._finisher = None
        if is_its_own or (handler._auto_finish and not handler._finished and self._is_gone):
            _waiting[self] = task
        else:
            task._log_destroy_pending = False  # type: ignore[attr-defined]

    async def _see_to_its_end(self, handler: RequestHandler, waiting: Any, is_called: bool) -> None:
        """Wait for what `prepare` or the method returned, call the method, and finish.

        ``is_called``: it was the method that returned ``waiting``.
        """
        try:
            if type(waiting) is _Coroutine:
                await waiting
            elif waiting is not None:
                await _awaitable(handler, waiting, None if is_called else "prepare")
            if not is_called and not handler._finished:
                await self._call_method(handler)
            if handler._auto_finish and not handler._finished:
                connection = self._request.connection
                if isinstance(connection, HTTP1Connection):
                    connection.answer_callback = None  # there is nobody to be told
                handler.finish()
        except StreamClosedError as e:
            # Whoever reads a body whose client has gone ends here, and nobody is left to be told.
            if not self._is_cut_off:
                _fail(handler, e)
        except asyncio.CancelledError as e:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                self._break_off(handler)
            else:
                _fail(handler, e)  # it is what the handler waited for that was cancelled
            raise
        except _NO_ANSWER:
            raise
        except BaseException as e:
            _fail(handler, e)
        finally:
            self._let_data_come()
            self._task = None  # which refers to us
            if _waiting:
                _waiting.pop(self, None)

    async def _call_method(self, handler: RequestHandler) -> None:
        """Call the method once the body is there, and wait for what it returns."""
        verb = handler.request.method.lower()
        if self._body is not None and not self._is_read_by(verb):
            self._let_data_come()
            await self._body
            if handler._finished:
                return
        method = getattr(handler, verb)
        result = method(*handler.path_args, **handler.path_kwargs)
        if type(result) is _Coroutine:
            await result
        elif result is not None:
            await _awaitable(handler, result)

    def _is_read_by(self, verb: str) -> bool:
        """Whether the body comes while the method runs, which reads it."""
        if self._incoming is None:
            return False
        is_defined = getattr(self._handler_class, verb) is not getattr(RequestHandler, verb, None)
        if is_defined or self._request.headers.peek("Expect") is not None:
            return True
        # A 405, as it is for other handlers: when all of the request is here.
        self._incoming.break_off(answered=True)
        return False

    @property
    def _is_cut_off(self) -> bool:
        """Whether the body of a handler that streams ended before its end."""
        body = self._body
        return body is not None and body.done() and body.exception() is not None

    @property
    def _is_gone(self) -> bool:
        """Whether nobody is left to get an answer."""
        return self._is_cut_off or self._request.connection_is_closed()

    def _break_off(self, handler: RequestHandler) -> None:
        """Answer 500 for a task that was cancelled, which is no error that the log had to tell."""
        try:
            if self._is_gone or handler._headers_written:
                handler._abort()
            elif not handler._finished:
                handler.send_error(500)
        except Exception:
            app_log.error("Exception in exception handler", exc_info=True)
            handler._abort()

    def _let_data_come(self) -> None:
        if self._prepared is not None and not self._prepared.done():
            self._prepared.set_result(None)


# The program is to end, or nobody refers to the coroutine any more.  Whatever else a handler
# raises is answered, also what is no Exception: a test's failure, or another library's own.
_NO_ANSWER = (KeyboardInterrupt, SystemExit, GeneratorExit)


class _LateTask(asyncio.Task[None]):
    """A task that begins in the next turn; if it is cancelled before, ``delegate`` answers.

    ``waiting`` is what it would have waited for.
    """

    delegate: HandlerDelegate
    waiting: Any

    def cancel(self, msg: Any = None) -> bool:
        if getcoroutinestate(self.get_coro()) == CORO_CREATED:  # type: ignore[arg-type]
            # The coroutine will never hear of it.
            self.add_done_callback(self._never_began)
        return super().cancel(msg)

    def _never_began(self, _: asyncio.Task[None]) -> None:
        delegate = self.delegate
        if type(self.waiting) is _Coroutine:
            self.waiting.close()
        delegate._task = None
        _waiting.pop(delegate, None)
        if delegate._handler is not None and not delegate._handler._finished:
            delegate._break_off(delegate._handler)
            delegate._let_data_come()


def _is_done(waiting: Any) -> bool:
    """Whether there is nothing to be waited for after all, and nothing to be raised."""
    return (
        isinstance(waiting, asyncio.Future)
        and waiting.done()
        and not waiting.cancelled()
        and waiting.exception() is None
    )


def _awaitable(handler: RequestHandler, result: Any, method: str | None = None) -> Any:
    """What ``method`` (None: the request's) returned, to be awaited.

    Raises TypeError for what nobody can wait for.
    """
    if not isinstance(result, (dict, list)):  # meant to be sent, more likely than to be awaited
        try:
            return awaitable_of(result)
        except BadYieldError:
            pass
    raise hints.bad_result(handler, method or handler.request.method.lower(), result)


def _decode(handler: RequestHandler, value: bytes | str | None, name: str | None) -> str | None:
    """A group of the path as the handler gets it; text is still escaped, bytes are not."""
    if isinstance(value, str):
        value = url_unescape(value, encoding=None, plus=False)
    return None if value is None else handler.decode_argument(value, name=name)


def _fail(handler: RequestHandler, error: BaseException) -> None:
    try:
        handler._handle_request_exception(error)
    except Exception:
        app_log.error("Exception in exception handler", exc_info=True)
        handler._abort()
