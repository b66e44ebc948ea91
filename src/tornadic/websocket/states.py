"""Where a connection is in its life.

::

    OPEN --(we send a close)----> CLOSING --(the peer's close)--> ENDING --> CLOSED
      `----(the peer's close, answered; a violation; too late)------^

OPEN takes and sends messages.  CLOSING has sent its close frame and still takes messages until
the peer's comes.  ENDING has nothing more to say or to hear: the program has been told, and what
is left is to end TCP in the right order.  CLOSED has no stream any more; every state leads to it
when the stream closes.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

__all__ = ["CLOSED", "CLOSING", "ENDING", "OPEN", "State"]


class State(Enum):
    """Where a connection is in its life; see the module's description."""

    OPEN = "open"
    CLOSING = "closing"
    ENDING = "ending"
    CLOSED = "closed"


# Looked up once; members of an enumeration are slow to reach.
OPEN: Final = State.OPEN
CLOSING: Final = State.CLOSING
ENDING: Final = State.ENDING
CLOSED: Final = State.CLOSED
