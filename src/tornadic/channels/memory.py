"""Channels of one process."""

from __future__ import annotations

from typing import Any

from tornadic.channels.base import Channels
from tornadic.channels.messages import encode_message

__all__ = ["MemoryChannels"]


class MemoryChannels(Channels):
    """Channels within this process: what is published has been handed on when `publish` is done.

    Messages take the way of JSON here, too, so that a program finds no difference when it grows
    to several processes and takes `.RedisChannels`.
    """

    async def publish(self, name: str, message: Any) -> None:
        """See `.Channels.publish`; never raises `.ChannelsError`."""
        payload = encode_message(message)
        self._deliver(name, payload)
