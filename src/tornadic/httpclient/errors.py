"""What a fetch raises when there was an answer, but not a good one, or none at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tornadic.http.statuses import responses

if TYPE_CHECKING:
    from tornadic.httpclient.response import HTTPResponse

__all__ = ["HTTPClientError", "HTTPError"]


class HTTPClientError(Exception):
    """A request that was not successful.

    ``code`` is the status of the response, or 599 if there was none, as after a time-out.
    ``message`` is the reason (None: the usual phrase of ``code``).  ``response`` is the
    `HTTPResponse`, or None if there is none.
    """

    def __init__(
        self,
        code: int,
        message: str | None = None,
        response: HTTPResponse | None = None,
    ) -> None:
        self.code = code
        self.message = message or responses.get(code, "Unknown")
        self.response = response
        super().__init__(code, message, response)

    def __str__(self) -> str:
        return f"HTTP {self.code}: {self.message}"

    # The response would show this error, and that the response.
    __repr__ = __str__


HTTPError = HTTPClientError
