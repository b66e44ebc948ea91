"""Limits and times of a connection."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final, NamedTuple

from tornadic.log import gen_log

__all__ = [
    "CLOSE_TIMEOUT",
    "DEFAULT_MAX_MESSAGE_SIZE",
    "DEFAULT_MAX_WRITE_BUFFER_SIZE",
    "LINGER_BYTES",
    "MAX_CORKED",
    "MAX_QUEUED_BYTES",
    "MAX_QUEUED_MESSAGES",
    "MAX_UNREAD",
    "READ_SIZE",
    "Parameters",
]

DEFAULT_MAX_MESSAGE_SIZE: Final = 10 * 1024 * 1024
"""Bytes of a message, inflated: what Tornado's users know."""

DEFAULT_MAX_WRITE_BUFFER_SIZE: Final = 16 * 1024 * 1024
"""Bytes that may wait to be sent when more is written: one large message, and some more."""

CLOSE_TIMEOUT: Final = 5.0
"""Seconds for each step of a close: the peer's close frame, what is unsent, the end of TCP."""

LINGER_BYTES: Final = 1048576
"""Bytes of a peer that broke the protocol which are thrown away, so that it hears why."""

MAX_UNREAD: Final = 65536
"""Bytes that are held while the program is busy; then the stream stops reading."""

READ_SIZE: Final = 262144
"""Bytes asked of the kernel at once for large messages: in fewer pieces they cost a third less."""

MAX_CORKED: Final = 65536
"""Bytes of answers that are joined into one piece; larger ones are not worth the copy."""

MAX_QUEUED_MESSAGES: Final = 64
"""Messages for `read_message` that wait; then the stream stops reading."""

MAX_QUEUED_BYTES: Final = 1048576
"""The same in bytes (characters of text)."""


@lru_cache(64)
def _warn(timeout: float, interval: float) -> None:
    """Say so once, and not for every connection."""
    gen_log.warning(
        "The websocket_ping_timeout (%s) cannot be longer than the websocket_ping_interval "
        "(%s). Setting websocket_ping_timeout=%s",
        timeout,
        interval,
        interval,
    )


class Parameters(NamedTuple):
    """What holds for one connection.

    Sizes in bytes; ``ping_interval`` and ``ping_timeout`` in seconds, `math.inf` for no pings, or
    none that has to be answered.
    """

    max_message_size: int = DEFAULT_MAX_MESSAGE_SIZE
    ping_interval: float = math.inf
    ping_timeout: float = math.inf
    max_write_buffer_size: int = DEFAULT_MAX_WRITE_BUFFER_SIZE

    @classmethod
    def of(
        cls,
        max_message_size: int | None,
        ping_interval: float | None,
        ping_timeout: float | None,
        max_write_buffer_size: int | None = None,
    ) -> Parameters:
        """The parameters that a program asks for.

        None stands for the default everywhere, and 0 for no interval and no time-out.  Without a
        time-out a ping has to be answered until the next is due; a longer one is shortened to
        that, with a warning.
        """
        interval = ping_interval or math.inf
        timeout = interval if ping_timeout is None else ping_timeout or math.inf
        if interval < timeout < math.inf:
            _warn(timeout, interval)
            timeout = interval
        return cls(
            DEFAULT_MAX_MESSAGE_SIZE if max_message_size is None else max_message_size,
            interval,
            timeout,
            DEFAULT_MAX_WRITE_BUFFER_SIZE
            if max_write_buffer_size is None
            else max_write_buffer_size,
        )
