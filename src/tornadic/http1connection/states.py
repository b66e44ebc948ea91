"""Where a connection is in the life of a message; see `tornadic.http1connection.connection`."""

from __future__ import annotations

from enum import Enum

__all__ = ["State"]


class State(Enum):
    """Where a connection is in the life of a message; see the module's description."""

    IDLE = "idle"
    HEAD = "head"
    BODY = "body"
    RESPONDING = "responding"
    LINGERING = "lingering"
    CLOSED = "closed"


# Looked up once; members of an enumeration are slow to reach.
_IDLE, _HEAD, _BODY = State.IDLE, State.HEAD, State.BODY
_RESPONDING, _LINGERING, _CLOSED = State.RESPONDING, State.LINGERING, State.CLOSED
