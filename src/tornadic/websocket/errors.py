"""What is raised to programs that use WebSockets."""

from __future__ import annotations

__all__ = ["WebSocketClosedError", "WebSocketError"]


class WebSocketError(Exception):
    """The other side does not speak WebSocket as it should, such as in a handshake."""


class WebSocketClosedError(WebSocketError):
    """Something was to be sent on a connection that is closed, or is being closed."""
