"""`Subscription`: messages that wait to be asked for, up to a bound."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from tornadic.channels.errors import ChannelsError
from tornadic.channels.messages import Message

if TYPE_CHECKING:
    from tornadic.channels.base import Channels

__all__ = ["DEFAULT_MAX_MESSAGES", "Subscription"]

DEFAULT_MAX_MESSAGES: Final = 1000
"""Enough for a burst; whoever has more waiting does not keep up."""

_POLICIES: Final = ("drop_oldest", "drop_newest", "close")


class Subscription:
    """The messages of some channels, one after another; `.Channels.subscribe` makes it::

        async with channels.subscribe("news") as subscription:
            async for message in subscription:
                ...

    It begins when ``async with`` is entered, which takes until nothing that is published can be
    missed; that raises `.ChannelsError` if there is no connection.  Iterating ends when the block
    is left or the channels are closed, and one task at a time may iterate.  ``channel`` is the
    name under which the last message was published; ``dropped`` counts those that found no room.
    """

    def __init__(
        self, channels: Channels, names: Sequence[str], max_messages: int, when_full: str
    ) -> None:
        if not names:
            raise ValueError("A subscription needs the name of a channel")
        if max_messages < 1:
            raise ValueError(f"max_messages is at least 1, not {max_messages}")
        if when_full not in _POLICIES:
            raise ValueError(f"when_full is one of {', '.join(_POLICIES)}, not {when_full!r}")
        self.names = tuple(dict.fromkeys(names))
        self.channel: str | None = None
        self.dropped = 0
        self._channels = channels
        self._max_messages = max_messages
        self._when_full = when_full
        self._waiting: deque[tuple[str, Any]] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._is_open = False
        self._error: ChannelsError | None = None

    async def __aenter__(self) -> Subscription:
        if self._is_open:
            raise RuntimeError("The subscription has begun already")
        self._is_open = True
        self._error = None
        try:
            await self._channels._wait([self._channels._join(name, self) for name in self.names])
        except BaseException:
            self._close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close()
        self._waiting.clear()

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> Any:
        if self._waiter is not None:
            raise RuntimeError("Another task waits for a message of this subscription")
        while not self._waiting:
            if not self._is_open:
                if self._error is not None:
                    raise self._error
                raise StopAsyncIteration
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        self.channel, message = self._waiting.popleft()
        return message

    # What the channels call

    def _take(self, name: str, message: Message) -> None:
        if len(self._waiting) >= self._max_messages:
            self.dropped += 1
            if self._when_full == "drop_oldest":
                self._waiting.popleft()
            else:
                if self._when_full == "close":
                    self._error = ChannelsError("The subscriber did not keep up")
                    self._close()
                return
        self._waiting.append((name, message.value))
        self._wake()

    def _close(self) -> None:
        self._is_open = False
        for name in self.names:
            self._channels._leave(name, self)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
