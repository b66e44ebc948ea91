"""Channels: messages to everyone who listens, in this process or in all of them.

::

    channels = RedisChannels("redis://127.0.0.1:6379")  # or MemoryChannels()

    class Chat(WebSocketHandler):
        async def open(self, room):
            self.room = channels.group(room)
            await self.room.add(self)

        async def on_message(self, message):
            await self.room.publish(message)

        def on_close(self):
            self.room.discard(self)

``base`` has what all kinds share, ``groups`` and ``subscriptions`` are those who listen,
``messages`` says what goes over the wire, ``memory`` and ``redis`` bring it there.
"""

from tornadic.channels.base import Channels
from tornadic.channels.errors import ChannelsError
from tornadic.channels.groups import Group
from tornadic.channels.memory import MemoryChannels
from tornadic.channels.redis import RedisChannels
from tornadic.channels.subscriptions import Subscription

__all__ = [
    "Channels",
    "ChannelsError",
    "Group",
    "MemoryChannels",
    "RedisChannels",
    "Subscription",
]
