"""The way of a request in through middleware, and of its response out again.

The chain is made once for an application.  A request takes the steps in their order; as long as
none of them waits and none is around the others, that is a few calls, and the handler goes on as
it would without.  Otherwise the rest of the way is one coroutine, which has the handler's own work
at its end.

On its way out a response is not complete until its head is written, so `finish` and the first
`flush` ask the request's `Departure`, which calls every ``process_response``, the last one first.
If one of them waits, the response goes on in a task of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from functools import partial
from typing import Any

from tornadic._yieldable import awaitable_of
from tornadic.httputil import HTTPHeaders
from tornadic.iostream import StreamClosedError
from tornadic.log import app_log
from tornadic.web.handler import RequestHandler
from tornadic.web.sessions import Ending

__all__ = ["Departure", "MiddlewareChain"]

Answer = Callable[[RequestHandler], Awaitable[None]]
_Passing = Coroutine[Any, Any, None]

# The loop itself does not keep its tasks alive.
_departing: set[asyncio.Task[None]] = set()


class MiddlewareChain:
    """The middleware of an application, in the order of its list.

    Each object has ``process_request(handler)``, ``process_response(handler)``, or is called
    around the rest: ``async def __call__(self, handler, call_next)``; or several of these.
    Raises TypeError for anything else, and for a class in place of an object of it.
    """

    def __init__(self, middleware: Iterable[Any]) -> None:
        # What is called on the way in, and whether it is around the rest.
        self._steps: list[tuple[Callable[..., Any], bool]] = []
        self.responses: list[Callable[[RequestHandler], Any]] = []
        if isinstance(middleware, str | dict) or not isinstance(middleware, Iterable):
            raise TypeError(f"the setting 'middleware' is a list of objects, not {middleware!r}")
        for one in middleware:
            self._add(one)
        self.responses.reverse()

    def _add(self, one: Any) -> None:
        if isinstance(one, type):
            raise TypeError(f"middleware is an object, not a class: {one.__name__}() perhaps")
        request = getattr(one, "process_request", None)
        response = getattr(one, "process_response", None)
        if request is not None:
            self._steps.append((request, False))
        if callable(one):
            self._steps.append((one, True))
        if response is not None:
            self.responses.append(response)
        if request is response is None and not callable(one):
            raise TypeError(
                f"{one!r} is no middleware: it has no process_request, process_response or __call__"
            )

    def attend(self, handler: RequestHandler) -> None:
        """See to the response of a handler, whoever makes it."""
        if self.responses:
            opened = None if handler._ending is None else handler._ending._opened
            handler._ending = Departure(handler, self.responses, opened)

    def enter(self, handler: RequestHandler, answer: Answer) -> _Passing | None:
        """Begin with a request.

        None: it has come through, or one has finished it.  Otherwise the rest of its way, which
        ``answer`` is the end of.
        """
        self.attend(handler)
        for position, (step, is_around) in enumerate(self._steps):
            if is_around:
                return self._pass(handler, answer, position)
            waiting = step(handler)
            if waiting is not None:
                return self._pass(handler, answer, position + 1, waiting)
            if handler._finished:
                return None
        return None

    async def _pass(
        self, handler: RequestHandler, answer: Answer, position: int, waiting: Any = None
    ) -> None:
        """Take the steps from ``position`` on; ``waiting`` is what the one before returned."""
        if waiting is not None:
            await awaitable_of(waiting)
        for next_position in range(position, len(self._steps)):
            if handler._finished:
                return
            step, is_around = self._steps[next_position]
            if is_around:
                rest = partial(self._pass, handler, answer, next_position + 1)
                await step(handler, _once(rest))
                return
            waiting = step(handler)
            if waiting is not None:
                await awaitable_of(waiting)
        if not handler._finished:
            await answer(handler)


def _once(rest: Callable[[], _Passing]) -> Callable[[], _Passing]:
    """What middleware around the rest calls, once: a request is not answered twice."""
    is_called = False

    def call_next() -> _Passing:
        nonlocal is_called
        if is_called:
            raise RuntimeError("call_next() was called twice for one request")
        is_called = True
        return rest()

    return call_next


class Departure:
    """The way out of one request's responses: mostly one, or one that failed and its error page."""

    __slots__ = ("_flushing", "_handler", "_has_failed", "_opened", "_ready_headers", "_responses")

    def __init__(
        self,
        handler: RequestHandler,
        responses: list[Callable[[RequestHandler], Any]],
        opened: Ending | None,
    ) -> None:
        self._opened = opened
        self._handler = handler
        self._responses = responses
        # The headers that are complete.  A response that takes the place of another has its own.
        self._ready_headers: HTTPHeaders | None = None
        # Once one has failed there has to be an answer, whatever else fails.
        self._has_failed = False
        # A first `flush` that waits.
        self._flushing: asyncio.Task[None] | None = None

    def before_finish(self, handler: RequestHandler) -> asyncio.Future[None] | None:
        waiting = self._flushing or self._make_ready()
        if waiting is not None:
            handler._finished = True  # for everybody else; it is the task that finishes
            return _kept(self._finish_after(waiting))
        return None if self._opened is None else self._opened.before_finish(handler)

    def before_head(self, handler: RequestHandler) -> asyncio.Future[None] | None:
        if self._flushing is None:
            waiting = self._make_ready()
            if waiting is None:
                return None if self._opened is None else self._opened.before_head(handler)
            self._flushing = _kept(self._flush_after(waiting))
        return self._flushing

    def _make_ready(self) -> _Passing | None:
        """Call every ``process_response``, unless that is done; what is left, if one waits."""
        handler = self._handler
        if (
            handler._headers_written
            or self._ready_headers is handler._headers
            or handler._status_code == 101  # from now on it is another protocol
        ):
            return None
        return self._call_from(0)

    def _call_from(self, position: int) -> _Passing | None:
        for number in range(position, len(self._responses)):
            try:
                waiting = self._responses[number](self._handler)
            except Exception:
                if self._is_first_failure():
                    raise
                continue
            if waiting is not None:
                return self._wait_then_call(waiting, number + 1)
        self._ready_headers = self._handler._headers
        return None

    async def _wait_then_call(self, waiting: Any, position: int) -> None:
        try:
            await awaitable_of(waiting)
        except Exception:
            if self._is_first_failure():
                raise
        rest = self._call_from(position)
        if rest is not None:
            await rest

    def _is_first_failure(self) -> bool:
        """The first becomes an error page; of those that follow only the log is told."""
        if not self._has_failed:
            self._has_failed = True
            return True
        app_log.error("Exception in process_response of an error page", exc_info=True)
        return False

    async def _finish_after(self, waiting: Awaitable[None]) -> None:
        handler = self._handler
        try:
            await waiting
        except (asyncio.CancelledError, StreamClosedError):
            handler._finished = False
            handler._abort()
            raise
        except Exception as error:
            handler._finished = False
            handler._handle_request_exception(error)
            return
        handler._finished = False
        try:
            # What subclasses made of it has been called already.
            await RequestHandler.finish(handler)
        except StreamClosedError:
            raise  # for whoever waits for it
        except Exception as error:
            handler._handle_request_exception(error)

    async def _flush_after(self, waiting: Awaitable[None]) -> None:
        try:
            await waiting
        finally:
            self._flushing = None
        await RequestHandler.flush(self._handler)


def _kept(coroutine: _Passing) -> asyncio.Task[None]:
    """A task that stays until it is done, and whose failure is no news if nobody asks."""
    task = asyncio.ensure_future(coroutine)
    _departing.add(task)
    task.add_done_callback(_departed)
    return task


def _departed(task: asyncio.Task[None]) -> None:
    _departing.discard(task)
    if not task.cancelled():
        task.exception()
