"""Whose fault it was: what the peer has done against the WebSocket protocol."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["HandshakeRefused", "NegotiationError", "ProtocolViolation"]


class ProtocolViolation(Exception):
    """The peer has sent what it may not send; the connection has to be failed.

    ``close_code`` is what to say so with (RFC 6455 section 7.4), ``reason`` a few words of ASCII
    that fit into a close frame.
    """

    def __init__(self, close_code: int, reason: str) -> None:
        super().__init__(close_code, reason)
        self.close_code = close_code
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.reason} ({self.close_code})"


class HandshakeRefused(Exception):
    """A request that asks for no WebSocket that we can give: answer it and go on with HTTP.

    ``status`` is the status of the answer, ``reason`` a sentence for its body or the log,
    ``headers`` what the answer has to say besides.
    """

    def __init__(self, status: int, reason: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason
        self.headers: Mapping[str, str] = headers or {}

    def __str__(self) -> str:
        return f"HTTP {self.status}: {self.reason}"


class NegotiationError(ValueError):
    """The server has answered the client's handshake with what the client cannot accept."""
