"""`Group`: the clients of this process that get the messages of a channel.

They are one receiver of the channel, however many they are.  What they get is encoded once, by the
``broadcast`` of their kind, which also bounds what waits for each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

from tornadic import eventsource, websocket
from tornadic.channels.messages import Message
from tornadic.eventsource import EventSourceHandler
from tornadic.log import app_log
from tornadic.websocket import WebSocketHandler

if TYPE_CHECKING:
    from tornadic.channels.base import Channels

__all__ = ["Group", "Member"]

Member = WebSocketHandler | EventSourceHandler | Callable[[Any], object]


class Group:
    """The members of the channel ``name`` in this process; `.Channels.group` gives it.

    `.WebSocketHandler` objects get text as text, bytes as a binary message, all else as JSON;
    `.EventSourceHandler` objects the same as an event's data, where bytes must be UTF-8.
    Functions are called with the message itself.  ``len``, ``in`` and iterating are those of a
    set.
    """

    def __init__(self, channels: Channels, name: str) -> None:
        self.name = name
        self._channels = channels
        self._sockets: set[WebSocketHandler] = set()
        self._streams: set[EventSourceHandler] = set()
        self._functions: set[Callable[[Any], object]] = set()

    def add(self, member: Member) -> asyncio.Future[None]:
        """Have ``member`` get the messages; a handler from its ``open`` on.

        The future is done when no message can be missed, and waits for a server that cannot be
        reached; nobody needs to wait for it.  A handler that is closed is not added, and is
        forgotten with the next message; ``on_close`` had better `discard` it.

        Raises TypeError for what is no member, such as a coroutine function.
        """
        if isinstance(member, WebSocketHandler):
            if member.ws_connection is not None:
                self._sockets.add(member)
        elif isinstance(member, EventSourceHandler):
            if member.is_open:
                self._streams.add(member)
        elif callable(member) and not iscoroutinefunction(member):
            self._functions.add(member)
        else:
            raise TypeError(f"{member!r} cannot be a member of a group")
        if not len(self):
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            future.set_result(None)
            return future
        return self._channels._join(self.name, self)

    def discard(self, member: Member) -> None:
        """Have it get no more messages; does nothing if it is not in the group."""
        for members in (self._sockets, self._streams, self._functions):
            members.discard(member)
        if not len(self):
            self._channels._leave(self.name, self)

    async def publish(self, message: Any) -> None:
        """Send ``message`` to all members, in all processes; see `.Channels.publish`."""
        await self._channels.publish(self.name, message)

    def __len__(self) -> int:
        return len(self._sockets) + len(self._streams) + len(self._functions)

    def __contains__(self, member: object) -> bool:
        return member in self._sockets or member in self._streams or member in self._functions

    def __iter__(self) -> Iterator[Member]:
        yield from self._sockets
        yield from self._streams
        yield from self._functions

    # What the channels call

    def _take(self, name: str, message: Message) -> None:
        self._forget_closed()
        if self._sockets or self._streams:
            text = message.text
            if self._sockets:
                websocket.broadcast(self._sockets, text, binary=isinstance(text, bytes))
            if self._streams:
                eventsource.broadcast(self._streams, text)
        for function in list(self._functions):
            try:
                function(message.value)
            except Exception:
                app_log.error("Uncaught exception in the channel %r", name, exc_info=True)

    def _forget_closed(self) -> None:
        sockets = [one for one in self._sockets if one.ws_connection is None]
        streams = [one for one in self._streams if not one.is_open]
        if sockets or streams:
            self._sockets.difference_update(sockets)
            self._streams.difference_update(streams)
            if not len(self):
                self._channels._leave(self.name, self)

    def _close(self) -> None:
        for members in (self._sockets, self._streams, self._functions):
            members.clear()
        self._channels._leave(self.name, self)
