"""Who is to blame when a message is wrong: the peer, or the program that uses us."""

from __future__ import annotations

__all__ = ["HTTPInputError", "HTTPOutputError"]


class HTTPInputError(Exception):
    """The peer sent something that is not well-formed HTTP, or is beyond a limit.

    ``status`` is what a server answers with: 400 unless the one who noticed knew better
    (413, 414, 431, 501, 505).
    """

    def __init__(self, message: str = "", status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class HTTPOutputError(Exception):
    """The program asked for a message that would not be well-formed HTTP.

    Raised before anything of the offending piece is sent.
    """
