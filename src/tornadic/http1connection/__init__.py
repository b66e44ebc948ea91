"""HTTP/1.x on a stream: the documented classes, client and server.

`HTTP1Connection` carries one message after another over an `.IOStream`; `HTTP1ServerConnection`
serves requests on it.  What is parsed and written is decided in `tornadic.http`; what is here
moves bytes, keeps the order of things, and closes what is late.
"""

from tornadic.http1connection.client import HTTP1ClientConnection
from tornadic.http1connection.connection import MAX_INFORMATIONAL as _MAX_1XX_RESPONSES  # noqa: F401
from tornadic.http1connection.connection import HTTP1Connection
from tornadic.http1connection.parameters import HTTP1ConnectionParameters
from tornadic.http1connection.server import HTTP1ServerConnection

__all__ = [
    "HTTP1ClientConnection",
    "HTTP1Connection",
    "HTTP1ConnectionParameters",
    "HTTP1ServerConnection",
]
