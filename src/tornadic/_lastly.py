"""What has to be done before a loop is gone.

Programs need not close their clients; but sockets that nobody closes are a warning.
``asyncio.run`` ends the generators that are still open, and `.IOLoop.close` drops what the loop
shares: `Lastly` notices both.
"""

from __future__ import annotations

import weakref
from collections.abc import AsyncGenerator, Awaitable
from typing import Protocol

from tornadic.ioloop import IOLoop

__all__ = ["Ending", "Lastly"]


class Ending(Protocol):
    """Whoever has to end with the loop."""

    def _end(self) -> None:
        """Close everything; the loop still runs."""

    def _abandon(self) -> None:
        """Close all descriptors; the loop does nothing any more."""


class Lastly:
    """Ends all that is in ``endings`` with its loop; ``io_loop.shared(Lastly)`` gives it."""

    def __init__(self, io_loop: IOLoop) -> None:
        self.endings: weakref.WeakSet[Ending] = weakref.WeakSet()
        self._generator = _wait_for_the_end(self.endings)
        _drive(self._generator.__anext__())

    def __del__(self) -> None:
        for ending in list(self.endings):
            ending._abandon()
        self.endings.clear()
        _drive(self._generator.aclose())


async def _wait_for_the_end(endings: weakref.WeakSet[Ending]) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        for ending in list(endings):
            ending._end()


def _drive(step: Awaitable[None]) -> None:
    """Carry out a step of a generator that waits for nothing."""
    try:
        next(step.__await__())
    except (StopIteration, StopAsyncIteration):
        pass
