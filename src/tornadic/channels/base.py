"""`Channels`: who listens to what in this process, whatever brings the messages.

A receiver is a `.Subscription` or a `.Group`.  What is underneath is told of a name when its first
receiver comes (`_begin`) and when its last one goes (`_end`), never of one receiver more.
"""

from __future__ import annotations

import asyncio
from typing import Any, Literal, Protocol
from weakref import WeakValueDictionary

from tornadic.channels.groups import Group, Member
from tornadic.channels.messages import Message, check_name
from tornadic.channels.subscriptions import DEFAULT_MAX_MESSAGES, Subscription
from tornadic.log import app_log, gen_log

__all__ = ["Channels"]


class _Receiver(Protocol):
    def _take(self, name: str, message: Message) -> None: ...
    def _close(self) -> None: ...


class Channels:
    """Publishes messages under names, and hands them to all who listen to a name.

    Use `.MemoryChannels` for one process, `.RedisChannels` for several.  A message is bytes, or
    whatever JSON can say; receivers get it as it comes out of JSON, all in a process the same
    object, which they had better not change.  Whoever listens gets what is published from
    then on, and perhaps what was on its way; nothing is kept for later.  An object
    belongs to one event loop.
    """

    def __init__(self) -> None:
        self._receivers: dict[str, dict[_Receiver, None]] = {}
        self._groups: WeakValueDictionary[str, Group] = WeakValueDictionary()

    # What a program calls

    async def publish(self, name: str, message: Any) -> None:
        """Send ``message`` to all who listen to ``name``.

        Raises TypeError and ValueError for what is neither bytes nor JSON, and `.ChannelsError` if
        it could not be sent.
        """
        raise NotImplementedError

    def subscribe(
        self,
        *names: str,
        max_messages: int = DEFAULT_MAX_MESSAGES,
        when_full: Literal["drop_oldest", "drop_newest", "close"] = "drop_oldest",
    ) -> Subscription:
        """A subscription to ``names``, for ``async with`` and ``async for``.

        At most ``max_messages`` wait for a subscriber.  ``when_full`` says what happens to the
        next one: the oldest or the new one is dropped, or the subscription ends, with a
        `.ChannelsError` behind what still waits.  Raises ValueError without a name, for a bound
        below 1, and for another policy.
        """
        return Subscription(self, names, max_messages, when_full)

    def group(self, name: str) -> Group:
        """The group of this process's members of ``name``, the same for everyone who asks.

        Raises TypeError if ``name`` is no text, ValueError if it is no UTF-8.
        """
        check_name(name)
        group = self._groups.get(name)
        if group is None:
            group = self._groups[name] = Group(self, name)
        return group

    def add(self, name: str, member: Member) -> asyncio.Future[None]:
        """Have ``member`` get the messages of ``name``; see `.Group.add`."""
        return self.group(name).add(member)

    def discard(self, name: str, member: Member) -> None:
        """Have it get no more of them; does nothing if it does not."""
        self.group(name).discard(member)

    async def close(self) -> None:
        """End all subscriptions and groups."""
        for receivers in list(self._receivers.values()):
            for receiver in list(receivers):
                receiver._close()

    # What receivers call

    def _join(self, name: str, receiver: _Receiver) -> asyncio.Future[None]:
        """Hand ``receiver`` the messages of ``name``; the future is done when that has begun."""
        check_name(name)
        receivers = self._receivers.get(name)
        if receivers is None:
            self._begin(name)
            receivers = self._receivers[name] = {}
        receivers[receiver] = None
        return self._begun(name)

    def _leave(self, name: str, receiver: _Receiver) -> None:
        receivers = self._receivers.get(name)
        if receivers is None or receiver not in receivers:
            return
        del receivers[receiver]
        if not receivers:
            del self._receivers[name]
            self._end(name)

    # What is underneath

    def _begin(self, name: str) -> None:
        """Somebody listens to ``name``."""

    def _end(self, name: str) -> None:
        """Nobody listens to ``name`` any more."""

    def _begun(self, name: str) -> asyncio.Future[None]:
        """A future of the caller's own that is done when messages of ``name`` come."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        future.set_result(None)
        return future

    async def _wait(self, begun: list[asyncio.Future[None]]) -> None:
        """Wait for the futures; raises `.ChannelsError` if that takes too long."""
        for future in begun:
            await future

    def _deliver(self, name: str, payload: bytes) -> None:
        """Hand a message to all who listen."""
        receivers = self._receivers.get(name)
        if receivers is None:
            return
        message = Message(payload)
        try:
            _ = message.value
        except ValueError as e:
            gen_log.warning("What came in the channel %r is no message: %s", name, e)
            return
        for receiver in list(receivers):
            try:
                receiver._take(name, message)
            except Exception:
                app_log.error("Uncaught exception in the channel %r", name, exc_info=True)
