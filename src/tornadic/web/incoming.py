"""The body of a request on its way from the connection, which brings it, to the handler that asks.

There is room for one piece.  Whoever waits for it is resumed there and then, as the loop has
called; if the handler is busy with something else the connection waits, and so does the client.
Nothing is brought before it is asked for the first time, so that a client which expects a 100 is
only told to send what somebody reads.
"""

from __future__ import annotations

import asyncio
from enum import Enum

from tornadic.iostream import StreamClosedError
from tornadic.iostream.waiting import Waiting

__all__ = ["IncomingBody"]


class _State(Enum):
    COMING = "there may be more"
    COMPLETE = "that was all of it"
    GONE = "the client left before"
    ANSWERED = "the rest is thrown away"


class IncomingBody:
    """The pieces of a body, as an asynchronous iterator; see `.RequestHandler.stream_body`.

    ``asked`` is set when the body is asked for the first time.
    """

    __slots__ = ("_asked", "_chunk", "_loop", "_state", "_taken", "_waiter")

    def __init__(self, asked: asyncio.Future[None]) -> None:
        self._asked = asked
        self._loop = asked.get_loop()
        self._state = _State.COMING
        self._chunk: bytes | None = None
        # The connection waits for that: the piece was taken.
        self._taken: asyncio.Future[None] | None = None
        # The handler waits for that: there is something to look at.
        self._waiter: Waiting | None = None

    # The connection's side

    def put(self, chunk: bytes) -> asyncio.Future[None] | None:
        """Bring a piece; an awaitable is waited for before the next one, or the end."""
        if self._state is not _State.COMING:
            return None
        self._chunk = chunk
        self._wake()
        if self._chunk is None:
            return None
        self._taken = self._loop.create_future()
        return self._taken

    def complete(self) -> None:
        """Say that all of the body was brought."""
        self._end(_State.COMPLETE)
        self._wake()

    def break_off(self, *, answered: bool) -> None:
        """Say that nothing more comes: the request was answered, or else the client is gone."""
        self._end(_State.ANSWERED if answered else _State.GONE)
        if answered:
            self._chunk = None
        self._let_connection_go_on()
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            # Not at once: the connection has yet to end what it does.
            waiter.set_result(None)

    def _end(self, state: _State) -> None:
        if self._state is _State.COMING:
            self._state = state

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is None or waiter.done():
            return
        if asyncio.current_task(self._loop) is None:
            waiter.wake(None)
        else:
            waiter.set_result(None)

    def _let_connection_go_on(self) -> None:
        taken, self._taken = self._taken, None
        if taken is not None and not taken.done():
            taken.set_result(None)

    # The handler's side

    async def take(self) -> bytes | None:
        """The next piece, or None at the end of the body.

        Raises `StreamClosedError` if the client has gone before, and RuntimeError if the request
        was answered, or if somebody waits for a piece already.
        """
        while (chunk := self._chunk) is None:
            if self._state is _State.COMPLETE:
                return None
            if self._state is _State.GONE:
                raise StreamClosedError()
            if self._state is _State.ANSWERED:
                raise RuntimeError("The request has been answered; its body is not read on")
            if self._waiter is not None:
                raise RuntimeError("The body is being read already")
            if not self._asked.done():
                self._asked.set_result(None)
            waiter = self._waiter = Waiting(loop=self._loop)
            waiter._waiter = None
            try:
                await waiter
            finally:
                self._waiter = None
        self._chunk = None
        if self._taken is not None:
            self._let_connection_go_on()
        return chunk

    def __aiter__(self) -> IncomingBody:
        return self

    async def __anext__(self) -> bytes:
        chunk = await self.take()
        if chunk is None:
            raise StopAsyncIteration
        return chunk
