"""The connections of a loop that are open, so that none is left when the loop ends."""

from __future__ import annotations

from typing import Protocol

from tornadic._lastly import Lastly
from tornadic.ioloop import IOLoop

__all__ = ["OpenConnections"]


class _Closable(Protocol):
    def end(self) -> None: ...
    def abandon(self) -> None: ...


class OpenConnections(set[_Closable]):
    """All of one loop; ``io_loop.shared(OpenConnections)`` gives it."""

    def __init__(self, io_loop: IOLoop) -> None:
        super().__init__()
        io_loop.shared(Lastly).endings.add(self)

    def __hash__(self) -> int:  # type: ignore[override]  # for `Lastly`, which keeps a set
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def _end(self) -> None:
        """The loop is about to end: say so to everyone, and close."""
        for connection in list(self):
            connection.end()

    def _abandon(self) -> None:
        """Close all descriptors; the loop does nothing any more."""
        for connection in list(self):
            connection.abandon()
        self.clear()
