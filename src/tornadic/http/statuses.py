"""Status codes, their phrases, and the answer to what was no request."""

from __future__ import annotations

from http import HTTPStatus

__all__ = ["error_response", "responses"]

responses: dict[int, str] = {status.value: status.phrase for status in HTTPStatus}
"""From a status code to its reason phrase."""


def error_response(status: int, date: str) -> bytes:
    """A complete response without a body, after which the connection closes."""
    reason = responses.get(status, "Unknown")
    return (
        f"HTTP/1.1 {status} {reason}\r\nDate: {date}\r\n"
        "Content-Length: 0\r\nConnection: close\r\n\r\n"
    ).encode("latin-1")
