"""What the simple client raises when there is no response.

Both look like a response of status 599, which is what old programs ask for.
"""

from __future__ import annotations

from tornadic.httpclient.errors import HTTPClientError

__all__ = ["HTTPStreamClosedError", "HTTPTimeoutError"]


class HTTPTimeoutError(HTTPClientError):
    """It took too long; the message says what did."""

    def __init__(self, message: str) -> None:
        super().__init__(599, message=message)

    def __str__(self) -> str:
        return self.message


class HTTPStreamClosedError(HTTPClientError):
    """The connection closed before the response was complete.

    Where more is known, as by a `ConnectionResetError`, that is raised instead.
    """

    def __init__(self, message: str) -> None:
        super().__init__(599, message=message)

    def __str__(self) -> str:
        return self.message
