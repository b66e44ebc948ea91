"""Where a connection is in the life of a message.

A server's connection is in one of these states::

    IDLE --> HEAD --> BODY --> RESPONDING --> IDLE ...
      |        |        |          |
      `--------+--------+----------+--(refused, or the last answer)--> LINGERING --> CLOSED
                  any state --(late, closed by the peer, or detached)--> CLOSED

IDLE waits for a request, HEAD for the rest of its head, BODY for the rest of its body,
RESPONDING for the program's answer.  LINGERING has sent its last byte and throws away what still
comes, so that the peer gets to read the answer before the connection is reset (RFC 9112
section 9.6).
"""

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
