"""What a stream asks of the objects that it is given, and of the classes derived from it."""

from __future__ import annotations

from typing import Protocol

__all__ = ["HasFileno", "Sink", "overrides"]


class HasFileno(Protocol):
    """What `BaseIOStream.fileno` may return instead of a number."""

    def fileno(self) -> int: ...


class Sink(Protocol):
    """Takes what comes on a stream, instead of the stream's buffer."""

    def feed(self, data: bytes) -> None:
        """Take bytes that came."""

    def stream_closed(self) -> None:
        """Take note that the stream has closed, in a later turn of the loop."""


def overrides(cls: type, documented: str, shortcut: str) -> bool:
    """Whether ``cls`` has the documented method from a class that does not know our short-cut."""
    for base in cls.__mro__:
        own = vars(base)
        if shortcut in own:
            return False
        if documented in own:
            return True
    return False
