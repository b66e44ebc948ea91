"""WebSockets (RFC 6455, RFC 7692): handlers, a client, and one message to many.

A connection (``protocol``) begins as an HTTP request: ``handler`` answers it on a server,
``connecting`` sends it as a client.  Then it is the sink of its stream and feeds the reader of
`tornadic.frames`; ``sending`` is the way out.  ``broadcasting`` makes a frame once for all.
"""

from tornadic.websocket.broadcasting import broadcast
from tornadic.websocket.client import WebSocketClientConnection, websocket_connect
from tornadic.websocket.errors import WebSocketClosedError, WebSocketError
from tornadic.websocket.handler import WebSocketHandler
from tornadic.websocket.protocol import WebSocketProtocol

WebSocketProtocol13 = WebSocketProtocol

__all__ = [
    "WebSocketClientConnection",
    "WebSocketClosedError",
    "WebSocketError",
    "WebSocketHandler",
    "WebSocketProtocol",
    "WebSocketProtocol13",
    "broadcast",
    "websocket_connect",
]
