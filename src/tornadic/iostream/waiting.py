"""A future whose waiter is resumed at once.

asyncio resumes a task that waits in the loop's next turn: a handle is made, queued and taken up
again, for every read.  When it is the loop that calls the stream, no task is running, and the one
that waits can as well be resumed there and then.  Everybody else who looks at the future, and a
task that waits when the future is completed by another, is called in the next turn as ever.
"""

from __future__ import annotations

import asyncio
from contextvars import Context
from types import BuiltinFunctionType, MethodType
from typing import Any

from tornadic.gen import Runner
from tornadic.ioloop import IOLoop

__all__ = ["Waiting", "done_future"]

_resume = Runner._resume


class Waiting(asyncio.Future[Any]):
    """A future of a stream; ``_waiter`` must be set to None by whoever makes it."""

    __slots__ = ("_waiter", "_waiter_context")

    _waiter: Any
    _waiter_context: Context

    def add_done_callback(self, fn: Any, *, context: Context | None = None) -> None:
        kind = type(fn)
        if (
            # By these a task and a decorated coroutine are resumed.
            (kind is BuiltinFunctionType and fn.__name__ == "task_wakeup")
            or (kind is MethodType and fn.__func__ is _resume)
        ) and not (context is None or self._waiter is not None or self.done()):
            self._waiter = fn
            self._waiter_context = context
        else:
            super().add_done_callback(fn, context=context)

    def remove_done_callback(self, fn: Any) -> int:
        removed = super().remove_done_callback(fn)
        if self._waiter is not None and fn == self._waiter:
            self._waiter = None
            removed += 1
        return removed

    def wake(self, result: Any) -> None:
        """Set the result and resume who waits; only where the loop has called.

        Whatever comes after this comes after what the program does next.
        """
        waiter = self._waiter
        self._waiter = None
        super().set_result(result)
        if waiter is not None:
            self._waiter_context.run(waiter, self)

    def set_result(self, result: Any) -> None:
        self._queue_waiter()
        super().set_result(result)

    def set_exception(self, exception: type | BaseException) -> None:
        self._queue_waiter()
        super().set_exception(exception)

    def cancel(self, msg: Any = None) -> bool:
        self._queue_waiter()
        return super().cancel(msg)

    def _queue_waiter(self) -> None:
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            super().add_done_callback(waiter, context=self._waiter_context)


def done_future(io_loop: IOLoop) -> asyncio.Future[None]:
    """The future that all writes of a loop share which went out at once."""
    future: asyncio.Future[None] = io_loop.asyncio_loop.create_future()
    future.set_result(None)
    return future
