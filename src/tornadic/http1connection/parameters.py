"""The limits of a connection, and how long it may take over what."""

from __future__ import annotations

from typing import Final

from tornadic.http.reader import (
    DEFAULT_CHUNK_SIZE,
    DEFAULT_MAX_BODY_SIZE,
    DEFAULT_MAX_HEADER_SIZE,
    ReaderLimits,
)

__all__ = ["HTTP1ConnectionParameters"]

# Seconds.  Together with the rate below they are what makes a slow attacker fail on a server
# whose operator set nothing, while a phone on a bad line gets its upload through.
DEFAULT_HEADER_TIMEOUT: Final = 30.0
DEFAULT_IDLE_TIMEOUT: Final = 75.0
DEFAULT_BODY_TIMEOUT: Final = 60.0
DEFAULT_WRITE_TIMEOUT: Final = 60.0

LEAST_RATE: Final = 500.0
"""Bytes per second that a body must come, or a response go, once its time-out has passed."""


class HTTP1ConnectionParameters:
    """How `HTTP1Connection` and `HTTP1ServerConnection` are to behave.

    ``no_keep_alive``: close after one message.  ``chunk_size``: largest piece of a body that is
    handed on, in bytes (64 KB).  ``max_header_size``: of a head, in bytes (64 KB).
    ``max_body_size``: in bytes (100 MB), decompressed too.  ``decompress``: inflate bodies whose
    ``Content-Encoding`` is gzip.

    Times are in seconds and hold for a server's connections: ``header_timeout`` for a head to
    come, and for the wait before it (None: 30, after 75 idle); ``body_timeout`` for a body to
    come in all (None: 60 and then a second more for every 500 bytes); ``write_timeout`` for what
    waits to be sent (None: 60 and then as for bodies).  `math.inf` lifts one of them.
    """

    __slots__ = (
        "__dict__",
        "body_timeout",
        "chunk_size",
        "decompress",
        "header_timeout",
        "max_body_size",
        "max_header_size",
        "no_keep_alive",
        "write_timeout",
    )

    def __init__(
        self,
        no_keep_alive: bool = False,
        chunk_size: int | None = None,
        max_header_size: int | None = None,
        header_timeout: float | None = None,
        max_body_size: int | None = None,
        body_timeout: float | None = None,
        decompress: bool = False,
        write_timeout: float | None = None,
    ) -> None:
        self.no_keep_alive = no_keep_alive
        self.chunk_size = chunk_size or DEFAULT_CHUNK_SIZE
        self.max_header_size = max_header_size or DEFAULT_MAX_HEADER_SIZE
        self.header_timeout = header_timeout
        # A limit of nothing is a limit too.
        self.max_body_size = DEFAULT_MAX_BODY_SIZE if max_body_size is None else max_body_size
        self.body_timeout = body_timeout
        self.decompress = decompress
        self.write_timeout = write_timeout

    @property
    def limits(self) -> ReaderLimits:
        """The bounds of what is read, for a connection that begins now."""
        return ReaderLimits(self.max_header_size, self.max_body_size, self.chunk_size)

    @property
    def shortest_timeout(self) -> float:
        """The least of the times, in seconds: what a sweeper's period goes by."""
        return min(
            self.header_timeout or DEFAULT_HEADER_TIMEOUT,
            self.body_timeout or DEFAULT_BODY_TIMEOUT,
            self.write_timeout or DEFAULT_WRITE_TIMEOUT,
        )
